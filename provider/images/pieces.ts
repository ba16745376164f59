/** The bytes of a layer that go through the operator's hands. */
import { setTimeout as sleep } from "node:timers/promises";
import { ImageError } from "./image-error";
import type { ImageReference } from "./reference";
import type { Registry } from "./registry";
import type { Layer } from "./resolve";
import type { ImageStore } from "./store";

/** How often a download is gone on with that has not come any further. */
export const MOST_TRIES = 4;
/** Milliseconds before another try. */
export const WAIT = 1000;
/** What is read from a node at once, in bytes. */
const READ_BYTES = 8 * 1024 * 1024;

/** A blob of a registry from an offset on; where it is cut it is gone on with. A registry may send more than its size. */
export async function* blobPieces(
  { registry, reference }: { readonly registry: Registry; readonly reference: ImageReference },
  { digest, size }: Layer,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let at = from;
  for (let tries = 1; at < size; ) {
    const before = at;
    try {
      for await (const piece of await registry.openBlob(reference, digest, at)) {
        signal.throwIfAborted();
        at += piece.length;
        yield piece;
        if (at > size) return;
      }
      if (at === before) throw new ImageError({ what: `${digest} has fewer than its ${size} bytes` });
    } catch (error) {
      tries = at !== before ? 1 : tries + 1;
      if (!(error instanceof ImageError) || tries > MOST_TRIES) throw error;
      await sleep(WAIT, undefined, { signal });
    }
  }
}

/** What the node itself took from a file of its own. */
export async function* partPieces(store: ImageStore, digest: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const piece = await store.read(digest, at, READ_BYTES);
    if (piece.length === 0) return;
    at += piece.length;
    yield piece;
  }
}

/** Pieces of a size that is worth a request; where it breaks off, what has come until then is the last one. */
export async function* chunksOf(pieces: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
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
