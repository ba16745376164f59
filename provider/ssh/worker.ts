/** One long-lived `sh` on a channel of its own. It does one batch at a time. */
import type { ClientChannel } from "ssh2";
import {
  batchText,
  type Frame,
  type Lock,
  makeNonce,
  markerText,
  type Segment,
  SegmentScanner,
  STATUS,
} from "./framing";

/** What one frame gave. */
export interface FrameReply {
  readonly sequence: number;
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** How a batch ended. */
export type BatchEnd = { readonly kind: "done" | "notLocked"; readonly note: string };

/** The shell ended before its answer. */
export class WorkerLostError extends Error {}

const DRAIN_MS = 500;

/**
 * Where the files of a running node are. For root only: below it lie the root file systems of pods, and a set-user-id
 * program that a container has made is not for the node's users (as CVE-2021-41103 was).
 */
const RUN_DIRECTORY = "/run/barepod";

/** Noise of a login shell goes before the first marker; the facts stand between the first and the second. */
function greeting(nonce: string): string {
  return [
    markerText(nonce, 0, STATUS.batchEnd),
    // What else the login's PATH has comes behind, each folder once: messages show it.
    "barepod_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; set -f; IFS=:\n",
    "for barepod_each in $PATH; do\n",
    'case :$barepod_path: in *:"$barepod_each":*) ;; *) barepod_path=$barepod_path:$barepod_each ;; esac\n',
    "done; set +f; unset IFS; export LC_ALL=C PATH=$barepod_path\n",
    "unset CDPATH ENV BASH_ENV; umask 022; cd /\n",
    `[ -d ${RUN_DIRECTORY} ] || mkdir -p -m 700 ${RUN_DIRECTORY} </dev/null 2>/dev/null\n`,
    "read -r _ _ _ _ barepod_group _ </proc/$$/stat\n",
    // Linux 6.1 and later; and the second number is the effective user's.
    "barepod_machine=; { read -r barepod_machine </proc/sys/kernel/arch; } 2>/dev/null || barepod_machine=$(uname -m)\n",
    'barepod_user=; while read -r barepod_each _ barepod_user _; do [ "$barepod_each" != Uid: ] || break; done </proc/self/status\n',
    'printf "%s %s %s" "$barepod_group" "$barepod_machine" "${barepod_user:-$(id -u)}"\n',
    markerText(nonce, 1, STATUS.batchEnd),
  ].join("");
}

export class Worker {
  /** Its process group on the node: what a missed deadline kills. */
  group = 0;
  /** `uname -m`. */
  machine = "";
  /** The numeric user id that it runs as. */
  uid = -1;
  readonly closed: Promise<void>;
  isClosed = false;
  #nonce = makeNonce();
  #sequence = 1;
  /** The numbers of frames that answer on standard output alone. */
  readonly #terse = new Set<number>();
  #stdout = new SegmentScanner(this.#nonce);
  #stderr = new SegmentScanner(this.#nonce);
  #pending: [Segment[], Segment[]] = [[], []];
  #onPair: (stdout: Segment, stderr: Segment) => void = () => {};
  #onClosed: () => void = () => {};
  #onLost: (error: WorkerLostError) => void = () => {};

  constructor(private readonly channel: ClientChannel) {
    channel.on("data", (chunk: Buffer) => this.#read(0, this.#stdout, chunk));
    channel.stderr.on("data", (chunk: Buffer) => this.#read(1, this.#stderr, chunk));
    // A write to a channel that is going: "close" says it better.
    channel.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    channel.once("close", () => this.abandon());
    // What it left running may hold the channel open; the rest of its output comes at once.
    channel.once("exit", () => setTimeout(() => this.abandon(), DRAIN_MS).unref());
  }

  /**
   * Waits until the shell answers.
   *
   * @throws WorkerLostError with what it said when it ends instead.
   */
  greet(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onLost = reject;
      this.#onPair = ({ sequence, body }) => {
        if (sequence !== 1) return;
        const [group, machine, uid] = body.toString().split(" ");
        this.group = Number(group);
        this.machine = machine ?? "";
        this.uid = Number(uid);
        resolve();
      };
      this.channel.write(greeting(this.#nonce));
    });
  }

  /** The number that the next frame shall bear. */
  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  /**
   * Runs a batch; frames answer one by one, in order.
   *
   * @throws WorkerLostError when the shell ends on the way.
   */
  run(
    frames: readonly Frame[],
    onReply: (reply: FrameReply) => void,
    lock?: Omit<Lock, "directory"> & { onLocked(): void },
  ): Promise<BatchEnd> {
    const last = frames.at(-1);
    const closes = lock === undefined && last?.terse === true;
    const end = closes ? last.sequence : this.nextSequence();
    for (const { sequence, terse } of frames) if (terse === true) this.#terse.add(sequence);
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new WorkerLostError(""));
      let kind: BatchEnd["kind"] = "done";
      let note = "";
      this.#onLost = reject;
      this.#onPair = ({ sequence, status, body }, { body: errors }) => {
        if (sequence !== end || closes) onReply({ sequence, exitCode: Number(status), stdout: body, stderr: errors });
        if (sequence !== end) return;
        if (closes) return resolve({ kind, note });
        if (status === STATUS.locked) return lock?.onLocked();
        if (status === STATUS.notLocked) {
          // Some shells say "Terminated" of the wait that ended, on standard error.
          kind = "notLocked";
          note = body.toString().trim();
        } else resolve({ kind, note: note || `${body}${errors}`.trim() });
      };
      const where = lock === undefined ? undefined : { ...lock, directory: RUN_DIRECTORY };
      this.channel.write(batchText(this.#nonce, frames, end, where));
    });
  }

  /** Takes the shell for lost, whether or not its channel says so. */
  abandon(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onPair = () => {};
    this.channel.close();
    this.#onLost(new WorkerLostError(this.#lastWords()));
    this.#onClosed();
  }

  /** Lets the shell end by itself. */
  close(): void {
    this.channel.end();
  }

  #read(stream: 0 | 1, scanner: SegmentScanner, chunk: Buffer): void {
    this.#pending[stream].push(...scanner.push(chunk));
    const [out, err] = this.#pending;
    for (let stdout = out[0]; stdout !== undefined; stdout = out[0]) {
      const stderr = this.#terse.delete(stdout.sequence) ? { ...stdout, body: Buffer.alloc(0) } : err.shift();
      if (stderr === undefined) break;
      out.shift();
      this.#onPair(stdout, stderr);
    }
  }

  /** What a shell that would not start said, cut short. */
  #lastWords(): string {
    const text = `${this.#stderr.unfinished}${this.#stdout.unfinished}`
      .replace(/[^\t\n\x20-\x7e\u00a0-\uffff]/g, "")
      .trim();
    return text.length > 500 ? `${text.slice(0, 500)}…` : text;
  }
}
