/**
 * Fields of pods, each by what a container with it sees and by what one without it sees: two pods for each case of
 * fields/cases.ts, all in one `up`. test/kubernetes/field-cases.test.ts holds the cases against the table of support.ts.
 */
import { ConfigMap, Node, Pod, Secret } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import type { NodeSnapshot } from "../harness/snapshot";
import type { FieldCase, Look } from "./fields/case";
import { fieldCases } from "./fields/cases";
import { outsider, server } from "./fields/probes";

const obstacle = sandboxObstacle();
type Side = "with" | "without";
const sides = ["without", "with"] as const;

describe.skipIf(obstacle)(`fields of a pod${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let first: Outcome;
  const place = () => ({ host: node.host, node: process.execPath });

  beforeAll(async () => {
    node = await startSandbox();
    await sh("printf 'nameserver 192.0.2.53\\nsearch example.com\\n' > /etc/resolv.conf");
    before = await node.snapshot();
    await sh(`mkdir -p /srv/fields/mounts /srv/fields/record/with /srv/fields/record/without
mount -t tmpfs fields /srv/fields/mounts && mkdir /srv/fields/mounts/below && mount -t tmpfs below /srv/fields/mounts/below
mount --make-rshared /srv/fields/mounts
echo yes > /srv/fields/of-the-node; touch /srv/fields/hold /dev/shm/of-the-node
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=nobody -keyout /srv/fields/tls.key -out /srv/fields/tls.crt 2>/dev/null`);
    await node.exec(["sh", "-c", "cat > /srv/fields/server.js"], { stdin: server });
    stack = await openStack("pod-fields", program);
    first = await stack.up({ mayFail: true, continueOnError: true });
    await sh(
      "mkdir /srv/fields/mounts/new && mount -t tmpfs new /srv/fields/mounts/new && echo seen > /srv/fields/mounts/new/seen",
    );
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  function program(): void {
    const on = new Node("edge", { connection: node.connection });
    new ConfigMap("settings", { on, data: { level: "info" } });
    new Secret("login", { on, stringData: { password: "canary" } });
    const asked = new Pod("outsider", { on, spec: outsider(place()) });
    for (const { name, metadata = {}, spec, control } of fieldCases(place())) {
      const { annotations, ...rest } = metadata;
      // How long to wait is no field of the pod's that a container sees.
      const waiting = annotations?.["pulumi.com/skipAwait"] === undefined ? {} : { metadata: { annotations } };
      new Pod(
        `${name}-with`,
        { on, metadata: { ...rest, ...(annotations && { annotations }) }, spec },
        { dependsOn: asked },
      );
      if (controlOf(control) !== name) continue;
      new Pod(`${name}-without`, { on, ...waiting, spec: control }, { dependsOn: asked });
    }
  }

  async function sh(line: string): Promise<string> {
    const { code, stdout, stderr } = await node.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }

  /** The case whose control this is: several may have the same. */
  function controlOf(control: FieldCase["control"]): string {
    const text = JSON.stringify(control);
    return fieldCases(place()).find((each) => JSON.stringify(each.control) === text)?.name ?? "";
  }

  /** Where the keeper of a pod has its files. */
  function processOf({ name, metadata = {}, control }: FieldCase, side: Side): string {
    if (side === "without") return `default_${controlOf(control)}-without`;
    return `${metadata.namespace ?? "default"}_${metadata.name ?? `${name}-with`}`;
  }

  /** A container of this side: where its name is the field, the control is called `main`. */
  function containerOf({ spec, control }: FieldCase, side: Side, container: string): string {
    const all = [side === "with" ? spec : control].flatMap((each) => [
      ...each.containers,
      ...(each.initContainers ?? []),
    ]);
    return all.some(({ name }) => name === container) ? container : "main";
  }

  async function look(
    { inside, outside, after }: Look,
    each: FieldCase,
    side: Side,
    container: string,
  ): Promise<string> {
    const id = processOf(each, side);
    const name = containerOf(each, side, container);
    const words = `SIDE=${side} DIR=/run/barepod/process/${id}/${name} GROUP=barepod.pods/${id}/${name}`;
    const pid = after
      ? ""
      : (await node.exec(["cut", "-f2", `/run/barepod/process/${id}/${name}/status`])).stdout.trim();
    const enter = ["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "busybox", "sh", "-c"];
    const { stdout } = await node.exec(
      outside === undefined ? [...enter, inside ?? ""] : ["sh", "-c", `${words} ROOT=/proc/${pid}/root; ${outside}`],
    );
    return stdout.trimEnd();
  }

  function matches(text: string, expected: string | RegExp): boolean {
    return typeof expected === "string" ? text === expected : expected.test(text);
  }

  /** What it sees, as soon as that is what is expected, or at last. */
  async function seen(one: Look, each: FieldCase, side: Side, container: string): Promise<string> {
    const expected = side === "with" ? one.sees : one.without;
    for (let left = 300; ; left--) {
      const text = await look(one, each, side, container);
      if (left === 0 || matches(text, expected)) return text;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The control first; and once more when the other has shown what it does. */
  async function compare(each: FieldCase, isAfter: boolean): Promise<void> {
    for (const one of each.looks.filter(({ after = false }) => after === isAfter)) {
      const all = one.container === undefined ? [...each.spec.containers, ...(each.spec.initContainers ?? [])] : [];
      const made =
        one.container === undefined
          ? all.flatMap(({ name }) => (["main", "side"].includes(name as string) ? [name as string] : []))
          : [one.container];
      for (const container of made) {
        const what = `${one.fields.join(" ")} (${container})`;
        for (const side of [...sides, "without"] as const) {
          const expected = side === "with" ? one.sees : one.without;
          const text = await seen(one, each, side, container);
          expect(text, `${side} ${what}`).toEqual(
            typeof expected === "string" ? expected : expect.stringMatching(expected),
          );
        }
      }
    }
  }

  test("are made", () => {
    expect([...first.errors.keys()].sort()).toEqual([]);
  });

  const names = fieldCases({ host: "192.0.2.1", node: "node" }).map(({ name }) => name);
  test.each(names)("%s: with and without", async (name) => {
    await compare(fieldCases(place()).find((each) => each.name === name) as FieldCase, false);
  });

  test("stay as they are, but for those that are not awaited", async () => {
    const unsettled = fieldCases(place()).filter(({ metadata }) => metadata?.annotations?.["pulumi.com/skipAwait"]);
    const isSettled = ({ name }: { name: string }) => !unsettled.some((each) => name.startsWith(`${each.name}-with`));
    const { steps } = await stack.refresh();
    expect(steps.filter((step) => step.op !== "same" && isSettled(step))).toEqual([]);
  });

  test("leave nothing behind, and say good-bye before", async () => {
    await sh("rm /srv/fields/hold; umount /srv/fields/mounts/new; rmdir /srv/fields/mounts/new");
    await stack.destroy();
    for (const each of fieldCases(place())) await compare(each, true);
    await sh("umount /srv/fields/mounts/below /srv/fields/mounts; rm -r /srv/fields /dev/shm/of-the-node");
    expect(await node.snapshot()).toEqual(before);
  });
});
