/** The images on a node: what is asked of root-fs-layers.sh. */
import { render } from "../command/command";
import { script } from "../command/script";
import { CommandError } from "../errors";
import type { Reply, Request, Runner } from "../ssh/pool";
import { type ImageRecord, layerName, layerNames, readRecord, referenceMark } from "./record";
import type { Layer } from "./resolve";

/** What is known of an image before anything is done. */
export interface Look {
  /** The stamp of the root file system, when it is whole with all of its layers. */
  readonly stamp: string;
  /** What tells one state of the image's file from another; empty when it is not there. */
  readonly source: string;
  /** Which of curl, zstd, `wget` (GNU's) and `busybox` (its wget) the node has. */
  readonly tools: ReadonlySet<string>;
  /** The image that the root file system is made of. */
  readonly own: ImageRecord | undefined;
  /** The newest image of that reference. */
  readonly record: ImageRecord | undefined;
}

/** What a program on the node said. */
export interface Said {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Exit status of {@link ImageStore.fetch} and {@link ImageStore.unpack}. */
export const NOT_ITS_DIGEST = 201;
export const NO_DECOMPRESSOR = 202;
export const CANNOT_UNPACK = 203;
export const CANNOT_KEEP = 204;

/** Whether there was no room on the node's disk. */
export function isFull({ exitCode, stderr }: Said): boolean {
  return exitCode !== 0 && /No space left on device/.test(stderr);
}

/** Milliseconds that a download or an unpacking may take: a stalled one ends itself. */
const LONG = 6 * 3600_000;

type Asked = [
  task: string,
  words: readonly (string | number)[],
  options: Partial<Pick<Request, "stdin" | "quick" | "deadlineMs" | "signal">>,
];

/** The images on a node, as one root file system sees them. `state` is its folder. */
export class ImageStore {
  constructor(
    readonly session: Runner,
    readonly state: string,
    readonly launcher: string,
  ) {}

  async look(reference: string, file: string): Promise<Look> {
    const { stdout } = await this.#must("look", [this.state, referenceMark(reference), file], { quick: true });
    const lines = stdout.split("\n");
    const after = (word: string) =>
      lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
    return {
      stamp: after("state")[0] ?? "",
      source: after("source")[0] ?? "",
      tools: new Set(after("tool")),
      own: after("own").map(readRecord)[0],
      record: after("record").map(readRecord)[0],
    };
  }

  /** Counts the root file system in for these layers. Returns those that the node does not have. */
  async reserve(layers: readonly Layer[]): Promise<readonly Layer[]> {
    const names = layerNames(layers);
    const { stdout } = await this.#must("reserve", [this.state, ...names], { deadlineMs: 600_000 });
    const missing = [...stdout.matchAll(/^missing (\S+)/gm)].map(([, name]) => name);
    return layers.filter(({ digest }) => missing.includes(layerName(digest)));
  }

  /** Counts it out again; what was downloaded stays for a day. */
  async release(): Promise<void> {
    await this.#must("release", [this.state], { deadlineMs: 600_000 });
  }

  /** How many bytes of each have been downloaded. */
  async sizes(digests: readonly string[]): Promise<number[]> {
    const { stdout } = await this.#must("sizes", digests.map(layerName), { quick: true });
    return stdout.trim().split("\n").map(Number);
  }

  /** Downloads on the node, and makes a layer of it; `request` is for the program that downloads, and may hold secrets. */
  fetch({ digest, size, compression }: Layer, program: string, request: string, signal: AbortSignal): Promise<Said> {
    const words = [layerName(digest), size, digest, this.launcher, program, compression];
    return this.run("fetch", words, { stdin: Buffer.from(request), signal });
  }

  /**
   * Sends bytes from an offset on; 0 takes away what there is. Returns how many there are then. `sent` lies beside what was
   * downloaded, until {@link unpack} takes it instead.
   */
  async append(digest: string, offset: number, bytes: Uint8Array, into: "part" | "sent" = "part"): Promise<number> {
    const words = [layerName(digest), offset, into];
    const { stdout } = await this.#must("append", words, { stdin: bytes });
    // Somebody else has made the layer meanwhile: there is nothing left to send.
    return stdout === "" ? Number.POSITIVE_INFINITY : Number(/^at (\d+)/m.exec(stdout)?.[1] ?? 0);
  }

  /** What was downloaded, or taken: at most `length` bytes. Empty where somebody else has made the layer meanwhile. */
  async read(digest: string, offset: number, length: number): Promise<Buffer> {
    const reply = await this.#ask("read", [layerName(digest), offset, length], {});
    if (reply.exitCode !== 0) throw this.failure("read", saidOf(reply));
    return reply.stdout;
  }

  /** Takes a layer from a file of the node, or from a member of an archive. */
  async take(digest: string, file: string, member: readonly string[]): Promise<void> {
    await this.#must("take", [layerName(digest), file, ...member], {});
  }

  /** Verifies what was downloaded, or sent in its place, and makes a layer of it. */
  unpack(digest: string, sum: string, signal: AbortSignal, from: "part" | "sent" = "part"): Promise<Said> {
    return this.run("unpack", [layerName(digest), sum, this.launcher, from], { signal });
  }

  async run(...asked: Asked): Promise<Said> {
    return saidOf(await this.#ask(...asked));
  }

  #ask(...[task, words, options]: Asked): Promise<Reply> {
    const parts = ["root-fs-image", ...(partsOf[task] ?? []), "root-fs-layers"];
    return this.session.run({
      script: render(script(labels[task] ?? task, parts, task, ...words), { reveal: true }),
      repeatable: true,
      deadlineMs: LONG,
      label: labels[task] ?? task,
      ...options,
    });
  }

  async #must(...[task, words, options]: Asked): Promise<Said> {
    const said = await this.run(task, words, options);
    if (said.exitCode === 0) return said;
    throw this.failure(task, said);
  }

  failure(task: string, said: Said): CommandError {
    const { exitCode, stderr } = said;
    const what = `could not ${labels[task] ?? task}`;
    const next = isFull(said) ? { next: "see how much room the node has: df -h /var/lib/barepod" } : {};
    return new CommandError({ what, node: this.session.description, command: `(${task})`, exitCode, stderr, ...next });
  }
}

function saidOf({ exitCode, stdout, stderr }: Reply): Said {
  return { exitCode, stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8") };
}

const partsOf: Readonly<Record<string, readonly string[]>> = {
  fetch: ["root-fs-unpack", "root-fs-fetch"],
  unpack: ["root-fs-unpack"],
};

const labels: Readonly<Record<string, string>> = {
  look: "look for the image",
  reserve: "count the image's layers in",
  release: "count the image's layers out",
  sizes: "see how far the download is",
  fetch: "download a layer",
  append: "send a layer",
  read: "read a layer's bytes",
  take: "take a layer from its file",
  unpack: "unpack a layer",
};
