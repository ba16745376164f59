import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** The launcher that a node of this machine's architecture would get. */
export const launcherFolder = resolve(__dirname, "../../provider/launcher");
export const launcher = join(launcherFolder, "bin", `launcher-${process.arch === "arm64" ? "aarch64" : "x86_64"}`);

/** Why tests that start processes cannot run here, or undefined. Printed once per file. */
export function reasonToSkip(): string | undefined {
  const reason =
    process.platform !== "linux"
      ? "the launcher runs on Linux only"
      : process.getuid?.() !== 0
        ? "namespaces and mounts need root"
        : !existsSync("/usr/bin/busybox")
          ? "busybox-static is not installed"
          : undefined;
  if (reason) console.warn(`SKIPPED launcher tests: ${reason}`);
  return reason;
}

/** One directive of the launcher's configuration, unescaped. */
export type Directive = readonly (string | number)[];

export function configText(directives: readonly Directive[]): string {
  const field = (value: string | number) =>
    String(value).replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n");
  return directives.map((fields) => `${fields.map(field).join("\t")}\n`).join("");
}

export interface Result {
  /** The launcher's exit code; null if a signal ended the launcher itself. */
  code: number | null;
  /** What the process wrote, put together from the log's lines. */
  stdout: string;
  stderr: string;
  /** The fields of the status file's last line. */
  status: string[];
  /** The launcher's own standard error (and, with `stdio inherit`, the process's). */
  said: string;
  /** The launcher's own standard output. */
  inherited: string;
}

/** The text that the lines of a CRI log stand for. */
export function readLog(file: string, stream: "stdout" | "stderr"): string {
  if (!existsSync(file)) return "";
  let text = "";
  for (const line of readFileSync(file, "latin1").split("\n").slice(0, -1)) {
    const match = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([PF]) ([\s\S]*)$/.exec(line);
    if (!match) throw new Error(`not a CRI line: ${JSON.stringify(line.slice(0, 200))}`);
    if (match[1] === stream) text += match[3] + (match[2] === "F" ? "\n" : "");
  }
  return text;
}

const APPLETS =
  "sh ls cat id ps mount echo sleep true false env mkdir hostname head dd stat readlink pwd grep kill touch chmod wc tr ip rm sync test awk seq yes setsid";

/** A folder with a busybox root and everything that one launch needs; deleted by `close`. */
export class Box {
  readonly folder = mkdtempSync(join(tmpdir(), "barepod-test-launcher-"));
  readonly root = join(this.folder, "root");
  readonly log = join(this.folder, "log");
  readonly statusFile = join(this.folder, "status");
  private runs = 0;

  constructor() {
    for (const name of ["bin", "proc", "dev", "sys", "tmp", "etc"])
      mkdirSync(join(this.root, name), { recursive: true });
    copyFileSync("/usr/bin/busybox", join(this.root, "bin/busybox"));
    chmodSync(join(this.root, "bin/busybox"), 0o755);
    chmodSync(this.folder, 0o755);
    for (const applet of APPLETS.split(" ")) symlinkSync("busybox", join(this.root, "bin", applet));
  }

  /** `root`, fresh mount and PID namespaces, /proc, PATH. */
  get isolated(): Directive[] {
    return [
      ["root", this.root],
      ["new", "mnt"],
      ["new", "pid"],
      ["mount", "proc", "/proc", "proc", "nosuid,nodev,noexec", "-"],
      ["env", "PATH=/bin"],
    ];
  }

  write(directives: readonly Directive[]): string {
    const file = join(this.folder, `config-${this.runs++}`);
    const has = (name: string) => directives.some((directive) => directive[0] === name);
    const all = [...directives];
    if (!has("log") && !has("stdio")) all.push(["log", this.log]);
    if (!has("status")) all.push(["status", this.statusFile]);
    writeFileSync(file, configText(all));
    return file;
  }

  /** Runs to the end. `prefix` is a command that the launcher is run by. */
  run(
    directives: readonly Directive[],
    options: { prefix?: string[]; program?: string; timeoutMs?: number } = {},
  ): Result {
    rmSync(this.log, { force: true });
    rmSync(this.statusFile, { force: true });
    const argv = [...(options.prefix ?? []), options.program ?? launcher, "run", this.write(directives)];
    const done: SpawnSyncReturns<string> = spawnSync(argv[0] as string, argv.slice(1), {
      encoding: "latin1",
      timeout: options.timeoutMs ?? 20_000,
      maxBuffer: 1 << 26,
    });
    return this.result(done.status, done.stdout, done.stderr);
  }

  /** A shell script inside. */
  sh(script: string, directives: readonly Directive[] = this.isolated): Result {
    return this.run([...directives, ["arg", "sh"], ["arg", "-c"], ["arg", script]]);
  }

  result(code: number | null, inherited = "", said = ""): Result {
    const status = existsSync(this.statusFile) ? readFileSync(this.statusFile, "utf8").trimEnd().split("\t") : [];
    return { code, stdout: readLog(this.log, "stdout"), stderr: readLog(this.log, "stderr"), status, said, inherited };
  }

  /** Starts and does not wait: resolves once the status file says `running`. */
  async start(directives: readonly Directive[]) {
    rmSync(this.log, { force: true });
    rmSync(this.statusFile, { force: true });
    const child = spawn(launcher, ["run", this.write(directives)], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code)));
    await until(() => existsSync(this.statusFile));
    const pid = Number(readFileSync(this.statusFile, "utf8").split("\t")[1]);
    return { launcherPid: child.pid as number, pid, ended, child };
  }

  /** Resolves once the process has written this to its standard output. */
  async logged(text: string): Promise<void> {
    await until(() => readLog(this.log, "stdout").includes(text));
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function until(condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error("the condition did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The major version of a clang on PATH, if there is one. */
export function clangVersion(): string | undefined {
  try {
    return /clang version (\d+)/.exec(execFileSync("clang", ["--version"], { encoding: "utf8" }))?.[1];
  } catch {
    return undefined;
  }
}
