/** A node with Processes on it, through the provider's handlers: what the tests of Process and of its keeper share. */
import { expect } from "vitest";
import { handler } from "../../provider/handler";
import type { NodeInputs, Spec } from "../../provider/resource";
import { type CGroupInputs, cgroupSpec } from "../../provider/resources/cgroup";
import { processSpec } from "../../provider/resources/process";
import type { ProcessInputs } from "../../provider/resources/process-args";
import type { ContainerStatus } from "../../provider/resources/process-status";
import { type RootFsInputs, rootFsSpec } from "../../provider/resources/root-fs";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, startSandbox } from "../harness/sandbox";

/** What is left of a resource in state. */
export type State<I> = I & { _barepod: { seen: string } };
export type ProcessState = State<ProcessInputs> & {
  phase: string;
  initContainerStatuses: ContainerStatus[];
  containerStatuses: ContainerStatus[];
};
/** A create that failed after something came to be. */
export type Failure = Error & { properties?: Record<string, unknown>; reasons?: string[] };

/** A resource's handler, with the inputs that every resource has. */
function resource<I extends NodeInputs, S>(node: SandboxNode, spec: Spec<I, S>) {
  const provider = handler(spec);
  const complete = (inputs: object) => ({
    node: node.name,
    connection: node.connection,
    owner: `nonce/urn:${JSON.stringify(spec.identity.map((key) => (inputs as Record<string, unknown>)[key]))}`,
    ...inputs,
  });
  const check = async (inputs: object) => {
    const checked = await provider.check?.({}, complete(inputs));
    expect(checked?.failures).toEqual([]);
    return checked?.inputs as I;
  };
  return {
    provider,
    check: async (inputs: object) => (await provider.check?.({}, complete(inputs)))?.failures ?? [],
    create: async (inputs: object) => (await provider.create(await check(inputs))).outs as State<I>,
    update: async ({ _barepod, ...old }: State<I>, more: object) =>
      (await provider.update?.("id", { ...old, _barepod } as State<I>, { ...old, ...more }))?.outs as State<I>,
    read: async (state: State<I>) => (await provider.read?.("id", state)) as { id: string; inputs: I; props: State<I> },
    remove: (state: object) => provider.delete?.("id", state) ?? Promise.resolve(),
  };
}

export class ProcessNode implements AsyncDisposable {
  readonly #processes;
  readonly cgroups;
  readonly rootFses;
  private constructor(readonly node: SandboxNode) {
    this.#processes = resource(node, processSpec);
    this.cgroups = resource<CGroupInputs, never>(node, cgroupSpec as never);
    this.rootFses = resource<RootFsInputs, never>(node, rootFsSpec as never);
  }

  /** A node that has had a Process before: the lock and the programs stay, whatever comes first. */
  static async start(): Promise<ProcessNode> {
    const made = new ProcessNode(await startSandbox());
    await made.remove(await made.create("first", { command: ["sleep", "1000"], hostNamespaces: ["pid"] }));
    return made;
  }

  /** Runs a line of shell that must succeed; what it prints. */
  readonly sh = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await this.node.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  };

  /** Waits until a line of shell succeeds. */
  readonly until = async (line: string, seconds = 20): Promise<void> => {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const { code, stdout, stderr } = await this.node.exec(["sh", "-euc", line]);
      if (code === 0) return;
      if (Date.now() > end) expect({ line, code, stdout, stderr }).toEqual({ line, code: 0 });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  check = (name: string, more: object) => this.#processes.check({ name, running: true, ...more });
  create = async (name: string, more: object): Promise<ProcessState> =>
    (await this.#processes.create({ name, running: true, ...more })) as ProcessState;
  update = async (state: ProcessState, more: object = {}): Promise<ProcessState> =>
    (await this.#processes.update(state, { running: true, ...more })) as ProcessState;
  read = (state: object) => this.#processes.read(state as ProcessState);
  remove = (state: object) => this.#processes.remove(state);

  /** A create that is expected to fail after something came to be; what is left is removed. */
  fail = async (name: string, more: object): Promise<string> => {
    const failure = await this.create(name, more).then(
      () => undefined,
      (error: Failure) => error,
    );
    expect(failure, "it should have failed").toBeDefined();
    if (failure?.properties !== undefined) await this.remove(failure.properties);
    return failure?.reasons?.[0] ?? failure?.message ?? "";
  };

  /** The log of a container, without times. */
  log = async (state: { name: string }, container = "main"): Promise<string[]> =>
    (await this.sh(`cat /var/log/pods/default_${state.name}_*/${container}/*.log`))
      .split("\n")
      .map((line) => line.replace(/^\S+ /, ""));

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAllSessions();
    await this.node[Symbol.asyncDispose]();
  }
}

/** The first process of a container. */
export function pidOf(state: ProcessState, container = "main"): number {
  return state.containerStatuses.find(({ name }) => name === container)?.pid ?? 0;
}
