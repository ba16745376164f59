/** A machine of a test's own (tools/vm-node.mjs): systemd, cgroup v2 alone, a kernel of its own. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { ConnectionArgs } from "../../../provider/ssh/connection-args";
// @ts-expect-error: the tools are JavaScript without types
import { repositoryRoot } from "../../../tools/lib/paths.mjs";
import { type NodeSnapshot, parseSnapshot } from "../../harness/snapshot";

const run = promisify(execFile);
export const minutes = 60_000;

export class Machine implements AsyncDisposable {
  private constructor(
    readonly name: string,
    readonly connection: ConnectionArgs & { readonly host: string; readonly privateKeyPath: string },
  ) {}

  /** Makes one; it takes half a minute to ten. */
  static async start(role: string): Promise<Machine> {
    const name = `test-${role}-${process.pid}`;
    await tool("create", name);
    return new Machine(name, JSON.parse((await tool("connection", name)).stdout));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await tool("delete", this.name);
  }

  /** Runs a line of shell that must succeed; what it prints. */
  async sh(line: string, patience = 2 * minutes): Promise<string> {
    const { privateKeyPath, port, user, host } = this.connection;
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=10"];
    const target = ["-n", "-i", privateKeyPath, "-p", String(port), `${user}@${host}`];
    const args = [...options.flatMap((option) => ["-o", option]), ...target, line];
    return (await run("ssh", args, { timeout: patience, maxBuffer: 2 ** 24 })).stdout.trim();
  }

  /** Waits until a line of shell succeeds; what it prints then. */
  async eventually(line: string, patience = minutes): Promise<string> {
    for (const end = Date.now() + patience; ; await sleep(1000)) {
      const answer = await this.sh(line).catch((error: Error) => error);
      if (typeof answer === "string") return answer;
      if (Date.now() > end) throw answer;
    }
  }

  /** Without what systemd makes and ends by itself: logins, and the folders of its own services, named by the boot. */
  async snapshot(): Promise<NodeSnapshot> {
    const script = readFileSync(join(repositoryRoot, "test", "harness", "snapshot.sh"), "utf8");
    const seen = parseSnapshot(await this.sh(script));
    const without = (text: string, pattern: RegExp) =>
      text
        .split("\n")
        .filter((line) => !pattern.test(line))
        .join("\n");
    return {
      ...seen,
      mounts: without(seen.mounts.replaceAll(/pipe_ino=\d+/g, ""), /^\/run\/(user|credentials)\//),
      cgroups: without(seen.cgroups, /\/user\.slice\/|\/system\.slice\//),
      processes: without(seen.processes, /^(systemd|\(sd-pam\)|systemd-.*|\(udev-worker\)|agetty|sshd)$/),
      files: without(seen.files, / (\/run\/(?!barepod)|\/tmp\/)/),
    };
  }
}

function tool(command: string, name: string): Promise<{ stdout: string }> {
  return run(process.execPath, [join(repositoryRoot, "tools", "vm-node.mjs"), command, name]);
}
