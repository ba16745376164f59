/**
 * The configuration that containerd's CRI gives to runc for a container of a pod, as far as the pod of a variant asks for it
 * (containerd 2: internal/cri/server/container_create_linux.go, internal/cri/opts, pkg/oci; a kubelet's part from
 * pkg/kubelet/kuberuntime).
 */
import type { Profile } from "../../provider/seccomp/profile";

/** What a pod of one container asks for. */
export interface Asked {
  readonly privileged?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly noNewPrivileges?: boolean;
  readonly user?: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly capabilities?: readonly string[];
  readonly cpu?: { readonly shares: number; readonly quota: number };
  /** Bytes. */
  readonly memory?: number;
  readonly oomScoreAdj: number;
  readonly seccomp?: Profile;
  readonly mounts?: readonly OciMount[];
}

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** What it runs, and what a kubelet has made for it. */
export interface Place {
  readonly arguments: readonly string[];
  readonly hostname: string;
  /** The folder with the files that the pod's containers share. */
  readonly files: string;
  readonly cgroupsPath: string;
  readonly isV2: boolean;
  /** The node's device nodes. */
  readonly devices: readonly OciDevice[];
  /** All that the node has: what a privileged container gets. */
  readonly allCapabilities: readonly string[];
}

export interface OciDevice {
  readonly path: string;
  readonly type: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** containerd's default set (pkg/oci/spec.go). */
export const defaultCapabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

const maskedPaths = [
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
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

export function ociConfig(asked: Asked, place: Place): object {
  const privileged = asked.privileged === true;
  const capabilities = privileged ? place.allCapabilities : (asked.capabilities ?? defaultCapabilities);
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: asked.user ?? { uid: 0, gid: 0, additionalGids: [0] },
      args: place.arguments,
      env: [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        `HOSTNAME=${place.hostname}`,
        "GREETING=hello world",
      ],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: asked.noNewPrivileges === true,
      oomScoreAdj: asked.oomScoreAdj,
    },
    root: { path: "rootfs", readonly: asked.readOnlyRootFilesystem === true },
    hostname: place.hostname,
    mounts: mounts(asked, place),
    linux: {
      cgroupsPath: place.cgroupsPath,
      resources: resources(asked),
      ...(privileged ? { devices: place.devices } : {}),
      // Set in the sandbox's network by containerd 2 (enable_unprivileged_ports, enable_unprivileged_icmp).
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" },
      namespaces: ["pid", "network", "ipc", "uts", "mount", ...(place.isV2 ? ["cgroup"] : [])].map((type) => ({
        type,
      })),
      ...(privileged ? {} : { maskedPaths, readonlyPaths }),
      ...(asked.seccomp === undefined ? {} : { seccomp: ociSeccomp(asked.seccomp, capabilities) }),
    },
  };
}

function mounts(asked: Asked, { files }: Place): OciMount[] {
  const own = asked.privileged === true ? "rw" : "ro";
  const file = (destination: string, name: string, mode: string): OciMount => ({
    destination,
    type: "bind",
    source: `${files}/${name}`,
    options: ["rbind", "rprivate", mode],
  });
  const fileMode = asked.readOnlyRootFilesystem === true ? "ro" : "rw";
  const usual = ["nosuid", "noexec", "nodev"];
  const pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: usual },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: pts },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: usual },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...usual, own] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...usual, "relatime", own],
    },
    ...(asked.mounts ?? []),
    file("/etc/hosts", "hosts", "rw"),
    file("/dev/termination-log", "termination-log", "rw"),
    file("/etc/hostname", "hostname", fileMode),
    file("/etc/resolv.conf", "resolv.conf", fileMode),
    // Of the pod: a tmpfs that its containers share.
    { destination: "/dev/shm", type: "bind", source: `${files}/shm`, options: ["rbind", "rprivate", "rw"] },
  ];
}

const allowed: readonly [type: string, major: number | undefined, minor: number | undefined, access: string][] = [
  ["c", undefined, undefined, "m"],
  ["b", undefined, undefined, "m"],
  ["c", 1, 3, "rwm"],
  ["c", 1, 8, "rwm"],
  ["c", 1, 7, "rwm"],
  ["c", 5, 0, "rwm"],
  ["c", 1, 5, "rwm"],
  ["c", 1, 9, "rwm"],
  ["c", 5, 1, "rwm"],
  ["c", 136, undefined, "rwm"],
  ["c", 5, 2, "rwm"],
];

function resources({ privileged, cpu, memory }: Asked): object {
  const rules = allowed.map(([type, major, minor, access]) => ({ allow: true, type, major, minor, access }));
  return {
    devices: privileged ? [{ allow: true, access: "rwm" }] : [{ allow: false, access: "rwm" }, ...rules],
    cpu: cpu === undefined ? { shares: 2, period: 100_000 } : { ...cpu, period: 100_000 },
    // Swap counts with memory here: none is allowed.
    ...(memory === undefined ? {} : { memory: { limit: memory, swap: memory } }),
  };
}

const actions: Readonly<Record<number, object>> = {
  2147418112: { action: "SCMP_ACT_ALLOW" },
  327681: { action: "SCMP_ACT_ERRNO", errnoRet: 1 },
  327718: { action: "SCMP_ACT_ERRNO", errnoRet: 38 },
};

/** The profile as containerd hands it on: what depends on capabilities is decided. */
function ociSeccomp(profile: Profile, capabilities: readonly string[]): object {
  const has = (caps: readonly string[] = []) => caps.every((name) => capabilities.includes(name));
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const rules = profile.rules.filter(
    ({ includes, excludes }) =>
      has(includes.caps) &&
      (includes.arches ?? [arch]).includes(arch) &&
      !(excludes.caps !== undefined && has(excludes.caps)),
  );
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    architectures: process.arch === "x64" ? ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] : [],
    syscalls: rules.map(({ names, action, conditions }) => ({
      names,
      ...actions[action],
      args: conditions.map(({ index, operator, value, valueTwo }) => ({
        index,
        value: Number(value),
        valueTwo: Number(valueTwo),
        op: `SCMP_CMP_${operator}`,
      })),
    })),
  };
}
