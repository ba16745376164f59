// One of each kind of resource; BENCH_VARIANT=2 changes each of them in place.
const {
  CGroup,
  File,
  IptablesChain,
  IptablesRule,
  Mount,
  Namespace,
  Node,
  Process,
  RootFs,
  VethPair,
} = require("barepod");

const second = process.env.BENCH_VARIANT === "2";
const node = new Node("bench", {
  connection: JSON.parse(process.env.BENCH_CONNECTION),
  podCIDR: "10.245.0.0/24",
});
const at = "/srv/bench";
const box = new RootFs("box", {
  node,
  path: `${at}/box`,
  hostBinaries: second ? ["sleep", "cat"] : ["sleep"],
});
const namespace = new Namespace("box", {
  node,
  name: "box",
  types: ["net", "uts", "ipc"],
  hostname: second ? "after" : "before",
});
const cgroup = new CGroup("box", { node, path: "bench", pidsMax: second ? 200 : 100 });
const eth0 = new VethPair("box", { node, namespace: namespace.path, mtu: second ? 1400 : 1450 });
const proc = new Mount("proc", {
  node,
  source: "tmpfs",
  target: `${at}/data`,
  fsType: "tmpfs",
  options: [second ? "size=2m" : "size=1m"],
});
new File("motd", { node, path: `${at}/motd`, content: second ? "after\n" : "before\n" });
const other = new IptablesRule("other", { node, chain: "INPUT", source: "10.1.2.4", jump: "DROP" });
new IptablesRule(
  "drop",
  { node, chain: "INPUT", source: "10.1.2.3", jump: "DROP", position: second ? 2 : 1 },
  { dependsOn: other },
);
new IptablesChain("bench", {
  node,
  name: "BENCH",
  rules: [{ source: second ? "10.1.2.4" : "10.1.2.3", jump: "RETURN" }],
});
new Process("box", {
  node,
  rootFs: box.path,
  namespace: namespace.path,
  cgroup: cgroup.path,
  interfaces: [eth0.name],
  mounts: [proc.target],
  command: ["sleep", "10000"],
  terminationGracePeriodSeconds: second ? 0 : 1,
});
