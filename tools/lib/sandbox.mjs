import { join } from "node:path";
import { repositoryRoot } from "./paths.mjs";
import { CommandError, runAttached, runCaptured } from "./run.mjs";

const command = join(repositoryRoot, "dist", "cli", "main.js");

/** Runs `barepod sandbox …`, shown as a user would type it. */
export async function showSandbox(...args) {
  console.log(`$ npx barepod sandbox ${args.map(quoted).join(" ")}`);
  const exitCode = await runAttached(process.execPath, [command, "sandbox", ...args]);
  if (exitCode !== 0)
    throw new CommandError(`\`barepod sandbox ${args[0]}\` failed; what to do stands above.`, exitCode);
}

/** `running`, `stopped`, `incomplete`, `creating`; undefined: there is none of that name. */
export async function sandboxStatus(name) {
  return (await readSandbox("list")).find((sandbox) => sandbox.name === name)?.status;
}

/** How Pulumi reaches it: `{ host, port, user, privateKeyPath, hostKey }`. */
export function sandboxConnection(name) {
  return readSandbox("connection", name);
}

/** Makes sure that it runs, whatever an earlier run left of it. */
export async function ensureSandbox(name) {
  const status = await sandboxStatus(name);
  if (status === "running") return console.log(`The sandbox node "${name}" is there already.`);
  if (status === "stopped") return showSandbox("restart", name);
  if (status === "incomplete") await showSandbox("delete", name);
  return showSandbox("create", name);
}

async function readSandbox(...args) {
  const { stdout } = await runCaptured(process.execPath, [command, "sandbox", ...args, "--json"]);
  return JSON.parse(stdout);
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
