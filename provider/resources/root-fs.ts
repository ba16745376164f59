import type * as pulumi from "@pulumi/pulumi";
import { all, type Command, either, raw, render, sh } from "../command/command";
import { makeFolder, refuseLinks, removeFolder } from "../command/folders";
import { underLock } from "../command/lock";
import { script } from "../command/script";
import { OwnershipError } from "../errors";
import {
  folderAt,
  overlayAt,
  type RootFsPlace,
  type RootFsState,
  stampFile,
  stateFolder,
  statesFolder,
} from "../facts/root-fs";
import { boolean, type Field, list, optional, path, required, text } from "../fields";
import { ownersFolder } from "../frame";
import { digest, objectName } from "../naming";
import { containsUnknown, defineSpec, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";

/** The inputs of a {@link RootFs}. */
export interface RootFsArgs extends PrimitiveArgs {
  /**
   * The folder that becomes the root of a file system: an absolute path that leads through no symbolic link, to nothing
   * or to an empty folder. Missing folders above it are made, and removed again with it. Changing this replaces the RootFs.
   */
  readonly path: pulumi.Input<string>;
  /**
   * Programs of the node, by path or by name (then looked up in the node's PATH). Each comes with what it needs to
   * start: symbolic links on its way, its dynamic loader and libraries, the interpreter of a script. Modes are kept, but
   * for the set-user-id and set-group-id bits; owners become root. What a program opens by itself (modules of Python,
   * certificates) does not come along. Exactly one of `hostBinaries` and `archive` is given.
   *
   * Changing this replaces the RootFs, unless programs are only added and `overlay` is not set: then they are copied in.
   */
  readonly hostBinaries?: pulumi.Input<string[]> | undefined;
  /**
   * A tar archive of a root file system that lies on the node: an absolute path; compressed with gzip, or with what else
   * the node's tar can read. Owners (by number), modes and set-user-id bits are kept; device nodes are left out.
   * Changing this replaces the RootFs.
   */
  readonly archive?: pulumi.Input<string> | undefined;
  /** The archive's SHA-256, in hexadecimal: another archive is refused. Changing this replaces the RootFs. */
  readonly archiveSha256?: pulumi.Input<string> | undefined;
  /**
   * Mounts an overlay at `path` instead of filling the folder: all overlays of the same content share one copy of it,
   * below /var/lib/barepod/images, and each keeps only what was changed in it. Changing this replaces the RootFs.
   * @defaultValue false
   */
  readonly overlay?: pulumi.Input<boolean> | undefined;
}

/** @internal */
export interface RootFsInputs extends NodeInputs {
  readonly path: string;
  readonly hostBinaries?: readonly string[];
  readonly archive?: string;
  readonly archiveSha256?: string;
  readonly overlay?: boolean;
  /** Always true: `read` says false of one that was begun only, was removed, or is not mounted. */
  readonly whole?: boolean;
}

/** Folders of a Linux system: with `adopt`, one slip would delete it. */
const systemFolders =
  /^\/(bin|boot|dev|etc|home|lib|lib32|lib64|libx32|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var|usr\/(bin|lib|lib64|local|sbin|share)|var\/(lib|log|run|tmp)|var\/lib\/barepod)$/;

/** @internal */
export const rootFsSpec = defineSpec<RootFsInputs, RootFsState>({
  type: "RootFs",
  identity: ["path"],
  immutable: ["archive", "archiveSha256", "overlay"],
  cannotChange: (olds, news) => (onlyAdds(olds, news) ? [] : ["hostBinaries"]),
  fields: {
    path: required(path()),
    hostBinaries: optional(list(program(), { min: 1, max: 1000 })),
    archive: optional(path()),
    archiveSha256: optional(text({ max: 64, pattern: /^[0-9a-f]{64}$/, form: "64 hexadecimal digits, in lower case" })),
    overlay: optional(boolean()),
    whole: optional(boolean()),
  },
  check: ({ path: at, hostBinaries, archive, archiveSha256 }) => {
    if ((hostBinaries === undefined) === (archive === undefined))
      return [{ path: "hostBinaries", reason: "give exactly one of hostBinaries and archive" }];
    if (archiveSha256 !== undefined && archive === undefined)
      return [{ path: "archiveSha256", reason: "needs an archive" }];
    return systemFolders.test(at) ? [{ path: "path", reason: "must not be a folder of the node's own system" }] : [];
  },
  observe: (inputs) => (inputs.overlay === true ? overlayAt : folderAt)(placeOf(inputs)),
  plan: (inputs, seen) => {
    const emptyOnly = inputs.overlay === true || inputs.archive !== undefined;
    refuseCovered(inputs, seen);
    if (seen?.kind === "other" || seen?.kind === "lost" || (seen?.kind === "used" && emptyOnly))
      throw refusal(inputs, emptyOnly);
    return inputs.overlay === true ? planOverlay(inputs, seen) : planFolder(inputs, seen);
  },
  undo: (state, seen) => {
    refuseCovered(state, seen);
    return [...guarded(state, remove(state, seen), removeFolder(state.path))];
  },
  slow: ({ archive }) =>
    archive === undefined
      ? undefined
      : { deadlineMs: 15 * 60_000, message: "unpacking the archive", removing: "removing what was unpacked" },
  taken: ({ kind }) => kind === "lost",
  drift: (inputs, seen) => ({
    ...(isWhole(inputs, seen) && (seen.kind === "folder" || seen.kind === "overlay") ? {} : { whole: false }),
    ...(seen.missing.length === 0 || seen.stamp === ""
      ? {}
      : { hostBinaries: (inputs.hostBinaries ?? []).filter((each) => !seen.missing.includes(each)) }),
  }),
  boot: {
    rank: () => "20",
    // A folder outlives a reboot; of an overlay only the mount has to be made again.
    commands: (inputs) => (inputs.overlay === true ? mount(inputs) : []),
  },
});

/**
 * A root file system on the node: the node's own programs with their libraries, or an archive.
 *
 * It has empty folders `proc`, `sys`, `dev`, `etc` and a `tmp` for everybody, so that there is something to mount on.
 * While anything is mounted below it, it refuses to be deleted.
 *
 * @example
 * ```ts
 * const box = new RootFs("box", { node, path: "/home/namespace/box", hostBinaries: ["/bin/bash", "/bin/ls", "curl"] });
 * ```
 * @example
 * ```ts
 * new RootFs("alpine", { node, path: "/srv/alpine", archive: "/srv/alpine-minirootfs.tar.gz", overlay: true });
 * ```
 */
export class RootFs extends NodeResource {
  declare readonly path: pulumi.Output<string>;
  declare readonly hostBinaries: pulumi.Output<string[] | undefined>;
  declare readonly archive: pulumi.Output<string | undefined>;
  declare readonly overlay: pulumi.Output<boolean | undefined>;

  constructor(name: string, args: RootFsArgs, options?: pulumi.CustomResourceOptions) {
    super(rootFsSpec.type, name, { ...args, whole: true }, [], options);
  }
}

/** A program: an absolute path, or a name. */
function program(): Field {
  const name = text({ max: 255, pattern: /^[^/]+$/, form: "an absolute path, or a name without a slash" });
  return (value, at) => (typeof value === "string" && value.startsWith("/") ? path() : name)(value, at);
}

/** Whether programs are merely added to a folder (or come back into it): the one change that needs no replacement. */
function onlyAdds(olds: RootFsInputs, news: RootFsInputs): boolean {
  if (containsUnknown(news.hostBinaries)) return false;
  const { hostBinaries = [] } = news;
  if (news.overlay === true) return programsOf(olds) === programsOf(news);
  return (olds.hostBinaries ?? []).every((each) => hostBinaries.includes(each));
}

function programsOf({ hostBinaries = [] }: RootFsInputs): string {
  return [...new Set(hostBinaries)].sort().join("\n");
}

/** What a root file system is made from, in a word. */
function stampOf(inputs: RootFsInputs): string {
  const { archive, archiveSha256 = "" } = inputs;
  return archive === undefined
    ? `host-${digest(programsOf(inputs))}`
    : `archive-${digest(`${archive}\n${archiveSha256}`)}`;
}

function isWhole(inputs: RootFsInputs, seen: RootFsState | undefined): seen is RootFsState {
  return seen?.stamp === stampOf(inputs);
}

function placeOf(inputs: RootFsInputs): RootFsPlace {
  const claims = `${ownersFolder}/${objectName(rootFsSpec.type, [inputs.path])}`;
  return { path: inputs.path, state: stateFolder(inputs.path), claims, programs: inputs.hostBinaries ?? [] };
}

function planFolder(inputs: RootFsInputs, seen: RootFsState | undefined): Command[] {
  if (isWhole(inputs, seen) && seen.kind === "folder" && seen.missing.length === 0) return [];
  const { path: at, archive, archiveSha256 = "" } = inputs;
  const state = stateFolder(inputs.path);
  return [
    find(inputs),
    refuseLinks(at),
    ...guarded(
      inputs,
      ...(seen === undefined ? [forget(inputs)] : []),
      makeFolder(at),
      sh("mkdir", "-p", "-m", "700", "--", statesFolder, state),
    ),
    archive === undefined
      ? script("copy the programs", host, "copy", at, ...programs(inputs))
      : script("unpack the archive", unpacker, "unpack", at, archive, archiveSha256, state),
    stamp(inputs),
  ];
}

function planOverlay(inputs: RootFsInputs, seen: RootFsState | undefined): Command[] {
  if (seen?.kind === "overlay") return isWhole(inputs, seen) ? [] : [stamp(inputs)];
  if (isWhole(inputs, seen))
    return [refuseLinks(inputs.path), ...guarded(inputs, makeFolder(inputs.path)), mountOverlay(inputs)];
  const { archive, archiveSha256 = "" } = inputs;
  const state = stateFolder(inputs.path);
  return [
    refuseLinks(inputs.path),
    ...(seen === undefined ? guarded(inputs, forget(inputs)) : []),
    archive === undefined
      ? script("make the image", host, "image", state, ...programs(inputs))
      : script("make the image", unpacker, "image", state, archive, archiveSha256),
    ...guarded(inputs, makeFolder(inputs.path)),
    mountOverlay(inputs),
    stamp(inputs),
  ];
}

const host = ["root-fs-image", "root-fs-host"];
const unpacker = ["root-fs-image", "root-fs-archive"];

function programs({ hostBinaries = [] }: RootFsInputs): string[] {
  return [...new Set(hostBinaries)].sort();
}

/** Fails for what is not on the node, before anything is made there. */
function find(inputs: RootFsInputs): Command {
  return inputs.archive === undefined
    ? script("find the programs", host, "find", ...programs(inputs))
    : script("find the archive", unpacker, "find", inputs.archive);
}

/** At boot, where whoever replays the journal has the node's lock. */
function mount(inputs: RootFsInputs): Command[] {
  return [refuseLinks(inputs.path), makeFolder(inputs.path), mountOverlay(inputs)];
}

/** An archive is unpacked without the node's lock; what others share needs it even so. */
function guarded({ archive }: RootFsInputs, ...each: readonly Command[]): readonly Command[] {
  return archive === undefined ? each : [underLock(render(all(...each), { reveal: false }), ...each)];
}

function mountOverlay(inputs: RootFsInputs): Command {
  const state = stateFolder(inputs.path);
  const options = `lowerdir=${state}/lower,upperdir=${state}/upper,workdir=${state}/work`;
  return sh("mount", "-t", "overlay", "-o", options, "--", "overlay", inputs.path);
}

/** Says that it is whole: the last step. */
function stamp(inputs: RootFsInputs): Command {
  return raw("note that it is whole", 'printf "%s\\n" "$1" > "$2"', stampOf(inputs), stampFile(inputs.path));
}

/** Removes what is there, and what we keep of it. */
function remove(inputs: RootFsInputs, seen: RootFsState | undefined): Command {
  const kind = seen?.kind === "folder" || seen?.kind === "overlay" ? seen.kind : "nothing";
  return script(
    "remove the root file system",
    ["root-fs-image", "root-fs-remove"],
    kind,
    inputs.path,
    stateFolder(inputs.path),
  );
}

/** Removes what was kept of an earlier one whose place something else had taken when it was deleted. */
function forget(inputs: RootFsInputs): Command {
  return either(sh("test", "!", "-e", stateFolder(inputs.path)), remove(inputs, undefined));
}

/** Even `adopt` takes over a folder only; nothing has been sent yet. */
function refusal({ node, path: at }: RootFsInputs, emptyOnly: boolean): OwnershipError {
  const possible = emptyOnly ? "an empty folder" : "a folder";
  return new OwnershipError(`RootFs ${at} on ${node}: something is there that is not ${possible}; remove it first`);
}

/** What is mounted over it is somebody else's, and in the way of everything. */
function refuseCovered({ node, path: at }: RootFsInputs, seen: RootFsState | undefined): void {
  if (seen?.kind === "covered")
    throw new OwnershipError(`RootFs ${at} on ${node}: something is mounted over ${at}; unmount it first`);
}
