/** Digests of content: `sha256:…`. */
import { createHash } from "node:crypto";

/** The digest of bytes, by sha256 unless another algorithm is asked for. */
export function digestOf(bytes: Uint8Array, algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Whether bytes have a digest. */
export function hasDigest(bytes: Uint8Array, digest: string): boolean {
  return digestOf(bytes, digest.slice(0, digest.indexOf(":"))) === digest;
}
