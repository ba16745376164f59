/**
 * The four ways in which something fails, each printed in the same order: what, where, why, how to reproduce, what next.
 *
 * Messages start with a lower-case verb phrase, quote values, state ranges, and have no "Error:" prefix.
 */

/** The user's mistake: shown without a stack, and always names the path of the property. */
export class InputError extends Error {
  override readonly name = "InputError";
  constructor(
    /** Where in the inputs, for example `containers[0].ports[1].hostPort`. */
    readonly path: string,
    /** What is wrong and what would be right. */
    readonly reason: string,
  ) {
    super(path === "" ? reason : `${path}: ${reason}`);
  }
}

/** The node cannot be reached, refuses the login, or stopped answering. Never means that something is absent. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  /** Whether no answer came before the deadline. */
  readonly timedOut: boolean;
  /** Whether the node lets us in and answers all the same: then it is not gone, and nothing on it may be forgotten. */
  readonly answers: boolean;
  constructor(message: string, options: { cause?: unknown; timedOut?: boolean; answers?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.timedOut = options.timedOut ?? false;
    this.answers = options.answers ?? false;
  }
}

/** What a {@link CommandError} carries. */
export interface CommandFailure {
  /** What was being done, for example `could not mount /srv/box/proc`. */
  readonly what: string;
  /** The node's name and address. */
  readonly node: string;
  /** The command as it can be pasted into a shell on the node, secrets masked. */
  readonly command: string;
  readonly exitCode: number;
  readonly stdout?: string;
  readonly stderr: string;
  readonly durationMs?: number;
  /** What to do about it, where that is known. */
  readonly next?: string;
}

/** A command on the node failed. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly failure: CommandFailure;
  constructor(failure: CommandFailure, options?: { cause?: unknown }) {
    super(describe(failure), options);
    this.failure = failure;
  }
}

/** An object with that name is there already and belongs to somebody else. */
export class OwnershipError extends Error {
  override readonly name = "OwnershipError";
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is shown of a command, in characters, and of what it said, in lines at its beginning and at its end. */
const longestCommand = 2000;
const longestLine = 500;
const firstLines = 10;
const lastLines = 30;

function describe(f: CommandFailure): string {
  const took = f.durationMs === undefined ? "" : ` after ${Math.round(f.durationMs)} ms`;
  const lines = [`${f.what} (on ${f.node})`, `  ${cut(f.command, longestCommand)}   exited ${f.exitCode}${took}`];
  for (const line of ends(f.stderr.split("\n").filter((each) => each.trim() !== "")))
    lines.push(`  ${cut(line, longestLine)}`);
  if (f.next !== undefined) lines.push(f.next);
  return lines.join("\n");
}

/** The cause stands at the beginning or at the end: a package manager says hundreds of lines between. */
function ends(lines: readonly string[]): readonly string[] {
  const left = lines.length - firstLines - lastLines;
  if (left <= 1) return lines;
  return [...lines.slice(0, firstLines), `… ${left} lines more …`, ...lines.slice(-lastLines)];
}

function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`;
}
