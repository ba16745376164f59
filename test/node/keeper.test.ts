import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootScript } from "../../provider/resources/node-boot";
import { sandboxObstacle } from "../harness/sandbox";
import { type Failure, ProcessNode, type ProcessState, pidOf } from "./process-node";

const obstacle = sandboxObstacle();
const shell = (line: string) => ["sh", "-c", line];
/** Ends at once when it is asked to, and tells so. */
const polite = shell("trap 'echo got TERM >> /tmp/terms; exit 0' TERM; while :; do sleep 0.02; done");

describe.skipIf(obstacle)(`a keeper${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let at: ProcessNode;
  beforeAll(async () => {
    at = await ProcessNode.start();
  });
  afterAll(async () => {
    await at[Symbol.asyncDispose]();
  });
  /** The first process of a container as the keeper's folder has it now. */
  const pid = (name: string, container = "main") => at.sh(`cut -f2 /run/barepod/process/${name}/${container}/status`);
  const folder = (name: string) => `/run/barepod/process/${name}`;
  /** Kills what a line of shell lists, and waits until it is dead: a signal sent is not yet a process gone. */
  const kill = (pids: string) =>
    at.sh(
      `pids=$(${pids}); kill -KILL $pids
      for p in $pids; do while grep -qs '^State:.[^ZX]' /proc/$p/status; do sleep 0.01; done; done`,
    );
  const killKeeper = (name: string) => kill(`cut -f1 ${folder(name)}/keeper.pid`);
  /** How many processes of a kind there are. */
  const count = async (comm: string) => Number((await at.node.exec(["pgrep", "-cx", comm])).stdout);
  /** The keepers and supervisors. */
  const keepers = () => count("keeper.sh");

  test("survives the login that started it, and every other one", async () => {
    const made = await at.create("survivor", { command: polite });
    await at.sh("pkill -KILL -f '^sshd: root' || :");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await pid("survivor")).toBe(String(pidOf(made)));
    expect((await at.read(made)).inputs).toMatchObject({ running: true });
    await at.remove(made);
    expect(await keepers()).toBe(0);
  });

  test("that is killed is missed: its containers run on, and up repairs it without leaving an orphan", async () => {
    const made = await at.create("missed", { command: polite });
    await killKeeper("missed");
    expect((await at.read(made)).inputs).toMatchObject({ running: false });
    expect(await at.sh(`cat /proc/${pidOf(made)}/comm`)).toBe("sh");
    await at.sh("rm -f /tmp/terms");
    const repaired = await at.update(made);
    expect(await at.sh("cat /tmp/terms")).toBe("got TERM");
    expect(pidOf(repaired)).not.toBe(pidOf(made));
    expect(await at.sh(`[ ! -e /proc/${pidOf(made)} ] || cat /proc/${pidOf(made)}/comm`)).toBe("");
    // One keeper and one supervisor.
    expect(await keepers()).toBe(2);
    await at.remove(repaired);
    expect(await keepers()).toBe(0);
  });

  test("that is killed with all that is its own leaves containers that up and destroy still end", async () => {
    const killAll = (name: string) =>
      kill(`for g in /sys/fs/cgroup/barepod/${name}/_keeper /sys/fs/cgroup/*/barepod/${name}/_keeper; do
        [ ! -e $g/cgroup.procs ] || cat $g/cgroup.procs; done | sort -u`);
    const made = await at.create("killed", { command: polite });
    await killAll("killed");
    expect((await at.read(made)).inputs).toMatchObject({ running: false });
    expect(await at.sh(`cat /proc/${pidOf(made)}/comm`)).toBe("sh");
    const repaired = await at.update(made);
    expect(await at.sh(`[ ! -e /proc/${pidOf(made)} ] || cat /proc/${pidOf(made)}/comm`)).toBe("");
    await killAll("killed");
    await at.remove(repaired);
    expect(await at.sh(`[ ! -e /proc/${pidOf(repaired)} ] || cat /proc/${pidOf(repaired)}/comm`)).toBe("");
    expect(await at.sh("find /sys/fs/cgroup -name '*killed*'")).toBe("");
  });

  test("whose folder is gone is ended before another one starts, and by destroy", async () => {
    const made = await at.create("lost", { command: polite, terminationGracePeriodSeconds: 0 });
    await at.sh(`rm -rf ${folder("lost")}`);
    expect((await at.read(made)).id).toBe("");
    const anew = await at.create("lost", { command: polite, terminationGracePeriodSeconds: 0 });
    expect(await keepers()).toBe(2);
    await at.sh(`rm -rf ${folder("lost")}`);
    await at.remove(anew);
    expect(await keepers()).toBe(0);
    expect(await at.sh("find /sys/fs/cgroup -name lost; ls -A /var/log")).not.toMatch(/lost|pods|containers/);
  });

  test.each([2, 4, 6, 8, 10, 15, 25, 45, 70, 100])(
    "converges when sshd is killed %i ms into a create, and up runs again",
    async (ms) => {
      const wanted = { command: ["sleep", "4242"], terminationGracePeriodSeconds: 0 };
      const first = at.create("cut-off", wanted).catch((error: Failure) => error);
      await new Promise((resolve) => setTimeout(resolve, ms));
      await at.sh("pkill -KILL -f '^sshd: root' || :");
      const outcome = await first;
      const state = outcome instanceof Error ? await at.create("cut-off", wanted) : (outcome as ProcessState);
      expect(state.containerStatuses).toMatchObject([{ state: "running" }]);
      expect(await at.sh("pgrep -fc '^sleep 4242'")).toBe("1");
      expect(await keepers()).toBe(2);
      await at.remove(state);
      expect((await at.node.exec(["pgrep", "-f", "^sleep 4242"])).stdout).toBe("");
      expect(await keepers()).toBe(0);
    },
  );

  test("that was never started is made anew, however little of its folder was written", async () => {
    const made = await at.create("half", { command: ["sleep", "4243"], terminationGracePeriodSeconds: 0 });
    const spec = `${folder("half")}/keeper.spec`;
    const size = Number(await at.sh(`wc -c < ${spec}`));
    for (const bytes of [-1, 0, 3, Math.floor(size / 2), size - 5, size - 1]) {
      await at.sh(`$(dirname $(readlink -f /var/lib/barepod/bin/*/keeper.sh | head -n 1))/keeper.sh stop ${folder("half")}
        mkdir -p /var/log/pods/theirs; cp ${spec} /tmp/spec; rm -r ${folder("half")}; mkdir -p ${folder("half")}/main
        [ ${bytes} -lt 0 ] || head -c ${bytes} /tmp/spec > ${spec}; cp /tmp/spec /tmp/whole`);
      expect((await at.read(made)).inputs).toMatchObject({ running: false });
      const again = await at.update(made);
      expect(again.containerStatuses).toMatchObject([{ state: "running" }]);
      expect(await at.sh(`cmp /tmp/whole ${spec}; pgrep -fc '^sleep 4243'; ls /var/log/pods`)).toMatch(
        /^1\n.*\ntheirs$/,
      );
    }
    await at.sh("rmdir /var/log/pods/theirs; rm /tmp/spec /tmp/whole");
    await at.remove(made);
    expect(await keepers()).toBe(0);
  });

  test("does not start a container with half of its configuration on a full disk", async () => {
    await at.sh("mkdir -p /run/barepod/process && mount -t tmpfs -o size=128k,mode=755 full /run/barepod/process");
    const made = await at.create("full", { command: ["sleep", "777"], terminationGracePeriodSeconds: 0 });
    await at.sh(
      `: > ${folder("full")}/main/run; dd if=/dev/zero of=/run/barepod/process/filler bs=1k 2>/dev/null || :`,
    );
    await at.sh(`kill -KILL ${pidOf(made)}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await at.read(made)).inputs).toMatchObject({ running: false });
    expect((await at.node.exec(["pgrep", "-f", "^sleep 777"])).stdout).toBe("");
    await at.sh("rm /run/barepod/process/filler");
    const repaired = await at.update(made);
    expect(repaired).toMatchObject({ phase: "Running" });
    await at.remove(repaired);
    await at.sh("umount /run/barepod/process; rm -rf /run/barepod/process");
  });

  test("says why when the log cannot be written", async () => {
    await at.sh("mkdir -p /var/log/pods /tmp/ro && mount -t tmpfs -o ro none /var/log/pods");
    expect(await at.fail("unwritable", { command: polite })).toMatch(
      /could not be started: folder: cannot make \/var\/log\/pods\/default_unwritable_.*: read-only file system$/,
    );
    await at.sh("umount /var/log/pods; rmdir /var/log/pods /tmp/ro");
  });

  test("keeps many at once: twenty pods", async () => {
    // Numbers are given in order, in the node's own PID namespace.
    const forks = async () => Number(await at.sh("cat /proc/sys/kernel/ns_last_pid"));
    const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    const before = await forks();
    const began = performance.now();
    const made = await Promise.all(
      names.map((name) => at.create(name, { command: ["sleep", "1000"], hostNamespaces: ["pid"] })),
    );
    const started = performance.now();
    const between = await forks();
    for (const state of made) expect(state.phase).toBe("Running");
    const ending = performance.now();
    await Promise.all(made.map((state) => at.remove(state)));
    console.log(
      `20 pods: created in ${(started - began).toFixed(0)} ms with ${((between - before) / 20).toFixed(0)} processes each, removed in ${(performance.now() - ending).toFixed(0)} ms`,
    );
    expect(await keepers()).toBe(0);
    expect((between - before) / 20).toBeLessThan(80);
    expect(await at.sh("ls -A /run/barepod /var/lib/barepod /var/log")).not.toMatch(/process|made|pods|containers/);
  });

  describe.each(["busybox", "bash"])("where sh is %s", (program) => {
    beforeAll(async () => {
      // Whatever runs by `sh` at this moment keeps the one that it has.
      await at.sh(`ln -s $(command -v ${program}) /usr/bin/sh.new; mv -f /usr/bin/sh.new /usr/bin/sh`);
      await at.sh("pkill -KILL -f '^sshd: root' || :");
    });
    afterAll(async () => {
      await at.sh("ln -s dash /usr/bin/sh.new; mv -f /usr/bin/sh.new /usr/bin/sh");
    });

    test("starts, restarts, moves, ends gracefully, and is missed when it is killed", async () => {
      const group = await at.cgroups.create({ path: "elsewhere", pidsMax: 1000 });
      const made = await at.create("other", { command: polite, containers: undefined });
      expect(await at.sh(`readlink /proc/$(cut -f1 ${folder("other")}/keeper.pid)/exe`)).toMatch(
        new RegExp(`/${program}$`),
      );
      const sizes = await at.sh(
        `for p in $(pgrep -x keeper.sh); do sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' /proc/$p/smaps_rollup; done`,
      );
      console.log(`PSS of keeper and supervisor, where sh is ${program}: ${sizes.split("\n").join(" + ")} KB`);
      await at.sh(`rm -f /tmp/terms; kill -KILL ${pidOf(made)}`);
      await at.until(`[ -e ${folder("other")}/main/restarts ] && grep -q ^running ${folder("other")}/main/status`);
      const { props } = await at.read(made);
      expect(props).toMatchObject({ containerStatuses: [{ restartCount: 1, lastExitCode: 137, lastReason: "Error" }] });
      const moved = await at.update(props as ProcessState, { cgroup: "elsewhere", restartPolicy: "OnFailure" });
      expect(moved).toMatchObject({ containerStatuses: [{ restartCount: 1, state: "running" }] });
      expect(await at.sh(`cat /proc/${pidOf(moved)}/cgroup`)).toContain("/elsewhere");
      await killKeeper("other");
      expect((await at.read(moved)).inputs).toMatchObject({ running: false });
      const repaired = await at.update(moved);
      expect(await at.sh("cat /tmp/terms")).toBe("got TERM");
      expect(await keepers()).toBe(2);
      const began = Date.now();
      await at.remove(repaired);
      expect(Date.now() - began).toBeLessThan(5000);
      expect(await at.sh("cat /tmp/terms; rm /tmp/terms")).toBe("got TERM\ngot TERM");
      expect(await keepers()).toBe(0);
      await at.cgroups.remove(group);
    });

    test("tells at once of what fails", async () => {
      expect(await at.fail("fails", { command: shell("echo why; exit 7") })).toMatch(
        /ended with exit code 7, 2 times\n.*\n {4}why/,
      );
      expect(await at.fail("fails", { command: ["nope"] })).toMatch(
        /could not be started: exec: "nope": not found in PATH$/,
      );
      expect(await keepers()).toBe(0);
    });
  });

  test("puts a container's group below the one with the limits where cgroup v2 is alone, and moves it", async () => {
    const isHybrid = (await at.node.exec(["test", "-e", "/sys/fs/cgroup/unified/cgroup.controllers"])).code === 0;
    if (isHybrid) await at.sh("mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup");
    const groups = [await at.cgroups.create({ path: "v2/one" }), await at.cgroups.create({ path: "v2/two" })];
    const made = await at.create("two", {
      command: shell("sleep 1000 & exec sleep 1001"),
      cgroup: "v2/one",
      terminationGracePeriodSeconds: 0,
    });
    expect(await at.sh("cat /sys/fs/cgroup/v2/one/barepod.two.main/cgroup.procs | wc -l")).toBe("2");
    expect(await at.sh(`[ /proc/1/ns/cgroup -ef /proc/${pidOf(made)}/ns/cgroup ] || echo own`)).toBe("own");
    const moved = await at.update(made, { cgroup: "v2/two" });
    expect(pidOf(moved)).toBe(pidOf(made));
    expect(
      await at.sh(
        "ls -d /sys/fs/cgroup/v2/*/barepod*; cat /sys/fs/cgroup/v2/two/barepod.two.main/cgroup.procs | wc -l",
      ),
    ).toBe("/sys/fs/cgroup/v2/two/barepod.two.main\n2");
    await at.cgroups.remove(groups[0] as never);
    const { cgroup: _, ...without } = moved;
    const free = await at.update(without as ProcessState);
    expect(await at.sh("cat /sys/fs/cgroup/barepod/two/main/cgroup.procs | wc -l")).toBe("2");
    await at.cgroups.remove(groups[1] as never);
    expect(await at.fail("none", { command: polite, cgroup: "v2/one" })).toContain(
      "the control group v2/one is not there",
    );
    await at.remove(free);
    expect(await at.sh("find /sys/fs/cgroup -name 'barepod*' -o -name v2")).toBe("");
    if (isHybrid) await at.sh("umount /sys/fs/cgroup");
  });

  test("ends all that a container has started where no control group can be killed as a whole: v1 alone", async () => {
    const isHybrid = (await at.node.exec(["test", "-e", "/sys/fs/cgroup/unified/cgroup.controllers"])).code === 0;
    if (!isHybrid) return;
    await at.sh("umount /sys/fs/cgroup/unified");
    const made = await at.create("one", {
      command: shell(
        "for i in 1 2 3 4 5; do (while :; do sleep 0.001; done) & done; trap 'exit 0' TERM; while :; do sleep 0.02; done",
      ),
      hostNamespaces: ["pid"],
    });
    expect(await at.sh("ls -d /sys/fs/cgroup/*/barepod/one/main")).toBe("/sys/fs/cgroup/freezer/barepod/one/main");
    await at.remove(made);
    expect(await at.sh("find /sys/fs/cgroup -name 'barepod*'; pgrep -f 'sleep 0.00[1]' || :")).toBe("");
  });

  test("runs again after a reboot, from the boot journal alone", async () => {
    // A Node puts this there.
    await at.node.exec(["sh", "-c", "cat > /var/lib/barepod/boot.sh; chmod +x /var/lib/barepod/boot.sh"], {
      stdin: bootScript,
    });
    const made = await at.create("booted", {
      command: shell("echo up; exec sleep 1000"),
      terminationGracePeriodSeconds: 0,
    });
    await at.node.restart();
    await at.until(`grep -q ^running ${folder("booted")}/main/status`);
    const { inputs, props } = await at.read(made);
    expect(inputs).toMatchObject({ running: true });
    expect((props as ProcessState).containerStatuses).toMatchObject([{ state: "running", restartCount: 1 }]);
    expect(await at.log(made)).toEqual(["stdout F up", "stdout F up"]);
    expect((await at.update(made)).containerStatuses).toMatchObject([{ restartCount: 1 }]);
    await at.remove(made);
    await at.node.restart();
    expect(await at.sh("ls -A /run /var/lib/barepod/boot.d 2>/dev/null || :")).not.toContain("booted");
    expect(await keepers()).toBe(0);
  });
});
