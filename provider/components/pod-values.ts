/** What a pod's environment and volumes take from the pod itself, from ConfigMaps and from Secrets. */
import type { Input, Resource } from "@pulumi/pulumi";
import * as pulumi from "@pulumi/pulumi";
import { expandContainer } from "../kubernetes/expand";
import type { NormalizedContainer, NormalizedPod } from "../kubernetes/normalize";
import type { NormalizedVariable } from "../kubernetes/normalize-env";
import type { FieldRef, ObjectRef, ResourceRef } from "../kubernetes/normalize-reference";
import type { NormalizedFile, TokenRef } from "../kubernetes/normalize-volume-content";
import type { Variable } from "../launcher-config";
import { objectFolder, ROOT_CA, rootCaFolder } from "../naming";
import type { ProjectedFile, Projection } from "../resources/process-projections";
import { declaredObject } from "./objects";
import type { PodPlace } from "./pod-parts";

type Reference = ObjectRef | FieldRef | ResourceRef | TokenRef;

/** A value of the program, or the file of the node that it stands in. */
type Source = { readonly value: Input<string> } | { readonly file: string; readonly line?: boolean };

/** The container's variables as a Process takes them. */
export function variablesOf(
  place: PodPlace,
  container: NormalizedContainer,
): { [K in keyof Variable]: Input<Variable[K]> }[] {
  return (container.variables ?? []).map((variable) => {
    if ("value" in variable) return variable;
    const { from } = variable;
    if ("object" in from) {
      const folder = folderOf(place, from);
      const { optional } = from;
      return "prefix" in variable
        ? { folder, prefix: variable.prefix, optional }
        : { name: variable.name, file: `${folder}/${from.key}`, optional };
    }
    const { name } = variable as { readonly name: string };
    return { name, ...sourceOf(place, from, container) };
  });
}

/** Where an object's keys lie. The CA is the node's own, unless the program has declared another before the pod. */
function folderOf({ node, pod }: PodPlace, { object, objectName }: ObjectRef): string {
  const isOwn =
    object === "configmaps" &&
    objectName === ROOT_CA &&
    declaredObject(node, object, pod.namespace, objectName) === undefined;
  return isOwn ? rootCaFolder(pod.namespace) : objectFolder(object, pod.namespace, objectName);
}

/** The volume's files as a Process takes them. */
export function projectionOf(place: PodPlace, name: string, files: readonly NormalizedFile[]): Input<Projection> {
  const { fsGroup } = place.pod.security;
  const shown = {
    name,
    ...(fsGroup !== undefined && { group: fsGroup }),
    files: files.map(({ from, path, mode }): Input<ProjectedFile> => {
      if ("object" in from) {
        const folder = folderOf(place, from);
        const { optional } = from;
        return path === undefined
          ? { folder, mode, optional }
          : { file: `${folder}/${from.key}`, path, mode, optional };
      }
      const own = { path: path ?? "", mode };
      if ("audience" in from) {
        const token = { ...from, serviceAccount: place.pod.serviceAccountName };
        return { ...own, ...tokenOwner(place.pod, mode), token };
      }
      const source = sourceOf(place, from);
      return (
        "value" in source ? { ...own, text: source.value } : { ...own, file: source.file }
      ) as Input<ProjectedFile>;
    }),
  };
  return shown as Input<Projection>;
}

/** A token is for the pod's users only, as far as these are known: the one of all its containers, and its group. */
function tokenOwner(pod: NormalizedPod, mode: number): Pick<ProjectedFile, "mode" | "user"> {
  const users = new Set([...pod.initContainers, ...pod.containers].map(({ security }) => security.runAsUser));
  const [user] = users.size === 1 ? users : [];
  const isTheirs = user !== undefined || pod.security.fsGroup !== undefined;
  return { mode: isTheirs ? 0o600 : mode, ...(user !== undefined && { user }) };
}

/** The mount's path below its volume, with what the program knows of the container's environment put in. */
export function subPathOf(
  place: PodPlace,
  container: NormalizedContainer,
  { subPath, isExpression }: { readonly subPath?: string; readonly isExpression?: true },
): Input<string> | undefined {
  if (subPath === undefined || isExpression !== true) return subPath;
  const known = (container.variables ?? container.env).flatMap((variable: NormalizedVariable) => {
    if (!("name" in variable)) return [];
    if ("value" in variable) return [variable];
    if (!("field" in variable.from)) return [];
    const source = sourceOf(place, variable.from);
    return "value" in source ? [{ name: variable.name, value: source.value }] : [];
  });
  return expandContainer({ command: [], args: [subPath], env: known }).args[0];
}

/** What must be there before the pod's containers start, as far as this program has declared it. */
export function objectsOf({ node, pod }: PodPlace): Resource[] {
  const references: Reference[] = [
    ...[...pod.initContainers, ...pod.containers].flatMap(({ variables = [] }) =>
      variables.flatMap((each) => ("from" in each ? [each.from] : [])),
    ),
    ...pod.volumes.flatMap((volume) => (volume.kind === "content" ? volume.files.map(({ from }) => from) : [])),
  ];
  const found = references.flatMap((from) =>
    "object" in from ? (declaredObject(node, from.object, pod.namespace, from.objectName) ?? []) : [],
  );
  return [...new Set(found)];
}

function sourceOf(place: PodPlace, from: FieldRef | ResourceRef | TokenRef, container?: NormalizedContainer): Source {
  if ("field" in from) return fieldOf(place, from);
  if ("resource" in from) return resourceOf(place, from, container);
  throw new TypeError("a token is no value");
}

function fieldOf({ id, node, pod }: PodPlace, { field, key }: FieldRef): Source {
  switch (field) {
    case "metadata.name":
      return { value: pod.name };
    case "metadata.namespace":
      return { value: pod.namespace };
    case "metadata.labels":
      return { value: key === undefined ? linesOf(pod.labels) : (pod.labels[key] ?? "") };
    case "metadata.annotations":
      return { value: key === undefined ? linesOf(pod.annotations) : (pod.annotations[key] ?? "") };
    case "spec.nodeName":
      return { value: node.reference.key };
    case "spec.serviceAccountName":
      return { value: pod.serviceAccountName };
    case "metadata.uid":
      return { file: `/run/barepod/process/${id}/pod.uid` };
    case "status.podIP":
    case "status.podIPs":
      if (!pod.hostNetwork) return { file: `/run/barepod/addresses/${id}`, line: true };
  }
  return { file: "/var/lib/barepod/node/address", line: true };
}

/** As a kubelet writes a map into a file: sorted, the values quoted. */
function linesOf(map: Readonly<Record<string, Input<string>>>): Input<string> {
  const keys = Object.keys(map).sort();
  const lines = (values: readonly string[]) => keys.map((key, i) => `${key}=${quoteAsGo(values[i] ?? "")}`).join("\n");
  const values = keys.map((key) => map[key] ?? "");
  return values.every((value) => typeof value === "string") ? lines(values) : pulumi.all(values).apply(lines);
}

/** Go's %q for a text: what is not printable is escaped. */
function quoteAsGo(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "\x07": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
  };
  return `"${[...text].map((char) => names[char] ?? (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(char) ? char : escaped(char))).join("")}"`;
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

function resourceOf({ id, pod }: PodPlace, ref: ResourceRef, self: NormalizedContainer | undefined): Source {
  const container = ref.containerName === undefined ? self : containerOf(pod, ref.containerName);
  const { cpuLimitMilli, cpuRequestMilli, memoryLimitBytes, memoryRequestBytes } = container?.resources ?? {};
  const given = {
    "limits.cpu": cpuLimitMilli,
    "limits.memory": memoryLimitBytes,
    "requests.cpu": cpuRequestMilli ?? 0,
    "requests.memory": memoryRequestBytes ?? 0,
  }[`${ref.of}.${ref.resource}` as const];
  // Without a limit it is what the node has, which is seen there.
  if (given === undefined) return { file: `/run/barepod/process/${id}/node.${ref.resource}.${ref.divisor}` };
  return { value: String(Math.ceil(given / ref.divisor)) };
}

function containerOf(pod: NormalizedPod, name: string): NormalizedContainer | undefined {
  return [...pod.initContainers, ...pod.containers].find((container) => container.name === name);
}
