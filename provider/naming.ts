/**
 * Names of things on the node: deterministic, length-safe, made only here. A long or odd part is replaced by a hash of
 * the whole, so two names are equal only if their sources are.
 */
import { createHash } from "node:crypto";

const safe = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** An operation asks for those of an object and its owner again and again. */
const digests = new Map<string, string>();

/** The first `length` hexadecimal digits of a text's SHA-256. */
export function digest(text: string, length = 16): string {
  const known = digests.get(text);
  const all = known ?? createHash("sha256").update(text).digest("hex");
  if (known === undefined && text.length < 500) digests.set(text, all);
  return all.slice(0, length);
}

/**
 * A file name for an object of a type: `Mount.-srv-box-proc.4f1c…`: readable first, unique by its hash.
 *
 * At most 120 bytes, letters, digits, dots and dashes only.
 */
export function objectName(type: string, identity: readonly string[]): string {
  const whole = identity.map((part) => `${part.length}:${part}`).join("/");
  const readable = identity
    .join(".")
    .replace(/[^A-Za-z0-9.]+/g, "-")
    .slice(0, 60);
  return `${type}.${readable}.${digest(whole)}`;
}

/** A name with a prefix that fits into `max` bytes: the given one if it is safe and short enough, else hashed. */
export function boundedName(prefix: string, name: string, max: number): string {
  const whole = `${prefix}${name}`;
  if (whole.length <= max && safe.test(whole)) return whole;
  const room = max - prefix.length - 9;
  const head = name
    .replace(/[^A-Za-z0-9-]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, Math.max(0, room));
  return head === ""
    ? `${prefix}${digest(name, Math.min(16, max - prefix.length))}`
    : `${prefix}${head}-${digest(name, 8)}`;
}

/** A network interface's name: at most 15 bytes. */
export function interfaceName(prefix: string, seed: string): string {
  return `${prefix}${digest(seed, 15 - prefix.length)}`;
}

/** A pod's uid, in the form of a UUID: the same for the same owner. */
export function uidOf(owner: string): string {
  const hex = digest(owner, 32);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Where the files of ConfigMaps and Secrets lie on a node. */
export const objectsFolder = "/var/lib/barepod/objects";

/** The folder of the ConfigMap that Kubernetes puts into every namespace, and the node makes when a pod asks for it. */
export function rootCaFolder(namespace: string): string {
  return `/var/lib/barepod/issuer/configmaps/${namespace}/${ROOT_CA}/data`;
}
/** The ConfigMap's name. */
export const ROOT_CA = "kube-root-ca.crt";

/** The folder with a ConfigMap's or a Secret's keys as files. Both names are checked: no part can lead elsewhere. */
export function objectFolder(kind: "configmaps" | "secrets", namespace: string, name: string): string {
  return `${objectsFolder}/${kind}/${namespace}/${name}/data`;
}
