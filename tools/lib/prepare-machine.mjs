import { go, inspectMachine, missingMessage, packagesFor, sandboxObstacle, thisFamily } from "./machine.mjs";
import { step } from "./progress.mjs";
import { findPulumi } from "./pulumi-cli.mjs";
import { CommandError, runCaptured } from "./run.mjs";

/** Installs what is missing where that is possible without asking, else names all of it at once. */
export async function prepareMachine() {
  const family = thisFamily();
  let { missing, missingForSandbox } = inspectMachine();
  if (packagesFor([...missing, ...missingForSandbox], family).length > 0 && (await mayInstall(family))) {
    await installPackages(packagesFor([...missing, ...missingForSandbox], family));
    ({ missing, missingForSandbox } = inspectMachine());
  }
  if (await needsGo()) missing.push(go);
  const everything = [...missing, ...missingForSandbox];
  const message = missingMessage(everything, family);
  if (missing.length > 0) throw new CommandError(message, 1);
  if (everything.length > 0) return { obstacle: `No sandbox node can be made here yet. ${message}` };
  return { obstacle: sandboxObstacle() };
}

async function mayInstall(family) {
  if (family !== "apt") return false;
  return process.getuid() === 0 || (await succeeds("sudo", ["-n", "true"]));
}

async function installPackages(packages) {
  const [command, ...prefix] = process.getuid() === 0 ? ["env"] : ["sudo", "-n", "env"];
  const apt = (...args) => [...prefix, "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", ...args];
  if (packages.includes("openssh-server")) {
    console.error(
      "Of openssh-server only the program is needed; its package also starts this machine's own SSH service.",
    );
  }
  await step(`apt-get install ${packages.join(" ")}`, async (onLine) => {
    const install = apt("install", "-y", "--no-install-recommends", ...packages);
    // A fresh image has no package lists, a stale one names files that are gone.
    await runCaptured(command, apt("update"), { onLine, mayFail: true });
    await runCaptured(command, install, { onLine });
  });
}

/** Go matters only where there is neither a Pulumi CLI nor a way to download one. */
async function needsGo() {
  if (await succeeds("go", ["version"])) return false;
  if (await findPulumi()) return false;
  const probe = ["-fsS", "-o", "/dev/null", "--connect-timeout", "10", "--max-time", "20", "https://get.pulumi.com"];
  return !(await succeeds("curl", probe));
}

async function succeeds(command, args) {
  const result = await runCaptured(command, args, { mayFail: true }).catch(() => undefined);
  return result?.exitCode === 0;
}
