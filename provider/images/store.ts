/** The images on a node: what is asked of root-fs-layers.sh. */
import { render } from "../command/command";
import { script } from "../command/script";
import { CommandError } from "../errors";
import type { Session } from "../ssh/pool";
import { type ImageRecord, layerName, layerNames, readRecord, referenceMark } from "./record";
import type { Layer } from "./resolve";

/** What is known of an image before anything is done. */
export interface Look {
  /** The stamp of the root file system, when it is whole with all of its layers. */
  readonly stamp: string;
  /** What tells one state of the image's file from another; empty when it is not there. */
  readonly source: string;
  /** Which of curl, wget and zstd the node has. */
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

/** Milliseconds that a download or an unpacking may take: a stalled one ends itself. */
const LONG = 6 * 3600_000;

/** The images on a node, as one root file system sees them. `state` is its folder. */
export class ImageStore {
  constructor(
    readonly session: Session,
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

  /** Downloads on the node, and goes on as {@link unpack}; `config` is curl's, and may hold secrets. */
  fetch(digest: string, size: number, config: string): Promise<Said> {
    return this.run("fetch", [layerName(digest), size, digest, this.launcher], { stdin: Buffer.from(config) });
  }

  /** Sends bytes from an offset on. Returns how many there are then. */
  async append(digest: string, offset: number, bytes: Uint8Array): Promise<number> {
    const words = [layerName(digest), offset];
    const { stdout } = await this.#must("append", words, { stdin: bytes });
    // Somebody else has made the layer meanwhile: there is nothing left to send.
    return stdout === "" ? Number.POSITIVE_INFINITY : Number(/^at (\d+)/m.exec(stdout)?.[1] ?? 0);
  }

  /** Takes a layer from a file of the node, or from a member of an archive. */
  async take(digest: string, file: string, member: readonly string[]): Promise<void> {
    await this.#must("take", [layerName(digest), file, ...member], {});
  }

  /** Verifies what was downloaded, and makes a layer of it. */
  unpack(digest: string): Promise<Said> {
    return this.run("unpack", [layerName(digest), digest, this.launcher], {});
  }

  async run(
    task: string,
    words: readonly (string | number)[],
    options: { stdin?: Uint8Array; quick?: boolean; deadlineMs?: number },
  ): Promise<Said> {
    const parts = [
      "root-fs-image",
      ...(["fetch", "unpack"].includes(task) ? ["root-fs-unpack"] : []),
      "root-fs-layers",
    ];
    const reply = await this.session.run({
      script: render(script(labels[task] ?? task, parts, task, ...words), { reveal: true }),
      repeatable: true,
      deadlineMs: LONG,
      label: labels[task] ?? task,
      ...options,
    });
    const text = (bytes: Buffer) => bytes.toString("utf8");
    return { exitCode: reply.exitCode, stdout: text(reply.stdout), stderr: text(reply.stderr) };
  }

  async #must(...[task, words, options]: Parameters<ImageStore["run"]>): Promise<Said> {
    const said = await this.run(task, words, options);
    if (said.exitCode === 0) return said;
    throw this.failure(task, said);
  }

  failure(task: string, { exitCode, stderr }: Said): CommandError {
    const what = `could not ${labels[task] ?? task}`;
    const next = /No space left/.test(stderr) ? { next: "see how much room the node has: df -h /var/lib/barepod" } : {};
    return new CommandError({ what, node: this.session.description, command: `(${task})`, exitCode, stderr, ...next });
  }
}

const labels: Readonly<Record<string, string>> = {
  look: "look for the image",
  reserve: "count the image's layers in",
  release: "count the image's layers out",
  sizes: "see how far the download is",
  fetch: "download a layer",
  append: "send a layer",
  take: "take a layer from its file",
  unpack: "unpack a layer",
};
