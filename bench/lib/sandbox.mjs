import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { repositoryRoot } from "../../tools/lib/paths.mjs";
import { CommandError } from "../../tools/lib/run.mjs";

const require = createRequire(import.meta.url);

/** The sandbox node that everything runs on. Make it after the build. */
export class BenchNode {
  #sandboxes = require(join(repositoryRoot, "dist", "cli", "sandbox", "sandbox.js"));
  #state = require(join(repositoryRoot, "dist", "cli", "sandbox", "state.js"));

  constructor(name) {
    this.name = name;
  }

  async create() {
    const sandbox = await this.#sandboxes.createSandbox(this.name, new AbortController().signal);
    this.connection = this.#sandboxes.connectionOf(sandbox);
  }

  async delete() {
    if (this.#state.findSandbox(this.name) !== undefined) await this.#sandboxes.deleteSandbox(this.name);
  }

  /** Deletes the nodes of runs that were killed. */
  async deleteForgotten() {
    for (const { name, creator } of this.#state.listSandboxes())
      if (/^bench-\d+$/.test(name) && !this.#state.isAlive(creator)) await this.#sandboxes.deleteSandbox(name);
  }

  /** A shell on the node, without SSH, that lives until its standard input ends. */
  shell() {
    const [program, ...args] = [...this.#sandboxes.execPrefix(this.name), "sh", "-s"];
    return spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  }

  /** Runs a script on the node, without SSH; returns its standard output. */
  async run(script) {
    const child = this.shell();
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.stdin.end(script);
    const exitCode = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
    if (exitCode !== 0) throw new CommandError(`a script on the node exited ${exitCode}:\n${script}\n${errors}`, 1);
    return output;
  }
}
