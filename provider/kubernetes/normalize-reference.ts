/** What a value may be taken from: a key of a ConfigMap or a Secret, a field of the pod, a resource of a container. */
import type { Problem } from "../fields";
import { dnsSubdomain, qualifiedName, type Rule } from "./names";
import { parseQuantity } from "./quantity";
import { attempt, check } from "./rules";

/** Where ConfigMaps and Secrets lie, as the API has it in its paths. */
export type ObjectKind = "configmaps" | "secrets";

/** A ConfigMap or a Secret, or one key of it. */
export interface ObjectRef {
  readonly object: ObjectKind;
  readonly objectName: string;
  /** Absent: all keys. */
  readonly key?: string;
  readonly optional: boolean;
}

/** A field of the pod, for example `metadata.name`; `metadata.labels` with a key. */
export interface FieldRef {
  readonly field: string;
  readonly key?: string;
}

/** A limit or request of a container, in units of `divisor`. */
export interface ResourceRef {
  /** Absent: the container itself. */
  readonly containerName?: string;
  readonly of: "limits" | "requests";
  readonly resource: "cpu" | "memory";
  /** Thousandths of a processor, or bytes. */
  readonly divisor: number;
}

/** The references as the walk leaves them. */
export interface UsableFieldRef {
  apiVersion?: string;
  fieldPath?: string;
}
export interface UsableResourceRef {
  containerName?: string;
  resource?: string;
  divisor?: string | number;
}

/** Keys of ConfigMaps and Secrets (apimachinery's IsConfigMapKey). */
export const objectKey: Rule = (key) =>
  /^[-._a-zA-Z0-9]{1,253}$/.test(key) && key !== "." && !key.startsWith("..")
    ? undefined
    : "must have 1 to 253 letters, digits, -, _ and ., and not be . or begin with ..";

/** Checks the name of a ConfigMap or a Secret; `path` is the name's. */
export function checkObjectName(name: string | undefined, path: string, problems: Problem[]): string {
  if (name === undefined || name === "") problems.push({ path, reason: "is required" });
  else check(dnsSubdomain, name, path, problems);
  return name ?? "";
}

/** Fields whose value a container's environment may have. */
const ENV_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
/** Fields whose value a volume may show. */
const VOLUME_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "metadata.labels",
  "metadata.annotations",
];

/** Reads a `fieldRef`. */
export function normalizeFieldRef(
  { apiVersion = "v1", fieldPath }: UsableFieldRef,
  place: "env" | "volume",
  path: string,
  problems: Problem[],
): FieldRef {
  const fields = place === "env" ? ENV_FIELDS : VOLUME_FIELDS;
  if (apiVersion !== "v1") problems.push({ path: `${path}.apiVersion`, reason: "must be v1" });
  if (fieldPath === undefined) return { field: "" };
  const [, map, key = ""] = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(fieldPath) ?? [];
  if (map !== undefined) {
    check((name) => qualifiedName(map === "labels" ? name : name.toLowerCase()), key, `${path}.fieldPath`, problems);
    return { field: `metadata.${map}`, key };
  }
  if (!fields.includes(fieldPath)) {
    const known = [...fields, "metadata.labels['KEY']", "metadata.annotations['KEY']"];
    problems.push({ path: `${path}.fieldPath`, reason: `must be one of ${known.join(", ")}` });
  }
  return { field: fieldPath };
}

const CPU_DIVISORS = ["1", "1m"];
const MEMORY_DIVISORS = ["1", ..."kMGTPE".split("").flatMap((unit) => [`1${unit}`, `1${unit === "k" ? "K" : unit}i`])];

/** Reads a `resourceFieldRef`. */
export function normalizeResourceRef(ref: UsableResourceRef, path: string, problems: Problem[]): ResourceRef {
  const [, of, resource] = /^(limits|requests)\.(cpu|memory)$/.exec(ref.resource ?? "") ?? [];
  if (ref.resource !== undefined && resource === undefined) {
    const reason = "must be limits.cpu, limits.memory, requests.cpu or requests.memory: others are not limited here";
    problems.push({ path: `${path}.resource`, reason });
  }
  const divisors = resource === "memory" ? MEMORY_DIVISORS : CPU_DIVISORS;
  const parse = (text: string) => parseQuantity(text, `${path}.divisor`).nano;
  const nano = attempt(() => parse(String(ref.divisor ?? "0")), problems) ?? 0n;
  if (nano !== 0n && resource !== undefined && !divisors.some((text) => parse(text) === nano)) {
    problems.push({ path: `${path}.divisor`, reason: `must be one of ${divisors.join(", ")}` });
  }
  const unit = resource === "memory" ? 1_000_000_000n : 1_000_000n;
  // As a kubelet has it, no divisor is one of 1.
  const divisor = nano === 0n ? (resource === "memory" ? 1 : 1000) : Number(nano / unit);
  return {
    ...(ref.containerName !== undefined && ref.containerName !== "" && { containerName: ref.containerName }),
    of: of === "requests" ? "requests" : "limits",
    resource: resource === "memory" ? "memory" : "cpu",
    divisor: Math.max(divisor, 1),
  };
}
