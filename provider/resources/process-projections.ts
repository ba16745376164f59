/** What a Process needs before its containers start: volumes filled with files from elsewhere, and paths of the node. */
import { type Command, raw, sh } from "../command/command";
import {
  boolean,
  type Fields,
  integer,
  list,
  object,
  oneOf,
  optional,
  type Problem,
  path,
  relativePath,
  required,
  text,
} from "../fields";
import { digest, uidOf } from "../naming";
import { preparePath } from "../node-programs";
import { ownerName } from "../owner";
import { containersOf, type ProcessInputs } from "./process-args";

/** A file in a volume, and where it comes from: one of `folder`, `file`, `text` and `token`. */
export interface ProjectedFile {
  /** A folder of the node whose files are shown under their names; one that changes by a link `..data` in it, as a FileSet does. */
  readonly folder?: string;
  /** A file of the node. */
  readonly file?: string;
  /** The content itself. May be a secret. */
  readonly text?: string;
  /** A token that the node signs for the pod. */
  readonly token?: ProjectedToken;
  /** Where it is shown, relative to the volume; not with `folder`. */
  readonly path?: string;
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
  /**
   * Whose it is, 0 to 2147483647; not with `folder`.
   * @defaultValue 0
   */
  readonly user?: number;
  /**
   * Whether the containers start without the folder or the file.
   * @defaultValue false: they wait for it
   */
  readonly optional?: boolean;
}

/** What a token says. */
export interface ProjectedToken {
  /** Who it is for. Empty: the issuer itself. */
  readonly audience: string;
  /** 600 to 2^32. */
  readonly expirationSeconds: number;
  /**
   * Whose token it is: a service account of the pod's namespace, which nobody has to declare.
   * @defaultValue `default`
   */
  readonly serviceAccount?: string;
}

/** A volume of such files, which containers see at {@link projectionFolder}: on a tmpfs, renewed when a source changes. */
export interface Projection {
  /** A DNS label, unique in the Process. */
  readonly name: string;
  readonly files: readonly ProjectedFile[];
  /**
   * The group of its files and folders, 0 to 2147483647, which may read all of them whatever their modes say.
   * @defaultValue root's, with the modes as they are
   */
  readonly group?: number;
}

/** A path of the node that is looked at, or made, before containers start. */
export interface HostPath {
  readonly path: string;
  readonly type: string;
}

const id = integer(0, 2 ** 31 - 1);
const word = text({ max: 1024 * 1024, empty: true, controls: true });
const below = relativePath();

/** Names that begin with `..` are those of the volume's own. */
function placeField(value: unknown, at: string): Problem[] {
  const problems = below(value, at);
  return problems.length === 0 && String(value).startsWith("..")
    ? [{ path: at, reason: "must not begin with .." }]
    : problems;
}

/** The inputs that say so. */
export const projectionFields: Fields = {
  projections: optional(
    list(
      object({
        name: required(text({ max: 63, pattern: /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, form: "a DNS label" })),
        files: required(
          list(
            object({
              folder: optional(path()),
              file: optional(path()),
              text: optional(word),
              token: optional(
                object({
                  audience: required(
                    text({ max: 4096, empty: true, pattern: /^[^"\\]*$/, form: 'text without " and \\' }),
                  ),
                  expirationSeconds: required(integer(600, 2 ** 32)),
                  serviceAccount: optional(
                    text({ max: 253, pattern: /^[a-z0-9][a-z0-9.-]*$/, form: "a DNS subdomain" }),
                  ),
                }),
              ),
              path: optional(placeField),
              mode: required(integer(0, 0o777)),
              user: optional(id),
              optional: optional(boolean()),
            }),
          ),
        ),
        group: optional(id),
      }),
    ),
  ),
  hostPaths: optional(
    list(
      object({
        path: required(path({ root: true })),
        type: required(
          oneOf("DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"),
        ),
      }),
    ),
  ),
};

/** A file has one source, and a place unless it is a folder's. */
export function checkProjections({ projections = [] }: ProcessInputs): Problem[] {
  return projections.flatMap(({ files }, i) =>
    files.flatMap((file, k) => {
      const at = `projections[${i}].files[${k}]`;
      const given = (["folder", "file", "text", "token"] as const).filter(
        (key) => (file[key] ?? undefined) !== undefined,
      );
      if (given.length !== 1) return [{ path: at, reason: "must have one of folder, file, text and token" }];
      if (given[0] === "folder" && (file.user ?? undefined) !== undefined)
        return [{ path: `${at}.user`, reason: "must not be given with folder" }];
      return (given[0] === "folder") === ((file.path ?? undefined) === undefined)
        ? []
        : [{ path: `${at}.path`, reason: "is required, but not with folder" }];
    }),
  );
}

/** Where a volume's files are on the node. */
export function projectionFolder(process: string, volume: string): string {
  return `/run/barepod/volumes/${process}/${volume}`;
}

/** Whether the keeper has to call prepare.sh before it starts a container. */
export function needsPreparation(inputs: ProcessInputs): boolean {
  const looksUp = containersOf(inputs).some(({ variables = [] }) => variables.some((each) => each.value === undefined));
  return looksUp || (inputs.projections?.length ?? 0) > 0 || (inputs.hostPaths?.length ?? 0) > 0;
}

/** The folders below the Process's own that its files need. */
export function preparationFolders(inputs: ProcessInputs): string[] {
  if (!needsPreparation(inputs)) return [];
  return (inputs.projections?.length ?? 0) > 0 ? ["volumes.d"] : [];
}

/** The files that prepare.sh reads, by their names in the Process's folder. */
export function preparationFiles(inputs: ProcessInputs): [name: string, content: string][] {
  if (!needsPreparation(inputs)) return [];
  const { projections = [], hostPaths = [] } = inputs;
  return [
    ["pod.uid", uidOf(ownerName(inputs))],
    ...(hostPaths.length === 0
      ? []
      : [["host.paths", hostPaths.map((each) => `${each.path}\t${each.type}\n`).join("")] as [string, string]]),
    ...volumeFiles(inputs),
    ...(projections.length === 0 ? [] : [["volumes.digest", volumesDigest(inputs) ?? ""] as [string, string]]),
  ];
}

function volumeFiles(inputs: ProcessInputs): [name: string, content: string][] {
  return (inputs.projections ?? []).map(({ name, files, group }) => [
    `volumes.d/${name}`,
    [
      ["program", preparePath()],
      ["folder", projectionFolder(inputs.name, name)],
      ...files.flatMap((file) => [lineOf(inputs, file), ...ownerOf(file)]),
      ...((group ?? undefined) === undefined ? [] : [["group", String(group)]]),
    ]
      .map((line) => `${line.join("\t")}\n`)
      .join(""),
  ]);
}

function lineOf(inputs: ProcessInputs, projected: ProjectedFile): string[] {
  const { folder, file, text: content, token, path: place = "", mode, optional: may } = projected;
  const bits = mode.toString(8).padStart(4, "0");
  const need = may === true ? "optional" : "required";
  if (folder !== undefined) return ["all", folder, bits, need];
  if (file !== undefined) return ["file", file, bits, need, place];
  if (token !== undefined) {
    const { namespace, name } = inputs.pod ?? { namespace: "default", name: inputs.name };
    const { expirationSeconds, serviceAccount = "default", audience } = token;
    const names = [namespace, name, inputs.node, serviceAccount].map(escapeJson);
    return ["token", place, bits, String(expirationSeconds), ...names, audience];
  }
  return ["text", bits, place, escapeText(content ?? "")];
}

/** As it stands in a token, between quotes. */
function escapeJson(name: string): string {
  return JSON.stringify(name).slice(1, -1);
}

function ownerOf({ path: place = "", user }: ProjectedFile): string[][] {
  return (user ?? undefined) === undefined ? [] : [["owner", String(user), place]];
}

function escapeText(content: string): string {
  return content.replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n");
}

/** What tells whether the node's volumes are filled as is wanted; undefined without volumes. */
export function volumesDigest(inputs: ProcessInputs): string | undefined {
  const files = volumeFiles(inputs);
  return files.length === 0
    ? undefined
    : digest(JSON.stringify(files.map(([name, text]) => [name, text.replace(/^.*\n/, "")])));
}

/** Takes the volumes of a Process away, and what they are mounted on where /run is no tmpfs. */
export function removeVolumes(inputs: ProcessInputs): Command[] {
  if ((inputs.projections?.length ?? 0) === 0) return [];
  return [
    raw(
      "remove the volumes",
      `for volume in "$1"/*; do
[ ! -d "$volume" ] || umount -- "$volume" 2>/dev/null || :
done
rm -rf -- "$1" && { rmdir -- "\${1%/*}" 2>/dev/null || :; }`,
      projectionFolder(inputs.name, "").slice(0, -1),
    ),
  ];
}

/** Fills the volumes anew while the containers run. */
export function renewVolumes(folder: string): Command {
  return sh(preparePath(), folder, "-");
}
