/**
 * What may stand in an input, said once per field. A {@link Field} looks at a resolved value and reports what is wrong
 * with it, by path and rule, **never by value**: in `check` a secret cannot be told from other values.
 *
 * Unknown values (a preview before their source exists) pass everywhere.
 */
import { InputError, messageOf } from "./errors";

/** How an unknown arrives in a dynamic provider's check and diff. */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Whether a value is, or contains, something that this preview cannot know. */
export function isUnknown(value: unknown): boolean {
  return value === unknownValue;
}

/** A mistake, by the path of the property. */
export interface Problem {
  readonly path: string;
  readonly reason: string;
  /** Nothing below it could be looked at: it is of another kind altogether. */
  readonly isUnreadable?: true;
}

/** Reports what is wrong with a value. */
export type Field = (value: unknown, path: string) => Problem[];

/** The fields of an object; a key that is not listed is a mistake. */
export type Fields = Readonly<Record<string, Field>>;

/** Makes a field that may be left out. */
export function optional(field: Field): Field {
  return (value, path) => (value === undefined || value === null ? [] : known(field)(value, path));
}

/** Makes a field that must be given. */
export function required(field: Field): Field {
  return (value, path) =>
    value === undefined || value === null ? [{ path, reason: "is required" }] : known(field)(value, path);
}

function known(field: Field): Field {
  return (value, path) => (isUnknown(value) ? [] : field(value, path));
}

/** Text of at most `max` bytes; with `pattern`, exactly of that form. No NUL, and no other control characters unless allowed. */
export function text(options: {
  max: number;
  pattern?: RegExp;
  form?: string;
  empty?: boolean;
  controls?: boolean;
}): Field {
  return (value, path) => {
    if (typeof value !== "string") return [{ path, reason: `must be text, not ${typeOf(value)}` }];
    if (value === "" && options.empty !== true) return [{ path, reason: "must not be empty" }];
    const bytes = Buffer.byteLength(value);
    if (bytes > options.max) return [{ path, reason: `is ${bytes} bytes long; at most ${options.max} are possible` }];
    if (value.includes("\0")) return [{ path, reason: "must not contain a NUL byte" }];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (options.controls !== true && /[\u0001-\u001f\u007f]/.test(value))
      return [{ path, reason: "must not contain control characters such as a newline or a tab" }];
    if (!isWellFormed(value)) return [{ path, reason: "must be well-formed Unicode" }];
    if (options.pattern !== undefined && !options.pattern.test(value))
      return [{ path, reason: `must be ${options.form ?? `of the form ${options.pattern.source}`}` }];
    return [];
  };
}

/** A DNS label (RFC 1123). */
export function dnsLabel(): Field {
  return text({ max: 63, pattern: /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, form: "a DNS label" });
}

/** An absolute path without `.`, `..`, empty segments or a slash at the end, so that one object has one name. */
export function path(options: { root?: boolean } = {}): Field {
  const plain = text({ max: 4095 });
  return (value, at) => {
    const problems = plain(value, at);
    if (problems.length > 0 || typeof value !== "string") return problems;
    if (!value.startsWith("/")) return [{ path: at, reason: "must be an absolute path (start with /)" }];
    if (value === "/") return options.root === true ? [] : [{ path: at, reason: "must not be / itself" }];
    const segments = value.slice(1).split("/");
    if (segments.includes("..")) return [{ path: at, reason: "must not contain .. segments" }];
    if (segments.includes(".") || segments.includes(""))
      return [{ path: at, reason: "must be in its shortest form (no //, no . segment, no / at the end)" }];
    if (segments.some((segment) => Buffer.byteLength(segment) > 255))
      return [{ path: at, reason: "has a segment longer than 255 bytes, which no Linux file system takes" }];
    return [];
  };
}

/** A path below something else, without `.`, `..`, empty segments or a slash at the end. */
export function relativePath(): Field {
  const plain = text({ max: 3800 });
  const absolute = path();
  return (value, at) => {
    const problems = plain(value, at);
    if (problems.length > 0) return problems;
    return String(value).startsWith("/")
      ? [{ path: at, reason: "must be a relative path" }]
      : absolute(`/${value}`, at);
  };
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): Field {
  return (value, at) => {
    if (typeof value !== "number" || !Number.isInteger(value))
      return [{ path: at, reason: `must be a whole number from ${min} to ${max}, not ${typeOf(value)}` }];
    return value < min || value > max ? [{ path: at, reason: `must be between ${min} and ${max}` }] : [];
  };
}

/** True or false. */
export function boolean(): Field {
  return (value, at) =>
    typeof value === "boolean" ? [] : [{ path: at, reason: `must be true or false, not ${typeOf(value)}` }];
}

/** One of a few words. */
export function oneOf(...words: readonly string[]): Field {
  return (value, at) =>
    typeof value === "string" && words.includes(value)
      ? []
      : [{ path: at, reason: `must be one of ${words.join(", ")}` }];
}

/** A list, each element by `field`. */
export function list(field: Field, options: { max?: number; min?: number } = {}): Field {
  const element = required(field);
  return (value, at) => {
    if (!Array.isArray(value)) return [{ path: at, reason: `must be a list, not ${typeOf(value)}` }];
    if (value.length < (options.min ?? 0)) return [{ path: at, reason: `needs at least ${options.min} elements` }];
    if (value.length > (options.max ?? 10_000))
      return [{ path: at, reason: `has ${value.length} elements; at most ${options.max ?? 10_000} are possible` }];
    return value.flatMap((item, index) => element(item, `${at}[${index}]`));
  };
}

/** A map from names to values. */
export function record(key: Field, field: Field): Field {
  const each = required(field);
  return (value, at) => {
    if (!isObject(value)) return [{ path: at, reason: `must be a map, not ${typeOf(value)}` }];
    return Object.entries(value).flatMap(([name, item]) => {
      const problems = key(name, `${at} (a key)`);
      // A key that is refused is no part of a path: it may be of any length, and hold anything.
      return problems.length > 0 ? problems : each(item, `${at}.${name}`);
    });
  };
}

/** An object of exactly these fields. */
export function object(fields: Fields): Field {
  return (value, at) => {
    if (!isObject(value)) return [{ path: at, reason: `must be an object, not ${typeOf(value)}` }];
    const prefix = at === "" ? "" : `${at}.`;
    const problems = Object.entries(fields).flatMap(([name, field]) => field(value[name], `${prefix}${name}`));
    for (const name of Object.keys(value))
      if (!Object.hasOwn(fields, name))
        problems.push({ path: `${prefix}${name}`, reason: "is not a field that exists here" });
    return problems;
  };
}

/** A field checked by a function that throws for what is wrong. */
export function parsed(parse: (value: unknown) => unknown): Field {
  return (value, at) => {
    try {
      parse(value);
      return [];
    } catch (error) {
      if (error instanceof InputError && error.path !== "") return [{ path: error.path, reason: error.reason }];
      return [{ path: at, reason: messageOf(error) }];
    }
  };
}

/** Anything: checked elsewhere. */
export function anything(): Field {
  return () => [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

function isWellFormed(value: string): boolean {
  try {
    encodeURIComponent(value);
    return true;
  } catch {
    // Lone surrogates: encodeURIComponent is the portable way to find them on Node.js 18 and 20.
    return false;
  }
}
