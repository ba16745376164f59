/** What only a machine with cgroup v2 alone, systemd and every capability can show of pods. */
import { CGroup, Node, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../../../provider/kubernetes/container-types";
import { openStack, type Stack, type StateResource } from "../../harness/engine";
import type { NodeSnapshot } from "../../harness/snapshot";
import { Machine, minutes } from "./machine";

const fill = "exec busybox dd if=/dev/zero of=/dev/null bs=64M count=1";
const linger = "exec busybox sleep 100000";

describe("pods on a machine with systemd and cgroup v2", { timeout: 10 * minutes }, () => {
  let machine: Machine;
  let before: NodeSnapshot;
  let stack: Stack;
  let sizedTo = "96Mi";
  const sh = (line: string) => machine.sh(line);

  beforeAll(async () => {
    machine = await Machine.start("pods");
    before = await machine.snapshot();
    stack = await openStack("vm-pods", program);
    await stack.up();
  }, 30 * minutes);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
  }, minutes);

  function program(): void {
    const on = new Node("edge", { connection: machine.connection });
    const container = (name: string, script: string, more: Partial<Container> = {}): Container => ({
      name,
      image: "host:busybox",
      command: ["busybox", "sh", "-c", script],
      ...more,
    });
    // They are expected to be killed: `up` is not to wait for them to run.
    const metadata = { annotations: { "pulumi.com/skipAwait": "true" } };
    const resources = { limits: { memory: "16Mi" } };
    const volumeMounts = [{ name: "data", mountPath: "/data" }];
    const spec = { terminationGracePeriodSeconds: 0 };
    const second = `[ -e /data/again ] || { touch /data/again; ${fill}; }; ${linger}`;
    new Pod("greedy", {
      on,
      metadata,
      spec: {
        ...spec,
        volumes: [{ name: "data", emptyDir: {} }],
        containers: [container("app", second, { resources, volumeMounts })],
      },
    });
    new Pod("job", {
      on,
      metadata,
      spec: { ...spec, restartPolicy: "Never", containers: [container("app", fill, { resources })] },
    });
    new Pod("alone", { on, spec: { ...spec, containers: [container("app", linger), container("other", linger)] } });
    const securityContext = { privileged: true };
    new Pod("master", { on, spec: { ...spec, containers: [container("app", linger, { securityContext })] } });
    new Pod("family", {
      on,
      spec: { ...spec, shareProcessNamespace: true, containers: [container("one", linger), container("two", linger)] },
    });
    // The shell itself takes little: one by one the kernel would end what it has started, and spare it.
    const family = "busybox dd if=/dev/zero of=/dev/null bs=64M count=1; exec busybox sleep 100000";
    new Pod("pack", {
      on,
      metadata,
      spec: { ...spec, restartPolicy: "Never", containers: [container("app", family, { resources })] },
    });
    // 20 MB that it keeps, and 40 that the kernel can take back.
    const keep =
      "x=$(busybox head -c 20000000 /dev/zero | busybox tr '\\0' x); busybox dd if=/dev/zero of=/data/file bs=1M count=40";
    new Pod("sized", {
      on,
      spec: {
        ...spec,
        volumes: [{ name: "data", emptyDir: {} }],
        containers: [
          container("app", `${keep}; while :; do busybox sleep 1000; done`, {
            volumeMounts,
            resources: { limits: { cpu: "1", memory: sizedTo } },
          }),
        ],
      },
    });
    // Nothing of systemd's asks for the cpuset controller: it is off at the root before this.
    new CGroup("pinned", { node: on, path: "box/pinned", cpusetCpus: "0", memoryMax: "64Mi" });
  }

  async function statuses(pod: string): Promise<unknown> {
    const { resources } = (await stack.export()).deployment as { resources: readonly StateResource[] };
    return resources.find(({ urn }) => urn.endsWith(`::${pod}-process`))?.outputs?.["containerStatuses"];
  }

  /** What a line prints inside a container's namespaces and root; its exit code is its last word. */
  const inside = (pod: string, container: string, line: string) =>
    sh(`nsenter -t $(cut -f2 /run/barepod/process/default_${pod}/${container}/status) -m -u -i -n -p -r -w \
busybox sh -c '${line}' 2>&1; echo $?`);

  const folder = (pod: string) => `/run/barepod/process/default_${pod}/app`;
  const events = (pod: string) => `cat /sys/fs/cgroup/barepod.pods/default_${pod}/app/memory.events`;

  test("say OOMKilled, and are started again or not as their restart policy says", async () => {
    await machine.eventually(`grep -qx 1 ${folder("greedy")}/restarts && grep -q ^running ${folder("greedy")}/status`);
    await machine.eventually(`grep -q ^137 ${folder("job")}/last`);
    // The kernel's own count, and only below this group.
    expect(await sh(events("greedy"))).toMatch(/^oom_group_kill 1$/m);
    expect(await sh(events("job"))).toMatch(/^oom_group_kill 1$/m);
    await stack.refresh();
    expect(await statuses("greedy")).toMatchObject([
      { name: "app", state: "running", restartCount: 1, lastExitCode: 137, lastReason: "OOMKilled" },
    ]);
    expect(await statuses("job")).toMatchObject([
      { name: "app", state: "terminated", restartCount: 0, lastExitCode: 137, reason: "OOMKilled" },
    ]);
  });

  test("see the limits of their own group, read-only, unless they are privileged", async () => {
    const look = "cd /sys/fs/cgroup && cat memory.max memory.swap.max && (: > memory.max)";
    expect(await inside("greedy", "app", look)).toMatch(/^16777216\n0\n.*memory\.max: Read-only file system\n\d+$/);
    // What a new group is called nobody else sees.
    const make =
      "cd /sys/fs/cgroup && mkdir within && rmdir within && echo made; [ -b /dev/vda ] && ls /dev/mqueue | wc -l";
    expect(await inside("master", "app", make)).toBe("made\n0\n0");
    expect(await inside("greedy", "app", "mkdir /sys/fs/cgroup/within; [ -e /dev/vda ]")).toMatch(/Read-only[\s\S]*1$/);
  });

  test("have process namespaces of their own, a container or a pod each, and reach nothing outside them", async () => {
    const namespace = (pod: string, container: string) =>
      sh(`readlink /proc/$(cut -f2 /run/barepod/process/default_${pod}/${container}/status)/ns/pid`);
    const all = [
      await sh("readlink /proc/1/ns/pid"),
      await namespace("alone", "app"),
      await namespace("alone", "other"),
      await namespace("family", "one"),
    ];
    expect(new Set(all).size).toBe(4);
    expect(await namespace("family", "two")).toBe(all[3]);
    // Its own command line has the words too, but not so.
    const listed = 'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -o "sleep 10000[0]" | wc -l';
    expect(await inside("alone", "app", listed)).toBe("1\n0");
    expect(await inside("family", "one", listed)).toBe("2\n0");

    const journal = await sh("pgrep -x systemd-journal");
    expect(await inside("alone", "app", `kill -0 ${journal}`)).toMatch(/No such process\n1$/);
    const nodes = "pgrep -x systemd-journal; pgrep -f keeper.s[h]; cut -f2 /run/barepod/process/default_alone/*/status";
    const running = await sh(nodes);
    // All that it may signal: it takes its own pod with it, and nobody else.
    await inside("family", "one", "kill -KILL -1");
    for (const name of ["one", "two"])
      await machine.eventually(`grep -qx 1 /run/barepod/process/default_family/${name}/restarts`);
    expect(await sh(nodes)).toBe(running);
  });

  test("are ended as a whole when memory runs out", async () => {
    await machine.eventually(`grep -q OOMKilled ${folder("pack")}/last`);
    expect(await sh(`cut -f1 ${folder("pack")}/last`)).toBe("137");
    const groups = "/sys/fs/cgroup/barepod.pods/default_pack";
    expect(await sh(`cat ${groups}/memory.oom.group ${groups}/app/memory.oom.group`)).toBe("0\n1");
  });

  test("are weighed as a kubelet and a runtime weigh them, and spared by the kernel as long as can be", async () => {
    const group = "/sys/fs/cgroup/barepod.pods/default_sized";
    const files = ["cpu.weight", "app/cpu.weight", "app/cpu.max"].map((file) => `${group}/${file}`);
    expect(await sh(`cat ${files.join(" ")}`)).toBe("39\n100\n100000 100000");
    expect(await sh(`cat /proc/$(cut -f2 ${folder("sized")}/status)/oom_score_adj`)).toBe("-997");
    // No swap, with a limit of memory or without.
    const swap = ["sized", "alone"].map((pod) => `/sys/fs/cgroup/barepod.pods/default_${pod}/app/memory.swap.max`);
    expect(await sh(`cat ${swap.join(" ")}`)).toBe("0\n0");
  });

  test("get less memory while they run, but never less than they need", async () => {
    const limit = "cat /sys/fs/cgroup/barepod.pods/default_sized/app/memory.max";
    await machine.eventually("[ $(stat -c %s /var/lib/barepod/volumes/default_sized/data/file) = 41943040 ]");
    const before = await sh(`cat ${folder("sized")}/status`);
    sizedTo = "40Mi";
    await stack.up();
    expect(await sh(limit)).toBe(String(40 * 1024 * 1024));
    sizedTo = "8Mi";
    const { errors } = await stack.up({ mayFail: true });
    expect([...errors.values()].join("\n")).toMatch(/memoryMax 8388608 is below what is in use: \d+ bytes/);
    expect(await sh(limit)).toBe(String(40 * 1024 * 1024));
    expect(await sh(`cat ${folder("sized")}/status`)).toBe(before);
    sizedTo = "40Mi";
    await stack.up();
  });

  test("leave the machine as it was, and with it what cgroup v2 hands on", async () => {
    const root = "cat /sys/fs/cgroup/cgroup.subtree_control";
    expect(before.cgroups).not.toMatch(/^\/sys\/fs\/cgroup .*cpuset/m);
    expect((await sh(root)).split(" ")).toContain("cpuset");
    expect(await sh("cat /sys/fs/cgroup/box/cgroup.subtree_control")).toContain("cpuset");
    await stack.destroy();
    expect(await machine.snapshot()).toEqual(before);
  });
});
