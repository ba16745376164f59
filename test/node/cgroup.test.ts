import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { handler } from "../../provider/handler";
import { type CGroupInputs, cgroupSpec } from "../../provider/resources/cgroup";
import { removeAllParentsScript } from "../../provider/resources/cgroup-commands";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

type Outs = CGroupInputs & { version: string };

const obstacle = sandboxObstacle();
const provider = handler(cgroupSpec);

describe.skipIf(obstacle)(`a CGroup${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let version: string;
  beforeAll(async () => {
    node = await startSandbox();
    version = await sh(
      "cd /sys/fs/cgroup; if [ -e cgroup.controllers ]; then echo v2; elif [ -d unified ]; then echo hybrid; else echo v1; fi",
    );
    // The node's lock stays, whatever comes first.
    await remove(await create("first"));
  });
  afterAll(async () => {
    await closeAllSessions();
    await node[Symbol.asyncDispose]();
  });

  const sh = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await node.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  };
  const inputs = (path: string, more: Partial<CGroupInputs> = {}): CGroupInputs => ({
    path,
    node: node.name,
    connection: {
      host: node.host,
      port: node.port,
      user: node.user,
      privateKeyPath: node.privateKeyPath,
      hostKey: node.hostKey,
    },
    owner: `nonce/urn:${path}`,
    ...more,
  });
  const create = async (path: string, more: Partial<CGroupInputs> = {}): Promise<Outs> => {
    const checked = await provider.check?.({}, inputs(path, more));
    expect(checked?.failures).toEqual([]);
    return (await provider.create(checked?.inputs)).outs as Outs;
  };
  const remove = (outs: Outs) => provider.delete?.("", outs) ?? Promise.resolve();
  const read = async (outs: Outs) => (await provider.read?.("id", outs)) as { id: string; inputs: CGroupInputs };
  const update = async (outs: Outs, more: Partial<CGroupInputs>): Promise<Outs> =>
    (await provider.update?.("id", outs, inputs(outs.path, more)))?.outs as Outs;
  /** A file of a group: the one that the node has, of v1's or v2's. */
  const value = (path: string, ...files: readonly string[]) =>
    sh(
      `cd /sys/fs/cgroup; for f in ${files.join(" ")}; do for d in "\${f%%.*}" .; do
       if [ -e "$d/${path}/$f" ]; then cat "$d/${path}/$f"; exit; fi; done; done`,
    );
  const memory = (path: string) => value(path, "memory.limit_in_bytes", "memory.max");
  const directories = (path: string) =>
    sh(`find /sys/fs/cgroup -type d -path '*/${path}' -not -path '*/*/${path}/*' | sort`);
  /** Starts a program in every directory of a group; its number. */
  const start = (path: string, program: string) =>
    sh(`(for d in $(find /sys/fs/cgroup -type d -path '*/${path}'); do sh -c 'echo $PPID' > "$d/cgroup.procs"; done
      exec ${program}) </dev/null >/dev/null 2>&1 &
      for d in $(find /sys/fs/cgroup -type d -path '*/${path}'); do until grep -qx $! "$d/cgroup.procs"; do sleep 0.01; done; done; echo $!`);

  test("limits what is in it, reads back as it was declared, and leaves nothing behind", async () => {
    const before = await node.snapshot();
    const wanted = { memoryMax: "200Mi", memorySwapMax: 0, pidsMax: 100, cpuMax: "500m", cpuWeight: 200 };
    const made = await create("chroot0", wanted);
    expect(made.version).toBe(version);
    expect(await memory("chroot0")).toBe("209715200");
    expect(await value("chroot0", "pids.max")).toBe("100");
    expect(await value("chroot0", "cpu.cfs_quota_us", "cpu.max")).toBe(version === "v2" ? "50000 100000" : "50000");
    expect(await value("chroot0", "cpu.shares", "cpu.weight")).toBe(version === "v2" ? "200" : "2452");
    expect((await read(made)).inputs).toEqual(inputs("chroot0", wanted));
    const again = await update(made, wanted);
    expect(again).toEqual(made);
    await remove(made);
    expect(await read(made)).toMatchObject({ id: "" });
    await remove(made);
    expect(await node.snapshot()).toEqual(before);
  });

  test("does the chapter's experiment: ten bytes of memory kill what joins", async () => {
    const wanted = { memoryMax: 10, ...(version === "v2" ? { memorySwapMax: 0 } : { memorySwappiness: 0 }) };
    const made = await create("chapter", wanted);
    expect(await memory("chapter")).toBe("0");
    expect((await read(made)).inputs).toEqual(inputs("chapter", wanted));
    const { code } = await node.exec([
      "sh",
      "-c",
      `sh -c 'sleep 0.2; ls / | sort | head -c 1; exec ls /' >/dev/null 2>&1 & 
       for f in /sys/fs/cgroup/memory/chapter/tasks /sys/fs/cgroup/chapter/cgroup.procs; do [ ! -e $f ] || echo $! > $f; done
       wait $!`,
    ]);
    expect(code).toBe(137);
    await remove(made);
  });

  test("changes every limit in place", async () => {
    const made = await create("change", { memoryMax: "64Mi", memorySwapMax: "64Mi", pidsMax: 7 });
    const pid = await start("change", "sleep 1000");
    const inode = await sh(`stat -c %i ${(await directories("change")).split("\n")[0]}`);
    const raised = await update(made, { memoryMax: "512Mi", memorySwapMax: "1Gi", cpuMax: 2, pidsMax: 0 });
    expect(await memory("change")).toBe("536870912");
    expect(await value("change", "pids.max")).toBe("1");
    const lowered = await update(raised, { memoryMax: 16_777_217, memorySwapMax: 0, cpuShares: 2 });
    expect(await memory("change")).toBe("16777216");
    expect(await value("change", "pids.max")).toBe("max");
    expect((await read(lowered)).inputs).toMatchObject({ memoryMax: 16_777_217, memorySwapMax: 0, cpuShares: 2 });
    const pinned = await update(lowered, { cpusetCpus: "0,0-0" });
    expect(await value("change", "cpuset.cpus")).toBe("0");
    expect(await sh(`grep Cpus_allowed_list /proc/${pid}/status`)).toMatch(/\t0$/);
    const free = await update(pinned, {});
    expect(await sh(`grep Cpus_allowed_list /proc/${pid}/status`)).not.toMatch(/\t0$/);
    expect(Number(await memory("change")) || Number.MAX_VALUE).toBeGreaterThan(2 ** 60);
    expect(await sh(`stat -c %i ${(await directories("change")).split("\n")[0]}`)).toBe(inode);
    await sh(`kill -9 ${pid}`);
    await remove(free);
    expect(await directories("change")).toBe("");
  });

  test("is lowered with the groups below it, and raised before them", async () => {
    const quota = async (path: string) => (await value(path, "cpu.cfs_quota_us", "cpu.max")).split(" ")[0];
    const above = await create("tall", { cpuMax: 2 });
    const below = await create("tall/below", { cpuMax: "1500m" });
    const leaf = await create("tall/below/leaf", { cpuMax: "500m" });
    const lower = await update(above, { cpuMax: "300m" });
    expect(await quota("tall")).toBe("30000");
    // v2 leaves what is written there alone, and takes the least.
    expect((await read(below)).inputs.cpuMax).toBe(version === "v2" ? "1500m" : 0.3);
    const lowered = await update(below, { cpuMax: "200m" });
    const least = await update(leaf, { cpuMax: "100m" });
    expect([await quota("tall/below"), await quota("tall/below/leaf")]).toEqual(["20000", "10000"]);
    const high = await update(lower, { cpuMax: 4 });
    const higher = await update(lowered, { cpuMax: 3 });
    expect([await quota("tall"), await quota("tall/below"), await quota("tall/below/leaf")]).toEqual([
      "400000",
      "300000",
      "10000",
    ]);
    for (const each of [least, higher, high]) await remove(each);
    expect(await directories("tall")).toBe("");
  });

  test.runIf(existsV1())("says how much is in use when a limit is below it", async () => {
    const made = await create("full", { memoryMax: "256Mi" });
    const pid = await start("full", "sh -c 'x=$(head -c 30000000 /dev/zero | tr \"\\0\" x); kill -STOP $$'");
    await sh(
      "for i in $(seq 100); do read n < /sys/fs/cgroup/memory/full/memory.usage_in_bytes; [ $n -lt 25000000 ] || exit 0; sleep 0.05; done; exit 1",
    );
    await expect(update(made, { memoryMax: "8Mi" })).rejects.toThrow(
      /memoryMax 8388608 is below what is in use: \d+ bytes/,
    );
    await sh(`kill -9 ${pid}`);
    await remove(made);
  });

  test("shows what was changed or removed out of band, and repairs it", async () => {
    const made = await create("drift", { memoryMax: "64Mi", pidsMax: 7 });
    const [first = ""] = (await directories("drift")).split("\n");
    await sh(`f=$(find /sys/fs/cgroup -path '*/drift/pids.max'); echo 9 > $f`);
    const { inputs: seen } = await read(made);
    expect(seen).toMatchObject({ memoryMax: "64Mi", pidsMax: 9 });
    const repaired = await update(made, { memoryMax: "64Mi", pidsMax: 7 });
    expect(await value("drift", "pids.max")).toBe("7");
    await sh(`rmdir ${first}`);
    const remade = await update(repaired, { memoryMax: "64Mi", pidsMax: 7 });
    expect(await directories("drift")).toContain(first);
    await sh(`rmdir $(find /sys/fs/cgroup -type d -path '*/drift')`);
    expect(await read(remade)).toMatchObject({ id: "" });
    const anew = await create("drift", { memoryMax: "64Mi" });
    await remove(anew);
    expect(await directories("drift")).toBe("");
  });

  test("makes and removes the groups on the way, but none that is still needed or is not its own", async () => {
    const before = await directories("*");
    await sh(
      "for c in /sys/fs/cgroup/*/ /sys/fs/cgroup/; do [ ! -e $c/cgroup.procs ] || mkdir -p $c/theirs; done; rmdir /sys/fs/cgroup/*/init.scope/theirs 2>/dev/null || :",
    );
    const one = await create("theirs/a/b/one", { cpusetCpus: "0" });
    const two = await create("theirs/a/two", { cpuMax: 0.1 });
    await remove(one);
    expect(await directories("theirs/a/b")).toBe("");
    expect(await directories("theirs/a/two")).not.toBe("");
    await remove(two);
    expect(await directories("theirs/a")).toBe("");
    expect(await directories("theirs")).not.toBe("");
    await sh("rmdir $(find /sys/fs/cgroup -type d -name theirs)");
    expect(await directories("*")).toBe(before);
    expect(await sh("ls /run/barepod")).not.toContain("cgroups");
  });

  test("is not removed while processes or groups of others are in it, and names them", async () => {
    const made = await create("busy");
    const pid = await start("busy", "sleep 1000");
    await expect(remove(made)).rejects.toThrow(
      `processes are in it still, which are not ended with it: ${pid} (sleep)`,
    );
    await sh(`kill -9 ${pid}`);
    const [first = ""] = (await directories("busy")).split("\n");
    await sh(`mkdir ${first}/theirs`);
    await expect(remove(made)).rejects.toThrow(
      `other groups are below it, which are not removed with it: ${first}/theirs`,
    );
    await sh(`rmdir ${first}/theirs`);
    await remove(made);
    expect(await directories("busy")).toBe("");
  });

  test("refuses a group of somebody else's, and takes it over when asked", async () => {
    const [root = ""] = (await sh("ls -d /sys/fs/cgroup/memory /sys/fs/cgroup 2>/dev/null || :")).split("\n").reverse();
    await sh(`mkdir ${root}/foreign`);
    await expect(create("foreign")).rejects.toThrow("is there already and was not made by Barepod");
    expect(await sh(`ls -d ${root}/foreign`)).toBe(`${root}/foreign`);
    const made = await create("foreign", { adopt: true, memoryMax: "1Gi" });
    await remove(made);
    expect(await directories("foreign")).toBe("");
  });

  describe("where the node has nothing but the v2 tree of this machine", () => {
    // Real as far as it goes: the tree of a hybrid machine has no memory, cpu or pids controller.
    const reach = async (test: () => Promise<void>) => {
      if (version !== "hybrid") return;
      await sh("mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup");
      try {
        await test();
      } finally {
        await sh("umount /sys/fs/cgroup");
      }
    };

    test("makes a group, lets processes in, and removes it with the groups on the way", () =>
      reach(async () => {
        const made = await create("pod/web");
        expect(made.version).toBe("v2");
        const pid = await start("pod/web", "sleep 1000");
        await expect(remove(made)).rejects.toThrow(`${pid} (sleep)`);
        await sh("echo 1 > /sys/fs/cgroup/pod/web/cgroup.kill");
        await remove(made);
        expect(await sh("ls -d /sys/fs/cgroup/pod 2>/dev/null || echo none; ls /run/barepod")).toMatch(/^none\n/);
        expect(await sh("ls /run/barepod")).not.toContain("cgroups");
      }));

    test("says which controller is missing where", () =>
      reach(async () => {
        await expect(create("pod/web", { pidsMax: 5 })).rejects.toThrow(
          "/sys/fs/cgroup has no pids controller, so it cannot limit what is below it",
        );
        await sh("rmdir /sys/fs/cgroup/pod/web /sys/fs/cgroup/pod; rm /run/barepod/cgroups");
        await expect(create("swap", { memorySwappiness: 0 })).rejects.toThrow("no memory controller");
        await sh("rmdir /sys/fs/cgroup/swap; rm -r /var/lib/barepod/owners");
      }));
  });

  test("writes what cgroup v2 takes, into files that only look like its own: no proof of what a kernel does", async () => {
    const files =
      "memory.max memory.swap.max cpu.max cpu.weight pids.max cpuset.cpus cpuset.mems cgroup.procs cgroup.subtree_control";
    await sh(`mount -t tmpfs none /sys/fs/cgroup; cd /sys/fs/cgroup; mkdir -p pod/web
      for g in . pod pod/web; do
        for f in ${files}; do : > $g/$f; done
        echo cpuset cpu io memory pids > $g/cgroup.controllers
      done`);
    try {
      const made = await create("pod/web", {
        adopt: true,
        memoryMax: "200Mi",
        memorySwapMax: "1Mi",
        cpuMax: "500m",
        cpuShares: 102,
        pidsMax: 9,
        cpusetCpus: "0",
      });
      const content = () =>
        sh(
          `cd /sys/fs/cgroup/pod/web; for f in ${files}; do printf '%s: ' $f; cat $f; [ -s $f ] || echo; done; cat ../cgroup.subtree_control`,
        );
      expect((await content()).split("\n")).toEqual([
        "memory.max: 209715200",
        "memory.swap.max: 1048576",
        "cpu.max: 50000 100000",
        "cpu.weight: 17",
        "pids.max: 9",
        "cpuset.cpus: 0",
        "cpuset.mems: ",
        "cgroup.procs: ",
        "cgroup.subtree_control: ",
        // Plain files keep the last word only.
        "+cpuset",
      ]);
      expect((await read(made)).inputs).toMatchObject({
        memoryMax: "200Mi",
        cpuMax: "500m",
        cpuShares: 102,
        pidsMax: 9,
      });
      await update(made, {});
      expect((await content()).split("\n").slice(0, 6)).toEqual([
        "memory.max: max",
        "memory.swap.max: max",
        "cpu.max: max 100000",
        "cpu.weight: 100",
        "pids.max: max",
        "cpuset.cpus: ",
      ]);
      await expect(update(made, { memorySwappiness: 1 })).rejects.toThrow("use memorySwapMax: 0");
    } finally {
      await sh("umount /sys/fs/cgroup; rm -r /var/lib/barepod/owners /run/barepod/controllers");
    }
  });

  test("takes back from v2 what it had handed on, with the last group only, and nothing that others use: files again", async () => {
    await sh(`mount -t tmpfs none /sys/fs/cgroup; cd /sys/fs/cgroup; mkdir -p one two theirs
      echo cpu memory pids > cgroup.controllers; echo pids > cgroup.subtree_control; : > cgroup.procs
      echo 200 > theirs/cpu.weight; echo max > theirs/memory.max
      for g in one two; do for f in memory.max memory.swap.max cpu.max cpu.weight pids.max; do : > $g/$f; done; done`);
    try {
      const root = "/sys/fs/cgroup/cgroup.subtree_control";
      const one = await create("one", { adopt: true });
      await sh(`echo pids > ${root}`);
      const two = await create("two", { adopt: true });
      expect(await sh("sort -u /run/barepod/controllers")).toBe("./cpu\n./memory");
      await sh(`rm -r /sys/fs/cgroup/one; echo untouched > ${root}`);
      await remove(one);
      expect(await sh(`cat ${root}`)).toBe("untouched");
      await sh("rm -r /sys/fs/cgroup/two");
      await remove(two);
      // The processor would come last, and somebody else has a weight there: plain files keep the last word only.
      expect(await sh(`cat ${root}`)).toBe("-memory");
      expect(await sh("ls /run/barepod")).not.toContain("controllers");
    } finally {
      await sh("umount /sys/fs/cgroup; rm -rf /var/lib/barepod/owners");
    }
  });

  test("forgets with the node what it did on v2 for groups that are gone: files again", async () => {
    await sh(`mount -t tmpfs none /sys/fs/cgroup; mkdir -p /run/systemd/system; cd /sys/fs/cgroup
      echo memory > cgroup.controllers; : > cgroup.subtree_control; : > cgroup.procs`);
    try {
      await create("lost");
      await sh("rm -r /sys/fs/cgroup/lost; rm /sys/fs/cgroup/barepod.controllers/cgroup.subtree_control");
      await sh(removeAllParentsScript);
      expect(await sh("ls /run/barepod")).not.toContain("controllers");
      expect(await sh("ls -d /sys/fs/cgroup/*/ 2>/dev/null || :")).toBe("");
      expect(await sh("cat /sys/fs/cgroup/cgroup.subtree_control")).toBe("-cpu");
    } finally {
      await sh("umount /sys/fs/cgroup; rm -rf /run/systemd /var/lib/barepod/owners /run/barepod/controllers");
    }
  });

  test.each(["-rf", "a b", "it's", '"$(touch boom)"', "*", "äöü", "a\\b", "~", "x".repeat(255)])(
    "makes a group of the name %j",
    async (name) => {
      const made = await create(`${name}/${name}`, { pidsMax: 3 });
      expect((await read(made)).inputs).toMatchObject({ pidsMax: 3 });
      await remove(made);
      expect(await read(made)).toMatchObject({ id: "" });
      expect(await sh("ls /run/barepod")).not.toContain("cgroups");
    },
  );
});

/** Whether this machine's memory controller, and so its sandboxes', is cgroup v1's. */
function existsV1(): boolean {
  return process.platform === "linux" && existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes");
}
