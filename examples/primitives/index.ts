// The chapter's box, every primitive by hand: a folder of the node's own programs, /proc and /tmp mounted into it,
// a file, namespaces, a control group, a network interface, firewall rules, and a shell that runs in all of it.
import * as pulumi from "@pulumi/pulumi";
import {
  CGroup,
  type ConnectionArgs,
  File,
  IptablesChain,
  IptablesRule,
  Mount,
  Namespace,
  Node,
  Process,
  RootFs,
  VethPair,
} from "barepod";

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

// echo … > /home/namespace/box/etc/motd
const greeting = new File("box-motd", {
  node,
  path: pulumi.interpolate`${box.path}/etc/motd`,
  content: "Welcome to the box.\n",
});

// unshare --pid --net --fork … chroot /home/namespace/box /bin/bash: here these namespaces are things of their own, which
// last without a process. The box has no use for a PID namespace that does, so it gets a fresh one with the shell below.
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

// iptables -N BOX; iptables -A BOX …; iptables -I FORWARD -j BOX: several rules that change all at once, as kube-proxy's
// KUBE-… chains do.
new IptablesChain("box", {
  node,
  name: "BOX",
  rules: [
    { ctState: "RELATED,ESTABLISHED", jump: "RETURN" },
    { source: "10.1.2.0/24", jump: "DROP" },
  ],
  jumpFrom: [{ chain: "FORWARD", position: "first" }],
});

// What it joins it names; of PID and mounts it gets fresh namespaces. So ps sees two processes, although the /proc that
// was mounted above is the node's: the shell has one of its own. On the node, `cat /var/log/containers/*` shows what it says.
const shell = new Process(
  "box",
  {
    node,
    rootFs: box.path,
    namespace: namespace.path,
    cgroup: cgroup.path,
    mounts: [proc.target, data.target],
    interfaces: [eth0.name],
    command: ["/bin/bash", "-c", 'echo "$(</etc/motd)"; ps -ax; ls /; sleep 10000'],
    terminationGracePeriodSeconds: 1,
  },
  { dependsOn: greeting },
);

export const address = eth0.address;
export const phase = shell.phase;
