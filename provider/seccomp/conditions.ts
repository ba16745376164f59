/** The code that compares arguments. An argument has 64 bits, the machine's registers 32: the upper half comes first. */
import { AND, type Assembler, IF_EQUAL, type Label, LOAD } from "./assembler";
import type { Condition } from "./profile";
import { everywhere, paint, type Ranges, search } from "./ranges";
import type { Rule } from "./rules";

/** Where the argument is in struct seccomp_data; both machines are little-endian. */
const ARGUMENTS = 16;
const LOW = 0xffff_ffffn;
const MOST = (1n << 64n) - 1n;

/** Tries the rules in their order; where none applies it goes on with `rest`. */
export function testRules(assembler: Assembler, rules: readonly Rule[], narrow: boolean, rest: Label): Label {
  let next = rest;
  let end = rules.length;
  while (end > 0) {
    const start = startOfRun(rules, end);
    const run = rules.slice(start, end);
    const index = run.length > 1 ? run[0]?.conditions[0]?.index : undefined;
    if (index === undefined) {
      next = testOne(assembler, rules[end - 1] as Rule, narrow, next);
      end -= 1;
    } else {
      next = testRun(assembler, index, run, narrow, next);
      end = start;
    }
  }
  return next;
}

/** Rules of one condition each on one and the same argument are looked up together. */
function startOfRun(rules: readonly Rule[], end: number): number {
  const plain = (rule: Rule | undefined): number | undefined =>
    rule?.conditions.length === 1 && rule.conditions[0]?.operator !== "MASKED_EQ"
      ? rule.conditions[0]?.index
      : undefined;
  let start = end - 1;
  while (start > 0 && plain(rules[start]) !== undefined && plain(rules[start - 1]) === plain(rules[start])) start -= 1;
  return start;
}

function testRun(assembler: Assembler, index: number, run: readonly Rule[], narrow: boolean, next: Label): Label {
  const ranges = run.reduceRight<Ranges>((painted, { conditions, action }) => {
    const to = assembler.result(action);
    const condition = conditions[0] as Condition;
    return spans(condition, narrow).reduce((all, [first, last]) => paint(all, first, last, to), painted);
  }, everywhere(next));
  return lookUp(assembler, index, ranges, narrow);
}

/** All conditions must hold. */
function testOne(assembler: Assembler, { conditions, action }: Rule, narrow: boolean, next: Label): Label {
  return conditions.reduceRight((then, condition) => {
    if (condition.operator === "MASKED_EQ") return testBits(assembler, condition, narrow, then, next);
    const ranges = spans(condition, narrow).reduce<Ranges>(
      (all, [first, last]) => paint(all, first, last, then),
      everywhere(next),
    );
    return lookUp(assembler, condition.index, ranges, narrow);
  }, assembler.result(action));
}

/** The numbers for which a condition holds: from and to. */
function spans({ operator, value }: Condition, narrow: boolean): [bigint, bigint][] {
  const most = narrow ? LOW : MOST;
  const wanted = value & most;
  switch (operator) {
    case "EQ":
      return [[wanted, wanted]];
    case "NE":
      return [
        [0n, wanted - 1n],
        [wanted + 1n, most],
      ];
    case "LT":
      return [[0n, wanted - 1n]];
    case "LE":
      return [[0n, wanted]];
    case "GT":
      return [[wanted + 1n, most]];
    default:
      return [[wanted, most]];
  }
}

function lookUp(assembler: Assembler, index: number, ranges: Ranges, narrow: boolean): Label {
  if (ranges.length === 1) return ranges[0]?.to as Label;
  const low = (within: Ranges) => assembler.step(LOAD, ARGUMENTS + 8 * index, search(assembler, within));
  const inReach = ranges.filter(({ from }) => from <= (narrow ? LOW : MOST));
  if (narrow) return low(inReach);
  // Where no range begins within an upper half, that half decides alone; elsewhere the lower one does.
  let upper: Ranges = everywhere(inReach[0]?.to as Label);
  const halves = [...new Set(inReach.map(({ from }) => from >> 32n))];
  for (const [i, half] of halves.entries()) {
    const here = inReach.filter(({ from }) => from >> 32n === half);
    const before = inReach.findLast(({ from }) => from <= half << 32n)?.to as Label;
    const within = here.reduce<Ranges>((all, { from, to }) => paint(all, from & LOW, LOW, to), everywhere(before));
    const to = within.length === 1 ? (within[0]?.to as Label) : low(within);
    upper = paint(upper, half, half, to);
    const next = halves[i + 1] ?? LOW + 1n;
    upper = paint(upper, half + 1n, next - 1n, here.at(-1)?.to as Label);
  }
  if (upper.length === 1) return upper[0]?.to as Label;
  return assembler.step(LOAD, ARGUMENTS + 8 * index + 4, search(assembler, upper));
}

function testBits(assembler: Assembler, condition: Condition, narrow: boolean, then: Label, next: Label): Label {
  const { index, value: mask, valueTwo: wanted } = condition;
  const half = (shift: bigint, offset: number, match: Label): Label => {
    const [bits, expected] = [(mask >> shift) & LOW, (wanted >> shift) & LOW];
    if ((bits & expected) !== expected) return next;
    if (bits === 0n) return match;
    const compared = assembler.branch(IF_EQUAL, Number(expected), match, next);
    const masked = bits === LOW ? compared : assembler.step(AND, Number(bits), compared);
    return assembler.step(LOAD, ARGUMENTS + 8 * index + offset, masked);
  };
  const low = half(0n, 0, then);
  return narrow || low === next ? low : half(32n, 4, low);
}
