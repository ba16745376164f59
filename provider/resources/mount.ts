import type * as pulumi from "@pulumi/pulumi";
import { type Command, sh } from "../command/command";
import { makeFolder, makeMountPoint, refuseLinks, removeFolder } from "../command/folders";
import { type MountState, mountAt } from "../facts/mount";
import { isUnknown, list, optional, type Problem, path, required, text } from "../fields";
import { containsUnknown, defineSpec, equal, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";
import { isSecret } from "../secrets";

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
   * `nosuid`, `nodev`, `noexec`, `noatime` and a tmpfs's size change in place; other changes replace the Mount. A bind mount
   * takes no others, and has the flags of the mount that its source lies on as well. None may be a secret: the kernel shows
   * the options of a mount to everybody, and `ps` those of mount(8). For cifs give `credentials=` and a File.
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

const publicOptions =
  "must not hold a secret: a mount's options are seen in the list of processes and of mounts; cifs takes credentials=PATH, where a File may lie, others have the like";

/** Options that are flags of one mount, which the kernel reports one by one, and what clears each. */
const opposites: Readonly<Record<string, string>> = {
  ro: "rw",
  nosuid: "suid",
  nodev: "dev",
  noexec: "exec",
  noatime: "relatime",
};
const flags = Object.keys(opposites);

/** @internal */
export const mountSpec = defineSpec<MountInputs, MountState>({
  type: "Mount",
  identity: ["target"],
  immutable: ["source", "fsType"],
  cannotChange: (olds, news) =>
    containsUnknown(news.options) || !equal(fixedOptions(olds), fixedOptions(news)) ? ["options"] : [],
  fields: {
    source: required(text({ max: 4095 })),
    target: required(path()),
    fsType: optional(text({ max: 64, pattern: /^[A-Za-z0-9._-]+$/, form: "the name of a file system, such as tmpfs" })),
    options: optional(
      // mount(8) takes a double quote for its own, and silently drops an option with one alone.
      list(text({ max: 4095, pattern: /^[^",-][^",]*$/, form: "one option of mount(8), without a comma or a quote" }), {
        max: 100,
      }),
    ),
  },
  check: ({ source, fsType, options, secrets }) => {
    if (isSecret({ secrets }, "options")) return [{ path: "options", reason: publicOptions }];
    const wrong = wrongOptions(options ?? []);
    if (wrong.length > 0) return wrong;
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
    return flagsDiffer(inputs, seen) || mayDifferInSize(inputs, seen) ? [remount(inputs, seen)] : [];
  },
  undo: unmount,
  cleanup: (state) => [removeFolder(state.target)],
  drift: (inputs, seen) => {
    if (!isOurs(inputs, seen)) return { source: seen.source, fsType: seen.fsType };
    if (!flagsDiffer(inputs, seen) && !differsInSize(inputs, seen)) return {};
    const size = differsInSize(inputs, seen) ? [seenSize(seen) ?? "size=50%"] : sizeOption(inputs);
    const shown = seenFlags(seen).filter(
      (flag) => wantedFlags(inputs).includes(flag) || !mayInherit(inputs, seen, flag),
    );
    return { options: [...fixedOptions(inputs), ...size, ...shown] };
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

/** Operations of mount(8) that make no mount: they would change one that is there already. */
const operations = ["remount", "move"];

/** What would change something else, contradict itself, or silently do nothing. */
function wrongOptions(options: readonly string[]): Problem[] {
  const known = ["bind", "rbind", ...Object.entries(opposites).flat()];
  return options.flatMap((option, index) => {
    const [, opposite] = Object.entries(opposites).find(([flag]) => flag === option) ?? [];
    const reason = operations.includes(option)
      ? `must not be ${option}: a Mount makes a mount of its own`
      : opposite !== undefined && options.includes(opposite)
        ? `contradicts ${opposite}, which is given as well`
        : isBind({ options }) && !isUnknown(option) && !known.includes(option)
          ? `has no effect on a bind mount; ${known.join(", ")} have`
          : undefined;
    return reason === undefined ? [] : [{ path: `options[${index}]`, reason }];
  });
}

/** The options that are not flags: the file system's own. */
function ownOptions({ options }: MountInputs): string[] {
  return (options ?? []).filter((option) => !Object.entries(opposites).flat().includes(option));
}

function wantedFlags({ options }: MountInputs): string[] {
  return flags.filter((flag) => options?.includes(flag));
}

function seenFlags(seen: MountState): string[] {
  return flags.filter((flag) => seen.flags.includes(flag));
}

/** The options that the kernel cannot change on a living mount. */
function fixedOptions(inputs: MountInputs): string[] {
  const size = sizeOption(inputs);
  return ownOptions(inputs).filter((option) => !size.includes(option));
}

/** A bind mount begins with the flags of the mount that its source lies on; whether they are still there is all the same. */
function mayInherit(inputs: MountInputs, seen: MountState, flag: string): boolean {
  const refused = inputs.options?.includes(opposites[flag] ?? "") ?? false;
  return isBind(inputs) && seen.sourceFlags.includes(flag) && !refused;
}

function flagsDiffer(inputs: MountInputs, seen: MountState): boolean {
  const wanted = wantedFlags(inputs);
  return flags.some((flag) =>
    wanted.includes(flag) ? !seen.flags.includes(flag) : seen.flags.includes(flag) && !mayInherit(inputs, seen, flag),
  );
}

/** The option that sets a tmpfs's size, the one of its own options that can be changed later. */
function sizeOption({ fsType, options }: MountInputs): string[] {
  return fsType === "tmpfs" ? (options ?? []).filter((option) => option.startsWith("size=")).slice(-1) : [];
}

function seenSize(seen: MountState): string | undefined {
  return seen.superOptions.find((option) => option.startsWith("size="));
}

/** Bytes; undefined for a share of the memory, which only the node can reckon. */
function bytesOf(size: string): number | undefined {
  const [, digits, unit = ""] = /^size=(\d+)([kmg]?)$/i.exec(size) ?? [];
  return digits === undefined ? undefined : Number(digits) * 1024 ** ["", "k", "m", "g"].indexOf(unit.toLowerCase());
}

/** Whether a tmpfs is certainly of another size. The kernel rounds up to pages, and does not show its default. */
function differsInSize(inputs: MountInputs, seen: MountState): boolean {
  if (inputs.fsType !== "tmpfs") return false;
  const [wanted, found] = [sizeOption(inputs)[0], seenSize(seen)];
  if (wanted === undefined) return found !== undefined;
  const bytes = bytesOf(wanted);
  const largestPage = 65_536;
  return bytes !== undefined && Math.abs(bytes - (bytesOf(found ?? "") ?? Number.NEGATIVE_INFINITY)) >= largestPage;
}

function mayDifferInSize(inputs: MountInputs, seen: MountState): boolean {
  return differsInSize(inputs, seen) || sizeOption(inputs).some((size) => bytesOf(size) === undefined);
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
  const named = options.filter((option) => Object.entries(opposites).flat().includes(option));
  return [
    refuseLinks(target),
    makeMountPoint(source, target),
    sh("mount", "-o", how, "--", source, target),
    // A bind mount takes its flags from its source; only a second call sets its own (mount(8), "Bind mount operation").
    ...(named.length > 0 ? [sh("mount", "-o", ["remount", "bind", ...named].join(","), "--", target)] : []),
  ];
}

/** Sets the flags of a living mount. mount(8) keeps what is not named, so each flag is named, set or cleared. */
function remount(inputs: MountInputs, seen: MountState): Command {
  const kept = (flag: string) => seen.flags.includes(flag) && mayInherit(inputs, seen, flag);
  const wanted = wantedFlags(inputs);
  const all = flags.map((flag) => (wanted.includes(flag) || kept(flag) ? flag : (opposites[flag] ?? "")));
  const size = inputs.fsType !== "tmpfs" || sizeOption(inputs).length > 0 ? [] : ["size=50%"];
  const how = isBind(inputs) ? ["remount", "bind"] : ["remount", ...ownOptions(inputs), ...size];
  return sh("mount", "-o", [...how, ...all].join(","), "--", inputs.target);
}

function unmount({ target }: MountInputs): Command[] {
  return [sh("umount", "--", target)];
}
