/** Capability names, their numbers, and the sets that a container's process gets. @see capabilities(7) */

/** All capabilities in the kernel's order: the index is the number (include/uapi/linux/capability.h). */
export const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

export type Capability = (typeof CAPABILITIES)[number];

/**
 * What a container gets that asks for nothing: containerd's set without MKNOD. Containerd confines device nodes by a device
 * control group, which a shell cannot make on cgroup v2; with MKNOD and without one, root in a container could make a node
 * for the machine's disk and read it. CRI-O and Podman leave MKNOD out as well.
 */
export const DEFAULT_CAPABILITIES: readonly Capability[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
];

/** Whether it is a name that `add` and `drop` take. */
export function isCapability(name: string): name is Capability | "ALL" {
  return name === "ALL" || (CAPABILITIES as readonly string[]).includes(name);
}

/** The part of a container's security settings that decides over capabilities. */
export interface CapabilityRequest {
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly privileged: boolean;
}

/**
 * The capabilities of a container, in containerd's order: `ALL` in `add` starts from everything, `ALL` in `drop` from
 * nothing, then single names are added, then single names dropped. Privileged means everything.
 */
export function capabilitiesOf(request: CapabilityRequest): Capability[] {
  if (request.privileged) return [...CAPABILITIES];
  const { addCapabilities: add, dropCapabilities: drop } = request;
  const start = drop.includes("ALL") ? [] : add.includes("ALL") ? CAPABILITIES : DEFAULT_CAPABILITIES;
  const set = new Set<string>([...start, ...add]);
  for (const name of drop) set.delete(name);
  return CAPABILITIES.filter((name) => set.has(name));
}

/**
 * A set as the launcher takes it: a hexadecimal mask. `last` is the node's own last capability
 * (/proc/sys/kernel/cap_last_cap): an older kernel refuses bits that it does not know.
 */
export function capabilityMask(names: readonly Capability[], last: number = CAPABILITIES.length - 1): string {
  const numbers = names.map((name) => CAPABILITIES.indexOf(name)).filter((number) => number <= last);
  return numbers
    .reduce((mask, number) => mask | (1n << BigInt(number)), 0n)
    .toString(16)
    .padStart(16, "0");
}

/** The four fields of the launcher's `caps` directive. */
export interface CapabilityMasks {
  readonly bounding: string;
  readonly effective: string;
  readonly inheritable: string;
  readonly ambient: string;
}

/**
 * The masks of a container. Inheritable and ambient stay empty as in containerd (CVE-2022-24769), so that a process that
 * is not root loses the effective set when the program starts.
 */
export function capabilityMasks(request: CapabilityRequest, last?: number): CapabilityMasks {
  const mask = capabilityMask(capabilitiesOf(request), last);
  const none = capabilityMask([]);
  return { bounding: mask, effective: mask, inheritable: none, ambient: none };
}
