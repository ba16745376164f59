/** Values as TypeScript literals, formatted as this repository is: a formatter finds nothing to change. */
import type { Fields } from "../../provider/kubernetes/field";
import type { Place } from "../../provider/yaml/place";

const WIDTH = 120;
const INDENT = "  ";

/** A value that is an expression, not a literal. */
export class Code {
  constructor(readonly text: string) {}
}

/** A value, where it stands in the YAML, and what the table says about it. */
export interface Written {
  readonly value: unknown;
  /** For its comments. */
  readonly place?: Place | undefined;
  /** The fields of an object, or of the elements of a list of objects. */
  readonly fields?: Fields | undefined;
  /** A map of quantities, whose numbers are texts to TypeScript. */
  readonly quantities?: boolean;
}

/** The text behind `before` (the indentation and `name: `), so that `after` still fits into the line. */
export function literal(written: Written, before: string, after = ","): string {
  const { value, place } = written;
  const flat = inline(written);
  const indent = /^ */.exec(before)?.[0] ?? "";
  if (flat !== undefined && before.length + flat.length + after.length <= WIDTH) return flat;
  if (typeof value === "string") return text(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const lines = childrenOf(written).map(({ name, ...child }) => {
    const start = `${indent}${INDENT}${name === undefined ? "" : `${keyOf(name)}: `}`;
    const printed = literal(child, start);
    const tooLong = typeof child.value === "string" && !isLong(child.value) && start.length + printed.length >= WIDTH;
    // A formatter moves a long text below its key, unless the key is so short that nothing would be gained.
    const below = tooLong && name !== undefined && keyOf(name).length > INDENT.length;
    const body = below ? `${start.trimEnd()}\n${indent}${INDENT}${INDENT}${printed},` : `${start}${printed},`;
    const { before: above, behind } = child.place?.comments ?? {};
    const oneLine = !body.includes("\n");
    const comments = [above, oneLine ? undefined : behind].map((each) => commentLines(each, indent + INDENT));
    return `${comments.join("")}${body}${oneLine && behind ? ` //${behind}` : ""}\n`;
  });
  return `${open}\n${lines.join("")}${commentLines(place?.comments.end, indent + INDENT)}${indent}${close}`;
}

/** Comments of the YAML as lines of comment; empty when there is none. */
export function commentLines(comment: string | undefined, indent = ""): string {
  const lines = comment?.split("\n").filter((line) => line.trim() !== "") ?? [];
  return lines.map((line) => `${indent}//${line.trimEnd()}\n`).join("");
}

interface Child extends Written {
  readonly name?: string;
}

/** The entries or elements; null is nothing to Kubernetes, and no type of TypeScript's takes it. */
function childrenOf({ value, place, fields, quantities }: Written): Child[] {
  if (Array.isArray(value)) return value.map((each, i) => ({ value: each, place: place?.items?.[i], fields }));
  const entries = Object.entries(value as object).filter(([, each]) => each !== null);
  return entries.map(([name, each]) => {
    const field = fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
    return {
      name,
      value: quantities && typeof each === "number" ? String(each) : (each as unknown),
      place: place?.entries?.get(name),
      fields: field?.fields,
      quantities: field?.kind === "quantities",
    };
  });
}

/** The value on one line, where it reads well so. */
function inline(written: Written): string | undefined {
  const { value, place } = written;
  if (value instanceof Code) return value.text;
  if (typeof value === "string") return isLong(value) ? undefined : quoted(value);
  if (typeof value !== "object" || value === null) return String(value);
  const children = childrenOf(written);
  if (place?.comments.end || children.some((child) => hasComment(child.place))) return undefined;
  // A formatter gives each of several objects a line of its own, and deep objects are hard to read.
  if (Array.isArray(value) && children.length > 1 && children.every(({ value: each }) => keysOf(each) > 1))
    return undefined;
  if (!Array.isArray(value) && depthOf(value) > 2) return undefined;
  const parts = children.map(({ name, ...child }) => {
    const flat = inline(child);
    return flat === undefined || name === undefined ? flat : `${keyOf(name)}: ${flat}`;
  });
  if (parts.includes(undefined)) return undefined;
  if (Array.isArray(value)) return `[${parts.join(", ")}]`;
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}

function hasComment(place: Place | undefined): boolean {
  if (place === undefined) return false;
  const below = [...(place.entries?.values() ?? []), ...(place.items ?? [])];
  return Object.keys(place.comments).length > 0 || below.some(hasComment);
}

function keysOf(value: unknown): number {
  return typeof value === "object" && value !== null ? Object.keys(value).length : 0;
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function keyOf(name: string): string {
  // As a plain key it would set the object's prototype.
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name);
}

/** Several lines, with nothing in them that a template literal would change. */
function isLong(value: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those that a template literal cannot show
  return /[^\n]\n+[^\n]/.test(value) && !/[\0-\x08\x0b-\x1f\x7f\u2028\u2029]/.test(value);
}

function text(value: string): string {
  return isLong(value) ? `\`${value.replace(/[`\\]|\$(?=\{)/g, "\\$&")}\`` : quoted(value);
}

/** In double quotes, or in single ones where that needs fewer backslashes. */
function quoted(value: string): string {
  const json = JSON.stringify(value).replace(
    /[\u2028\u2029\x7f]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const count = (quote: string) => value.split(quote).length - 1;
  if (count('"') <= count("'")) return json;
  return `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
