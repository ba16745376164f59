/** Brings layers to a node: by its own curl, or through the SSH connection where the node cannot reach the registry. */
import { setTimeout as sleep } from "node:timers/promises";
import { curlConfig, fetchFailure } from "./curl";
import { ImageError, quoted } from "./image-error";
import { Limit } from "./limit";
import type { ImageReference } from "./reference";
import type { Registry } from "./registry";
import type { Layer } from "./resolve";
import { CANNOT_UNPACK, type ImageStore, NO_DECOMPRESSOR, NOT_ITS_DIGEST, type Said } from "./store";

/** Where layers come from. */
export type LayerSource =
  | { readonly kind: "registry"; readonly registry: Registry; readonly reference: ImageReference }
  /** A file of the node for each digest: a file's path, or an archive's and a member's. */
  | { readonly kind: "files"; fileOf(digest: string): { readonly file: string; readonly member?: string } };

/** Shows how far a pull has come; `bytes` are of the layers that had to be downloaded. */
export type ShowPull = (done: { bytes: number; ofBytes: number; layers: number; ofLayers: number }) => void;

/** At a time, on one node: more would keep everything else on it waiting for a shell. */
const AT_ONCE = 3;
/** How often a download is gone on with that has not come any further. */
const MOST_TRIES = 4;
/** Milliseconds before another try. */
const WAIT = 1000;
/** What goes through the SSH connection in one request, in bytes. */
const CHUNK_BYTES = 8 * 1024 * 1024;

const limits = new Map<string, Limit>();
/** The layers under way, by node: another container of the same image waits for them. */
const underWay = new Map<string, Promise<void>>();

/** A pull of one image to one node. */
export class Pull {
  readonly #limit: Limit;
  #throughSsh: boolean;
  readonly #mine = new Map<string, { done: boolean }>();

  constructor(
    readonly node: string,
    readonly store: ImageStore,
    readonly source: LayerSource,
    readonly description: string,
    canFetch: boolean,
  ) {
    this.#limit = limits.get(node) ?? new Limit(AT_ONCE);
    limits.set(node, this.#limit);
    this.#throughSsh = !canFetch;
  }

  /** Makes all of these layers. What fails leaves what was downloaded, to be gone on with. */
  async layers(layers: readonly Layer[], show: ShowPull): Promise<void> {
    const different = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
    for (const { digest } of different) this.#mine.set(digest, { done: false });
    const timer = setInterval(() => void this.#show(different, show), 1000);
    const aborted = { aborted: false };
    try {
      await Promise.all(
        different.map(async (layer) => {
          try {
            await this.#layer(layer, aborted);
          } catch (error) {
            aborted.aborted = true;
            throw error;
          }
          this.#mine.set(layer.digest, { done: true });
        }),
      );
    } finally {
      clearInterval(timer);
    }
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

  #layer(layer: Layer, aborted: { readonly aborted: boolean }): Promise<void> {
    const key = `${this.node}/${layer.digest}`;
    const running = underWay.get(key);
    // Somebody else's may fail for a reason of its own (a login): then it is this one's turn.
    if (running !== undefined) return running.catch(() => this.#layer(layer, aborted));
    const work = this.#limit.run(() => (aborted.aborted ? Promise.resolve() : this.#make(layer)));
    const noted = work.finally(() => underWay.delete(key));
    underWay.set(key, noted);
    return noted;
  }

  async #make(layer: Layer): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const said = await this.#bring(layer);
      if (said.exitCode === 0) return;
      // Once is an accident.
      const again = said.exitCode === NOT_ITS_DIGEST && attempt === 1 && this.source.kind === "registry";
      if (!again) throw this.#unusable(layer, said);
    }
  }

  /** Brings and unpacks a layer; what the unpacking said. */
  async #bring(layer: Layer): Promise<Said> {
    const { source, store } = this;
    if (source.kind === "files") {
      const { file, member } = source.fileOf(layer.digest);
      await store.take(layer.digest, file, member === undefined ? [] : [member]);
    } else {
      const said = this.#throughSsh ? undefined : await this.#fetch(layer, source);
      if (said !== undefined) return said;
      await this.#send(layer, source);
    }
    return store.unpack(layer.digest);
  }

  /** By the node itself. Undefined where it cannot. */
  async #fetch({ digest, size }: Layer, source: LayerSource & { kind: "registry" }): Promise<Said | undefined> {
    let reached: number | undefined;
    for (let tries = 1, expired = 0; tries <= MOST_TRIES; ) {
      let failure: ReturnType<typeof fetchFailure> = "elsewhere";
      for (const request of await source.registry.blobRequests(source.reference, digest)) {
        const said = await this.store.fetch(digest, size, curlConfig(request));
        if ([0, NOT_ITS_DIGEST, NO_DECOMPRESSOR, CANNOT_UNPACK].includes(said.exitCode)) return said;
        failure = fetchFailure(said.exitCode);
        if (failure === "fatal") throw this.store.failure("fetch", said);
        if (failure !== "elsewhere") break;
      }
      if (failure === "elsewhere" || (failure === "expired" && ++expired > 1)) break;
      const [now] = await this.store.sizes([digest]);
      tries = now !== reached ? 1 : tries + 1;
      reached = now;
      if (failure === "again") await sleep(WAIT);
    }
    // What the node cannot reach for one layer it cannot for the others.
    this.#throughSsh = true;
    return undefined;
  }

  /** Through the SSH connection, in chunks: each of them is known to have arrived. */
  async #send({ digest, size }: Layer, source: LayerSource & { kind: "registry" }): Promise<void> {
    let [at = 0] = await this.store.sizes([digest]);
    for (let tries = 1; at < size; ) {
      const before = at;
      try {
        for await (const chunk of chunksOf(await source.registry.openBlob(source.reference, digest, at), CHUNK_BYTES)) {
          const now = await this.store.append(digest, at, chunk);
          const expected = at + chunk.length;
          at = now;
          if (now !== expected || now > size) break;
        }
        if (at > size && at !== Number.POSITIVE_INFINITY) return;
        if (at === before) throw new ImageError({ what: `${digest} has fewer than its ${size} bytes` });
      } catch (error) {
        tries = at !== before ? 1 : tries + 1;
        if (!(error instanceof ImageError) || tries > MOST_TRIES) throw error;
        await sleep(WAIT);
      }
    }
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

/** Pieces of a size that is worth a request; where it breaks off, what has come until then is the last one. */
async function* chunksOf(pieces: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let kept: Uint8Array[] = [];
  let length = 0;
  let failure: unknown;
  try {
    for await (const piece of pieces) {
      kept.push(piece);
      length += piece.length;
      if (length < size) continue;
      yield Buffer.concat(kept);
      kept = [];
      length = 0;
    }
  } catch (error) {
    failure = error;
  }
  if (length > 0) yield Buffer.concat(kept);
  if (failure !== undefined) throw failure;
}
