/** From an EndpointSlice as the user writes it to one without gaps, by Kubernetes' rules (ValidateEndpointSlice). Pure. */
import { isIPv4 } from "node:net";
import type { Problem } from "../fields";
import { dnsLabel } from "./names";
import { normalizeMetadata, throwProblems, type UsableMetadata, withoutOwnArgs } from "./normalize";
import { check } from "./rules";
import { ENDPOINT_SLICE } from "./support-service";
import { walkObject } from "./walk";

/** An EndpointSlice without gaps. */
export interface NormalizedEndpointSlice {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, unknown>>;
  /** The name of the Service. */
  readonly service: string;
  readonly ports: readonly {
    readonly name?: string;
    readonly port: number;
    readonly protocol: "TCP" | "UDP" | "SCTP";
  }[];
  /** Those that are ready. */
  readonly endpoints: readonly { readonly address: string; readonly nodeName?: string }[];
}

interface Usable {
  metadata?: UsableMetadata;
  endpoints?: (
    | { addresses?: (string | undefined)[]; conditions?: { ready?: boolean }; nodeName?: string }
    | undefined
  )[];
  ports?: ({ name?: string; port?: number; protocol?: "TCP" | "UDP" | "SCTP" } | undefined)[];
}

const serviceLabel = "kubernetes.io/service-name";

/** Checks an EndpointSlice; `name` is the Pulumi resource's. Mistakes are reported as for a Pod. */
export function normalizeEndpointSlice(name: string, args: unknown): NormalizedEndpointSlice {
  const problems: Problem[] = [];
  const {
    metadata = {},
    endpoints = [],
    ports = [],
  } = walkObject(withoutOwnArgs(args), ENDPOINT_SLICE, "", problems) as Usable;
  const { ip: _, skipAwait: __, timeoutSeconds: ___, ...about } = normalizeMetadata(name, metadata, problems, "object");
  const labels = about.labels as Record<string, string>;
  const service = labels[serviceLabel];
  const at = `metadata.labels["${serviceLabel}"]`;
  if (service === undefined) problems.push({ path: at, reason: "is required: the name of the Service" });
  else check(dnsLabel, service, at, problems);
  const names = ports.map((port) => port?.name ?? "");
  const normalPorts = ports.map((each, i) => {
    const { name, port, protocol = "TCP" } = each ?? {};
    const path = `ports[${i}]`;
    if (port === undefined) problems.push({ path: `${path}.port`, reason: "is required: all ports are not possible" });
    else if (port < 1 || port > 65_535) problems.push({ path: `${path}.port`, reason: "must be between 1 and 65535" });
    if (name) check(dnsLabel, name, `${path}.name`, problems);
    if (names.indexOf(name ?? "") < i) problems.push({ path: `${path}.name`, reason: "must be unique" });
    return { ...(name ? { name } : {}), port: port ?? 1, protocol };
  });
  const ready = endpoints.flatMap((each, i) => {
    const { addresses = [], conditions, nodeName } = each ?? {};
    const [address] = addresses;
    if (address === undefined)
      problems.push({ path: `endpoints[${i}].addresses`, reason: "needs at least one address" });
    addresses.forEach((one, j) => {
      const isUsual = one !== undefined && isIPv4(one) && !/^(0\.|127\.|169\.254\.|22[4-9]\.|23\d\.)/.test(one);
      if (!isUsual)
        problems.push({
          path: `endpoints[${i}].addresses[${j}]`,
          reason: "must be an IPv4 address, and none of loopback, link-local or multicast",
        });
    });
    if (address === undefined || conditions?.ready === false) return [];
    return [{ address, ...(nodeName !== undefined && { nodeName }) }];
  });
  throwProblems(problems);
  return {
    name: about.name,
    namespace: about.namespace,
    labels,
    annotations: about.annotations,
    service: service ?? "",
    ports: normalPorts,
    endpoints: ready,
  };
}
