/**
 * One SSH connection and the shells on it: one for batches under the node's lock, up to six for everything else.
 *
 *     locked requests of a tick ──► one batch ──► the lock's shell
 *     other requests ───────────► the first free of six shells; quick ones of a tick in two batches
 *     large standard input ─────► a channel of its own, before either
 */
import type { ClientChannel } from "ssh2";
import { type BatchResult, LOCK_WAIT_SECONDS, runBatch, takeBatch, takeShare } from "./batch";
import { Channels, shellCommand } from "./channels";
import { type Dialed, dial } from "./dial";
import { Heartbeat } from "./heartbeat";
import { INLINE_STDIN_BYTES, type Job } from "./job";
import { lockNotFree, lockNotTaken, missedDeadline, noChannel, noShell, notUploaded } from "./messages";
import type { Target } from "./target";
import { BrokenUploadError, STALE_MINUTES, UPLOAD_DIRECTORY, upload } from "./upload";
import { Worker } from "./worker";

const MAX_OPEN_WORKERS = 6;
const START_TIMEOUT_MS = 20_000;
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
    const onSilence = () => this.break(new Error("it stopped answering"));
    this.#channels = new Channels(dialed.client, () => this.#reclaim(), onSilence);
    this.#heartbeat = new Heartbeat(dialed, onSilence);
    dialed.client.once("close", () => this.break(new Error("the connection was closed")));
  }

  /**
   * Starts the first two shells, so that what is wrong with the account is known at once.
   *
   * @throws ConnectionError when there is no shell to be had; the link's `broken` when the connection ended meanwhile.
   */
  static async open(dialed: Dialed, target: Target, description: string): Promise<Link> {
    const link = new Link(dialed, target, description);
    try {
      void link.#addWorker();
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
    this.#heartbeat.enabled = busy && this.broken === undefined;
  }

  submit(job: Job): void {
    const { stdin } = job.request;
    const isLarge = stdin !== undefined && stdin.length > INLINE_STDIN_BYTES;
    if (isLarge && job.file === undefined) void this.#uploadFor(job, stdin);
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
    for (const job of [...this.#openQueue.splice(0), ...this.#lockQueue.splice(0)]) this.#giveBack(job, false, cause);
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
      if (worker !== undefined) {
        void this.#runOpen(worker, takeShare(this.#openQueue));
        continue;
      }
      const enough = this.#openWorkers + this.#starting >= MAX_OPEN_WORKERS;
      if (enough || this.#starting >= this.#openQueue.length) break;
      void this.#addWorker();
    }
    if (this.#channels.contended) this.#reclaim();
  }

  get #openWorkers(): number {
    return this.#workers.size - (this.#lockWorker === undefined ? 0 : 1);
  }

  #takeIdle(): Worker | undefined {
    for (let worker = this.#idle.pop(); worker !== undefined; worker = this.#idle.pop()) {
      if (!worker.isClosed) return worker;
    }
    return undefined;
  }

  async #addWorker(): Promise<void> {
    this.#starting++;
    try {
      this.#idle.push(await this.#startWorker());
    } catch (error) {
      // The shells that there are do the work; without any the first in the queue hears of it.
      if (this.#openWorkers === 0 && this.broken === undefined) this.#openQueue.shift()?.fail(error as Error);
    } finally {
      this.#starting--;
      this.#pump();
    }
  }

  async #runOpen(worker: Worker, jobs: readonly Job[]): Promise<void> {
    await this.#runOn(worker, jobs, false);
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
      await this.#runOn(this.#lockWorker, jobs, true);
    } catch (error) {
      for (const job of jobs) {
        if (this.broken === undefined) job.fail(error as Error);
        else this.#giveBack(job, false, this.broken);
      }
    }
    this.#lockBusy = false;
    this.#pump();
  }

  async #runOn(worker: Worker, jobs: readonly Job[], lock: boolean): Promise<void> {
    this.roundTrips++;
    const result = await runBatch(worker, jobs, { lock, kill: () => void this.#kill(worker) });
    if (result.kind === "lost") this.#afterLoss(worker, result);
    if (result.kind !== "notLocked") return;
    const { description } = this;
    for (const job of result.left) {
      this.#removeFile(job);
      const { timedOut, note } = result;
      job.fail(timedOut ? lockNotFree(description, LOCK_WAIT_SECONDS, note) : lockNotTaken(description, note));
    }
  }

  /** The shell is gone. Those after the one that was running never began, unless it is the connection that broke. */
  #afterLoss(worker: Worker, { left, missed }: BatchResult & { kind: "lost" }): void {
    this.#workers.delete(worker);
    for (const [index, job] of left.entries()) {
      const { request } = job;
      if (job === missed && request.signal?.aborted === true) job.fail(request.signal.reason as Error);
      else if (job === missed) job.fail(missedDeadline(this.description, request, this.broken === undefined));
      else if (this.broken !== undefined) this.#giveBack(job, true, this.broken);
      else this.#giveBack(job, index === 0, new Error("its shell there was ended"));
    }
  }

  /** Ends a shell and all that it started, through another channel, or another connection where there is none to spare. */
  async #kill(worker: Worker): Promise<void> {
    const patience = setTimeout(() => this.break(new Error("it stopped answering")), KILL_TIMEOUT_MS);
    const command = shellCommand(this.target.sudo, `kill -KILL -${worker.group}`);
    try {
      await finished(await this.#channels.exec(command, true).catch(() => this.#execElsewhere(command)));
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

  /** For a server that allows so few sessions that all of them are taken (`MaxSessions`). */
  async #execElsewhere(command: string): Promise<ClientChannel> {
    if (this.broken !== undefined) throw this.broken;
    const other = await dial({ ...this.target, dialErrorLimit: 1, perDialTimeoutMs: KILL_TIMEOUT_MS });
    const nobody = () => {};
    try {
      const channel = await new Channels(other.client, nobody, nobody).exec(command, true);
      channel.once("close", () => other.destroy());
      return channel;
    } catch (error) {
      other.destroy();
      throw error;
    }
  }

  async #startWorker(): Promise<Worker> {
    const channel = await this.#channels.exec(shellCommand(this.target.sudo)).catch((error: Error) => {
      throw this.broken ?? noChannel(this.description, error);
    });
    const worker = new Worker(channel);
    this.#workers.add(worker);
    void worker.closed.then(() => this.#workers.delete(worker));
    // A login shell that waits for something.
    const timer = setTimeout(() => worker.abandon(), START_TIMEOUT_MS);
    try {
      await worker.greet();
      return worker;
    } catch (error) {
      throw this.broken ?? noShell(this.description, this.target, (error as Error).message);
    } finally {
      clearTimeout(timer);
    }
  }

  async #uploadFor(job: Job, stdin: Uint8Array): Promise<void> {
    try {
      job.file = await upload(this.#channels, stdin, { root: this.#isRoot, sudo: this.target.sudo });
      this.#enqueue(job);
    } catch (error) {
      const broken = this.broken ?? (error instanceof BrokenUploadError ? error : undefined);
      if (broken !== undefined) this.#giveBack(job, false, broken);
      else job.fail(notUploaded(this.description, job.request, stdin.length, error as Error));
    }
  }

  #giveBack(job: Job, mayHaveRun: boolean, cause: Error): void {
    this.#removeFile(job);
    job.giveBack(mayHaveRun, cause);
  }

  #removeFile(job: Job): void {
    const { file } = job;
    delete job.file;
    if (file !== undefined && this.broken === undefined) void this.#tidy(`rm -f ${file}`);
  }

  async #removeLeftovers(): Promise<void> {
    await this.#tidy(`find ${UPLOAD_DIRECTORY} -type f -mmin +${STALE_MINUTES} -exec rm -f {} + 2>/dev/null`);
  }

  /** Housekeeping that may fail: a later connection does it again. */
  async #tidy(script: string): Promise<void> {
    try {
      const channel = await this.#channels.exec(shellCommand(this.target.sudo, script));
      channel.resume();
      channel.stderr.resume();
    } catch {
      // The connection broke.
    }
  }

  /** Somebody waits for a channel: an idle shell makes room. */
  #reclaim(): void {
    const idle = this.#takeIdle() ?? (this.#lockBusy ? undefined : this.#lockWorker);
    idle?.close();
    if (idle !== undefined && idle === this.#lockWorker) this.#lockWorker = undefined;
  }
}

/** Waits for a command's end; what it says does not matter. */
function finished(channel: ClientChannel): Promise<void> {
  channel.resume();
  channel.stderr.resume();
  return new Promise((resolve) => channel.once("close", () => resolve()));
}
