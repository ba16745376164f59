import { type SpawnOptions, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { checkRequirements } from "../../cli/sandbox/requirements";
import {
  type Connection,
  connectionOf,
  createSandbox,
  deleteSandbox,
  execPrefix,
  restartSandbox,
} from "../../cli/sandbox/sandbox";
import { findSandbox, isAlive, listSandboxes, pathsOf } from "../../cli/sandbox/state";
import { type NodeSnapshot, parseSnapshot } from "./snapshot";

/** What a program left behind. */
interface ExecResult {
  /** Its exit code; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How {@link SandboxNode.exec} runs a program. */
export interface ExecOptions {
  /** Its standard input; absent: /dev/null. */
  readonly stdin?: string | Uint8Array;
}

/** A node of a test's own; it is deleted when the test's scope ends. */
export interface SandboxNode extends AsyncDisposable {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly privateKeyPath: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  /** The five above: a Node's `connection`. */
  readonly connection: Connection;
  /** Its /var/lib/barepod as this machine sees it: the quick way to put files on the node. */
  readonly directory: string;
  /** Runs a program on it as root, without SSH. Never throws for an exit code. */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Canonical listings, for `expect(await node.snapshot()).toEqual(before)`. */
  snapshot(): Promise<NodeSnapshot>;
  /** Reboots it. */
  restart(): Promise<void>;
  /** What to look at when something failed; printed by itself when the test that made the node fails. */
  diagnostics(): Promise<string>;
}

/** Why no sandbox can be made here, or undefined: `describe.skipIf(sandboxObstacle())`. */
export function sandboxObstacle(): string | undefined {
  try {
    checkRequirements();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

let made = 0;

/** Makes a node: `await using node = await startSandbox()`. */
export async function startSandbox(name = `test-${process.pid}-${++made}`): Promise<SandboxNode> {
  checkRequirements();
  await deleteForgotten();
  const sandbox = await createSandbox(name, new AbortController().signal);
  let lastWords = "";
  if (process.env["VITEST"] !== undefined) await printOnFailure(() => lastWords);

  const connection = connectionOf(sandbox);
  const node: SandboxNode = {
    name,
    ...connection,
    connection,
    directory: pathsOf(name).node,
    exec: (argv, options = {}) => execute([...execPrefix(name), ...argv], options),
    async snapshot() {
      const script = readFileSync(path.join(__dirname, "snapshot.sh"));
      const { code, stdout, stderr } = await node.exec(["sh", "-s"], { stdin: script });
      if (code !== 0) throw new Error(`could not take a snapshot of ${name}: ${stderr}`);
      return parseSnapshot(stdout);
    },
    async restart() {
      await restartSandbox(name, new AbortController().signal);
    },
    async diagnostics() {
      const { stdout, stderr } = await node.exec(["sh", "-s"], { stdin: diagnosticsScript });
      return `${stdout}${stderr}\n--- console of ${name}\n${readFileSync(pathsOf(name).console, "utf8")}`;
    },
    async [Symbol.asyncDispose]() {
      if (findSandbox(name) === undefined) return;
      lastWords = await node.diagnostics().catch((error: unknown) => `no diagnostics of ${name}: ${error}`);
      await deleteSandbox(name);
    },
  };
  return node;
}

const diagnosticsScript = `export LC_ALL=C
for command in 'ip address' 'ip route' 'iptables-save' 'findmnt -r' 'ps axf' 'find /run/barepod /var/lib/barepod -maxdepth 3'; do
  printf '\\n--- %s\\n' "$command"
  $command 2>&1 | head -n 200
done
`;

/** Registers the dump with the running test; in a hook there is none to register it with. */
async function printOnFailure(lastWords: () => string): Promise<void> {
  const { onTestFailed } = await import("vitest");
  try {
    onTestFailed(() => console.error(lastWords()));
  } catch {
    // Made in a hook: the suite calls diagnostics() itself.
  }
}

/** Deletes the nodes of test runs that were killed. */
async function deleteForgotten(): Promise<void> {
  const forgotten = listSandboxes().filter(({ name, creator }) => /^test-\d+-\d+$/.test(name) && !isAlive(creator));
  // Another worker may be at it too.
  await Promise.allSettled(forgotten.map(({ name }) => deleteSandbox(name)));
}

function execute(argv: readonly string[], { stdin }: ExecOptions): Promise<ExecResult> {
  const [program = "", ...args] = argv;
  const stdio: SpawnOptions["stdio"] = [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        code: code ?? 128 + (signal === "SIGKILL" ? 9 : 15),
        stdout: Buffer.concat(stdout).toString("utf8"),
        stderr: Buffer.concat(stderr).toString("utf8"),
      }),
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(stdin);
  });
}
