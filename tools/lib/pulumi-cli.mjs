import { accessSync, constants, existsSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { cacheDirectory, repositoryRoot } from "./paths.mjs";
import { runCaptured } from "./run.mjs";

/** The first CLI whose dynamic providers read their inputs back. */
export const oldestVersion = "3.216.0";
/** Wrapper modules, one for each program that can be built, which pin its version and all that goes into it. */
export const modules = join(repositoryRoot, "tools", "pulumi-cli");
/** Marks a folder whose CLI was built from the Go modules. */
export const builtHere = ".built-from-go-modules";
const executable = (name) => (process.platform === "win32" ? `${name}.exe` : name);

/** The version that set-up gets where none is installed: the one that the wrapper module pins. */
export const pinnedVersion = pinned("cli", "pkg");
export const cachedRoot = join(cacheDirectory, "pulumi", pinnedVersion);

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

/** The version, without its `v`, that a wrapper module requires of one of Pulumi's modules. */
export function pinned(directory, module) {
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
