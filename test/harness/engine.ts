/** The real Pulumi engine for tests: stacks with a state of their own, whose operations report what they did. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import {
  type EngineEvent,
  LocalWorkspace,
  PulumiCommand,
  type Stack as PulumiStack,
} from "@pulumi/pulumi/automation/index.js";
// @ts-expect-error: the tools are JavaScript without types
import { localDirectory } from "../../tools/lib/paths.mjs";
// @ts-expect-error: the tools are JavaScript without types
import { cachedRoot, findPulumi } from "../../tools/lib/pulumi-cli.mjs";
// @ts-expect-error: the tools are JavaScript without types
import { pulumiEnvironment } from "../../tools/lib/pulumi-environment.mjs";

/** A program: what it declares. */
export type Program = () => void | Promise<void>;

/** What the engine did with one resource, or would do. */
export interface Step {
  readonly urn: string;
  /** The resource's type without the part that all of ours share: `Mount`. */
  readonly type: string;
  readonly name: string;
  /** `same`, `create`, `update`, `replace`, `delete`; for a refresh what it found: `same`, `update` or `delete`. */
  readonly op: string;
  /** The top-level inputs that changed. */
  readonly changed: readonly string[];
  /** The new inputs, as checked. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** What one operation of a resource sent to its node. */
export interface FrameRecord {
  readonly type: string;
  readonly operation: string;
  readonly object: string;
  readonly frames: number;
}

/** What an engine operation did. */
export interface Outcome {
  readonly steps: readonly Step[];
  /** Errors by resource name; what concerns none stands under the empty name. */
  readonly errors: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
  /** What was shown on the lines of resources for a while. */
  readonly statuses: readonly string[];
  /** What the resources sent, in order. */
  readonly frames: readonly FrameRecord[];
  /** All that was printed. */
  readonly output: string;
  readonly durationMs: number;
  /** What the engine threw. */
  readonly failure?: unknown;
}

/** What an operation takes. */
export interface OperationOptions {
  /** Replaces the stack's program, from now on. */
  readonly program?: Program;
  /** Goes on with what does not depend on what failed. */
  readonly continueOnError?: boolean;
  /** Expects failures: they are then part of the outcome instead of being thrown. */
  readonly mayFail?: boolean;
  /** Ends the engine by SIGKILL when it aborts. */
  readonly kill?: AbortSignal;
}

/** A stack of a test's own. */
export interface Stack extends AsyncDisposable {
  preview(options?: OperationOptions): Promise<Outcome>;
  up(options?: OperationOptions): Promise<Outcome>;
  refresh(options?: OperationOptions): Promise<Outcome>;
  destroy(options?: OperationOptions): Promise<Outcome>;
  rename(name: string): Promise<void>;
  /** Clears what a killed engine left in the state: its lock, and operations that it had only begun. */
  recover(): Promise<void>;
  /** The state as it is stored, its secrets encrypted; or with all of them in plain text. */
  export(options?: { readonly reveal?: boolean }): Promise<Deployment>;
  import(deployment: Deployment): Promise<void>;
  /** The state as it lies on disk: what anybody sees who gets hold of it. */
  stateOnDisk(): string;
  /** Where that is. */
  readonly stateFile: string;
}

/** An exported state. */
export interface Deployment {
  readonly version: number;
  readonly deployment: {
    readonly resources: readonly StateResource[];
    readonly pending_operations?: readonly unknown[];
  };
}

/** A resource in an exported state. */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly parent?: string;
}

/** A value without the envelopes that mark secrets in an exported state. */
function revealed(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(revealed);
  const entries = Object.entries(value);
  const envelope = "4dabf18193072939515e22adb298388d" in value && "plaintext" in value;
  return envelope
    ? (JSON.parse(String(value.plaintext)) as unknown)
    : Object.fromEntries(entries.map(([key, each]) => [key, revealed(each)]));
}

/** Why there is no engine here, or undefined. */
export function engineObstacle(): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), join(cachedRoot as string, "bin")];
  const found = folders.some((folder) => existsSync(join(folder, "pulumi")));
  return found ? undefined : "there is no Pulumi CLI yet: npm run setup";
}

const passphrase = "conformance";
let command: Promise<{ pulumi: PulumiCommand; found: { directory: string } }> | undefined;

/** Makes a stack: `await using stack = await openStack("life", program)`. Disposing it forgets its state, and destroys nothing. */
export async function openStack(name: string, program: Program): Promise<Stack> {
  command ??= findCommand();
  const { pulumi, found } = await command;
  // Below the project: the provider's text looks for `barepod` in the folders above the program's.
  const home = join(localDirectory as string, "conformance");
  mkdirSync(home, { recursive: true });
  const folder = mkdtempSync(join(home, `${name}-`));
  const framesFile = join(folder, "frames");
  mkdirSync(join(folder, "state"));
  const { PATH } = process.env;
  const environment = pulumiEnvironment(found, { PATH }, folder) as Record<string, string>;
  const opened = await LocalWorkspace.createStack(
    { stackName: name, projectName: "conformance", program: async () => undefined },
    {
      workDir: folder,
      pulumiHome: join(folder, "home"),
      pulumiCommand: pulumi,
      envVars: {
        ...environment,
        PULUMI_HOME: join(folder, "home"),
        PULUMI_BACKEND_URL: String(pathToFileURL(join(folder, "state"))),
        PULUMI_CONFIG_PASSPHRASE: passphrase,
        BAREPOD_FRAMES_FILE: framesFile,
      },
    },
  );
  return new OpenStack(opened, folder, framesFile, program);
}

async function findCommand(): Promise<{ pulumi: PulumiCommand; found: { directory: string } }> {
  const found = await findPulumi();
  if (found === undefined) throw new Error("there is no Pulumi CLI yet: npm run setup");
  // The Automation API wants `<root>/bin/pulumi`; on PATH it finds whichever set-up found.
  process.env["PATH"] = `${found.directory}:${process.env["PATH"]}`;
  return { pulumi: await PulumiCommand.get({ skipVersionCheck: true }), found };
}

/**
 * Said of a channel to an engine of another test, which had the same port a moment ago: @grpc/grpc-js keeps it for a while.
 * vitest.config.mts leaves the same message out where it comes from a promise that nobody waits for.
 */
const unreached = /14 UNAVAILABLE: No connection established/;

class OpenStack implements Stack {
  #stack: PulumiStack;
  #program: Program;
  readonly #folder: string;
  readonly #framesFile: string;

  constructor(stack: PulumiStack, folder: string, framesFile: string, program: Program) {
    this.#stack = stack;
    this.#folder = folder;
    this.#framesFile = framesFile;
    this.#program = program;
    skipQueries(stack);
  }

  async preview(options: OperationOptions = {}): Promise<Outcome> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#run({ ...options, mayFail: true }, (stack, each) => stack.preview(each));
      if (attempt < 3 && unreached.test([outcome.output, ...outcome.errors.values()].join("\n"))) continue;
      const mayFail = options.mayFail === true || options.kill?.aborted === true;
      if (outcome.failure !== undefined && !mayFail) throw outcome.failure;
      return outcome;
    }
  }

  up(options: OperationOptions = {}): Promise<Outcome> {
    const { continueOnError = false } = options;
    return this.#run(options, (stack, each) => stack.up({ ...each, continueOnError }));
  }

  refresh(options: OperationOptions = {}): Promise<Outcome> {
    return this.#run(options, (stack, each) => stack.refresh(each), { found: true });
  }

  destroy(options: OperationOptions = {}): Promise<Outcome> {
    const { continueOnError = false } = options;
    return this.#run(options, (stack, each) => stack.destroy({ ...each, continueOnError }));
  }

  async rename(name: string): Promise<void> {
    await this.#stack.rename({ stackName: name });
    this.#stack = await LocalWorkspace.selectStack(
      { stackName: name, projectName: "conformance", program: async () => undefined },
      {
        workDir: this.#folder,
        pulumiHome: join(this.#folder, "home"),
        pulumiCommand: (await findCommand()).pulumi,
        envVars: this.#stack.workspace.envVars as Record<string, string>,
      },
    );
    skipQueries(this.#stack);
  }

  async recover(): Promise<void> {
    await this.#settle();
    await this.#stack.cancel();
    const { version, deployment } = await this.export();
    await this.import({ version, deployment: { ...deployment, pending_operations: [] } });
  }

  /**
   * Waits until nobody writes the state any more, and throws away what may have been cut off: the state itself is
   * replaced in one step, but the file with its metadata, which nothing uses, is written in place before that.
   */
  async #settle(): Promise<void> {
    const read = (): string => readFileSync(this.stateFile, "utf8");
    for (let before = ""; before !== read(); await sleep(500)) before = read();
    for (const file of [this.stateFile, `${this.stateFile}.bak`]) rmSync(`${file}.attrs`, { force: true });
  }

  async export({ reveal = false } = {}): Promise<Deployment> {
    if (reveal) return revealed(await this.#stack.exportStack()) as Deployment;
    const { version, checkpoint } = JSON.parse(readFileSync(this.stateFile, "utf8")) as {
      version: number;
      checkpoint: { latest: Deployment["deployment"] };
    };
    return { version, deployment: checkpoint.latest };
  }

  async import(deployment: Deployment): Promise<void> {
    await this.#stack.importStack({ version: deployment.version, deployment: deployment.deployment });
  }

  stateOnDisk(): string {
    return readFileSync(this.stateFile, "utf8");
  }

  get stateFile(): string {
    return join(this.#folder, "state", ".pulumi", "stacks", "conformance", `${this.#stack.name}.json`);
  }

  async #run(
    options: OperationOptions,
    operation: (
      stack: PulumiStack,
      options: { onEvent(event: EngineEvent): void; onOutput(text: string): void },
    ) => Promise<unknown>,
    { found = false } = {},
  ): Promise<Outcome> {
    this.#program = options.program ?? this.#program;
    this.#stack.workspace.program = async () => {
      try {
        await this.#program();
      } catch (error) {
        // What it has begun to register would find the engine gone, and be taken for an error of the test that comes next.
        await sleep(100);
        throw error;
      }
    };
    rmSync(this.#framesFile, { force: true });
    const events: EngineEvent[] = [];
    let output = "";
    const began = performance.now();
    const kill = () => killDescendants();
    options.kill?.addEventListener("abort", kill);
    let failure: unknown;
    try {
      await operation(this.#stack, {
        onEvent: (event) => events.push(event),
        onOutput: (text) => {
          output += text;
        },
      });
    } catch (error) {
      failure = error;
    } finally {
      options.kill?.removeEventListener("abort", kill);
    }
    const outcome = {
      steps: stepsOf(events, found),
      ...diagnosticsOf(events),
      frames: this.#frames(),
      output: failure === undefined ? output : `${output}\n${failure}`,
      durationMs: Math.round(performance.now() - began),
      failure,
    };
    if (process.env["CONFORMANCE_TRACE"] !== undefined) trace(outcome);
    if (failure !== undefined && options.mayFail !== true && options.kill?.aborted !== true) throw failure;
    return outcome;
  }

  #frames(): FrameRecord[] {
    if (!existsSync(this.#framesFile)) return [];
    const lines = readFileSync(this.#framesFile, "utf8").split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as FrameRecord);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** After each operation the Automation API asks for outputs and history, three more runs of the CLI: nobody reads them here. */
function skipQueries(stack: PulumiStack): void {
  stack.outputs = async () => ({});
  stack.info = async () => undefined;
}

function stepsOf(events: readonly EngineEvent[], found: boolean): Step[] {
  return events.flatMap((event) => {
    // A refresh knows what it found only afterwards.
    const { metadata } = (found ? event.resOutputsEvent : event.resourcePreEvent) ?? {};
    if (metadata === undefined) return [];
    const name = metadata.urn.slice(metadata.urn.lastIndexOf("::") + 2);
    const paths = [...Object.keys(metadata.detailedDiff ?? {}), ...(metadata.diffs ?? [])];
    return [
      {
        urn: metadata.urn,
        type: metadata.type.replace(/^.*barepod:/, ""),
        name,
        op: metadata.op as string,
        changed: [...new Set(paths.map((path) => path.split(/[.[]/)[0] ?? ""))].sort(),
        inputs: metadata.new?.inputs ?? {},
      },
    ];
  });
}

function diagnosticsOf(events: readonly EngineEvent[]): Pick<Outcome, "errors" | "warnings" | "statuses"> {
  const errors = new Map<string, string>();
  const warnings: string[] = [];
  const statuses: string[] = [];
  for (const { diagnosticEvent } of events) {
    if (diagnosticEvent === undefined) continue;
    const { severity, message, ephemeral, urn = "" } = diagnosticEvent;
    if (ephemeral === true) {
      statuses.push(plain(message));
      continue;
    }
    const name = urn === "" ? "" : urn.slice(urn.lastIndexOf("::") + 2);
    if (severity === "error") errors.set(name, `${errors.get(name) ?? ""}${plain(message)}`);
    if (severity === "warning") warnings.push(plain(message));
  }
  return { errors, warnings, statuses };
}

/** A message without the engine's colour marks. */
function plain(message: string): string {
  return message.replace(/<\{%[^%]*%\}>/g, "");
}

function trace({ steps, errors, warnings, frames, durationMs, output }: Outcome): void {
  const lines = steps.map(({ op, type, name, changed }) => `  ${op} ${type} ${name} ${changed.join(",")}`);
  const sent = frames.map(({ type, operation, object, frames: count }) => `  ${operation} ${type} ${object}: ${count}`);
  const said = [...errors].map(([name, message]) => `  ! ${name}: ${message.trimEnd()}`);
  console.log([`${durationMs} ms`, ...lines, ...sent, ...said, ...warnings].join("\n"));
  if (process.env["CONFORMANCE_TRACE"] === "all") console.log(output);
}

/** Ends all that this process has started of the engine, as a power cut would. */
function killDescendants(): void {
  const pids = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" })
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .flatMap((match) => (match === null ? [] : [{ pid: Number(match[1]), parent: Number(match[2]), args: match[3] }]));
  const below = (parent: number): typeof pids => {
    const children = pids.filter((each) => each.parent === parent);
    return [...children, ...children.flatMap(({ pid }) => below(pid))];
  };
  for (const { pid, args = "" } of below(process.pid)) {
    if (/pulumi/.test(args)) process.kill(pid, "SIGKILL");
  }
}
