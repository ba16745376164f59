// npm run build: compiles, and puts beside the JavaScript what is not TypeScript: node scripts and launcher binaries.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { localDirectory, repositoryRoot } from "./lib/paths.mjs";
import { main, runCaptured } from "./lib/run.mjs";

const output = join(repositoryRoot, "dist");
const buildInformation = join(localDirectory, "build.tsbuildinfo");

export async function build() {
  if (!existsSync(output)) rmSync(buildInformation, { force: true });
  const tsc = join(repositoryRoot, "node_modules", "typescript", "bin", "tsc");
  const incremental = ["--incremental", "--tsBuildInfoFile", buildInformation];
  await runCaptured(process.execPath, [tsc, "-p", "tsconfig.build.json", "--pretty", "false", ...incremental], {
    cwd: repositoryRoot,
  });
  const sources = ["provider", "cli"].flatMap((folder) => files(join(repositoryRoot, folder)));
  for (const source of sources.filter(isShipped)) copy(source, join(output, relative(repositoryRoot, source)));
  prune(new Set(sources.map((source) => relative(repositoryRoot, source))));
  const command = join(output, "cli", "main.js");
  if (existsSync(command)) chmodSync(command, 0o755);
  linkCommand();
}

/** npm links the commands of what it installs, and the package itself is not installed: `npx barepod` needs a link. */
function linkCommand() {
  const link = join(repositoryRoot, "node_modules", ".bin", "barepod");
  if (process.platform === "win32" || lstatSync(link, { throwIfNoEntry: false })) return;
  symlinkSync(join("..", "..", "dist", "cli", "main.js"), link);
}

function isShipped(source) {
  return (
    /\.(sh|awk)$/.test(source) || dirname(relative(repositoryRoot, source)) === join("provider", "launcher", "bin")
  );
}

function copy(source, target) {
  const { mode } = statSync(source);
  if (!existsSync(target) || !readFileSync(source).equals(readFileSync(target))) {
    mkdirSync(dirname(target), { recursive: true });
    // A program that is running cannot be written to, only replaced.
    rmSync(target, { force: true });
    copyFileSync(source, target);
  }
  chmodSync(target, mode);
}

/** Removes what an earlier build made from files that are no longer there: it would be published. */
function prune(sources) {
  for (const made of files(output)) {
    const name = relative(output, made);
    const origins = [name, name.replace(/(\.d\.ts|\.js\.map|\.js)$/, ".ts")];
    if (!origins.some((origin) => sources.has(origin))) rmSync(made);
  }
}

function files(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

if (import.meta.url === String(pathToFileURL(process.argv[1]))) await main(build);
