import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { withLock } from "./lock.mjs";
import { cacheDirectory, repositoryRoot } from "./paths.mjs";
import { step } from "./progress.mjs";
import { CommandError, runCaptured } from "./run.mjs";

/** The first CLI whose dynamic providers read their inputs back. */
const oldestVersion = "3.216.0";
const modules = join(repositoryRoot, "tools", "pulumi-cli");
/** Marks a folder whose CLI was built from the Go modules. */
const builtHere = ".built-from-go-modules";
const executable = (name) => (process.platform === "win32" ? `${name}.exe` : name);

/** The version that set-up gets where none is installed: the one that the wrapper module pins. */
export const pinnedVersion = pinned("cli", "pkg");
const cachedRoot = join(cacheDirectory, "pulumi", pinnedVersion);

/** The CLI to use, `{ command, directory, version, origin, builtHere }`, or undefined before set-up; never installs anything. */
export async function findPulumi(environment = process.env, cached = join(cachedRoot, "bin")) {
  const onPath = (environment.PATH ?? "").split(delimiter).filter(Boolean);
  for (const [directory, origin] of [...onPath.map((entry) => [entry, "PATH"]), [cached, "cache"]]) {
    const command = join(directory, executable("pulumi"));
    if (!isExecutable(command) || !hasLanguageHost(command, onPath)) continue;
    const { exitCode, stdout } = await runCaptured(command, ["version"], {
      mayFail: true,
      timeoutMs: 20_000,
      env: { ...environment, PULUMI_SKIP_UPDATE_CHECK: "true" },
    });
    const version = stdout.trim().replace(/^v/, "");
    if (exitCode !== 0 || !isAtLeast(version, oldestVersion)) continue;
    return { command, directory, version, origin, builtHere: existsSync(join(directory, builtHere)) };
  }
  return undefined;
}

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

function pinned(directory, module) {
  const text = readFileSync(join(modules, directory, "go.mod"), "utf8");
  return new RegExp(`github.com/pulumi/pulumi/${module}/v3 v(\\S+)`).exec(text)[1];
}

function hasLanguageHost(command, onPath) {
  const name = executable("pulumi-language-nodejs");
  return [dirname(command), dirname(realpathSync(command)), ...onPath].some((entry) => isExecutable(join(entry, name)));
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isAtLeast(version, minimum) {
  const [mine, least] = [version, minimum].map((text) => text.split(/[.+-]/, 3).map(Number));
  const different = mine.findIndex((part, index) => part !== least[index]);
  return different < 0 || mine[different] > least[different];
}
