/** Checks a value against the table of `support.ts`: what is unknown, refused, of a wrong type, or not plain. */
import type { Problem } from "../fields";
import type { Field, Fields } from "./field";
import { isEventual, isPlainObject } from "./plain";

const NOT_PLAIN =
  "must be a plain value, not an Output or a promise: what a pod consists of must be known before anything is deployed";

/**
 * What of `value` is usable, of the types that the table says; everything else has been added to `problems`, by path and
 * rule. A value is printed only where the table lists the values that exist.
 */
export function walkObject(value: unknown, fields: Fields, path: string, problems: Problem[]): Record<string, unknown> {
  if (!isPlainObject(value)) {
    problems.push(unreadable(value, path, "an object"));
    return {};
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(fields, name) || isAbsent(value[name])) continue;
    const near = nearest(name, Object.keys(fields));
    const hint = near === undefined ? "" : `; did you mean ${near}?`;
    problems.push({ path: join(path, name), reason: `no such field${hint}` });
  }
  const usable: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const found = Object.hasOwn(value, name) ? walk(value[name], field, join(path, name), problems) : undefined;
    if (found !== undefined) usable[name] = found;
    else if (field.required && (!Object.hasOwn(value, name) || isAbsent(value[name]))) {
      problems.push({ path: join(path, name), reason: "is required" });
    }
  }
  return usable;
}

function unreadable(value: unknown, path: string, wanted: string): Problem {
  const reason = isEventual(value) ? NOT_PLAIN : `must be ${wanted}, not ${typeOf(value)}`;
  return { path, reason, isUnreadable: true };
}

function walk(value: unknown, field: Field, path: string, problems: Problem[]): unknown {
  if (isAbsent(value)) return undefined;
  if (!field.supported) {
    if (!saysNothing(value, field)) problems.push({ path, reason: refusal(field) });
    return undefined;
  }
  if (field.list !== true) return walkOne(value, field, path, problems);
  if (!Array.isArray(value)) {
    problems.push(unreadable(value, path, "a list"));
    return undefined;
  }
  return Array.from(value, (element, i) => {
    if (!isAbsent(element)) return walkOne(element, field, `${path}[${i}]`, problems);
    problems.push({ path: `${path}[${i}]`, reason: "must not be empty", isUnreadable: true });
    return undefined;
  });
}

function walkOne(value: unknown, field: Field, path: string, problems: Problem[]): unknown {
  switch (field.kind) {
    case "object":
      return walkObject(value, field.fields ?? {}, path, problems);
    case "map":
    case "quantities":
      return walkMap(value, field, path, problems);
    default:
      return walkLeaf(value, field, path, problems);
  }
}

function walkMap(value: unknown, field: Field, path: string, problems: Problem[]): Map<string, unknown> {
  const usable = new Map<string, unknown>();
  if (!isPlainObject(value)) {
    problems.push(unreadable(value, path, "an object"));
    return usable;
  }
  for (const [key, entry] of Object.entries(value)) {
    const at = `${path}[${JSON.stringify(key)}]`;
    // Kubernetes' quantities are texts, but YAML and people write `cpu: 2`.
    const plainNumber = field.kind === "quantities" && typeof entry === "number";
    const found = plainNumber ? entry : walkLeaf(entry, { ...field, kind: "string" }, at, problems);
    if (found !== undefined) usable.set(key, found);
  }
  return usable;
}

function walkLeaf(value: unknown, field: Field, path: string, problems: Problem[]): unknown {
  const refuse = (reason: string) => {
    problems.push({ path, reason });
    return undefined;
  };
  if (isEventual(value)) return field.output ? value : refuse(NOT_PLAIN);
  if (!isOfKind(value, field.kind)) return refuse(`must be ${KINDS[field.kind] ?? field.kind}, not ${typeOf(value)}`);
  if (field.values && !field.values.includes(value as string)) {
    return refuse(`must be ${oneOf(field.values)}, not ${printed(value as string)}`);
  }
  if (typeof value === "string" && value.includes("\0")) return refuse("must not contain a NUL byte");
  return value;
}

const KINDS: Readonly<Record<string, string>> = {
  integer: "an integer",
  integerOrString: "an integer or a string",
  string: "a string",
  boolean: "a boolean",
};

function isOfKind(value: unknown, kind: Field["kind"]): boolean {
  const isInteger = Number.isSafeInteger(value);
  if (kind === "integerOrString") return isInteger || typeof value === "string";
  return kind === "integer" ? isInteger : typeof value === kind;
}

/** Whether a refused field is given in a way that asks for nothing, or for what happens anyway. */
function saysNothing(value: unknown, field: Field): boolean {
  if (Array.isArray(value)) return field.list === true && value.length === 0;
  if (isPlainObject(value)) {
    return Object.values(value).every(isAbsent) && (field.kind === "map" || field.values?.includes("{}") === true);
  }
  return field.values?.includes(value as string) === true && value !== "{}";
}

function refusal(field: Field): string {
  const accepted = field.values?.filter((value) => value !== "{}") ?? [];
  const allowed = accepted.length === 0 ? "" : `; may be left out, or be ${oneOf(accepted)}`;
  return `is not supported${field.release === "next" ? " yet" : ""}: ${field.text}${allowed}`;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** The path of a field below another. */
export function join(path: string, name: string): string {
  const step = /^[A-Za-z_$][\w$-]*$/.test(name) ? name : `[${JSON.stringify(name)}]`;
  if (path === "") return step;
  return step.startsWith("[") ? path + step : `${path}.${step}`;
}

function oneOf(values: readonly (string | number | boolean)[]): string {
  const texts = values.map(printed);
  return texts.length < 2 ? texts.join() : `${texts.slice(0, -1).join(", ")} or ${texts.at(-1)}`;
}

function printed(value: string | number | boolean): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? "what is given" : text;
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return Number.isInteger(value) ? "a number" : "a fraction";
  if (typeof value === "object" || typeof value === "undefined") return value === null ? "null" : "an object";
  return `a ${typeof value}`;
}

/** The known name closest to a misspelt one, if any is close. */
function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  const ranked = known.map((candidate) => ({ candidate, far: distance(name.toLowerCase(), candidate.toLowerCase()) }));
  const best = ranked.sort((a, b) => a.far - b.far)[0];
  return best && best.far <= Math.max(1, Math.floor(name.length / 3)) ? best.candidate : undefined;
}

/** How many letters to insert, delete, change, or swap with their neighbour. */
function distance(a: string, b: string): number {
  const far = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => far[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    far.push(row);
    for (let j = 1; j <= b.length; j++) {
      const change = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(change, swapped ? at(i - 2, j - 2) + 1 : change, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(a.length, b.length);
}
