// npm run setup: what `npm run demo` and `npm test` share. Checks the machine, installs, builds, gets the Pulumi CLI.
import { pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { prepareMachine } from "./lib/prepare-machine.mjs";
import { step } from "./lib/progress.mjs";
import { ensurePulumi } from "./lib/pulumi-download.mjs";
import { main } from "./lib/run.mjs";

/** Returns the Pulumi CLI, and why no sandbox node can be made here (undefined where one can). */
export async function setUp() {
  const { obstacle } = await prepareMachine();
  await ensureDependencies();
  await step("npm run build", build);
  const pulumi = await ensurePulumi();
  console.error(`✓ Pulumi CLI ${pulumi.version} (${pulumi.command})`);
  return { pulumi, obstacle };
}

if (import.meta.url === String(pathToFileURL(process.argv[1]))) {
  await main(async () => {
    const { obstacle } = await setUp();
    if (obstacle) console.error(`! ${obstacle}`);
    console.error("Next: npm run demo, or npm test");
  });
}
