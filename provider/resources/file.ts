import { createHash } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";
import { type Command, secret, sh, write } from "../command/command";
import { makeFolder, parentOf, refuseLinks, removeFolder } from "../command/folders";
import { OwnershipError } from "../errors";
import { type FileState, fileAt } from "../facts/file";
import { integer, isUnknown, optional, path, required, text } from "../fields";
import { defineSpec, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";

/** The inputs of a {@link File}. */
export interface FileArgs extends PrimitiveArgs {
  /**
   * Where the file lies: an absolute path that leads through no symbolic link. Missing folders above it are made, and
   * removed again with the File. Changing this replaces the File.
   */
  readonly path: pulumi.Input<string>;
  /** The content as text. May be a secret; it then stays encrypted in state and travels on standard input only. */
  readonly content?: pulumi.Input<string> | undefined;
  /** The content in base64, for bytes that are no text. Exactly one of `content` and `contentBase64` is given. */
  readonly contentBase64?: pulumi.Input<string> | undefined;
  /**
   * Permission bits, 0 to 0o7777.
   * @defaultValue 0o644
   */
  readonly mode?: pulumi.Input<number> | undefined;
  /**
   * The owner's user id.
   * @defaultValue 0
   */
  readonly uid?: pulumi.Input<number> | undefined;
  /**
   * The owner's group id.
   * @defaultValue 0
   */
  readonly gid?: pulumi.Input<number> | undefined;
}

/** @internal */
export interface FileInputs extends NodeInputs {
  readonly path: string;
  readonly content?: string;
  readonly contentBase64?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** The largest file: what state and preview carry well. */
const maxBytes = 16 * 1024 * 1024;
const longestText = 64 * 1024;
const largestId = 2 ** 32 - 2;

/** @internal */
export const fileSpec = defineSpec<FileInputs, FileState>({
  type: "File",
  identity: ["path"],
  fields: {
    path: required(path()),
    content: optional(text({ max: maxBytes, empty: true, controls: true })),
    contentBase64: optional(
      text({ max: maxBytes, empty: true, pattern: /^[A-Za-z0-9+/]*={0,2}$/, form: "base64 without line breaks" }),
    ),
    mode: optional(integer(0, 0o7777)),
    uid: optional(integer(0, largestId)),
    gid: optional(integer(0, largestId)),
  },
  check: ({ content, contentBase64 }) => {
    if ((content === undefined) === (contentBase64 === undefined))
      return [{ path: "content", reason: "give exactly one of content and contentBase64" }];
    if (contentBase64 === undefined || isUnknown(contentBase64)) return [];
    // Node.js would drop the last character without a word.
    const isCut = contentBase64.replace(/=+$/, "").length % 4 === 1;
    return isCut
      ? [{ path: "contentBase64", reason: "is no base64: its last character stands for no whole byte" }]
      : [];
  },
  observe: (inputs) => fileAt(inputs.path),
  plan: (inputs, seen) => {
    if (seen === undefined)
      return [refuseLinks(parentOf(inputs.path)), makeFolder(parentOf(inputs.path)), ...put(inputs)];
    // Thrown, not a command that fails: with a claim on it, the folder would count as ours.
    if (isNoFile(seen))
      throw new OwnershipError(
        `${inputs.path} on ${inputs.node} is ${nameOf(seen)}, which adopt: true does not turn into a file: choose another path, or remove it`,
      );
    return Object.keys(differences(inputs, seen)).length > 0 ? put(inputs) : [];
  },
  cannotBeOurs: isNoFile,
  undo: (state) => [sh("rm", "-f", "--", state.path)],
  cleanup: (state) => [sh("rm", "-f", "--", `${state.path}.barepod-new`), removeFolder(parentOf(state.path))],
  drift: differences,
});

/**
 * A file on the node: written whole and renamed into place, never seen half-written.
 *
 * @example
 * ```ts
 * new File("motd", { node, path: "/etc/motd", content: "welcome\n", mode: 0o644 });
 * ```
 */
export class File extends NodeResource {
  declare readonly path: pulumi.Output<string>;
  declare readonly mode: pulumi.Output<number | undefined>;

  constructor(name: string, args: FileArgs, options?: pulumi.CustomResourceOptions) {
    // The bookkeeping holds the content's checksum, which may tell a short secret.
    super(fileSpec.type, name, { ...args }, [], { ...options, additionalSecretOutputs: ["_barepod"] });
  }
}

function differences(inputs: FileInputs, seen: FileState): Partial<FileInputs> {
  const wanted = { mode: 0o644, uid: 0, gid: 0, ...defined(inputs) };
  const changed = seen.kind !== "regular" || seen.sha256 !== sha256(bytesOf(inputs));
  return {
    // What stands there instead is not brought into state: it may be anything, secrets too.
    ...(changed ? { [inputs.content === undefined ? "contentBase64" : "content"]: "" } : {}),
    ...(seen.mode === wanted.mode ? {} : { mode: seen.mode }),
    ...(seen.uid === wanted.uid ? {} : { uid: seen.uid }),
    ...(seen.gid === wanted.gid ? {} : { gid: seen.gid }),
  };
}

function put(inputs: FileInputs): Command[] {
  const { mode = 0o644, uid = 0, gid = 0, content } = inputs;
  // As it is where it can be: decoding takes two processes on the node. Quotes grow on the way, so not when it is long.
  if (content !== undefined && content.length <= longestText && !content.includes("\0"))
    return [write(inputs.path, secret(content), { mode, uid, gid })];
  return [write(inputs.path, secret(bytesOf(inputs).toString("base64")), { mode, uid, gid, base64: true })];
}

function isNoFile({ kind }: FileState): boolean {
  return kind === "directory" || kind === "special";
}

function nameOf({ kind }: FileState): string {
  return kind === "directory" ? "a folder" : "a device, socket or pipe";
}

function bytesOf({ content, contentBase64 }: FileInputs): Buffer {
  return content === undefined ? Buffer.from(contentBase64 ?? "", "base64") : Buffer.from(content, "utf8");
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The inputs without those that are undefined, so that they do not hide a default. */
function defined(inputs: FileInputs): Partial<FileInputs> {
  return Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined)) as Partial<FileInputs>;
}
