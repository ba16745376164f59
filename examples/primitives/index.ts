// The chapter's box, every primitive by hand: a folder of the node's own programs, /proc and /tmp mounted into it,
// namespaces, a control group, a network interface, a firewall rule, and a shell that runs in all of it.
import * as pulumi from "@pulumi/pulumi";
import { CGroup, type ConnectionArgs, IptablesRule, Mount, Namespace, Node, Process, RootFs, VethPair } from "barepod";

const node = new Node("lab", { connection: new pulumi.Config().requireObject<ConnectionArgs>("node") });

// mkdir, cp -v /bin/bash …, cp -r /lib/* …
const box = new RootFs("box", {
  node,
  path: "/home/namespace/box",
  hostBinaries: ["bash", "ip", "ls", "mount", "umount", "kill", "ps", "curl", "pidof", "expr", "rm", "sleep"].map(
    (name) => `/bin/${name}`,
  ),
});

// mount -t proc proc /home/namespace/box/proc; mount --bind /tmp /home/namespace/box/data
const proc = new Mount("box-proc", {
  node,
  source: "proc",
  target: pulumi.interpolate`${box.path}/proc`,
  fsType: "proc",
});
const data = new Mount("box-data", {
  node,
  source: "/tmp",
  target: pulumi.interpolate`${box.path}/data`,
  options: ["bind"],
});

// unshare --pid --net --fork … chroot /home/namespace/box /bin/bash: here the namespaces are things of their own.
const namespace = new Namespace("box", { node, name: "box", types: ["net", "uts", "ipc"], hostname: "box" });

// mkdir /sys/fs/cgroup/memory/chroot0; echo … > memory.limit_in_bytes. The chapter's 10 bytes would end the shell at once.
const cgroup = new CGroup("box", {
  node,
  path: "chroot0",
  memoryMax: "200Mi",
  memorySwapMax: 0,
  pidsMax: 100,
  cpuMax: "500m",
});

// The eth0 that the chapter's box lacks.
const eth0 = new VethPair("box", { node, namespace: namespace.path, interfaceName: "eth0" });

// iptables -A INPUT -s 10.1.2.3 -j DROP
new IptablesRule("drop", { node, table: "filter", chain: "INPUT", source: "10.1.2.3", jump: "DROP" });

const shell = new Process("box", {
  node,
  rootFs: box.path,
  namespace: namespace.path,
  cgroup: cgroup.path,
  mounts: [proc.target, data.target],
  interfaces: [eth0.name],
  command: ["/bin/bash", "-c", "ps -ax; ls /; sleep 10000"],
  terminationGracePeriodSeconds: 1,
});

export const address = eth0.address;
export const phase = shell.phase;
