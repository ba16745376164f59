import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./paths.mjs";
import { step } from "./progress.mjs";
import { CommandError, runCaptured } from "./run.mjs";

/** Installs the npm packages that package-lock.json names, unless exactly they are there. */
export async function ensureDependencies() {
  const installed = readPackages(join(repositoryRoot, "node_modules", ".package-lock.json"));
  const wanted = readPackages(join(repositoryRoot, "package-lock.json"));
  if (installed && wanted && isInstalled(wanted, installed)) return;
  await step("npm packages", async () => {
    // `npm ci` begins by removing everything, which is right for a fresh or a broken node_modules only.
    if (!installed && wanted && (await npm(["ci"]))) return;
    await npm(["install", "--no-save"]);
  });
}

/** Runs npm; false where the lock file does not name every package that this platform and registry would want. */
async function npm(args) {
  const windows = process.platform === "win32";
  const { exitCode, output } = await runCaptured(windows ? "npm.cmd" : "npm", [...args, "--no-fund", "--no-audit"], {
    cwd: repositoryRoot,
    shell: windows,
    mayFail: true,
  });
  if (exitCode === 0) return true;
  if (output.includes("npm error code EUSAGE")) return false;
  throw new CommandError(`npm ${args.join(" ")} failed:\n${output.trim()}`, 1);
}

/** npm keeps a lock file of what it installed in node_modules, written last: equal entries mean that all is there. */
export function isInstalled(wanted, installed) {
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = installed[path];
    if (!found) return Boolean(entry.optional || entry.peer);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

function readPackages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : undefined;
}
