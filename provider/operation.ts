/**
 * One operation on one object: the frames, the loop around them, and what is refused.
 *
 * A frame that finds something else than expected does nothing; the plan is then made again for what it saw.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, render } from "./command/command";
import { CommandError, ConnectionError, InputError, messageOf, OwnershipError } from "./errors";
import {
  type Alternative,
  absentText,
  changeFrame,
  type Fact,
  type Observation,
  type Outcome,
  observationFrame,
  parseOutcome,
  planFrame,
  readObservation,
  type Settlement,
} from "./frame";
import { recordFrames } from "./frame-log";
import { digest } from "./naming";
import { ensurePrograms } from "./node-programs";
import { ownerName } from "./owner";
import { type Progress, progressFor } from "./progress";
import { type NodeInputs, objectOf, type Spec } from "./resource";
import { maskFor } from "./secrets";
import { type Connection, openSession, type Reply, type Request, type Session } from "./ssh/pool";

/** How often a plan is made anew because the object changed meanwhile: a container that starts again does so for a while. */
const attempts = 8;
/** Before each but the first: 2.6 seconds in all. */
const pause = (attempt: number) => (attempt === 0 ? undefined : sleep(Math.min(1000, 12.5 * 2 ** attempt)));

/** Something failed after the object, or a part of it, came to be. */
export class Unfinished extends Error {
  constructor(
    cause: unknown,
    readonly seen: Observation,
  ) {
    super(messageOf(cause), { cause });
  }
}

/** One operation on one object. */
export class Operation<I extends NodeInputs, S> {
  readonly #spec: Spec<I, S>;
  #inputs: I;
  readonly #fact: Fact<S>;
  readonly #object: string;
  readonly #owner: string;
  readonly #me: string;
  #frames = 0;
  readonly mask: (text: string) => string;
  readonly progress: Progress;

  constructor(spec: Spec<I, S>, inputs: I) {
    this.#spec = spec;
    this.#inputs = inputs;
    this.#fact = spec.observe(inputs);
    this.#object = objectOf(spec, inputs);
    this.#owner = ownerName(inputs);
    this.#me = digest(this.#owner);
    // Not once for all: a refresh meets the files that hold secrets in any order.
    this.mask = (text) => maskFor(inputs)(text);
    const progress = progressFor(inputs.resourceUrn);
    this.progress = {
      status: (message) => progress.status(this.mask(message)),
      warn: (message) => progress.warn(this.mask(message)),
    };
  }

  /** Runs the operation; an error that leaves it shows no secret and no stack. */
  async masked<T>(name: "create" | "update" | "read" | "delete", operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      if (error instanceof Error) {
        const message = this.mask(error.message);
        error.message = message;
        // Pulumi prints the stack of a failed read or delete; ours say all there is to say in the message.
        if (isExpected(error)) error.stack = "";
      }
      throw error;
    } finally {
      recordFrames({ type: this.#spec.type, operation: name, object: this.#title(), frames: this.#frames });
    }
  }

  async observe(): Promise<Observation> {
    // Without the lock, so that two shells share a refresh: what is half-made meanwhile is seen again by the next frame.
    return (await this.#send(observationFrame(this.#object, this.#fact), { programs: false, quick: true })).seen;
  }

  /** What was seen, if it is there and ours. */
  mine(seen: Observation): S | undefined {
    if (seen.fact === "") return undefined;
    const claim = seen.claims.find(({ id }) => id === this.#me);
    if (claim === undefined) return undefined;
    if (replaced(claim, seen)) return undefined;
    const state = this.#fact.parse(seen.fact);
    return this.#spec.cannotBeOurs?.(state) === true ? undefined : state;
  }

  /** Asks and brings what a plan needs; the plan then sees what was learnt. */
  async prepare(): Promise<void> {
    const { prepare } = this.#spec;
    if (prepare === undefined) return;
    const session = await this.#session();
    if (this.#spec.needsPrograms?.(this.#inputs) === true) await ensurePrograms(session);
    const { description, machine } = session;
    const run = (request: Request): Promise<Reply> => {
      this.#frames += 1;
      return session.run(request);
    };
    this.#inputs = await prepare(this.#inputs, { session: { run, description, machine }, progress: this.progress });
  }

  /** Makes the object as wanted. */
  async apply(known: string | undefined): Promise<Observation> {
    let candidates = known === undefined || known === absentText ? [absentText] : [known, absentText];
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      await pause(attempt);
      const alternatives = candidates.map((text) => this.#wanted(text));
      const frame = this.#send(planFrame(this.#object, this.#fact, alternatives));
      const outcome = await this.#watched(frame, this.#spec.slow?.(this.#inputs)?.message);
      if (outcome.kind === "done") return outcome.seen;
      if (outcome.kind === "failed") {
        // What was claimed in vain is released. The claim is a file of a few bytes: the error that matters is this one.
        if (outcome.seen.fact === "") await this.remove(outcome.seen.text).catch(() => undefined);
        throw new Unfinished(this.#failure(outcome, alternatives), outcome.seen);
      }
      candidates = [outcome.seen.text];
      this.#boot = outcome.seen.boot;
    }
    throw new Error(
      `${this.#title()} keeps changing while it is being changed: something else on the node manages it too`,
    );
  }

  /** Removes the object, if it is there and ours. */
  async remove(known: string): Promise<void> {
    let candidates = known === absentText ? [absentText] : [known, absentText];
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      await pause(attempt);
      const alternatives = candidates.map((text) => this.#unwanted(text));
      const frame = this.#send(planFrame(this.#object, this.#fact, alternatives));
      const outcome = await this.#watched(frame, this.#spec.slow?.(this.#inputs)?.removing);
      if (outcome.kind === "failed") throw this.#failure(outcome, alternatives);
      if (outcome.kind === "done") {
        const left = this.mine(outcome.seen);
        if (left !== undefined && this.#spec.shared !== true)
          throw new Error(`${this.#title()} is still there after it was removed`);
        return;
      }
      candidates = [outcome.seen.text];
      this.#boot = outcome.seen.boot;
    }
    throw new Error(
      `${this.#title()} keeps changing while it is being removed: something else on the node manages it too`,
    );
  }

  async waitUntilReady(first: Observation): Promise<Observation> {
    const { ready, readyTimeoutMs } = this.#spec;
    if (ready === undefined) return first;
    let seen = first;
    const limit = readyTimeoutMs?.(this.#inputs) ?? 600_000;
    const end = Date.now() + limit;
    for (;;) {
      const readiness = ready(this.#inputs, this.mine(seen));
      if (readiness.kind === "ready") return seen;
      if (readiness.kind === "failed") throw new Unfinished(new Error(readiness.message), seen);
      if (Date.now() >= end)
        throw new Unfinished(new Error(`not ready after ${limit / 1000} s: ${readiness.message}`), seen);
      this.progress.status(readiness.message);
      seen = await this.#nextChange(seen);
    }
  }

  /** Waits on the node, for at most a second, until the object looks different. */
  async #nextChange(seen: Observation): Promise<Observation> {
    const script = changeFrame(this.#object, this.#fact, seen.text);
    return (await this.#send(script, { lock: false, programs: false })).seen;
  }

  #boot = "";

  /** The plan for one state of affairs; refuses what is not ours. */
  #wanted(text: string): Alternative {
    const seen = readObservation(this.#boot, text);
    const evict = this.#ensureMine(seen);
    const state = seen.fact === "" ? undefined : this.#fact.parse(seen.fact);
    const commands = this.#spec.plan(this.#inputs, state);
    const { boot } = this.#spec;
    const booting =
      boot === undefined ? [] : (boot.commands?.(this.#inputs) ?? this.#spec.plan(this.#inputs, undefined));
    const journal = booting.length === 0 ? undefined : { file: this.#journalFile(), commands: booting };
    const settle: Settlement = {
      claim: this.#me,
      name: this.#owner,
      ...(evict ? { evict } : {}),
      ...(journal === undefined ? {} : { journal }),
    };
    return { expected: text, commands, settle };
  }

  #unwanted(text: string): Alternative {
    const seen = readObservation(this.#boot, text);
    const state = this.mine(seen);
    const others = seen.claims.some(({ id }) => id !== this.#me);
    // What several may own, and nobody does any more, is no stranger's: its last owner has gone already.
    const strange = state === undefined && seen.fact !== "" && this.#spec.shared !== true;
    const taken = state !== undefined && this.#spec.taken?.(state) === true;
    if (strange || taken) this.progress.warn(`${this.#title()} is not what was made here; it is left alone`);
    const foreign = others || strange;
    const commands = foreign
      ? []
      : [
          ...(state === undefined ? [] : this.#spec.undo(this.#inputs, state)),
          ...(this.#spec.cleanup?.(this.#inputs) ?? []),
        ];
    const settle: Settlement = {
      release: this.#me,
      ...(this.#spec.boot === undefined ? {} : { journal: this.#journalFile() }),
      ...(this.#spec.shared === true || foreign || taken ? { shared: true } : {}),
    };
    return { expected: text, commands, settle };
  }

  /** Refuses a foreign object by name. True when others' claims must be evicted first. */
  #ensureMine(seen: Observation): boolean {
    if (this.#spec.shared === true) return false;
    const others = seen.claims.filter(({ id }) => id !== this.#me);
    const claim = seen.claims.find(({ id }) => id === this.#me);
    const foreign = seen.fact !== "" && this.mine(seen) === undefined;
    if (others.length === 0 && !foreign) return false;
    if (this.#inputs.adopt === true) return others.length > 0;
    // What is gone, and was of this very stack, belongs to nobody: a refresh has dropped it from state.
    const [nonce] = splitOwner(this.#owner);
    if (seen.fact === "" && others.every(({ name }) => splitOwner(name)[0] === nonce)) return true;
    const whose =
      others[0] !== undefined
        ? belongsTo(others[0].name, this.#owner)
        : claim === undefined
          ? "is there already and was not made by Barepod"
          : "was made here once, but something else has taken its place since";
    throw new OwnershipError(
      `${this.#title()} on ${this.#inputs.node} ${whose}: choose another ${this.#spec.identity.at(-1) ?? "name"}, remove it, or set adopt: true to take it over`,
    );
  }

  async #send(script: string, options: { lock?: boolean; programs?: boolean; quick?: boolean } = {}): Promise<Outcome> {
    const { quick = false } = options;
    const session = await this.#session();
    if (options.programs !== false && this.#spec.needsPrograms?.(this.#inputs) === true) await ensurePrograms(session);
    const slow = this.#spec.slow?.(this.#inputs);
    this.#frames += 1;
    const reply = await session.run({
      script,
      lock: !quick && (options.lock ?? slow?.locked ?? slow === undefined),
      quick,
      terse: quick,
      ...(slow === undefined ? {} : { deadlineMs: slow.deadlineMs }),
      repeatable: true,
      label: this.#title(),
    });
    // Aloud this time, for its reason.
    if (reply.exitCode !== 0 && quick) return this.#send(script, { ...options, lock: false, quick: false });
    if (reply.exitCode !== 0)
      throw new CommandError({
        what: `could not look at ${this.#title()}`,
        node: session.description,
        command: "(the observation)",
        exitCode: reply.exitCode,
        stderr: this.mask(reply.stderr.toString("utf8")),
        durationMs: reply.durationMs,
      });
    const outcome = parseOutcome(reply.stdout.toString("utf8"));
    return outcome.kind === "failed"
      ? // Masked before the error cuts it: half of a secret would not be found.
        { ...outcome, stderr: this.mask(reply.stderr.toString("utf8")), node: session.description }
      : outcome;
  }

  /** Shows how long something takes already, once that is more than a second. */
  async #watched<T>(work: Promise<T>, message: string | undefined): Promise<T> {
    if (message === undefined) return work;
    const began = Date.now();
    const timer = setInterval(
      () => this.progress.status(`${message} (${Math.round((Date.now() - began) / 1000)} s)`),
      1000,
    );
    return work.finally(() => clearInterval(timer));
  }

  #session(): Promise<Session> {
    const { node, connection } = this.#inputs;
    return openSession(node, connection as Connection, { onWait: (message) => this.progress.status(message) });
  }

  /** The error of a plan that stopped half-way. */
  #failure(outcome: Extract<Outcome, { kind: "failed" }>, alternatives: readonly Alternative[]): CommandError {
    const failed: Command | undefined = alternatives[outcome.plan]?.commands[outcome.step];
    return new CommandError({
      what: `${this.#title()}: ${failed === undefined ? "could not record the owner" : "a command failed"}`,
      node: outcome.node ?? this.#inputs.node,
      command: failed === undefined ? "(the registry of owners)" : this.mask(shown(failed)),
      exitCode: outcome.exitCode,
      stderr: outcome.stderr ?? "",
      // The shell's own printf has no better words for a full disk than "I/O error".
      ...(/I\/O error|No space left/.test(outcome.stderr ?? "")
        ? { next: "see how much room the node has: df -h" }
        : {}),
    });
  }

  #journalFile(): string {
    return `${this.#spec.boot?.rank(this.#inputs) ?? "99"}-${this.#object}.sh`;
  }

  #title(): string {
    const identity = this.#spec.identity.map((key) => String(this.#inputs[key] ?? "")).join(" ");
    return `${this.#spec.type} ${identity}`;
  }
}

/** A command to paste, or in brackets what a text of our own does, which would be too long for a message. */
function shown(command: Command): string {
  const text = render(command, { reveal: false });
  return command.kind === "raw" ? `(${text})` : text;
}

/** The Node's nonce, which tells stacks apart, and the resource's first URN. */
function splitOwner(owner: string): [nonce: string, urn: string] {
  const slash = owner.indexOf("/");
  return [owner.slice(0, slash), owner.slice(slash + 1)];
}

function belongsTo(theirs: string, mine: string): string {
  const [, urn] = splitOwner(theirs);
  if (urn !== splitOwner(mine)[1]) return `belongs to ${urn}`;
  return `belongs to ${urn} of another stack of that name, or of this one before its state was lost`;
}

/** Whether the kernel's identity tells that the object is another one than the one that was claimed. */
function replaced(claim: { boot: string; ident: string }, seen: Observation): boolean {
  return claim.ident !== "" && claim.boot === seen.boot && seen.ident !== undefined && claim.ident !== seen.ident;
}

function isExpected(error: Error): boolean {
  return [CommandError, ConnectionError, InputError, OwnershipError].some((kind) => error instanceof kind);
}
