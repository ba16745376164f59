import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sandboxObstacle } from "../harness/sandbox";
import { type Failure, ProcessNode, type ProcessState, pidOf } from "./process-node";

const obstacle = sandboxObstacle();
const shell = (line: string) => ["sh", "-c", line];
const forever = ["sleep", "1000000"];

describe.skipIf(obstacle)(`a Process${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let at: ProcessNode;
  beforeAll(async () => {
    at = await ProcessNode.start();
  });
  afterAll(async () => {
    await at[Symbol.asyncDispose]();
  });
  const { sh, create, remove, read, update, log, fail } = {
    sh: (line: string) => at.sh(line),
    create: (name: string, more: object) => at.create(name, more),
    remove: (state: object) => at.remove(state),
    read: (state: object) => at.read(state),
    update: (state: ProcessState, more?: object) => at.update(state, more),
    log: (state: { name: string }, container?: string) => at.log(state, container),
    fail: (name: string, more: object) => at.fail(name, more),
  };
  /** Runs a program to its end and gives its log. */
  const output = async (name: string, more: object): Promise<string[]> => {
    const made = await create(name, { restartPolicy: "Never", ...more });
    await at.until(`grep -q ^terminated /run/barepod/process/${name}/main/state`);
    const lines = await log(made);
    await remove(made);
    return lines;
  };

  test("runs, reads as it was declared, and leaves nothing behind", async () => {
    const before = await at.node.snapshot();
    const made = await create("hello", {
      command: shell("echo started; echo wrong >&2; exec sleep 1000"),
      terminationGracePeriodSeconds: 0,
    });
    expect(made).toMatchObject({
      phase: "Running",
      containerStatuses: [{ name: "main", state: "running", restartCount: 0 }],
    });
    expect(await sh(`tr '\\0' ' ' < /proc/${pidOf(made)}/cmdline`)).toBe("sleep 1000");
    expect(await log(made)).toEqual(["stdout F started", "stderr F wrong"]);
    expect(await sh("readlink -e /var/log/containers/hello_default_main-*.log")).toMatch(
      /^\/var\/log\/pods\/default_hello_[0-9a-f-]{36}\/main\/0\.log$/,
    );
    const { inputs } = await read(made);
    expect(inputs).toMatchObject({ name: "hello", running: true });
    const again = await update(made);
    expect(pidOf(again)).toBe(pidOf(made));
    await remove(made);
    expect((await read(made)).id).toBe("");
    await remove(made);
    expect(await at.node.snapshot()).toEqual(before);
  });

  test("starts and ends within a moment", async () => {
    const times: [number, number][] = [];
    for (let round = 0; round < 5; round += 1) {
      const began = performance.now();
      const made = await create("quick", { command: shell("trap exit TERM; while :; do sleep 0.01; done") });
      const made_ = performance.now();
      await remove(made);
      times.push([made_ - began, performance.now() - made_]);
    }
    const median = (which: 0 | 1) => times.map((each) => each[which]).sort((a, b) => a - b)[2] ?? 0;
    console.log(`create ${median(0).toFixed(0)} ms, delete ${median(1).toFixed(0)} ms (medians of 5)`);
  });

  test("costs little memory beside its containers", async () => {
    const containers = Array.from({ length: 2 }, (_, index) => ({
      name: `c${index}`,
      command: shell("head -c 3000000 /dev/zero | tr '\\0' 'x' | fold -w 100; exec sleep 1000"),
    }));
    const made = await create("memory", { containers, terminationGracePeriodSeconds: 0 });
    await at.until("[ $(cat /var/log/pods/default_memory_*/*/0.log* | wc -l) -ge 59000 ]");
    const rows =
      await sh(`for p in $(cat /sys/fs/cgroup/barepod/memory/_keeper/cgroup.procs /sys/fs/cgroup/unified/barepod/memory/_keeper/cgroup.procs 2>/dev/null); do
      echo $(cat /proc/$p/comm) $(sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' /proc/$p/smaps_rollup); done`);
    const sizes = rows.split("\n").map((row) => row.split(" ") as [string, string]);
    const sum = (comm: string) =>
      sizes.filter(([name]) => name === comm).reduce((all, [, size]) => all + Number(size), 0);
    const pumps = sizes.filter(([name]) => name === "launcher");
    console.log(
      `PSS of a pod with 2 containers: keeper and supervisors ${sum("keeper.sh")} KB, log pumps ${pumps.map(([, size]) => size).join(" and ")} KB`,
    );
    expect(sum("keeper.sh")).toBeGreaterThan(0);
    expect(sum("keeper.sh")).toBeLessThanOrEqual(1500);
    expect(pumps).toHaveLength(2);
    for (const [, size] of pumps) expect(Number(size)).toBeLessThanOrEqual(150);
    await remove(made);
  });

  describe("a failure is told by the same up, with the reason and the last lines of the log", () => {
    test.each<[string, object, RegExp]>([
      [
        "an exit code",
        { command: shell("echo one; printf 'bad \\377 byte\\n' >&2; exit 3") },
        /^container main ended with exit code 3.*\n {2}the last lines of its log:\n {4}one\n {4}bad \ufffd byte$/,
      ],
      [
        "an exit code, for good",
        { command: shell("exit 3"), restartPolicy: "Never" },
        /^container main ended with exit code 3$/,
      ],
      [
        "an exit code after a while",
        { command: shell("sleep 0.03; exit 4"), restartPolicy: "OnFailure" },
        /exit code 4, 2 times$/,
      ],
      [
        "a success that should have gone on",
        { command: ["true"] },
        /exit code 0, 2 times: with restartPolicy Always a program must keep running$/,
      ],
      [
        "a signal",
        { command: shell("kill -SEGV $$"), hostNamespaces: ["pid"], restartPolicy: "Never" },
        /exit code 139 \(SIGSEGV\)$/,
      ],
      [
        "a program that is not there",
        { command: ["no such program"] },
        /could not be started: exec: "no such program": not found in PATH$/,
      ],
      [
        "a program that cannot run",
        { command: ["/etc/passwd"] },
        /could not be started: exec: "\/etc\/passwd": permission denied$/,
      ],
      [
        "a folder that is not there",
        { command: forever, workingDir: "/no/such" },
        /could not be started: cwd: \/no\/such: /,
      ],
      ["a root that is not there", { command: forever, rootFs: "/no/such" }, /could not be started: .*\/no\/such/],
      [
        "a namespace that is not there",
        { command: forever, namespace: "/run/barepod/namespaces/none" },
        /could not be started: the namespace \/run\/barepod\/namespaces\/none is not there$/,
      ],
      [
        "a control group that is not there",
        { command: forever, cgroup: "none/such" },
        /could not be started: the control group none\/such is not there$/,
      ],
    ])("%s", async (_name, more, message) => {
      expect(await fail("failing", more)).toMatch(message);
      expect(await sh("ls -A /run/barepod; ls -A /var/log")).not.toMatch(/process|pods|containers/);
    });

    test.each<[string, object, RegExp]>([
      [
        "a pod's image",
        { pod: { namespace: "default", name: "x" } },
        /"nope": not found in PATH; add it to image: host:…,nope$/,
      ],
      ["a root file system", {}, /"nope": not found in PATH; add it to the RootFs's hostBinaries$/],
    ])("a program that is not among those of %s", async (_name, more, message) => {
      for (const overlay of [true, false]) {
        const root = await at.rootFses.create({ path: "/srv/few", hostBinaries: ["sleep"], overlay });
        expect(await fail("few", { command: ["nope"], rootFs: "/srv/few", ...more })).toMatch(message);
        await at.rootFses.remove(root);
      }
    });

    test("an OOM kill, which the limit of a CGroup brings about", async () => {
      const group = await at.cgroups.create({ path: "tiny", memoryMax: "20Mi" });
      const eat = ["tail", "/dev/zero"];
      const message = await fail("oom", {
        command: eat,
        cgroup: "tiny",
        restartPolicy: "Never",
        hostNamespaces: ["pid"],
      });
      expect(message).toMatch(
        /^container main was killed because it used more memory than its limit \(OOMKilled, exit code 137\)/,
      );
      await at.cgroups.remove(group);
    });

    test("several containers: each that failed is named, and the others run", async () => {
      const containers = [
        { name: "good", command: forever },
        { name: "bad", command: shell("exit 1") },
        { name: "spec", command: ["nope"] },
      ];
      const failure = (await create("several", { containers, terminationGracePeriodSeconds: 0 }).catch(
        (error: Failure) => error,
      )) as Failure;
      expect(failure.reasons?.[0]).toMatch(
        /^container bad ended with exit code 1.*\ncontainer spec could not be started: /,
      );
      expect(await sh("cat /run/barepod/process/several/good/status")).toMatch(/^running/);
      await remove(failure.properties as object);
    });
  });

  test("skipAwait returns at once, and a later refresh shows what became of it", async () => {
    const made = await create("skipped", { command: shell("exit 1"), skipAwait: true });
    expect((await read(made)).inputs).toMatchObject({ running: false });
    await remove(made);
  });

  test("timeoutSeconds ends the wait for what does not come, and the next up goes on", async () => {
    // What enters a frozen group stands still: the launcher's child, before its program begins.
    const frozen = "/sys/fs/cgroup/freezer/frozen";
    await sh(`mkdir ${frozen}; echo FROZEN > ${frozen}/freezer.state`);
    const made = { command: forever, cgroup: "frozen", terminationGracePeriodSeconds: 0 };
    const failure = await create("stuck", { ...made, timeoutSeconds: 2 }).catch((error: Failure) => error);
    expect(failure).toMatchObject({ reasons: ["not ready after 2 s: waiting for main to start"] });
    await sh(`echo THAWED > ${frozen}/freezer.state`);
    const now = await update((failure as Failure).properties as never);
    expect(now.containerStatuses).toMatchObject([{ state: "running", restartCount: 0 }]);
    await remove(now);
    await sh(`rmdir ${frozen}`);
  });

  describe("the restart policy", () => {
    const counting = shell(
      "n=$(cat /tmp/count 2>/dev/null || echo 0); echo $((n + 1)) > /tmp/count; exit $(( n < 1 ))",
    );
    const count = () => sh("cat /tmp/count; rm /tmp/count");

    test("Always starts again at once, then waits with CrashLoopBackOff", async () => {
      const made = await create("always", { command: shell("exit 5"), skipAwait: true });
      await at.until("grep -q CrashLoopBackOff /run/barepod/process/always/main/state");
      const { props } = await read(made);
      expect((props as ProcessState).containerStatuses).toEqual([
        {
          name: "main",
          state: "waiting",
          reason: "CrashLoopBackOff",
          ready: false,
          restartCount: 1,
          lastExitCode: 5,
          lastReason: "Error",
        },
      ]);
      expect(props).toMatchObject({ phase: "Running" });
      expect(await sh("ls /var/log/pods/default_always_*/main")).toBe("0.log\n1.log");
      const began = Date.now();
      await remove(made);
      expect(Date.now() - began).toBeLessThan(5000);
    });

    test("OnFailure starts a failed program again, and leaves a completed one alone", async () => {
      const made = await create("on-failure", { command: counting, restartPolicy: "OnFailure" });
      expect(made).toMatchObject({
        phase: "Succeeded",
        containerStatuses: [{ state: "terminated", reason: "Completed", restartCount: 1 }],
      });
      expect((await read(made)).inputs).toMatchObject({ running: true });
      expect(await update(made)).toMatchObject({ phase: "Succeeded" });
      expect(await count()).toBe("2");
      await remove(made);
    });

    test("changes in place, for what is running already", async () => {
      const made = await create("policy", {
        command: forever,
        hostNamespaces: ["pid"],
        terminationGracePeriodSeconds: 0,
      });
      const changed = await update(made, { restartPolicy: "Never", terminationGracePeriodSeconds: 1 });
      expect(pidOf(changed)).toBe(pidOf(made));
      expect((await read(made)).inputs).toMatchObject({ restartPolicy: "Never", terminationGracePeriodSeconds: 1 });
      await sh(`kill -9 ${pidOf(made)}`);
      await at.until("grep -q '^terminated Error' /run/barepod/process/policy/main/state");
      expect((await read(changed)).inputs).toMatchObject({ running: true });
      expect((await read(changed)).props).toMatchObject({
        phase: "Failed",
        containerStatuses: [{ lastExitCode: 137, lastReason: "Error" }],
      });
      await remove(changed);
    });
  });

  describe("the end", () => {
    const trapping = shell("trap 'echo got TERM; sleep 0.1; exit 0' TERM; echo ready; while :; do sleep 0.01; done");

    test("is TERM to each first process, and waits for the last", async () => {
      const made = await create("graceful", {
        containers: [
          {
            name: "one",
            command: shell(
              "trap 'echo got TERM > /tmp/one; sleep 0.1; echo done >> /tmp/one; exit 0' TERM; while :; do sleep 0.01; done",
            ),
          },
          { name: "two", command: shell("trap 'echo got TERM > /tmp/two; exit 0' TERM; while :; do sleep 0.01; done") },
        ],
      });
      const began = Date.now();
      await remove(made);
      expect(Date.now() - began).toBeLessThan(5000);
      expect(await sh("cat /tmp/one /tmp/two; rm /tmp/one /tmp/two")).toBe("got TERM\ndone\ngot TERM");
    });

    test("takes the whole grace period from a first process without a handler, then kills all", async () => {
      const made = await create("stubborn", {
        command: shell("sleep 1000 & exec sleep 1000"),
        terminationGracePeriodSeconds: 1,
      });
      const began = Date.now();
      await remove(made);
      expect(Date.now() - began).toBeGreaterThanOrEqual(1000);
      expect((await at.node.exec(["pgrep", "-x", "sleep"])).stdout).toBe("");
    });

    test("of a container takes its other processes with it, where they share the node's PID namespace", async () => {
      await output("with-children", { command: shell("setsid sleep 1234 & exit 0"), hostNamespaces: ["pid"] });
      expect((await at.node.exec(["pgrep", "-f", "sleep 1234"])).stdout).toBe("");
    });

    test("says which processes do not end, and ends them later", async () => {
      const made = await create("stuck", {
        command: forever,
        hostNamespaces: ["pid"],
        terminationGracePeriodSeconds: 0,
      });
      const freezer = "/sys/fs/cgroup/freezer/stuck";
      if ((await at.node.exec(["test", "-e", "/sys/fs/cgroup/freezer/freezer.state"])).code !== 0) {
        if ((await at.node.exec(["mkdir", freezer])).code !== 0) return remove(made);
      } else await sh(`mkdir ${freezer}`);
      await sh(`echo ${pidOf(made)} > ${freezer}/cgroup.procs; echo FROZEN > ${freezer}/freezer.state`);
      await expect(remove(made)).rejects.toThrow(
        `processes that do not end, although they were killed, are in the control group`,
      );
      await expect(remove(made)).rejects.toThrow(`${pidOf(made)} (sleep)`);
      await sh(`echo THAWED > ${freezer}/freezer.state`);
      await remove(made);
      await sh(`rmdir ${freezer}; [ ! -e /run/barepod/process ]`);
    });

    test("comes also when root, namespace and log are gone already", async () => {
      const box = await at.rootFses.create({ path: "/srv/gone", hostBinaries: ["sleep"] });
      await sh("mkdir -p /run/gone; for t in net uts; do : > /run/gone/$t; unshare --$t=/run/gone/$t true; done");
      const made = await create("gone", {
        command: forever,
        rootFs: "/srv/gone",
        namespace: "/run/gone",
        terminationGracePeriodSeconds: 0,
      });
      await sh("umount /run/gone/*; rm -rf /run/gone /srv/gone/* /var/log/pods /var/log/containers");
      await remove(made);
      await at.rootFses.remove(box);
      expect((await at.node.exec(["pgrep", "-x", "sleep"])).stdout).toBe("");
    });

    test("of what is in the log shows in the log", async () => {
      const made = await create("last-words", { command: trapping, restartPolicy: "Never" });
      await sh(`kill -TERM ${pidOf(made)}`);
      await at.until("grep -q terminated /run/barepod/process/last-words/main/state");
      expect(await log(made)).toEqual(["stdout F ready", "stdout F got TERM"]);
      await remove(made);
    });
  });

  describe("its surroundings", () => {
    const box = "/srv/box";
    let rootFs: object;
    beforeAll(async () => {
      rootFs = await at.rootFses.create({
        path: box,
        hostBinaries: [
          "sh",
          "sleep",
          "cat",
          "ls",
          "id",
          "stat",
          "touch",
          "readlink",
          "mkdir",
          "ps",
          "grep",
          "env",
          "setpriv",
        ],
      });
    });
    afterAll(async () => {
      await at.rootFses.remove(rootFs as never);
    });

    test("are the chapter's, one after the other: all of the node's, then processes and network of its own", async () => {
      const look = shell(
        "echo pid $$; readlink /proc/self/ns/net; readlink /proc/self/ns/uts; ps -e -o comm= | grep -c .",
      );
      const all = ["net", "uts", "ipc", "pid", "mnt", "cgroup"];
      const node = (await sh("readlink /proc/1/ns/net /proc/1/ns/uts; ps -e | grep -c .")).split("\n");
      const shared = await output("shared", { command: look, hostNamespaces: all });
      expect(shared[0]).not.toBe("stdout F pid 1");
      expect(shared.slice(1, 3)).toEqual(node.slice(0, 2).map((line) => `stdout F ${line}`));
      const own = await output("own", { command: look, hostNamespaces: ["uts", "ipc", "cgroup"] });
      expect(own[0]).toBe("stdout F pid 1");
      expect(own[1]).not.toBe(`stdout F ${node[0]}`);
      expect(own[2]).toBe(`stdout F ${node[1]}`);
      expect(own[3]).toMatch(/^stdout F [34]$/);
      const rooted = await output("rooted", {
        command: shell("echo pid $$; ls /; mkdir /made"),
        rootFs: box,
        hostNamespaces: all,
      });
      expect(rooted[0]).not.toBe("stdout F pid 1");
      expect(rooted).not.toContain("stdout F srv");
      expect(await sh(`ls -d ${box}/made; rmdir ${box}/made`)).toBe(`${box}/made`);
    });

    test.each<[string, string[]]>([
      ["none", []],
      ["net", ["net"]],
      ["pid", ["pid"]],
      ["pid and ipc", ["pid", "ipc"]],
      ["net, pid and mnt", ["net", "pid", "mnt"]],
    ])("share %s of the node's namespaces, and no other", async (_name, hostNamespaces) => {
      const types = ["net", "uts", "ipc", "pid", "mnt"];
      const made = await create("sharing", { command: forever, hostNamespaces, terminationGracePeriodSeconds: 0 });
      const shared = (
        await sh(
          `for t in ${types.join(" ")}; do [ /proc/1/ns/$t -ef /proc/${pidOf(made)}/ns/$t ] && echo $t || :; done`,
        )
      ).split("\n");
      expect(shared.filter((type) => type !== "")).toEqual(types.filter((type) => hostNamespaces.includes(type)));
      await remove(made);
    });

    test("are the pinned namespaces where there are pins, after a restart too", async () => {
      await sh("mkdir -p /run/pins; for t in net uts; do : > /run/pins/$t; unshare --$t=/run/pins/$t true; done");
      const made = await create("pinned", { command: forever, namespace: "/run/pins", rootFs: box });
      const check = (pid: string) =>
        sh(
          `for t in net uts; do [ /proc/${pid}/ns/$t -ef /run/pins/$t ]; done; [ ! /proc/${pid}/ns/pid -ef /proc/1/ns/pid ]`,
        );
      await check(String(pidOf(made)));
      await sh(`kill -9 ${pidOf(made)}`);
      await at.until(
        "[ -e /run/barepod/process/pinned/main/restarts ] && grep -q ^running /run/barepod/process/pinned/main/status",
      );
      await check(await sh("cut -f2 /run/barepod/process/pinned/main/status"));
      await sh("kill -9 $(cut -f2 /run/barepod/process/pinned/main/status)");
      await remove(made);
      await sh("umount /run/pins/*; rm -r /run/pins");
    });

    test("are confined as containerd confines: devices, masks, read-only paths, capabilities", async () => {
      const lines = await output("confined", {
        rootFs: box,
        command: shell(
          `ls /dev; echo hidden >&2; touch /proc/sys/kernel/domainname 2>/dev/null || echo read-only; ls /sys/firmware | grep -c . ; cat /proc/keys | grep -c .; grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/self/status; ls -l /proc/self/fd | grep -c -- '->'; readlink /proc/self/fd/0; id -u`,
        ),
      });
      const text = lines.filter((line) => line.startsWith("stdout")).map((line) => line.slice("stdout F ".length));
      expect(text.slice(0, text.indexOf("read-only"))).toEqual([
        "fd",
        "full",
        "mqueue",
        "null",
        "ptmx",
        "pts",
        "random",
        "shm",
        "stderr",
        "stdin",
        "stdout",
        "tty",
        "urandom",
        "zero",
      ]);
      expect(text.slice(text.indexOf("read-only"))).toEqual([
        "read-only",
        "0",
        "0",
        "CapEff:\t00000000a00425fb",
        "CapBnd:\t00000000a00425fb",
        "NoNewPrivs:\t0",
        expect.stringMatching(/^Seccomp:/),
        // The three standard ones, and the one that lists them.
        "4",
        "/dev/null",
        "0",
      ]);
    });

    test("are those of a user: ids, groups, no privileges, a read-only root", async () => {
      const lines = await output("user", {
        rootFs: box,
        command: shell(
          "id -u; id -g; id -G; grep -E '^(Cap(Eff|Bnd|Prm)|NoNewPrivs):' /proc/self/status; touch /x 2>/dev/null || echo read-only",
        ),
        runAsUser: 1234,
        runAsGroup: 2345,
        supplementalGroups: [7, 8],
        capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
      });
      expect(lines.map((line) => line.slice("stdout F ".length))).toEqual([
        "1234",
        "2345",
        "2345 7 8",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000400",
        "NoNewPrivs:\t1",
        "read-only",
      ]);
    });

    test("are the devices of the node for a privileged one, in a /dev of its own", async () => {
      await sh("mknod /dev/process-test c 1 3 && touch /dev/process-file");
      const lines = await output("privileged", {
        rootFs: box,
        privileged: true,
        command: shell("cd /dev; echo process-*; : > written; grep CapBnd /proc/self/status; ls /proc/keys"),
      });
      expect(lines[0]?.slice(9)).toBe("process-test");
      await sh("[ ! -e /dev/written ] && rm /dev/process-*");
      expect(lines[1]).toContain((await sh("grep CapBnd /proc/1/status")).split("\t")[1]);
    });

    test("are the folders of the node that it is given, and one of its own that goes with it", async () => {
      await sh("mkdir -p /srv/data; echo content > /srv/data/file");
      const own = "/var/lib/barepod/volumes/v/own";
      const made = await create("volumes", {
        rootFs: box,
        command: shell("cat /data/file; echo x > /data/file || echo refused; id -u > /own/written; exec sleep 1000"),
        runAsUser: 99,
        volumes: [
          { source: "/srv/data", target: "/data", readOnly: true },
          { source: own, target: "/own", ephemeral: true },
        ],
        terminationGracePeriodSeconds: 0,
      });
      await at.until(`[ -s ${own}/written ]`);
      expect(await sh(`cat ${own}/written; stat -c %a ${own}`)).toBe("99\n777");
      expect(await log(made)).toEqual(expect.arrayContaining(["stdout F content", "stdout F refused"]));
      await remove(made);
      expect(await sh("cat /srv/data/file; ls /var/lib/barepod; rm -r /srv/data")).not.toContain("volumes");
    });

    test("are removed with a busybox's rm, too", async () => {
      const own = "/var/lib/barepod/volumes/v/tree";
      await sh('ln -s "$(command -v busybox)" /usr/local/sbin/rm');
      const made = await create("plain-tools", {
        rootFs: box,
        command: shell("mkdir /own/folder; > /own/folder/.file; exec sleep 1000"),
        volumes: [{ source: own, target: "/own", ephemeral: true }],
        terminationGracePeriodSeconds: 0,
      });
      await at.until(`[ -e ${own}/folder/.file ]`);
      await remove(made);
      await sh("/bin/rm /usr/local/sbin/rm");
      expect(await sh("ls /var/lib/barepod")).not.toContain("volumes");
    });

    test("keep what somebody has mounted in a folder of its own, and say so", async () => {
      const own = "/var/lib/barepod/volumes/v/mounted";
      // On the same file system: there `rm --one-file-system` would go on.
      const theirs = "/var/lib/barepod/a place";
      const made = await create("covered", {
        rootFs: box,
        command: shell("exec sleep 1000"),
        volumes: [{ source: own, target: "/own", ephemeral: true }],
        terminationGracePeriodSeconds: 0,
      });
      await sh(
        `mkdir '${theirs}' '${own}/a place' && echo precious > '${theirs}/file' && mount --bind '${theirs}' '${own}/a place'`,
      );
      await expect(remove(made)).rejects.toThrow(`unmount it first: ${own}/a place`);
      expect(await sh(`cat '${theirs}/file'; umount '${own}/a place'`)).toBe("precious");
      await remove(made);
      expect(await sh(`rm -r '${theirs}'; ls /var/lib/barepod`)).not.toContain("volumes");
    });
  });

  describe("what it is given", () => {
    const odd = `-rf a'b"c $(touch /tmp/pwned) \`id\` \\n\n\t*é漢😀 ${"x".repeat(300)}`;

    test("is never interpreted by a shell, and arrives as it is", async () => {
      const lines = await output("odd", {
        command: ["printf", "%s|", odd, "--", "", "$HOME", "a b", "\\t"],
        env: { "ODD name$(x)": odd, EMPTY: "" },
      });
      expect(
        lines
          .map((line) => line.slice("stdout F ".length))
          .join("\n")
          .replace(/^stdout P /, ""),
      ).toBe(`${odd}|--||$HOME|a b|\\t|`);
      expect((await at.node.exec(["test", "-e", "/tmp/pwned"])).code).toBe(1);
    });

    test("may be paths of any form: working directory, root, volumes, control group, namespace", async () => {
      const name = `-o a'b"c $(touch /tmp/pwned) \\t *é漢`;
      const quoted = `'${name.replaceAll("'", "'\\''")}'`;
      await sh(
        `cd /srv; mkdir -p ./${quoted}/sub ./${quoted}/pins; : > ./${quoted}/pins/uts; unshare --uts=./${quoted}/pins/uts true`,
      );
      const cgroup = await at.cgroups.create({ path: name, pidsMax: 100 });
      const rootFs = await at.rootFses.create({ path: `/srv/${name}/root`, hostBinaries: ["sh", "sleep", "ls"] });
      const made = await create("paths", {
        command: shell("ls; exec sleep 1000"),
        rootFs: `/srv/${name}/root`,
        cgroup: name,
        namespace: `/srv/${name}/pins`,
        workingDir: `/${name}`,
        volumes: [{ source: `/srv/${name}`, target: `/${name}` }],
        terminationGracePeriodSeconds: 0,
      });
      expect(await log(made)).toEqual(["stdout F pins", "stdout F root", "stdout F sub"]);
      expect((await read(made)).inputs).toMatchObject({ cgroup: name, running: true });
      expect(
        await sh(
          `[ /proc/${pidOf(made)}/ns/uts -ef /srv/${quoted}/pins/uts ] && grep -c . /sys/fs/cgroup/pids/${quoted}/cgroup.procs 2>/dev/null || echo 1`,
        ),
      ).toBe("1");
      await remove(made);
      await at.rootFses.remove(rootFs);
      await at.cgroups.remove(cgroup);
      await sh(`cd /srv; umount ./${quoted}/pins/uts; rm -r ./${quoted}; [ ! -e /tmp/pwned ]`);
    });

    test("as a secret is in no argument list and in no readable file", async () => {
      const made = await create("secret", {
        command: forever,
        env: { TOKEN: "hunter2-hunter2" },
        runAsUser: 65534,
        terminationGracePeriodSeconds: 0,
      });
      const found = await sh(
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c 'hunter2-[h]unter2' || :",
      );
      expect(found).toBe("0");
      expect(await sh(`grep -c hunter2 /proc/${pidOf(made)}/environ`)).toBe("1");
      // For everybody but root.
      expect(
        await sh(
          'grep -rl hunter2-hunter2 /run /var/lib/barepod /var/log 2>/dev/null | while read -r f; do setpriv --reuid=65534 --clear-groups cat "$f" 2>/dev/null || :; done',
        ),
      ).toBe("");
      await remove(made);
    });
  });

  test("holds no descriptor of the login that started it", async () => {
    const made = await create("descriptors", { command: forever, terminationGracePeriodSeconds: 0 });
    const listing = await sh(`k=$(cut -f1 /run/barepod/process/descriptors/keeper.pid)
      for p in $k $(pgrep -P $k) ${pidOf(made)}; do for f in /proc/$p/fd/*; do echo "$(cat /proc/$p/comm) $(readlink $f)"; done; done`);
    const allowed =
      /^(keeper\.sh (\/dev\/null|\/run\/barepod\/process\/descriptors\/keeper\.log|\/var\/lib\/barepod\/bin\/\w+\/keeper\.sh|\/run\/barepod\/process\/descriptors\/keeper\.spec)|sleep (\/dev\/null|pipe:\[\d+\]))$/;
    expect(listing.split("\n").filter((line) => !allowed.test(line))).toEqual([]);
    const session = await sh("k=$(cut -f1 /run/barepod/process/descriptors/keeper.pid); ps -o sid= -p $k");
    expect(Number(session)).toBe(Number(await sh("cut -f1 /run/barepod/process/descriptors/keeper.pid")));
    await remove(made);
  });

  test("can be changed and removed while its containers keep changing what is seen of it", async () => {
    let made = await create("busy", { command: forever, terminationGracePeriodSeconds: 0 });
    const file = "/run/barepod/process/busy/main/restarts";
    const whileChanging = async <T>(operation: () => Promise<T>): Promise<T> => {
      const loop = `i=0; while echo $((i = i + 1)) 1<> ${file}; do :; done 2> /dev/null`;
      const changing = at.node.exec(["timeout", "1", "sh", "-c", loop]);
      await at.until(`[ "0$(cat ${file})" -gt 10 ]`);
      const result = await operation();
      await changing;
      return result;
    };
    made = await whileChanging(() => update(made, { terminationGracePeriodSeconds: 1 }));
    expect((await read(made)).inputs).toMatchObject({ terminationGracePeriodSeconds: 1 });
    await sh(`echo 0 > ${file}`);
    await whileChanging(() => remove(made));
    expect((await read(made)).id).toBe("");
  });

  test("moves into another control group in place, and out of all", async () => {
    const [one, two] = [
      await at.cgroups.create({ path: "here/one" }),
      await at.cgroups.create({ path: "there", cpusetCpus: "0" }),
    ];
    const made = await create("moving", {
      command: shell("sleep 1000 & exec sleep 1001"),
      cgroup: "here/one",
      terminationGracePeriodSeconds: 0,
    });
    const groups = async () => (await sh(`cat /proc/${pidOf(made)}/cgroup`)).split("\n");
    expect((await groups()).filter((line) => line.includes("/here/one")).length).toBeGreaterThan(0);
    const moved = await update(made, { cgroup: "there" });
    expect(pidOf(moved)).toBe(pidOf(made));
    expect((await groups()).filter((line) => line.includes("/here/one"))).toEqual([]);
    expect((await groups()).filter((line) => line.includes("/there")).length).toBeGreaterThan(0);
    expect((await read(moved)).inputs).toMatchObject({ cgroup: "there", running: true });
    await at.cgroups.remove(one);
    await expect(update(moved, { cgroup: "not/there" })).rejects.toThrow("the control group not/there is not there");
    const { cgroup: _, ...without } = moved;
    const free = await update(without as ProcessState);
    expect(pidOf(free)).toBe(pidOf(made));
    expect((await groups()).filter((line) => /there/.test(line))).toEqual([]);
    await at.cgroups.remove(two);
    await remove(free);
  });
});
