/**
 * The quickstart on a real machine: Debian 12 with systemd, cgroup v2 alone, a kernel of its own, and a reboot.
 */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error: the tools are JavaScript without types
import { repositoryRoot } from "../../../tools/lib/paths.mjs";
import { type Outcome, openStack, type Stack } from "../../harness/engine";
import type { NodeSnapshot } from "../../harness/snapshot";
import { Machine, minutes } from "./machine";

describe("the quickstart on a machine with systemd and cgroup v2", { timeout: 15 * minutes }, () => {
  let machine: Machine;
  let before: NodeSnapshot;
  let stack: Stack;
  let programs = 0;
  let page: string;
  const sh = (line: string) => machine.sh(line);
  const changes = ({ steps }: Outcome) => steps.filter(({ op }) => op !== "same");

  beforeAll(async () => {
    machine = await Machine.start("quickstart");
    before = await machine.snapshot();
    stack = await openStack("vm", async () => {
      pulumi.runtime.setConfig("conformance:node", JSON.stringify(machine.connection));
      // Another address is another module: the program runs anew.
      await import(/* @vite-ignore */ `${join(repositoryRoot, "examples/quickstart/index.ts")}?${++programs}`);
    });
    await stack.up();
    // The three pods take their addresses in any order; each keeps its own, also over a reboot.
    const { resources } = (await stack.export()).deployment;
    const web = resources.find(({ urn }) => urn.endsWith("barepod:index:Pod::web"));
    const status = web?.outputs?.["status"] as { podIP: string } | undefined;
    page = `curl -sSf --max-time 20 http://${status?.podIP}/`;
  }, 30 * minutes);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
  }, minutes);

  const status = "/run/barepod/process/default_web/web";

  test("starts, and stays as it is", async () => {
    expect(await sh("stat -fc %T /sys/fs/cgroup; systemctl is-system-running")).toBe("cgroup2fs\nrunning");
    expect(await machine.eventually(page)).toContain("Hello from a pod");
    expect(changes(await stack.preview())).toEqual([]);
    expect(changes(await stack.up())).toEqual([]);
    expect(changes(await stack.refresh())).toEqual([]);
  });

  test("is limited, also when systemd looks at its control groups", async () => {
    const limit = "cat /sys/fs/cgroup/barepod.pods/default_core-k8s-greedy/any-old-name-will-do/memory.max";
    expect(await sh(limit)).toBe(String(200 * 1024 * 1024));
    expect(await sh(`systemctl daemon-reload; systemctl restart getty@tty1; ${limit}`)).toBe(String(200 * 1024 * 1024));
  });

  test("is started again when it was killed, and not when the service is restarted", async () => {
    await sh(`kill -KILL $(cut -f2 ${status}/status)`);
    await machine.eventually(`grep -qx 1 ${status}/restarts && grep -q ^running ${status}/status`);
    expect(await machine.eventually(page)).toContain("Hello from a pod");
    const running = await sh(`cat ${status}/status`);
    expect(await sh(`systemctl restart barepod && cat ${status}/status`)).toBe(running);
  });

  test(
    "comes back by itself after a reboot, and nothing has changed",
    async () => {
      const boot = await sh("cat /proc/sys/kernel/random/boot_id");
      await sh("systemctl --no-block reboot");
      await machine.eventually(`[ "$(cat /proc/sys/kernel/random/boot_id)" != ${boot} ]`, 14 * minutes);
      expect(await machine.eventually("systemctl is-active barepod", 5 * minutes)).toBe("active");
      expect(await machine.eventually(page)).toContain("Hello from a pod");
      expect(await sh("journalctl -b -1 -u barepod -o cat | tail -n 2")).toContain("Stopped barepod.service");
      expect(changes(await stack.preview())).toEqual([]);
      expect(changes(await stack.refresh())).toEqual([]);
      expect(changes(await stack.preview())).toEqual([]);
    },
    25 * minutes,
  );

  test("leaves the machine as it was", async () => {
    await stack.destroy();
    expect(await sh("systemctl list-units --all --no-legend | grep barepod || :")).toBe("");
    expect(await machine.snapshot()).toEqual(before);
  });
});
