/**
 * The programs of this release that run on a node: the static launcher and the node scripts, in a folder named after
 * their content, so that two releases live side by side and what runs keeps the programs that it was started with.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { all, raw, render, secret } from "./command/command";
import { quote } from "./command/quote";
import { CommandError, InputError } from "./errors";
import type { Session } from "./ssh/pool";

const scripts = [
  ...["keeper.sh", "keeper-configure.sh", "keeper-deadline.sh", "keeper-groups.sh", "keeper-run.sh"],
  ...["keeper-probes.sh", "keeper-words.sh"],
  ...["prepare.sh", "prepare-network.sh", "volumes.sh", "tokens.sh"],
  ...["services.sh", "services-declare.sh", "services.awk", "services-rules.awk"],
];
const launchers: Readonly<Record<string, string>> = { x86_64: "launcher-x86_64", aarch64: "launcher-aarch64" };

const read = (...path: string[]): Buffer => readFileSync(join(__dirname, ...path));

let known: { folder: string } | undefined;

/** The folder on the node: `/var/lib/barepod/bin/<hash>`, the same for every architecture. */
function programsFolder(): string {
  known ??= { folder: `/var/lib/barepod/bin/${hashOfAll()}` };
  return known.folder;
}

/** The launcher's path on the node. */
export function launcherPath(): string {
  return `${programsFolder()}/launcher`;
}

/** The keeper's path on the node. */
export function keeperPath(): string {
  return `${programsFolder()}/keeper.sh`;
}

/** The path on the node of what makes things ready before containers start. */
export function preparePath(): string {
  return `${programsFolder()}/prepare.sh`;
}

/** The path on the node of what makes the rules of Services. */
export function servicesPath(): string {
  return `${programsFolder()}/services.sh`;
}

function hashOfAll(): string {
  const hash = createHash("sha256");
  for (const name of Object.values(launchers)) hash.update(read("launcher", "bin", name));
  for (const name of scripts) hash.update(name).update(read("node-scripts", name));
  return hash.digest("hex").slice(0, 16);
}

const installed = new WeakMap<Session, Promise<void>>();

/** Makes sure that this release's programs are on the node: one frame per engine operation, more where they are missing. */
export function ensurePrograms(session: Session): Promise<void> {
  const running = installed.get(session) ?? install(session);
  installed.set(session, running);
  running.catch(() => installed.delete(session));
  return running;
}

async function install(session: Session): Promise<void> {
  const probe = await session.run({
    script: `[ -x ${quote(launcherPath())} ]`,
    repeatable: true,
    label: "look for the node's programs",
  });
  if (probe.exitCode === 0) return;
  const name = launchers[session.machine];
  if (name === undefined)
    throw new InputError(
      "node",
      `${session.description} is a ${session.machine} machine; this release has a launcher for ${Object.keys(launchers).join(" and ")}`,
    );
  const folder = programsFolder();
  const staging = `${folder}.new`;
  const commands = all(
    // Nobody looks into the folder before it has its name, so nothing in it is written beside and renamed. The programs
    // are marked as secret for their length: a message about a failure must not print them.
    raw("make a folder for the programs", '[ ! -e "$1" ] || rm -rf -- "$1" && mkdir -p -- "$1"', staging),
    ...scripts.map((script) => {
      const text = read("node-scripts", script).toString("utf8");
      return raw(`write ${script}`, 'printf %s "$2" > "$1"', `${staging}/${script}`, secret(text));
    }),
    raw(
      "write the launcher",
      'printf %s "$2" | base64 -d > "$1"',
      `${staging}/launcher`,
      secret(read("launcher", "bin", name).toString("base64")),
    ),
    // Somebody else may have been faster; theirs is the same.
    raw(
      "put the programs in place",
      'chmod 755 -- "$1"/* && if [ -d "$2" ]; then rm -rf -- "$1"; else mv -T -- "$1" "$2"; fi',
      staging,
      folder,
    ),
  );
  const reply = await session.run({
    script: render(commands, { reveal: true }),
    lock: true,
    repeatable: true,
    label: "install the node's programs",
  });
  if (reply.exitCode !== 0)
    throw new CommandError({
      what: `could not install the node's programs into ${folder}`,
      node: session.description,
      command: render(commands, { reveal: false }),
      exitCode: reply.exitCode,
      stderr: reply.stderr.toString("utf8"),
      durationMs: reply.durationMs,
      next: "see how much room the node has (df -h), and that /var/lib can be written",
    });
}
