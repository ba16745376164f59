import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Box, launcher, readLog, reasonToSkip, until } from "./box";

describe.skipIf(reasonToSkip())("the launcher's log pump", () => {
  let box: Box;
  beforeEach(() => {
    box = new Box();
  });
  afterEach(() => box.close());

  const lines = (file = box.log) => readFileSync(file, "latin1").split("\n").slice(0, -1);

  it("writes CRI lines of both streams", () => {
    box.sh("echo one; echo two >&2; printf three");
    const kinds = lines().map((line) => line.slice(31));
    expect(kinds.filter((line) => line.startsWith("stdout"))).toEqual(["stdout F one", "stdout F three"]);
    expect(kinds.filter((line) => line.startsWith("stderr"))).toEqual(["stderr F two"]);
    const [time] = (lines()[0] as string).split(" ");
    expect(Math.abs(Date.parse(time as string) - Date.now())).toBeLessThan(5000);
    expect(statSync(box.log).mode & 0o777).toBe(0o640);
  });

  it("appends to what a log already holds", () => {
    writeFileSync(box.log, "2026-11-23T12:38:09.123456789Z stdout F before\n");
    const file = box.write([...box.isolated, ["arg", "echo"], ["arg", "after"]]);
    spawnSync(launcher, ["run", file]);
    expect(readLog(box.log, "stdout")).toBe("before\nafter\n");
  });

  it("cuts at 16 KiB: all pieces but the last are P", () => {
    box.sh("head -c 40000 /proc/self/mem 2>/tmp/e; head -c 40000 /tmp/zeros | tr '\\0' x; echo", [
      ...box.isolated,
      ["mount", "t", "/tmp", "tmpfs", "-", "-"],
      ["device", "/tmp/zeros", "c", 1, 5, "666"],
    ]);
    const pieces = lines().map((line) => [line[38], line.length - 40]);
    expect(pieces).toEqual([
      ["P", 16384],
      ["P", 16384],
      ["F", 40000 - 2 * 16384],
    ]);
    box.sh("head -c 16384 /tmp/zeros; echo; head -c 16384 /tmp/zeros", [
      ...box.isolated,
      ["mount", "t", "/tmp", "tmpfs", "-", "-"],
      ["device", "/tmp/zeros", "c", 1, 5, "666"],
    ]);
    expect(lines().map((line) => [line[38], line.length - 40])).toEqual([
      ["P", 16384],
      ["F", 0],
      ["P", 16384],
      ["F", 0],
    ]);
  });

  it("passes 50 MB without a newline, NUL bytes and all, in 150 KiB", async () => {
    const bytes = 50_000_000;
    // The parent is seen to its end: it waits for a file that this test makes.
    const held = await box.start([
      ...box.isolated,
      ["rotate", 1000000000, 2],
      ["device", "/dev/zero", "c", 1, 5, "666"],
      ["arg", "sh"],
      ["arg", "-c"],
      [
        "arg",
        `head -c ${bytes} /dev/zero; echo end; for i in $(seq 1000); do ! test -e /tmp/go || break; sleep 0.02; done`,
      ],
    ]);
    await until(() => existsSync(box.log) && statSync(box.log).size > bytes + 40 * Math.floor(bytes / 16384));
    await until(() => lines().at(-1)?.endsWith("end") ?? false);
    const rollup = readFileSync(`/proc/${held.launcherPid}/smaps_rollup`, "utf8");
    const pss = Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]);
    const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${held.launcherPid}/status`, "utf8"))?.[1]);
    console.info(`log pump after 50 MB: Pss ${pss} kB, VmHWM ${peak} kB`);
    expect(pss).toBeLessThanOrEqual(150);
    // The high-water mark counts pages that are shared, and the short moment of the configuration.
    expect(peak).toBeLessThanOrEqual(300);
    writeFileSync(join(box.root, "tmp/go"), "");
    expect(await held.ended).toBe(0);
    const text = readLog(box.log, "stdout");
    const digest = (value: Buffer | string) => createHash("sha256").update(value).digest("hex");
    expect(digest(Buffer.from(text, "latin1"))).toBe(
      digest(Buffer.concat([Buffer.alloc(bytes), Buffer.from("end\n")])),
    );
  });

  it("keeps every line of a fast writer, in order", () => {
    const result = box.sh("seq 1 300000", [...box.isolated, ["rotate", 1000000000, 2]]);
    expect(result.stdout).toBe(Array.from({ length: 300000 }, (_, i) => `${i + 1}\n`).join(""));
  });

  it("rotates by size, keeps so many files in all, loses and cuts no line", () => {
    const result = box.sh("seq 1 20000", [...box.isolated, ["rotate", 200000, 3]]);
    expect(result.code).toBe(0);
    const names = readdirSync(box.folder)
      .filter((name) => name.startsWith(`${basename(box.log)}.`))
      .sort();
    expect(names).toHaveLength(2);
    for (const name of names) expect(name).toMatch(/^log\.\d{8}-\d{6}$/);
    const text = [...names.map((name) => join(box.folder, name)), box.log]
      .map((file) => readLog(file, "stdout"))
      .join("");
    const numbers = text.trimEnd().split("\n").map(Number);
    expect(numbers.at(-1)).toBe(20000);
    for (let i = 1; i < numbers.length; i++) expect(numbers[i]).toBe((numbers[i - 1] as number) + 1);
    for (const name of names) {
      const { size } = statSync(join(box.folder, name));
      expect(size).toBeGreaterThan(200000);
      expect(size).toBeLessThan(200000 + 65536 * 2);
    }
  });

  it("leaves files alone that only look like rotated ones", () => {
    for (const name of ["log.20260101-000000.gz", "log.old", "other.20260101-000000"])
      writeFileSync(join(box.folder, name), "");
    writeFileSync(join(box.folder, "log.20200101-000000"), "");
    box.sh("seq 1 5000", [...box.isolated, ["rotate", 1000, 2]]);
    const names = readdirSync(box.folder);
    for (const name of ["log.20260101-000000.gz", "log.old", "other.20260101-000000"]) expect(names).toContain(name);
    expect(names).not.toContain("log.20200101-000000");
  });

  it("ends with the process, with its output whole, even while a grandchild holds the pipe", () => {
    const begin = Date.now();
    // No PID namespace: the grandchild lives on.
    const result = box.sh("echo $$ > /tmp/p; (sleep 5; echo late) & seq 1 2000; exit 4", [
      ["root", box.root],
      ["env", "PATH=/bin"],
    ]);
    expect(Date.now() - begin).toBeLessThan(3000);
    expect(result.code).toBe(4);
    expect(result.stdout.endsWith("\n2000\n")).toBe(true);
  });

  it("ends even while a grandchild writes without pause", () => {
    const result = box.sh("(yes & echo $! > /tmp/pid); sleep 0.1; exit 5", [
      ["root", box.root],
      ["env", "PATH=/bin"],
      ["rotate", 1000000, 2],
    ]);
    // Its next write after the pump's end was its last: a broken pipe.
    expect(result.code).toBe(5);
    const pid = readFileSync(join(box.root, "tmp/pid"), "utf8").trim();
    expect(existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/stat`, "utf8").includes(") R ")).toBe(false);
  });

  it("goes on after the process has closed its output", () => {
    const result = box.sh("echo one; exec >&- 2>&-; sleep 0.1; exit 6");
    expect(result).toMatchObject({ code: 6, stdout: "one\n" });
  });

  it("outlives a full disk: drops, counts, notes, and goes on", () => {
    const disk = join(box.folder, "disk");
    mkdirSync(disk);
    const log = join(disk, "log");
    const script = `seq 1 30000; touch /tmp/written; for i in $(seq 1000); do ! test -e /tmp/freed || break; sleep 0.02; done; echo after; exit 8`;
    const file = box.write([
      ...box.isolated,
      ["log", log],
      ["rotate", 1000000000, 2],
      ["arg", "sh"],
      ["arg", "-c"],
      ["arg", script],
    ]);
    const out = execFileSync(
      "unshare",
      [
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        `
        mount -t tmpfs -o size=256k full ${disk}
        head -c 100000 /dev/zero > ${disk}/ballast
        ${launcher} run ${file} & pid=$!
        for i in $(seq 1000); do ! test -e ${box.root}/tmp/written || break; sleep 0.02; done
        sleep 0.1
        rm ${disk}/ballast
        touch ${box.root}/tmp/freed
        code=0; wait $pid || code=$?
        echo "code $code"
        cat ${log}`,
      ],
      { encoding: "latin1", timeout: 20_000, maxBuffer: 1 << 24 },
    );
    const [code, ...log_lines] = out.trimEnd().split("\n");
    expect(code).toBe("code 8");
    const note = log_lines.at(-2) as string;
    const dropped = Number(
      /^\S+ stderr F barepod: (\d+) lines of this log were dropped: no space left on device$/.exec(note)?.[1],
    );
    expect(log_lines.at(-1)).toMatch(/ stdout F after$/);
    expect(log_lines.length - 2 + dropped).toBe(30000);
    // Nothing was left half written.
    for (const line of log_lines) expect(line).toMatch(/^\S{30} (stdout|stderr) F /);
  });
});
