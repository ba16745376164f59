/** Paths that lead elsewhere, and values out of range: refused before anything is touched. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cgroupSpec } from "../../provider/resources/cgroup";
import { fileSpec } from "../../provider/resources/file";
import { iptablesChainSpec } from "../../provider/resources/iptables-chain";
import { iptablesRuleSpec } from "../../provider/resources/iptables-rule";
import { mountSpec } from "../../provider/resources/mount";
import { nodeSpec } from "../../provider/resources/node";
import { processSpec } from "../../provider/resources/process";
import { rootFsSpec } from "../../provider/resources/root-fs";
import { vethPairSpec } from "../../provider/resources/veth-pair";
import { HandlerNode } from "../harness/handlers";
import type { AnySpec } from "../harness/hostile-trial";
import { sandboxObstacle } from "../harness/sandbox";
import { snapshotDifference } from "../harness/snapshot";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`bad input${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  const node = new HandlerNode();
  const roots = node.resource(rootFsSpec, { whole: true });
  const processes = node.resource(processSpec, {
    name: "bad",
    command: ["sleep", "1000"],
    running: true,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 0,
  });
  beforeAll(async () => {
    await node.start();
    await node.sh("mkdir -p /srv/source /var/log/pods /var/log/containers");
    await roots.create({ path: "/srv/root", hostBinaries: ["sleep"] });
    // The lock and the programs stay, whatever comes first.
    await processes.remove(await processes.create({ name: "first" }));
  });
  afterAll(() => node[Symbol.asyncDispose]());

  test("a path through a symbolic link is refused, and nothing is made where it leads", async () => {
    await node.sh("mkdir -p /srv/tree /srv/elsewhere; ln -s /srv/elsewhere /srv/tree/link");
    const before = await node.sandbox.snapshot();
    const attempts: [AnySpec, object][] = [
      [fileSpec, { path: "/srv/tree/link/file", content: "x" }],
      [fileSpec, { path: "/srv/tree/link/deeper/file", content: "x" }],
      [mountSpec, { source: "tmpfs", fsType: "tmpfs", target: "/srv/tree/link/mount" }],
      [mountSpec, { source: "tmpfs", fsType: "tmpfs", target: "/srv/tree/link" }],
      [mountSpec, { source: "/srv/source", options: ["bind"], target: "/srv/tree/link/deeper/mount" }],
      [rootFsSpec, { path: "/srv/tree/link/root", hostBinaries: ["true"] }],
      [rootFsSpec, { path: "/srv/tree/link", hostBinaries: ["true"], overlay: true }],
    ];
    for (const [spec, inputs] of attempts) {
      const { message } = await node.resource(spec, spec === rootFsSpec ? { whole: true } : {}).failure(inputs);
      expect({ inputs, message }).toEqual({
        inputs,
        message: expect.stringMatching(/symbolic link|was not made by Barepod/),
      });
    }
    expect(snapshotDifference(before, await node.sandbox.snapshot())).toEqual([]);
  });

  test("a path of a volume does not lead out of the container through its symbolic links", async () => {
    await node.sh(`mkdir -p /srv/root/inside /srv/elsewhere
ln -s /srv/elsewhere /srv/root/inside/absolute; ln -s ../../../../srv/elsewhere /srv/root/inside/relative`);
    for (const target of ["/inside/absolute/volume", "/inside/relative/volume"]) {
      const inputs = { rootFs: "/srv/root", volumes: [{ source: "/srv/source", target }] };
      const state = await processes.create(inputs).catch((error: { properties?: object }) => error.properties);
      expect(await node.sh("ls -A /srv/elsewhere")).toBe("");
      if (state !== undefined) await processes.remove(state);
    }
    await node.sh("rm -r /srv/root/inside");
  });

  test("a volume of a Process without a rootFs is refused where the node has nothing to mount on", async () => {
    await node.sh("mkdir -p /srv/source/inner /srv/there; touch /srv/file");
    const before = await node.sandbox.snapshot();
    const inner = { source: "/srv/source", target: "/srv/there/inner" };
    for (const volume of [
      { source: "/srv/source", target: "/srv/missing/deep" },
      { source: "/srv/file", target: "/srv/missing" },
    ])
      for (const more of [{}, { command: undefined, containers: [{ name: "main", command: ["sleep", "1000"] }] }]) {
        const own = { volumes: [inner, { source: "/srv/source", target: "/srv/there" }, volume] };
        const [given] = more.containers ?? [];
        const inputs = given === undefined ? own : { ...more, containers: [{ ...given, ...own }] };
        const { message } = await processes.failure(inputs);
        expect(message).toContain(
          `there is no ${volume.target} on the node to mount on: make it first, or give a rootFs`,
        );
      }
    expect(snapshotDifference(before, await node.sandbox.snapshot())).toEqual([]);
    // Below another volume it is that volume's folder.
    const state = await processes.create({ volumes: [inner, { source: "/srv/source", target: "/srv/there" }] });
    await processes.remove(state);
    expect(snapshotDifference(before, await node.sandbox.snapshot())).toEqual([]);
  });

  test.each<[string, AnySpec, object]>([
    ["memoryMax", cgroupSpec, { memoryMax: "200MB" }],
    ["memoryMax", cgroupSpec, { memoryMax: "200mi" }],
    ["memoryMax", cgroupSpec, { memoryMax: "-1" }],
    ["memoryMax", cgroupSpec, { memoryMax: -1 }],
    ["memoryMax", cgroupSpec, { memoryMax: Number.NaN }],
    ["memoryMax", cgroupSpec, { memoryMax: "9999999Ei" }],
    ["memoryMax", cgroupSpec, { memoryMax: "" }],
    ["memorySwapMax", cgroupSpec, { memorySwapMax: "1Mi" }],
    ["cpuMax", cgroupSpec, { cpuMax: 0 }],
    ["cpuMax", cgroupSpec, { cpuMax: "500Mi00" }],
    ["cpuMax", cgroupSpec, { cpuMax: "-1" }],
    ["cpuMax", cgroupSpec, { cpuMax: 1e9 }],
    ["cpuShares", cgroupSpec, { cpuShares: 1 }],
    ["cpuWeight", cgroupSpec, { cpuWeight: 10_001 }],
    ["pidsMax", cgroupSpec, { pidsMax: -1 }],
    ["pidsMax", cgroupSpec, { pidsMax: 1.5 }],
    ["pidsMax", cgroupSpec, { pidsMax: "10" }],
    ["mode", fileSpec, { path: "/srv/f", content: "", mode: 0o10000 }],
    ["uid", fileSpec, { path: "/srv/f", content: "", uid: 2 ** 32 }],
    ["mtu", vethPairSpec, { namespace: "/n", mtu: 575 }],
    ["runAsUser", processSpec, { command: ["x"], running: true, runAsUser: 2 ** 31 }],
    [
      "terminationGracePeriodSeconds",
      processSpec,
      { command: ["x"], running: true, terminationGracePeriodSeconds: -1 },
    ],
    ["timeoutSeconds", processSpec, { command: ["x"], running: true, timeoutSeconds: 0 }],
    ["position", iptablesRuleSpec, { position: 0 }],
    ["destinationPort", iptablesRuleSpec, { protocol: "tcp", destinationPort: 65_536 }],
    ["destinationPort", iptablesRuleSpec, { protocol: "tcp", destinationPort: "80:20" }],
    ["source", iptablesRuleSpec, { source: "10.0.0.0/33" }],
    ["source", iptablesRuleSpec, { source: "fe80::1" }],
    ["statistic.probability", iptablesRuleSpec, { statistic: { mode: "random", probability: 1.01 } }],
    ["limit.burst", iptablesRuleSpec, { limit: { rate: "1/second", burst: 0 } }],
    ["name", iptablesChainSpec, { name: "INPUT" }],
    ["rules[0].mark", iptablesChainSpec, { rules: [{ mark: "0x123456789", jump: "DROP" }] }],
    ["podCIDR", nodeSpec, { podCIDR: "10.0.0.0/31", nonce: "n" }],
    ["podCIDR", nodeSpec, { podCIDR: "10.0.0.1/24", nonce: "n" }],
    ["podCIDR", nodeSpec, { podCIDR: "300.0.0.0/24", nonce: "n" }],
  ])("%s out of range or of the wrong form is refused in the preview", async (field, spec, inputs) => {
    const valid = new Map<AnySpec, object>([
      [cgroupSpec, { path: "g" }],
      [iptablesRuleSpec, { family: "ipv4", table: "filter", chain: "INPUT", jump: "DROP" }],
      [iptablesChainSpec, { family: "ipv4", table: "filter", name: "MINE" }],
    ]);
    const reasons = await node.resource(spec, valid.get(spec)).reasons(inputs);
    expect(reasons).toEqual([expect.stringMatching(`^${field.replace(/[[\].]/g, "\\$&")}: `)]);
  });
});
