import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { withLock } from "./lock.mjs";
import { cacheDirectory, repositoryRoot } from "./paths.mjs";
import { step } from "./progress.mjs";
import { builtHere, cachedRoot, findPulumi, modules, oldestVersion, pinned, pinnedVersion } from "./pulumi-cli.mjs";
import { CommandError, runCaptured } from "./run.mjs";

/** Finds the CLI, or gets it: from its official installer, else built from its Go modules. */
export async function ensurePulumi() {
  const found = await findPulumi();
  if (found) return found;
  await withLock(join(cacheDirectory, "pulumi", `${pinnedVersion}.lock`), async () => {
    if (existsSync(cachedRoot)) return;
    const parent = dirname(cachedRoot);
    const temporary = mkdtempSync(join(parent, ".new-"));
    try {
      if (!(await install(temporary))) await build(temporary);
      renameSync(join(temporary, "root"), cachedRoot);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  });
  const made = await findPulumi();
  if (!made)
    throw new CommandError(`the Pulumi CLI in ${cachedRoot} does not work; remove that folder and try again`, 1);
  return made;
}

async function install(temporary) {
  const script = join(temporary, "install.sh");
  try {
    await step(`Pulumi CLI ${pinnedVersion}: the official installer`, async (progress) => {
      const download = ["-fsSL", "--connect-timeout", "10", "--max-time", "30", "-o", script, "https://get.pulumi.com"];
      await runCaptured("curl", download, { onLine: progress });
      const args = [script, "--version", pinnedVersion, "--no-edit-path", "--install-root", join(temporary, "root")];
      await runCaptured("sh", args, { onLine: progress, timeoutMs: 300_000 });
    });
    return true;
  } catch (error) {
    if (error.exitCode > 128) throw error;
    console.error(`  not reachable from here (${error.message.trimEnd().split("\n").at(-1)})`);
    rmSync(join(temporary, "root"), { recursive: true, force: true });
    return false;
  }
}

async function build(temporary) {
  const go = await runCaptured("go", ["env", "GOVERSION"], { mayFail: true, cwd: repositoryRoot }).catch(
    () => undefined,
  );
  if (go?.exitCode !== 0) throw new CommandError(noGo, 1);
  const bin = join(temporary, "root", "bin");
  mkdirSync(bin, { recursive: true });
  const languageHost = "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs";
  await goBuild("Pulumi's Node.js language host", "language-nodejs", "sdk", languageHost, bin);
  await goBuild(`Pulumi CLI ${pinnedVersion}`, "cli", "pkg", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", bin);
  const launcher = "pulumi-resource-pulumi-nodejs";
  copyFileSync(join(repositoryRoot, "node_modules", "@pulumi", "pulumi", launcher), join(bin, launcher));
  writeFileSync(join(bin, builtHere), "");
}

async function goBuild(title, directory, module, command, bin) {
  const variable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
  const flags = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-tags", "osusergo,grpcnotrace"];
  const link = ["-ldflags", `-s -w -X ${variable}=v${pinned(directory, module)}`];
  await step(`${title}: build from its Go modules (some minutes, once per machine)`, async (progress) => {
    const args = ["build", "-v", ...flags, ...link, "-o", bin, command];
    await runCaptured("go", args, { cwd: join(modules, directory), onLine: progress });
  });
}

const noGo = `The Pulumi CLI is not installed, its installer (https://get.pulumi.com) cannot be reached, and there is no Go to build it with.
Do one of these, then run the same command again:
  - install the Pulumi CLI ${oldestVersion} or newer, and put it on PATH: https://www.pulumi.com/docs/install/
  - install Go 1.21 or newer, and put it on PATH: https://go.dev/doc/install`;
