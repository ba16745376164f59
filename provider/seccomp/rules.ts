/** Which rules a profile has for each system call of a machine, for one container on one kernel. */
import type { Architecture, Machine } from "./architectures";
import { type Action, type Condition, ENOSYS, errno, isRestrictive, type Profile, type ProfileRule } from "./profile";

/** Applies where all its conditions hold. */
export interface Rule {
  readonly conditions: readonly Condition[];
  readonly action: Action;
}

/** The calls of one kind; for a number that is not listed `rest` applies, above `last` `beyond`. */
export interface Calls {
  readonly architecture: Architecture;
  /** In the order in which they are tried; then `rest`. */
  readonly rules: ReadonlyMap<number, readonly Rule[]>;
  readonly rest: Action;
  readonly last: number;
  readonly beyond: Action;
}

/** What rules may depend on. */
export interface Situation {
  /** With `CAP_`. */
  readonly capabilities: readonly string[];
  /** Such as 6.1; what a rule says of a kernel holds for every one that is not older. */
  readonly kernel: string;
}

/** One for each kind of call that the profile is for. Calls of another kind are left to the kernel's harshest answer. */
export function callsOf(profile: Profile, machine: Machine, situation: Situation): Calls[] {
  const applicable = profile.rules.filter((rule) => applies(rule, machine.goName, situation));
  return architecturesOf(profile, machine).map((architecture) => callsOfKind(profile, applicable, architecture));
}

/** A machine's own kind always, as runc does: a profile that forgets it would end every program. */
function architecturesOf(profile: Profile, { architectures }: Machine): Architecture[] {
  const [native] = architectures;
  const mapped = profile.archMap?.find(({ architecture }) => architecture === native.token)?.subArchitectures;
  const listed = mapped ?? profile.architectures ?? [];
  return architectures.filter(({ token }) => token === native.token || listed.includes(token));
}

function applies({ includes, excludes }: ProfileRule, goName: string, { capabilities, kernel }: Situation): boolean {
  const has = (name: string) => capabilities.includes(name);
  return (
    (!includes.arches?.length || includes.arches.includes(goName)) &&
    (includes.caps ?? []).every(has) &&
    (includes.minKernel === undefined || isNoOlder(kernel, includes.minKernel)) &&
    !excludes.arches?.includes(goName) &&
    !(excludes.caps ?? []).some(has) &&
    (excludes.minKernel === undefined || !isNoOlder(kernel, excludes.minKernel))
  );
}

function isNoOlder(kernel: string, than: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = than.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** arm's private calls are far beyond the others: a new call is not known by being beyond them. */
const PRIVATE = 0xf_0000;

function callsOfKind(profile: Profile, given: readonly ProfileRule[], architecture: Architecture): Calls {
  const rest = profile.defaultAction;
  const rules = new Map<number, Rule[]>();
  let last = -1;
  for (const { names, action, conditions } of given) {
    for (const { name, first } of names.flatMap((each) => withMultiplexer(each, conditions, architecture))) {
      const number = architecture.numbers.get(name);
      if (number === undefined) continue;
      if (number < PRIVATE || architecture.audit !== ARM) last = Math.max(last, number);
      // What says the default changes nothing, as libseccomp sees it.
      if (action === rest) continue;
      const all = first ?? split(conditions);
      rules.set(number, [...(rules.get(number) ?? []), ...all.map((each) => ({ action, conditions: each }))]);
    }
  }
  const isGuarded = isRestrictive(rest) && rest !== errno(ENOSYS) && last >= 0;
  return {
    architecture,
    rules: new Map([...rules].map(([number, each]) => [number, simplified(each)])),
    rest,
    // As runc does since 1.0.0-rc93: a program takes ENOSYS of a call that is newer than the profile as a reason to use
    // an older one, EPERM as a failure.
    last: isGuarded ? last : 0xffff_ffff,
    beyond: isGuarded ? errno(ENOSYS) : rest,
  };
}

const ARM = 0x4000_0028;

/** Several conditions on one argument are alternatives, as in runc; on different ones all must hold. */
function split(conditions: readonly Condition[]): (readonly Condition[])[] {
  const indexes = conditions.map(({ index }) => index);
  return new Set(indexes).size < indexes.length ? conditions.map((each) => [each]) : [conditions];
}

/** A rule without conditions decides, wherever it stands, as in libseccomp; of several the first. */
function simplified(rules: readonly Rule[]): readonly Rule[] {
  const decisive = rules.find(({ conditions }) => conditions.length === 0);
  return decisive === undefined ? rules : [decisive];
}

/** x86: these are also reached through one call whose first argument says which. */
const SOCKETCALL = [
  "socket",
  "bind",
  "connect",
  "listen",
  "accept",
  "getsockname",
  "getpeername",
  "socketpair",
  "send",
];
const MORE_SOCKETCALL = ["recv", "sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg"];
const multiplexed: ReadonlyMap<string, readonly [string, number]> = new Map<string, readonly [string, number]>([
  ...[...SOCKETCALL, ...MORE_SOCKETCALL, "accept4", "recvmmsg", "sendmmsg"].map(
    (name, i): [string, [string, number]] => [name, ["socketcall", i + 1]],
  ),
  ...Object.entries({
    semop: 1,
    semget: 2,
    semctl: 3,
    semtimedop: 4,
    msgsnd: 11,
    msgrcv: 12,
    msgget: 13,
    msgctl: 14,
    shmat: 21,
    shmdt: 22,
    shmget: 23,
    shmctl: 24,
  }).map(([name, number]): [string, [string, number]] => [name, ["ipc", number]]),
]);

/** A filter does not see the arguments of a call within a call: a rule with conditions counts for the direct one only. */
function withMultiplexer(
  name: string,
  conditions: readonly Condition[],
  { token }: Architecture,
): { name: string; first?: (readonly Condition[])[] }[] {
  const through = token === "SCMP_ARCH_X86" && conditions.length === 0 ? multiplexed.get(name) : undefined;
  if (through === undefined) return [{ name }];
  const [call, value] = through;
  return [{ name }, { name: call, first: [[{ index: 0, operator: "EQ", value: BigInt(value), valueTwo: 0n }]] }];
}
