/** Runs classic BPF as the kernel does, and says plainly what a profile means: two ways to one answer. */
import type { Architecture, Machine } from "../../provider/seccomp/architectures";
import type { Instruction } from "../../provider/seccomp/assembler";
import { type Condition, ENOSYS, errno, isRestrictive, type Profile } from "../../provider/seccomp/profile";

/** What the kernel hands to a filter. */
export interface Call {
  readonly number: number;
  readonly audit: number;
  readonly args: readonly bigint[];
}

/** The value that the program returns; an error where the kernel would refuse the program. */
export function run(program: readonly Instruction[], { number, audit, args }: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(audit, 4);
  args.forEach((arg, i) => {
    data.writeBigUInt64LE(arg, 16 + 8 * i);
  });
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const instruction = program[at];
    if (instruction === undefined) throw new Error(`left the program at ${at}`);
    const { code, jt, jf, k } = instruction;
    if (jt > 255 || jf > 255) throw new Error(`jumps too far at ${at}`);
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else if (code === 0x06) return k;
    else throw new Error(`unknown code ${code} at ${at}`);
  }
}

const WIDE = (1n << 64n) - 1n;

function holds({ operator, index, value, valueTwo }: Condition, args: readonly bigint[], narrow: boolean): boolean {
  const most = narrow ? 0xffff_ffffn : WIDE;
  const arg = (args[index] ?? 0n) & most;
  const wanted = value & most;
  switch (operator) {
    case "EQ":
      return arg === wanted;
    case "NE":
      return arg !== wanted;
    case "LT":
      return arg < wanted;
    case "LE":
      return arg <= wanted;
    case "GT":
      return arg > wanted;
    case "GE":
      return arg >= wanted;
    case "MASKED_EQ":
      return (arg & wanted) === (valueTwo & most);
  }
}

/** What a profile without includes and excludes means for a call of `architecture`, read straight from its rules. */
export function meaning(profile: Profile, { architectures }: Machine, architecture: Architecture, call: Call): number {
  const native = architectures[0];
  const listed = profile.archMap?.find((entry) => entry.architecture === native.token)?.subArchitectures;
  const wanted = [native.token, ...(listed ?? profile.architectures ?? [])];
  const isTracer = call.number === 0xffff_ffff && architecture.token === "SCMP_ARCH_X86_64";
  if (!wanted.includes(architecture.token) && !isTracer) return 0;
  const named = profile.rules.flatMap(({ names }) => names.map((name) => architecture.numbers.get(name) ?? -1));
  const known = named.filter((number) => architecture.token !== "SCMP_ARCH_ARM" || number < 0xf0000);
  const isNewer = call.number > Math.max(-1, ...known) && known.some((number) => number >= 0);
  if (isNewer && isRestrictive(profile.defaultAction) && profile.defaultAction !== errno(ENOSYS)) return errno(ENOSYS);
  const rules = profile.rules
    .filter(({ names }) => names.some((name) => architecture.numbers.get(name) === call.number))
    .filter(({ action }) => action !== profile.defaultAction);
  const decisive = rules.find(({ conditions }) => conditions.length === 0);
  if (decisive !== undefined) return decisive.action;
  const match = rules.find(({ conditions }) => {
    const isTwice = new Set(conditions.map(({ index }) => index)).size < conditions.length;
    const test = (condition: Condition) => holds(condition, call.args, architecture.narrow);
    return isTwice ? conditions.some(test) : conditions.every(test);
  });
  return match?.action ?? profile.defaultAction;
}
