import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./paths.mjs";
import { step } from "./progress.mjs";
import { runCaptured } from "./run.mjs";

/** Installs the npm packages that package-lock.json names, unless exactly they are there. */
export async function ensureDependencies() {
  const installed = readPackages(join(repositoryRoot, "node_modules", ".package-lock.json"));
  const wanted = readPackages(join(repositoryRoot, "package-lock.json"));
  if (installed && wanted && isInstalled(wanted, installed)) return;
  // `npm ci` begins by removing everything, which is right for a fresh or a broken node_modules only.
  const command = installed || !wanted ? "install" : "ci";
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  await step(`npm ${command}`, (progress) =>
    runCaptured(npm, [command, "--no-fund", "--no-audit"], {
      cwd: repositoryRoot,
      onLine: progress,
      shell: process.platform === "win32",
    }),
  );
}

/** npm keeps a lock file of what it installed in node_modules, written last: equal entries mean that all is there. */
export function isInstalled(wanted, installed) {
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = installed[path];
    if (!found) return Boolean(entry.optional || entry.peer);
    return found.version === entry.version && found.integrity === entry.integrity && found.resolved === entry.resolved;
  });
}

function readPackages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : undefined;
}
