import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Command, render } from "../../provider/command/command";
import { makeFolder, makeMountPoint, parentOf, refuseLinks, removeFolder } from "../../provider/command/folders";

let root = "";
let list = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "barepod-folders-"));
  list = join(root, "state", "made");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs it with a list of the test's own in place of the node's. */
function run(...commands: Command[]): { code: number | null; error: string } {
  const text = commands.map((command) => render(command, { reveal: true })).join(" && ");
  const { status, stderr } = spawnSync("sh", ["-s"], { input: text.replaceAll("/var/lib/barepod/made", list) });
  return { code: status, error: stderr.toString("utf8") };
}
const at = (path: string) => join(root, path);
const made = () => (existsSync(list) ? readFileSync(list, "utf8").split("\n").filter(Boolean) : []);

describe("folders on the way to something", () => {
  test("are made as far as they are missing, and go with the last thing in them", () => {
    mkdirSync(at("there"));
    expect(run(makeFolder(at("there/a/b")), makeFolder(at("there/a/c")))).toEqual({ code: 0, error: "" });
    expect(made().sort()).toEqual([at("there/a"), at("there/a/b"), at("there/a/c")]);
    run(removeFolder(at("there/a/b")));
    expect([existsSync(at("there/a/b")), existsSync(at("there/a"))]).toEqual([false, true]);
    run(removeFolder(at("there/a/c")));
    expect([existsSync(at("there/a")), existsSync(at("there")), made()]).toEqual([false, true, []]);
    expect(existsSync(list)).toBe(false);
  });

  test("that somebody else made, or that are not empty, stay", () => {
    mkdirSync(at("mine"));
    run(makeFolder(at("mine")), removeFolder(at("mine")));
    expect(existsSync(at("mine"))).toBe(true);
    run(makeFolder(at("used/inner")));
    writeFileSync(at("used/file"), "x");
    run(removeFolder(at("used/inner")));
    expect([existsSync(at("used/inner")), existsSync(at("used/file"))]).toEqual([false, true]);
  });

  test("are forgotten when somebody removed them", () => {
    run(makeFolder(at("gone/inner")));
    rmSync(at("gone"), { recursive: true });
    expect(run(removeFolder(at("gone/inner"))).code).toBe(0);
    expect(made()).toEqual([]);
  });

  test("stay known when the list of them cannot be written anew", () => {
    run(makeFolder(at("one/two")), makeFolder(at("other")));
    // Where the new list would go: what a full disk is to the shell.
    symlinkSync("/dev/full", `${list}.new`);
    run(removeFolder(at("one/two")));
    expect(made()).toContain(at("other"));
    expect(run(removeFolder(at("one/two")), removeFolder(at("other"))).code).toBe(0);
    expect([existsSync(at("one")), existsSync(at("other")), made()]).toEqual([false, false, []]);
  });

  test("may be called anything", () => {
    const path = at("a 'b' $(id)/*\\/[x] -n");
    expect(run(makeFolder(path))).toEqual({ code: 0, error: "" });
    expect(existsSync(path)).toBe(true);
    run(removeFolder(path));
    expect([existsSync(parentOf(path)), made()]).toEqual([false, []]);
  });
});

describe("a mount point", () => {
  test("is a folder for a folder and an empty file for a file", () => {
    mkdirSync(at("folder"));
    writeFileSync(at("file"), "content");
    run(makeMountPoint(at("folder"), at("to/folder")), makeMountPoint(at("file"), at("to/file")));
    expect(readFileSync(at("to/file"), "utf8")).toBe("");
    run(removeFolder(at("to/file")), removeFolder(at("to/folder")));
    expect(existsSync(at("to"))).toBe(false);
  });

  test("that has got content since is kept", () => {
    writeFileSync(at("file"), "x");
    run(makeMountPoint(at("file"), at("to/file")));
    writeFileSync(at("to/file"), "written by somebody");
    run(removeFolder(at("to/file")));
    expect(readFileSync(at("to/file"), "utf8")).toBe("written by somebody");
  });
});

describe("a path through a symbolic link", () => {
  test("is refused by name, whether or not its end is there", () => {
    mkdirSync(at("real"));
    symlinkSync(at("real"), at("link"));
    for (const path of ["link", "link/below", "link/deep/below"])
      expect(run(refuseLinks(at(path)))).toMatchObject({ code: 1, error: expect.stringContaining("symbolic link") });
    expect(run(refuseLinks(at("link/below"))).error).toContain(at("real"));
    for (const path of ["real", "real/new", "new/new"])
      expect(run(refuseLinks(at(path)))).toEqual({ code: 0, error: "" });
  });

  test("is refused when the link leads nowhere", () => {
    symlinkSync(at("nowhere"), at("dangling"));
    expect(run(refuseLinks(at("dangling"))).code).toBe(1);
  });
});

test("the folder of a path is the one above it", () => {
  expect([parentOf("/a/b"), parentOf("/a")]).toEqual(["/a", "/"]);
});
