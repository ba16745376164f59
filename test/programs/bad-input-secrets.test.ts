/** A secret in every field that can be refused, through the real engine: it shows nowhere. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import {
  CGroup,
  type ConnectionArgs,
  File,
  IptablesChain,
  IptablesRule,
  Mount,
  Namespace,
  Node,
  Pod,
  Process,
  RootFs,
  VethPair,
} from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Fields } from "../../provider/fields";
import type { Container } from "../../provider/kubernetes/container-types";
import { cgroupSpec } from "../../provider/resources/cgroup";
import { fileSpec } from "../../provider/resources/file";
import { iptablesChainSpec } from "../../provider/resources/iptables-chain";
import { iptablesRuleSpec } from "../../provider/resources/iptables-rule";
import { mountSpec } from "../../provider/resources/mount";
import { namespaceSpec } from "../../provider/resources/namespace";
import { processSpec } from "../../provider/resources/process";
import { rootFsSpec } from "../../provider/resources/root-fs";
import { vethPairSpec } from "../../provider/resources/veth-pair";
// @ts-expect-error: the tools are JavaScript without types
import { localDirectory } from "../../tools/lib/paths.mjs";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { textPlaces } from "../harness/hostile";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
const canary = "canary-7f4e1c";
/** Refused by every field: too odd for a name, no number, no path, no list. */
const refused = `../${canary}\n ${canary}`;

type Class = new (name: string, args: never) => pulumi.Resource;

/** The class makes the name of a rule itself. */
const { name: _, ...ruleFields } = iptablesRuleSpec.fields;

/** The primitives with inputs that are valid but for the one under test. */
const primitives: readonly { Type: Class; fields: Fields; valid: object }[] = [
  { Type: File, fields: fileSpec.fields, valid: { path: "/srv/file", content: "x" } },
  { Type: Mount, fields: mountSpec.fields, valid: { source: "tmpfs", target: "/srv/mount", fsType: "tmpfs" } },
  { Type: RootFs, fields: rootFsSpec.fields, valid: { path: "/srv/root", hostBinaries: ["true"] } },
  { Type: Namespace, fields: namespaceSpec.fields, valid: { types: ["uts"] } },
  { Type: CGroup, fields: cgroupSpec.fields, valid: { path: "group" } },
  { Type: VethPair, fields: vethPairSpec.fields, valid: { namespace: "/run/barepod/namespaces/x" } },
  { Type: IptablesRule, fields: ruleFields, valid: { chain: "INPUT", jump: "DROP" } },
  { Type: IptablesChain, fields: iptablesChainSpec.fields, valid: { name: "MINE" } },
  { Type: Process, fields: processSpec.fields, valid: { command: ["true"] } },
];
/** What a class fills in itself: the program cannot give it. */
const own = ["up", "whole", "running", "nonce"];
/** What a file contains, what a mount shows, and what a program is given may be any text. */
const anyText = ["content", "source", "command[0]", "env.KEY"];

describe.skipIf(obstacle)(`a secret${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  beforeAll(async () => {
    node = await startSandbox();
    stack = await openStack("canary", () => void on());
    await stack.up();
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  function on(more: object = {}): Node {
    const { host, port, user, privateKeyPath, hostKey } = node;
    const connection: ConnectionArgs = { host, port, user, privateKeyPath, hostKey };
    return new Node("edge", {
      connection: { ...connection, password: pulumi.secret(`${canary}-password`) } as never,
      ...more,
    });
  }

  function hidden(outcome: Outcome): void {
    const { frames: _, errors, ...rest } = outcome;
    const shown = JSON.stringify({ ...rest, errors: [...errors] });
    // The message is in the way: what is looked for must not be printed by the test either.
    expect(
      shown
        .split(canary)
        .map((text) => text.slice(-150))
        .slice(0, -1),
    ).toEqual([]);
    const folder = join(localDirectory as string, "conformance");
    const states = readdirSync(folder)
      .filter((each) => each.startsWith("canary-"))
      .map((each) => readFileSync(join(folder, each, "state/.pulumi/stacks/conformance/canary.json"), "utf8"));
    expect(
      states
        .join()
        .split(canary)
        .map((text) => text.slice(-300))
        .slice(0, -1),
    ).toEqual([]);
  }

  // A preview ends with the first resource that is refused: all fields of one are wrong at once.
  test.each(primitives.map((each): [string, typeof each] => [each.Type.name, each]))(
    "is not printed when a %s refuses it",
    async (_, { Type, fields, valid }) => {
      const whole = Object.keys(fields).filter((field) => !own.includes(field));
      const args = Object.fromEntries(whole.map((field) => [field, pulumi.secret(refused)]));
      // No key of a map can be a secret.
      const places = textPlaces(fields).filter(({ path }) => !own.includes(path) && !path.endsWith("(a key)"));
      const deep = places.reduce<object>((inputs, { put }) => put(inputs, pulumi.secret(refused) as never), {});
      const isDeep = places.some(({ path }) => !whole.includes(path));
      const attempts: [string[], object][] = [[whole, args]];
      if (isDeep) attempts.push([places.map(({ path }) => path), deep]);
      for (const [paths, inputs] of attempts) {
        const program = () => void new Type("bad", { ...valid, ...inputs, node: on() } as never);
        const preview = await stack.preview({ program, mayFail: true });
        hidden(preview);
        const said = (preview.errors.get("bad") ?? "").split(/[\s,;]+/);
        const accepted = paths.filter(
          (path) => !said.includes(`${path}:`) && !said.includes(`${path.slice(0, path.indexOf("["))}:`),
        );
        expect(accepted.filter((path) => !anyText.includes(path.replace("containers[0].", "")))).toEqual([]);
      }
    },
  );

  test("is not printed when a Node refuses it", async () => {
    const preview = await stack.preview({ program: () => void on({ podCIDR: pulumi.secret(refused) }), mayFail: true });
    hidden(preview);
    expect(preview.errors.get("edge")).toContain("podCIDR");
  });

  test("is not printed when it stands where an address should", async () => {
    const wrong: Record<string, unknown> = {
      text: pulumi.secret(refused),
      password: `root:${canary}@192.0.2.1`,
      host: { host: pulumi.secret(refused) },
      pair: { host: `root:${canary}@192.0.2.1` },
      proxy: { host: "192.0.2.1", proxy: { host: pulumi.secret(refused) } },
      jump: { host: "192.0.2.1", proxy: pulumi.secret(refused) },
      port: { host: "192.0.2.1", port: pulumi.secret(refused) },
      sudo: { host: "192.0.2.1", sudo: pulumi.secret(refused) },
      limit: { host: "192.0.2.1", dialErrorLimit: pulumi.secret(refused) },
    };
    for (const [name, connection] of Object.entries(wrong)) {
      const program = () => void new Node(name, { connection: connection as never });
      const preview = await stack.preview({ program, mayFail: true });
      hidden(preview);
      expect(preview.errors.get(name)).toMatch(/connection[.\w]*: must be/);
    }
  });

  test("is not printed when a pod's field is refused", async () => {
    const container = (more: object) =>
      ({ name: "app", image: "host:sleep", command: ["sleep", "1"], ...more }) as Container;
    const secret = pulumi.secret(refused);
    const bad: Record<string, object> = {
      image: { containers: [container({ image: secret })] },
      memory: { containers: [container({ resources: { limits: { memory: secret } } })] },
      variable: { containers: [container({ env: [{ name: secret, value: "x" }] })] },
      spec: pulumi.secret({ containers: [container({ workingDir: refused })] }),
    };
    for (const [name, spec] of Object.entries(bad)) {
      const preview = await stack.preview({
        program: () => void new Pod(name, { on: on(), spec: spec as never }),
        mayFail: true,
      });
      hidden(preview);
      const said = [...preview.errors.values()].join("\n");
      expect({ name, said }).toEqual({ name, said: expect.stringMatching(/Pod "\w+": .*spec/s) });
      expect({ name, said }).toEqual({ name, said: expect.not.stringMatching(/^\s+at /m) });
    }
  });

  test("is not printed, and lies in state encrypted, when the node refuses it", async () => {
    const secret = (text = canary) => pulumi.secret(text);
    const program = () => {
      const node = on();
      new File("file", { node, path: secret(`/proc/${canary}/file`), content: secret() });
      new File("content", { node, path: "/proc/sys/nothing", content: secret(`first\n${canary}\nlast`) });
      new Mount("bind", { node, source: secret(`/srv/${canary}`), target: "/srv/bind", options: ["bind"] });
      new Mount("kept", { node, source: secret(), target: "/srv/kept", fsType: "tmpfs" });
      new RootFs("programs", { node, path: "/srv/programs", hostBinaries: [secret()] as never });
      new RootFs("archive", { node, path: "/srv/archive", archive: secret(`/srv/${canary}.tar`) });
      new Namespace("namespace", { node, types: ["uts"], hostname: secret(canary) });
      new CGroup("group", { node, path: secret(`canaries/${canary}`), memoryMax: 1 });
      new Process("missing", { node, command: [secret()], timeoutSeconds: 5 });
      new Process("folder", {
        node,
        command: ["sleep", "1000"],
        workingDir: secret(`/srv/${canary}`),
        timeoutSeconds: 5,
      });
      new Process("ends", {
        node,
        command: ["sh", "-c", 'echo "the password is $PASSWORD"; exit 3'],
        env: { PASSWORD: secret() },
        restartPolicy: "Never",
      });
      new Pod("pod", {
        on: node,
        spec: {
          restartPolicy: "Never",
          containers: [
            {
              name: "canary-bird",
              image: "host:busybox",
              command: ["busybox", "sh", "-c", 'echo "$0 $KEY"; exit 4', secret()],
              env: [{ name: "KEY", value: secret(`it's "${canary}"`) }],
            },
          ],
        },
      });
    };
    const up = await stack.up({ program, mayFail: true, continueOnError: true });
    hidden(up);
    expect(up.errors.get("ends")).toContain("the password is [secret]");
    for (const name of ["file", "content", "bind", "programs", "archive", "missing", "folder"])
      expect({ name, said: up.errors.get(name) }).toEqual({
        name,
        said: expect.stringMatching(/\[secret\]|\*\*\*|sys/),
      });
    const refreshed = await stack.refresh({ mayFail: true });
    hidden(refreshed);
    const again = await stack.up({ mayFail: true, continueOnError: true });
    hidden(again);
    // Only the secret is masked, not all that stands beside it. On a busy machine the container ends only after the first
    // `up` has seen it run.
    const said = [up, again].map(({ errors }) => errors.get("pod-process") ?? "").join("\n");
    expect(said).toContain("container canary-bird ended with exit code 4");
    hidden(await stack.destroy({ mayFail: true }));
  });
});
