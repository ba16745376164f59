/** From a Service as the user writes it to one without gaps, by Kubernetes' rules (ValidateService). Pure. */
import { isIPv4 } from "node:net";
import type { Problem } from "../fields";
import { dnsLabel, labelValue, portName, qualifiedName } from "./names";
import { normalizeMetadata, throwProblems, type UsableMetadata, withoutOwnArgs } from "./normalize";
import { check } from "./rules";
import { SERVICE } from "./support-service";
import { walkObject } from "./walk";

/** A port without gaps. */
export interface NormalizedServicePort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly targetPort: number | string;
  readonly nodePort?: number;
}

/** A Service without gaps. */
export interface NormalizedService {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, unknown>>;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer";
  /** An address or `None`; absent: one that is free. */
  readonly clusterIP?: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly NormalizedServicePort[];
  readonly externalIPs: readonly string[];
  readonly loadBalancerSourceRanges: readonly string[];
  readonly allocateLoadBalancerNodePorts: boolean;
  readonly affinitySeconds?: number;
  readonly internalTrafficPolicy: "Cluster" | "Local";
  readonly externalTrafficPolicy: "Cluster" | "Local";
  readonly publishNotReadyAddresses: boolean;
}

interface UsablePort {
  name?: string;
  port?: number;
  protocol?: "TCP" | "UDP" | "SCTP";
  targetPort?: number | string;
  nodePort?: number;
  appProtocol?: string;
}

interface UsableSpec {
  type?: NormalizedService["type"];
  clusterIP?: string;
  clusterIPs?: (string | undefined)[];
  selector?: Map<string, string>;
  ports?: (UsablePort | undefined)[];
  externalIPs?: (string | undefined)[];
  ipFamilies?: unknown[];
  loadBalancerSourceRanges?: (string | undefined)[];
  allocateLoadBalancerNodePorts?: boolean;
  sessionAffinity?: "None" | "ClientIP";
  sessionAffinityConfig?: { clientIP?: { timeoutSeconds?: number } };
  internalTrafficPolicy?: "Cluster" | "Local";
  externalTrafficPolicy?: "Cluster" | "Local";
  publishNotReadyAddresses?: boolean;
}

const threeHours = 10_800;

/** Checks a Service; `name` is the Pulumi resource's. Mistakes are reported as for a Pod. */
export function normalizeService(name: string, args: unknown): NormalizedService {
  const problems: Problem[] = [];
  const { metadata = {}, spec = {} } = walkObject(withoutOwnArgs(args), SERVICE, "", problems) as {
    metadata?: UsableMetadata;
    spec?: UsableSpec;
  };
  const {
    ip: _,
    skipAwait: __,
    timeoutSeconds: ___,
    ...about
  } = normalizeMetadata(name, metadata, problems, "Service");
  checkName(about.name, problems);
  const type = spec.type ?? "ClusterIP";
  const clusterIP = addressOf(spec, problems);
  const isOpen = type !== "ClusterIP";
  if (isOpen && clusterIP === "None")
    problems.push({ path: "spec.clusterIP", reason: `must not be None with type ${type}` });
  if (clusterIP !== "None" && (spec.ports ?? []).length === 0)
    problems.push({ path: "spec.ports", reason: "needs at least one port, unless clusterIP is None" });
  const selector = spec.selector ?? new Map<string, string>();
  for (const [key, value] of selector) {
    const path = `spec.selector[${JSON.stringify(key)}]`;
    check(qualifiedName, key, path, problems);
    check(labelValue, value, path, problems);
  }
  addresses(spec.externalIPs, "spec.externalIPs", problems);
  checkRanges(spec.loadBalancerSourceRanges, type, problems);
  if (!isOpen && spec.externalTrafficPolicy === "Local" && (spec.externalIPs ?? []).length === 0)
    problems.push({
      path: "spec.externalTrafficPolicy",
      reason: "needs the type NodePort or LoadBalancer, or externalIPs",
    });
  const affinitySeconds = affinityOf(spec, problems);
  const ports = normalizePorts(spec.ports ?? [], isOpen, problems);
  throwProblems(problems);
  return {
    name: about.name,
    namespace: about.namespace,
    labels: about.labels as Record<string, string>,
    annotations: about.annotations,
    type,
    ...(clusterIP !== undefined && { clusterIP }),
    selector: Object.fromEntries(selector),
    ports,
    externalIPs: (spec.externalIPs ?? []) as string[],
    loadBalancerSourceRanges: ((spec.loadBalancerSourceRanges ?? []) as string[]).map((each) => each.trim()),
    allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true,
    ...(affinitySeconds !== undefined && { affinitySeconds }),
    internalTrafficPolicy: spec.internalTrafficPolicy ?? "Cluster",
    externalTrafficPolicy: spec.externalTrafficPolicy ?? "Cluster",
    publishNotReadyAddresses: spec.publishNotReadyAddresses ?? false,
  };
}

/** A DNS label that begins with a letter (RFC 1035). */
function checkName(name: string, problems: Problem[]): void {
  const isLabel = dnsLabel(name) === undefined && /^[a-z]/.test(name);
  if (isLabel || problems.some(({ path }) => path === "metadata.name")) return;
  const reason = "must be a DNS label that begins with a letter: at most 63 of a-z, 0-9 and -";
  problems.push({ path: "metadata.name", reason });
}

function addressOf({ clusterIP, clusterIPs }: UsableSpec, problems: Problem[]): string | undefined {
  const [first, ...more] = clusterIPs ?? [];
  if (more.length > 0) problems.push({ path: "spec.clusterIPs", reason: "must be one address: pods have IPv4 only" });
  if (clusterIP !== undefined && first !== undefined && clusterIP !== first)
    problems.push({ path: "spec.clusterIPs[0]", reason: "must be the same as clusterIP" });
  const given = clusterIP || first || undefined;
  const path = clusterIP === undefined ? "spec.clusterIPs[0]" : "spec.clusterIP";
  if (given !== undefined && given !== "None" && !isIPv4(given))
    problems.push({ path, reason: "must be an IPv4 address, or None" });
  return given;
}

function addresses(list: readonly (string | undefined)[] = [], path: string, problems: Problem[]): void {
  list.forEach((each, i) => {
    const isUsual =
      each === undefined || (isIPv4(each) && !/^(0\.0\.0\.0$|127\.|169\.254\.|22[4-9]\.|23\d\.)/.test(each));
    if (!isUsual)
      problems.push({
        path: `${path}[${i}]`,
        reason: "must be an IPv4 address, and none of loopback, link-local or multicast",
      });
  });
}

function checkRanges(
  ranges: readonly (string | undefined)[] = [],
  type: NormalizedService["type"],
  problems: Problem[],
): void {
  if (ranges.length > 0 && type !== "LoadBalancer")
    problems.push({ path: "spec.loadBalancerSourceRanges", reason: "needs the type LoadBalancer" });
  ranges.forEach((each, i) => {
    const [network = "", prefix = "", more] = (each ?? "0.0.0.0/0").trim().split("/");
    const bits = network.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    const isRange = more === undefined && isIPv4(network) && /^\d{1,2}$/.test(prefix) && Number(prefix) <= 32;
    if (!isRange || bits % 2 ** (32 - Number(prefix)) !== 0)
      problems.push({
        path: `spec.loadBalancerSourceRanges[${i}]`,
        reason: "must be an IPv4 range such as 192.0.2.0/24, without bits set beyond its prefix",
      });
  });
}

function affinityOf({ sessionAffinity, sessionAffinityConfig }: UsableSpec, problems: Problem[]): number | undefined {
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (sessionAffinity !== "ClientIP") {
    if (sessionAffinityConfig?.clientIP !== undefined)
      problems.push({ path: "spec.sessionAffinityConfig", reason: "needs sessionAffinity: ClientIP" });
    return undefined;
  }
  if (seconds !== undefined && (seconds < 1 || seconds > 86_400))
    problems.push({
      path: "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
      reason: "must be between 1 and 86400",
    });
  return seconds ?? threeHours;
}

function normalizePorts(
  ports: readonly (UsablePort | undefined)[],
  isOpen: boolean,
  problems: Problem[],
): NormalizedServicePort[] {
  const inRange = (value: number | undefined) => value === undefined || (value >= 1 && value <= 65_535);
  const names = new Set<string>();
  const taken = new Set<string>();
  return ports.map((each, i) => {
    const { name, port = 1, protocol = "TCP", targetPort, nodePort = 0, appProtocol } = each ?? {};
    const at = `spec.ports[${i}]`;
    const refuse = (field: string, reason: string) => problems.push({ path: `${at}.${field}`, reason });
    if (name === undefined || name === "") {
      if (ports.length > 1) refuse("name", "is required, because there are several ports");
    } else {
      check(dnsLabel, name, `${at}.name`, problems);
      if (names.has(name)) refuse("name", "must be unique");
      names.add(name);
    }
    if (!inRange(port)) refuse("port", "must be between 1 and 65535");
    if (taken.has(`${protocol} ${port}`)) refuse("port", "must be unique for its protocol");
    taken.add(`${protocol} ${port}`);
    if (typeof targetPort === "string") check(portName, targetPort, `${at}.targetPort`, problems);
    else if (!inRange(targetPort)) refuse("targetPort", "must be between 1 and 65535");
    if (nodePort !== 0 && !isOpen) refuse("nodePort", "needs the type NodePort or LoadBalancer");
    else if (nodePort !== 0 && !inRange(nodePort)) refuse("nodePort", "must be between 1 and 65535");
    if (appProtocol !== undefined) check(qualifiedName, appProtocol, `${at}.appProtocol`, problems);
    return {
      ...(name ? { name } : {}),
      port,
      protocol,
      targetPort: targetPort ?? port,
      ...(nodePort !== 0 && { nodePort }),
    };
  });
}
