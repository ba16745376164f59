import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { localDirectory, repositoryRoot } from "../../tools/lib/paths.mjs";
import { pulumiEnvironment } from "../../tools/lib/pulumi-environment.mjs";
import { runCaptured } from "../../tools/lib/run.mjs";

/**
 * The real engine, and Pulumi projects of plain JavaScript. The package that they load is a copy: a build in the middle of
 * the measurements would mix releases. It lies below the repository, where its dependencies are found.
 */
export class Engine {
  constructor(pulumi, folder = join(localDirectory, "bench")) {
    this.pulumi = pulumi;
    this.folder = folder;
    this.remove();
    const copy = join(folder, "node_modules", "barepod");
    mkdirSync(copy, { recursive: true });
    copyFileSync(join(repositoryRoot, "package.json"), join(copy, "package.json"));
    cpSync(join(repositoryRoot, "dist"), join(copy, "dist"), { recursive: true });
    this.packageFolder = copy;
  }

  /** The provider half of the package that is measured. */
  load(file) {
    return import(String(pathToFileURL(join(this.packageFolder, "dist", file)))).then((module) => module.default);
  }

  /** Puts the node's programs on the node; returns the launcher's path there. */
  async installPrograms(node) {
    const { ensurePrograms, launcherPath } = await this.load("provider/node-programs.js");
    const { closeAllSessions, openSession } = await this.load("provider/ssh/pool.js");
    await ensurePrograms(await openSession("bench", node.connection));
    await closeAllSessions();
    return launcherPath();
  }

  /** A project with a program of `bench/programs`, and an empty stack. */
  async open(name, program, environment = {}) {
    const project = new Project(this, name, program, environment);
    await project.run("stack", "init", "bench");
    return project;
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

class Project {
  constructor(engine, name, program, environment) {
    this.folder = join(engine.folder, name);
    this.framesFile = join(this.folder, "frames");
    this.traceFile = join(this.folder, "trace");
    this.command = engine.pulumi.command;
    mkdirSync(join(this.folder, "state"), { recursive: true });
    writeFileSync(
      join(this.folder, "Pulumi.yaml"),
      "name: bench\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n",
    );
    // Without it the repository's own package.json says which program to run.
    writeFileSync(join(this.folder, "package.json"), '{ "main": "index.js" }\n');
    copyFileSync(join(repositoryRoot, "bench", "programs", `${program}.cjs`), join(this.folder, "index.js"));
    this.environment = {
      ...pulumiEnvironment(engine.pulumi, {}, engine.folder),
      PATH: [engine.pulumi.directory, process.env.PATH].join(":"),
      HOME: process.env.HOME,
      PULUMI_BACKEND_URL: String(pathToFileURL(join(this.folder, "state"))),
      PULUMI_CONFIG_PASSPHRASE: "bench",
      ...environment,
    };
  }

  async run(...args) {
    await runCaptured(this.command, ["--non-interactive", "--color=never", ...args], {
      cwd: this.folder,
      env: this.environment,
    });
  }

  up = () => this.run("up", "--stack=bench", "--yes", "--skip-preview");
  refresh = () => this.run("refresh", "--stack=bench", "--yes", "--skip-preview");
  destroy = () => this.run("destroy", "--stack=bench", "--yes", "--skip-preview");

  /** Does something with another environment. */
  async with(environment, work) {
    const before = this.environment;
    this.environment = { ...before, ...environment };
    try {
      return await work();
    } finally {
      this.environment = before;
    }
  }

  /** What an operation sent, by resource. */
  async framesOf(operation) {
    rmSync(this.framesFile, { force: true });
    await this.with({ BAREPOD_FRAMES_FILE: this.framesFile }, operation);
    return lines(this.framesFile);
  }

  /** What goes over SSH in an operation, and when. */
  async traceOf(operation) {
    rmSync(this.traceFile, { force: true });
    const preload = join(repositoryRoot, "bench", "programs", "trace.cjs");
    await this.with({ NODE_OPTIONS: `--require ${preload}`, BENCH_TRACE_FILE: this.traceFile }, operation);
    return lines(this.traceFile);
  }

  stateBytes() {
    return statSync(join(this.folder, "state", ".pulumi", "stacks", "bench", "bench.json")).size;
  }
}

function lines(file) {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
