import * as pulumi from "@pulumi/pulumi";
import { type Command, either, raw, sh } from "../command/command";
import { findFunction, findWords, type RuleQuery, type RuleState, ruleIn } from "../facts/iptables";
import { integer, isUnknown, object, optional, required, text, unknownValue } from "../fields";
import { chainBehind, nameMissingChains, toolFor } from "../iptables/command";
import { optionsOf, ruleOf, sameRule, savedText, wordsOf } from "../iptables/format";
import {
  chainField,
  checkRule,
  type Family,
  type IptablesPlace,
  type IptablesRuleFields,
  placeFields,
  placeOf,
  type Rule,
  ruleFields,
} from "../iptables/rule";
import { digest } from "../naming";
import { ownerName } from "../owner";
import { defineSpec, equal, type NodeInputs, NodeResource, objectOf, type PrimitiveArgs } from "../resource";

/** The inputs of an {@link IptablesRule}. */
export interface IptablesRuleArgs extends PrimitiveArgs, IptablesPlace, IptablesRuleFields {
  /** The chain, which must exist: `INPUT`, or the name of an IptablesChain. Changing this replaces the IptablesRule. */
  readonly chain: pulumi.Input<string>;
  /**
   * A comment for people, up to 255 bytes. Without one the rule bears a mark of Barepod's, `barepod/…`, by which it is
   * known, and everything but its chain changes in place. With one the rule is exactly as it is written here (an empty one:
   * without any comment), it is known by all of its text, and every change replaces it.
   * @defaultValue a mark of Barepod's
   */
  readonly comment?: pulumi.Input<string> | undefined;
  /**
   * Its number in the chain, from 1, kept so. Counts when the rule is made: others may come before it later, which shows
   * as a difference.
   * @defaultValue at the end, wherever it moves later
   */
  readonly position?: pulumi.Input<number> | undefined;
}

/** @internal */
export interface IptablesRuleInputs extends NodeInputs, Rule {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly position?: number;
  /** What it is registered under: generated, or made of all of its text. */
  readonly name: string;
}

/** @internal */
export const iptablesRuleSpec = defineSpec<IptablesRuleInputs, RuleState>({
  type: "IptablesRule",
  identity: ["family", "table", "chain", "name"],
  cannotChange: (olds, news) => {
    if (olds.comment === undefined && news.comment === undefined) return [];
    return (Object.keys(ruleFields) as (keyof Rule)[]).filter((key) => !equal(olds[key], news[key]));
  },
  fields: {
    ...placeFields,
    chain: required(chainField),
    position: optional(integer(1, 1_000_000)),
    name: required(text({ max: 64 })),
    ...ruleFields,
  },
  check: (inputs) => checkRule(inputs, inputs.family, ""),
  generate: (inputs) => ({ name: generateName(inputs) }),
  observe: (inputs) => ruleIn(queryOf(inputs)),
  plan: (inputs, seen) => {
    if (seen === undefined) return [withReason(inputs, insert(inputs, inputs.position))];
    const moved = inputs.position !== undefined && seen.position !== inputs.position;
    if (sameRule(seen.options, optionsFor(inputs)) && !moved) return [];
    return [withReason(inputs, moved ? move(inputs) : edit(inputs, "-R"))];
  },
  undo: (inputs) => [edit(inputs, "-D")],
  drift: (inputs, seen) => ({
    ...differences(inputs, seen),
    ...(inputs.position === undefined || seen.position === inputs.position ? {} : { position: seen.position ?? 0 }),
  }),
  boot: {
    rank: () => "70",
    // The rules that were before it may not be there yet.
    commands: (inputs) => [either(insert(inputs, inputs.position), insert(inputs, undefined))],
  },
});

/**
 * One rule of a chain that others also use, such as `INPUT`. For several rules that belong together, an IptablesChain
 * changes all of them at once.
 *
 * @example
 * ```ts
 * new IptablesRule("drop", { node, table: "filter", chain: "INPUT", source: "10.1.2.3", jump: "DROP" });
 * ```
 * @see iptables(8), iptables-extensions(8)
 */
export class IptablesRule extends NodeResource {
  declare readonly family: pulumi.Output<"ipv4" | "ipv6">;
  declare readonly table: pulumi.Output<string>;
  declare readonly chain: pulumi.Output<string>;
  declare readonly position: pulumi.Output<number | undefined>;

  constructor(name: string, args: IptablesRuleArgs, options?: pulumi.CustomResourceOptions) {
    const { node: _, adopt: __, position: ___, ...rule } = args;
    const own =
      args.comment === undefined ? {} : { name: pulumi.output(rule).apply((known) => contentName(known as Rule)) };
    super(iptablesRuleSpec.type, name, { ...args, ...placeOf(args), ...own }, [], options);
  }
}

function generateName(inputs: Partial<IptablesRuleInputs>): string {
  if (inputs.comment !== undefined) return contentName(inputs);
  const { owner, resourceUrn } = inputs;
  return owner === undefined || isUnknown(owner) ? unknownValue : digest(ownerName({ owner, resourceUrn }));
}

/** Two rules with comments of their own that say the same are one object. */
function contentName(inputs: Rule & { readonly family?: Family }): string {
  const rule = Object.fromEntries(Object.keys(ruleFields).map((key) => [key, inputs[key as keyof Rule]]));
  if (Object.values(rule).some(isUnknown)) return unknownValue;
  // The class calls this before anything is checked: what is wrong has no name, and the check will say so.
  const problems = object({ ...ruleFields, ...placeFields })({ ...rule, ...placeOf(inputs as IptablesPlace) }, "");
  if (problems.length > 0) return "wrong";
  return digest(savedText(optionsOf(rule, inputs.family ?? "ipv4")));
}

function markOf(inputs: IptablesRuleInputs): string | undefined {
  return inputs.comment === undefined ? `barepod/${digest(objectOf(iptablesRuleSpec, inputs))}` : undefined;
}

function optionsFor(inputs: IptablesRuleInputs) {
  const mark = markOf(inputs);
  return optionsOf(mark === undefined ? inputs : { ...inputs, comment: mark }, inputs.family);
}

function queryOf(inputs: IptablesRuleInputs): RuleQuery {
  const { family, table, chain, position } = inputs;
  return { family, table, chain, mark: markOf(inputs), options: optionsFor(inputs), numbered: position !== undefined };
}

function differences(inputs: IptablesRuleInputs, seen: RuleState): Partial<IptablesRuleInputs> {
  const options = optionsFor(inputs);
  if (sameRule(seen.options, options)) return {};
  const found = ruleOf(seen.options);
  const wanted = ruleOf(options);
  const changed = Object.keys(wanted).filter((key) => key !== "comment" && !equal(found[key], wanted[key]));
  const values = Object.fromEntries(changed.map((key) => [key, found[key]]));
  // What was added to the rule has no input to show it in.
  return changed.length > 0 ? values : { [inputs.jump === undefined ? "goto" : "jump"]: savedText(seen.options) };
}

function insert(inputs: IptablesRuleInputs, position: number | undefined): Command {
  const { family, table, chain } = inputs;
  const where = position === undefined ? ["-A", chain] : ["-I", chain, position];
  return sh(toolFor(family), "-w", 5, "-t", table, ...where, ...wordsOf(optionsFor(inputs)));
}

/** Replaces or deletes the rule, by its number at that moment; copies of it are deleted, too. */
function edit(inputs: IptablesRuleInputs, action: "-R" | "-D"): Command {
  const { family, table, chain } = inputs;
  return raw(
    action === "-R" ? "replace the rule" : "delete the rule",
    `tool=$1 table=$2 chain=$3 action=$4 kind=$5 fragments=$6; shift 6
${findFunction}
while rules=$("$tool" -w 5 -t "$table" -S "$chain") && number=$(printf '%s\\n' "$rules" | barepod_find "$kind" "$fragments") && [ -n "$number" ]; do
"$tool" -w 5 -t "$table" "$action" "$chain" "\${number%% *}" "$@" || return 1
[ "$action" = -D ] || return 0
done`,
    toolFor(family),
    table,
    chain,
    action,
    ...findWords(queryOf(inputs)),
    ...(action === "-R" ? wordsOf(optionsFor(inputs)) : []),
  );
}

/** The new one is there before the old one goes. */
function move(inputs: IptablesRuleInputs): Command {
  const { family, table, chain, position = 1 } = inputs;
  return raw(
    "move the rule",
    `tool=$1 table=$2 chain=$3 to=$4 kind=$5 fragments=$6; shift 6
${findFunction}
rules=$("$tool" -w 5 -t "$table" -S "$chain") || return 1
from=$(printf '%s\\n' "$rules" | barepod_find "$kind" "$fragments")
from=\${from%% *}
if [ "$from" -lt "$to" ]; then to=$((to + 1)); else from=$((from + 1)); fi
"$tool" -w 5 -t "$table" -I "$chain" "$to" "$@" && "$tool" -w 5 -t "$table" -D "$chain" "$from"`,
    toolFor(family),
    table,
    chain,
    position,
    ...findWords(queryOf(inputs)),
    ...wordsOf(optionsFor(inputs)),
  );
}

function withReason(inputs: IptablesRuleInputs, command: Command): Command {
  const target = chainBehind(inputs);
  const chains = target === undefined ? [inputs.chain] : [inputs.chain, target];
  return either(command, nameMissingChains(inputs.family, inputs.table, chains));
}
