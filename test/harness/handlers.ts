/** A node of a test's own, and resources on it through their provider's handlers: no engine in between. */
import { expect } from "vitest";
import { handler } from "../../provider/handler";
import type { NodeInputs, Spec } from "../../provider/resource";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, startSandbox } from "./sandbox";

/** What state holds of a resource: its inputs, what was computed, and the bookkeeping. */
export type State<I, Computed = unknown> = I & Computed & { readonly _barepod: { readonly seen: string } };

/** What a provider throws; with properties when something came to be and is left to repair. */
export interface Failure<I> extends Error {
  readonly properties?: State<I>;
  readonly reasons?: readonly string[];
}

/** What a provider finds wrong with inputs. */
interface Refusal {
  readonly property: string;
  readonly reason: string;
}

/** A resource's five callbacks. What is left out of the inputs is what a class fills in: node, connection and owner. */
export interface Resource<I, Computed = unknown> {
  /** The inputs with what a class fills in. */
  complete(inputs: object): I;
  check(inputs: object, olds?: object): Promise<{ readonly inputs: I; readonly failures: readonly Refusal[] }>;
  /** What is wrong with the inputs. */
  reasons(inputs: object): Promise<string[]>;
  create(inputs: object): Promise<State<I, Computed>>;
  /** The error of a create that fails. */
  failure(inputs: object): Promise<Failure<I>>;
  /** With the inputs as they are in state, but for these. */
  update(state: State<I>, more?: object): Promise<State<I, Computed>>;
  /** With these inputs in place of those in state. */
  change(state: State<I>, inputs: object): Promise<State<I, Computed>>;
  /** Which inputs ask for a replacement. */
  replaces(state: State<I>, more: object): Promise<readonly string[]>;
  read(state: State<I>): Promise<{ readonly id: string; readonly inputs: I; readonly props: State<I, Computed> }>;
  remove(state: object): Promise<void>;
}

export class HandlerNode implements AsyncDisposable {
  #sandbox: SandboxNode | undefined;

  /** Makes the node: `beforeAll(() => node.start())`. */
  async start(): Promise<void> {
    this.#sandbox = await startSandbox();
  }

  get sandbox(): SandboxNode {
    if (this.#sandbox === undefined) throw new Error("the node is not there yet: start() it in beforeAll");
    return this.#sandbox;
  }

  get connection() {
    return this.sandbox.connection;
  }

  /** Runs a line of bash on the node; it must succeed without a word on standard error. */
  readonly sh = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await this.sandbox.exec(["bash", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  };

  /** A kind of resource on this node. `always` are inputs of each. */
  resource<Computed, I extends NodeInputs = NodeInputs, S = unknown>(
    spec: Spec<I, S>,
    always: object = {},
  ): Resource<I, Computed> {
    const provider = handler(spec);
    const complete = (inputs: object): I => {
      const own: Record<string, unknown> = { ...always, ...inputs };
      const identity = spec.identity.map((key) => own[key]).join(" ");
      const reached = { node: this.sandbox.name, connection: this.connection };
      return { ...reached, owner: `nonce/urn:${spec.type}:${identity}`, ...own } as unknown as I;
    };
    const check = async (inputs: object, olds: object = {}) =>
      (await provider.check?.(olds, complete(inputs))) as { inputs: I; failures: Refusal[] };
    const checked = async (inputs: object, olds: object = {}): Promise<I> => {
      const result = await check(inputs, olds);
      expect(result.failures).toEqual([]);
      return result.inputs;
    };
    type Made = State<I, Computed>;
    const resource: Resource<I, Computed> = {
      complete,
      check,
      reasons: async (inputs) => (await check(inputs)).failures.map(({ reason }) => reason),
      create: async (inputs) => (await provider.create(await checked(inputs))).outs as Made,
      failure: (inputs) =>
        resource.create(inputs).then(
          () => expect.unreachable("it was made"),
          (error: Failure<I>) => error,
        ),
      update: async ({ _barepod, ...old }, more = {}) =>
        (await provider.update?.("id", { ...old, _barepod }, { ...old, ...more }))?.outs as Made,
      change: async (state, inputs) =>
        (await provider.update?.("id", state, await checked(inputs, state)))?.outs as Made,
      replaces: async ({ _barepod, ...old }, more) =>
        (await provider.diff?.("id", { ...old, _barepod }, { ...old, ...more }))?.replaces ?? [],
      read: async (state) => (await provider.read?.("id", state)) as Awaited<ReturnType<typeof resource.read>>,
      remove: async (state) => provider.delete?.("id", state),
    };
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAllSessions();
    await this.#sandbox?.[Symbol.asyncDispose]();
  }
}
