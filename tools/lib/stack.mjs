import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { repositoryRoot } from "./paths.mjs";
import { pulumiEnvironment } from "./pulumi-environment.mjs";
import { CommandError, runAttached, runCaptured } from "./run.mjs";

/** One stack of the repository's own Pulumi project. Commands are shown as a user would type them. */
export class Stack {
  #pulumi;
  #environment;

  constructor(pulumi, name) {
    this.name = name;
    this.#pulumi = pulumi;
    this.#environment = pulumiEnvironment(pulumi);
  }

  /** Shows and runs a command; a failure throws, because Pulumi has already said why. */
  async show(...args) {
    console.log(`$ npm run pulumi -- ${args.join(" ")}`);
    const exitCode = await runAttached(this.#pulumi.command, args, { ...this.#options(), stopSignal: "SIGINT" });
    if (exitCode !== 0) throw new CommandError(`\`pulumi ${args[0]}\` failed; what to do stands above.`, exitCode);
  }

  async exists() {
    const { stdout } = await this.#run(["stack", "ls", "--json"]);
    return JSON.parse(stdout).some(({ name }) => name === this.name);
  }

  async outputs() {
    const { stdout } = await this.#run(["stack", "output", "--json", "--stack", this.name]);
    return JSON.parse(stdout);
  }

  /** Sets the fields of one object of the stack's configuration. */
  async configure(key, fields) {
    const assignments = Object.entries(fields).flatMap(([name, value]) => ["--plaintext", `${key}.${name}=${value}`]);
    await this.#run(["config", "set-all", "--stack", this.name, "--path", ...assignments]);
  }

  /** Clears what a run that was interrupted left in the state: its lock, and operations that it had only begun. */
  async recover() {
    for (const { pid } of this.#locks()) {
      if (isAlive(pid))
        throw new CommandError(`Another Pulumi (process ${pid}) is at work on this stack: wait for it.`, 1);
      await this.#run(["cancel", "--yes", "--stack", this.name]);
    }
    const { stdout } = await this.#run(["stack", "export", "--stack", this.name]);
    const state = JSON.parse(stdout);
    if (!state.deployment.pending_operations?.length) return;
    state.deployment.pending_operations = [];
    await this.#run(["stack", "import", "--stack", this.name], JSON.stringify(state));
  }

  #locks() {
    const backend = this.#environment.PULUMI_BACKEND_URL;
    const folder = backend.startsWith("file:///") && join(fileURLToPath(backend), ".pulumi", "locks");
    if (!folder || !existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true })
      .filter((file) => file.endsWith(".json") && file.includes(`/${this.name}/`))
      .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")));
  }

  #run(args, stdin) {
    return runCaptured(this.#pulumi.command, args, { ...this.#options(), stdin });
  }

  #options() {
    return { cwd: repositoryRoot, env: this.#environment };
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
