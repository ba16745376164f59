import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Box, configText, type Directive, launcher, reasonToSkip } from "./box";

describe.skipIf(reasonToSkip())("the launcher's configuration", () => {
  let box: Box;
  beforeAll(() => {
    box = new Box();
  });
  afterAll(() => box.close());

  function refuse(text: string | Buffer): string {
    const file = join(box.folder, "refused");
    writeFileSync(file, text);
    const done = spawnSync(launcher, ["run", file], { encoding: "utf8" });
    expect(done.status).toBe(125);
    return done.stderr;
  }

  const good: Directive[] = [
    ["arg", "true"],
    ["stdio", "inherit"],
  ];

  const table: { name: string; lines: Directive[]; error: string }[] = [
    { name: "an unknown directive", lines: [["rooot", "/x"]], error: 'line 1: unknown directive "rooot"' },
    { name: "an empty line", lines: [[""]], error: 'line 1: unknown directive ""' },
    { name: "a missing field", lines: [["join", "net"]], error: "line 1: join takes 2 fields, not 1" },
    { name: "a surplus field", lines: [["nnp", "x"]], error: "line 1: nnp takes 0 fields, not 1" },
    { name: "many surplus fields", lines: [["arg", ..."abcdefgh"]], error: "line 1: arg takes 1 fields, not 8" },
    { name: "a directive given twice", lines: [["nnp"], ["nnp"]], error: "line 2: nnp is given twice" },
    {
      name: "a namespace given twice",
      lines: [
        ["new", "net"],
        ["join", "net", "/x"],
      ],
      error: "line 2: namespace net is given twice",
    },
    { name: "an unknown namespace", lines: [["new", "user"]], error: 'line 1: namespace "user" must be one of' },
    { name: "a relative root", lines: [["root", "x"]], error: 'line 1: root "x" must be an absolute path' },
    { name: "the node's root as root", lines: [["root", "//"]], error: 'line 1: root must not be "/"' },
    { name: "a hostname without its namespace", lines: [["hostname", "h"]], error: 'hostname needs "new uts"' },
    {
      name: "a mount without its namespace",
      lines: [["nnp"], ["mount", "a", "/b", "tmpfs", "-", "-"]],
      error: 'line 2: mount needs "new mnt"',
    },
    {
      name: "a device without a root",
      lines: [["device", "/dev/null", "c", 1, 3, "666"]],
      error: "line 1: device needs a root",
    },
    { name: "a target that goes up", lines: [["mask", "/a/../b"]], error: 'line 1: target "/a/../b" must be' },
    { name: "the root as a target", lines: [["mask", "/"]], error: 'line 1: target "/" must be' },
    { name: "a target ending in a dot", lines: [["mask", "/a/."]], error: 'line 1: target "/a/." must be' },
    {
      name: "an unknown mount flag",
      lines: [["mount", "a", "/b", "tmpfs", "ro,sync", "-"]],
      error: 'line 1: mount flags "ro,sync"',
    },
    {
      name: "an empty mount flag",
      lines: [["mount", "a", "/b", "tmpfs", "ro,", "-"]],
      error: 'line 1: mount flags "ro,"',
    },
    {
      name: "an absolute path below the source of a bind mount",
      lines: [["mount", "/a", "/b", "bind", "-", "/x"]],
      error: "line 1: what of a source is mounted must be a relative path",
    },
    {
      name: "rec on another mount",
      lines: [["mount", "a", "/b", "tmpfs", "rec", "-"]],
      error: 'line 1: "rec" and "rro" are for bind mounts',
    },
    {
      name: "rro on another mount",
      lines: [["mount", "a", "/b", "tmpfs", "rro", "-"]],
      error: 'line 1: "rec" and "rro" are for bind mounts',
    },
    {
      name: "a uid out of range",
      lines: [["uid", "4294967295"]],
      error: 'line 1: uid "4294967295" must be a number between 0 and 4294967294',
    },
    { name: "a uid that is no number", lines: [["uid", "1x"]], error: 'line 1: uid "1x"' },
    { name: "a number that wraps around", lines: [["uid", "18446744073709551617"]], error: "line 1: uid" },
    { name: "groups with a hole", lines: [["groups", "1,,2"]], error: "line 1: groups must be" },
    {
      name: "a mode that is not octal",
      lines: [["device", "/d", "c", 1, 3, "8"]],
      error: 'line 1: mode "8" must be an octal number',
    },
    {
      name: "capabilities beyond 64 bits",
      lines: [["caps", "1ffffffffffffffff", 0, 0, 0]],
      error: "line 1: bounding set",
    },
    { name: "an unknown rlimit", lines: [["rlimit", "files", 1, 1]], error: 'line 1: rlimit "files" is unknown' },
    {
      name: "a soft limit above the hard",
      lines: [["rlimit", "nofile", "unlimited", 1]],
      error: "line 1: rlimit nofile: the soft limit is above",
    },
    {
      name: "an oom_score_adj out of range",
      lines: [["oom_score_adj", 1001]],
      error: 'line 1: oom_score_adj "1001" must be between',
    },
    { name: "an empty profile", lines: [["apparmor", ""]], error: 'line 1: apparmor "" must have between 1 and 4090' },
    { name: "a profile between blanks", lines: [["apparmor", "x "]], error: 'line 1: apparmor "x " must have' },
    { name: "a profile of two lines", lines: [["apparmor", "x\ny"]], error: "line 1: apparmor" },
    { name: "a profile too long", lines: [["apparmor", "x".repeat(4091)]], error: "line 1: apparmor" },
    { name: "an env without a name", lines: [["env", "=x"]], error: "line 1: env must be NAME=VALUE" },
    { name: "a relative folder", lines: [["folder", "x"]], error: 'line 1: folder "x" must be an absolute path' },
    { name: "a link without a log", lines: [["link", "/x"]], error: "link needs a log" },
    { name: "no log", lines: [["umask", "022"]], error: "" },
    { name: "rotation to nothing", lines: [["rotate", 1, 0]], error: "line 1: rotate needs at least" },
  ];
  it.each(table.filter((row) => row.error))("refuses $name and names the line", ({ lines, error }) => {
    const before = existsSync(box.statusFile);
    expect(refuse(configText([...lines, ...good]))).toContain(error);
    expect(existsSync(box.statusFile)).toBe(before);
  });

  it("refuses a NUL byte, a stray backslash, a missing arg, a missing log and a file above 1 MiB", () => {
    expect(refuse(Buffer.from("arg\ttrue\narg\ta\0b\n"))).toContain("line 2: a NUL byte");
    expect(refuse("arg\ta\\x\n")).toContain("line 1: a backslash must be followed by");
    expect(refuse("arg\ta\\")).toContain("line 1: a backslash must be followed by");
    expect(refuse("stdio\tinherit\n")).toContain("there is no arg");
    expect(refuse("arg\tx\n")).toContain("there is no log, and stdio is not inherit");
    expect(refuse(`arg\t${"x".repeat(1 << 20)}\n`)).toContain("more than 1048576 bytes");
    expect(refuse("")).toContain("there is no arg");
  });

  it("passes tabs, newlines and backslashes through its escapes", () => {
    const value = "a\tb\nc\\d\\te";
    const result = box.run([
      ["env", `V=${value}`],
      ["stdio", "inherit"],
      ["arg", "/bin/sh"],
      ["arg", "-c"],
      ["arg", 'printf %s "$V$1"'],
      ["arg", "sh"],
      ["arg", value],
    ]);
    expect(result.inherited).toBe(value + value);
  });

  it("takes a last line without a newline", () => {
    const file = join(box.folder, "last");
    writeFileSync(file, "stdio\tinherit\narg\t/bin/true");
    expect(spawnSync(launcher, ["run", file]).status).toBe(0);
  });

  it("says what it is, how it is used, and sleeps", () => {
    expect(spawnSync(launcher, ["version"], { encoding: "utf8" }).stdout).toBe("barepod launcher 1\n");
    expect(spawnSync(launcher, [], { encoding: "utf8" })).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("usage:"),
    });
    const begin = Date.now();
    expect(spawnSync(launcher, ["sleep", "0.25"]).status).toBe(0);
    expect(Date.now() - begin).toBeGreaterThanOrEqual(249);
    expect(spawnSync(launcher, ["sleep", "1h"]).status).toBe(125);
    // The largest number of seconds that Kubernetes takes: it still sleeps when it is killed.
    expect(spawnSync(launcher, ["sleep", String(2 ** 31 - 1)], { timeout: 300, killSignal: "SIGKILL" }).signal).toBe(
      "SIGKILL",
    );
  });
});
