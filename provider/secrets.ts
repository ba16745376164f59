/**
 * Keeps secrets out of messages. A provider gets secrets decrypted and unmarked; the classes therefore say which inputs
 * hold one (`secrets`), and every message is searched for their values before it leaves.
 */
import type { NodeInputs } from "./resource";

/** Shorter values are no secrets, and masking them would garble every message. */
const shortestSecret = 4;

const secretConnectionFields = ["password", "privateKey", "privateKeyPassword"];

/** Where in the inputs a secret lies, as one text: `containers/0/env/PASSWORD`. */
export function secretPath(keys: readonly string[]): string {
  return keys.map((key) => key.replaceAll("~", "~0").replaceAll("/", "~1")).join("/");
}

/** Whether an input is, or holds, a secret. */
export function isSecret(inputs: { readonly secrets?: readonly string[] | undefined }, key: string): boolean {
  return inputs.secrets?.some((path) => path === key || path.startsWith(`${key}/`)) ?? false;
}

/** What files and sets of files that this run has met hold of secrets, by node and path: a program that reads them may print it. */
const met = new Map<string, Map<string, ReadonlySet<string>>>();

/** Notes what the file or the set of files holds. */
export function rememberSecrets(inputs: NodeInputs): void {
  const { path } = inputs as { readonly path?: unknown };
  if (typeof path !== "string" || inputs.secrets === undefined) return;
  const onNode = met.get(inputs.node) ?? new Map<string, ReadonlySet<string>>();
  met.set(inputs.node, onNode.set(path, valuesOf(inputs)));
}

/** A function that replaces the values of the secret inputs in a text, and those in files that the inputs name. */
export function maskFor(inputs: NodeInputs): (text: string) => string {
  const values = valuesOf(inputs);
  collectConnection(inputs.connection, values);
  const files = [...(met.get(inputs.node) ?? [])];
  if (files.length > 0) {
    const named = textsIn({ ...inputs, connection: undefined }).filter((text) => /^\/./.test(text));
    for (const [path, held] of files)
      if (named.some((each) => isIn(path, each) || isIn(each, path))) for (const value of held) values.add(value);
  }
  const found = [...new Set([...values].flatMap(spellings))]
    .filter((value) => value.length >= shortestSecret)
    .sort((a, b) => b.length - a.length);
  return (text) => found.reduce((masked, value) => masked.replaceAll(value, "[secret]"), text);
}

function valuesOf(inputs: NodeInputs): Set<string> {
  const values = new Set<string>();
  for (const path of inputs.secrets ?? []) {
    const value = valueAt(inputs, path);
    collect(value, values);
    if (!/^(files|content)Base64(\/|$)/.test(path)) continue;
    // What is printed is what it stands for.
    for (const text of textsIn(value)) values.add(Buffer.from(text, "base64").toString("utf8"));
  }
  return values;
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function valueAt(inputs: unknown, path: string): unknown {
  const keys = path.split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  return keys.reduce((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], inputs);
}

function collectConnection(connection: unknown, values: Set<string>): void {
  if (typeof connection !== "object" || connection === null) return;
  const fields = connection as Record<string, unknown>;
  for (const key of secretConnectionFields) collect(fields[key], values);
  collectConnection(fields["proxy"], values);
}

function collect(value: unknown, values: Set<string>): void {
  if (typeof value === "string") values.add(value);
  else if (typeof value === "number") values.add(String(value));
  else if (typeof value === "object" && value !== null)
    for (const each of Object.values(value as Record<string, unknown>)) collect(each, values);
}

/** How a value may stand in a message: as it is, line by line, in a pasteable command, escaped. */
function spellings(value: string): string[] {
  const lines = [value, ...value.split(/\r?\n/).map((line) => line.trim())];
  return lines.flatMap((line) => [line, line.replaceAll("'", `'\\''`), JSON.stringify(line).slice(1, -1)]);
}
