import type * as pulumi from "@pulumi/pulumi";
import { type Command, either, pipe, raw, sh } from "../command/command";
import { type ChainState, chainWithJumps, type JumpState } from "../facts/iptables";
import { type Fields, list, object, oneOf, optional, type Problem, required } from "../fields";
import { chainBehind, nameMissingChains, toolFor } from "../iptables/command";
import { type Option, optionsOf, ruleOf, sameRule, savedText } from "../iptables/format";
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
  targets,
} from "../iptables/rule";
import { digest } from "../naming";
import { containsUnknown, defineSpec, type NodeInputs, NodeResource, objectOf, type PrimitiveArgs } from "../resource";

/** What a jump to a chain can match: everything but what a rule does. */
export type IptablesJumpFields = Omit<
  IptablesRuleFields,
  "jump" | "goto" | "toDestination" | "toSource" | "toPorts" | "rejectWith" | "setXmark" | "logPrefix" | "randomFully"
>;

/** A jump to an {@link IptablesChain}, in another chain. */
export interface IptablesJump extends IptablesJumpFields {
  /** The chain that the jump is in: `INPUT`, `PREROUTING`, … It must exist. */
  readonly chain: pulumi.Input<string>;
  /**
   * Where it is put when it is added. Others may come before it later.
   * @defaultValue `last`
   */
  readonly position?: pulumi.Input<"first" | "last"> | undefined;
}

/** The inputs of an {@link IptablesChain}. */
export interface IptablesChainArgs extends PrimitiveArgs, IptablesPlace {
  /** The chain's name, at most 28 characters. Changing this replaces the IptablesChain. */
  readonly name: pulumi.Input<string>;
  /**
   * All rules of the chain, in order. They change together, in one transaction: no packet meets half of them.
   * @defaultValue none
   */
  readonly rules?: pulumi.Input<pulumi.Input<IptablesRuleFields>[]> | undefined;
  /**
   * The jumps that lead to it. One without a comment bears a mark of Barepod's; taking away one with a comment of its own
   * replaces the IptablesChain.
   * @defaultValue none
   */
  readonly jumpFrom?: pulumi.Input<pulumi.Input<IptablesJump>[]> | undefined;
}

type Jump = pulumi.Unwrap<IptablesJump>;

/** @internal */
export interface IptablesChainInputs extends NodeInputs {
  readonly family: Family;
  readonly table: string;
  readonly name: string;
  readonly rules?: readonly Rule[];
  readonly jumpFrom?: readonly Jump[];
}

const builtIn = ["INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"];
const jumpFields: Fields = Object.fromEntries(
  Object.entries(ruleFields).filter(
    ([key]) =>
      !["jump", "goto", "toDestination", "toSource", "toPorts", "rejectWith", "setXmark", "logPrefix"].includes(key) &&
      key !== "randomFully",
  ),
);

/** @internal */
export const iptablesChainSpec = defineSpec<IptablesChainInputs, ChainState>({
  type: "IptablesChain",
  identity: ["family", "table", "name"],
  cannotChange: (olds, news) => {
    if (containsUnknown(news.jumpFrom)) return [];
    const wanted = jumpsOf(news);
    // Nothing on the node tells a jump with a user's comment from somebody else's, once it is not declared any more.
    const lost = jumpsOf(olds).some((jump) => !jump.marked && !wanted.some((each) => sameJump(each, jump)));
    return lost ? ["jumpFrom"] : [];
  },
  fields: {
    ...placeFields,
    name: required(chainField),
    rules: optional(list(object(ruleFields))),
    jumpFrom: optional(
      list(object({ chain: required(chainField), position: optional(oneOf("first", "last")), ...jumpFields })),
    ),
  },
  check: (inputs) => checkChain(inputs),
  observe: (inputs) =>
    chainWithJumps(
      inputs.family,
      inputs.table,
      inputs.name,
      [markOf(inputs)].concat((inputs.jumpFrom ?? []).flatMap(({ comment }) => comment ?? [])),
    ),
  plan: (inputs, seen) => {
    const lines = changes(inputs, seen);
    if (lines.length === 0) return [];
    const chains = [...(inputs.rules ?? []).flatMap((rule) => chainBehind(rule) ?? []), ...jumpChains(inputs)];
    return [
      either(
        restore(inputs, lines),
        nameMissingChains(
          inputs.family,
          inputs.table,
          chains.filter((chain) => chain !== inputs.name),
        ),
      ),
    ];
  },
  undo: (inputs, seen) => {
    const ours = seen.jumps.filter((jump) => isOurs(inputs, jump)).map(({ line }) => line.replace(/^-A/, "-D"));
    const lines = [...ours, `-F ${inputs.name}`, `-X ${inputs.name}`];
    return [either(restore(inputs, lines), nameReferences(inputs))];
  },
  drift: (inputs, seen) => {
    const wanted = rulesOf(inputs);
    const missing = missingJumps(inputs, seen);
    const jumpFrom = inputs.jumpFrom ?? [];
    return {
      ...(sameRules(wanted, seen.rules) ? {} : { rules: seen.rules.map((options) => ruleOf(options) as Rule) }),
      ...(missing.length === 0 ? {} : { jumpFrom: jumpFrom.filter((_, index) => !missing.includes(index)) }),
    };
  },
  boot: {
    rank: () => "60",
    // The chains that it leads to may come later: they are made empty first, and filled by their own entries.
    commands: (inputs) => [
      raw(
        "make the chains that it leads to",
        'tool=$1 table=$2; shift 2; for chain do "$tool" -w 5 -t "$table" -N "$chain" 2>/dev/null || :; done',
        toolFor(inputs.family),
        inputs.table,
        ...new Set((inputs.rules ?? []).flatMap((rule) => chainBehind(rule) ?? [])),
      ),
      restore(inputs, changes(inputs, undefined)),
    ],
  },
});

/**
 * A chain of one's own, with all its rules, and the jumps that lead to it. It is made and changed in one transaction, and
 * the rules of others are left as they are.
 *
 * @example
 * ```ts
 * new IptablesChain("web", {
 *   node,
 *   name: "WEB",
 *   rules: [
 *     { ctState: "RELATED,ESTABLISHED", jump: "ACCEPT" },
 *     { source: "10.0.0.0/8", jump: "ACCEPT" },
 *     { jump: "REJECT" },
 *   ],
 *   jumpFrom: [{ chain: "INPUT", protocol: "tcp", destinationPort: 80, position: "first" }],
 * });
 * ```
 * @see iptables(8), iptables-restore(8)
 */
export class IptablesChain extends NodeResource {
  declare readonly family: pulumi.Output<"ipv4" | "ipv6">;
  declare readonly table: pulumi.Output<string>;
  /** What a rule names in `jump`. */
  declare readonly name: pulumi.Output<string>;
  declare readonly rules: pulumi.Output<pulumi.Unwrap<IptablesRuleFields>[] | undefined>;

  constructor(name: string, args: IptablesChainArgs, options?: pulumi.CustomResourceOptions) {
    super(iptablesChainSpec.type, name, { ...args, ...placeOf(args) }, [], options);
  }
}

function checkChain({ family, name, rules = [], jumpFrom = [] }: IptablesChainInputs): Problem[] {
  const problems: Problem[] = [];
  if (builtIn.includes(name) || targets.includes(name))
    problems.push({ path: "name", reason: "must not be a built-in chain or a target: they are not ours to fill" });
  for (const [index, rule] of rules.entries()) {
    problems.push(...checkRule(rule, family, `rules[${index}].`));
    if (chainBehind(rule) === name)
      problems.push({ path: `rules[${index}].jump`, reason: "leads to the chain itself" });
  }
  for (const [index, { chain, position: _, ...jump }] of jumpFrom.entries()) {
    problems.push(...checkRule({ ...jump, jump: name }, family, `jumpFrom[${index}].`));
    if (chain === name) problems.push({ path: `jumpFrom[${index}].chain`, reason: "is the chain itself" });
  }
  return problems;
}

interface WantedJump {
  readonly chain: string;
  readonly first: boolean;
  readonly marked: boolean;
  readonly options: readonly Option[];
}

function markOf(inputs: IptablesChainInputs): string {
  return `barepod/${digest(objectOf(iptablesChainSpec, inputs))}`;
}

function jumpsOf(inputs: IptablesChainInputs): WantedJump[] {
  return (inputs.jumpFrom ?? []).map(({ chain, position, comment, ...match }) => ({
    chain,
    first: position === "first",
    marked: comment === undefined,
    options: optionsOf({ ...match, comment: comment ?? markOf(inputs), jump: inputs.name }, inputs.family),
  }));
}

function jumpChains(inputs: IptablesChainInputs): string[] {
  return (inputs.jumpFrom ?? []).map(({ chain }) => chain);
}

function rulesOf(inputs: IptablesChainInputs): Option[][] {
  return (inputs.rules ?? []).map((rule) => optionsOf(rule, inputs.family));
}

function sameRules(a: readonly (readonly Option[])[], b: readonly (readonly Option[])[]): boolean {
  return a.length === b.length && a.every((options, index) => sameRule(options, b[index] ?? []));
}

function sameJump(a: Pick<JumpState, "chain" | "options">, b: Pick<JumpState, "chain" | "options">): boolean {
  return a.chain === b.chain && sameRule(a.options, b.options);
}

function isMarked(inputs: IptablesChainInputs, { options }: JumpState): boolean {
  return options.some(({ flag, value }) => flag === "--comment" && value === markOf(inputs));
}

function isOurs(inputs: IptablesChainInputs, jump: JumpState): boolean {
  return isMarked(inputs, jump) || jumpsOf(inputs).some((wanted) => sameJump(wanted, jump));
}

/** The indexes of the jumps that are not there. */
function missingJumps(inputs: IptablesChainInputs, seen: ChainState | undefined): number[] {
  return [...jumpsOf(inputs).entries()]
    .filter(([, jump]) => seen?.jumps.some((found) => sameJump(jump, found)) !== true)
    .map(([index]) => index);
}

/** The lines of the transaction; none when nothing is to do. */
function changes(inputs: IptablesChainInputs, seen: ChainState | undefined): string[] {
  const { name } = inputs;
  const rules = rulesOf(inputs);
  const jumps = jumpsOf(inputs);
  const missing = missingJumps(inputs, seen);
  const surplus = (seen?.jumps ?? []).filter(
    (jump, index, found) =>
      isMarked(inputs, jump) &&
      (!jumps.some((wanted) => sameJump(wanted, jump)) || found.findIndex((each) => sameJump(each, jump)) < index),
  );
  return [
    // Naming a chain empties it; all that follows is in force at once.
    ...(seen !== undefined && sameRules(rules, seen.rules)
      ? []
      : [`:${name} - [0:0]`, ...rules.map((options) => `-A ${name} ${savedText(options)}`)]),
    ...surplus.map(({ line }) => line.replace(/^-A/, "-D")),
    ...jumps
      .filter((_, index) => missing.includes(index))
      .map(({ chain, first, options }) => `${first ? "-I" : "-A"} ${chain} ${savedText(options)}`),
  ];
}

function restore({ family, table }: IptablesChainInputs, lines: readonly string[]): Command {
  const text = [`*${table}`, ...lines, "COMMIT", ""].join("\n");
  return pipe(sh("printf", "%s", text), sh(`${toolFor(family)}-restore`, "--noflush", "-w", 5));
}

/** After a failure: says which rules still lead to the chain, and fails. */
function nameReferences({ family, table, name }: IptablesChainInputs): Command {
  return raw(
    "name the rules that lead to it",
    `rules=$("$1" -w 5 -t "$2" -S) && printf '%s\\n' "$rules" | while read -r rule; do
case $rule in "-A $3 "*) ;; *" -j $3"|*" -g $3") echo "there is a rule that leads to it: $rule" >&2 ;; esac
done
return 1`,
    toolFor(family),
    table,
    name,
  );
}
