/** Starting a sandbox's kernel objects and ending them; its folder stays. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "../../provider/errors";
import { pasteable } from "../run";
import { cgroupsOf, killCgroups, makeCgroups, removeCgroups } from "./cgroups";
import { attach, linkOf, removeLink } from "./network";
import { layers, prepareDisk } from "./prepare";
import { identify, isAlive, type ProcessIdentity, pathsOf, type Sandbox, writeSandbox } from "./state";

/** A boot journal may take its time before sshd starts (init.sh waits 30 s for it). */
const readyTimeoutMs = 60_000;

/** Boots a sandbox and waits until its sshd answers. */
export async function boot(sandbox: Sandbox, signal: AbortSignal): Promise<Sandbox> {
  const { name, address, prefixLength, gateway } = sandbox;
  const paths = pathsOf(name);
  const { fresh } = await prepareDisk(sandbox);
  signal.throwIfAborted();
  makeCgroups(cgroupsOf(name));
  // A new file, not the old one rewritten: that one may still be mounted in the boot before.
  rmSync(paths.bootId, { force: true });
  writeFileSync(paths.bootId, `${randomUUID()}\n`, { mode: 0o444 });
  writeFileSync(paths.console, "");

  const { init, go } = await startInit(sandbox, fresh);
  const booted: Sandbox = { ...sandbox, init };
  try {
    writeSandbox(booted);
    signal.throwIfAborted();
    await attach(linkOf(name), init.pid, address, prefixLength, gateway).catch(async (error: unknown) => {
      // Its network namespace went with it, a moment before it is gone itself: that is not what went wrong first.
      for (let tries = 0; tries < 20 && isAlive(init); tries++) await sleep(10);
      throw isAlive(init) ? error : bootError(name, "PID 1", "ended while it was starting");
    });
    go.end("go\n");
    await waitForSshd(booted, signal);
  } finally {
    go.destroy();
  }
  const complete = { ...booted, complete: true };
  writeSandbox(complete);
  return complete;
}

/** Ends everything that runs in a sandbox, and removes its cgroups and link. */
export async function halt({ name, init }: Sandbox): Promise<void> {
  if (init !== undefined && isAlive(init)) {
    try {
      process.kill(init.pid, "SIGKILL");
    } catch (error) {
      // It has just ended by itself.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  const cgroups = cgroupsOf(name);
  await killCgroups(cgroups);
  await removeCgroups(cgroups);
  await removeLink(linkOf(name));
}

async function startInit(sandbox: Sandbox, fresh: boolean): Promise<{ init: ProcessIdentity; go: Writable }> {
  const { name, sshd } = sandbox;
  const { root, upper, work, node, files, bootId, console } = pathsOf(name);
  const cgroups = cgroupsOf(name);
  const script = (file: string) => path.join(__dirname, file);
  const argv = [
    "sh",
    script("start.sh"),
    ...[script("launch.sh"), script("setup.sh"), console],
    ...cgroups.map(({ directory }) => directory),
    "--",
    ...[root, upper, work, node, fresh ? files : "", bootId, name, sshd],
    ...layers(),
    "--",
    ...cgroups.flatMap(({ directory, mount }) => [directory, mount]),
  ];
  const started = Date.now();
  const child = spawn("sh", argv.slice(1), { stdio: ["ignore", "pipe", "pipe", "pipe"], detached: true });
  // Not its standard input: Node closes that when start.sh ends, while PID 1 still waits there.
  const go = child.stdio[3] as Writable;
  go.on("error", () => undefined);
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout as Readable),
    text(child.stderr as Readable),
    new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => resolve(code ?? 128));
    }),
  ]);
  const init = exitCode === 0 ? identify(Number(stdout)) : undefined;
  if (init !== undefined) return { init, go };
  go.destroy();
  if (exitCode === 0) throw bootError(name, "PID 1", "ended while it was starting");
  throw new CommandError({
    what: `could not start the sandbox "${name}"`,
    node: "this machine",
    command: pasteable(argv),
    exitCode,
    stderr: stderr + readFileSync(console, "utf8"),
    durationMs: Date.now() - started,
    next: "In a container, start it with the rights for that: docker run --privileged",
  });
}

async function waitForSshd({ name, address, init }: Sandbox, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs;
  while (!(await answers(address))) {
    signal.throwIfAborted();
    if (init === undefined || !isAlive(init)) throw bootError(name, "PID 1", "ended while it was starting");
    if (Date.now() > deadline) throw bootError(name, "sshd", `does not answer after ${readyTimeoutMs / 1000} s`);
    await sleep(10);
  }
}

function bootError(name: string, what: string, failure: string): CommandError {
  return new CommandError({
    what: `${what} of sandbox "${name}" ${failure}`,
    node: "this machine",
    command: pasteable(["sh", path.join(__dirname, "setup.sh")]),
    exitCode: 1,
    stderr: readFileSync(pathsOf(name).console, "utf8"),
    next: "Its console, above, says why; an overlay needs a kernel that has it (modprobe overlay), and at most one below it",
  });
}

/** Whether an SSH server says hello. */
function answers(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 22, timeout: 1000 });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", (data) => finish(data.toString("latin1").startsWith("SSH-")));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
    socket.once("timeout", () => finish(false));
  });
}
