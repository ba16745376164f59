/** A real sshd on a free loopback port, with throwaway keys, its default limits and /run of its own. Needs root. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface SshdOptions {
  /** Lines of sshd_config, before the defaults: the first one wins. */
  readonly config?: readonly string[];
  /** Types of host keys to have. */
  readonly hostKeyTypes?: readonly ("ed25519" | "ecdsa" | "rsa")[];
  /** Shell commands that run before sshd in its mount namespace, for example to bind another passwd. `$DIR` is its folder. */
  readonly prepare?: string;
  readonly port?: number;
}

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  /** A folder of its own, removed in the end. */
  readonly directory: string;
  /** The client's private key, allowed to log in as root. */
  readonly keyPath: string;
  /** The public host key of the first type, as in a .pub file. */
  readonly hostKey: string;
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly privateKeyPath: string;
    readonly hostKey: string;
  };
  /** Every sshd process of it that lives: the listener and one or two per connection. */
  processes(): number[];
  /** Sends a signal to all of them. */
  signal(name: NodeJS.Signals): void;
  /** Kills all of them. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with the same keys. */
  start(): Promise<void>;
  log(): string;
}

/** Why there can be no sshd here; undefined when there can. */
export function whyNoSshd(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  if (!existsSync("/usr/sbin/sshd")) return "needs openssh-server";
  return undefined;
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const directory = mkdtempSync(join(tmpdir(), "barepod-sshd-"));
  const types = options.hostKeyTypes ?? ["ed25519"];
  for (const type of types) makeKey(join(directory, `host_${type}`), type);
  makeKey(join(directory, "client"), "ed25519");
  writeFileSync(join(directory, "authorized_keys"), readFileSync(join(directory, "client.pub")));
  const port = options.port ?? (await freePort());
  writeFileSync(
    join(directory, "sshd_config"),
    [
      ...(options.config ?? []),
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      ...types.map((type) => `HostKey ${join(directory, `host_${type}`)}`),
      `PidFile ${join(directory, "pid")}`,
      `AuthorizedKeysFile ${join(directory, "authorized_keys")}`,
      "PermitRootLogin yes",
      "StrictModes no",
      "UsePAM no",
      "LogLevel VERBOSE",
      "",
    ].join("\n"),
  );
  let child: ChildProcess | undefined;
  let log = "";

  const processes = () => (child?.pid === undefined ? [] : descendants(child.pid));
  const start = async () => {
    // A node of its own as far as files go: what is left in /run and /var/lib ends with it.
    const own = "mount -t tmpfs -o mode=755 none /run; mkdir /run/sshd; mount -t tmpfs -o mode=755 none /var/lib";
    const script = `${own}\n${options.prepare ?? ""}\nexec /usr/sbin/sshd -D -e -f ${directory}/sshd_config`;
    child = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-ec", script], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], DIR: directory },
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (log += chunk));
    const deadline = Date.now() + 10_000;
    while (!log.includes(`Server listening on 127.0.0.1 port ${port}`)) {
      if (child.exitCode !== null) throw new Error(`sshd will not start: ${log}`);
      if (Date.now() > deadline) throw new Error(`sshd is slow to start: ${log}`);
      await sleep(20);
    }
  };
  const kill = async () => {
    const ended = child === undefined || child.exitCode !== null || child.signalCode !== null;
    const exit = ended ? undefined : new Promise((resolve) => child?.once("exit", resolve));
    for (const pid of processes()) tryKill(pid, "SIGKILL");
    await exit;
    log = "";
  };
  await start();
  const hostKey = readFileSync(join(directory, `host_${types[0]}.pub`), "utf8")
    .split(" ")
    .slice(0, 2)
    .join(" ");
  const keyPath = join(directory, "client");
  return {
    port,
    directory,
    keyPath,
    hostKey,
    connection: { host: "127.0.0.1", port, user: "root", privateKeyPath: keyPath, hostKey },
    processes,
    signal: (name) => {
      for (const pid of processes()) tryKill(pid, name);
    },
    kill,
    start,
    log: () => log,
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Makes a key pair without a password, or with one. */
export function makeKey(file: string, type: string, password = ""): void {
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", password, "-C", "barepod-test", "-f", file]);
}

/** A loopback port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}

/** The sshd processes below one, itself included; the shells that they started are not of interest. */
function descendants(root: number): number[] {
  const found: number[] = [];
  const visit = (pid: number) => {
    let name: string;
    let children: string;
    try {
      name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
      children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    } catch {
      return;
    }
    for (const child of children.split(" ").filter(Boolean)) visit(Number(child));
    if (name.startsWith("sshd") || pid === root) found.push(pid);
  };
  visit(root);
  return found;
}
