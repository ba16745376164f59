/** Applying rules, and collecting what breaks them. */
import { posix } from "node:path";
import { InputError } from "../errors";
import type { Problem } from "../fields";
import type { Rule } from "./names";

/** Adds a problem if `value` breaks `rule`. */
export function check(rule: Rule, value: string, path: string, problems: Problem[]): void {
  const reason = rule(value);
  if (reason !== undefined) problems.push({ path, reason });
}

/** Adds a problem for each element whose `key` an earlier one has too. */
export function unique<T extends object>(
  list: readonly (T | undefined)[],
  key: keyof T,
  pathOf: (index: number) => string,
  problems: Problem[],
): void {
  const first = new Map<unknown, number>();
  list.forEach((element, i) => {
    const value = element?.[key];
    if (value === undefined) return;
    const before = first.get(value);
    if (before === undefined) first.set(value, i);
    else problems.push({ path: pathOf(i), reason: `must be unique: ${pathOf(before)} is the same` });
  });
}

/** Adds the {@link InputError} that `read` throws to the problems; anything else goes on. */
export function attempt<T>(read: () => T, problems: Problem[]): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    problems.push({ path: error.path, reason: error.reason });
    return undefined;
  }
}

/** A path without `.`, `//` and a slash at the end. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}
