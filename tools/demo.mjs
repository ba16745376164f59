// npm run demo: the quickstart on a sandbox node of this machine. npm run demo -- --destroy removes all of it.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { sandboxObstacle } from "./lib/machine.mjs";
import { repositoryRoot } from "./lib/paths.mjs";
import { CommandError, main } from "./lib/run.mjs";
import { ensureSandbox, sandboxConnection, sandboxStatus, showSandbox } from "./lib/sandbox.mjs";
import { Stack } from "./lib/stack.mjs";
import { setUp } from "./setup.mjs";

const name = "demo";

await main(async () => {
  const args = process.argv.slice(2);
  if (args.some((arg) => arg !== "--destroy")) throw new CommandError("usage: npm run demo [-- --destroy]", 2);
  // Before the minutes that set-up may take.
  const impossible = sandboxObstacle();
  if (impossible) throw new CommandError(impossible, 1);
  heading("Set-up");
  const { pulumi, obstacle } = await setUp();
  if (obstacle) throw new CommandError(obstacle, 1);
  const stack = new Stack(pulumi, name);
  return args.includes("--destroy") ? destroy(stack) : create(stack);
});

async function create(stack) {
  heading("A node: a sandbox on this machine, reached over SSH like any other");
  await ensureSandbox(name);

  heading("A Pulumi stack that knows how to reach the node");
  await stack.show("stack", "select", "--create", name);
  await stack.recover();
  await stack.configure("node", await sandboxConnection(name));
  console.log(`Written to Pulumi.${name}.yaml: host, port, user, key and host key of the sandbox.`);

  heading("The preview of examples/quickstart: nothing is done yet");
  await stack.show("preview");

  heading("Apply it");
  await stack.show("up", "--yes", "--skip-preview");

  heading("What there is now, and the pod's address");
  await stack.show("stack");
  const { podIP, url = `http://${podIP}/` } = await stack.outputs();

  heading("An HTTP answer from the pod, fetched on the node (the pod's address exists there)");
  await showSandbox("exec", name, "--", "curl", "-sS", "--max-time", "10", "--retry", "5", "--retry-connrefused", url);
  console.log();

  heading("The last line of the pod's log, which lies where a kubelet would put it");
  await showSandbox("exec", name, "--", "sh", "-c", "tail -n 1 /var/log/pods/*_web*_*/*/*.log");

  heading("Apply it again: nothing has changed");
  await stack.show("up", "--yes", "--skip-preview", "--expect-no-changes");

  heading("What to try next");
  console.log(`  Look around on the node:
    npx barepod sandbox exec ${name} -- sh
  Change something, and see only that change:
    edit examples/quickstart/index.ts, then     npm run pulumi -- up
  Break something on the node, and see it found and repaired:
    npx barepod sandbox exec ${name} -- sh -c 'umount /run/barepod/pods/default_web/web/rootfs'
    npm run pulumi -- preview
    npm run pulumi -- up
  Build a container by hand, primitive by primitive:
    examples/primitives/index.ts                npm run pulumi -- -C examples/primitives up
  Log in to the node:                           npx barepod sandbox connection ${name}
  Remove all of it:                             npm run demo -- --destroy
`);
}

async function destroy(stack) {
  const status = await sandboxStatus(name);
  let failure;
  if (await stack.exists()) {
    heading("Remove what Pulumi made");
    await stack.show("stack", "select", name);
    await stack.recover();
    // Without its node, there is nothing that could be removed from it.
    if (status === "running") failure = await stack.show("destroy", "--yes", "--skip-preview").catch((error) => error);
    if (failure?.exitCode > 128) throw failure;
    await stack.show("stack", "rm", "--yes", "--force", name);
  }
  rmSync(join(repositoryRoot, `Pulumi.${name}.yaml`), { force: true });
  if (status) {
    heading("Remove the node");
    await showSandbox("delete", name);
  }
  if (failure)
    throw new CommandError("pulumi destroy failed (see above); its node, with all that was left, is gone.", 1);
  console.log("\nNothing of the demo is left but what set-up made.");
}

function heading(text) {
  console.log(`\n── ${text}`);
}
