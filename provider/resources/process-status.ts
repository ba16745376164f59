/** How a Process fares: what `up` waits for, what a refresh shows, and what a failure is called. Pure. */
import type { ContainerState, ProcessState } from "../facts/process";
import type { Readiness } from "../resource";
import { containersOf, type ProcessInputs } from "./process-args";

/** How a container fares. */
export interface ContainerStatus {
  readonly name: string;
  /** `running`, `waiting` or `terminated`. */
  readonly state: string;
  /** Why it waits or ended: `CrashLoopBackOff`, `Completed`, `Error`, `OOMKilled`, `StartError`. */
  readonly reason: string;
  readonly restartCount: number;
  /** Its first process, as the node numbers it. */
  readonly pid?: number;
  /** RFC 3339. */
  readonly startedAt?: string;
  /** 128 + the signal's number for one that a signal ended. */
  readonly lastExitCode?: number;
  readonly lastReason?: string;
}

/** The statuses as the user sees them. @internal */
export function statusesOf({ containers }: ProcessState): ContainerStatus[] {
  return containers.map(({ name, state, reason, restarts, pid, startedAt, last }) => ({
    name,
    state: state === "" ? "waiting" : state,
    reason,
    restartCount: restarts,
    ...(pid === undefined ? {} : { pid }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(last === undefined ? {} : { lastExitCode: last.exitCode, lastReason: last.reason }),
  }));
}

/** Kubernetes' phase of a pod. @internal */
export function phaseOf({ containers }: ProcessState): string {
  if (containers.length > 0 && containers.every(hasEnded))
    return containers.every(hasCompleted) ? "Succeeded" : "Failed";
  return containers.every(({ state, last }) => state === "" && last === undefined) ? "Pending" : "Running";
}

/** Whether it does what its policy asks: it runs under its keeper, or it is done. @internal */
export function runs(inputs: ProcessInputs, seen: ProcessState): boolean {
  const names = containersOf(inputs).map(({ name }) => name);
  if (names.some((name) => !seen.containers.some((each) => each.name === name))) return false;
  // One that should always run has ended only if somebody has told its keeper to end.
  const isDone = (each: ContainerState): boolean =>
    hasEnded(each) &&
    (inputs.restartPolicy === "Never" || (inputs.restartPolicy === "OnFailure" && hasCompleted(each)));
  if (seen.containers.every(isDone)) return true;
  return seen.keeper && seen.containers.every((each) => each.state === "running" || isDone(each));
}

/** Whether an update may leave it as it is: what has failed is started again. @internal */
export function works(inputs: ProcessInputs, seen: ProcessState): boolean {
  return runs(inputs, seen) && seen.containers.every((each) => !hasEnded(each) || hasCompleted(each));
}

/** What `up` waits for: that every container runs, or has done its work. @internal */
export function readiness(inputs: ProcessInputs, seen: ProcessState | undefined): Readiness {
  if (inputs.skipAwait === true || !inputs.running) return { kind: "ready" };
  if (seen === undefined) return { kind: "failed", message: "nothing of it is left on the node" };
  const failed = seen.containers.filter(hasFailed);
  if (failed.length > 0)
    return { kind: "failed", message: failed.map((each) => explain(each, inputs.pod !== undefined)).join("\n") };
  if (!seen.keeper && !seen.containers.every(hasEnded))
    return { kind: "failed", message: "its keeper is gone: something on the node has ended it" };
  const started = seen.containers.filter((each) => each.state === "running" || hasEnded(each));
  const names = containersOf(inputs).flatMap(({ name = "" }) =>
    started.some((each) => each.name === name) ? [] : [name],
  );
  return names.length === 0
    ? { kind: "ready" }
    : { kind: "waiting", message: `waiting for ${names.join(", ")} to start` };
}

function hasEnded({ state }: ContainerState): boolean {
  return state === "terminated";
}

function hasCompleted({ reason }: ContainerState): boolean {
  return reason === "Completed";
}

function hasFailed(container: ContainerState): boolean {
  const { state, last } = container;
  if (state === "waiting") return true;
  return hasEnded(container) ? !hasCompleted(container) : state === "" && last?.reason === "StartError";
}

/** The reason, and the last lines of the log. */
function explain(container: ContainerState, isPod: boolean): string {
  const { name, log } = container;
  const lines = log.length === 0 ? "" : `\n  the last lines of its log:${log.map((line) => `\n    ${line}`).join("")}`;
  return `container ${name} ${howItEnded(container)}${remedy(container, isPod)}${lines}`;
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
function signalOf(exitCode: number | undefined): string {
  const names: Readonly<Record<number, string>> = { 129: "HUP", 130: "INT", 131: "QUIT", 132: "ILL", 134: "ABRT" };
  const more: Readonly<Record<number, string>> = { 135: "BUS", 136: "FPE", 137: "KILL", 139: "SEGV", 143: "TERM" };
  const name = exitCode === undefined ? undefined : (names[exitCode] ?? more[exitCode]);
  return name === undefined ? "" : ` (SIG${name})`;
}
