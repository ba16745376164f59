import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Box, configText, launcher, reasonToSkip, until } from "./box";

describe.skipIf(reasonToSkip())("what the launcher makes on the node before a process starts", () => {
  let box: Box;
  beforeEach(() => {
    box = new Box();
  });
  afterEach(() => box.close());

  it("is folders with their parents, open to all whatever the umask, and a link to the log", () => {
    const [deep, link] = [join(box.folder, "a/b/c"), join(box.folder, "link")];
    symlinkSync("/nowhere", link);
    const directives = [
      ["folder", deep],
      ["folder", box.folder],
      ["link", link],
      ["arg", "true"],
    ];
    expect(box.run([...box.isolated, ...directives], { prefix: ["sh", "-c", 'umask 077; exec "$@"', "sh"] }).code).toBe(
      0,
    );
    for (const path of ["a", "a/b", "a/b/c"]) expect(statSync(join(box.folder, path)).mode & 0o7777).toBe(0o755);
    expect(readlinkSync(link)).toBe(box.log);
    expect(statSync(box.log).mode & 0o777).toBe(0o600);
  });

  it("names the folder or the link that cannot be made", () => {
    const file = join(box.folder, "file");
    writeFileSync(file, "");
    for (const path of [file, `${file}/x`])
      expect(
        box.run([
          ["folder", path],
          ["arg", "true"],
        ]),
      ).toMatchObject({
        code: 125,
        status: ["failed", "folder", expect.stringContaining(`cannot make ${file}: `), expect.anything()],
      });
    expect(
      box.run([
        ["link", box.folder],
        ["arg", "true"],
      ]),
    ).toMatchObject({
      code: 125,
      status: ["failed", "link", expect.stringContaining(`${box.folder}: `), expect.anything()],
    });
  });

  it("may stand in several files, which count as one", () => {
    const write = (name: string, text: string) => {
      writeFileSync(join(box.folder, name), text);
      return join(box.folder, name);
    };
    const more = write(
      "more",
      configText([
        ["status", box.statusFile],
        ["log", box.log],
      ]),
    );
    const run = (...files: string[]) => spawnSync(launcher, ["run", ...files], { encoding: "utf8" });
    // The last line of a file ends with it, with its newline or without.
    expect(run(write("first", "arg\tsh\narg\t-c\narg\texit 3"), more).status).toBe(3);
    expect(run(write("first", "arg\ttrue\nlog\t/x\n"), more)).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("first: line 4: log is given twice"),
    });
    expect(run(write("first", "arg\ttrue\n"), join(box.folder, "none")).stderr).toContain("none: no such file");
    expect(run(write("first", "arg\ttrue\n"), write("big", `arg\t${"x".repeat((1 << 20) - 10)}`)).stderr).toContain(
      "big: more than 1048576 bytes",
    );
    // Without its end, where the log stands, nothing is done.
    expect(run(write("first", "arg\ttrue\n"), write("cut", "new\tpid\n")).stderr).toContain("there is no log");
  });
});

describe.skipIf(reasonToSkip())("launcher detach", () => {
  let box: Box;
  beforeEach(() => {
    box = new Box();
  });
  afterEach(() => box.close());

  const hierarchies = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup"].filter((path) =>
    existsSync(join(path, "cgroup.procs")),
  );
  it.skipIf(!hierarchies.length).each(hierarchies)(
    "starts a program in a group of its own in %s, in a session of its own, with three descriptors",
    async (hierarchy) => {
      const parent = join(hierarchy, `barepod-test-detach-${process.pid}`);
      const group = join(parent, "group");
      const said = join(box.folder, "said");
      let pid = 0;
      try {
        const command = [launcher, "detach", group, "/bin/sleep", "1000"];
        const done = spawnSync("sh", ["-c", 'exec "$@" 7</etc/passwd 2> "$0" </dev/null', said, ...command], {
          encoding: "utf8",
        });
        pid = Number(done.stdout);
        expect(done).toMatchObject({ status: 0, stdout: `${pid}\n` });
        await until(() => readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n");
        expect(readFileSync(join(group, "cgroup.procs"), "utf8")).toBe(`${pid}\n`);
        // Field 6 is the session.
        expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[5]).toBe(String(pid));
        // While it is being loaded, a program opens its libraries.
        const descriptors = () => {
          try {
            return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
          } catch {
            return [];
          }
        };
        await until(() => descriptors().join() === ["/dev/null", said, said].join());
      } finally {
        if (pid > 0) process.kill(pid, "SIGKILL");
        await until(() => !existsSync(group) || readFileSync(join(group, "cgroup.procs"), "utf8") === "");
        for (const path of [group, parent]) if (existsSync(path)) rmdirSync(path);
      }
    },
  );

  it("says what fails: the group, and the program", async () => {
    const run = (...args: string[]) => spawnSync(launcher, ["detach", ...args], { encoding: "utf8" });
    expect(run("group", "/bin/true")).toMatchObject({ status: 125, stderr: expect.stringContaining("absolute path") });
    expect(run("/proc/none/group", "/bin/true")).toMatchObject({
      status: 125,
      stderr: "launcher: folder: cannot make /proc/none: no such file or directory\n",
    });
    expect(run("/proc").status).toBe(125);
    // No control group: the program is not started outside of it.
    mkdirSync(join(box.folder, "group"));
    expect(run(join(box.folder, "group"), "/bin/touch", join(box.folder, "touched")).stderr).toContain("cgroup.procs");
    expect(existsSync(join(box.folder, "touched"))).toBe(false);
  });
});
