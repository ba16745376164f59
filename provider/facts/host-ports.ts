/** The ports of a node that lead to one pod, from what `iptables -S` prints. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { fragmentsOf, type Option, parseLine } from "../iptables/format";

/** One of the rules that belong together. */
export interface HostPortsRule {
  readonly table: "nat" | "filter";
  readonly chain: string;
  readonly options: readonly Option[];
  /** The line of `iptables -S`. */
  readonly line: string;
}

/** What is there of them. */
export interface HostPortsState {
  /** The address that they are to lead to; empty when the pod has none. */
  readonly address: string;
  /** Whether the node's end of the pod's interface takes packets of 127.0.0.1. */
  readonly localnet: boolean;
  readonly rules: readonly HostPortsRule[];
}

/** Where the parts are. */
export interface HostPortsQuery {
  /** The chain in the table `nat`, which no other object has. */
  readonly chain: string;
  /** The comment of the rules in other chains. */
  readonly mark: string;
  /** The node's end of the pod's interface. */
  readonly link: string;
  readonly addressFile: string;
}

/** The chain and the rules with the mark. */
export function hostPortsOf({ chain, mark, link, addressFile }: HostPortsQuery): Fact<HostPortsState> {
  const [comment = ""] = fragmentsOf([{ flag: "--comment", value: mark, negated: false }]);
  return {
    script: `nat=$(iptables -w 5 -t nat -S) && filter=$(iptables -w 5 -S INPUT) || return 1
chain=${quote(chain)} comment=${quote(comment)} found=
while read -r what name rest; do
case $what" $name " in "-N $chain "|"-A $chain ") found="\${found}nat $what $name $rest
" ;; *) case $rest in *"$comment"*) found="\${found}nat $what $name $rest
" ;; esac ;; esac
done <<end
$nat
end
while read -r what name rest; do
case $rest in *"$comment"*) found="\${found}filter $what $name $rest
" ;; esac
done <<end
$filter
end
[ -n "$found" ] || return 0
if { read -r address < ${quote(addressFile)}; } 2>/dev/null; then echo "address $address"; fi
# One digit, and no more: dash reads byte by byte, and the kernel ends a numeric sysctl after the first.
localnet=
{ read -r localnet < ${quote(`/proc/sys/net/ipv4/conf/${link}/route_localnet`)}; } 2>/dev/null || :
echo "localnet $localnet"
printf %s "$found"`,
    parse: (text) => {
      const lines = text.split("\n").map((line) => /^(\S+) (.*)$/.exec(line) ?? ["", "", ""]);
      const first = (key: string) => lines.find(([, found]) => found === key)?.[2] ?? "";
      return {
        address: first("address"),
        localnet: first("localnet") === "1",
        rules: lines.flatMap(([, table, line = ""]) =>
          (table === "nat" || table === "filter") && line.startsWith("-A ")
            ? [{ table, line, ...parseLine(line, "ipv4") }]
            : [],
        ),
      };
    },
  };
}
