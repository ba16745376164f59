/** One piece of work for a node. See "Transport" in ARCHITECTURE.md. */
export interface Request {
  /**
   * POSIX sh text. It runs in a subshell of its own whose standard input is /dev/null, or `stdin`; `exit`, `cd`, variables
   * and traps end with it. Secrets may stand in it: it travels on standard input only and is never shown.
   *
   * What it leaves running must have been started by `setsid` with its streams redirected: a missed deadline kills the
   * whole process group, and late output would mix with that of another request.
   */
  readonly script: string;
  /** Bytes for the script's standard input; up to 128 KiB travel in the frame, more goes through a channel of its own. */
  readonly stdin?: Uint8Array;
  /** Runs under the node's lock, in one batch with the other locked requests of this tick. */
  readonly lock?: boolean;
  /** Takes a moment only and needs no lock (an observation): several of a tick share a shell and a round trip. */
  readonly quick?: boolean;
  /**
   * Of the answer only text counts, without newlines at its end, and of standard error nothing: it then comes in one
   * piece. A request that fails is to be made again without this, for its reason.
   */
  readonly terse?: boolean;
  /**
   * Milliseconds from sending to the last byte of the answer; then the process group is killed on the node. Waiting for
   * a free shell, for the requests before it in its batch or for the lock does not count.
   *
   * @defaultValue 60,000
   */
  readonly deadlineMs?: number;
  /**
   * Ends it like a missed deadline while it runs, or before. Only for one that neither takes the lock nor is quick: it has
   * its shell to itself.
   */
  readonly signal?: AbortSignal;
  /** Whether it may be sent again over a new connection after the first one broke. */
  readonly repeatable?: boolean;
  /** What is being done, for messages, for example `mount /srv/box/proc`; never a secret. */
  readonly label?: string;
}

/** What a {@link Request} gave. */
export interface Reply {
  /** As `$?` would have it: 128 + N after signal N. */
  readonly exitCode: number;
  /** Every byte of standard output, NULs included. */
  readonly stdout: Buffer;
  /** Every byte of standard error. */
  readonly stderr: Buffer;
  /** From sending to the last byte of the answer. */
  readonly durationMs: number;
}

/** What asks something of a node. */
export interface Runner {
  /**
   * Runs one request.
   *
   * @throws ConnectionError when there is no answer; a script that fails is a {@link Reply} with its exit code.
   */
  run(request: Request): Promise<Reply>;
  /** For messages: `edge-1 (192.0.2.10)`. */
  readonly description: string;
  /** The node's `uname -m`, for example `x86_64`. */
  readonly machine: string;
}

/** A node's one connection, and the shells on it. */
export interface Session extends Runner {
  /** Frames sent so far: what the benchmark counts. */
  readonly frames: number;
  /** Batches written so far, each one round trip for all the frames in it. */
  readonly roundTrips: number;
  /** Waits for what is under way, then closes the connection. */
  close(): Promise<void>;
}
