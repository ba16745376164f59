import type * as pulumi from "@pulumi/pulumi";
import { type Command, sh } from "../command/command";
import { makeFolder, makeMountPoint, refuseLinks, removeFolder } from "../command/folders";
import { type MountState, mountAt } from "../facts/mount";
import { list, optional, path, required, text } from "../fields";
import { containsUnknown, defineSpec, equal, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";

/** The inputs of a {@link Mount}. */
export interface MountArgs extends PrimitiveArgs {
  /**
   * What to mount: a device, a folder or file (with the option `bind`), or a name such as `proc` or `tmpfs`.
   * Changing this replaces the Mount.
   */
  readonly source: pulumi.Input<string>;
  /**
   * The mount point: an absolute path that leads through no symbolic link. Made when missing, and then removed again with
   * the Mount. Changing this replaces the Mount.
   */
  readonly target: pulumi.Input<string>;
  /** The file system, for example `proc`, `tmpfs` or `overlay`. Not needed with `bind`. Changing this replaces the Mount. */
  readonly fsType?: pulumi.Input<string> | undefined;
  /**
   * Options as mount(8) knows them, one an element: `["bind", "ro"]`, `["size=64m", "mode=0700"]`. The flags `ro`, `rw`,
   * `nosuid`, `nodev`, `noexec`, `noatime` and a tmpfs's own options change in place; other changes replace the Mount.
   * @defaultValue none
   */
  readonly options?: pulumi.Input<string[]> | undefined;
}

/** @internal */
export interface MountInputs extends NodeInputs {
  readonly source: string;
  readonly target: string;
  readonly fsType?: string;
  readonly options?: readonly string[];
}

/** Options that are flags of one mount, which the kernel reports one by one. */
const flags = ["ro", "nosuid", "nodev", "noexec", "noatime"];

/** @internal */
export const mountSpec = defineSpec<MountInputs, MountState>({
  type: "Mount",
  identity: ["target"],
  immutable: ["source", "fsType"],
  cannotChange: (olds, news) =>
    containsUnknown(news.options) || (news.fsType !== "tmpfs" && !equal(ownOptions(olds), ownOptions(news)))
      ? ["options"]
      : [],
  fields: {
    source: required(text({ max: 4095 })),
    target: required(path()),
    fsType: optional(text({ max: 64, pattern: /^[A-Za-z0-9._-]+$/, form: "the name of a file system, such as tmpfs" })),
    options: optional(
      list(text({ max: 4095, pattern: /^[^,-][^,]*$/, form: "one option of mount(8), without a comma" }), { max: 100 }),
    ),
  },
  check: ({ source, fsType, options }) => {
    if (fsType === undefined && options !== undefined && !isBind({ options }))
      return [{ path: "fsType", reason: "is required unless options has bind or rbind" }];
    if (fsType === undefined && options === undefined)
      return [{ path: "fsType", reason: 'is required, or options: ["bind"]' }];
    if (isBind({ options }) && !source.startsWith("/"))
      return [{ path: "source", reason: "must be an absolute path for a bind mount" }];
    return [];
  },
  observe: (inputs) => mountAt(inputs.target, isBind(inputs) ? inputs.source : undefined),
  plan: (inputs, seen) => {
    if (seen === undefined) return mount(inputs);
    if (!isOurs(inputs, seen)) return [...unmount(inputs), ...mount(inputs)];
    return flagsDiffer(inputs, seen) ? [remount(inputs)] : [];
  },
  undo: unmount,
  cleanup: (state) => [removeFolder(state.target)],
  drift: (inputs, seen) => {
    if (!isOurs(inputs, seen)) return { source: seen.source, fsType: seen.fsType };
    return flagsDiffer(inputs, seen) ? { options: [...ownOptions(inputs), ...seenFlags(seen)] } : {};
  },
  boot: { rank: ({ target }) => `50.${String(target.split("/").length).padStart(3, "0")}` },
});

/**
 * A mount on the node.
 *
 * @example
 * ```ts
 * new Mount("box-data", { node, source: "/tmp", target: "/home/namespace/box/data", options: ["bind"] });
 * ```
 * @see mount(8)
 */
export class Mount extends NodeResource {
  declare readonly source: pulumi.Output<string>;
  declare readonly target: pulumi.Output<string>;
  declare readonly fsType: pulumi.Output<string | undefined>;
  declare readonly options: pulumi.Output<string[] | undefined>;

  constructor(name: string, args: MountArgs, options?: pulumi.CustomResourceOptions) {
    super(mountSpec.type, name, { ...args }, [], options);
  }
}

function isBind({ options }: { readonly options?: readonly string[] | undefined }): boolean {
  return options?.some((option) => option === "bind" || option === "rbind") ?? false;
}

/** The options that are not flags: the file system's own. */
function ownOptions({ options }: MountInputs): string[] {
  return (options ?? []).filter((option) => !flags.includes(option) && option !== "rw");
}

function wantedFlags({ options }: MountInputs): string[] {
  return flags.filter((flag) => options?.includes(flag));
}

function seenFlags(seen: MountState): string[] {
  return flags.filter((flag) => seen.flags.includes(flag));
}

function flagsDiffer(inputs: MountInputs, seen: MountState): boolean {
  return !equal(wantedFlags(inputs), seenFlags(seen));
}

function isOurs(inputs: MountInputs, seen: MountState): boolean {
  return isBind(inputs) ? seen.sameAsSource : seen.fsType === inputs.fsType && seen.source === inputs.source;
}

function mount(inputs: MountInputs): Command[] {
  const { source, target, fsType, options = [] } = inputs;
  if (!isBind(inputs))
    return [
      refuseLinks(target),
      makeFolder(target),
      sh(
        "mount",
        "-t",
        fsType ?? "auto",
        ...(options.length === 0 ? [] : ["-o", options.join(",")]),
        "--",
        source,
        target,
      ),
    ];
  const how = options.includes("rbind") ? "rbind" : "bind";
  const flagged = options.some((option) => option !== "bind" && option !== "rbind");
  return [
    refuseLinks(target),
    makeMountPoint(source, target),
    sh("mount", "-o", how, "--", source, target),
    // A bind mount takes its flags from its source; only a second call sets its own (mount(8), "Bind mount operation").
    ...(flagged ? [remount(inputs)] : []),
  ];
}

function remount(inputs: MountInputs): Command {
  const set = wantedFlags(inputs);
  const all = isBind(inputs) ? ["remount", "bind", ...set] : ["remount", ...ownOptions(inputs), ...set];
  if (!set.includes("ro")) all.push("rw");
  return sh("mount", "-o", all.join(","), "--", inputs.target);
}

function unmount({ target }: MountInputs): Command[] {
  return [sh("umount", "--", target)];
}
