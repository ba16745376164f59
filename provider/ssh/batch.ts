/** Runs requests one after the other on a shell, each with its own deadline. */
import { hostname, userInfo } from "node:os";
import { deadlineOf, type Job } from "./job";
import { type FrameReply, type Worker, WorkerLostError } from "./worker";

/** A batch is read by the node's shell as a whole before it runs. */
const MAX_FRAMES = 64;
const MAX_BYTES = 1024 * 1024;

/** How long the node waits for its lock. */
export const LOCK_WAIT_SECONDS = 50;
/** Beyond that wait: the node's own `timeout` comes first. */
const LOCK_GRACE_MS = 15_000;

/** How a batch ended; replies went to their jobs on the way. */
export type BatchResult =
  | { readonly kind: "done" }
  /** @param note - who holds the lock, or why it could not be opened. */
  | { readonly kind: "notLocked"; readonly timedOut: boolean; readonly left: readonly Job[]; readonly note: string }
  /** The shell is gone. */
  | { readonly kind: "lost"; readonly left: readonly Job[]; readonly missed: Job | undefined };

/**
 * Runs jobs on a worker; a deadline counts from the end of the job before, or from when the lock was taken. A signal is a
 * deadline that has passed.
 *
 * @param kill - ends the worker on the node.
 */
export async function runBatch(
  worker: Worker,
  jobs: readonly Job[],
  options: { lock: boolean; kill(): void },
): Promise<BatchResult> {
  let next = 0;
  let since = performance.now();
  let missed: Job | undefined;
  let waitingForLock = options.lock;
  let unwatch = () => {};
  const watch = () => {
    unwatch();
    since = performance.now();
    const job = jobs[next];
    if (job === undefined) return;
    const wait = waitingForLock ? LOCK_WAIT_SECONDS * 1000 + LOCK_GRACE_MS : deadlineOf(job.request);
    const end = () => {
      unwatch();
      missed = job;
      options.kill();
    };
    const { signal } = job.request;
    const timer = setTimeout(end, signal?.aborted === true ? 0 : wait);
    signal?.addEventListener("abort", end);
    unwatch = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    };
  };
  const onReply = ({ exitCode, stdout, stderr }: FrameReply) => {
    const durationMs = performance.now() - since;
    const job = jobs[next++];
    watch();
    job?.settle({ exitCode, stdout, stderr, durationMs });
  };
  const onLocked = () => {
    waitingForLock = false;
    watch();
  };
  const lock = { holder: operator(), waitSeconds: LOCK_WAIT_SECONDS, onLocked };
  const frames = jobs.map((job) => {
    const { script, terse } = job.request;
    const sequence = worker.nextSequence();
    return terse === true ? { sequence, script, terse } : { sequence, script, ...stdinOf(job) };
  });
  watch();
  try {
    const { kind, note } = await worker.run(frames, onReply, options.lock ? lock : undefined);
    if (next === jobs.length) return { kind: "done" };
    return { kind: "notLocked", timedOut: kind === "notLocked", left: jobs.slice(next), note };
  } catch (error) {
    if (!(error instanceof WorkerLostError)) throw error;
    return { kind: "lost", left: jobs.slice(next), missed };
  } finally {
    unwatch();
  }
}

/** Takes the next batch from a queue. */
export function takeBatch(queue: Job[], most = MAX_FRAMES): Job[] {
  let bytes = 0;
  let count = 0;
  for (const { request, file } of queue) {
    bytes += request.script.length + (file === undefined ? (request.stdin?.length ?? 0) : 0);
    if (count > 0 && (count >= Math.min(most, MAX_FRAMES) || bytes > MAX_BYTES)) break;
    count++;
  }
  return queue.splice(0, count);
}

/** Takes from the queue of what needs no lock: half of the quick requests at its head, so that two shells share them, or the first. */
export function takeShare(queue: Job[]): Job[] {
  const other = queue.findIndex(({ request }) => request.quick !== true);
  const quick = other === -1 ? queue.length : other;
  return quick === 0 ? queue.splice(0, 1) : takeBatch(queue, Math.ceil(quick / 2));
}

function stdinOf({ request, file }: Job): { stdin?: Uint8Array | { file: string } } {
  if (file !== undefined) return { stdin: { file } };
  return request.stdin === undefined ? {} : { stdin: request.stdin };
}

/** Who we are, for the one who waits for the lock in vain. */
function operator(): string {
  let user = "somebody";
  try {
    user = userInfo().username;
  } catch {
    // A user id without a name, as in some containers.
  }
  return `${user}@${hostname()}, process ${process.pid}`.replace(/[^\x20-\x7e]/g, "?");
}
