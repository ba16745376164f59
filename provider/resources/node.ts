import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { parseCidr } from "../addresses";
import { type Command, raw, sh, write } from "../command/command";
import { makeFolder, removeFolder } from "../command/folders";
import { findAddress, logFolders, type NodeState, nodeFacts, nodeFolder } from "../facts/node";
import { oneOf, optional, parsed, required, text } from "../fields";
import { dnsSubdomain } from "../kubernetes/names";
import { DEFAULT_CLUSTER_DOMAIN } from "../kubernetes/normalize-network";
import { packagesFor } from "../packages";
import {
  defineSpec,
  firstUrn,
  type NodeInputs,
  type NodeReference,
  type NodeRegistries,
  type Placement,
  providerText,
  withoutDependencies,
} from "../resource";
import type { Connection } from "../ssh/connection-args";
import { bootedMark, bootScript, bootUnit } from "./node-boot";
import { forgetRemains } from "./node-remains";

/** The inputs of a {@link Node}. */
export interface NodeArgs {
  /**
   * How to reach the machine: an object with the field names of `@pulumi/command`'s remote connection, plus
   * `privateKeyPath`, `sudo` and `insecureIgnoreHostKey`; or a string, `"root@192.0.2.10:22"` or an alias of `~/.ssh/config`.
   * Changing it replaces nothing.
   */
  readonly connection: pulumi.Input<Connection> | pulumi.Input<string>;
  /**
   * The addresses of this node's pods. The first one is the gateway's, pods get theirs from the second on. It cannot change
   * while pods hold addresses.
   * @defaultValue `10.244.0.0/24`
   */
  readonly podCIDR?: pulumi.Input<string> | undefined;
  /**
   * What to do about tools that the node lacks: `check` says precisely what is missing and how to install it; `install`
   * installs it with the node's package manager. Installed packages stay when the Node is deleted.
   * @defaultValue `check`
   */
  readonly packages?: pulumi.Input<"check" | "install"> | undefined;
  /** How the registries of this node's images are reached: mirrors, and registries without TLS. Changing it replaces nothing. */
  readonly registries?: pulumi.Input<NodeRegistries> | undefined;
  /**
   * The last part of the names of the Services and pods declared on this node: a DNS subdomain, not an Output. Changing it
   * replaces what runs in the pods.
   * @defaultValue `cluster.local`
   */
  readonly clusterDomain?: string | undefined;
}

/** @internal */
export interface NodeResourceInputs extends NodeInputs {
  readonly podCIDR?: string;
  readonly packages?: "check" | "install";
  readonly nonce: string;
}

const defaultPodCIDR = "10.244.0.0/24";

/** @internal */
export const nodeSpec = defineSpec<NodeResourceInputs, NodeState>({
  type: "Node",
  identity: [],
  shared: true,
  provesConnection: true,
  fields: {
    podCIDR: optional(parsed(parseCidr)),
    packages: optional(oneOf("check", "install")),
    nonce: required(text({ max: 64 })),
  },
  generate: () => {
    const nonce = randomBytes(8).toString("hex");
    return { nonce, owner: nonce };
  },
  // A package manager that is killed half-way leaves its database broken.
  slow: ({ packages }) =>
    packages === "install"
      ? { deadlineMs: 15 * 60_000, locked: true, message: "installing what is missing" }
      : undefined,
  observe: nodeFacts,
  plan: (inputs, seen) => (seen === undefined ? [] : prepare(inputs, seen)),
  undo: (_, seen) => [
    ...seen.rules.map((rule) => deleteRule(rule)),
    raw("restore forwarding", restoreForwarding, `${nodeFolder}/forwarding`),
    ...(seen.systemd ? bootUnit.remove() : []),
    ...logFolders.map(removeFolder),
    raw(
      "remove what was downloaded in vain",
      'rm -f -- "$1"/*.part && { rmdir -- "$1" 2>/dev/null || :; }',
      "/var/lib/barepod/images/layers",
    ),
    raw(
      "remove what is empty",
      'for folder do rmdir -- "$folder" 2>/dev/null || :; done',
      ...["ipam", "images", "rootfs", "volumes"].map((name) => `/var/lib/barepod/${name}`),
      ...["namespaces", "pods", "process", "addresses"].map((name) => `/run/barepod/${name}`),
    ),
  ],
  cleanup: ({ nonce }) => [
    ...forgetRemains(nonce),
    sh(
      "rm",
      "-rf",
      "--",
      "/var/lib/barepod/bin",
      "/var/lib/barepod/boot.sh",
      "/var/lib/barepod/tmp",
      "/var/lib/barepod/issuer",
      nodeFolder,
    ),
    // Taken for this very frame; whoever comes next makes it anew.
    raw(
      "remove the lock",
      'rm -f -- "$1/lock" "$1/holder" "$1/booted" && { rmdir -- "$1" 2>/dev/null || :; }',
      "/run/barepod",
    ),
  ],
  drift: (inputs, seen) => {
    const wanted = inputs.podCIDR ?? defaultPodCIDR;
    const complete =
      seen.forwarding && seen.boots && wantedRules(wanted).every((rule) => seen.rules.includes(rule.shown));
    return complete && seen.podCIDR === wanted ? {} : { podCIDR: complete ? seen.podCIDR : "" };
  },
  outputs: (_, seen) => ({
    facts: {
      kernelVersion: seen.kernelVersion,
      architecture: seen.architecture,
      operatingSystem: seen.operatingSystem,
      hostname: seen.hostname,
      cgroup: seen.cgroup,
      memoryBytes: seen.memoryBytes,
      cpus: seen.cpus,
      address: seen.address,
    },
  }),
  warnings: (_, seen) =>
    seen.swap
      ? ["swap is on: a container may swap beyond its memory limit unless its cgroup forbids it (swapoff -a)"]
      : [],
  boot: {
    rank: () => "10",
    commands: (inputs) => [enableForwarding(), ...wantedRules(inputs.podCIDR ?? defaultPodCIDR).map(addRule)],
  },
});

/** What a {@link Node} tells about its machine. */
export interface NodeFacts {
  readonly kernelVersion: string;
  readonly architecture: string;
  readonly operatingSystem: string;
  readonly hostname: string;
  /** `v1`, `hybrid` or `v2`. */
  readonly cgroup: string;
  readonly memoryBytes: number;
  readonly cpus: number;
  /** The node's own address: a pod's `status.hostIP`. */
  readonly address: string;
}

/**
 * A Linux machine that pods run on, reached over SSH. It is checked for what pods need, forwards packets, lets pods out
 * through itself, and is put back as it was when the last stack that declares it lets go.
 *
 * For a machine of the same program, give the option `deletedWith: machine`: when the machine goes, what is on it is
 * forgotten with it, without a connection.
 *
 * @example
 * ```ts
 * const node = new Node("edge-1", { connection: { host: "192.0.2.10", user: "root", privateKeyPath: "~/.ssh/id_ed25519" } });
 * ```
 */
export class Node extends pulumi.CustomResource implements Placement {
  declare readonly connection: pulumi.Output<Connection | string>;
  declare readonly podCIDR: pulumi.Output<string | undefined>;
  /** What the machine is. */
  declare readonly facts: pulumi.Output<NodeFacts>;
  /** @internal */
  declare readonly nonce: pulumi.Output<string>;
  /** The node's key, part of the identity of everything on it. @internal */
  declare readonly node: pulumi.Output<string>;

  /** The last part of the names of its Services and pods. */
  readonly clusterDomain: string;

  constructor(name: string, given: NodeArgs, options: pulumi.CustomResourceOptions = {}) {
    // Nothing on the node: it is for what is made there.
    const { registries, clusterDomain, ...args } = given;
    super(
      `pulumi-nodejs:dynamic/barepod:${nodeSpec.type}`,
      name,
      {
        ...args,
        connection: guarded(args.connection),
        node: name,
        resourceUrn: firstUrn(nodeSpec.type, name, options.parent),
        nonce: undefined,
        owner: undefined,
        facts: undefined,
        __provider: providerText(nodeSpec.type),
      },
      options,
    );
    this.clusterDomain = checkedDomain(name, clusterDomain);
    const { deletedWith } = options;
    this.reference = {
      key: this.node,
      connection: withoutDependencies(this.connection),
      nonce: withoutDependencies(this.nonce),
      deletedWith,
      ...(registries === undefined ? {} : { registries: pulumi.output(registries) as pulumi.Output<NodeRegistries> }),
    };
  }

  /** @internal */
  readonly reference: NodeReference;
}

/** A setting of the program's half only: it is part of names that a preview has to know. */
function checkedDomain(node: string, domain: unknown = DEFAULT_CLUSTER_DOMAIN): string {
  const reason = typeof domain === "string" ? dnsSubdomain(domain) : "must be a plain text, not an Output";
  if (reason !== undefined) throw new pulumi.RunError(`Node "${node}": clusterDomain: ${reason}`);
  return domain as string;
}

/** The connection with what must not lie in state in plain text marked as secret. */
function guarded(connection: NodeArgs["connection"]): pulumi.Output<unknown> {
  return (pulumi.output(connection as never) as pulumi.Output<unknown>).apply(mark);
}

function mark(connection: unknown): pulumi.Input<unknown> {
  if (typeof connection !== "object" || connection === null) return connection as pulumi.Input<unknown>;
  return Object.fromEntries(
    Object.entries(connection).map(([key, value]) => {
      if (value === undefined) return [key, undefined];
      if (key === "proxy") return [key, mark(value)];
      return [key, ["password", "privateKey", "privateKeyPassword"].includes(key) ? pulumi.secret(value) : value];
    }),
  );
}

function prepare(inputs: NodeResourceInputs, seen: NodeState): Command[] {
  const cidr = inputs.podCIDR ?? defaultPodCIDR;
  const rules = wantedRules(cidr);
  if (seen.missing.length > 0 && inputs.packages !== "install")
    throw new Error(
      `${inputs.node} lacks ${seen.missing.join(", ")}\nset packages: "install", or install there, as its distribution has it:\n${packagesFor.describe(seen.missing)}`,
    );
  return [
    ...(seen.missing.length > 0 ? [packagesFor.install(seen.missing)] : []),
    ...(seen.podCIDR === cidr ? [] : [changeRange(cidr)]),
    ...(seen.knownAddress === seen.address && !seen.missing.includes("ip") ? [] : [noteAddress(seen)]),
    ...(seen.forwarding ? [] : [enableForwarding()]),
    ...seen.rules.filter((rule) => !rules.some(({ shown }) => shown === rule)).map(deleteRule),
    ...rules.filter(({ shown }) => !seen.rules.includes(shown)).map(addRule),
    ...(seen.boots
      ? []
      : [
          ...logFolders.map(makeFolder),
          write("/var/lib/barepod/boot.sh", bootScript, { mode: 0o755 }),
          write(bootedMark, ""),
        ]),
    ...(seen.boots || !seen.systemd ? [] : bootUnit.add()),
  ];
}

function changeRange(cidr: string): Command {
  return raw(
    "set the pod range",
    `for held in /var/lib/barepod/ipam/[0-9]*; do
if [ -e "$held" ] && [ -e "$1/pod-cidr" ]; then echo "pods hold addresses of the range that is set, such as \${held##*/}; delete them first" >&2; return 1; fi
done
mkdir -p -- "$1" && printf '%s\\n' "$2" > "$1/pod-cidr"`,
    nodeFolder,
    cidr,
  );
}

/** What pods are told as their host's address. */
function noteAddress({ address, missing }: NodeState): Command {
  if (!missing.includes("ip")) return write(`${nodeFolder}/address`, `${address}\n`);
  // Seen without the tool that tells it, which has been installed by now.
  return raw(
    "note the node's address",
    `folder=$1
${findAddress}
mkdir -p -- "$folder" && printf '%s\\n' "$address" > "$folder/address"`,
    nodeFolder,
  );
}

function enableForwarding(): Command {
  return raw(
    "enable forwarding",
    // Not with `read`: dash reads byte by byte, and the kernel ends a numeric sysctl after the first.
    `old=$(cat /proc/sys/net/ipv4/ip_forward) && mkdir -p -- "\${1%/*}" &&
{ [ -e "$1" ] || printf '%s\\n' "$old" > "$1"; } && echo 1 > /proc/sys/net/ipv4/ip_forward`,
    `${nodeFolder}/forwarding`,
  );
}

const restoreForwarding = `[ -e "$1" ] || return 0
read -r old < "$1" && echo "$old" > /proc/sys/net/ipv4/ip_forward`;

/** A rule of the node's own, and how `iptables -S` shows it. */
interface NodeRule {
  readonly table: "filter" | "nat";
  readonly shown: string;
}

/** Pods' packets are forwarded whatever the policy is, and leave the node under its own address. */
function wantedRules(cidr: string): NodeRule[] {
  const comment = "-m comment --comment barepod-node";
  return [
    { table: "filter", shown: `-A FORWARD -s ${cidr} ${comment} -j ACCEPT` },
    { table: "filter", shown: `-A FORWARD -d ${cidr} ${comment} -j ACCEPT` },
    { table: "nat", shown: `-A POSTROUTING -s ${cidr} ! -d ${cidr} ${comment} -j MASQUERADE` },
  ];
}

function addRule({ table, shown }: NodeRule): Command {
  // First in FORWARD: Docker's jump, or a REJECT at the end, must not come before.
  const [, chain = "", ...match] = shown.split(" ");
  return sh("iptables", "-w", 5, "-t", table, "-I", chain, ...match);
}

function deleteRule(shown: string): Command {
  const [, chain = "", ...match] = shown.split(" ");
  return sh("iptables", "-w", 5, "-t", chain === "POSTROUTING" ? "nat" : "filter", "-D", chain, ...match);
}
