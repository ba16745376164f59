import type * as pulumi from "@pulumi/pulumi";
import { ipv4Address } from "../addresses";
import { sh } from "../command/command";
import { type DeclaredEndpoints, endpointsAt } from "../facts/service";
import { boolean, dnsLabel, integer, list, object, oneOf, optional, required, text } from "../fields";
import { servicesPath } from "../node-programs";
import { defineSpec, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";
import { declare, idOf, textOf } from "./service-declaration";

/** An address that a Service leads to. */
export interface EndpointTargetArgs {
  /** An IPv4 address. */
  readonly address: string;
  /**
   * Whether it is on this node: then it counts for the policies `Local`.
   * @defaultValue false
   */
  readonly local?: boolean | undefined;
}

/** The inputs of {@link ServiceEndpoints}. */
export interface ServiceEndpointsArgs extends PrimitiveArgs {
  /** A DNS label: the namespace of the Service. Changing this replaces it. */
  readonly namespace: pulumi.Input<string>;
  /** A DNS subdomain. Changing this replaces it. */
  readonly name: pulumi.Input<string>;
  /** The name of the Service, which may be declared later. */
  readonly service: pulumi.Input<string>;
  /** The ports there, by the names of the Service's ports. */
  readonly ports: pulumi.Input<
    { name?: string | undefined; port: number; protocol?: "TCP" | "UDP" | "SCTP" | undefined }[]
  >;
  /** Where connections go, evenly. */
  readonly endpoints: pulumi.Input<EndpointTargetArgs[]>;
}

/** @internal */
export interface ServiceEndpointsInputs extends NodeInputs {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  readonly endpoints: readonly EndpointTargetArgs[];
  /** Whether they are declared as they must be: always wanted, so that what is broken shows as a difference. */
  readonly up: boolean;
}

const label = dnsLabel();

/** @internal */
export const serviceEndpointsSpec = defineSpec<ServiceEndpointsInputs, DeclaredEndpoints>({
  type: "ServiceEndpoints",
  identity: ["namespace", "name"],
  fields: {
    namespace: required(label),
    name: required(
      text({
        max: 180,
        pattern: /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/,
        form: "a DNS subdomain of at most 180 characters",
      }),
    ),
    service: required(label),
    ports: required(
      list(
        object({
          name: optional(label),
          port: required(integer(1, 65_535)),
          protocol: optional(oneOf("TCP", "UDP", "SCTP")),
        }),
        { max: 100 },
      ),
    ),
    endpoints: required(
      list(
        object({
          address: required(ipv4Address),
          local: optional(boolean()),
        }),
        { max: 1000 },
      ),
    ),
    up: required(boolean()),
  },
  needsPrograms: () => true,
  observe: (inputs) => endpointsAt(idOf(inputs)),
  plan: (inputs, seen) =>
    seen?.text === declaration(inputs)
      ? []
      : [declare("declare the endpoints", "slice", declaration(inputs), idOf(inputs))],
  undo: () => [],
  // The folders may be there without the file.
  cleanup: (inputs) => [sh(servicesPath(), "unslice", idOf(inputs))],
  drift: (inputs, seen) => (seen.text === declaration(inputs) ? {} : { up: false }),
});

/**
 * Where a {@link ServiceProxy} without a selector leads to: addresses that are no pods of the node. The Service's rules follow; both may
 * be declared in any order.
 *
 * @example
 * ```ts
 * new ServiceEndpoints("db", { node, namespace: "default", name: "db", service: "db", ports: [{ port: 5432 }], endpoints: [{ address: "192.0.2.20" }] });
 * ```
 * @see https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
 */
export class ServiceEndpoints extends NodeResource {
  declare readonly namespace: pulumi.Output<string>;
  declare readonly name: pulumi.Output<string>;
  declare readonly service: pulumi.Output<string>;

  constructor(name: string, args: ServiceEndpointsArgs, options?: pulumi.CustomResourceOptions) {
    super(serviceEndpointsSpec.type, name, { ...args, up: true }, [], options);
  }
}

/** The lines that node-scripts/services.awk reads. */
function declaration({ namespace, service, ports, endpoints }: ServiceEndpointsInputs): string {
  const lines = ports.flatMap(({ name, port, protocol }) =>
    endpoints.map(({ address, local }) => [
      "endpoint",
      name ?? "-",
      (protocol ?? "TCP").toLowerCase(),
      address,
      port,
      local === true ? "here" : "-",
    ]),
  );
  return textOf([["slice", namespace, service], ...lines]);
}
