/** Reads the documents of an image. They come from outside: nothing of their form is taken for granted. */
import { UnusableImage } from "./image-error";
import { digestProblem } from "./reference";

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** A part of a manifest that names content. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
}

/** @throws UnusableImage that says what is wrong, as all of these. */
export function readJson(bytes: Uint8Array, what: string): Json {
  return asObject(parseJson(bytes, what), what);
}

export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new UnusableImage(`${what} is not JSON`);
  }
}

export function asObject(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new UnusableImage(`${what} is not a JSON object`);
}

/** A list; absent and null are the empty one. */
export function asList(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new UnusableImage(`${what} is not a list`);
}

/** A text; absent and null are the empty one. */
export function asText(value: unknown, what: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw new UnusableImage(`${what} is not a text`);
}

export function asTexts(value: unknown, what: string): string[] {
  return asList(value, what).map((each, i) => asText(each, `${what}[${i}]`));
}

export function asDescriptor(value: unknown, what: string): Descriptor {
  const { mediaType, digest, size } = asObject(value, what);
  const named = asText(digest, `${what}.digest`);
  if (digestProblem(named) !== undefined) throw new UnusableImage(`${what}.digest is no sha256 or sha512 digest`);
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw new UnusableImage(`${what}.size is no number of bytes`);
  return { mediaType: asText(mediaType, `${what}.mediaType`), digest: named, size: size as number };
}
