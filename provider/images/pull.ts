/** Brings layers to a node: by its own curl, or through the SSH connection where the node cannot reach the registry. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Downloader, downloaderOf, type FetchFailure } from "./downloader";
import { ImageError, quoted, UnusableImage } from "./image-error";
import { Limit } from "./limit";
import { blobPieces, chunksOf, MOST_TRIES, partPieces, WAIT } from "./pieces";
import type { ImageReference } from "./reference";
import type { Registry } from "./registry";
import type { Layer } from "./resolve";
import {
  CANNOT_KEEP,
  CANNOT_UNPACK,
  type ImageStore,
  isFull,
  NO_DECOMPRESSOR,
  NOT_ITS_DIGEST,
  type Said,
} from "./store";
import { recompressed } from "./zstd";

/** Where layers come from. */
export type LayerSource =
  | { readonly kind: "registry"; readonly registry: Registry; readonly reference: ImageReference }
  /** A file of the node for each digest: a file's path, or an archive's and a member's. */
  | { readonly kind: "files"; fileOf(digest: string): { readonly file: string; readonly member?: string } };

/** Shows how far a pull has come; `bytes` are of the layers that had to be downloaded. */
export type ShowPull = (done: { bytes: number; ofBytes: number; layers: number; ofLayers: number }) => void;

/** At a time, on one node: more would keep everything else on it waiting for a shell. */
const AT_ONCE = 3;
/** What goes through the SSH connection in one request, in bytes. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/** Exit status that speaks of the layer, and not of the way to it. */
const ofTheLayer = [0, NOT_ITS_DIGEST, NO_DECOMPRESSOR, CANNOT_UNPACK, CANNOT_KEEP];

const yes = () => true;
const no = () => false;

const limits = new Map<string, Limit>();
/** The layers under way, by node: another container of the same image waits for them. */
const underWay = new Map<string, Promise<void>>();

/** A pull of one image to one node. */
export class Pull {
  readonly #limit: Limit;
  /** Undefined where the node cannot download, or turned out not to reach the registry. */
  #downloader: Downloader | undefined;
  readonly #hasZstd: boolean;
  readonly #mine = new Map<string, { done: boolean }>();
  /** The first failure ends all that is under way. */
  readonly #end = new AbortController();
  readonly #ended: Promise<never>;

  constructor(
    readonly node: string,
    readonly store: ImageStore,
    readonly source: LayerSource,
    readonly description: string,
    /** What the node has. */
    tools: ReadonlySet<string>,
  ) {
    this.#limit = limits.get(node) ?? new Limit(AT_ONCE);
    limits.set(node, this.#limit);
    this.#downloader = downloaderOf(tools);
    this.#hasZstd = tools.has("zstd");
    const { signal } = this.#end;
    this.#ended = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    // It is heard by those who wait for it only.
    this.#ended.catch(no);
  }

  /**
   * Makes all of these layers. What fails leaves what was downloaded, to be gone on with; nothing goes on by then.
   */
  async layers(layers: readonly Layer[], show: ShowPull): Promise<void> {
    const different = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
    for (const { digest } of different) this.#mine.set(digest, { done: false });
    const timer = setInterval(() => void this.#show(different, show), 1000);
    await Promise.allSettled(
      different.map(async (layer) => {
        try {
          await this.#layer(layer);
          this.#mine.set(layer.digest, { done: true });
        } catch (error) {
          this.#end.abort(error);
        }
      }),
    );
    clearInterval(timer);
    this.#end.signal.throwIfAborted();
  }

  async #show(layers: readonly Layer[], show: ShowPull): Promise<void> {
    const open = layers.filter(({ digest }) => this.#mine.get(digest)?.done !== true);
    if (open.length === 0) return;
    const sizes = await this.store.sizes(open.map(({ digest }) => digest)).catch(() => undefined);
    if (sizes === undefined) return;
    const ofBytes = layers.reduce((sum, { size }) => sum + size, 0);
    const left = open.reduce((sum, { size }, i) => sum + Math.max(0, size - (sizes[i] ?? 0)), 0);
    show({ bytes: ofBytes - left, ofBytes, layers: layers.length - open.length, ofLayers: layers.length });
  }

  async #layer(layer: Layer): Promise<void> {
    const key = `${this.node}/${layer.digest}`;
    const running = underWay.get(key);
    if (running !== undefined) {
      // Somebody else's may fail for a reason of its own (a login): then it is this one's turn.
      const ended = await Promise.race([running.then(yes, no), this.#ended]);
      return ended ? undefined : this.#layer(layer);
    }
    const work = this.#limit.run(() => this.#make(layer));
    const noted = work.finally(() => underWay.delete(key));
    underWay.set(key, noted);
    return noted;
  }

  async #make(layer: Layer): Promise<void> {
    const { signal } = this.#end;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      let said = await this.#bring(layer);
      // Its media type may have said something else.
      if (said.exitCode === NO_DECOMPRESSOR && /zstd/.test(said.stderr)) said = await this.#sendDecompressed(layer);
      if (said.exitCode === 0) return;
      // It is not the image's fault.
      if (said.exitCode === CANNOT_KEEP || isFull(said)) throw this.store.failure("fetch", said);
      // Once is an accident.
      const again = said.exitCode === NOT_ITS_DIGEST && attempt === 1 && this.source.kind === "registry";
      if (!again) throw this.#unusable(layer, said);
    }
  }

  /** Brings and unpacks a layer; what the unpacking said. */
  async #bring(layer: Layer): Promise<Said> {
    const { source, store } = this;
    const { signal } = this.#end;
    if (layer.compression === "zstd" && !this.#hasZstd && source.kind === "registry")
      return this.#sendDecompressed(layer);
    if (source.kind === "files") {
      const { file, member } = source.fileOf(layer.digest);
      await store.take(layer.digest, file, member === undefined ? [] : [member]);
    } else {
      const said = await this.#fetch(layer, source);
      if (said !== undefined) return said;
      await this.#send(layer, source);
    }
    return store.unpack(layer.digest, layer.digest, signal);
  }

  /** By the node itself. Undefined where it cannot. */
  async #fetch(layer: Layer, source: LayerSource & { kind: "registry" }): Promise<Said | undefined> {
    const { digest } = layer;
    const { signal } = this.#end;
    let reached = 0;
    const downloader = this.#downloader;
    if (downloader === undefined) return undefined;
    for (let tries = 1, expired = 0; tries <= MOST_TRIES; ) {
      let failure: FetchFailure = "elsewhere";
      for (const blob of await source.registry.blobRequests(source.reference, digest)) {
        const request = downloader.request(blob);
        if (request === undefined) continue;
        const said = await this.store.fetch(layer, downloader.name, request, signal);
        if (ofTheLayer.includes(said.exitCode)) return said;
        const [now = 0] = await this.store.sizes([digest]);
        failure = downloader.failure(said.exitCode, now > reached);
        tries = now > reached ? 1 : tries + 1;
        reached = now;
        if (failure !== "elsewhere") break;
      }
      if (failure === "elsewhere" || (failure === "expired" && ++expired > 1)) break;
      if (failure === "again") await sleep(WAIT, undefined, { signal });
    }
    // What the node cannot reach for one layer it cannot for the others.
    this.#downloader = undefined;
    return undefined;
  }

  /** Through the SSH connection, in chunks: each of them is known to have arrived. */
  async #send(layer: Layer, source: LayerSource & { kind: "registry" }): Promise<void> {
    const { digest, size } = layer;
    let [at = 0] = await this.store.sizes([digest]);
    while (at < size) {
      for await (const chunk of chunksOf(blobPieces(source, layer, at, this.#end.signal), CHUNK_BYTES)) {
        const now = await this.store.append(digest, at, chunk);
        const expected = at + chunk.length;
        at = now;
        if (now !== expected || now > size) break;
      }
    }
  }

  /** Through the SSH connection, decompressed: the node cannot do it. */
  async #sendDecompressed(layer: Layer): Promise<Said> {
    const { source, store } = this;
    const { signal } = this.#end;
    const { digest } = layer;
    const pieces = source.kind === "registry" ? blobPieces(source, layer, 0, signal) : partPieces(store, digest);
    const sum = createHash("sha256");
    let at = 0;
    try {
      for await (const chunk of chunksOf(recompressed(pieces, layer), CHUNK_BYTES)) {
        const expected = at + chunk.length;
        at = await store.append(digest, at, sum.update(chunk) && chunk, "sent");
        if (at === Number.POSITIVE_INFINITY) break;
        if (at !== expected) throw new ImageError({ what: `${digest} is being sent by somebody else too` });
      }
    } catch (error) {
      if (!(error instanceof UnusableImage)) throw error;
      return { exitCode: NOT_ITS_DIGEST, stdout: "", stderr: error.message };
    }
    return store.unpack(digest, `sha256:${sum.digest("hex")}`, signal, "sent");
  }

  #unusable({ digest }: Layer, { stderr }: Said): Error {
    const what = `${this.description} cannot be used: its layer ${digest} cannot be unpacked`;
    const details = stderr
      .trim()
      .split("\n")
      .slice(-5)
      .map((line) => quoted(line));
    return new ImageError({ what, details });
  }
}
