/** Volumes with files from elsewhere: configMap, secret, downwardAPI, projected. */
import type { Problem } from "../fields";
import { oneOf } from "./normalize-env";
import {
  checkObjectName,
  type FieldRef,
  normalizeFieldRef,
  normalizeResourceRef,
  type ObjectKind,
  type ObjectRef,
  objectKey,
  type ResourceRef,
  type UsableFieldRef,
  type UsableResourceRef,
} from "./normalize-reference";
import { check, unique } from "./rules";

/** A token that a node signs for a pod's account. */
export interface TokenRef {
  /** Empty: the issuer itself. */
  readonly audience: string;
  readonly expirationSeconds: number;
}

/** One file of such a volume; of a whole object all files, without a path. */
export interface NormalizedFile {
  readonly from: ObjectRef | FieldRef | ResourceRef | TokenRef;
  /** Relative to the volume. */
  readonly path?: string;
  /** Permission bits. */
  readonly mode: number;
}

interface UsableItem {
  key?: string;
  path?: string;
  mode?: number;
}
interface UsableDownwardItem {
  path?: string;
  mode?: number;
  fieldRef?: UsableFieldRef;
  resourceFieldRef?: UsableResourceRef;
}
interface UsableObject {
  name?: string;
  items?: (UsableItem | undefined)[];
  optional?: boolean;
}
interface UsableDownward {
  items?: (UsableDownwardItem | undefined)[];
}
interface UsableToken {
  audience?: string;
  expirationSeconds?: number;
  path?: string;
}

/** The sources as the walk leaves them. */
export interface UsableContent {
  configMap?: UsableObject & { defaultMode?: number };
  secret?: Omit<UsableObject, "name"> & { secretName?: string; defaultMode?: number };
  downwardAPI?: UsableDownward & { defaultMode?: number };
  projected?: { defaultMode?: number; sources?: (UsableProjection | undefined)[] };
}
interface UsableProjection {
  configMap?: UsableObject;
  secret?: UsableObject;
  downwardAPI?: UsableDownward;
  serviceAccountToken?: UsableToken;
}

/** The files of a volume; undefined when it has none of these sources. */
export function normalizeContent(
  volume: UsableContent,
  path: string,
  problems: Problem[],
): NormalizedFile[] | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  const kind = (["configMap", "secret", "downwardAPI", "projected"] as const).find((key) => volume[key]);
  if (kind === undefined) return undefined;
  const at = `${path}.${kind}`;
  const mode = checkMode(volume[kind]?.defaultMode ?? 0o644, `${at}.defaultMode`, problems);
  if (configMap) return objectFiles("configmaps", configMap, "name", mode, at, problems);
  if (secret) return objectFiles("secrets", { ...secret, name: secret.secretName }, "secretName", mode, at, problems);
  if (downwardAPI) return downwardFiles(downwardAPI, mode, at, problems);
  const files = (projected?.sources ?? []).flatMap((source, i) =>
    projectedFiles(source ?? {}, mode, `${at}.sources[${i}]`, problems),
  );
  const paths = files.flatMap((file) => file.path ?? []);
  const twice = paths.find((each, i) => paths.indexOf(each) !== i);
  if (twice !== undefined)
    problems.push({ path: `${at}.sources`, reason: `conflicting duplicate paths: ${JSON.stringify(twice)}` });
  return files;
}

function projectedFiles(source: UsableProjection, mode: number, path: string, problems: Problem[]): NormalizedFile[] {
  const given = oneOf(source, path, problems);
  const at = `${path}.${given?.key}`;
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap) return objectFiles("configmaps", configMap, "name", mode, at, problems);
  if (secret) return objectFiles("secrets", secret, "name", mode, at, problems);
  if (downwardAPI) return downwardFiles(downwardAPI, mode, at, problems);
  return serviceAccountToken ? [tokenFile(serviceAccountToken, mode, at, problems)] : [];
}

function objectFiles(
  object: ObjectKind,
  source: { readonly [K in keyof UsableObject]: UsableObject[K] | undefined },
  nameField: string,
  mode: number,
  path: string,
  problems: Problem[],
): NormalizedFile[] {
  const { items, optional = false } = source;
  const objectName = checkObjectName(source.name, `${path}.${nameField}`, problems);
  // As a kubelet has it, an empty list is as good as none.
  if (items === undefined || items.length === 0) return [{ from: { object, objectName, optional }, mode }];
  unique(items, "path", (i) => `${path}.items[${i}].path`, problems);
  return items.map((item, i) => {
    const at = `${path}.items[${i}]`;
    const key = item?.key ?? "";
    if (item?.key !== undefined) check(objectKey, key, `${at}.key`, problems);
    return {
      from: { object, objectName, key, optional },
      path: checkPath(item?.path, `${at}.path`, problems),
      mode: checkMode(item?.mode ?? mode, `${at}.mode`, problems),
    };
  });
}

function downwardFiles(
  { items = [] }: UsableDownward,
  mode: number,
  path: string,
  problems: Problem[],
): NormalizedFile[] {
  unique(items, "path", (i) => `${path}.items[${i}].path`, problems);
  return items.flatMap((item, i): NormalizedFile[] => {
    const at = `${path}.items[${i}]`;
    const { fieldRef, resourceFieldRef } = item ?? {};
    const given = oneOf({ fieldRef, resourceFieldRef }, at, problems);
    const file = {
      path: checkPath(item?.path, `${at}.path`, problems),
      mode: checkMode(item?.mode ?? mode, `${at}.mode`, problems),
    };
    if (given === undefined) return [];
    if (fieldRef) return [{ ...file, from: normalizeFieldRef(fieldRef, "volume", `${at}.fieldRef`, problems) }];
    const from = normalizeResourceRef(resourceFieldRef ?? {}, `${at}.resourceFieldRef`, problems);
    if (from.containerName === undefined)
      problems.push({ path: `${at}.resourceFieldRef.containerName`, reason: "is required in a volume" });
    return [{ ...file, from }];
  });
}

/** Kubernetes takes no token that lives shorter; it signs none for longer than 2^32 seconds. */
const SHORTEST_TOKEN = 600;
const LONGEST_TOKEN = 2 ** 32;

function tokenFile(source: UsableToken, mode: number, path: string, problems: Problem[]): NormalizedFile {
  const { audience = "", expirationSeconds = 3600 } = source;
  if (expirationSeconds < SHORTEST_TOKEN || expirationSeconds > LONGEST_TOKEN) {
    const reason = `must be between ${SHORTEST_TOKEN} (10 minutes) and ${LONGEST_TOKEN}`;
    problems.push({ path: `${path}.expirationSeconds`, reason });
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would end a line of what the node reads
  if (/["\\\u0000-\u001f\u007f]/.test(audience))
    problems.push({ path: `${path}.audience`, reason: 'must not have control characters, " or \\' });
  return { from: { audience, expirationSeconds }, path: checkPath(source.path, `${path}.path`, problems), mode };
}

function checkMode(mode: number, path: string, problems: Problem[]): number {
  if (mode < 0 || mode > 0o777) problems.push({ path, reason: "must be a number between 0 and 0777 (octal)" });
  return mode;
}

/** A path in a volume; names that begin with `..` are those of the volume's own. */
function checkPath(text: string | undefined, path: string, problems: Problem[]): string {
  if (text === undefined) return "";
  const reason =
    text === ""
      ? "is required"
      : text.startsWith("/")
        ? "must be a relative path"
        : text.split("/").includes("..")
          ? "must not contain '..'"
          : text.startsWith("..")
            ? "must not start with '..'"
            : // biome-ignore lint/suspicious/noControlCharactersInRegex: they would end a line of what the node reads
              /[\u0000-\u001f\u007f]/.test(text)
              ? "must not contain control characters"
              : undefined;
  if (reason !== undefined) problems.push({ path, reason });
  return text
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}
