/** From a ConfigMap or a Secret as the user writes it to one without gaps, by Kubernetes' rules. Pure. */
import type { Input } from "@pulumi/pulumi";
import { InputError } from "../errors";
import type { Problem } from "../fields";
import type { Fields } from "./field";
import { normalizeMetadata, throwProblems, type UsableMetadata, withoutOwnArgs } from "./normalize";
import { objectKey } from "./normalize-reference";
import { check } from "./rules";
import { CONFIG_MAP, SECRET } from "./support-objects";
import { walkObject } from "./walk";

/** An object with data. No key is in both maps. */
export interface NormalizedObject {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, Input<string>>>;
  readonly texts: Readonly<Record<string, Input<string>>>;
  readonly base64: Readonly<Record<string, Input<string>>>;
  readonly immutable: boolean;
}

/** A Secret: also its type. */
export interface NormalizedSecret extends NormalizedObject {
  readonly type: string;
}

type Data = Map<string, Input<string>>;

/** Checks a ConfigMap; `name` is the Pulumi resource's. Mistakes are reported as for a Pod. */
export function normalizeConfigMap(name: string, args: unknown): NormalizedObject {
  const problems: Problem[] = [];
  const { data = new Map(), binaryData = new Map(), ...rest } = walk(args, CONFIG_MAP, problems);
  checkKeys(data, "data", problems);
  checkKeys(binaryData, "binaryData", problems);
  for (const key of binaryData.keys())
    if (data.has(key)) problems.push({ path: at("binaryData", key), reason: "is a key of data too" });
  checkBase64(binaryData, "binaryData", problems);
  return complete(name, rest, { texts: data, base64: binaryData }, problems);
}

/** Checks a Secret; `name` is the Pulumi resource's. No message has a value. */
export function normalizeSecret(name: string, args: unknown): NormalizedSecret {
  const problems: Problem[] = [];
  const { data = new Map(), stringData = new Map(), type = "Opaque", ...rest } = walk(args, SECRET, problems);
  checkKeys(data, "data", problems);
  checkKeys(stringData, "stringData", problems);
  checkBase64(data, "data", problems);
  const base64: Data = new Map([...data].filter(([key]) => !stringData.has(key)));
  checkType(type, stringData, base64, problems);
  return { ...complete(name, rest, { texts: stringData, base64 }, problems), type };
}

/** The mistake in a value that a type of Secret wants in JSON; also for values that come later. */
export function checkJson(type: string, key: string, text: string): void {
  if (jsonKeys[type] !== key) return;
  try {
    JSON.parse(text);
  } catch {
    throw new InputError(at("data", key), `must be JSON, because type is ${type}`);
  }
}

interface Usable {
  metadata?: UsableMetadata;
  data?: Data;
  binaryData?: Data;
  stringData?: Data;
  type?: string;
  immutable?: boolean;
}

function walk(args: unknown, fields: Fields, problems: Problem[]): Usable {
  return walkObject(withoutOwnArgs(args), fields, "", problems) as Usable;
}

function complete(
  name: string,
  { metadata = {}, immutable = false }: Usable,
  { texts, base64 }: { texts: Data; base64: Data },
  problems: Problem[],
): NormalizedObject {
  const { ip: _, skipAwait: __, timeoutSeconds: ___, ...about } = normalizeMetadata(name, metadata, problems, "object");
  throwProblems(problems);
  return { ...about, texts: Object.fromEntries(texts), base64: Object.fromEntries(base64), immutable };
}

function checkKeys(data: Data, field: string, problems: Problem[]): void {
  for (const key of data.keys()) check(objectKey, key, at(field, key), problems);
}

function checkBase64(data: Data, field: string, problems: Problem[]): void {
  for (const [key, value] of data) {
    if (typeof value !== "string") continue;
    const isBase64 = /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0;
    if (!isBase64) problems.push({ path: at(field, key), reason: "must be base64 without line breaks" });
  }
}

const jsonKeys: Readonly<Record<string, string>> = {
  "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
  "kubernetes.io/dockercfg": ".dockercfg",
};
/** The keys that a type wants (pkg/apis/core/validation, ValidateSecret). */
const wantedKeys: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  ...Object.fromEntries(Object.entries(jsonKeys).map(([type, key]) => [type, [key]])),
};

function checkType(type: string, texts: Data, base64: Data, problems: Problem[]): void {
  const has = (key: string) => texts.has(key) || base64.has(key);
  if (type === "kubernetes.io/service-account-token") {
    const reason =
      "no controller fills such a Secret; a serviceAccountToken in a projected volume is signed on the node";
    problems.push({ path: "type", reason });
  }
  if (type === "kubernetes.io/basic-auth" && !has("username") && !has("password"))
    problems.push({ path: "data", reason: `must have username or password, because type is ${type}` });
  for (const key of wantedKeys[type] ?? [])
    if (!has(key)) problems.push({ path: at("data", key), reason: `is required, because type is ${type}` });
  for (const [data, encoding] of [[texts, "utf8"] as const, [base64, "base64"] as const])
    for (const [key, value] of data) {
      if (typeof value !== "string") continue;
      try {
        checkJson(type, key, Buffer.from(value, encoding).toString("utf8"));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        problems.push({ path: error.path, reason: error.reason });
      }
    }
}

function at(field: string, key: string): string {
  return `${field}[${JSON.stringify(key)}]`;
}
