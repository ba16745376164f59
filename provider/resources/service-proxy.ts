import { isIPv4 } from "node:net";
import type * as pulumi from "@pulumi/pulumi";
import { ipv4Address } from "../addresses";
import { type Command, sh } from "../command/command";
import { type ServiceState, serviceAt } from "../facts/service";
import {
  boolean,
  dnsLabel,
  type Field,
  integer,
  list,
  object,
  oneOf,
  optional,
  type Problem,
  parsed,
  record,
  required,
  text,
} from "../fields";
import { digest } from "../naming";
import { servicesPath } from "../node-programs";
import { defineSpec, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";
import { declare, idOf, textOf } from "./service-declaration";

/** A port of a Service, and where it leads. */
export interface ServiceProxyPort {
  /** Needed where there are several ports. */
  readonly name?: string | undefined;
  /** The Service's port, 1 to 65535. */
  readonly port: number;
  /**
   * The pods' port, or the name of one.
   * @defaultValue `port`
   */
  readonly targetPort?: number | string | undefined;
  /**
   * SCTP where the node's kernel tracks its connections.
   * @defaultValue `TCP`
   */
  readonly protocol?: "TCP" | "UDP" | "SCTP" | undefined;
  /**
   * The node's port, from 30000 to 32767, with the types `NodePort` and `LoadBalancer`.
   * @defaultValue one that is free, and kept
   */
  readonly nodePort?: number | undefined;
}

/** The inputs of {@link ServiceProxy}. */
export interface ServiceProxyArgs extends PrimitiveArgs {
  /** A DNS label: the namespace of the pods. Changing this replaces it. */
  readonly namespace: pulumi.Input<string>;
  /** A DNS label. Changing this replaces it. */
  readonly name: pulumi.Input<string>;
  /**
   * From where it is reached.
   * @defaultValue `ClusterIP`
   */
  readonly type?: pulumi.Input<"ClusterIP" | "NodePort" | "LoadBalancer"> | undefined;
  /**
   * Its IPv4 address, of the node's service range 10.96.0.0/12, or `None`: no address and no rules.
   * @defaultValue one that is free, and kept
   */
  readonly clusterIP?: pulumi.Input<string> | undefined;
  /**
   * The labels of the pods that it leads to.
   * @defaultValue none at all
   */
  readonly selector?: pulumi.Input<Record<string, string>> | undefined;
  /** Its ports. */
  readonly ports?: pulumi.Input<ServiceProxyPort[]> | undefined;
  /** Further IPv4 addresses that lead to it, when packets for them come to the node. */
  readonly externalIPs?: pulumi.Input<string[]> | undefined;
  /** From where the address of the load balancer is reached, IPv4 ranges; absent: from anywhere. */
  readonly loadBalancerSourceRanges?: pulumi.Input<string[]> | undefined;
  /**
   * Whether the type `LoadBalancer` takes ports of the node as well.
   * @defaultValue true
   */
  readonly allocateLoadBalancerNodePorts?: pulumi.Input<boolean> | undefined;
  /** For how many seconds a client is led to the same pod, 1 to 86400; absent: not at all. */
  readonly affinitySeconds?: pulumi.Input<number> | undefined;
  /**
   * `Local`: only pods of this node, for clients in the node.
   * @defaultValue `Cluster`
   */
  readonly internalTrafficPolicy?: pulumi.Input<"Cluster" | "Local"> | undefined;
  /**
   * `Local`: only pods of this node, for clients outside, whose addresses they then see.
   * @defaultValue `Cluster`
   */
  readonly externalTrafficPolicy?: pulumi.Input<"Cluster" | "Local"> | undefined;
  /**
   * Leads to pods that are not ready, too.
   * @defaultValue false
   */
  readonly publishNotReadyAddresses?: pulumi.Input<boolean> | undefined;
}

type Args = pulumi.Unwrap<Omit<ServiceProxyArgs, "node">>;

/** @internal */
export interface ServiceProxyInputs extends NodeInputs, Omit<Args, "adopt"> {
  /** Whether it is declared and its rules are in force: always wanted, so that what is broken shows as a difference. */
  readonly up: boolean;
}

const label = dnsLabel();
const range = parsed((value) => {
  const [network = "", prefix = ""] = typeof value === "string" ? value.split("/") : [];
  if (!isIPv4(network) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32) throw new Error("must be an IPv4 range");
});
const port = integer(1, 65_535);
const target: Field = (value, path) =>
  typeof value === "number"
    ? port(value, path)
    : text({ max: 15, pattern: /^(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, form: "a port or a port's name" })(
        value,
        path,
      );

/** @internal */
export const serviceProxySpec = defineSpec<ServiceProxyInputs, ServiceState>({
  type: "ServiceProxy",
  identity: ["namespace", "name"],
  fields: {
    namespace: required(label),
    name: required(label),
    type: optional(oneOf("ClusterIP", "NodePort", "LoadBalancer")),
    clusterIP: optional((value, path) => (value === "None" ? [] : ipv4Address(value, path))),
    selector: optional(
      record(text({ max: 317, pattern: /^[!-~]+$/, form: "a label" }), text({ max: 63, empty: true })),
    ),
    ports: optional(
      list(
        object({
          name: optional(label),
          port: required(port),
          targetPort: optional(target),
          protocol: optional(oneOf("TCP", "UDP", "SCTP")),
          nodePort: optional(port),
        }),
        { max: 1000 },
      ),
    ),
    externalIPs: optional(list(ipv4Address, { max: 100 })),
    loadBalancerSourceRanges: optional(list(range, { max: 1000 })),
    allocateLoadBalancerNodePorts: optional(boolean()),
    affinitySeconds: optional(integer(1, 86_400)),
    internalTrafficPolicy: optional(oneOf("Cluster", "Local")),
    externalTrafficPolicy: optional(oneOf("Cluster", "Local")),
    publishNotReadyAddresses: optional(boolean()),
    up: required(boolean()),
  },
  check,
  needsPrograms: () => true,
  observe: (inputs) => serviceAt(idOf(inputs)),
  plan: (inputs, seen) =>
    seen?.whole === true && seen.declared === declaredOf(inputs)
      ? []
      : [declare("declare the Service", "put", declaration(inputs), idOf(inputs))],
  undo: () => [],
  // Rules may be there without the declaration.
  cleanup: (inputs) => [sh(servicesPath(), "remove", idOf(inputs))],
  drift: (inputs, seen) => (seen.whole && seen.declared === declaredOf(inputs) ? {} : { up: false }),
  outputs: (_, seen) => ({ assignedIP: seen.clusterIP, assignedPorts: seen.ports, ingress: seen.ingress }),
  boot: { rank: () => "80", commands: (inputs): Command[] => [sh(servicesPath(), "apply", idOf(inputs))] },
});

/**
 * What kube-proxy does for one Service of a node, in its words: an address and ports that lead to ready pods, spread evenly. The rules
 * follow the pods on the node, without Pulumi; state holds what was declared.
 *
 * ```
 *   KUBE-SERVICES ── 10.96.0.10:53 ──► KUBE-SVC-… ── by chance ──► KUBE-SEP-… ── DNAT ──► 10.244.0.3:53
 *   KUBE-NODEPORTS ── :30053 ────────► KUBE-EXT-… ──┘
 * ```
 *
 * A node that runs kube-proxy is refused. Flows of UDP are told of a change where the node has conntrack(8).
 *
 * @example
 * ```ts
 * new ServiceProxy("web", { node, namespace: "default", name: "web", selector: { app: "web" }, ports: [{ port: 80 }] });
 * ```
 * @see https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
export class ServiceProxy extends NodeResource {
  declare readonly namespace: pulumi.Output<string>;
  declare readonly name: pulumi.Output<string>;
  /** Its address: the one that was asked for, or the one that it got; empty without one. */
  declare readonly assignedIP: pulumi.Output<string>;
  /** Its ports with those of the node that they have got, 0 for none. */
  declare readonly assignedPorts: pulumi.Output<ServiceState["ports"]>;
  /** Of type `LoadBalancer`: the node's address. */
  declare readonly ingress: pulumi.Output<readonly string[]>;

  constructor(name: string, args: ServiceProxyArgs, options?: pulumi.CustomResourceOptions) {
    super(serviceProxySpec.type, name, { ...args, up: true }, ["assignedIP", "assignedPorts", "ingress"], options);
  }
}

function check({ ports = [], ...inputs }: ServiceProxyInputs): Problem[] {
  const problems: Problem[] = [];
  const isOpen = inputs.type === "NodePort" || inputs.type === "LoadBalancer";
  if (inputs.clusterIP !== "None" && ports.length === 0)
    problems.push({ path: "ports", reason: "needs at least 1 elements" });
  if (inputs.clusterIP === "None" && isOpen)
    problems.push({ path: "clusterIP", reason: `must not be None with type ${inputs.type}` });
  const keys = ports.map(({ port, protocol }) => `${protocol ?? "TCP"} ${port}`);
  ports.forEach(({ name, nodePort }, i) => {
    if (ports.length > 1 && name == null)
      problems.push({ path: `ports[${i}].name`, reason: "is required: there are several ports" });
    if (name != null && ports.findIndex((other) => other.name === name) < i)
      problems.push({ path: `ports[${i}].name`, reason: "must be unique" });
    if (keys.indexOf(keys[i] ?? "") < i)
      problems.push({ path: `ports[${i}].port`, reason: "must be unique for its protocol" });
    if (nodePort != null && !isOpen)
      problems.push({ path: `ports[${i}].nodePort`, reason: "needs the type NodePort or LoadBalancer" });
  });
  return problems;
}

/** The lines that node-scripts/services-declare.sh reads, but the first. */
function lines(inputs: ServiceProxyInputs): (string | number)[][] {
  const { type = "ClusterIP", clusterIP } = inputs;
  const takesPorts = type === "NodePort" || (type === "LoadBalancer" && inputs.allocateLoadBalancerNodePorts !== false);
  const isLocal = (key: "internal" | "external") => (inputs[`${key}TrafficPolicy`] === "Local" ? [[key, "Local"]] : []);
  return [
    ["service", inputs.namespace, inputs.name],
    ["type", type],
    ["clusterIP", clusterIP ?? "auto"],
    ...Object.entries(inputs.selector ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => ["selector", `${key}=${value}`]),
    ...(type === "LoadBalancer" ? [["balancer"]] : []),
    ...(inputs.ports ?? []).map(({ name, port, protocol, targetPort, nodePort }) => [
      "port",
      name ?? "-",
      (protocol ?? "TCP").toLowerCase(),
      port,
      targetPort ?? port,
      nodePort ?? (takesPorts ? "auto" : "-"),
    ]),
    ...(inputs.affinitySeconds == null ? [] : [["affinity", inputs.affinitySeconds]]),
    ...isLocal("internal"),
    ...isLocal("external"),
    ...(inputs.publishNotReadyAddresses === true ? [["publish"]] : []),
    ...(inputs.externalIPs ?? []).map((each) => ["externalIP", each]),
    ...(inputs.loadBalancerSourceRanges ?? []).map((each) => ["source", each]),
  ];
}

function declaredOf(inputs: ServiceProxyInputs): string {
  return digest(textOf(lines(inputs)));
}

function declaration(inputs: ServiceProxyInputs): string {
  return `declared\t${declaredOf(inputs)}\n${textOf(lines(inputs))}`;
}
