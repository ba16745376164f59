/**
 * A veth pair whose inner end is in a network namespace: both ends as the kernel tells them, and what Barepod noted about
 * their address (ip-link(8), ip-address(8), ip-route(8)).
 */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { boundedName } from "../naming";
import { nodeFolder } from "./node";

/** The file that tells the address in a namespace: by its name if a Namespace has made it, else by its whole path. */
export function addressFile(namespace: string): string {
  const own = /^\/run\/barepod\/namespaces\/([A-Za-z0-9][A-Za-z0-9._-]*)$/.exec(namespace)?.[1];
  // A Namespace's name begins with a letter or a digit.
  return `/run/barepod/addresses/${own ?? boundedName("_", namespace, 63)}`;
}

/** Where addresses are reserved: a file for each, that holds the name of the object that has it. */
export const addressPool = "/var/lib/barepod/ipam";
/** The pod range of a node whose Node resource set none. */
const defaultPodRange = "10.244.0.0/24";

/** Shell that sets `veth_range` to the node's pod range. */
export const readPodRange = `veth_range=${defaultPodRange}
if [ -e ${nodeFolder}/pod-cidr ]; then read -r veth_range < ${nodeFolder}/pod-cidr; fi`;

/** Shell that sets `veth_mtu` to the MTU of the link that leads out of the node; 1500 when there is none. */
export const readNodeMtu = `veth_mtu=1500
while read -r veth_device veth_to _ _ _ _ _ veth_mask _; do
if [ "$veth_to$veth_mask" = 0000000000000000 ]; then read -r veth_mtu < "/sys/class/net/$veth_device/mtu"; break; fi
done < /proc/net/route`;

/** One end of a veth pair. */
export interface EndState {
  readonly up: boolean;
  readonly mtu: number;
  /** IPv4 addresses with their prefix lengths. */
  readonly addresses: readonly string[];
  /** IPv4 routes through it, as `ip route show dev` prints them. */
  readonly routes: readonly string[];
}

/** A veth pair and what goes with it. */
export interface VethState {
  /** The end on the node; absent when the pair is gone. */
  readonly host: EndState | undefined;
  /** The end in the namespace; absent when it is not in that namespace, or the namespace is gone. */
  readonly inner: EndState | undefined;
  readonly loopbackUp: boolean;
  /** The address that is reserved for the pair. */
  readonly reserved: string | undefined;
  /** The address that stands in the file that others look it up in. */
  readonly published: string | undefined;
  /** The node's pod range. */
  readonly range: string;
  /** The MTU of the link that leads out of the node. */
  readonly nodeMtu: number;
}

/** Which pair is asked about. */
export interface VethQuery {
  /** The name that reservations are made under. */
  readonly object: string;
  /** The interface on the node. */
  readonly link: string;
  /** The namespace's pin. */
  readonly pin: string;
  readonly interfaceName: string;
  /** The file with the pair's address. */
  readonly addressFile: string;
}

/**
 * The pair, with a process for each end; without any when it is absent. What comes and goes by itself stays out: carrier,
 * statistics, IPv6 addresses.
 */
export function vethPair({ object, link, pin, interfaceName, addressFile }: VethQuery): Fact<VethState> {
  return {
    script: `veth_object=${quote(object)} veth_pin=${quote(pin)} veth_file=${quote(addressFile)}
${linesFunction}
${heldFunction}
veth_held
veth_ends=
if [ -d /proc/sys/net/ipv4/conf/${link} ]; then
# Both in one substitution, taken apart afterwards: a pipe for each would cost three more processes.
veth_ends=$(
ip -force -batch - 2>/dev/null <<'end'
addr show dev ${link}
route show dev ${link}
end
echo inner
[ ! -e "$veth_pin" ] || nsenter --net="$veth_pin" ip -force -batch - 2>/dev/null <<'end'
addr show dev ${interfaceName}
route show dev ${interfaceName}
addr show dev lo
end
)
[ "$veth_ends" != inner ] || veth_ends=
fi
if [ -n "$veth_ends$veth_address" ]; then
if [ -n "$veth_ends" ]; then veth_lines host <<end
$veth_ends
end
else echo; fi
if [ -n "$veth_address" ]; then echo "reserved $veth_address"; fi
if [ -e "$veth_file" ] && read -r veth_published < "$veth_file"; then echo "published $veth_published"; fi
${readPodRange}
${readNodeMtu}
echo "node $veth_range $veth_mtu"
fi`,
    parse: parseVeth,
  };
}

/** `veth_lines SIDE` turns what `ip addr` and `ip route` print into one line for each thing that counts; after a line `inner` it is the other side. */
export const linesFunction = `veth_lines() {
while read -r one two three four five rest; do
case $one in
inner) if [ "$1" = host ]; then set -- inner; fi ;;
*:)
case $three in *[\\<,]UP[\\>,]*) three=up ;; *) three=down ;; esac
if [ "$1" = host ]; then echo "ident \${one%:}"; fi
if [ "$two" = lo: ]; then set -- loopback; fi
echo "$1 link $three $five" ;;
inet) echo "$1 address $two" ;;
default|[0-9]*.*)
rest="$one $two $three $four $five $rest"; rest=\${rest%%linkdown*}
while [ "\${rest% }" != "$rest" ]; do rest=\${rest% }; done
echo "$1 route $rest" ;;
esac
done
}`;

/** `veth_held` sets `veth_address` to the address that is reserved for `veth_object`, or to nothing; `veth_file` may name the file that tells it. */
export const heldFunction = `veth_held() {
veth_address=
# The address that was told to others is the one, as a rule: then the others' reservations need not be read.
if [ -e "$veth_file" ] && read -r veth_held < "$veth_file" && [ -e "${addressPool}/$veth_held" ] &&
read -r veth_holder < "${addressPool}/$veth_held" && [ "$veth_holder" = "$veth_object" ]; then veth_address=$veth_held; return; fi
for veth_held in ${addressPool}/[0-9]*; do
if [ -e "$veth_held" ] && read -r veth_holder < "$veth_held" && [ "$veth_holder" = "$veth_object" ]; then veth_address=\${veth_held##*/}; return; fi
done
}`;

function parseVeth(text: string): VethState {
  const lines = text.split("\n").map((line) => line.split(" "));
  const rest = (...words: string[]): string[] =>
    lines.flatMap((line) =>
      words.every((word, index) => line[index] === word) ? [line.slice(words.length).join(" ")] : [],
    );
  const end = (side: string): EndState | undefined => {
    const [flag, mtu] = rest(side, "link")[0]?.split(" ") ?? [];
    if (flag === undefined) return undefined;
    return { up: flag === "up", mtu: Number(mtu), addresses: rest(side, "address"), routes: rest(side, "route") };
  };
  const [range = defaultPodRange, nodeMtu] = rest("node")[0]?.split(" ") ?? [];
  return {
    host: end("host"),
    inner: end("inner"),
    loopbackUp: end("loopback")?.up ?? false,
    reserved: rest("reserved")[0],
    published: rest("published")[0],
    range,
    nodeMtu: Number(nodeMtu),
  };
}
