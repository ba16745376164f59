/**
 * One SSH connection and the shells on it: one for batches under the node's lock, up to six for everything else.
 *
 *     locked requests of a tick ──► one batch ──► the lock's shell
 *     other requests ───────────► the first free of six shells
 *     large standard input ─────► a channel of its own, before either
 */
import { hostname, userInfo } from "node:os";
import { ConnectionError } from "../errors";
import { Channels, shellCommand } from "./channels";
import type { Dialed } from "./dial";
import { Heartbeat } from "./heartbeat";
import { DEFAULT_DEADLINE_MS, INLINE_STDIN_BYTES, type Job, labelOf } from "./job";
import type { Target } from "./target";
import { BrokenUploadError, STALE_MINUTES, UPLOAD_DIRECTORY, upload } from "./upload";
import { type FrameReply, Worker, WorkerLostError } from "./worker";

const MAX_OPEN_WORKERS = 6;
/** A batch is read by the node's shell as a whole before it runs. */
const MAX_BATCH_FRAMES = 64;
const MAX_BATCH_BYTES = 1024 * 1024;
const LOCK_WAIT_SECONDS = 50;
/** Beyond the wait for the lock: the node's own `timeout` comes first. */
const LOCK_GRACE_MS = 15_000;
const START_TIMEOUT_MS = 30_000;
const KILL_TIMEOUT_MS = 5000;

export class Link {
  /** Set once it is of no use any more. */
  broken: Error | undefined;
  /** Batches written. */
  roundTrips = 0;
  machine = "";
  readonly #channels: Channels;
  readonly #heartbeat: Heartbeat;
  readonly #workers = new Set<Worker>();
  #idle: Worker[] = [];
  #starting = 0;
  #openQueue: Job[] = [];
  #lockQueue: Job[] = [];
  #lockWorker: Worker | undefined;
  #lockBusy = false;
  #scheduled = false;
  #isRoot = true;

  private constructor(
    private readonly dialed: Dialed,
    private readonly target: Target,
    private readonly description: string,
  ) {
    this.#channels = new Channels(dialed.client, () => this.#reclaim());
    this.#heartbeat = new Heartbeat(dialed, () => this.break(new Error("the node stopped answering")));
    dialed.client.once("close", () => this.break(new Error("the connection was closed")));
  }

  /** Starts the first shell, so that what is wrong with the account is known at once. */
  static async open(dialed: Dialed, target: Target, description: string): Promise<Link> {
    const link = new Link(dialed, target, description);
    try {
      const worker = await link.#startWorker();
      link.machine = worker.machine;
      link.#isRoot = worker.uid === 0;
      link.#lockWorker = worker;
      if (link.#isRoot) void link.#removeLeftovers();
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** Keeps the process alive and watches the connection while there is work. */
  set busy(busy: boolean) {
    if (busy) this.dialed.socket.ref();
    else this.dialed.socket.unref();
    this.#heartbeat.enabled = busy;
  }

  submit(job: Job): void {
    const { stdin } = job.request;
    if (stdin !== undefined && stdin.length > INLINE_STDIN_BYTES && job.file === undefined)
      void this.#uploadFor(job, stdin);
    else this.#enqueue(job);
  }

  close(): void {
    this.break(new Error("the connection was closed"));
  }

  /** Gives up the connection; what was under way goes back to the session. */
  break(cause: Error): void {
    if (this.broken !== undefined) return;
    this.broken = cause;
    this.#heartbeat.enabled = false;
    this.dialed.destroy();
    for (const worker of this.#workers) worker.abandon();
    const queued = [...this.#openQueue.splice(0), ...this.#lockQueue.splice(0)];
    for (const job of queued) this.#giveBack(job, false, cause);
  }

  #enqueue(job: Job): void {
    if (this.broken !== undefined) {
      this.#giveBack(job, false, this.broken);
      return;
    }
    (job.request.lock === true ? this.#lockQueue : this.#openQueue).push(job);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // The end of this tick: what else is asked for in it travels along.
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#lockQueue.length > 0 && !this.#lockBusy) void this.#runLocked();
    while (this.#openQueue.length > 0) {
      const worker = this.#takeIdle();
      if (worker !== undefined) void this.#runOpen(worker, this.#openQueue.shift() as Job);
      else if (this.#openWorkers + this.#starting >= MAX_OPEN_WORKERS || this.#starting >= this.#openQueue.length)
        return;
      else void this.#addWorker();
    }
  }

  get #openWorkers(): number {
    return this.#workers.size - (this.#lockWorker === undefined ? 0 : 1);
  }

  #takeIdle(): Worker | undefined {
    for (let worker = this.#idle.pop(); worker !== undefined; worker = this.#idle.pop())
      if (!worker.isClosed) return worker;
    return undefined;
  }

  async #addWorker(): Promise<void> {
    this.#starting++;
    try {
      this.#idle.push(await this.#startWorker());
    } catch (error) {
      // Those that run already do the work; without any the first in the queue hears of it.
      if (this.#openWorkers === 0 && this.broken === undefined) this.#openQueue.shift()?.fail(error as Error);
    } finally {
      this.#starting--;
      this.#pump();
    }
  }

  async #runOpen(worker: Worker, job: Job): Promise<void> {
    await this.#runBatch(worker, [job]);
    if (!worker.isClosed) {
      if (this.#channels.contended) worker.close();
      else this.#idle.push(worker);
    }
    this.#pump();
  }

  async #runLocked(): Promise<void> {
    this.#lockBusy = true;
    const jobs = takeBatch(this.#lockQueue);
    try {
      if (this.#lockWorker === undefined || this.#lockWorker.isClosed) this.#lockWorker = await this.#startWorker();
      await this.#runBatch(this.#lockWorker, jobs, true);
    } catch (error) {
      for (const job of jobs)
        this.broken === undefined ? job.fail(error as Error) : this.#giveBack(job, false, this.broken);
    }
    this.#lockBusy = false;
    if (this.#channels.contended) this.#reclaim();
    this.#pump();
  }

  /** Runs jobs one after the other on a worker; each has its own deadline, from the end of the one before. */
  async #runBatch(worker: Worker, jobs: readonly Job[], locked = false): Promise<void> {
    let next = 0;
    let since = performance.now();
    let missed: Job | undefined;
    let waitingForLock = locked;
    let timer: NodeJS.Timeout | undefined;
    const watch = () => {
      clearTimeout(timer);
      since = performance.now();
      const job = jobs[next];
      if (job === undefined) return;
      const wait = waitingForLock
        ? LOCK_WAIT_SECONDS * 1000 + LOCK_GRACE_MS
        : (job.request.deadlineMs ?? DEFAULT_DEADLINE_MS);
      timer = setTimeout(() => {
        missed = job;
        void this.#kill(worker);
      }, wait);
    };
    const onReply = ({ exitCode, stdout, stderr }: FrameReply) => {
      const job = jobs[next++];
      const durationMs = performance.now() - since;
      watch();
      job?.settle({ exitCode, stdout, stderr, durationMs });
    };
    const onLocked = () => {
      waitingForLock = false;
      watch();
    };
    const frames = jobs.map((job) => ({
      sequence: worker.nextSequence(),
      script: job.request.script,
      ...stdinOf(job),
    }));
    this.roundTrips++;
    watch();
    try {
      const lock = { holder: operator(), waitSeconds: LOCK_WAIT_SECONDS, onLocked };
      const { kind, note } = await worker.run(frames, onReply, locked ? lock : undefined);
      clearTimeout(timer);
      if (next < jobs.length) this.#refuseUnlocked(jobs.slice(next), kind === "notLocked", note);
    } catch (error) {
      clearTimeout(timer);
      if (!(error instanceof WorkerLostError)) throw error;
      this.#afterLoss(worker, jobs.slice(next), missed);
    }
  }

  /** The shell is gone. Those after the one that was running never began, unless it is the connection that broke. */
  #afterLoss(worker: Worker, left: readonly Job[], missed: Job | undefined): void {
    this.#workers.delete(worker);
    for (const [index, job] of left.entries()) {
      if (job === missed) job.fail(this.#missedDeadline(job));
      else if (this.broken !== undefined) this.#giveBack(job, true, this.broken);
      else this.#giveBack(job, index === 0, new Error("its shell on the node was ended"));
    }
  }

  #missedDeadline({ request }: Job): ConnectionError {
    const seconds = (request.deadlineMs ?? DEFAULT_DEADLINE_MS) / 1000;
    const fate =
      this.broken === undefined
        ? "it was killed there, with its process group"
        : "the node does not answer at all, so it may still be running there";
    const next =
      this.broken === undefined
        ? "look what kept it, then run the same again: it goes on from what is there"
        : "check the node and the network to it, then run the same again: it goes on from what is there";
    return new ConnectionError(
      `no answer from ${this.description} within ${seconds} s: ${labelOf(request)}\n${fate}\n${next}`,
      {
        timedOut: true,
      },
    );
  }

  #refuseUnlocked(jobs: readonly Job[], timedOut: boolean, note: string): void {
    const holder = note === "" ? "" : `; the last to take it was ${note}`;
    const text = timedOut
      ? `the lock of ${this.description} was not free for ${LOCK_WAIT_SECONDS} s${holder}\nwait until the other run has ended; \`fuser -v /run/barepod/lock\` on the node shows who holds it`
      : `the lock of ${this.description} could not be taken: ${note}\nlog in as root, or set sudo: true in its connection`;
    for (const job of jobs) {
      this.#removeFile(job);
      job.fail(new ConnectionError(text, { timedOut }));
    }
  }

  /** Ends a shell and all that it started, through another channel. */
  async #kill(worker: Worker): Promise<void> {
    const patience = setTimeout(() => this.break(new Error("the node stopped answering")), KILL_TIMEOUT_MS);
    try {
      const channel = await this.#channels.exec(shellCommand(this.target.sudo, `kill -KILL -${worker.group}`), true);
      channel.resume();
      channel.stderr.resume();
      await new Promise<void>((resolve) => channel.once("close", () => resolve()));
    } catch (error) {
      this.break(error as Error);
    } finally {
      clearTimeout(patience);
    }
    // A child that left the group may hold the channel open.
    const late = setTimeout(() => worker.abandon(), 1000);
    await worker.closed;
    clearTimeout(late);
  }

  async #startWorker(): Promise<Worker> {
    const channel = await this.#channels.exec(shellCommand(this.target.sudo));
    const timer = setTimeout(() => channel.close(), START_TIMEOUT_MS);
    try {
      const worker = await Worker.start(channel);
      this.#workers.add(worker);
      void worker.closed.then(() => this.#workers.delete(worker));
      return worker;
    } catch (error) {
      if (this.broken !== undefined) throw this.broken;
      throw this.#noShell((error as Error).message);
    } finally {
      clearTimeout(timer);
    }
  }

  #noShell(said: string): ConnectionError {
    const { sudo, user } = this.target;
    const next = sudo
      ? `let ${user} run it without a password, for example by a line in /etc/sudoers.d: ${user} ALL=(ALL) NOPASSWD: ALL`
      : `the login shell of ${user} must be able to run /bin/sh`;
    const command = sudo ? "sudo -n /bin/sh" : "/bin/sh";
    return new ConnectionError(
      `could not start ${command} on ${this.description}: ${said || "it ended without a word"}\n${next}`,
    );
  }

  async #uploadFor(job: Job, stdin: Uint8Array): Promise<void> {
    try {
      const file = await upload(this.#channels, stdin, { root: this.#isRoot, sudo: this.target.sudo });
      job.file = file;
      this.#enqueue(job);
    } catch (error) {
      if (this.broken !== undefined || error instanceof BrokenUploadError) {
        return this.#giveBack(job, false, this.broken ?? (error as Error));
      }
      const text = `could not send ${stdin.length} bytes to ${this.description} for ${labelOf(job.request)}: ${(error as Error).message}`;
      job.fail(new ConnectionError(text, { cause: error, timedOut: /nothing moved/.test((error as Error).message) }));
    }
  }

  #giveBack(job: Job, mayHaveRun: boolean, cause: Error): void {
    this.#removeFile(job);
    job.giveBack(mayHaveRun, cause);
  }

  #removeFile(job: Job): void {
    const { file } = job;
    delete job.file;
    if (file === undefined || this.broken !== undefined) return;
    void this.#once(`rm -f ${file}`);
  }

  async #removeLeftovers(): Promise<void> {
    await this.#once(`find ${UPLOAD_DIRECTORY} -type f -mmin +${STALE_MINUTES} -exec rm -f {} + 2>/dev/null`);
  }

  /** Housekeeping that may fail: the next connection does it again. */
  async #once(script: string): Promise<void> {
    try {
      const channel = await this.#channels.exec(shellCommand(this.target.sudo, script));
      channel.resume();
      channel.stderr.resume();
    } catch {
      // The connection broke: its leftovers are removed by a later one.
    }
  }

  #reclaim(): void {
    const idle = this.#takeIdle() ?? (this.#lockBusy ? undefined : this.#lockWorker);
    idle?.close();
    if (idle !== undefined && idle === this.#lockWorker) this.#lockWorker = undefined;
  }
}

function takeBatch(queue: Job[]): Job[] {
  let bytes = 0;
  let count = 0;
  for (const { request, file } of queue) {
    bytes += request.script.length + (file === undefined ? (request.stdin?.length ?? 0) : 0);
    if (count > 0 && (count >= MAX_BATCH_FRAMES || bytes > MAX_BATCH_BYTES)) break;
    count++;
  }
  return queue.splice(0, count);
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
