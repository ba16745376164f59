import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { inodeFunction } from "../../provider/facts/inode";

const shells = [["dash"], ["bash"], ["busybox", "sh"]].filter(([name]) => existsSync(`/usr/bin/${name}`));

describe.each(shells)("in %s", (...shell) => {
  const [program = "sh", ...args] = shell.filter((word) => word !== undefined);
  const inodeOf = (path: string): string =>
    execFileSync(program, [...args, "-euc", `${inodeFunction}\ninode_of "$1"\necho "$inode $mounted"`, "sh", path], {
      encoding: "utf8",
    }).trimEnd();
  const stat = (path: string): string => execFileSync("stat", ["-Lc", "%i", "--", path], { encoding: "utf8" }).trim();

  test.each(["/proc/self/ns/net", "/sys/fs/cgroup", "/proc/sys"])("the number of %s is that of stat(1)", (path) => {
    // A kernel before 5.14 does not tell it.
    expect([stat(path), ""]).toContain(inodeOf(path).split(" ")[0]);
  });

  test("a mount has a number of its own", () => {
    const [first, second] = ["/", "/proc"].map((path) => inodeOf(path).split(" ")[1]);
    expect(first).not.toBe(second);
  });

  test("what cannot be opened has none, and nothing is said", () => {
    expect(inodeOf("/proc/self/nothing")).toBe("");
  });
});
