/** Where a container sees volumes, checked and complete. */
import type { Problem } from "../fields";
import { namesIn } from "./expand";
import { isPlain, type NormalizedVariable } from "./normalize-env";
import { check, cleanPath, unique } from "./rules";

/** Where a container sees a volume. */
export interface NormalizedMount {
  readonly volume: string;
  /** Absolute, without `.`, `..` and a slash at the end. */
  readonly mountPath: string;
  readonly readOnly: boolean;
  /** Below the volume, relative; with `$(NAME)` to replace where it is an expression. */
  readonly subPath?: string;
  readonly isExpression?: true;
  /** Absent: none. */
  readonly propagation?: "HostToContainer" | "Bidirectional";
  /** Absent: not. */
  readonly recursiveReadOnly?: "IfPossible" | "Enabled";
}

/** A mount as the walk leaves it. */
export interface UsableMount {
  name?: string;
  mountPath?: string;
  readOnly?: boolean;
  subPath?: string;
  subPathExpr?: string;
  mountPropagation?: "None" | "HostToContainer" | "Bidirectional";
  recursiveReadOnly?: "Disabled" | "IfPossible" | "Enabled";
}

/** Checks all mounts of a container. `volumes` are the names that they may use, `variables` its environment. */
export function normalizeMounts(
  mounts: readonly (UsableMount | undefined)[],
  container: { readonly privileged: boolean; readonly variables: readonly NormalizedVariable[] },
  path: string,
  volumes: ReadonlySet<string>,
  problems: Problem[],
): NormalizedMount[] {
  const cleaned = mounts.map((mount, i) => {
    const { name, mountPath, readOnly = false } = mount ?? {};
    const at = `${path}[${i}]`;
    if (name !== undefined && !volumes.has(name)) {
      problems.push({ path: `${at}.name`, reason: "must be the name of a volume in spec.volumes" });
    }
    const options = {
      ...normalizeSubPath(mount ?? {}, container.variables, at, problems),
      ...normalizePropagation(mount ?? {}, container.privileged, at, problems),
      ...normalizeRecursion(mount ?? {}, at, problems),
    };
    if (mountPath === undefined) return { volume: name ?? "", mountPath: undefined, readOnly, ...options };
    // As a kubelet does, a path that does not begin with / is taken from the root.
    const clean = cleanPath(`/${mountPath}`);
    const reason = mountPath === "" ? "must not be empty" : mountPathRule(clean);
    if (reason !== undefined) problems.push({ path: `${at}.mountPath`, reason });
    return { volume: name ?? "", mountPath: clean, readOnly, ...options };
  });
  unique(cleaned, "mountPath", (i) => `${path}[${i}].mountPath`, problems);
  return cleaned.map(({ mountPath = "/", ...rest }) => ({ ...rest, mountPath }));
}

function mountPathRule(path: string): string | undefined {
  if (path === "/") return "must not be the root directory";
  return path.includes(":") ? 'must not contain ":"' : undefined;
}

function normalizeSubPath(
  { subPath = "", subPathExpr = "" }: UsableMount,
  variables: readonly NormalizedVariable[],
  path: string,
  problems: Problem[],
): Pick<NormalizedMount, "subPath" | "isExpression"> {
  if (subPath !== "" && subPathExpr !== "") {
    problems.push({ path: `${path}.subPathExpr`, reason: "subPathExpr and subPath are mutually exclusive" });
  }
  const [field, text] = subPathExpr === "" ? ["subPath", subPath] : ["subPathExpr", subPathExpr];
  if (text === "") return {};
  check(relativePath, text, `${path}.${field}`, problems);
  if (field === "subPath") return { subPath: cleanPath(text) };
  for (const name of namesIn(text)) {
    const variable = variables.findLast((each) => "name" in each && each.name === name);
    const reason =
      variable === undefined
        ? `refers to ${JSON.stringify(name)}, which is no variable in env`
        : isPlain(variable) || isFieldOfManifest(variable)
          ? undefined
          : `refers to ${JSON.stringify(name)}, whose value only the node knows: the mount is made before that is looked up`;
    if (reason !== undefined) problems.push({ path: `${path}.subPathExpr`, reason });
  }
  return { subPath: text, isExpression: true };
}

function isFieldOfManifest(variable: NormalizedVariable): boolean {
  if (!("from" in variable) || !("field" in variable.from)) return false;
  const { field } = variable.from;
  return field !== "metadata.uid" && !field.startsWith("status.");
}

function relativePath(text: string): string | undefined {
  if (text.startsWith("/")) return "must be a relative path";
  return text.split("/").includes("..") ? "must not contain '..'" : undefined;
}

function normalizePropagation(
  { mountPropagation = "None" }: UsableMount,
  privileged: boolean,
  path: string,
  problems: Problem[],
): Pick<NormalizedMount, "propagation"> {
  if (mountPropagation === "Bidirectional" && !privileged) {
    const reason = "Bidirectional mount propagation is available only to privileged containers";
    problems.push({ path: `${path}.mountPropagation`, reason });
  }
  return mountPropagation === "None" ? {} : { propagation: mountPropagation };
}

function normalizeRecursion(
  { recursiveReadOnly = "Disabled", readOnly = false, mountPropagation = "None" }: UsableMount,
  path: string,
  problems: Problem[],
): Pick<NormalizedMount, "recursiveReadOnly"> {
  if (recursiveReadOnly === "Disabled") return {};
  const at = `${path}.recursiveReadOnly`;
  if (!readOnly) problems.push({ path: at, reason: "may only be specified when readOnly is true" });
  if (mountPropagation !== "None")
    problems.push({ path: at, reason: "may only be specified when mountPropagation is None or not specified" });
  return { recursiveReadOnly };
}
