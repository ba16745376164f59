import * as pulumi from "@pulumi/pulumi";
import { all, type Command, either, raw, render, sh } from "../command/command";
import { makeFolder, refuseLinks, removeFolder } from "../command/folders";
import { underLock } from "../command/lock";
import { quickScript, script } from "../command/script";
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
import { containsUnknown, defineSpec, NodeResource } from "../resource";
import type { RootFsArgs, RootFsInputs } from "./root-fs-args";
import {
  checkImage,
  forgetUpper,
  imageFields,
  isOther,
  keptDigest,
  linkLayers,
  mountLayers,
  prepareImage,
  writeImage,
} from "./root-fs-image";

export type { RootFsArgs, RootFsInputs } from "./root-fs-args";

/** Folders of a Linux system: with `adopt`, one slip would delete it. */
const systemFolders =
  /^\/(bin|boot|dev|etc|home|lib|lib32|lib64|libx32|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var|usr\/(bin|lib|lib64|local|sbin|share)|var\/(lib|log|run|tmp)|var\/lib\/barepod)$/;

/** @internal */
export const rootFsSpec = defineSpec<RootFsInputs, RootFsState>({
  type: "RootFs",
  identity: ["path"],
  immutable: ["archive", "archiveSha256", "image", "overlay"],
  cannotChange: (olds, news) => [
    ...(onlyAdds(olds, news) ? [] : (["hostBinaries"] as const)),
    ...(isOther(olds, news) ? (["digest"] as const) : []),
  ],
  fields: {
    path: required(path()),
    hostBinaries: optional(list(program(), { min: 1, max: 1000 })),
    archive: optional(path()),
    archiveSha256: optional(text({ max: 64, pattern: /^[0-9a-f]{64}$/, form: "64 hexadecimal digits, in lower case" })),
    ...imageFields,
    overlay: optional(boolean()),
    whole: optional(boolean()),
  },
  generate: keptDigest,
  check: (inputs) => {
    const { path: at, hostBinaries, archive, archiveSha256, image } = inputs;
    if ([hostBinaries, archive, image].filter((each) => each !== undefined).length !== 1)
      return [{ path: "hostBinaries", reason: "give exactly one of image, hostBinaries and archive" }];
    const problems = checkImage(inputs);
    if (problems.length > 0) return problems;
    if (archiveSha256 !== undefined && archive === undefined)
      return [{ path: "archiveSha256", reason: "needs an archive" }];
    return systemFolders.test(at) ? [{ path: "path", reason: "must not be a folder of the node's own system" }] : [];
  },
  prepare: async (inputs, on) => (inputs.image === undefined ? inputs : prepareImage(inputs, stampOf(inputs), on)),
  needsPrograms: ({ image }) => image !== undefined,
  observe: (inputs) => (isOverlay(inputs) ? overlayAt : folderAt)(placeOf(inputs)),
  plan: (inputs, seen) => {
    const emptyOnly = isOverlay(inputs) || inputs.archive !== undefined;
    refuseCovered(inputs, seen);
    if (seen?.kind === "other" || seen?.kind === "lost" || (seen?.kind === "used" && emptyOnly))
      throw refusal(inputs, emptyOnly);
    if (inputs.image !== undefined) return planImage(inputs, seen);
    return inputs.overlay === true ? planOverlay(inputs, seen) : planFolder(inputs, seen);
  },
  undo: (state, seen) => {
    refuseCovered(state, seen);
    return [remove(state, seen, isSlow(state)), ...guarded(state, removeFolder(state.path))];
  },
  slow: (inputs) =>
    isSlow(inputs)
      ? {
          deadlineMs: 15 * 60_000,
          ...(inputs.archive === undefined ? {} : { message: "unpacking the archive" }),
          removing: "removing what was unpacked",
        }
      : undefined,
  taken: ({ kind }) => kind === "lost",
  drift: (inputs, seen) => ({
    ...(isWhole(inputs, seen) && (seen.kind === "folder" || seen.kind === "overlay") ? {} : { whole: false }),
    ...(seen.missing.length === 0 || seen.stamp === ""
      ? {}
      : { hostBinaries: (inputs.hostBinaries ?? []).filter((each) => !seen.missing.includes(each)) }),
  }),
  outputs: (_, { imageDigest }) => (imageDigest === undefined ? {} : { imageDigest }),
  boot: {
    rank: () => "20",
    // A folder outlives a reboot; of an overlay only the mount has to be made again.
    commands: (inputs) => (isOverlay(inputs) ? mount(inputs) : []),
  },
});

/**
 * A root file system on the node: an image, the node's own programs with their libraries, or an archive.
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
 * new RootFs("nginx", { node, path: "/srv/nginx", image: "docker.io/library/nginx:1.27" });
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
  declare readonly image: pulumi.Output<string | undefined>;
  /** What the reference stood for when it was made: `sha256:…` of an index or a manifest. */
  declare readonly imageDigest: pulumi.Output<string | undefined>;

  constructor(name: string, args: RootFsArgs, options?: pulumi.CustomResourceOptions) {
    const isImage = (args as RootFsArgs | undefined)?.image !== undefined;
    const registries = isImage ? args.node?.reference?.registries : undefined;
    const more = {
      ...(registries === undefined ? {} : { registries }),
      // Logins are secrets, whether or not they were given as such.
      ...(isImage && args.pullSecrets !== undefined ? { pullSecrets: pulumi.secret(args.pullSecrets) } : {}),
    };
    super(rootFsSpec.type, name, { ...args, ...more, whole: true }, isImage ? ["imageDigest"] : [], options);
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
  const { archive, archiveSha256 = "", image } = inputs;
  if (image !== undefined) return `image-${digest(image)}`;
  return archive === undefined
    ? `host-${digest(programsOf(inputs))}`
    : `archive-${digest(`${archive}\n${archiveSha256}`)}`;
}

function isWhole(inputs: RootFsInputs, seen: RootFsState | undefined): seen is RootFsState {
  const { image, digest: wanted } = inputs;
  return seen?.stamp === stampOf(inputs) && (image === undefined || (wanted ?? seen.imageDigest) === seen.imageDigest);
}

function isOverlay({ overlay, image }: RootFsInputs): boolean {
  return overlay === true || image !== undefined;
}

/** It takes long, so it does not keep the node's lock; what others share needs it even so. */
function isSlow({ archive, image }: RootFsInputs): boolean {
  return archive !== undefined || image !== undefined;
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
      ? quickScript("make the image", "root-fs-known", host, "image", state, ...programs(inputs))
      : script("make the image", unpacker, "image", state, archive, archiveSha256),
    ...guarded(inputs, makeFolder(inputs.path)),
    mountOverlay(inputs),
    stamp(inputs),
  ];
}

function planImage(inputs: RootFsInputs, seen: RootFsState | undefined): Command[] {
  const isMounted = seen?.kind === "overlay";
  if (isMounted && isWhole(inputs, seen)) return [];
  const state = stateFolder(inputs.path);
  const mounting = [refuseLinks(inputs.path), ...guarded(inputs, makeFolder(inputs.path)), mountOverlay(inputs)];
  if (isWhole(inputs, seen)) return mounting;
  const { record } = inputs;
  if (record === undefined)
    throw new Error(`RootFs ${inputs.path} on ${inputs.node} was removed meanwhile; run it again`);
  if (isMounted) return [stamp(inputs)];
  return [
    ...(seen === undefined ? [forgetUpper(state)] : []),
    linkLayers(state, record),
    writeImage(inputs.path, record),
    ...mounting,
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

/** Under the node's lock, whether all of the plan is or only this. */
function guarded(inputs: RootFsInputs, ...each: readonly Command[]): readonly Command[] {
  return isSlow(inputs) ? [underLock(render(all(...each), { reveal: false }), ...each)] : each;
}

function mountOverlay(inputs: RootFsInputs): Command {
  const state = stateFolder(inputs.path);
  if (inputs.image !== undefined) return mountLayers(state, inputs.path);
  const options = `lowerdir=${state}/lower,upperdir=${state}/upper,workdir=${state}/work`;
  return sh("mount", "-t", "overlay", "-o", options, "--", "overlay", inputs.path);
}

/** Says that it is whole: the last step. */
function stamp(inputs: RootFsInputs): Command {
  const line = inputs.record === undefined ? stampOf(inputs) : `${stampOf(inputs)} ${inputs.record.digest}`;
  return raw("note that it is whole", 'printf "%s\\n" "$1" > "$2"', line, stampFile(inputs.path));
}

/** Removes what is there, and what we keep of it. */
function remove(inputs: RootFsInputs, seen: RootFsState | undefined, unlocked = false): Command {
  const kind = seen?.kind === "folder" || seen?.kind === "overlay" ? seen.kind : "nothing";
  return script(
    "remove the root file system",
    ["root-fs-image", "root-fs-remove"],
    kind,
    inputs.path,
    stateFolder(inputs.path),
    ...(unlocked ? ["unlocked"] : []),
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
