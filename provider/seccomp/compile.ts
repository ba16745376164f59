/** From a profile to the filter that the kernel takes. */
import { InputError } from "../errors";
import { machines, X32_BIT } from "./architectures";
import { Assembler, IF_EQUAL, type Instruction, type Label, LOAD } from "./assembler";
import { testRules } from "./conditions";
import { KILL_THREAD, type Profile } from "./profile";
import { everywhere, paint, type Ranges, search } from "./ranges";
import { type Calls, callsOf, type Rule, type Situation } from "./rules";

/** Where they are in struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;

/**
 * One filter for every machine that there is a launcher for: it looks which one it runs on. `path` is whose profile it is,
 * for messages.
 */
export function compile(profile: Profile, situation: Situation, path: string): Instruction[] {
  const assembler = new Assembler();
  const kinds = machines.flatMap((machine) => callsOf(profile, machine, situation));
  const audits = [...new Set(kinds.map(({ architecture }) => architecture.audit))];
  // What libseccomp does unless told otherwise: a program of another kind ends.
  let entry = assembler.result(KILL_THREAD);
  for (const audit of audits.reverse()) {
    const own = kinds.filter(({ architecture }) => architecture.audit === audit);
    const section = assembler.step(LOAD, NUMBER, testNumbers(assembler, own));
    entry = assembler.branch(IF_EQUAL, audit, section, entry);
  }
  assembler.step(LOAD, ARCHITECTURE, entry);
  try {
    return assembler.instructions();
  } catch (error) {
    if (error instanceof RangeError) throw new InputError(path, error.message);
    throw error;
  }
}

/** The calls of one audit architecture: of x86_64 those of x32 too, or their end. */
function testNumbers(assembler: Assembler, [calls, marked]: readonly Calls[]): Label {
  const ranges = rangesOf(assembler, calls as Calls);
  if (calls?.architecture.token !== "SCMP_ARCH_X86_64") return search(assembler, ranges);
  // A tracer asks for no call at all by the highest number.
  if (marked === undefined)
    return search(assembler, paint(ranges, X32_BIT, 0xffff_fffen, assembler.result(KILL_THREAD)));
  const above = rangesOf(assembler, marked);
  const first = { from: X32_BIT, to: above.findLast(({ from }) => from <= X32_BIT)?.to as Label };
  return search(assembler, [
    ...ranges.filter(({ from }) => from < X32_BIT),
    first,
    ...above.filter(({ from }) => from > X32_BIT),
  ]);
}

function rangesOf(assembler: Assembler, calls: Calls): Ranges {
  const rest = assembler.result(calls.rest);
  let ranges = everywhere(rest);
  // What needs code first: then the results stay where they are, and neighbours with one result are one range.
  const isPlain = (rules: readonly Rule[]) => rules[0]?.conditions.length === 0;
  const sorted = [...calls.rules].sort(([, a], [, b]) => Number(isPlain(a)) - Number(isPlain(b)));
  for (const [number, rules] of sorted) {
    const to = testRules(assembler, rules, calls.architecture.narrow, rest);
    ranges = paint(ranges, BigInt(number), BigInt(number), to);
  }
  return paint(ranges, BigInt(calls.last) + 1n, 0xffff_ffffn, assembler.result(calls.beyond));
}

/** An array of struct sock_filter, as both machines have it in memory: little-endian. */
export function encode(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  instructions.forEach(({ code, jt, jf, k }, i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(jt, i * 8 + 2);
    bytes.writeUInt8(jf, i * 8 + 3);
    bytes.writeUInt32LE(k, i * 8 + 4);
  });
  return bytes;
}
