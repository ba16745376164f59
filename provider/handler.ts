/**
 * Runs a {@link Spec} for Pulumi: the five callbacks of a dynamic provider, each one frame in the ordinary case.
 *
 * create, update:  observe → plan → run → observe      read:  observe      delete:  observe → undo
 */
import type { dynamic } from "@pulumi/pulumi";
import { ConnectionError, messageOf } from "./errors";
import { isUnknown } from "./fields";
import { absentText, type Observation } from "./frame";
import { Operation, Unfinished } from "./operation";
import { ownerName, packed, stickyOwner, unpacked } from "./owner";
import { checkInputs, containsUnknown, equal, type NodeInputs, objectOf, replacements, type Spec } from "./resource";
import { isSecret, maskFor, rememberSecrets } from "./secrets";
import { type Connection, rememberConnection } from "./ssh/pool";

/** The version of what is kept in `_barepod`. In 2 `owner` may be the nonce alone; 1 is read as well. */
const stateVersion = 2;

/** What the contract keeps in a resource's outputs, beside its inputs and computed outputs. */
interface Bookkeeping {
  readonly version: number;
  /** Which inputs were given, where that is not all of the outputs but the computed ones. */
  readonly given?: readonly string[];
  /** Which outputs are no inputs that were given. */
  readonly computed?: readonly string[];
  /** The last observation's text, packed: what the next frame expects. */
  readonly seen: string;
  /**
   * Inputs that the last refresh found otherwise, with the values that they were made with (null: not given): state itself
   * holds what was found. Of secret ones there is no value.
   */
  readonly drifted?: Readonly<Record<string, unknown>>;
  /** The last operation failed half-way: the next one has to go to the node, whatever has changed. */
  readonly unfinished?: true;
}

/** Inputs that say nothing about the object itself. */
const aboutReaching = ["connection", "resourceUrn", "secrets"];

/** What lies in state beside inputs and computed outputs. */
const notInputs = ["__provider", "_barepod"];

type State<I> = I & { readonly _barepod: Bookkeeping };

/** Makes the dynamic provider of a spec, or of one that is loaded when it is needed. */
export function handler<I extends NodeInputs, S>(spec: Spec<I, S> | (() => Spec<I, S>)): dynamic.ResourceProvider {
  let runner: Runner<I, S> | undefined;
  const run = () => {
    runner ??= new Runner(typeof spec === "function" ? spec() : spec);
    return runner;
  };
  return {
    check: async (olds, news) => run().check(olds as Partial<I>, news as I),
    diff: async (_id, olds, news) => run().diff(olds as State<I>, news as I),
    create: async (inputs) => run().create(inputs as I),
    update: async (_id, olds, news) => run().update(olds as State<I>, news as I),
    read: async (id, props) => run().read(id ?? "", props as State<I>),
    delete: async (_id, props) => run().delete(props as State<I>),
  };
}

/** Which URN claims an object in this engine operation: two resources for one object are a mistake seen in the preview. */
const claimedHere = new Map<string, string>();

class Runner<I extends NodeInputs, S> {
  readonly #spec: Spec<I, S>;
  constructor(spec: Spec<I, S>) {
    this.#spec = spec;
  }

  check(olds: Partial<I>, news: I): dynamic.CheckResult {
    const spec = this.#spec;
    const inputs: I = { ...news, owner: stickyOwner(olds, news) };
    // With --continue-on-error the engine goes on without the outputs of a node that failed.
    if (inputs.owner === undefined && spec.shared !== true)
      return { inputs: plain(inputs), failures: [{ property: "", reason: "its node could not be made" }] };
    for (const [key, value] of Object.entries(spec.generate?.(inputs, olds) ?? {})) {
      const name = key as keyof I;
      if (inputs[name] === undefined) inputs[name] = olds[name] ?? (value as I[keyof I]);
    }
    const problems = checkInputs(spec, inputs);
    if (problems.length === 0) {
      if (!containsUnknown(inputs.connection)) rememberConnection(inputs.node, inputs.connection as Connection);
      rememberSecrets(inputs);
      const twin = this.#twin(inputs);
      if (twin !== undefined)
        problems.push({ path: spec.identity.join(", ") || "name", reason: `${twin} claims the same object` });
    }
    // With `property` set the engine prints the property's value, secrets too; the path goes into the reason instead.
    return {
      inputs: plain(inputs),
      failures: problems.map(({ path, reason }) => ({ property: "", reason: `${path}: ${reason}` })),
    };
  }

  /**
   * The other resource of this operation that names the same object. Two Nodes of one name, under different parents, would
   * take turns as the machine that everything of that name goes to.
   */
  #twin(inputs: I): string | undefined {
    if (isUnknown(inputs.node) || inputs.resourceUrn === undefined) return undefined;
    if (this.#spec.identity.some((key) => isUnknown(inputs[key]))) return undefined;
    const key = `${inputs.node}/${objectOf(this.#spec, inputs)}`;
    const other = claimedHere.get(key);
    if (other === undefined) claimedHere.set(key, inputs.resourceUrn);
    return other === undefined || other === inputs.resourceUrn ? undefined : other;
  }

  diff(olds: State<I>, news: I): dynamic.DiffResult {
    const replaces = replacements(this.#spec, olds, news);
    if (replaces.length > 0) return { replaces, deleteBeforeReplace: true };
    const changed = changedInputs(olds, news);
    // The URN is for progress only: a resource that is merely renamed has not changed.
    return changed.length > 0 && changed.every((key) => key === "resourceUrn") ? { changes: false } : {};
  }

  async create(inputs: I): Promise<dynamic.CreateResult<Record<string, unknown>>> {
    const outs = await this.#converge(inputs, undefined);
    return { id: this.#id(inputs), outs };
  }

  async update(olds: State<I>, news: I): Promise<dynamic.UpdateResult<Record<string, unknown>>> {
    const bookkeeping = this.#bookkeeping(olds);
    const changed = changedInputs(olds, news);
    const onlyReaching = changed.length > 0 && changed.every((key) => aboutReaching.includes(key));
    if (onlyReaching && bookkeeping.unfinished === undefined && this.#spec.provesConnection !== true) {
      const moved = Object.fromEntries([...aboutReaching, "owner"].map((key) => [key, news[key as keyof I]]));
      const { given: _, computed: __, ...kept } = { ...bookkeeping, version: stateVersion };
      return { outs: withBookkeeping({ ...olds, ...moved }, givenInputs(news), kept) };
    }
    return { outs: await this.#converge(news, unpacked(bookkeeping.seen, ownerName(olds))) };
  }

  async read(id: string, state: State<I>): Promise<dynamic.ReadResult<Record<string, unknown>>> {
    const bookkeeping = this.#bookkeeping(state);
    const made = asMade(state);
    rememberSecrets(made);
    const operation = new Operation(this.#spec, made);
    return operation.masked("read", async () => {
      let seen: Observation;
      try {
        seen = await operation.observe();
      } catch (error) {
        if (forgets(error)) return { id: "", props: {} };
        throw error;
      }
      const fact = operation.mine(seen);
      if (fact === undefined) return { id: "", props: {} };
      const drift = this.#spec.drift(made, fact);
      const inputs = { ...made, ...drift } as I;
      const drifted = Object.fromEntries(
        Object.keys(drift).map((key) => [key, isSecret(state, key) ? "" : (made[key as keyof I] ?? null)]),
      );
      const given = givenBefore(state);
      const keys = [...new Set([...given, ...Object.keys(drifted)])];
      const props = this.#outputs(inputs, fact, seen, given, {
        ...(Object.keys(drifted).length === 0 ? {} : { drifted }),
        ...(bookkeeping.unfinished === undefined ? {} : { unfinished: true }),
      });
      return { id, props, inputs: plain(Object.fromEntries(keys.map((key) => [key, inputs[key as keyof I]]))) };
    });
  }

  async delete(state: State<I>): Promise<void> {
    const bookkeeping = this.#bookkeeping(state);
    const operation = new Operation(this.#spec, asMade(state));
    await operation.masked("delete", async () => {
      try {
        await operation.remove(unpacked(bookkeeping.seen, ownerName(state)));
      } catch (error) {
        if (!forgets(error)) throw error;
        operation.progress.warn("the node cannot be reached; forgotten as BAREPOD_UNREACHABLE=forget asks");
      }
    });
  }

  async #converge(inputs: I, known: string | undefined): Promise<Record<string, unknown>> {
    const operation = new Operation(this.#spec, inputs);
    const given = givenInputs(inputs);
    return operation.masked(known === undefined ? "create" : "update", async () => {
      let seen: Observation | undefined;
      try {
        await operation.prepare();
        seen = await operation.apply(known);
        seen = await operation.waitUntilReady(seen);
        const fact = operation.mine(seen);
        if (fact !== undefined)
          for (const warning of this.#spec.warnings?.(inputs, fact) ?? []) operation.progress.warn(warning);
        return this.#outputs(inputs, fact, seen, given);
      } catch (error) {
        const left = error instanceof Unfinished ? error.seen : undefined;
        const fact = left === undefined ? undefined : operation.mine(left);
        if (left === undefined || fact === undefined) throw error instanceof Unfinished ? error.cause : error;
        // The engine keeps what exists, and comes back through update. Only `reasons` are displayed.
        const message = operation.mask(messageOf(error));
        throw Object.assign(new Error(message), {
          id: this.#id(inputs),
          properties: {
            ...this.#outputs(inputs, fact, left, given, { unfinished: true }),
            __provider: (inputs as Record<string, unknown>)["__provider"],
          },
          reasons: [message],
        });
      }
    });
  }

  #outputs(
    inputs: I,
    fact: S | undefined,
    seen: Observation,
    given: readonly string[],
    more: Pick<Bookkeeping, "drifted" | "unfinished"> = {},
  ): Record<string, unknown> {
    const computed = fact === undefined ? {} : (this.#spec.outputs?.(inputs, fact) ?? {});
    // Outputs that are no inputs lie in state in plain text: an observation with a secret in it is not kept, and costs
    // the next operation one frame more.
    const kept = maskFor(inputs)(seen.text) === seen.text ? packed(seen.text, ownerName(inputs)) : absentText;
    return withBookkeeping({ ...inputs, ...computed }, given, { version: stateVersion, seen: kept, ...more });
  }

  /** An id is shown, and lies in state in plain text. */
  #id(inputs: I): string {
    return maskFor(inputs)([inputs.node, ...this.#spec.identity.map((key) => String(inputs[key] ?? ""))].join(":"));
  }

  #bookkeeping(state: State<I>): Bookkeeping {
    const found = state._barepod as Bookkeeping | undefined;
    if (found === undefined)
      throw new Error(
        `a ${this.#spec.type} cannot be imported by an id: declare it with adopt: true, which takes over what is there`,
      );
    if (found.version > stateVersion)
      throw new Error(
        `the state was written by a newer release of barepod (format ${found.version}, here ${stateVersion}): update the barepod package`,
      );
    return found;
  }
}

/** The inputs that the object was made with, whatever a refresh has found since: how to look at it depends on them. */
function asMade<I extends NodeInputs>(state: State<I>): State<I> {
  const values = Object.entries(state._barepod?.drifted ?? {}).filter(([key]) => !isSecret(state, key));
  return { ...state, ...Object.fromEntries(values.map(([key, value]) => [key, value ?? undefined])) };
}

/** The names of the inputs that differ from what state holds. */
function changedInputs<I extends NodeInputs>(olds: State<I>, news: I): string[] {
  const keys = new Set([...Object.keys(news), ...givenBefore(olds), ...Object.keys(olds._barepod?.drifted ?? {})]);
  keys.delete("__provider");
  return [...keys].filter((key) =>
    key === "owner" ? ownerName(olds) !== ownerName(news) : !equal(olds[key as keyof I], news[key as keyof I]),
  );
}

/** Outputs with their bookkeeping, which names the inputs that were given the shorter way, if that says the same. */
function withBookkeeping(
  outputs: object,
  given: readonly string[],
  more: Omit<Bookkeeping, "given" | "computed">,
): Record<string, unknown> {
  const { _barepod: _, ...outs } = plain(outputs);
  const computed = Object.keys(outs)
    .filter((key) => !given.includes(key) && !notInputs.includes(key))
    .sort();
  // A drift may have taken one away, and Pulumi keeps no null.
  const whole = given.every((key) => (outs[key] ?? undefined) !== undefined);
  const named = whole ? (computed.length === 0 ? {} : { computed }) : { given };
  return { ...outs, _barepod: plain({ ...more, ...named }) };
}

/** Which inputs were given when state was written. */
function givenBefore<I extends NodeInputs>(state: State<I>): readonly string[] {
  const bookkeeping = state._barepod as Bookkeeping | undefined;
  if (bookkeeping === undefined) return [];
  const others = [...notInputs, ...(bookkeeping.computed ?? [])];
  return bookkeeping.given ?? Object.keys(state).filter((key) => !others.includes(key));
}

function givenInputs<I extends NodeInputs>(inputs: I): string[] {
  return Object.keys(inputs).filter((key) => key !== "__provider" && inputs[key as keyof I] !== undefined);
}

/** Whether the node is gone and the user knows it. One that answers is not, whatever went wrong on it. */
function forgets(error: unknown): boolean {
  if (!(error instanceof ConnectionError) || error.answers) return false;
  if (process.env["BAREPOD_UNREACHABLE"] === "forget") return true;
  if (!error.message.includes("BAREPOD_UNREACHABLE"))
    error.message +=
      "\nIf the node is gone for ever, run again with BAREPOD_UNREACHABLE=forget to forget what was on it.";
  return false;
}

/** Plain JSON: an undefined anywhere fails in Pulumi's marshalling. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}
