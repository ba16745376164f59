/** Rules and chains, as `iptables -S` prints them. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { toolFor } from "../iptables/command";
import { fragmentsOf, type Option, parseLine, silentModules } from "../iptables/format";
import type { Family } from "../iptables/rule";

/** A rule that was found. */
export interface RuleState {
  readonly options: readonly Option[];
  /** Its number in the chain, where that was asked. */
  readonly position: number | undefined;
}

/** How a rule is told from others. */
export interface RuleQuery {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  /** A comment that no other rule has; without one, all options must be the same. */
  readonly mark: string | undefined;
  readonly options: readonly Option[];
  /** Whether its number matters. */
  readonly numbered: boolean;
}

/** The first rule of a chain that is the one asked about. */
export function ruleIn(query: RuleQuery): Fact<RuleState> {
  const { family, table, chain, numbered } = query;
  return {
    script: `rules=$(${toolFor(family)} -w 5 -t ${quote(table)} -S ${quote(chain)}) || case $? in 1) return 0 ;; *) return 1 ;; esac
${findFunction}
barepod_find ${findWords(query).map(quote).join(" ")} <<end | { read -r number rule && ${numbered ? 'echo "at $number" && ' : ""}printf '%s\\n' "$rule" || :; }
$rules
end`,
    parse: (text) => {
      const [, number] = /^at (\d+)\n/.exec(text) ?? [];
      const line = text.slice(text.indexOf("-A "));
      return { options: parseLine(line, family).options, position: number === undefined ? undefined : Number(number) };
    },
  };
}

/** The arguments of `barepod_find` for a rule. */
export function findWords({ mark, options }: Pick<RuleQuery, "mark" | "options">): string[] {
  const wanted = mark === undefined ? options : [{ flag: "--comment", value: mark, negated: false, module: undefined }];
  return [mark === undefined ? "whole" : "part", fragmentsOf(wanted).join("\n")];
}

/**
 * `barepod_find whole|part FRAGMENTS` reads what `iptables -S CHAIN` printed, and prints the first rule that has all
 * fragments, after its number. With `whole` it has nothing besides: each fragment is taken out of the line once, and what
 * is left may only load extensions, or be what the kernel adds by itself.
 */
export const findFunction = `barepod_find() {
barepod_kind=$1 barepod_fragments=$2 LC_ALL=C awk '
BEGIN { count = split(ENVIRON["barepod_fragments"], fragments, "\\n") }
$1 == "-A" {
  number++
  line = substr($0, 4 + length($2)) " "
  for (i = 1; i <= count; i++) {
    at = index(line, fragments[i])
    if (at == 0) next
    line = substr(line, 1, at) substr(line, at + length(fragments[i]))
  }
  while (sub(/ -m (${silentModules.join("|")}) /, " ", line));
  while (sub(/ (--rsource|--mask 255.255.255.255|--mask [f:]+) /, " ", line));
  if (ENVIRON["barepod_kind"] == "part" || line ~ /^ *$/) { print number, $0; exit }
}'
}`;

/** A jump to a chain, from another one. */
export interface JumpState {
  readonly chain: string;
  readonly options: readonly Option[];
  /** The line of `iptables -S`. */
  readonly line: string;
}

/** A chain and what leads to it. */
export interface ChainState {
  readonly rules: readonly (readonly Option[])[];
  readonly jumps: readonly JumpState[];
}

/**
 * A chain with its rules, and the rules of other chains that jump to it with one of these comments; the empty one stands
 * for rules without a comment.
 */
export function chainWithJumps(
  family: Family,
  table: string,
  name: string,
  comments: readonly string[],
): Fact<ChainState> {
  const fragments = [...new Set(comments)].map((value) =>
    value === "" ? "" : (fragmentsOf([{ flag: "--comment", value, negated: false }])[0] ?? ""),
  );
  return {
    script: `rules=$(${toolFor(family)} -w 5 -t ${quote(table)} -S) || return 1
barepod_chain=${quote(name)} barepod_fragments=${quote(fragments.join("\n"))} LC_ALL=C awk '
BEGIN { chain = ENVIRON["barepod_chain"]; count = split(ENVIRON["barepod_fragments"] "\\n", fragments, "\\n") - 1 }
$1 == "-N" && $2 == chain { found = 1 }
$1 == "-A" && $2 == chain { rules = rules $0 "\\n" }
$1 == "-A" && $2 != chain && $NF == chain && ($(NF - 1) == "-j" || $(NF - 1) == "-g") {
  for (i = 1; i <= count; i++)
    if (fragments[i] == "" ? !index($0, " --comment ") : index($0, fragments[i])) { jumps = jumps $0 "\\n"; break }
}
END { if (found) printf "-N %s\\n%s%s", chain, rules, jumps }' <<end
$rules
end`,
    parse: (text) => {
      const lines = text.split("\n").filter((line) => line.startsWith("-A "));
      const parsed = lines.map((line) => ({ line, ...parseLine(line, family) }));
      return {
        rules: parsed.filter(({ chain }) => chain === name).map(({ options }) => options),
        jumps: parsed.filter(({ chain }) => chain !== name),
      };
    },
  };
}
