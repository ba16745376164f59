/**
 * Keeps secrets out of messages. A provider gets secrets decrypted and unmarked; the classes therefore say which inputs
 * hold one (`secrets`), and every message is searched for their values before it leaves.
 */
import type { NodeInputs } from "./resource";

/** Shorter values are no secrets, and masking them would garble every message. */
const shortestSecret = 4;

const secretConnectionFields = ["password", "privateKey", "privateKeyPassword"];

/** A function that replaces the values of the secret inputs in a text. */
export function maskFor(inputs: NodeInputs): (text: string) => string {
  const values = new Set<string>();
  for (const key of inputs.secrets ?? []) collect((inputs as unknown as Record<string, unknown>)[key], values);
  collectConnection(inputs.connection, values);
  const found = [...values].filter((value) => value.length >= shortestSecret).sort((a, b) => b.length - a.length);
  return (text) => found.reduce((masked, value) => masked.replaceAll(value, "[secret]"), text);
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
