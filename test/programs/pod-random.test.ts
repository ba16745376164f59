/**
 * Pods made at random: what is accepted applies, reads as it was made, and is removed without a trace. What they are made from
 * is BAREPOD_SEED (default 4); how many, BAREPOD_PODS (default 15).
 */
import { Node, Pod } from "barepod";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStack, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import type { NodeSnapshot } from "../harness/snapshot";
import { podSpec } from "../kubernetes/specs";

const obstacle = sandboxObstacle();
const seed = Number(process.env["BAREPOD_SEED"] ?? 4);
const count = Number(process.env["BAREPOD_PODS"] ?? 15);

/** Ports of the node itself that are taken, or that two pods want, are another matter. */
const specs = fc
  .sample(podSpec, { seed, numRuns: count })
  .map((spec) => JSON.parse(JSON.stringify(spec)) as typeof spec);

describe.skipIf(obstacle)(`any pod${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let missing: readonly number[] = [];

  beforeAll(async () => {
    console.log(`BAREPOD_SEED=${seed} BAREPOD_PODS=${count}`);
    node = await startSandbox();
    await node.exec(["mkdir", "-p", "/srv/fields"]);
    before = await node.snapshot();
    stack = await openStack("pod-random", () => {
      const on = new Node("edge", { connection: node.connection });
      specs.forEach((spec, i) => {
        if (!missing.includes(i)) new Pod(`pod-${i}`, { on, metadata: { labels: { a: "1" } }, spec });
      });
    });
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  /** By the pod: what went wrong, beside what was asked for. */
  const failures = (errors: ReadonlyMap<string, string>) =>
    [...errors].flatMap(([name, message]) => {
      const [, i] = /^pod-(\d+)/.exec(name) ?? [];
      return i === undefined ? [] : [`${name}: ${message}\n${JSON.stringify(specs[Number(i)])}`];
    });

  test("applies", async () => {
    expect(failures((await stack.up({ mayFail: true, continueOnError: true })).errors)).toEqual([]);
  });

  test("reads as it was made", async () => {
    const { steps } = await stack.refresh();
    expect(steps.filter(({ op }) => op !== "same").map(({ op, name, changed }) => [op, name, changed])).toEqual([]);
    const again = await stack.up();
    expect(again.steps.filter(({ op }) => op !== "same").map(({ op, name, changed }) => [op, name, changed])).toEqual(
      [],
    );
    expect(again.frames).toEqual([]);
  });

  test("is removed alone, and the last leaves the node as it was", async () => {
    missing = specs.flatMap((_, i) => (i % 2 === 0 ? [i] : []));
    await stack.up();
    expect(await node.exec(["sh", "-c", "ls -d /run/barepod/process/default_pod-*"])).toMatchObject({
      stdout: specs
        .flatMap((_, i) => (i % 2 === 0 ? [] : [`/run/barepod/process/default_pod-${i}\n`]))
        .sort()
        .join(""),
    });
    await stack.destroy();
    expect(await node.snapshot()).toEqual(before);
  });
});
