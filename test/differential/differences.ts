/** What a container sees otherwise than under runc with containerd's configuration, and why. */

export interface Difference {
  /** Facts of inspect.sh; `*` stands for anything. Each of them must differ. */
  readonly facts: readonly string[];
  /** What runc's container sees. `absent`: there is no such fact. */
  readonly runc: string;
  readonly barepod: string;
  /**
   * Where; in each of them every fact must differ.
   * @defaultValue wherever it occurs, at least in one
   */
  readonly variants?: readonly string[];
  /** Occurs only on nodes with this version of control groups. */
  readonly cgroups?: "v1" | "v2";
  readonly title: string;
  readonly reason: string;
}

const withDefaultCapabilities = ["default", "limited", "filtered"];

export const differences: readonly Difference[] = [
  {
    title: "No CAP_MKNOD",
    facts: ["capability MKNOD: CapPrm", "capability MKNOD: CapEff", "capability MKNOD: CapBnd"],
    runc: "yes",
    barepod: "absent",
    variants: withDefaultCapabilities,
    reason:
      "The default capabilities are containerd's without MKNOD, as in CRI-O and Podman. containerd confines devices by a control group of devices, which a shell cannot make on control groups of version 2; with MKNOD and without that group, root in a container could make a node for the machine's disk and read it. `capabilities: { add: [MKNOD] }` gives it.",
  },
  {
    title: "Device nodes cannot be made",
    facts: ["make the device *"],
    runc: "works",
    barepod: "Operation not permitted",
    variants: withDefaultCapabilities,
    reason:
      "Because of that. Under runc one can be made, and most of them not be opened; the devices of /dev are the same in both.",
  },
  {
    title: "… and not be opened",
    facts: ["open the device *"],
    runc: "*",
    barepod: "absent",
    variants: withDefaultCapabilities,
    reason: "There is none to open.",
  },
  {
    title: "No control group of devices",
    facts: ["device rule *"],
    runc: "yes",
    barepod: "absent",
    cgroups: "v1",
    reason:
      "What a container may open is decided by which nodes its /dev has and by the missing MKNOD. A privileged container may open all devices in both.",
  },
  {
    title: "Fewer hierarchies of control groups",
    facts: [
      "mount /sys/fs/cgroup/devices *",
      "mount /sys/fs/cgroup/freezer *",
      "mount /sys/fs/cgroup/blkio *",
      "mount /sys/fs/cgroup/systemd *",
      "entry of /sys/fs/cgroup: devices",
      "entry of /sys/fs/cgroup: freezer",
      "entry of /sys/fs/cgroup: blkio",
      "entry of /sys/fs/cgroup: systemd",
      "value of freezer/freezer.state",
    ],
    runc: "*",
    barepod: "absent",
    cgroups: "v1",
    reason:
      "A container has groups of its own in the hierarchies that limit it: memory, cpu, cpuacct and pids. In the others it is in the node's root, which it is not shown.",
  },
  {
    title: "cpuset is the node's own, and read-only in privileged containers too",
    facts: ["mount /sys/fs/cgroup/cpuset flags"],
    runc: "rw,*",
    barepod: "ro,*",
    variants: ["privileged"],
    cgroups: "v1",
    reason:
      "No container has a cpuset of its own. It is shown, because Java looks for its limits only where memory, cpu, cpuacct and cpuset are all there.",
  },
  {
    title: "Names of control groups",
    facts: ["group memory", "group cpu", "group cpuacct", "group pids"],
    runc: "/kubepods*",
    barepod: "/barepod.pods/*",
    cgroups: "v1",
    reason: "A kubelet would take what lies in its own folder for its own.",
  },
  {
    title: "The control group that a container is ended by",
    facts: ["group unified"],
    runc: "/kubepods*",
    barepod: "/barepod/*",
    cgroups: "v1",
    reason: "The keeper has one group for each container, in one hierarchy, that nothing else is in.",
  },
  {
    title: "No group of its own where nothing is limited",
    facts: ["group cpuset", "group devices", "group freezer", "group blkio", "group name=systemd"],
    runc: "/kubepods*",
    barepod: "/",
    cgroups: "v1",
    reason: "Kubernetes limits nothing there.",
  },
  {
    title: "Propagation of the control groups' mounts",
    facts: [
      "mount /sys/fs/cgroup/memory propagation",
      "mount /sys/fs/cgroup/cpu propagation",
      "mount /sys/fs/cgroup/cpuacct propagation",
      "mount /sys/fs/cgroup/cpuset propagation",
      "mount /sys/fs/cgroup/pids propagation",
    ],
    runc: "master",
    barepod: "",
    cgroups: "v1",
    reason: "Nothing is ever mounted below them; so they are private, as volumes are.",
  },
  {
    title: "Mode of /sys/fs/cgroup",
    facts: ["file /sys/fs/cgroup"],
    runc: "directory 555 0:0",
    barepod: "directory 755 0:0",
    cgroups: "v1",
    reason: "runc copies the mode of the folder below; the file system's own says 755 in both.",
  },
  {
    title: "Masks of folders",
    facts: ["mount /proc/acpi flags", "mount /sys/firmware flags"],
    runc: "ro,relatime",
    barepod: "ro,nosuid,nodev,noexec,relatime",
    reason: "Both are empty and cannot be written; these flags keep it so whatever comes.",
  },
  {
    title: "Size of the masks",
    facts: ["mount /proc/acpi options", "mount /sys/firmware options"],
    runc: "ro",
    barepod: "ro,size=4k,mode=755",
    reason: "An empty folder needs no more.",
  },
  {
    title: "Network interface",
    facts: ["interface eth0"],
    runc: "absent",
    barepod: "up",
    reason: "Not runc's to make: in Kubernetes a CNI plugin does it, here a VethPair.",
  },
];
