/** A request on its way: what a connection does with it, and what becomes of it when the connection breaks. */
import type { Reply, Request } from "./request";

/** One request, from `run` to its answer. */
export interface Job {
  readonly request: Request;
  /** Where its standard input lies on the node, when it went there by a channel of its own. */
  file?: string;
  settle(reply: Reply): void;
  fail(error: Error): void;
  /**
   * It was not answered, and not by its own fault.
   *
   * @param mayHaveRun - false: certainly not, so it may be sent again whatever it is.
   */
  giveBack(mayHaveRun: boolean, cause: Error): void;
}

/** What a request without a deadline of its own gets. */
const DEFAULT_DEADLINE_MS = 60_000;
/** The longest time that a timer of Node.js can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds that a request may take. */
export function deadlineOf({ deadlineMs }: Request): number {
  return Math.min(deadlineMs ?? DEFAULT_DEADLINE_MS, LONGEST_TIMER_MS);
}

/** Standard input up to this size travels in the frame. */
export const INLINE_STDIN_BYTES = 128 * 1024;

/** For messages: what was being done, never the script. */
export function labelOf({ label, lock }: Request): string {
  return label ?? (lock === true ? "a change" : "a command");
}
