/** How a Process fares: what `up` waits for, what a refresh shows, and what a failure is called. Pure. */
import type { ContainerState, ProcessState } from "../facts/process";
import { signalName } from "../kubernetes/signals";
import type { Readiness } from "../resource";
import { containersOf, type ProcessInputs } from "./process-args";

/** How a container fares. */
export interface ContainerStatus {
  readonly name: string;
  /** `running`, `waiting` or `terminated`. */
  readonly state: string;
  /** Why it waits or ended: `CrashLoopBackOff`, `Completed`, `Error`, `OOMKilled`, `StartError`, `PodInitializing`, `CreateContainerConfigError`. */
  readonly reason: string;
  /** Whether it is ready: an init container once it has completed. */
  readonly ready: boolean;
  readonly restartCount: number;
  /** Its first process, as the node numbers it. */
  readonly pid?: number;
  /** RFC 3339. */
  readonly startedAt?: string;
  /** 128 + the signal's number for one that a signal ended. */
  readonly lastExitCode?: number;
  readonly lastReason?: string;
  /** Why it was killed, and its termination message. */
  readonly lastMessage?: string;
}

/** A condition of a pod, as Kubernetes names it. */
export interface PodCondition {
  /** `Initialized`, `ContainersReady`, `Ready`. */
  readonly type: string;
  readonly status: "True" | "False";
}

/** Who signs the tokens of a pod, and what anybody needs to verify them. */
export interface TokenIssuer {
  /** The tokens' `iss`, and their `aud` where none was asked for: `urn:barepod:issuer:KEY-ID`. */
  readonly issuer: string;
  /** The public keys, as a JSON Web Key Set (RFC 7517). */
  readonly jwks: string;
}

/** The issuer of the tokens that are in the containers; undefined when there are none. @internal */
export function issuerOf({ jwks }: ProcessState): TokenIssuer | undefined {
  const id = /"kid":"([^"]+)"/.exec(jwks ?? "")?.[1];
  return jwks === undefined || id === undefined ? undefined : { issuer: `urn:barepod:issuer:${id}`, jwks };
}

/** The statuses as the user sees them, of the init containers and sidecars or of the others. @internal */
export function statusesOf(seen: ProcessState, of: "init" | "main", mask: (text: string) => string): ContainerStatus[] {
  const containers = seen.containers.filter((each) => isMain(each) === (of === "main"));
  return containers.map((each) => ({
    name: each.name,
    state: each.state === "" ? "waiting" : each.state,
    reason: each.state === "" && isMain(each) && !isInitialized(seen) ? "PodInitializing" : each.reason,
    ready: isReady(each),
    restartCount: each.restarts,
    ...(each.pid === undefined ? {} : { pid: each.pid }),
    ...(each.startedAt === undefined ? {} : { startedAt: each.startedAt }),
    ...(each.last === undefined ? {} : { lastExitCode: each.last.exitCode, lastReason: each.last.reason }),
    ...(each.message.length === 0 ? {} : { lastMessage: mask(each.message.join("\n")) }),
  }));
}

/** Kubernetes' conditions of a pod. @internal */
export function conditionsOf(seen: ProcessState): PodCondition[] {
  const condition = (type: string, is: boolean): PodCondition => ({ type, status: is ? "True" : "False" });
  const isUp =
    seen.keeper && seen.reason === "" && seen.containers.every((each) => each.kind === "init" || isReady(each));
  return [condition("Initialized", isInitialized(seen)), condition("ContainersReady", isUp), condition("Ready", isUp)];
}

/** Kubernetes' phase of a pod. @internal */
export function phaseOf(seen: ProcessState): string {
  if (seen.reason !== "") return "Failed";
  if (seen.containers.some((each) => each.kind === "init" && hasEnded(each) && !hasCompleted(each))) return "Failed";
  const mains = seen.containers.filter(isMain);
  if (mains.length > 0 && mains.every(hasEnded)) return mains.every(hasCompleted) ? "Succeeded" : "Failed";
  return !isInitialized(seen) || mains.some(isUnborn) ? "Pending" : "Running";
}

/** Whether it does what its policy asks: it runs under its keeper, or it is done. @internal */
export function runs(inputs: ProcessInputs, seen: ProcessState): boolean {
  const names = containersOf(inputs).map(({ name }) => name);
  if (seen.reason !== "" || names.some((name) => !seen.containers.some((each) => each.name === name))) return false;
  // One that should always run has ended only if somebody has told its keeper to end.
  const isDone = (each: ContainerState): boolean =>
    hasEnded(each) &&
    (inputs.restartPolicy === "Never" || (inputs.restartPolicy === "OnFailure" && hasCompleted(each)));
  if (seen.containers.filter(isMain).every(isDone)) return true;
  const hasItsTurn = (each: ContainerState): boolean =>
    isUnborn(each)
      ? isInitialized(seen)
      : !(each.kind === "init" ? hasEnded(each) && hasCompleted(each) : isDone(each));
  return seen.keeper && seen.containers.every((each) => each.state === "running" || !hasItsTurn(each));
}

/** Whether an update may leave it as it is: what has failed is started again. @internal */
export function works(inputs: ProcessInputs, seen: ProcessState): boolean {
  return runs(inputs, seen) && seen.containers.every((each) => !isMain(each) || !hasEnded(each) || hasCompleted(each));
}

/** What `up` waits for: that every container runs and is ready, or has done its work. @internal */
export function readiness(inputs: ProcessInputs, seen: ProcessState | undefined): Readiness {
  if (inputs.skipAwait === true || !inputs.running) return { kind: "ready" };
  if (seen === undefined) return { kind: "failed", message: "nothing of it is left on the node" };
  if (seen.reason !== "")
    return { kind: "failed", message: `was active longer than its activeDeadlineSeconds (${seen.reason})` };
  const failed = seen.containers.filter(hasFailed);
  if (failed.length > 0)
    return { kind: "failed", message: failed.map((each) => explain(each, inputs.pod !== undefined)).join("\n") };
  const mains = seen.containers.filter(isMain);
  if (!seen.keeper && !mains.every(hasEnded))
    return { kind: "failed", message: "its keeper is gone: something on the node has ended it" };
  const names = containersOf(inputs).flatMap(({ name = "" }) => name);
  const states = names.map((name) => seen.containers.find((each) => each.name === name));
  const message = mains.every(hasEnded) && mains.length > 0 ? undefined : awaited(seen, names, states);
  return message === undefined ? { kind: "ready" } : { kind: "waiting", message };
}

/** What is waited for, if anything: a missing thing first, then init containers, then what has to start, then probes. */
function awaited(
  seen: ProcessState,
  names: readonly string[],
  states: readonly (ContainerState | undefined)[],
): string | undefined {
  const stuck = states.find((each) => each?.reason === configError);
  if (stuck !== undefined) return `waiting for ${stuck.name}: ${configError}: ${stuck.error}`;
  const inits = seen.containers.filter(({ kind }) => kind === "init");
  const done = inits.filter((each) => hasEnded(each) && hasCompleted(each)).length;
  const next = inits.find((each) => !hasEnded(each));
  if (next !== undefined) return `waiting for init container ${next.name} (Init:${done}/${inits.length})`;
  const unborn = names.filter((_, index) => !states[index] || isUnborn(states[index]));
  const unready = states.flatMap((each) => (each?.state === "running" && !isReady(each) ? [each] : []));
  const sidecar = unready.find(({ kind, started }) => kind === "sidecar" && !started);
  if (unborn.length > 0 && sidecar === undefined) return `waiting for ${unborn.join(", ")} to start`;
  const first = sidecar ?? unready[0];
  if (first === undefined) return undefined;
  const what = first.started ? "to be ready" : "to be started";
  const why = first.failing === undefined ? "" : `: ${first.failing.why}`;
  return `waiting for ${first.name} ${what}${why}${first.restarts === 0 ? "" : `; before, it ${howItEnded(first)}`}`;
}

const configError = "CreateContainerConfigError";

function isMain({ kind }: ContainerState): boolean {
  return kind === "main";
}

function isReady({ state, ready, kind, reason }: ContainerState): boolean {
  return kind === "init" ? state === "terminated" && reason === "Completed" : state === "running" && ready;
}

/** Whether it has not been started for the first time. */
function isUnborn({ state, last }: ContainerState): boolean {
  return state === "" && last === undefined;
}

/** Whether the init containers are done, and the sidecars have started. */
function isInitialized({ containers }: ProcessState): boolean {
  return containers.every(
    (each) =>
      isMain(each) || (each.kind === "init" ? hasEnded(each) && hasCompleted(each) : each.started || hasEnded(each)),
  );
}

function hasEnded({ state }: ContainerState): boolean {
  return state === "terminated";
}

function hasCompleted({ reason }: ContainerState): boolean {
  return reason === "Completed";
}

function hasFailed(container: ContainerState): boolean {
  const { state, last, reason, kind } = container;
  if (state === "waiting") return reason !== configError;
  // A sidecar's end matters to nobody.
  if (hasEnded(container)) return kind !== "sidecar" && !hasCompleted(container);
  return state === "" && last?.reason === "StartError";
}

/** The reason, the container's last words, and the last lines of the log. */
function explain(container: ContainerState, isPod: boolean): string {
  const { name, log, message, kind } = container;
  const indented = (lines: readonly string[]) => lines.map((line) => `\n    ${line}`).join("");
  const words = message.length === 0 ? "" : `\n  its termination message:${indented(message)}`;
  const lines = log.length === 0 ? "" : `\n  the last lines of its log:${indented(log)}`;
  const which = `${kind === "main" ? "" : "init "}container ${name}`;
  return `${which} ${howItEnded(container)}${remedy(container, isPod)}${words}${lines}`;
}

/** What to do about a program that is not among those of the node that its root file system is made of. */
function remedy({ last, error, madeFrom = "" }: ContainerState, isPod: boolean): string {
  const missing = /^exec: "(.*)": (?:not found in PATH|no such file or directory)$/.exec(error)?.[1];
  if (last?.reason !== "StartError" || missing === undefined || !madeFrom.startsWith("host-")) return "";
  return isPod ? `; add it to image: host:…,${missing}` : `; add it to the RootFs's hostBinaries`;
}

function howItEnded({ last, reason, restarts, error }: ContainerState): string {
  const code = `exit code ${last?.exitCode}`;
  const times = restarts === 0 ? "" : `, ${restarts + 1} times`;
  switch (last?.reason ?? reason) {
    case "StartError":
      return `could not be started: ${error === "" ? code : error}`;
    case "OOMKilled":
      return `was killed because it used more memory than its limit (OOMKilled, ${code}${times})`;
    case "Completed":
      return `ended with ${code}${times}: with restartPolicy Always a program must keep running`;
    default:
      return `ended with ${code}${signalOf(last?.exitCode)}${times}`;
  }
}

/** What a shell's convention says about an exit code. */
function signalOf(exitCode = 0): string {
  const name = signalName(exitCode - 128);
  return name === undefined ? "" : ` (${name})`;
}
