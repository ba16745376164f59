import { spawn } from "node:child_process";
import { CommandError } from "../provider/errors";

/** What a finished program left behind. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How {@link run} starts its program. */
export interface RunOptions {
  /** Text for its standard input; absent: /dev/null. */
  readonly stdin?: string;
}

/** Runs a program of this machine to its end. Never throws for an exit code. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [program = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C" },
      // A Ctrl-C is for us: we end what we are doing in order.
      detached: true,
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ exitCode: code ?? 128, stdout, stderr }));
    // A program that ends without reading its input is judged by its exit code, not by EPIPE.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.stdin);
  });
}

/** What {@link must} adds for the message. */
export interface MustOptions extends RunOptions {
  /** What to do about a failure, where that is known. */
  readonly next?: string;
}

/** Runs a program that has to succeed; `what` says what could not be done otherwise, for example `could not add the bridge`. */
export async function must(what: string, argv: readonly string[], options: MustOptions = {}): Promise<string> {
  const started = Date.now();
  const { exitCode, stdout, stderr } = await run(argv, options);
  if (exitCode === 0) return stdout;
  throw new CommandError({
    what,
    node: "this machine",
    command: pasteable(argv, options.stdin),
    exitCode,
    stdout,
    stderr,
    durationMs: Date.now() - started,
    ...(options.next === undefined ? {} : { next: options.next }),
  });
}

/** The command as it can be pasted into a shell. */
export function pasteable(argv: readonly string[], stdin?: string): string {
  const line = argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
  return stdin === undefined ? line : `${line} <<'END'\n${stdin.replace(/^/gm, "  ").trimEnd()}\n  END`;
}
