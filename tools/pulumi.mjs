// npm run pulumi -- ARGS: the Pulumi CLI that set-up found or built, with this clone's own state.
import { relative } from "node:path";
import { repositoryRoot } from "./lib/paths.mjs";
import { findPulumi } from "./lib/pulumi-cli.mjs";
import { pulumiEnvironment } from "./lib/pulumi-environment.mjs";
import { CommandError, main, runAttached } from "./lib/run.mjs";

await main(async () => {
  const pulumi = await findPulumi();
  if (!pulumi) throw new CommandError("There is no Pulumi CLI here yet: `npm run setup` finds or builds one.", 1);
  const options = { cwd: directory(), env: pulumiEnvironment(pulumi), stopSignal: "SIGINT" };
  return runAttached(pulumi.command, process.argv.slice(2), options);
});

/** npm runs its scripts in the package's root; the user meant the folder that they typed the command in. */
function directory() {
  const typedIn = process.env.npm_lifecycle_event === "pulumi" ? process.env.INIT_CWD : undefined;
  return typedIn && !relative(repositoryRoot, typedIn).startsWith("..") ? typedIn : process.cwd();
}
