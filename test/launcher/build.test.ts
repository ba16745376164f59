import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Box, clangVersion, launcherFolder, reasonToSkip } from "./box";

const architectures = ["x86_64", "aarch64"];
const digest = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

describe("the launcher's binaries", () => {
  it("are those of SHA256SUMS, and small", () => {
    const sums = readFileSync(join(launcherFolder, "bin/SHA256SUMS"), "utf8");
    for (const architecture of architectures) {
      const file = join(launcherFolder, `bin/launcher-${architecture}`);
      expect(sums).toContain(`${digest(file)}  launcher-${architecture}\n`);
      expect(statSync(file).size).toBeLessThan(64 * 1024);
    }
  });

  const recorded = readFileSync(join(launcherFolder, "bin/CLANG"), "utf8").trim();
  const present = clangVersion();
  const lld = spawnSync("ld.lld", ["--version"]).status === 0;
  const reason =
    present !== recorded
      ? `clang ${recorded} is needed, there is ${present ?? "none"}`
      : lld
        ? undefined
        : "ld.lld is missing";
  if (reason) console.warn(`SKIPPED rebuild of the launcher: ${reason}`);
  it.skipIf(reason)(
    "come out of the sources byte by byte, in whichever directory",
    () => {
      const folder = mkdtempSync(join(tmpdir(), "barepod-test-build-"));
      try {
        cpSync(launcherFolder, join(folder, "a much longer path/with spaces"), { recursive: true });
        execFileSync(join(launcherFolder, "build.sh"), [join(folder, "here")]);
        execFileSync(join(folder, "a much longer path/with spaces/build.sh"), [join(folder, "there")]);
        for (const architecture of architectures) {
          const committed = digest(join(launcherFolder, `bin/launcher-${architecture}`));
          expect(digest(join(folder, "here", `launcher-${architecture}`))).toBe(committed);
          expect(digest(join(folder, "there", `launcher-${architecture}`))).toBe(committed);
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    60_000,
  );
});

const emulator = "/usr/bin/qemu-aarch64-static";
const noEmulator = process.arch !== "x64" || !existsSync(emulator);
if (noEmulator) console.warn("SKIPPED launcher on aarch64: it needs an x86_64 machine with qemu-aarch64-static");

describe.skipIf(noEmulator || reasonToSkip())("the launcher on aarch64, emulated", () => {
  const program = join(launcherFolder, "bin/launcher-aarch64");
  let box: Box;
  beforeAll(() => {
    box = new Box();
  });
  afterAll(() => box.close());

  it("says its version and sleeps", () => {
    expect(execFileSync(emulator, [program, "version"], { encoding: "utf8" })).toBe("barepod launcher 1\n");
    expect(spawnSync(emulator, [program, "sleep", "0.01"]).status).toBe(0);
  });

  it("refuses a bad configuration", () => {
    const file = join(box.folder, "bad");
    writeFileSync(file, "arg\tx\nuid\t-1\n");
    expect(spawnSync(emulator, [program, "run", file], { encoding: "utf8" })).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('line 2: uid "-1"'),
    });
  });

  it("runs a process, pumps its output and passes its exit code on", () => {
    const script = `echo out; echo err >&2; head -c 20000 /dev/zero; exit 5`;
    const result = box.run(
      [
        ["env", "PATH=/usr/bin:/bin"],
        ["rlimit", "core", 0, 0],
        ["umask", "0027"],
        ["arg", "sh"],
        ["arg", "-c"],
        ["arg", script],
      ],
      { prefix: [emulator], program },
    );
    expect(result).toMatchObject({ code: 5, stderr: "err\n" });
    expect(result.status.slice(0, 2)).toEqual(["exited", "5"]);
    expect(result.stdout).toBe(`out\n${"\0".repeat(20000)}\n`);
  });

  it("probes, and converts a layer", () => {
    const probe = spawnSync(emulator, [program, "probe", "tcp", "::1", "1", "5"], { encoding: "utf8" });
    expect(probe).toMatchObject({ status: 1, stdout: "dial tcp [::1]:1: connect: connection refused\n" });
    const layer = join(box.folder, "layer");
    mkdirSync(join(layer, "a"), { recursive: true });
    writeFileSync(join(layer, "a/.wh.gone"), "");
    writeFileSync(join(layer, "a/.wh..wh..opq"), "");
    expect(spawnSync(emulator, [program, "layer", layer]).status).toBe(0);
    expect(readdirSync(join(layer, "a"))).toEqual(["gone"]);
    expect(lstatSync(join(layer, "a/gone"))).toMatchObject({ rdev: 0 });
  });

  it("says what is not found", () => {
    const result = box.run(
      [
        ["env", "PATH=/usr/bin:/bin"],
        ["arg", "no-such-program"],
      ],
      { prefix: [emulator], program },
    );
    expect(result).toMatchObject({ code: 127, said: 'launcher: exec: "no-such-program": not found in PATH\n' });
  });
});
