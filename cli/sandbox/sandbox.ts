/** What can be done with sandboxes. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { InputError } from "../../provider/errors";
import { must } from "../run";
import { boot, halt } from "./boot";
import { cgroupsOf, entryPoints, missingControllers } from "./cgroups";
import { mountsBelow } from "./mounts";
import { bridge, ensureBridge, filtersBridge, freeAddress, gatewayOf, removeBridge, wantedSubnet } from "./network";
import { makeKeys, needsMemory } from "./prepare";
import { findProgram } from "./requirements";
import {
  checkName,
  findSandbox,
  getCompleteSandbox,
  getSandbox,
  identify,
  incompleteMessage,
  listSandboxes,
  lockSandboxes,
  pathsOf,
  type Sandbox,
  stateRoot,
  statusOf,
  writeSandbox,
} from "./state";

/** What a program needs to log in. */
export interface Connection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly privateKeyPath: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
}

/** Makes a sandbox; when that fails or is aborted, nothing of it is left. */
export async function createSandbox(name: string, signal: AbortSignal): Promise<Sandbox> {
  checkName(name);
  const allocated = await allocate(name);
  try {
    signal.throwIfAborted();
    const hostKey = await makeKeys(allocated);
    signal.throwIfAborted();
    const sandbox = await boot({ ...allocated, hostKey }, signal);
    signal.throwIfAborted();
    return sandbox;
  } catch (error) {
    await demolish(allocated);
    throw error;
  }
}

/** Reboots a sandbox: same disk, address and keys; everything else starts from nothing. */
export async function restartSandbox(name: string, signal: AbortSignal): Promise<Sandbox> {
  const sandbox = getCompleteSandbox(name);
  await halt(sandbox);
  {
    // After a reboot of this machine the bridge is gone too.
    await using _lock = await lockSandboxes();
    await ensureBridge(subnetOf(sandbox));
  }
  try {
    return await boot(sandbox, signal);
  } catch (error) {
    await halt(getSandbox(name));
    throw error;
  }
}

/** Removes a sandbox and whatever was made in it. */
export async function deleteSandbox(name: string): Promise<void> {
  const sandbox = getSandbox(name);
  if (statusOf(sandbox) === "creating") {
    throw new InputError(
      "",
      `sandbox "${name}" is just being created by process ${sandbox.creator.pid}\nWait until it is ready, or end that process first`,
    );
  }
  await demolish(sandbox);
}

/** How to log in to a sandbox. */
export function connectionOf({ name, address, hostKey = "" }: Sandbox): Connection {
  return { host: address, port: 22, user: "root", privateKeyPath: pathsOf(name).privateKey, hostKey };
}

/** What to put before a program so that it runs in a sandbox, without SSH. */
export function execPrefix(name: string): string[] {
  const sandbox = getCompleteSandbox(name);
  if (sandbox.init === undefined || statusOf(sandbox) !== "running") {
    throw new InputError(
      "",
      `sandbox "${name}" is stopped: its PID 1 has ended\nStart it: barepod sandbox restart ${name}`,
    );
  }
  return ["sh", path.join(__dirname, "exec.sh"), `${sandbox.init.pid}`, ...entryPoints(cgroupsOf(name)), "--"];
}

/** Runs a program in a sandbox on this process's own terminal; returns its exit code. */
export async function execInSandbox(name: string, argv: readonly string[]): Promise<number> {
  const [program = "", ...args] = [...execPrefix(name), ...argv];
  const child = spawn(program, args, { stdio: "inherit" });
  // A terminal sends it to the program too, which decides what to do about it.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** What a user should know about a new sandbox, though it works. */
export async function warningsOf({ name, inMemory }: Sandbox): Promise<string[]> {
  const warnings: string[] = [];
  if (inMemory) {
    warnings.push(`the files of sandbox "${name}" lie in memory: the disk of ${stateRoot} cannot carry an overlay`);
  }
  const missing = missingControllers(cgroupsOf(name));
  if (missing.length > 0) {
    warnings.push(
      `sandbox "${name}" cannot limit ${missing.join(", ")}: this machine does not hand the controllers on`,
      `  echo '${missing.map((controller) => `+${controller}`).join(" ")}' > /sys/fs/cgroup/cgroup.subtree_control`,
    );
  }
  if (listSandboxes().length > 1 && (await filtersBridge())) {
    warnings.push(
      "this machine's firewall also filters what sandboxes send each other; if it drops that:",
      `  iptables -I FORWARD -i ${bridge} -o ${bridge} -j ACCEPT`,
    );
  }
  return warnings;
}

async function allocate(name: string): Promise<Sandbox> {
  await using _lock = await lockSandboxes();
  const present = findSandbox(name);
  if (present !== undefined) {
    if (statusOf(present) === "incomplete") throw new InputError("", incompleteMessage(name));
    throw new InputError(
      "",
      `sandbox "${name}" exists already (${statusOf(present)}, ${present.address})\nChoose another name, or remove it: barepod sandbox delete ${name}`,
    );
  }
  const creator = identify(process.pid);
  if (creator === undefined) throw new Error("this process has no entry in /proc");
  const subnet = wantedSubnet();
  try {
    await ensureBridge(subnet);
    const address = freeAddress(subnet);
    mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
    mkdirSync(pathsOf(name).directory, { mode: 0o700 });
    const sandbox: Sandbox = {
      version: 1,
      name,
      address,
      prefixLength: subnet.prefixLength,
      gateway: gatewayOf(subnet),
      inMemory: needsMemory(stateRoot),
      sshd: findProgram("sshd") ?? "/usr/sbin/sshd",
      created: new Date().toISOString(),
      creator,
      complete: false,
    };
    writeSandbox(sandbox);
    return sandbox;
  } catch (error) {
    await removeShared();
    throw error;
  }
}

/** Removes a sandbox in any state of completeness. */
async function demolish(sandbox: Sandbox): Promise<void> {
  const { directory } = pathsOf(sandbox.name);
  await halt(sandbox);
  for (const target of mountsBelow(directory)) {
    await must(`could not unmount ${target}`, ["umount", "--lazy", target]);
  }
  const left = mountsBelow(directory);
  // Removing the folder would empty what is mounted there.
  if (left.length > 0)
    throw new InputError("", `${left.join(", ")} is still mounted\nUnmount it, then delete "${sandbox.name}" again`);
  rmSync(directory, { recursive: true, force: true });
  await using _lock = await lockSandboxes();
  await removeShared();
}

/** Removes what all sandboxes share once there is none. Call it under the lock. */
async function removeShared(): Promise<void> {
  if (listSandboxes().length > 0) return;
  await removeBridge();
  // What somebody else has put there stays.
  if (existsSync(stateRoot) && readdirSync(stateRoot).length === 0) rmdirSync(stateRoot);
}

function subnetOf({ gateway, prefixLength }: Sandbox) {
  const parts = gateway.split(".");
  return wantedSubnet(`${[...parts.slice(0, 3), Number(parts[3]) - 1].join(".")}/${prefixLength}`);
}
