import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../../provider/errors";

/** Where every sandbox has its folder. */
export const stateRoot = "/var/lib/barepod-sandboxes";

/** What is written down about a sandbox, before anything of it exists. */
export interface Sandbox {
  readonly version: 1;
  readonly name: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  /** Whether its files lie in memory, because this machine's file system cannot carry an overlay. */
  readonly inMemory: boolean;
  readonly sshd: string;
  /** RFC 3339. */
  readonly created: string;
  /** The `barepod` process that was creating it. */
  readonly creator: ProcessIdentity;
  /** Its PID 1, once started. */
  readonly init?: ProcessIdentity;
  /** Whether it has been ready once. */
  readonly complete: boolean;
  /** Its public host key, `ssh-ed25519 AAAA…`. */
  readonly hostKey?: string;
}

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTime: string;
  /** The boot of this machine in which it was started. */
  readonly bootId: string;
}

/** `creating`: another `barepod` is at it. `incomplete`: one was, and is gone. `stopped`: its PID 1 is gone. */
export type Status = "creating" | "incomplete" | "running" | "stopped";

/** The files of a sandbox's folder. */
export function pathsOf(name: string) {
  const directory = path.join(stateRoot, name);
  return {
    directory,
    state: path.join(directory, "state.json"),
    /** Made up of `upper`, `work` and `node`: the part that is on a tmpfs where the disk cannot carry an overlay. */
    disk: path.join(directory, "disk"),
    upper: path.join(directory, "disk", "upper"),
    work: path.join(directory, "disk", "work"),
    node: path.join(directory, "disk", "var-lib-barepod"),
    root: path.join(directory, "root"),
    files: path.join(directory, "files"),
    keys: path.join(directory, "keys"),
    privateKey: path.join(directory, "keys", "id_ed25519"),
    knownHosts: path.join(directory, "keys", "known_hosts"),
    bootId: path.join(directory, "boot-id"),
    console: path.join(directory, "console.log"),
  };
}

const namePattern = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** Refuses what is no name for a sandbox. */
export function checkName(name: string): void {
  if (namePattern.test(name)) return;
  throw new InputError(
    "NAME",
    `"${name}" must be 1 to 40 lower-case letters, digits and dashes, and begin and end with a letter or digit`,
  );
}

/** The sandbox of that name; absent: undefined. A folder without a readable state counts as incomplete. */
export function findSandbox(name: string): Sandbox | undefined {
  checkName(name);
  const { directory, state } = pathsOf(name);
  if (!existsSync(directory)) return undefined;
  const text = existsSync(state) ? readFileSync(state, "utf8") : "";
  if (text === "") return nameless(name);
  const sandbox = JSON.parse(text) as Sandbox;
  if (sandbox.version !== 1) {
    throw new InputError(
      "",
      `sandbox "${name}" was made by a newer barepod (version ${sandbox.version} of its state); use that one`,
    );
  }
  return sandbox;
}

/** The sandbox of that name, or an error that says what there is. */
export function getSandbox(name: string): Sandbox {
  const sandbox = findSandbox(name);
  if (sandbox !== undefined) return sandbox;
  const names = sandboxNames();
  const others = names.length === 0 ? "There are none" : `There are: ${names.join(", ")}`;
  throw new InputError("", `no sandbox is called "${name}"\n${others}. Make it with: barepod sandbox create ${name}`);
}

/** A sandbox that has been ready once, or an error that says how to get rid of it. */
export function getCompleteSandbox(name: string): Sandbox {
  const sandbox = getSandbox(name);
  const status = statusOf(sandbox);
  if (status === "creating") throw new InputError("", `sandbox "${name}" is just being created; try again in a second`);
  if (status === "incomplete") throw new InputError("", incompleteMessage(name));
  return sandbox;
}

/** What to say about a half-made sandbox. */
export function incompleteMessage(name: string): string {
  return `sandbox "${name}" is left over from a create that was interrupted\nRemove it with: barepod sandbox delete ${name}`;
}

/** All sandboxes of this machine, by name. */
export function listSandboxes(): Sandbox[] {
  return sandboxNames().flatMap((name) => findSandbox(name) ?? []);
}

function sandboxNames(): string[] {
  if (!existsSync(stateRoot)) return [];
  return readdirSync(stateRoot)
    .filter((name) => namePattern.test(name))
    .sort();
}

/** Writes the state down, whole or not at all. */
export function writeSandbox(sandbox: Sandbox): void {
  const { state } = pathsOf(sandbox.name);
  writeFileSync(`${state}.new`, `${JSON.stringify(sandbox, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${state}.new`, state);
}

/** What a sandbox is doing now. */
export function statusOf(sandbox: Sandbox): Status {
  if (!sandbox.complete) return isAlive(sandbox.creator) ? "creating" : "incomplete";
  return sandbox.init !== undefined && isAlive(sandbox.init) ? "running" : "stopped";
}

/** Who a living process is; undefined when it is gone. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === "Z" || stat.state === "X") return undefined;
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return { pid, startTime: stat.startTime, bootId };
}

/** Whether exactly this process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  const now = identify(process.pid);
  return now !== undefined && now.startTime === process.startTime && now.bootId === process.bootId;
}

/** Waits until an ended process is out of the process list; how soon that is depends on this machine's PID 1. */
export async function untilReaped({ pid, startTime }: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + 3000;
  while (readStat(pid)?.startTime === startTime && Date.now() < deadline) await sleep(10);
}

/**
 * Holds the lock that allocating addresses and the bridge need, until it is disposed of or this process ends.
 *
 * The lock is on the directory above ours: a lock file of its own could not be removed with the last sandbox while
 * somebody else waits for it.
 */
export async function lockSandboxes(): Promise<AsyncDisposable> {
  const holder = spawn("flock", ["-o", path.dirname(stateRoot), "sh", "-c", "echo; read -r _"], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => holder.on("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    holder.on("error", reject);
    holder.stdout.once("data", () => resolve());
    holder.on("close", (code) => reject(new Error(`flock ${path.dirname(stateRoot)} exited ${code}`)));
  });
  return {
    async [Symbol.asyncDispose]() {
      holder.stdin.end();
      await ended;
    },
  };
}

function readStat(pid: number): { readonly state: string; readonly startTime: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may contain anything, so count from its end: field 3 comes next.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", startTime: fields[19] ?? "" };
  } catch {
    // No such process, or it ended between opening and reading.
    return undefined;
  }
}

function nameless(name: string): Sandbox {
  const nobody = { pid: 0, startTime: "", bootId: "" };
  return {
    version: 1,
    name,
    address: "",
    prefixLength: 0,
    gateway: "",
    inMemory: false,
    sshd: "",
    created: "",
    creator: nobody,
    complete: false,
  };
}
