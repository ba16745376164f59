/**
 * The quickstart on a real machine: Debian 12 with systemd, cgroup v2 alone, a kernel of its own, and a reboot.
 *
 *   BAREPOD_VM=1 npm test -- test/node/vm.test.ts
 *
 * Needs root, debootstrap and qemu-system-x86, but no /dev/kvm. The image is made once, in 1 to 4 minutes, and kept in the
 * cache. An emulated boot takes 30 seconds on an idle machine and up to ten minutes on a busy one, so this file does not
 * exist for a run that does not ask for it (vitest.config.mts), and is no skipped test there.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error: the tools are JavaScript without types
import { repositoryRoot } from "../../tools/lib/paths.mjs";
import { openStack, type Stack } from "../harness/engine";
import { type NodeSnapshot, parseSnapshot } from "../harness/snapshot";

const run = promisify(execFile);
const tool = (command: string) => run(process.execPath, [join(repositoryRoot, "tools", "vm-node.mjs"), command, name]);
const name = `test-${process.pid}`;
const minutes = 60_000;

describe("the quickstart on a machine with systemd and cgroup v2", { timeout: 15 * minutes }, () => {
  let connection: { host: string; port: number; user: string; privateKeyPath: string; hostKey: string };
  let before: NodeSnapshot;
  let stack: Stack;
  let programs = 0;

  beforeAll(async () => {
    await tool("create");
    connection = JSON.parse((await tool("connection")).stdout);
    before = await snapshot();
    stack = await openStack("vm", async () => {
      pulumi.runtime.setConfig("conformance:node", JSON.stringify(connection));
      // Another address is another module: the program runs anew.
      await import(`../../examples/quickstart/index.ts?${++programs}`);
    });
  }, 30 * minutes);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await tool("delete");
  }, minutes);

  async function sh(line: string): Promise<string> {
    const { privateKeyPath, port, user, host } = connection;
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=10"];
    const target = ["-n", "-i", privateKeyPath, "-p", String(port), `${user}@${host}`];
    const args = [...options.flatMap((option) => ["-o", option]), ...target, line];
    return (await run("ssh", args, { timeout: 2 * minutes, maxBuffer: 2 ** 24 })).stdout.trim();
  }

  async function eventually(line: string, patience = minutes): Promise<string> {
    for (const end = Date.now() + patience; ; await sleep(1000)) {
      const answer = await sh(line).catch((error: Error) => error);
      if (typeof answer === "string") return answer;
      if (Date.now() > end) throw answer;
    }
  }

  /** Without what systemd makes and ends by itself: logins, and the folders of its own services, named by the boot. */
  async function snapshot(): Promise<NodeSnapshot> {
    const script = readFileSync(join(repositoryRoot, "test", "harness", "snapshot.sh"), "utf8");
    const seen = parseSnapshot(await sh(script));
    const without = (text: string, pattern: RegExp) =>
      text
        .split("\n")
        .filter((line) => !pattern.test(line))
        .join("\n");
    return {
      ...seen,
      routes: seen.routes.replaceAll(/ expires \d+sec/g, ""),
      mounts: without(seen.mounts.replaceAll(/pipe_ino=\d+/g, ""), /^\/run\/(user|credentials)\//),
      cgroups: without(seen.cgroups, /\/user\.slice\/|\/system\.slice\//),
      processes: without(seen.processes, /^(systemd|\(sd-pam\)|systemd-.*|agetty|sshd)$/),
      files: without(seen.files, / (\/run\/(?!barepod)|\/tmp\/)/),
    };
  }

  const page = "curl -sSf --max-time 20 http://10.244.0.2/";
  const status = "/run/barepod/process/default_web/web";

  test("starts", async () => {
    expect(await sh("stat -fc %T /sys/fs/cgroup; systemctl is-system-running")).toBe("cgroup2fs\nrunning");
    await stack.up();
    expect(await eventually(page)).toContain("Hello from a pod");
    expect((await stack.up()).steps.filter(({ op }) => op !== "same")).toEqual([]);
    expect((await stack.refresh()).steps.filter(({ op }) => op !== "same")).toEqual([]);
  });

  test("is limited, also when systemd looks at its control groups", async () => {
    const limit = "cat /sys/fs/cgroup/barepod.pods/default_core-k8s-greedy/any-old-name-will-do/memory.max";
    expect(await sh(limit)).toBe(String(200 * 1024 * 1024));
    expect(await sh(`systemctl daemon-reload; systemctl restart getty@tty1; ${limit}`)).toBe(String(200 * 1024 * 1024));
  });

  test("is started again when it was killed, and not when the service is restarted", async () => {
    await sh(`kill -KILL $(cut -f2 ${status}/status)`);
    await eventually(`grep -qx 1 ${status}/restarts && grep -q ^running ${status}/status`);
    expect(await eventually(page)).toContain("Hello from a pod");
    const running = await sh(`cat ${status}/status`);
    expect(await sh(`systemctl restart barepod && cat ${status}/status`)).toBe(running);
  });

  test(
    "comes back by itself after a reboot, and nothing has changed",
    async () => {
      const boot = await sh("cat /proc/sys/kernel/random/boot_id");
      await sh("systemctl --no-block reboot");
      await eventually(`[ "$(cat /proc/sys/kernel/random/boot_id)" != ${boot} ]`, 14 * minutes);
      expect(await eventually("systemctl is-active barepod", 5 * minutes)).toBe("active");
      expect(await eventually(page)).toContain("Hello from a pod");
      expect(await sh("journalctl -b -1 -u barepod -o cat | tail -n 1")).toContain("Stopped barepod.service");
      expect((await stack.refresh()).steps.filter(({ op }) => op !== "same")).toEqual([]);
      expect((await stack.preview()).steps.filter(({ op }) => op !== "same")).toEqual([]);
    },
    25 * minutes,
  );

  test("leaves the machine as it was", async () => {
    await stack.destroy();
    expect(await sh("systemctl list-units --all --no-legend | grep barepod || :")).toBe("");
    expect(await snapshot()).toEqual(before);
  });
});
