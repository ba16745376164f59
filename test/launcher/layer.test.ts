import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { launcher, reasonToSkip } from "./box";

describe.skipIf(reasonToSkip())("launcher layer", () => {
  let folder: string;
  let tree: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "barepod-test-layer-"));
    tree = join(folder, "tree");
    mkdirSync(tree);
  });
  // Node cannot remove what lies deeper than a path.
  afterEach(() => execFileSync("rm", ["-rf", folder]));

  function files(...names: string[]): void {
    for (const name of names) {
      mkdirSync(dirname(join(tree, name)), { recursive: true });
      writeFileSync(join(tree, name), "");
    }
  }
  const convert = () => spawnSync(launcher, ["layer", tree], { encoding: "utf8" });
  const converted = () => expect(convert()).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const isWhiteout = (name: string) => {
    const found = lstatSync(join(tree, name));
    return found.isCharacterDevice() && found.rdev === 0;
  };
  const opaque = (name: string) => {
    const script =
      'import os,sys; print(os.listxattr(sys.argv[1]) and os.getxattr(sys.argv[1],"trusted.overlay.opaque").decode())';
    return execFileSync("python3", ["-c", script, join(tree, name)], { encoding: "utf8" }) === "y\n";
  };

  it("makes whiteouts and opaque folders at every depth", () => {
    files("keep", ".wh.gone", "a/b/c/.wh.gone", "a/b/.wh..wh..opq", "a/b/new", "a/.wh..wh.aufs");
    mkdirSync(join(tree, "a/.wh..wh.orph"));
    converted();
    expect(readdirSync(tree).sort()).toEqual(["a", "gone", "keep"]);
    expect(readdirSync(join(tree, "a"))).toEqual(["b"]);
    expect(readdirSync(join(tree, "a/b")).sort()).toEqual(["c", "new"]);
    expect(isWhiteout("gone")).toBe(true);
    expect(isWhiteout("a/b/c/gone")).toBe(true);
    expect([opaque("a/b"), opaque("a"), opaque(".")]).toEqual([true, false, false]);
    // Once more is no different.
    converted();
    expect(isWhiteout("gone")).toBe(true);
  });

  it("keeps what the layer itself brings under a name that it deletes", () => {
    files("file", ".wh.file", ".wh.folder", "folder/inside");
    symlinkSync("/etc", join(tree, "link"));
    files(".wh.link");
    converted();
    expect(readdirSync(tree).sort()).toEqual(["file", "folder", "link"]);
    expect(lstatSync(join(tree, "file")).isFile()).toBe(true);
    expect(opaque("folder")).toBe(true);
    expect(lstatSync(join(tree, "link")).isSymbolicLink()).toBe(true);
  });

  it("keeps a folder's time and mode", () => {
    files("a/.wh.gone", "b/x");
    chmodSync(join(tree, "a"), 0o700);
    const time = new Date("2001-02-03T04:05:06Z");
    utimesSync(join(tree, "a"), time, time);
    converted();
    expect(lstatSync(join(tree, "a")).mtime).toEqual(time);
    expect(lstatSync(join(tree, "a")).mode & 0o777).toBe(0o700);
  });

  it("is understood by overlayfs", () => {
    mkdirSync(join(folder, "lower/opaque"), { recursive: true });
    for (const name of ["gone", "stays", "opaque/old"]) writeFileSync(join(folder, "lower", name), "");
    files(".wh.gone", "opaque/.wh..wh..opq", "opaque/new");
    converted();
    // Overlay on overlay may be refused, so both lie on a tmpfs.
    const script = [
      `mount -t tmpfs x ${folder}/on`,
      `cp -a ${folder}/lower ${folder}/tree ${folder}/on/`,
      `mkdir ${folder}/on/m`,
      `mount -t overlay x -o lowerdir=${folder}/on/tree:${folder}/on/lower ${folder}/on/m`,
      `ls ${folder}/on/m ${folder}/on/m/opaque`,
    ].join(" && ");
    mkdirSync(join(folder, "on"));
    const done = spawnSync("unshare", ["-m", "sh", "-c", script], { encoding: "utf8" });
    expect(done).toMatchObject({ status: 0 });
    expect(done.stdout).toBe(`${folder}/on/m:\nopaque\nstays\n\n${folder}/on/m/opaque:\nnew\n`);
  });

  it("never leaves the layer", () => {
    const outside = join(folder, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, ".wh.victim"), "");
    symlinkSync(outside, join(tree, "link"));
    symlinkSync("..", join(tree, "up"));
    files("a/x");
    converted();
    expect(readdirSync(outside)).toEqual([".wh.victim"]);
    // The layer itself is no symlink.
    expect(spawnSync(launcher, ["layer", join(tree, "link")]).status).toBe(125);
    expect(readdirSync(outside)).toEqual([".wh.victim"]);
    for (const name of [".wh...", ".wh..", ".wh."]) {
      files(`a/${name}`);
      expect(convert()).toMatchObject({ status: 125, stderr: expect.stringContaining("there is no such whiteout: ") });
      rmSync(join(tree, "a", name));
    }
    expect([opaque("."), opaque("a"), existsSync(join(tree, "a/x"))]).toEqual([false, false, true]);
  });

  it("refuses a whiteout that is a folder, and another file system inside", () => {
    mkdirSync(join(tree, ".wh.folder"));
    expect(convert()).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("cannot remove it: is a directory: "),
    });
    rmSync(tree, { recursive: true });
    mkdirSync(join(tree, "on"), { recursive: true });
    const script = `mount -t tmpfs x ${tree}/on && touch ${tree}/on/.wh.x && ${launcher} layer ${tree}; echo $?; ls -A ${tree}/on`;
    expect(spawnSync("unshare", ["-m", "sh", "-c", script], { encoding: "utf8" })).toMatchObject({
      stdout: "125\n.wh.x\n",
      stderr: expect.stringContaining("another file system lies here: "),
    });
  });

  it("takes many files, and folders deeper than any path", () => {
    for (let i = 0; i < 1000; i++) files(`many/.wh.file-${i}`, `many/other-${i}`);
    const deep = (levels: number) =>
      spawnSync("python3", [
        "-c",
        `import os\nos.chdir(${JSON.stringify(tree)})\nfor i in range(${levels}):\n os.makedirs("a-rather-long-name",exist_ok=True); os.chdir("a-rather-long-name")\nopen(".wh.x","w")`,
      ]);
    deep(1000);
    converted();
    const names = readdirSync(join(tree, "many"));
    expect(names).toHaveLength(2000);
    expect(names.filter((name) => name.startsWith(".wh."))).toEqual([]);
    expect(names.filter((name) => name.startsWith("file-")).every((name) => isWhiteout(`many/${name}`))).toBe(true);
    const list = execFileSync("find", [tree, "-type", "c", "-name", "x"], { encoding: "utf8", maxBuffer: 1 << 24 });
    expect(list.trim().split("\n")).toHaveLength(1);
    deep(2100);
    expect(convert()).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("it lies deeper than 2048 folders: "),
    });
  });

  it("says what is not there", () => {
    expect(spawnSync(launcher, ["layer", join(folder, "nowhere")], { encoding: "utf8" })).toMatchObject({
      status: 125,
      stderr: `launcher: layer: ${folder}/nowhere: no such file or directory\n`,
    });
  });
});
