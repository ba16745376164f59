import type * as pulumi from "@pulumi/pulumi";
import { ipv4Address } from "../addresses";
import { type Command, raw } from "../command/command";
import { type HostPortsQuery, type HostPortsState, hostPortsOf } from "../facts/host-ports";
import { addressFile } from "../facts/link";
import { boolean, integer, list, object, oneOf, optional, type Problem, path, required, text } from "../fields";
import { type Option, optionsOf, sameRule, savedText } from "../iptables/format";
import type { Rule } from "../iptables/rule";
import { isSameHostPort } from "../kubernetes/normalize-port";
import { digest, interfaceName } from "../naming";
import { defineSpec, type NodeInputs, NodeResource, objectOf, type PrimitiveArgs } from "../resource";

/** A port of the node, and where it leads. */
export interface PortMapping {
  /** The node's port, 1 to 65535. */
  readonly hostPort: pulumi.Input<number>;
  /** The port inside the namespace, 1 to 65535. */
  readonly containerPort: pulumi.Input<number>;
  /**
   * SCTP where the node's kernel tracks its connections.
   * @defaultValue `TCP`
   */
  readonly protocol?: pulumi.Input<"TCP" | "UDP" | "SCTP"> | undefined;
  /**
   * Which of the node's IPv4 addresses.
   * @defaultValue all of them, 127.0.0.1 too
   */
  readonly hostIP?: pulumi.Input<string> | undefined;
}

/** The inputs of {@link HostPorts}. */
export interface HostPortsArgs extends PrimitiveArgs {
  /** The folder of a Namespace: its output `path`. A namespace has one HostPorts. Changing this replaces it. */
  readonly namespace: pulumi.Input<string>;
  /** The `name` of the VethPair that the namespace is reached by. Changing this replaces the HostPorts. */
  readonly interface: pulumi.Input<string>;
  /** The ports; they change together, and no packet meets half of them. */
  readonly ports: pulumi.Input<pulumi.Input<PortMapping>[]>;
}

/** @internal */
export interface HostPortsInputs extends NodeInputs {
  readonly namespace: string;
  readonly interface: string;
  readonly ports: readonly Mapping[];
  /** Whether all of it is in force: always wanted, so that what is broken shows as a difference. */
  readonly up: boolean;
}

type Mapping = pulumi.Unwrap<PortMapping>;

const port = integer(1, 65_535);
const chainPrefix = "BAREPOD-PORTS-";

/** @internal */
export const hostPortsSpec = defineSpec<HostPortsInputs, HostPortsState>({
  type: "HostPorts",
  identity: ["namespace"],
  immutable: ["interface"],
  fields: {
    namespace: required(path()),
    interface: required(text({ max: 63 })),
    ports: required(
      list(
        object({
          hostPort: required(port),
          containerPort: required(port),
          protocol: optional(oneOf("TCP", "UDP", "SCTP")),
          hostIP: optional(ipv4Address),
        }),
        { min: 1, max: 1000 },
      ),
    ),
    up: required(boolean()),
  },
  check: ({ ports }) => checkPorts(ports),
  observe: (inputs) => hostPortsOf(queryOf(inputs)),
  plan: (inputs, seen) => {
    const { filter, nat } = changes(inputs, seen);
    const fresh = inputs.ports.filter(
      (each) => seen?.rules.some((rule) => sameRule(dnat(inputs, each, seen.address), rule.options)) !== true,
    );
    if (filter.length + nat.length === 0) return seen?.localnet === true ? [] : [allowLocal(inputs)];
    return [...(fresh.length === 0 ? [] : [refuseTaken(inputs, fresh)]), ...apply(inputs, filter, nat)];
  },
  undo: (inputs, seen) => {
    const { chain, link } = queryOf(inputs);
    const others = seen.rules.filter((rule) => rule.chain !== chain);
    // Naming the chain empties it, or makes it where somebody has removed it: then there is one to remove.
    const lines = (table: string) => others.filter((rule) => rule.table === table).map(removal);
    return [
      restore(inputs, [
        ...table("nat", [`:${chain} - [0:0]`, ...lines("nat"), `-X ${chain}`]),
        ...table("filter", lines("filter")),
      ]),
      // The interface may have gone before.
      raw("keep packets of 127.0.0.1 off the interface", '[ ! -e "$1" ] || echo 0 > "$1"', localnetOf(link)),
      ...forget(inputs.ports),
    ];
  },
  drift: (inputs, seen) => {
    const { filter, nat } = changes(inputs, seen);
    return filter.length + nat.length === 0 ? {} : { up: false };
  },
  warnings: (_, seen) =>
    seen.localnet
      ? []
      : ["the kernel does not route 127.0.0.1 to the pod (route_localnet): use another of the node's addresses there"],
  boot: {
    rank: () => "60",
    commands: (inputs) => {
      const { filter, nat } = changes(inputs, undefined);
      return apply(inputs, filter, nat);
    },
  },
});

/**
 * Ports of the node that lead to a namespace's address, as Kubernetes' `hostPort`: for other machines, for the node itself
 * (at 127.0.0.1, too) and for what runs in the namespace.
 *
 * ```
 *   nat PREROUTING, OUTPUT ── to an address of the node ──► BAREPOD-PORTS-… ── DNAT ──► 10.244.0.2:80
 *   nat POSTROUTING        ── from 127.0.0.1, or from the namespace to itself ──► MASQUERADE
 *   filter INPUT           ── from the namespace to 127.0.0.1, but for answers ──► DROP
 * ```
 *
 * A port on which a program of the node listens, or that leads to another namespace, is refused. What is forwarded meets no
 * rule of `INPUT`: a firewall that guards the node does not guard these ports.
 *
 * @example
 * ```ts
 * new HostPorts("web", { node, namespace: ns.path, interface: eth0.name, ports: [{ hostPort: 8080, containerPort: 80 }] });
 * ```
 * @see iptables-extensions(8)
 */
export class HostPorts extends NodeResource {
  declare readonly namespace: pulumi.Output<string>;
  declare readonly ports: pulumi.Output<pulumi.Unwrap<PortMapping>[]>;

  constructor(name: string, args: HostPortsArgs, options?: pulumi.CustomResourceOptions) {
    super(hostPortsSpec.type, name, { ...args, up: true }, [], options);
  }
}

function checkPorts(ports: readonly Mapping[]): Problem[] {
  const normal = ports.map(({ hostPort, protocol, hostIP }) => ({
    hostPort,
    protocol: protocol ?? "TCP",
    ...(hostIP === undefined || hostIP === null ? {} : { hostIP }),
  }));
  return normal.flatMap((each, index) => {
    const before = normal.findIndex((other) => isSameHostPort(other, each));
    return before === index
      ? []
      : [
          {
            path: `ports[${index}].hostPort`,
            reason: `must be unique for its protocol and hostIP: ports[${before}] is the same`,
          },
        ];
  });
}

function queryOf(inputs: HostPortsInputs): HostPortsQuery {
  const object = objectOf(hostPortsSpec, inputs);
  return {
    chain: `${chainPrefix}${digest(object, 14)}`,
    mark: `barepod/${digest(object)}`,
    link: interfaceName("bp", inputs.interface),
    addressFile: addressFile(inputs.namespace),
  };
}

function idOf({ namespace }: HostPortsInputs): string {
  return namespace.slice(namespace.lastIndexOf("/") + 1);
}

/** In commands it stands for the address, which only the node knows. */
const addressHere = "@";

interface Wanted {
  readonly table: "nat" | "filter";
  readonly chain: string;
  readonly options: readonly Option[];
}

function dnat(
  inputs: HostPortsInputs,
  { hostPort, containerPort, protocol, hostIP }: Mapping,
  address: string,
): Option[] {
  const rule: Rule = {
    ...(hostIP === undefined || hostIP === null ? {} : { destination: hostIP }),
    protocol: (protocol ?? "TCP").toLowerCase(),
    destinationPort: hostPort,
    comment: `hostPort of ${idOf(inputs)}`,
    jump: "DNAT",
    toDestination: `${address}:${containerPort}`,
  };
  return optionsOf(rule, "ipv4");
}

/** The rules outside the chain. Those in POSTROUTING come before others that would give packets another source. */
function hooks(inputs: HostPortsInputs, address: string): Wanted[] {
  const { chain, mark: comment, link } = queryOf(inputs);
  const hook = (table: "nat" | "filter", from: string, rule: Rule): Wanted => ({
    table,
    chain: from,
    options: optionsOf({ ...rule, comment }, "ipv4"),
  });
  const toLocal = { addrType: { destination: "LOCAL" }, jump: chain };
  const back = { destination: `${address}/32`, ctState: "DNAT", jump: "MASQUERADE" };
  return [
    hook("nat", "PREROUTING", { ...toLocal, destination: "! 127.0.0.0/8" }),
    hook("nat", "OUTPUT", toLocal),
    hook("nat", "POSTROUTING", { ...back, source: "127.0.0.0/8" }),
    hook("nat", "POSTROUTING", { ...back, source: `${address}/32` }),
    // What listens at 127.0.0.1 counts on nobody else's reaching it (CVE-2020-8558).
    hook("filter", "INPUT", {
      destination: "127.0.0.0/8",
      inInterface: link,
      ctState: "! RELATED,ESTABLISHED,DNAT",
      jump: "DROP",
    }),
  ];
}

/** The lines of the transactions; none when nothing is to do. */
function changes(inputs: HostPortsInputs, seen: HostPortsState | undefined): Record<"nat" | "filter", string[]> {
  const { chain } = queryOf(inputs);
  const address = seen === undefined ? addressHere : seen.address;
  const rules = seen?.rules ?? [];
  const wanted = inputs.ports.map((each) => dnat(inputs, each, address));
  const inChain = rules.filter((rule) => rule.chain === chain);
  const isSame =
    wanted.length === inChain.length && wanted.every((each, i) => sameRule(each, inChain[i]?.options ?? []));
  const outside = hooks(inputs, address);
  const matches = (a: Wanted, b: Wanted) =>
    a.table === b.table && a.chain === b.chain && sameRule(a.options, b.options);
  const others = rules.filter((rule) => rule.chain !== chain);
  const surplus = others.filter(
    (rule, i) => !outside.some((each) => matches(each, rule)) || others.findIndex((each) => matches(each, rule)) < i,
  );
  const missing = outside.filter((each) => !others.some((rule) => matches(each, rule)));
  const lines = (name: "nat" | "filter") => [
    ...surplus.filter((rule) => rule.table === name).map(removal),
    ...missing.filter((each) => each.table === name).map((each) => `-I ${each.chain} ${savedText(each.options)}`),
  ];
  return {
    filter: lines("filter"),
    nat: [
      // Naming a chain empties it; all that follows is in force at once.
      ...(isSame && seen !== undefined
        ? []
        : [`:${chain} - [0:0]`, ...wanted.map((each) => `-A ${chain} ${savedText(each)}`)]),
      ...lines("nat"),
    ],
  };
}

function removal({ line }: { readonly line: string }): string {
  return line.replace(/^-A/, "-D");
}

function table(name: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`*${name}`, ...lines, "COMMIT"];
}

/** What guards the node comes before what opens it. */
function apply(inputs: HostPortsInputs, filter: readonly string[], nat: readonly string[]): Command[] {
  return [
    restore(inputs, [...table("filter", filter), ...table("nat", nat)]),
    allowLocal(inputs),
    ...forget(inputs.ports),
  ];
}

function restore(inputs: HostPortsInputs, lines: readonly string[]): Command {
  return raw(
    "change the rules",
    `address=
{ read -r address < "$1"; } 2>/dev/null
case $address:$2 in :*${addressHere}*) echo "the namespace has no address: its VethPair must be there first" >&2; return 1 ;; esac
printf '%s\\n' "$2" | sed "s/${addressHere}/$address/g" | iptables-restore --noflush -w 5`,
    queryOf(inputs).addressFile,
    lines.join("\n"),
  );
}

function localnetOf(link: string): string {
  return `/proc/sys/net/ipv4/conf/${link}/route_localnet`;
}

/** Where the kernel does not permit it, that is said as a warning. */
function allowLocal(inputs: HostPortsInputs): Command {
  return raw("let 127.0.0.1 lead to the pod", '{ echo 1 > "$1"; } 2>/dev/null || :', localnetOf(queryOf(inputs).link));
}

/** A flow of UDP that began before would go on past the rule, or to an address that is somebody else's by then. */
function forget(ports: readonly Mapping[]): Command[] {
  const udp = ports.flatMap(({ protocol, hostPort }) => (protocol === "UDP" ? [hostPort] : []));
  if (udp.length === 0) return [];
  return [
    raw(
      "forget flows of UDP, if the node has the tool",
      'if command -v conntrack > /dev/null 2>&1; then for port do conntrack -D -p udp --orig-port-dst "$port" > /dev/null 2>&1 || :; done; fi',
      ...new Set(udp),
    ),
  ];
}

/** Fails, by name, for ports that lead elsewhere or on which something listens: it would be cut off, a login's port too. */
function refuseTaken(inputs: HostPortsInputs, ports: readonly Mapping[]): Command {
  const words = ports.map(({ hostPort, protocol, hostIP }) => {
    const hex = hostPort.toString(16).toUpperCase().padStart(4, "0");
    // As /proc/net/tcp has it on these architectures: the last byte first.
    const bytes = hostIP
      ?.split(".")
      .reverse()
      .map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0"));
    return [(protocol ?? "TCP").toLowerCase(), hostPort, hostIP ?? "-", hex, bytes?.join("") ?? "-"].join(" ");
  });
  return raw("look whether the ports are free", taken, queryOf(inputs).chain, words.join("\n"));
}

const taken = `rules=$(iptables -w 5 -t nat -S) || return 1
listening=$(for protocol in tcp tcp6 udp udp6; do
[ ! -e "/proc/net/$protocol" ] || awk -v protocol="\${protocol%6}" '$4 == "0A" || $4 == "07" { print "listens", protocol, $2 }' "/proc/net/$protocol"
done)
problems=$(barepod_chain=$1 barepod_ports=$2 awk '
BEGIN {
  count = split(ENVIRON["barepod_ports"], lines, "\\n")
  for (i = 1; i <= count; i++) { split(lines[i], f, " "); protocol[i] = f[1]; number[i] = f[2]; address[i] = f[3]; hex[i] = f[4]; bytes[i] = f[5] }
}
function free(i, by) { if (!told[i]++) printf "port %s/%s of the node is taken%s\\n", number[i], toupper(protocol[i]), by }
$1 == "listens" {
  split($3, at, ":")
  # Of IPv6 sockets those count that take IPv4 too: of every address, or of one in its IPv4 form.
  own = at[1]
  if (length(own) == 32) { if (own ~ /^0+$/) own = "00000000"; else if (own ~ /^0000000000000000FFFF0000/) own = substr(own, 25); else next }
  for (i = 1; i <= count; i++)
    if (protocol[i] == $2 && hex[i] == at[2] && (bytes[i] == "-" || own == "00000000" || own == bytes[i]))
      free(i, ": a program listens there (ss -lnp names it); end it, or give another hostPort or hostIP")
}
$1 == "-A" && index($2, "${chainPrefix}") == 1 && $2 != ENVIRON["barepod_chain"] {
  port = kind = where = by = ""
  for (j = 3; j < NF; j++) {
    if ($j == "--dport") port = $(j + 1)
    if ($j == "-p") kind = $(j + 1)
    if ($j == "-d") { where = $(j + 1); sub("/32$", "", where) }
    if ($j == "of") { by = $(j + 1); sub("\\"$", "", by) }
  }
  for (i = 1; i <= count; i++)
    if (protocol[i] == kind && number[i] == port && (address[i] == "-" || where == "" || where == address[i])) free(i, " by " by)
}' <<end
$listening
$rules
end
) || return 1
[ -z "$problems" ] || { printf '%s\\n' "$problems" >&2; return 1; }`;
