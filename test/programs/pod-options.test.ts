/** A pod's resource options, as the engine applies them to what the pod is made of. */
import type * as pulumi from "@pulumi/pulumi";
import { File, Node, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStack, type Stack, type StateResource } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`a pod's options${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  beforeAll(async () => {
    node = await startSandbox();
    stack = await openStack("pod-options", () => undefined);
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  type Options = (on: Node, file: File) => pulumi.ComponentResourceOptions;
  const program =
    (options: Options, name = "web") =>
    () => {
      const on = new Node("edge", { connection: node.connection });
      const file = new File("before", { node: on, path: "/srv/before", content: "x" });
      const spec = {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "app", image: "host:sleep", command: ["sleep", "1000"] }],
      };
      new Pod(name, { on, metadata: { name: "web" }, spec }, options(on, file));
    };
  const children = async () =>
    ((await stack.export()).deployment.resources as (StateResource & Record<string, unknown>)[]).filter(({ parent }) =>
      parent?.includes("barepod:index:Pod::"),
    );
  const missing = async (is: (child: Record<string, unknown>) => boolean) =>
    (await children()).filter((child) => !is(child)).map(({ urn }) => urn.split("::").at(-1));
  const changes = ({ steps }: { steps: readonly { op: string; name: string }[] }) =>
    steps.filter(({ op }) => op !== "same").map(({ op, name }) => `${op} ${name}`);

  test("dependsOn makes its parts wait, and transforms change them", async () => {
    await stack.up({
      program: program((_, file) => ({
        dependsOn: [file],
        transforms: [
          async ({ type, props, opts }) =>
            type.endsWith(":CGroup") ? { props: { ...props, pidsMax: 77 }, opts } : undefined,
        ],
      })),
    });
    expect(await children()).toHaveLength(6);
    expect(
      await missing((child) => (child["dependencies"] as string[]).some((urn) => urn.endsWith("::before"))),
    ).toEqual([]);
    const groups = (await children()).filter(({ type }) => type.endsWith(":CGroup"));
    expect(groups.map(({ inputs }) => inputs?.["pidsMax"])).toEqual([77, 77]);
  });

  test("aliases find its parts again under another name", async () => {
    const renamed = program(() => ({ aliases: [{ name: "web" }] }), "site");
    const preview = await stack.preview({ program: renamed });
    // Without the transform the groups lose their limit; nothing is made anew.
    expect(changes(preview).sort()).toEqual(["update site-cgroup", "update site-cgroup-app"]);
    await stack.up();
    expect(changes(await stack.up())).toEqual([]);
    expect((await children()).map(({ urn }) => urn.split("::").at(-1)).every((name) => name?.startsWith("site-"))).toBe(
      true,
    );
  });

  test("protect, deletedWith and retainOnDelete hold for its parts", async () => {
    const aliases = [{ name: "web" }];
    await stack.up({
      program: program((on) => ({ aliases, protect: true, deletedWith: on, retainOnDelete: true }), "site"),
    });
    expect(await missing((child) => child["protect"] === true)).toEqual([]);
    expect(await missing((child) => String(child["deletedWith"]).endsWith("::edge"))).toEqual([]);
    expect(await missing((child) => child["retainOnDelete"] === true)).toEqual([]);
    const refused = await stack.up({ program: () => undefined, mayFail: true });
    expect(refused.output).toMatch(/protect/);
    await stack.up({ program: program(() => ({ aliases }), "site") });
    expect(await missing((child) => child["protect"] !== true && child["retainOnDelete"] !== true)).toEqual([]);
    await stack.destroy();
  });
});
