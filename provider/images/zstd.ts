/** For nodes without zstd: a layer is decompressed here, and travels with gzip, which every node has. */
import { createHash } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { Decompress } from "fzstd";
import { UnusableImage } from "./image-error";
import type { Layer } from "./resolve";

/** The line to the node is mostly faster than a better compression. */
const LEVEL = 1;

/**
 * A layer that is compressed with zstd, compressed with gzip.
 *
 * @throws UnusableImage after the last piece, unless what came has the layer's digest and what it was decompressed to has its
 * other one: then nobody may use what was given.
 */
export function recompressed(pieces: AsyncIterable<Uint8Array>, layer: Layer): AsyncIterable<Uint8Array> {
  const gzip = createGzip({ level: LEVEL });
  // Its errors come out where it is read.
  pipeline(Readable.from(decompressed(pieces, layer)), gzip, () => {});
  return gzip;
}

async function* decompressed(pieces: AsyncIterable<Uint8Array>, { digest, diffId }: Layer): AsyncGenerator<Uint8Array> {
  const sums = [digest, diffId].map((each) => createHash(each.slice(0, each.indexOf(":"))));
  const [stored, tar] = sums;
  let ready: Uint8Array[] = [];
  const zstd = new Decompress((chunk) => ready.push(chunk));
  const push = (piece: Uint8Array, last: boolean) => {
    try {
      zstd.push(piece, last);
    } catch (error) {
      throw new UnusableImage(`it cannot be decompressed here: ${(error as Error).message}; install zstd on the node`);
    }
    for (const chunk of ready) tar?.update(chunk);
    return ready.splice(0);
  };
  for await (const piece of pieces) {
    stored?.update(piece);
    yield* push(piece, false);
  }
  ready = push(new Uint8Array(), true);
  const [got, gotTar] = sums.map((sum, i) => `${[digest, diffId][i]?.replace(/:.*/s, "")}:${sum.digest("hex")}`);
  if (got !== digest) throw new UnusableImage(`the layer was changed on the way: it has the digest ${got}`);
  if (gotTar !== diffId)
    throw new UnusableImage(`decompressed here it has the digest ${gotTar}, not ${diffId}; install zstd on the node`);
  yield* ready;
}
