import { createHash } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";
import type { Command } from "../command/command";
import { removeFileSet, type SetContent, writeFileSet } from "../command/file-set";
import { makeFolder, parentOf, refuseLinks, removeFolder } from "../command/folders";
import { OwnershipError } from "../errors";
import { type FileSetState, fileSetAt } from "../facts/file-set";
import {
  boolean,
  type Field,
  integer,
  isUnknown,
  optional,
  type Problem,
  path,
  record,
  required,
  text,
} from "../fields";
import { containsUnknown, defineSpec, equal, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";
import { refreshVolumes } from "./file-set-users";

/** The inputs of a {@link FileSet}. */
export interface FileSetArgs extends PrimitiveArgs {
  /**
   * The folder: an absolute path that leads through no symbolic link. Made when missing, with what is missing above it, and
   * removed again with the FileSet; files of others in it stay. Changing this replaces the FileSet.
   */
  readonly path: pulumi.Input<string>;
  /**
   * The files: text by name. A name has letters, digits, `-`, `_` and `.`, at most 253, and does not begin with `..`. Values
   * may be secrets; they then stay encrypted in state and travel on standard input only.
   * @defaultValue none
   */
  readonly files?: pulumi.Input<Record<string, pulumi.Input<string>>> | undefined;
  /**
   * Further files: base64 by name, for bytes that are no text. All files together are at most 1 MiB.
   * @defaultValue none
   */
  readonly filesBase64?: pulumi.Input<Record<string, pulumi.Input<string>>> | undefined;
  /**
   * Permission bits of the files, 0 to 0o777.
   * @defaultValue 0o644
   */
  readonly mode?: pulumi.Input<number> | undefined;
  /**
   * Permission bits of the folder, 0 to 0o7777.
   * @defaultValue 0o755
   */
  readonly folderMode?: pulumi.Input<number> | undefined;
  /**
   * The owner's user id, of the folder and its files.
   * @defaultValue 0
   */
  readonly uid?: pulumi.Input<number> | undefined;
  /**
   * The owner's group id.
   * @defaultValue 0
   */
  readonly gid?: pulumi.Input<number> | undefined;
  /**
   * Whether other files replace the FileSet instead of changing it.
   * @defaultValue false
   */
  readonly immutable?: pulumi.Input<boolean> | undefined;
}

/** @internal */
export interface FileSetInputs extends NodeInputs {
  readonly path: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly filesBase64?: Readonly<Record<string, string>>;
  readonly mode?: number;
  readonly folderMode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly immutable?: boolean;
}

/** What Kubernetes allows a ConfigMap or a Secret, and what state and preview carry well. */
const mostBytes = 1024 * 1024;
const largestId = 2 ** 32 - 2;

const fileName = (value: unknown, at: string): Problem[] =>
  typeof value === "string" && /^[-._a-zA-Z0-9]{1,253}$/.test(value) && value !== "." && !value.startsWith("..")
    ? []
    : [{ path: at, reason: "must have 1 to 253 letters, digits, -, _ and ., and not begin with .." }];

const base64: Field = (value, at) => {
  const form = "base64 without line breaks";
  const problems = text({ max: 2 * mostBytes, empty: true, pattern: /^[A-Za-z0-9+/]*={0,2}$/, form })(value, at);
  // Node.js would drop the last character without a word.
  return problems.length > 0 || String(value).replace(/=+$/, "").length % 4 !== 1
    ? problems
    : [{ path: at, reason: "is no base64: its last character stands for no whole byte" }];
};

/** @internal */
export const fileSetSpec = defineSpec<FileSetInputs, FileSetState>({
  type: "FileSet",
  identity: ["path"],
  cannotChange: (olds, news) =>
    olds.immutable !== true
      ? []
      : (["files", "filesBase64", "immutable"] as const).filter(
          (key) => containsUnknown(news[key]) || !equal(olds[key], news[key]),
        ),
  fields: {
    path: required(path()),
    files: optional(record(fileName, text({ max: mostBytes, empty: true, controls: true }))),
    filesBase64: optional(record(fileName, base64)),
    mode: optional(integer(0, 0o777)),
    folderMode: optional(integer(0, 0o7777)),
    uid: optional(integer(0, largestId)),
    gid: optional(integer(0, largestId)),
    immutable: optional(boolean()),
  },
  check: ({ files = {}, filesBase64 = {} }) => {
    const twice = Object.keys(files).filter((name) => Object.hasOwn(filesBase64, name));
    if (twice.length > 0)
      return twice.map((name) => ({ path: `filesBase64.${name}`, reason: "is the name of one of files too" }));
    if (isUnknown(files) || isUnknown(filesBase64)) return [];
    const size = contents({ files, filesBase64 }).reduce((sum, { bytes }) => sum + bytes.length, 0);
    return size <= mostBytes
      ? []
      : [{ path: "files", reason: `are ${size} bytes in all; at most ${mostBytes} are possible: use File for more` }];
  },
  observe: (inputs) => fileSetAt(inputs.path),
  plan: (inputs, seen) => {
    if (seen === undefined) return [refuseLinks(inputs.path), makeFolder(inputs.path), ...put(inputs)];
    // Thrown, not a command that fails: with a claim on it, what stands there would count as ours.
    if (isNoFolder(seen))
      throw new OwnershipError(
        `${inputs.path} on ${inputs.node} is no folder, and adopt: true does not turn it into one: choose another path, or remove it`,
      );
    return Object.keys(differences(inputs, seen)).length > 0 ? put(inputs) : [];
  },
  cannotBeOurs: isNoFolder,
  undo: (state) => [removeFileSet(state.path)],
  cleanup: (state) => [removeFileSet(state.path), removeFolder(state.path), removeFolder(parentOf(state.path))],
  drift: differences,
});

/**
 * Small files in one folder that change together: a reader sees all of the old ones or all of the new ones. They lie in a
 * hidden folder beside the names, and a symbolic link, `..data`, says which (a kubelet's way for ConfigMaps).
 *
 * @example
 * ```ts
 * new FileSet("conf", { node, path: "/etc/app", files: { "app.conf": "debug=no\n", token: pulumi.secret(token) }, mode: 0o600 });
 * ```
 */
export class FileSet extends NodeResource {
  declare readonly path: pulumi.Output<string>;
  declare readonly files: pulumi.Output<Record<string, string> | undefined>;
  declare readonly filesBase64: pulumi.Output<Record<string, string> | undefined>;
  declare readonly mode: pulumi.Output<number | undefined>;

  constructor(name: string, args: FileSetArgs, options?: pulumi.CustomResourceOptions) {
    // The bookkeeping holds the contents' checksums, which may tell a short secret.
    const additionalSecretOutputs = [...(options?.additionalSecretOutputs ?? []), "_barepod"];
    super(fileSetSpec.type, name, { ...args }, [], { ...options, additionalSecretOutputs });
  }
}

function differences(inputs: FileSetInputs, seen: FileSetState): Partial<FileSetInputs> {
  const { mode = 0o644, folderMode = 0o755, uid = 0, gid = 0 } = known(inputs);
  const wanted = new Map(contents(inputs).map(({ name, bytes }) => [name, sha256(bytes)]));
  const changed = (given: Readonly<Record<string, string>> = {}): Record<string, string> => {
    // What stands there instead is not brought into state: it may be anything, secrets too.
    const still = Object.entries(given).filter(([name]) => seen.files[name]?.linked === true);
    return Object.fromEntries(
      still.map(([name, text]) => [name, seen.files[name]?.sha256 === wanted.get(name) ? text : ""]),
    );
  };
  const files = changed(inputs.files ?? {});
  for (const name of Object.keys(seen.files)) if (!wanted.has(name)) files[name] = "";
  const filesBase64 = changed(inputs.filesBase64 ?? {});
  const found = Object.values(seen.files);
  const other = (key: "mode" | "uid" | "gid", value: number) => found.find((file) => file[key] !== value)?.[key];
  const owners = { uid: seen.uid === uid ? undefined : seen.uid, gid: seen.gid === gid ? undefined : seen.gid };
  return known({
    files: equal(files, inputs.files ?? {}) ? undefined : files,
    filesBase64: equal(filesBase64, inputs.filesBase64 ?? {}) ? undefined : filesBase64,
    mode: other("mode", mode),
    folderMode: seen.mode === folderMode ? undefined : seen.mode,
    uid: owners.uid ?? other("uid", uid),
    gid: owners.gid ?? other("gid", gid),
  });
}

function put(inputs: FileSetInputs): Command[] {
  const { mode = 0o644, folderMode = 0o755, uid = 0, gid = 0 } = inputs;
  const write = writeFileSet(inputs.path, contents(inputs), { mode, folderMode, uid, gid }, inputs.adopt === true);
  return [write, ...refreshVolumes(inputs.path)];
}

function contents({ files, filesBase64 }: Pick<FileSetInputs, "files" | "filesBase64">): SetContent[] {
  return [
    ...Object.entries(files ?? {}).map(([name, value]) => ({ name, bytes: Buffer.from(value, "utf8") })),
    ...Object.entries(filesBase64 ?? {}).map(([name, value]) => ({ name, bytes: Buffer.from(value, "base64") })),
  ];
}

function isNoFolder({ kind }: FileSetState): boolean {
  return kind === "other";
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Without what is undefined or null, so that it does not hide a default. */
function known(inputs: { readonly [K in keyof FileSetInputs]?: FileSetInputs[K] | undefined }): Partial<FileSetInputs> {
  const entries = Object.entries(inputs).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries) as Partial<FileSetInputs>;
}
