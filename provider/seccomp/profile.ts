/** A seccomp profile in the form of the OCI runtime specification and of Docker, checked and complete. */
import { InputError } from "../errors";

/** What becomes of a system call: what the kernel is told, in the upper and lower half of one number. */
export type Action = number;

/** @see seccomp(2); include/uapi/linux/seccomp.h */
const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0x0000_0000,
  SCMP_ACT_KILL_THREAD: 0x0000_0000,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
};

export const KILL_THREAD: Action = 0;
const EPERM = 1;
/** The kernel's MAX_ERRNO. */
const MOST_ERRNO = 4095;
export const ENOSYS = 38;

/** The number of an action that answers with an error. */
export function errno(number: number): Action {
  return 0x0005_0000 | number;
}

/** Whether a filter whose default this is refuses what it does not know, rather than letting it pass. */
export function isRestrictive(action: Action): boolean {
  return action < 0x7ff0_0000 || action >= 0x8000_0000;
}

export type Operator = "NE" | "LT" | "LE" | "EQ" | "GE" | "GT" | "MASKED_EQ";

/** A comparison of one argument, without sign. `MASKED_EQ`: the argument's bits in `value` are `valueTwo`. */
export interface Condition {
  readonly index: number;
  readonly operator: Operator;
  readonly value: bigint;
  readonly valueTwo: bigint;
}

/** What a rule, or its absence, depends on besides the call. All of what is given must hold (includes), or none (excludes). */
interface Circumstances {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
  readonly minKernel?: string;
}

export interface ProfileRule {
  readonly names: readonly string[];
  readonly action: Action;
  readonly conditions: readonly Condition[];
  readonly includes: Circumstances;
  readonly excludes: Circumstances;
}

export interface Profile {
  readonly defaultAction: Action;
  /** The kinds of calls that it is for, besides a machine's own; absent: none. */
  readonly architectures?: readonly string[];
  /** The same by machine. */
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures: readonly string[] }[];
  readonly rules: readonly ProfileRule[];
}

/** Reads the text of a profile; throws an {@link InputError} that names the place in it. `path` is whose profile it is. */
export function parseProfile(text: string, path: string): Profile {
  let json: unknown;
  try {
    // A number of 64 bits is more than JSON's reader keeps: long ones become texts first.
    json = JSON.parse(text.replace(/("value(?:Two)?"\s*:\s*)(\d{15,20})(?=\s*[,}\n])/g, '$1"$2"'));
  } catch {
    throw new InputError(path, "the profile is no JSON");
  }
  return readProfile(json, path);
}

/** The same of what JSON's reader gives. */
export function readProfile(json: unknown, path: string): Profile {
  const profile = objectAt(json, path);
  known(profile, path, PROFILE_KEYS);
  if (profile["listenerPath"] || profile["listenerMetadata"])
    throw new InputError(`${path}.listenerPath`, "nobody listens to a filter here: leave it out");
  const flags = profile["flags"] === undefined ? [] : texts(profile["flags"], `${path}.flags`);
  flags.forEach((flag, i) => {
    // One thread loads it, before the program starts; and the safer of the two mitigations stays.
    if (["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"].includes(flag)) return;
    throw new InputError(`${path}.flags[${i}]`, "must be SECCOMP_FILTER_FLAG_TSYNC or SECCOMP_FILTER_FLAG_SPEC_ALLOW");
  });
  const { archMap, architectures } = profile;
  if (archMap != null && architectures != null && (archMap as []).length > 0 && (architectures as []).length > 0)
    throw new InputError(`${path}.archMap`, "give either archMap or architectures");
  return {
    defaultAction: readAction(profile["defaultAction"], profile["defaultErrnoRet"], path, "default"),
    ...(architectures != null && { architectures: texts(architectures, `${path}.architectures`) }),
    ...(archMap != null && {
      archMap: listAt(archMap, `${path}.archMap`).map((entry, i) => {
        const at = `${path}.archMap[${i}]`;
        const { architecture, subArchitectures } = objectAt(entry, at);
        return {
          architecture: textAt(architecture, `${at}.architecture`),
          subArchitectures: subArchitectures == null ? [] : texts(subArchitectures, `${at}.subArchitectures`),
        };
      }),
    }),
    rules: listAt(profile["syscalls"] ?? [], `${path}.syscalls`).map((rule, i) =>
      readRule(rule, `${path}.syscalls[${i}]`),
    ),
  };
}

const PROFILE_KEYS = [
  "defaultAction",
  "defaultErrnoRet",
  "architectures",
  "archMap",
  "flags",
  "listenerPath",
  "listenerMetadata",
  "syscalls",
];
const RULE_KEYS = ["name", "names", "action", "errnoRet", "args", "comment", "includes", "excludes"];

function readRule(json: unknown, path: string): ProfileRule {
  const rule = objectAt(json, path);
  known(rule, path, RULE_KEYS);
  const { name, names, args, action, errnoRet } = rule;
  if ((name === undefined) === (names === undefined)) throw new InputError(`${path}.names`, "give names, or one name");
  return {
    names: name === undefined ? texts(names, `${path}.names`) : [textAt(name, `${path}.name`)],
    action: readAction(action, errnoRet, path, ""),
    conditions: listAt(args ?? [], `${path}.args`).map((arg, i) => readCondition(arg, `${path}.args[${i}]`)),
    includes: readCircumstances(rule["includes"], `${path}.includes`),
    excludes: readCircumstances(rule["excludes"], `${path}.excludes`),
  };
}

function readAction(name: unknown, errnoRet: unknown, path: string, kind: "default" | ""): Action {
  const at = kind === "" ? `${path}.action` : `${path}.defaultAction`;
  const number = typeof name === "string" && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (number === undefined) {
    if (name === "SCMP_ACT_NOTIFY")
      throw new InputError(at, "nobody listens to a filter here: SCMP_ACT_NOTIFY is not possible");
    throw new InputError(at, `must be one of ${Object.keys(ACTIONS).join(", ")}`);
  }
  if (name !== "SCMP_ACT_ERRNO" && name !== "SCMP_ACT_TRACE") return number;
  const most = name === "SCMP_ACT_ERRNO" ? MOST_ERRNO : 0xffff;
  const value = errnoRet ?? EPERM;
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > most)
    throw new InputError(`${path}.${kind === "" ? "errnoRet" : "defaultErrnoRet"}`, `must be an integer, 0 to ${most}`);
  return number + (value as number);
}

function readCondition(json: unknown, path: string): Condition {
  const { index, op, value, valueTwo } = objectAt(json, path);
  if (!Number.isInteger(index) || (index as number) < 0 || (index as number) > 5)
    throw new InputError(`${path}.index`, "must be an integer, 0 to 5");
  const operator = /^SCMP_CMP_(NE|LT|LE|EQ|GE|GT|MASKED_EQ)$/.exec(String(op))?.[1];
  if (operator === undefined)
    throw new InputError(`${path}.op`, "must be one of SCMP_CMP_NE, LT, LE, EQ, GE, GT, MASKED_EQ");
  return {
    index: index as number,
    operator: operator as Operator,
    value: readNumber(value ?? 0, `${path}.value`),
    valueTwo: readNumber(valueTwo ?? 0, `${path}.valueTwo`),
  };
}

function readNumber(value: unknown, path: string): bigint {
  const isNumber = Number.isSafeInteger(value) || (typeof value === "string" && /^\d{1,20}$/.test(value));
  const number = isNumber ? BigInt(value as number | string) : -1n;
  if (number < 0n || number >= 1n << 64n) throw new InputError(path, "must be an integer, 0 to 18446744073709551615");
  return number;
}

function readCircumstances(json: unknown, path: string): Circumstances {
  if (json == null) return {};
  const given = objectAt(json, path);
  known(given, path, ["arches", "caps", "minKernel"]);
  const { arches, caps, minKernel } = given;
  if (minKernel != null && !/^\d{1,5}\.\d{1,5}$/.test(String(minKernel)))
    throw new InputError(`${path}.minKernel`, "must be a kernel's version, such as 4.8");
  return {
    ...(arches != null && { arches: texts(arches, `${path}.arches`) }),
    ...(caps != null && { caps: texts(caps, `${path}.caps`) }),
    ...(minKernel != null && { minKernel: String(minKernel) }),
  };
}

function objectAt(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InputError(path, "must be an object");
}

function listAt(value: unknown, path: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new InputError(path, "must be a list");
}

function textAt(value: unknown, path: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new InputError(path, "must be a text");
}

function texts(value: unknown, path: string): string[] {
  return listAt(value, path).map((each, i) => textAt(each, `${path}[${i}]`));
}

function known(object: Record<string, unknown>, path: string, keys: readonly string[]): void {
  const unknown = Object.keys(object).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw new InputError(`${path}[${JSON.stringify(unknown)}]`, "no such field");
}
