/**
 * What earlier releases left in people's state still works: it is read, compared and deleted as if this release had made it.
 *
 * Before a release, `BAREPOD_WRITE_FIXTURE=0.2.0 npx vitest run --project node test/node/conformance/released.test.ts` runs
 * test/fixtures/program-0.2.0.ts on a new node and keeps its state beside it. Neither file is changed after the release.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ConnectionArgs } from "barepod";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownersFolder } from "../../../provider/frame";
import { digest } from "../../../provider/naming";
import { ownerName } from "../../../provider/owner";
import { objectOf } from "../../../provider/resource";
import { nodeSpec } from "../../../provider/resources/node";
import { type Deployment, engineObstacle, type Outcome, openStack, type Stack } from "../../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../../harness/sandbox";
import type { NodeSnapshot } from "../../harness/snapshot";

const folder = join(__dirname, "../../fixtures");
const writing = process.env["BAREPOD_WRITE_FIXTURE"];
const versions = readdirSync(folder).flatMap((file) => /^program-(.*)\.ts$/.exec(file)?.[1] ?? []);
const obstacle = sandboxObstacle() ?? engineObstacle();

/** What differs from node to node, and what stands for it in a fixture. */
async function placeholders(node: SandboxNode): Promise<[string, string][]> {
  const ask = async (...words: string[]) => (await node.exec(words)).stdout.trim();
  return [
    [node.privateKeyPath, "<privateKeyPath>"],
    [node.hostKey, "<hostKey>"],
    [node.host, "<host>"],
    [node.name, "<name>"],
    [await ask("uname", "-r"), "<kernel>"],
    [await ask("cat", "/proc/sys/kernel/random/boot_id"), "<boot>"],
  ];
}

/** Where the program lay that made a resource is of no use to others. */
function withoutPositions(key: string, value: unknown): unknown {
  return key === "sourcePosition" || key === "stackTrace" ? undefined : value;
}

/** Makes the node the one that the fixture tells of. */
async function claimNode(node: SandboxNode, fixture: Deployment): Promise<void> {
  const { inputs } = fixture.deployment.resources.find(({ type }) => type.endsWith("barepod:Node")) ?? {};
  const owner = ownerName(inputs as never);
  const claims = `${ownersFolder}/${objectOf(nodeSpec, inputs as never)}`;
  const script = 'mkdir -p "${1%/*}" && printf "%s\\n.\\n" "$3 $(cat /proc/sys/kernel/random/boot_id) - $2" > "$1"';
  await node.exec(["sh", "-c", script, "sh", claims, owner, digest(owner)]);
}

describe.skipIf(obstacle).each(versions)("state of release %s", (version) => {
  let node: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let after: NodeSnapshot;
  const outcomes = {} as Record<"previewed" | "emptied" | "made" | "read" | "kept" | "destroyed", Outcome>;
  const ops = ({ steps }: Outcome) => new Set(steps.map(({ op, type, name }) => `${op} ${type} ${name}`));
  /** What an outcome did to resources other than leave them alone. */
  const changes = (outcome: Outcome) => [...ops(outcome)].filter((op) => !op.startsWith("same "));

  beforeAll(async () => {
    node = await startSandbox();
    before = await node.snapshot();
    const file = join(folder, `state-${version}.json`);
    const { program } = (await import(join(folder, `program-${version}.ts`))) as {
      program(connection: ConnectionArgs): void;
    };
    stack = await openStack("fixture", () => program(node.connection));
    const words = await placeholders(node);
    if (writing === version) {
      await stack.up();
      let text = JSON.stringify(await stack.export(), withoutPositions, 2);
      for (const [own, placeholder] of words) text = text.replaceAll(own, placeholder);
      writeFileSync(file, `${text}\n`);
      await stack.destroy();
    }
    if (!existsSync(file)) throw new Error(`${file} is missing: see the head of this file`);
    let text = readFileSync(file, "utf8");
    for (const [own, placeholder] of words) text = text.replaceAll(placeholder, own);
    const fixture = JSON.parse(text) as Deployment;

    await stack.import(fixture);
    outcomes.previewed = await stack.preview();
    await claimNode(node, fixture);
    // The other objects are on no node: a refresh forgets them, and an up makes them anew, for the same owners.
    outcomes.emptied = await stack.refresh();
    outcomes.made = await stack.up();
    await stack.import(fixture);
    outcomes.read = await stack.refresh();
    outcomes.kept = await stack.up();
    await stack.import(fixture);
    outcomes.destroyed = await stack.destroy();
    after = await node.snapshot();
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  // Before the first release pods did not say their labels to Services: saying them is an update in place.
  const said = version === "0.1.0-pre" ? ["update Process pod-process"] : [];

  it("previews as unchanged", () => {
    expect(changes(outcomes.previewed)).toEqual(said);
  });

  it("is read: what it tells of is missed when it is not there, and made again", () => {
    expect(changes(outcomes.emptied)).toContain("delete Mount scratch");
    expect(changes(outcomes.made)).toContain("create Mount scratch");
  });

  it("is read: what is there is what it tells of", () => {
    // What this release has made says them: the older state does not know that.
    expect(changes(outcomes.read)).toEqual(said);
    expect(changes(outcomes.kept)).toEqual(said);
    if (said.length === 0) expect(outcomes.kept.frames).toEqual([]);
  });

  it("is deleted, and nothing is left", () => {
    expect([...ops(outcomes.destroyed)]).toContain("delete Mount scratch");
    expect(after).toEqual(before);
  });
});
