/**
 * A sandbox's own sub-directory of every cgroup hierarchy of this machine.
 *
 *   hybrid: /sys/fs/cgroup/{memory,cpu,…,unified}/barepod-sandbox-NAME
 *   v2:     /sys/fs/cgroup/barepod-sandbox-NAME
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../../provider/errors";
import { readMounts } from "./mounts";

const mountPoint = "/sys/fs/cgroup";

/** One hierarchy's part of a sandbox. */
export interface SandboxCgroup {
  readonly directory: string;
  /** Where it appears below /sys/fs/cgroup; `.` where v2 is alone. */
  readonly mount: string;
}

/** Where a sandbox's cgroups go on this machine. */
export function cgroupsOf(name: string): SandboxCgroup[] {
  return readMounts()
    .filter(({ type, target }) => /^cgroup2?$/.test(type) && `${target}/`.startsWith(`${mountPoint}/`))
    .map(({ target }) => ({
      directory: path.join(target, `barepod-sandbox-${name}`),
      mount: path.relative(mountPoint, target) || ".",
    }));
}

/** Makes them. */
export function makeCgroups(cgroups: readonly SandboxCgroup[]): void {
  if (cgroups.length === 0) {
    throw new InputError(
      "",
      `no cgroup hierarchy is mounted below ${mountPoint}\nMount it: mount -t cgroup2 cgroup2 ${mountPoint}`,
    );
  }
  for (const { directory } of cgroups) {
    const parent = path.dirname(directory);
    try {
      mkdirSync(directory, { recursive: true });
      // A v1 cpuset without processors or memory nodes takes no process.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        const child = path.join(directory, file);
        if (!existsSync(path.join(directory, "cgroup.controllers")) && existsSync(child)) {
          writeFileSync(child, readFileSync(path.join(parent, file)));
        }
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new InputError(
        "",
        `could not make the sandbox's cgroup ${directory}: ${reason}\nIn a container, start it with its cgroups writable (docker run --privileged --cgroupns=private)`,
      );
    }
  }
}

/** Controllers that pods want and this machine's v2 hierarchy does not hand to its children. */
export function missingControllers(cgroups: readonly SandboxCgroup[]): string[] {
  const only = cgroups.find((cgroup) => cgroup.mount === ".");
  if (only === undefined) return [];
  const offered = readFileSync(path.join(only.directory, "cgroup.controllers"), "utf8").trim().split(" ");
  return ["cpu", "memory", "pids"].filter((controller) => !offered.includes(controller));
}

/** Where a process that joins a sandbox is written: on v2 the leaf of its init, because inner nodes take none. */
export function entryPoints(cgroups: readonly SandboxCgroup[]): string[] {
  return cgroups.map(({ directory }) => {
    const leaf = path.join(directory, "init.scope");
    return existsSync(path.join(leaf, "cgroup.controllers")) ? leaf : directory;
  });
}

/** Kills every process in them, frozen ones too, and waits for the last to be gone. */
export async function killCgroups(cgroups: readonly SandboxCgroup[]): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const groups = cgroups.flatMap(({ directory }) => tree(directory));
    for (const group of groups) {
      // Each hierarchy has some of them. A frozen process takes the signal only once it is thawed.
      write(path.join(group, "cgroup.kill"), "1");
      write(path.join(group, "cgroup.freeze"), "0");
      write(path.join(group, "freezer.state"), "THAWED");
    }
    const left = new Set(groups.flatMap(processesOf));
    if (left.size === 0) return;
    for (const pid of left) kill(pid);
    if (Date.now() > deadline) {
      throw new InputError(
        "",
        `could not end the processes ${[...left].join(", ")}: they still run 10 s after they were killed\nTry again once what they wait for (a disk, a network file system) answers`,
      );
    }
    await sleep(5);
  }
}

/** Removes them, whatever was made below. */
export async function removeCgroups(cgroups: readonly SandboxCgroup[]): Promise<void> {
  for (const { directory } of cgroups) {
    // Deepest first. A group stays busy for a moment after its last process.
    for (const group of tree(directory).reverse()) {
      for (let attempt = 0; ; attempt++) {
        try {
          rmdirSync(group);
          break;
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code === "ENOENT") break;
          if (code !== "EBUSY" || attempt === 200) throw error;
          await sleep(10);
        }
      }
    }
  }
}

/** A group and everything below, parents first. */
function tree(directory: string): string[] {
  try {
    const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [directory, ...below.flatMap((entry) => tree(path.join(directory, entry.name)))];
  } catch {
    // Removed meanwhile, or never made.
    return [];
  }
}

function processesOf(group: string): number[] {
  try {
    return readFileSync(path.join(group, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    // Removed meanwhile; or a threaded v2 group, whose processes its parent lists.
    return [];
  }
}

function write(file: string, text: string): void {
  try {
    if (existsSync(file)) writeFileSync(file, text);
  } catch {
    // The root freezer has no state and the group may be gone: what is left shows in cgroup.procs.
  }
}

function kill(pid: number): void {
  // 0 stands for a process of another PID namespace, and would mean our own group.
  if (pid <= 1) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
