import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
const root = join(__dirname, "..", "..");

/** What each example shows when it is up. */
const examples = [
  {
    name: "quickstart",
    folder: ".",
    resources: 23,
    shows: async (node: SandboxNode, outputs: Record<string, unknown>) => {
      const page = await node.exec(["curl", "-sS", "--max-time", "10", `http://${outputs["podIP"]}/`]);
      expect(page.stdout).toContain("Hello from a pod");
      const limit = await node.exec([
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory/barepod.pods/*greedy*/*/memory.limit_in_bytes",
      ]);
      expect(limit.stdout.trim()).toBe(String(200 * 1024 * 1024));
    },
  },
  {
    name: "primitives",
    folder: "examples/primitives",
    resources: 12,
    shows: async (node: SandboxNode, outputs: Record<string, unknown>) => {
      expect(outputs).toMatchObject({ address: "10.244.0.2", phase: "Running" });
      const log = (await node.exec(["sh", "-c", "cat /var/log/pods/*/*/0.log"])).stdout;
      expect(log).toMatch(/ 1 \?.*\/bin\/bash/);
      expect(log).toMatch(/F data\n/);
      expect(log).toContain("F Welcome to the box.");
      const rules = (await node.exec(["iptables-save"])).stdout;
      expect(rules).toContain("-A INPUT -s 10.1.2.3/32");
      expect(rules).toContain("-A BOX -s 10.1.2.0/24 -j DROP");
    },
  },
  {
    name: "yaml",
    folder: "examples/yaml",
    resources: 23,
    shows: async (node: SandboxNode, outputs: Record<string, unknown>) => {
      const page = await node.exec(["curl", "-sS", "--max-time", "10", `http://${outputs["podIP"]}:8080/`]);
      expect(page.stdout).toBe("Hello from web, declared in YAML.\n");
    },
  },
];

describe.skipIf(obstacle)(`the examples${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let backend: string;
  beforeAll(async () => {
    node = await startSandbox();
    mkdirSync(join(root, ".barepod"), { recursive: true });
    backend = mkdtempSync(join(root, ".barepod", "examples-"));
  });
  afterAll(async () => {
    await node[Symbol.asyncDispose]();
    rmSync(backend, { recursive: true, force: true });
  });

  test.each(examples)(
    "$name goes up, stays as it is, and goes without a trace",
    async ({ folder, resources, shows }) => {
      const stack = `test-${process.pid}`;
      const env = { ...process.env, PULUMI_BACKEND_URL: `file://${backend}`, PULUMI_CONFIG_PASSPHRASE: "" };
      const pulumi = async (...args: string[]): Promise<string> => {
        const words = [join(root, "tools", "pulumi.mjs"), "-C", join(root, folder), "--non-interactive", ...args];
        return (await promisify(execFile)(process.execPath, words, { cwd: root, env, maxBuffer: 1 << 26 })).stdout;
      };
      const before = await node.snapshot();
      await pulumi("stack", "init", stack);
      try {
        for (const key of ["host", "port", "user", "privateKeyPath", "hostKey"] as const)
          await pulumi("config", "set", "--path", `node.${key}`, String(node[key]));
        const up = await pulumi("up", "--yes", "--skip-preview");
        expect(up).toContain(`+ ${resources} created`);
        await shows(node, JSON.parse(await pulumi("stack", "output", "--json")));
        await pulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
        await pulumi("destroy", "--yes", "--skip-preview");
      } finally {
        await pulumi("stack", "rm", "--yes", "--force", stack);
      }
      expect(await node.snapshot()).toEqual(before);
    },
  );
});
