/** The harness of the other tests of programs: a stack whose engine was killed while it wrote. */
import { truncateSync } from "node:fs";
import { expect, it } from "vitest";
import { openStack } from "../harness/engine.js";

it("recovers a stack whose state's metadata was cut off", async () => {
  await using stack = await openStack("killed", () => undefined);
  await stack.up();
  const { deployment } = await stack.export();
  truncateSync(`${stack.stateFile}.attrs`);

  await stack.recover();

  expect((await stack.up()).steps.map(({ op }) => op)).not.toContain("create");
  expect((await stack.export()).deployment.resources).toHaveLength(deployment.resources.length);
});
