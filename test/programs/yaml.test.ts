/** Manifests through the real engine and the real CLI, as their user has them. */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Node, Pod, yaml } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { openStack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
const root = join(__dirname, "..", "..");

const pod = (name: string, greeting: string) => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec:
  containers:
    - name: main
      image: host:busybox
      command: [busybox, sh, -c, 'echo "$GREETING" > /said; exec busybox sleep 10000']
      env: [{ name: GREETING, value: "${greeting}" }]
  terminationGracePeriodSeconds: 0
`;

describe.skipIf(obstacle)(`manifests${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let folder: string;
  beforeAll(async () => {
    node = await startSandbox();
    mkdirSync(join(root, ".barepod"), { recursive: true });
    // Below the repository: that is where programs find the package.
    folder = mkdtempSync(join(root, ".barepod", "yaml-"));
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const said = (name: string) =>
    node.exec([
      "sh",
      "-c",
      `until cat /run/barepod/pods/default_${name}/main/rootfs/said 2>/dev/null; do sleep 0.05; done`,
    ]);

  test("of a ConfigFile are made, changed and removed as the file says", async () => {
    const file = join(folder, "pods.yaml");
    await using stack = await openStack("yaml", () => {
      const on = new Node("edge", { connection: node.connection });
      const app = new yaml.ConfigFile("app", {
        on,
        file,
        transformations: [(manifest) => Object.assign(manifest.metadata.labels, { team: "x" })],
      });
      app.getResource("v1/Pod", "a");
    });
    const before = await node.snapshot();
    writeFileSync(file, `${pod("a", "one")}---\n${pod("b", "one")}`);
    const first = await stack.up();
    expect(first.errors).toEqual(new Map());
    const pods = first.steps.filter(({ type }) => type === "index:Pod").map(({ name }) => name);
    expect(pods.sort()).toEqual(["app-a", "app-b"]);
    expect((await said("a")).stdout).toBe("one\n");
    const again = await stack.up();
    expect(again.steps.filter(({ op }) => op !== "same")).toEqual([]);

    writeFileSync(file, pod("a", "two"));
    const second = await stack.up();
    expect(second.errors).toEqual(new Map());
    const removed = second.steps.filter(({ op }) => op === "delete").map(({ name }) => name);
    expect(removed.every((name) => name.startsWith("app-b"))).toBe(true);
    expect(removed).toContain("app-b-process");
    expect((await said("a")).stdout).toBe("two\n");

    // What `barepod convert` writes, told which resources it means.
    const collection = "urn:pulumi:yaml::conformance::barepod:yaml:ConfigFile::app";
    const converted = await stack.up({
      program: () => {
        const on = new Node("edge", { connection: node.connection });
        const { metadata, spec } = parse(pod("a", "two"));
        const labels = { ...metadata.labels, team: "x" };
        const aliases = [{ name: "app-a", parent: collection }];
        new Pod("a", { on, metadata: { ...metadata, labels }, spec }, { aliases });
      },
    });
    expect(converted.errors).toEqual(new Map());
    expect(converted.steps.filter(({ op, name }) => op !== "same" && name !== "app")).toEqual([]);
    await stack.destroy();
    expect(await node.snapshot()).toEqual(before);
  });

  /** A project of its own, and the CLI in it. */
  function project(name: string, files: Record<string, string>) {
    const at = join(folder, name);
    mkdirSync(at);
    const all = {
      "Pulumi.yaml": `name: ${name}\nruntime: nodejs\n`,
      "package.json": '{ "main": "index.ts" }\n',
      ...files,
    };
    for (const [file, text] of Object.entries(all)) writeFileSync(join(at, file), text);
    mkdirSync(join(at, "state"));
    const env = { ...process.env, PULUMI_BACKEND_URL: `file://${join(at, "state")}`, PULUMI_CONFIG_PASSPHRASE: "" };
    const run = promisify(execFile);
    return {
      at,
      async pulumi(...args: string[]): Promise<string> {
        const words = [join(root, "tools", "pulumi.mjs"), "-C", at, "--non-interactive", ...args];
        return (await run(process.execPath, words, { cwd: root, env, maxBuffer: 1 << 26 })).stdout;
      },
      async barepod(args: string[], input = ""): Promise<string> {
        const ended = run(process.execPath, [join(root, "dist", "cli", "main.js"), ...args], { cwd: at, env });
        ended.child.stdin?.end(input);
        return (await ended).stdout;
      },
    };
  }
  const program = (args: string) => `import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, Node, yaml } from "barepod";
const node = new Node("node", { connection: new pulumi.Config().requireObject<ConnectionArgs>("node") });
new yaml.ConfigFile("app", { on: node, ${args} });
`;

  test("with mistakes end the preview with file, line, column and path, and no stack", async () => {
    const text = pod("a", "one").replace("image:", "imagee:").replace("[{ name", "[{ nmae");
    const { pulumi } = project("mistakes", {
      "index.ts": program('file: "pod.yaml"'),
      "pod.yaml": `${text}---\n${pod("b", "one").replace("Pod", "Job")}`,
    });
    await pulumi("stack", "init", "test");
    await pulumi("config", "set", "--path", "node.host", "192.0.2.10");
    const failure = (await pulumi("preview").catch((error: unknown) => error)) as { stdout: string; stderr: string };
    const printed = `${failure.stdout}${failure.stderr}`;
    expect(printed).toContain("barepod:yaml:ConfigFile (app)");
    expect(printed).toContain('error: ConfigFile "app": 5 problems:');
    for (const line of [
      "pod.yaml:6:7: spec.containers[0].image: is required",
      "pod.yaml:7:7: spec.containers[0].imagee: no such field; did you mean image?",
      "pod.yaml:9:13: spec.containers[0].env[0].name: is required",
      "pod.yaml:9:15: spec.containers[0].env[0].nmae: no such field; did you mean name?",
      "pod.yaml:12:1: v1 Job in document 2 is not supported; supported kinds: v1 ConfigMap, v1 Secret, v1 Service, discovery.k8s.io/v1 EndpointSlice, v1 Pod",
    ])
      expect(printed).toContain(line);
    expect(printed).not.toMatch(/^ +at /m);
    expect(printed).not.toContain("barepod:index:Pod");
  });

  test("preview the same when they have been converted to a program", async () => {
    const pods = join(root, "examples", "yaml", "pods.yaml");
    const { at, pulumi, barepod } = project("converted", {
      "index.ts": program('file: "pods.yaml", resourcePrefix: ""'),
    });
    copyFileSync(pods, join(at, "pods.yaml"));
    await pulumi("stack", "init", "test");
    await pulumi("config", "set", "--path", "node.host", "192.0.2.10");
    const declared = async () => {
      const { steps } = JSON.parse(await pulumi("preview", "--json")) as {
        steps: { urn: string; newState: { inputs?: Record<string, unknown> } }[];
      };
      const children = steps.filter(({ urn }) => urn.includes("dynamic/barepod:"));
      return new Map(
        children.map(({ urn, newState }) => {
          // Who owns it, where it stands in the tree of resources and what is drawn by lot is another matter.
          const { owner, resourceUrn, nonce, ...inputs } = newState.inputs ?? {};
          return [urn.slice(urn.lastIndexOf("::") + 2), inputs];
        }),
      );
    };
    const before = await declared();
    expect(await barepod(["convert", "pods.yaml", "--output", "program.ts"])).toBe("");
    const written = readFileSync(join(at, "program.ts"), "utf8");
    const piped = await barepod(["convert", "-"], readFileSync(pods, "utf8"));
    expect(piped.replace("stdin", "pods.yaml")).toBe(written);
    for (const [args, input, refusal] of [
      [["convert", "pods.yaml", "--output", "program.ts"], "", "barepod: program.ts exists already;"],
      [["convert", "absent.yaml"], "", "barepod: absent.yaml: does not exist; it was looked for at "],
      [["convert", "-"], pod("b", "x").replace("spec", "sepc"), "  stdin:4:1: sepc: no such field; did you mean spec?"],
    ] as const) {
      const { code, stderr } = (await barepod([...args], input).catch((error: unknown) => error)) as Record<
        string,
        string
      >;
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(refusal) });
      expect(stderr).not.toMatch(/^ +at /m);
    }
    copyFileSync(join(at, "program.ts"), join(at, "index.ts"));
    expect(readFileSync(join(at, "index.ts"), "utf8")).not.toContain("yaml.");
    const after = await declared();
    expect(before.size).toBe(18);
    expect(Object.fromEntries(after)).toEqual(Object.fromEntries(before));
  });
});
