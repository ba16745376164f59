/** What both iptables resources send to a node. */
import { type Command, raw } from "../command/command";
import { type Family, type Rule, targets } from "./rule";

/** The program for a family. @internal */
export function toolFor(family: Family): string {
  return family === "ipv4" ? "iptables" : "ip6tables";
}

/** The chain that a rule leads to, if any. @internal */
export function chainBehind(rule: Rule): string | undefined {
  return rule.goto ?? (rule.jump === undefined || targets.includes(rule.jump) ? undefined : rule.jump);
}

/** After a failure: says which of these chains does not exist, and fails. @internal */
export function nameMissingChains(family: Family, table: string, chains: readonly string[]): Command {
  return raw(
    "name the chains that are missing",
    `tool=$1 table=$2; shift 2
for chain do
"$tool" -w 5 -t "$table" -S "$chain" >/dev/null 2>&1 || echo "there is no chain $chain in the table $table of $tool" >&2
done
return 1`,
    toolFor(family),
    table,
    ...new Set(chains),
  );
}
