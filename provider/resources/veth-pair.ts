import { isIPv4 } from "node:net";
import type * as pulumi from "@pulumi/pulumi";
import { type Command, raw, sh } from "../command/command";
import { parentOf } from "../command/folders";
import {
  addressFile,
  addressPool,
  type EndState,
  heldFunction,
  readNodeMtu,
  readPodRange,
  type VethQuery,
  type VethState,
  vethPair,
} from "../facts/link";
import { nodeFolder } from "../facts/node";
import { boolean, integer, isUnknown, optional, parsed, path, required, text, unknownValue } from "../fields";
import { boundedName, interfaceName as linkName } from "../naming";
import { defineSpec, type NodeInputs, NodeResource, objectOf, type PrimitiveArgs } from "../resource";

/** The inputs of a {@link VethPair}. */
export interface VethPairArgs extends PrimitiveArgs {
  /**
   * The folder of a Namespace that has the type `net`: its output `path`. A namespace has one VethPair. Changing this
   * replaces the VethPair.
   */
  readonly namespace: pulumi.Input<string>;
  /**
   * The interface's name inside the namespace, at most 15 characters. Changing this replaces the VethPair.
   * @defaultValue `eth0`
   */
  readonly interfaceName?: pulumi.Input<string> | undefined;
  /**
   * The IPv4 address inside the namespace, from the node's pod range. Changing this replaces the VethPair.
   * @defaultValue the next address that is free on the node; it stays the same until the VethPair is deleted
   */
  readonly address?: pulumi.Input<string> | undefined;
  /**
   * The largest packet in bytes, 576 to 65535, at both ends.
   * @defaultValue that of the link that leads out of the node
   */
  readonly mtu?: pulumi.Input<number> | undefined;
  /**
   * Its name on the node. Changing this replaces the VethPair.
   * @defaultValue made of the namespace's and the interface's names, and kept
   */
  readonly name?: pulumi.Input<string> | undefined;
}

/** @internal */
export interface VethPairInputs extends NodeInputs {
  readonly namespace: string;
  readonly interfaceName?: string;
  readonly address?: string;
  readonly mtu?: number;
  readonly name: string;
  /** Whether both ends are as they must be: always wanted, so that a broken one shows as a difference. */
  readonly up?: boolean;
}

const namespacesFolder = "/run/barepod/namespaces/";
const defaultInterface = "eth0";

/** @internal */
export const vethPairSpec = defineSpec<VethPairInputs, VethState>({
  type: "VethPair",
  identity: ["name"],
  immutable: ["namespace"],
  cannotChange: (olds, news) => [
    ...(interfaceOf(olds) === interfaceOf(news) ? [] : ["interfaceName" as const]),
    // Where none is given, the one that it has got is as good as any.
    ...(news.address === undefined || news.address === olds.address ? [] : ["address" as const]),
  ],
  fields: {
    namespace: required(path()),
    interfaceName: optional(
      text({
        max: 15,
        pattern: /^(?!(?:all|default|lo)$)[A-Za-z0-9][A-Za-z0-9._-]*$/,
        form: "an interface's name: letters, digits, dots, dashes, and not all, default or lo",
      }),
    ),
    address: optional(parsed(parseAddress)),
    mtu: optional(integer(576, 65_535)),
    name: required(
      text({
        max: 63,
        pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
        form: "letters, digits, dots and dashes, with a letter or a digit first",
      }),
    ),
    up: optional(boolean()),
  },
  generate: (inputs) => ({ name: generateName(inputs) }),
  observe: (inputs) => vethPair(queryOf(inputs)),
  plan: (inputs, seen) => {
    const { link } = queryOf(inputs);
    if (seen === undefined || seen.host === undefined) return create(inputs);
    if (seen.inner === undefined) return [sh("ip", "link", "delete", "dev", link), ...create(inputs)];
    return isWhole(inputs, seen) && mtuOf(inputs, seen) === undefined ? [] : repair(inputs, seen);
  },
  undo: (inputs, { host, reserved, published }) => {
    const { link, addressFile } = queryOf(inputs);
    const files = [
      ...(reserved === undefined ? [] : [`${addressPool}/${reserved}`]),
      ...(published !== undefined && published === reserved ? [addressFile] : []),
    ];
    return [
      ...(host === undefined ? [] : [sh("ip", "link", "delete", "dev", link)]),
      ...(files.length === 0 ? [] : [sh("rm", "-f", "--", ...files)]),
      raw("remove the folder if it is empty", 'rmdir -- "$1" 2>/dev/null || :', parentOf(addressFile)),
    ];
  },
  drift: (inputs, seen) => {
    const address = seen.reserved ?? "";
    return {
      ...(isWhole(inputs, seen) ? {} : { up: false }),
      ...(inputs.mtu === undefined || mtuOf(inputs, seen) === undefined ? {} : { mtu: seen.inner?.mtu ?? 0 }),
      ...(inputs.address === undefined || address === "" || inputs.address === address ? {} : { address }),
    };
  },
  outputs: (inputs, seen) => ({
    address: seen.reserved ?? "",
    gateway: gatewayOf(seen.range),
    hostInterface: queryOf(inputs).link,
  }),
  boot: { rank: () => "40" },
});

/**
 * A network interface inside a namespace, an address from the node's pod range, and the routes between it and the node:
 *
 * ```
 *   node                                            namespace
 *   bp1a2b…  10.244.0.1/32  ──────────────────────  eth0  10.244.0.2/32
 *   10.244.0.2 dev bp1a2b… scope host               10.244.0.1 dev eth0 scope link
 *                                                   default via 10.244.0.1 dev eth0
 * ```
 *
 * The namespace's loopback interface is up, too. Other nodes and the Internet are reached if the node forwards packets,
 * which its Node resource sees to.
 *
 * @example
 * ```ts
 * const eth0 = new VethPair("box", { node, namespace: ns.path, interfaceName: "eth0" });
 * export const address = eth0.address;
 * ```
 * @see veth(4), ip-link(8)
 */
export class VethPair extends NodeResource {
  declare readonly namespace: pulumi.Output<string>;
  declare readonly interfaceName: pulumi.Output<string | undefined>;
  declare readonly mtu: pulumi.Output<number | undefined>;
  /** What a Process names in `interfaces`. */
  declare readonly name: pulumi.Output<string>;
  /** The address inside the namespace. */
  declare readonly address: pulumi.Output<string>;
  /** The address of the node's end. */
  declare readonly gateway: pulumi.Output<string>;
  /** The interface on the node. */
  declare readonly hostInterface: pulumi.Output<string>;

  constructor(name: string, args: VethPairArgs, options?: pulumi.CustomResourceOptions) {
    const computed = ["gateway", "hostInterface", ...(["address", "name"] as const).filter((key) => !args[key])];
    super(vethPairSpec.type, name, { ...args, up: true }, computed, options);
  }
}

function parseAddress(value: unknown): void {
  if (typeof value !== "string" || !isIPv4(value)) throw new Error("must be an IPv4 address, such as 10.244.0.17");
}

function interfaceOf({ interfaceName }: Pick<VethPairInputs, "interfaceName">): string {
  return interfaceName ?? defaultInterface;
}

/** `box-eth0` for /run/barepod/namespaces/box. */
function generateName(inputs: Partial<VethPairInputs>): string {
  const { namespace, interfaceName } = inputs;
  if (typeof namespace !== "string" || isUnknown(namespace) || isUnknown(interfaceName)) return unknownValue;
  const own = namespace.startsWith(namespacesFolder) ? namespace.slice(namespacesFolder.length) : namespace;
  return boundedName("", `${own}-${interfaceOf(inputs)}`, 63);
}

/** Where things are that belong to a pair. */
function queryOf(inputs: VethPairInputs): VethQuery {
  return {
    object: objectOf(vethPairSpec, inputs),
    link: linkName("bp", inputs.name),
    pin: `${inputs.namespace}/net`,
    interfaceName: interfaceOf(inputs),
    addressFile: addressFile(inputs.namespace),
  };
}

/** The gateway is the first address of the node's pod range. */
function gatewayOf(range: string): string {
  const [network = ""] = range.split("/");
  return network.replace(/\d+$/, (last) => String(Number(last) + 1));
}

function isWhole(inputs: VethPairInputs, { host, inner, loopbackUp, reserved, published, range }: VethState): boolean {
  const gateway = gatewayOf(range);
  return (
    reserved !== undefined &&
    published === reserved &&
    (inputs.address === undefined || inputs.address === reserved) &&
    loopbackUp &&
    has(host, `${gateway}/32`, [`${reserved} scope host`]) &&
    has(inner, `${reserved}/32`, [`${gateway} scope link`, `default via ${gateway}`])
  );
}

function has(end: EndState | undefined, address: string, routes: readonly string[]): boolean {
  return end?.up === true && end.addresses.includes(address) && routes.every((route) => end.routes.includes(route));
}

/** The MTU that both ends need and do not have. */
function mtuOf(inputs: VethPairInputs, { host, inner, nodeMtu }: VethState): number | undefined {
  const wanted = inputs.mtu ?? nodeMtu;
  return host?.mtu === wanted && inner?.mtu === wanted ? undefined : wanted;
}

function create(inputs: VethPairInputs): Command[] {
  const { object, link, pin, interfaceName, addressFile } = queryOf(inputs);
  return [
    reserve(inputs),
    raw("make the pair", make, link, pin, interfaceName, `barepod ${object}`, inputs.mtu ?? ""),
    raw("set up the end in the namespace", configureInner, link, pin, interfaceName, "add"),
    publish(addressFile),
  ];
}

/** Puts back what is missing and leaves the rest in place, so that connections survive. */
function repair(inputs: VethPairInputs, seen: VethState): Command[] {
  const { link, pin, interfaceName, addressFile } = queryOf(inputs);
  const mtu = mtuOf(inputs, seen);
  return [
    reserve(inputs),
    ...(mtu === undefined
      ? []
      : [
          sh("ip", "link", "set", "dev", link, "mtu", mtu),
          sh("nsenter", `--net=${pin}`, "ip", "link", "set", "dev", interfaceName, "mtu", mtu),
        ]),
    raw("set up the node's end", configureHost, link),
    raw("set up the end in the namespace", configureInner, link, pin, interfaceName, "replace"),
    publish(addressFile),
  ];
}

/** Sets `veth_address` and `veth_gateway` for the commands that follow. */
function reserve(inputs: VethPairInputs): Command {
  return raw("reserve an address", reservation, objectOf(vethPairSpec, inputs), inputs.address ?? "");
}

const reservation = `veth_object=$1 veth_fresh=
${readPodRange}
case $veth_range in *.*.*.*/[0-9]*) ;; *) echo "${nodeFolder}/pod-cidr holds no IPv4 range: $veth_range" >&2; return 1 ;; esac
veth_number() {
veth_rest=\${1#*.}
veth_number=$(( \${1%%.*} << 24 | \${veth_rest%%.*} << 16 )); veth_rest=\${veth_rest#*.}
veth_number=$(( veth_number | \${veth_rest%%.*} << 8 | \${veth_rest#*.} ))
}
veth_text() { veth_address=$(( $1 >> 24 )).$(( $1 >> 16 & 255 )).$(( $1 >> 8 & 255 )).$(( $1 & 255 )); }
veth_number "\${veth_range%/*}"
veth_first=$(( veth_number + 2 )) veth_last=$(( veth_number + (1 << (32 - \${veth_range#*/})) - 2 ))
veth_text $(( veth_number + 1 )); veth_gateway=$veth_address
${heldFunction}
veth_held
if [ -n "$veth_address" ]; then
if [ -z "$2" ] || [ "$2" = "$veth_address" ]; then return 0; fi
rm -f -- "${addressPool}/$veth_address" || return 1
fi
if [ -n "$2" ]; then
veth_number "$2"
if [ "$veth_number" -lt "$veth_first" ] || [ "$veth_number" -gt "$veth_last" ]; then
veth_text "$veth_first"; veth_from=$veth_address; veth_text "$veth_last"
echo "address $2 is outside this node's pod addresses, $veth_from to $veth_address" >&2; return 1
fi
if [ -e "${addressPool}/$2" ]; then
read -r veth_holder < "${addressPool}/$2"
echo "address $2 is taken by $veth_holder" >&2; return 1
fi
veth_address=$2
else
veth_next=$veth_first
if [ -e ${nodeFolder}/last-address ]; then
read -r veth_number < ${nodeFolder}/last-address; veth_number "$veth_number"; veth_next=$(( veth_number + 1 ))
fi
veth_tries=$(( veth_last - veth_first + 1 ))
while :; do
if [ "$veth_tries" -le 0 ]; then
echo "all $(( veth_last - veth_first + 1 )) pod addresses of this node ($veth_range) are taken; delete pods, or make a Node with a wider podCIDR" >&2; return 1
fi
if [ "$veth_next" -lt "$veth_first" ] || [ "$veth_next" -gt "$veth_last" ]; then veth_next=$veth_first; fi
veth_text "$veth_next"
[ -e "${addressPool}/$veth_address" ] || break
veth_next=$(( veth_next + 1 )) veth_tries=$(( veth_tries - 1 ))
done
[ -d ${nodeFolder} ] || mkdir -p ${nodeFolder} || return 1
echo "$veth_address" > ${nodeFolder}/last-address || return 1
fi
[ -d ${addressPool} ] || mkdir -p ${addressPool} || return 1
veth_fresh=yes
echo "$veth_object" > "${addressPool}/$veth_address"`;

/** link, pin, inner name, alias, MTU or nothing. What fails here leaves no reservation behind. */
const make = `if [ -n "$5" ]; then veth_mtu=$5; else
${readNodeMtu}
fi
if [ ! -e "$2" ]; then echo "there is no network namespace at $2: its Namespace needs the type net" >&2
else
# Without a link-local address the node sends no router solicitations, and takes no advertisements from a container.
veth_mode=
if [ -d /proc/sys/net/ipv6 ]; then veth_mode="link set dev $1 addrgenmode none"; fi
if ip -batch - 9< "$2" <<end
link add name $1 mtu $veth_mtu type veth peer name $3 mtu $veth_mtu netns /proc/self/fd/9
link set dev $1 alias "$4"
$veth_mode
link set dev $1 up
addr replace $veth_gateway/32 dev $1
route replace $veth_address/32 dev $1 scope host
end
then return 0; fi
fi
if [ -n "$veth_fresh" ] && [ ! -d "/proc/sys/net/ipv4/conf/$1" ]; then rm -f -- "${addressPool}/$veth_address"; fi
return 1`;

const configureHost = `ip -batch - <<end
link set dev $1 up
addr replace $veth_gateway/32 dev $1
route replace $veth_address/32 dev $1 scope host
end`;

/** link, pin, inner name, `add` or `replace`: a second VethPair must not take over the first one's default route. */
const configureInner = `nsenter --net="$2" ip -batch - <<end || {
link set dev lo up
link set dev $3 up
addr replace $veth_address/32 dev $3
route $4 $veth_gateway/32 dev $3 scope link
route $4 default via $veth_gateway dev $3
end
if [ "$4" = add ]; then echo "the namespace may have a default route already: it can have one VethPair" >&2; fi
return 1; }`;

function publish(file: string): Command {
  return raw("tell the address", '[ -d "${1%/*}" ] || mkdir -p -- "${1%/*}" && echo "$veth_address" > "$1"', file);
}
