/** The launcher's configuration of one container (ARCHITECTURE.md): what is the same at every start of it. */
import { imageFolder } from "./facts/root-fs";
import { type CapabilityRequest, capabilityMasks } from "./kubernetes/capabilities";

/** Something of the node that a container sees. */
export interface Volume {
  /** A folder or file on the node. */
  readonly source: string;
  /** Where the container sees it. */
  readonly target: string;
  readonly readOnly?: boolean;
  /** The source is a folder that is made for the container, mode 0777, and removed with everything in it. */
  readonly ephemeral?: boolean;
  /** Of an ephemeral folder, the group that it and what is made in it belongs to: mode 2777. */
  readonly group?: number;
  /** Below the source, relative, in place of the source itself: made when missing, never through a link out of it. */
  readonly subPath?: string;
  /**
   * Whether mounts that are made later pass: from the node into the container, or also from it to the node.
   * @defaultValue neither
   */
  readonly propagation?: "HostToContainer" | "Bidirectional";
  /**
   * With `readOnly`, whether what is mounted below the source is read-only too. `Enabled` fails before Linux 5.12.
   * @defaultValue not
   */
  readonly recursiveReadOnly?: "IfPossible" | "Enabled";
}

/** A variable of the environment that is looked up when the container starts, or a plain one between such. */
export interface Variable {
  /** Its name; not with `folder`. */
  readonly name?: string;
  /** The value itself. */
  readonly value?: string;
  /** A file of the node whose content is the value, up to 1 MiB. */
  readonly file?: string;
  /** A folder of the node: each file in it is a variable, called as the file with `prefix` before it. */
  readonly folder?: string;
  /** @defaultValue none */
  readonly prefix?: string;
  /**
   * Whether the container starts without the file or the folder.
   * @defaultValue false: it waits
   */
  readonly optional?: boolean;
  /** Whether a newline at the file's end is no part of the value. */
  readonly line?: boolean;
}

/** A container, ready to be written down. */
export interface ContainerConfig extends CapabilityRequest {
  /** The root directory on the node; absent: the node's own. */
  readonly rootFs?: string;
  readonly command: readonly string[];
  /** What of its root's image comes before {@link command}; with it the image's variables, user and working directory count too. */
  readonly imageDefaults?: ImageDefaults;
  readonly env: Readonly<Record<string, string>>;
  /** Variables that everything else wins over, the image's too, and that references do not see. */
  readonly envDefaults: Readonly<Record<string, string>>;
  /** Further variables, of which the later one of a name counts. */
  readonly variables?: readonly Variable[];
  /** Whether `$(NAME)` in variables and command is replaced, by Kubernetes' rules. */
  readonly expand?: boolean;
  readonly workingDir?: string;
  /** The number of the signal that asks it to end; absent: TERM's. */
  readonly stopSignal?: number;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot: boolean;
  readonly supplementalGroups?: readonly number[];
  /** The root's own /etc/group gives no groups. */
  readonly strictGroups: boolean;
  readonly allowPrivilegeEscalation: boolean;
  readonly privileged: boolean;
  readonly readOnlyRootFilesystem: boolean;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly volumes: readonly Volume[];
  /** Whether it has a mount namespace of its own; without one there are no mounts, only the root directory. */
  readonly ownMounts: boolean;
  /** Whether it shares the node's IPC: then it sees the node's shared memory. */
  readonly hostIpc: boolean;
  /** The file with its filter of system calls. */
  readonly seccomp?: string;
  /** The name of the AppArmor profile that confines it. */
  readonly apparmor?: string;
}

/** Which of an image's own arguments a container takes; its variables, user and working directory it takes in any case. */
export type ImageDefaults = "all" | "entrypoint" | "none";

/** Where programs are looked up, where nobody says otherwise. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What containerd masks by default (pkg/oci/spec.go of containerd). */
export const defaultMaskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** What containerd makes read-only by default. */
export const defaultReadonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

type Line = readonly (string | number)[];

/** The text of the configuration. */
export function launcherConfig(container: ContainerConfig): string {
  const lines: Line[] = [
    ...(container.rootFs === undefined ? [] : [["root", container.rootFs]]),
    ...(container.ownMounts ? mounts(container) : []),
    ...user(container),
    ...(container.workingDir === undefined ? [] : [["cwd", container.workingDir]]),
    ...imageLines(container),
    ...(container.stopSignal === undefined ? [] : [["stopsignal", container.stopSignal]]),
    ...Object.entries(container.envDefaults).map(([name, value]): Line => ["envdefault", `${name}=${value}`]),
    ...Object.entries(container.env).map(([name, value]): Line => ["env", `${name}=${value}`]),
    ...(container.variables ?? []).map(variable),
    ...(container.expand === true ? [["expand"]] : []),
    ...container.command.map((word): Line => ["arg", word]),
  ];
  return `${lines.map((line) => line.map(escapeField).join("\t")).join("\n")}\n`;
}

/** What the image says; what is said here wins. */
function imageLines({ imageDefaults, rootFs }: ContainerConfig): Line[] {
  if (imageDefaults === undefined || rootFs === undefined) return [];
  return [["include", `${imageFolder(rootFs)}/${imageDefaults}`]];
}

function variable({ name = "", value = "", file, folder, prefix = "", optional, line }: Variable): Line {
  const need = optional === true ? "optional" : "required";
  if (folder !== undefined) return ["envdir", prefix, folder, need];
  return file === undefined ? ["env", `${name}=${value}`] : [line === true ? "envline" : "envfile", name, file, need];
}

function mounts(container: ContainerConfig): Line[] {
  const { rootFs, privileged, volumes } = container;
  const hidden = [
    ...container.maskedPaths.map((path): Line => ["mask", path]),
    ...container.readonlyPaths.map((path): Line => ["ropath", path]),
  ];
  const proc: Line = ["mount", "proc", "/proc", "proc", "nosuid,noexec,nodev", "-"];
  // In the node's own root only /proc differs: it shows the process's own PID namespace.
  if (rootFs === undefined) return [proc, ...binds(volumes), ...(privileged ? [] : hidden)];
  return [
    proc,
    ...ownFolders(container),
    ["mount", "sysfs", "/sys", "sysfs", privileged ? "nosuid,noexec,nodev" : "nosuid,noexec,nodev,ro", "-"],
    ...binds(volumes),
    // In a volume in place of /dev they would be made on the node, and stay there.
    ...(volumes.some(({ target }) => target === "/dev") ? [] : ownDevices()),
    ...(privileged ? [] : hidden),
    ...(container.readOnlyRootFilesystem ? [["readonly"]] : []),
  ];
}

/** Outer ones first, as containerd does: one that came after would cover what lies in it. */
function binds(volumes: readonly Volume[]): Line[] {
  const depth = ({ target }: Volume) => target.split("/").length;
  return [...volumes]
    .sort((a, b) => depth(a) - depth(b))
    .map(({ source, target, subPath, ...options }) => [
      "mount",
      source,
      target,
      "bind",
      bindFlags(options),
      subPath ?? "-",
    ]);
}

const propagations = { HostToContainer: "rslave", Bidirectional: "rshared" };

function bindFlags({ readOnly, recursiveReadOnly, propagation }: Omit<Volume, "source" | "target">): string {
  const flags = ["rec", propagation === undefined ? "rprivate" : propagations[propagation]];
  if (readOnly !== true) return flags.join(",");
  const readOnlyFlags = { none: "ro", IfPossible: "tryrro", Enabled: "rro" };
  return [...flags, readOnlyFlags[recursiveReadOnly ?? "none"]].join(",");
}

/** The file systems in every container's /dev (containerd's pkg/oci/mounts.go), but for a volume in place of /dev/shm. */
function ownFolders({ hostIpc, volumes }: ContainerConfig): Line[] {
  const memory: Line = hostIpc
    ? ["mount", "/dev/shm", "/dev/shm", "bind", "rec,rprivate", "-"]
    : ["mount", "shm", "/dev/shm", "tmpfs", "nosuid,noexec,nodev", "mode=1777,size=65536k"];
  return [
    ["mount", "tmpfs", "/dev", "tmpfs", "nosuid,strictatime", "mode=755,size=65536k"],
    ["mount", "devpts", "/dev/pts", "devpts", "nosuid,noexec", "newinstance,ptmxmode=0666,mode=0620,gid=5"],
    ...(volumes.some(({ target }) => target === "/dev/shm") ? [] : [memory]),
    ["mount", "mqueue", "/dev/mqueue", "mqueue", "nosuid,noexec,nodev", "-"],
  ];
}

/**
 * The devices that every container has (runc's default devices); the launcher makes them once all is mounted. Those that a
 * privileged one has besides are known on the node only.
 */
function ownDevices(): Line[] {
  return [
    ["device", "/dev/null", "c", 1, 3, "666"],
    ["device", "/dev/zero", "c", 1, 5, "666"],
    ["device", "/dev/full", "c", 1, 7, "666"],
    ["device", "/dev/random", "c", 1, 8, "666"],
    ["device", "/dev/urandom", "c", 1, 9, "666"],
    ["device", "/dev/tty", "c", 5, 0, "666"],
    ["symlink", "pts/ptmx", "/dev/ptmx"],
    ["symlink", "/proc/self/fd", "/dev/fd"],
    ["symlink", "/proc/self/fd/0", "/dev/stdin"],
    ["symlink", "/proc/self/fd/1", "/dev/stdout"],
    ["symlink", "/proc/self/fd/2", "/dev/stderr"],
  ];
}

function user(container: ContainerConfig): Line[] {
  const { supplementalGroups = [] } = container;
  const { bounding, effective, inheritable, ambient } = capabilityMasks(container);
  return [
    ...identity(container),
    ...(container.strictGroups ? [["strictgroups"]] : []),
    ...(container.runAsNonRoot ? [["nonroot"]] : []),
    ...(supplementalGroups.length === 0 ? [] : [["groups", supplementalGroups.join(",")] as Line]),
    ["caps", bounding, effective, inheritable, ambient],
    ...(container.allowPrivilegeEscalation ? [] : [["nnp"]]),
    ...(container.seccomp === undefined ? [] : [["seccomp", container.seccomp]]),
    ...(container.apparmor === undefined ? [] : [["apparmor", container.apparmor]]),
  ];
}

/** Of an image, what its own passwd says of the user counts. */
function identity({ rootFs, imageDefaults, runAsUser, runAsGroup }: ContainerConfig): Line[] {
  if (imageDefaults !== undefined)
    return [
      ...(runAsUser === undefined ? [] : [["user", runAsUser] as Line]),
      ...(runAsGroup === undefined ? [] : [["gid", runAsGroup] as Line]),
    ];
  if (rootFs !== undefined)
    return [["user", runAsGroup === undefined ? (runAsUser ?? 0) : `${runAsUser ?? 0}:${runAsGroup}`]];
  return [
    // Root's too: the groups of whoever has logged in to the node, `disk` for example, are none of the container's.
    ["uid", runAsUser ?? 0],
    ["gid", runAsGroup ?? 0],
  ];
}

/** A field of a line: `\\`, `\t` and `\n` stand for a backslash, a TAB and a newline. */
export function escapeField(field: string | number): string {
  return String(field).replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n");
}
