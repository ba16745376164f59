import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Box, configText, type Directive, launcher, reasonToSkip, until } from "./box";

describe.skipIf(reasonToSkip())("launcher exec", () => {
  let box: Box;
  let held: Awaited<ReturnType<Box["start"]>> | undefined;
  let conf: string;
  beforeEach(() => {
    box = new Box();
  });
  afterEach(async () => {
    if (held) {
      // Without a PID namespace of its own a container outlives its launcher.
      const [, first] = /^running\t(\d+)\t/.exec(readFileSync(box.statusFile, "utf8")) ?? [];
      for (const pid of [held.pid, ...(first === undefined ? [] : [Number(first)])]) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has ended.
        }
      }
      await held.ended;
      held = undefined;
    }
    box.close();
  });

  async function hold(directives: readonly Directive[], script = "echo ready; exec sleep 600"): Promise<string> {
    const all: Directive[] = [
      ...directives,
      ["status", box.statusFile],
      ["log", box.log],
      ["arg", "sh"],
      ["arg", "-c"],
      ["arg", script],
    ];
    conf = box.write(all);
    held = await box.start(all);
    await box.logged("ready");
    return target();
  }
  const target = () => readFileSync(box.statusFile, "utf8").split("\t").slice(1, 3).join(":");
  const exec = (process: string, seconds: number | string, ...command: string[]) =>
    spawnSync(launcher, ["exec", conf, process, String(seconds), ...command], {
      encoding: "utf8",
      input: "from outside",
    });
  const sh = (process: string, script: string) => exec(process, 20, "sh", "-c", script);

  it("is as confined as the container's own process", async () => {
    writeFileSync(join(box.root, "etc/passwd"), "app:x:1000:1001::/home/app:\n");
    writeFileSync(join(box.root, "etc/group"), "extra:x:2000:app\n");
    const id = await hold([
      ...box.isolated,
      ...["net", "ipc", "uts", "cgroup"].map((kind): Directive => ["new", kind]),
      ["hostname", "held"],
      ["mount", "x", "/mine", "tmpfs", "-", "-"],
      ["user", "app"],
      ["nonroot"],
      ["caps", "400", "400", "400", "400"],
      ["nnp"],
      ["rlimit", "nofile", 100, 200],
      ["oom_score_adj", 321],
      ["umask", "0077"],
      ["cwd", "/mine"],
      ["env", "A=1\t2"],
    ]);
    const facts =
      'hostname; pwd; umask; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; echo "$A $HOME $PATH"; ls /;' +
      "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Sig[BI])' /proc/self/status;" +
      "for n in net ipc uts cgroup mnt pid; do readlink /proc/self/ns/$n; done";
    const inside = sh(id, facts);
    expect(inside).toMatchObject({ status: 0, stderr: "" });
    expect(inside.stdout).toContain("held\n/mine\n0077\n100\n200\n321\n1\t2 /home/app /bin\n");
    expect(inside.stdout).toContain("Groups:\t1001 2000 \n");
    expect(inside.stdout).toContain("CapEff:\t0000000000000400\n");
    expect(inside.stdout).toContain("NoNewPrivs:\t1\n");
    for (const kind of ["net", "ipc", "uts", "cgroup", "mnt", "pid"])
      expect(inside.stdout).toContain(readlinkSync(`/proc/${held?.pid}/ns/${kind}`));
    // The same script as the container's own process.
    const own = box.run([
      ...readFileSync(conf, "utf8")
        .split("\n")
        .filter((line) => line && !/^(arg|log|status)\t/.test(line))
        .map((line) => line.split("\t").map((field) => field.replaceAll("\\t", "\t"))),
      ["arg", "sh"],
      ["arg", "-c"],
      ["arg", facts],
    ]);
    const withoutNamespaces = (text: string) => text.replaceAll(/^\w+:\[\d+\]\n/gm, "");
    expect(withoutNamespaces(inside.stdout)).toBe(withoutNamespaces(own.stdout));
  });

  it("has an empty standard input and no descriptor of its caller", async () => {
    const id = await hold(box.isolated);
    const leak = openSync("/etc/passwd", "r");
    const done = spawnSync(
      launcher,
      ["exec", conf, id, "20", "sh", "-c", "ls /proc/$$/fd; cat; readlink /proc/self/fd/0"],
      {
        encoding: "utf8",
        input: "from outside",
        stdio: ["pipe", "pipe", "pipe", leak],
      },
    );
    expect(done).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(/^0\n1\n2\n(pipe:\[\d+\]\n)$/) });
  });

  it("passes exit codes on, and says what it cannot run", async () => {
    const id = await hold(box.isolated);
    expect(sh(id, "exit 7").status).toBe(7);
    expect(sh(id, "kill -9 $$").status).toBe(137);
    expect(exec(id, 20, "no-such")).toMatchObject({
      status: 127,
      stderr: 'launcher: exec: "no-such": not found in PATH\n',
    });
    expect(exec(id, 20, "/etc")).toMatchObject({ status: 126 });
    // None of that is the container's own status.
    expect(readFileSync(box.statusFile, "utf8")).toMatch(/^running\t/);
    expect(sh(id, "echo out; echo err >&2")).toMatchObject({ status: 0, stdout: "out\n", stderr: "err\n" });
  });

  it("ends a command after its time, with all that it started", async () => {
    // A shell gives what it starts in the background a /dev/null.
    const id = await hold([...box.isolated, ["device", "/dev/null", "c", 1, 3, "666"]]);
    const done = exec(id, "0.3", "sh", "-c", "echo begun; sleep 1234 & sleep 1234");
    expect(done).toMatchObject({
      status: 124,
      stdout: "begun\n",
      stderr: "launcher: exec: the command did not end within 0.3 seconds\n",
    });
    await until(() => !sh(id, "ps").stdout.includes("sleep 1234"));
    expect(exec(id, 0, "sleep", "0.1").status).toBe(0);
  });

  it("takes its command with it when it is killed, and passes signals on", async () => {
    const id = await hold(box.isolated);
    const running = (seconds: string) => sh(id, "ps").stdout.includes(`sleep ${seconds}`);
    const start = (seconds: string) => spawn(launcher, ["exec", conf, id, "0", "sleep", seconds], { stdio: "ignore" });
    const ended = (child: ReturnType<typeof start>) =>
      new Promise<(number | string | null)[]>((resolve) => child.on("exit", (code, signal) => resolve([code, signal])));
    const killed = start("2001");
    await until(() => running("2001"));
    killed.kill("SIGKILL");
    expect(await ended(killed)).toEqual([null, "SIGKILL"]);
    await until(() => !running("2001"));
    const asked = start("2002");
    await until(() => running("2002"));
    asked.kill("SIGTERM");
    expect(await ended(asked)).toEqual([143, null]);
  });

  it("enters no process but the one that was meant", async () => {
    const id = await hold(box.isolated);
    const [pid, started] = id.split(":");
    const gone = { status: 125, stdout: "", stderr: expect.stringContaining("does not run any more") };
    expect(exec(`${pid}:${Number(started) + 1}`, 20, "true")).toMatchObject(gone);
    process.kill(Number(pid), "SIGKILL");
    await held?.ended;
    expect(exec(id, 20, "true")).toMatchObject(gone);
    for (const bad of [
      [`${pid}`, "20", "true"],
      [id, "soon", "true"],
      [id, "20"],
      ["0:0", "20", "true"],
    ])
      expect(spawnSync(launcher, ["exec", conf, ...bad]).status).toBe(125);
  });

  it("expands the environment, never the command", async () => {
    const id = await hold([...box.isolated, ["expand"], ["env", "A=1"], ["env", "B=$(A)2"]]);
    expect(exec(id, 20, "sh", "-c", 'echo "$1 $B"', "sh", "$(A) $$")).toMatchObject({ stdout: "$(A) $$ 12\n" });
  });

  it("stays the user that the container began as, whatever its /etc/passwd says now", async () => {
    const passwd = join(box.root, "etc/passwd");
    writeFileSync(passwd, "app:x:1000:1001::/home/app:\n");
    const identity = join(box.folder, "identity");
    const id = await hold([...box.isolated, ["user", "app"], ["identity", identity]]);
    writeFileSync(passwd, "app:x:0:0::/root:\n");
    expect(sh(id, "id -u; id -g; echo $HOME").stdout).toBe("1000\n1001\n/home/app\n");
    writeFileSync(identity, "1000\t1001\n");
    expect(sh(id, "id")).toMatchObject({ status: 125, stderr: expect.stringContaining("does not say who") });
  });

  it("enters a root without a mount namespace, and a container in the node's own root", async () => {
    const chrooted = await hold([
      ["root", box.root],
      ["env", "PATH=/bin"],
    ]);
    expect(sh(chrooted, "ls /").stdout).toBe("bin\ndev\netc\nproc\nsys\ntmp\n");
    process.kill(held?.pid as number, "SIGKILL");
    await held?.ended;
    const own = await hold([["env", "PATH=/usr/bin:/bin"]]);
    expect(sh(own, `cat ${join(box.root, "../status")}`).stdout).toMatch(/^running\t/);
  });

  it("gives the container no glimpse of the launcher", async () => {
    const watch = "for p in /proc/[0-9]*; do readlink $p/exe; ls -l $p/fd/; done 2>/dev/null";
    const id = await hold(
      [...box.isolated, ["caps", "a80425fb", "a80425fb", "0", "0"]],
      `echo ready; while [ ! -e /tmp/stop ]; do ${watch}; done > /tmp/seen; echo done`,
    );
    for (let i = 0; i < 30; i++) expect(exec(id, 20, "/bin/true").status).toBe(0);
    writeFileSync(join(box.root, "tmp/stop"), "");
    await box.logged("done");
    const seen = readFileSync(join(box.root, "tmp/seen"), "utf8");
    expect(seen).toContain("/bin/busybox\n");
    expect(seen).not.toContain("launcher");
    expect(seen).not.toContain(box.folder);
  });

  it("needs no log and no arg in the configuration, and takes several files", async () => {
    const id = await hold(box.isolated);
    const second = join(box.folder, "second");
    writeFileSync(conf, configText(box.isolated.filter(([word]) => word !== "env")));
    writeFileSync(second, configText([["env", "PATH=/bin"]]));
    const done = spawnSync(launcher, ["exec", conf, second, id, "20", "echo", "both"], { encoding: "utf8" });
    expect(done).toMatchObject({ status: 0, stdout: "both\n", stderr: "" });
  });

  it("offers no way out through a working directory among its descriptors", async () => {
    const id = await hold(box.isolated);
    for (let fd = 3; fd < 24; fd++) {
      writeFileSync(conf, configText([...box.isolated, ["cwd", `/proc/self/fd/${fd}`]]));
      // 3 is the pipe to the launcher, which is no folder.
      expect(sh(id, "pwd")).toMatchObject({
        status: 125,
        stderr: expect.stringMatching(/cwd: .*(no such file|not a directory)/),
      });
    }
  });

  const hierarchies = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"].filter((path) =>
    existsSync(join(path, "cgroup.procs")),
  );
  it.skipIf(!hierarchies.length)("is in the container's cgroups", async () => {
    const folders = hierarchies.map((path) => join(path, `barepod-test-exec-${process.pid}`));
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    try {
      const id = await hold([...box.isolated, ["new", "cgroup"], ...folders.map((folder) => ["cgroup", folder])]);
      for (const line of sh(id, "cat /proc/self/cgroup").stdout.trim().split("\n"))
        expect(line).not.toContain("barepod-test");
      const count = (folder: string) => readFileSync(join(folder, "cgroup.procs"), "utf8").trim().split("\n");
      const before = count(folders[0] as string).length;
      const child = spawn(launcher, ["exec", conf, id, "0", "sleep", "600"], { stdio: "ignore" });
      await until(() => folders.every((folder) => count(folder).length === before + 1));
      for (const folder of folders) expect(count(folder).map(Number)).not.toContain(child.pid);
      child.kill("SIGKILL");
    } finally {
      process.kill(held?.pid as number, "SIGKILL");
      await until(() => folders.every((folder) => !readFileSync(join(folder, "cgroup.procs"), "utf8")));
      for (const folder of folders) rmdirSync(folder);
    }
  });
});
