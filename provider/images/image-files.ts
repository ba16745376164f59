/** Files of an image that lie on the node, as an image layout or in an archive; how they are read is given from outside. */

import { UnusableImage } from "./image-error";

/**
 * Files below one folder, or the entries of one tar. Names are relative, without `./` in front. A file that is not there
 * is an UnusableImage; what else goes wrong on the node is thrown as it is.
 */
export interface ImageFiles {
  /** Sizes in bytes of regular files, and what symbolic links hold. */
  list(): Promise<ReadonlyMap<string, { readonly size: number; readonly link?: string }>>;
  /** The first bytes of a file, `length` at most; fewer when it is shorter. */
  read(path: string, length: number): Promise<Buffer>;
  /** The sha256 digest of a whole file, `sha256:…`, worked out where it lies. */
  digest(path: string): Promise<string>;
}

/** A file as a whole. @throws UnusableImage when it is not there, or has more than `limit` bytes. */
export async function readWhole(files: ImageFiles, path: string, limit: number): Promise<Buffer> {
  const bytes = await files.read(path, limit + 1);
  if (bytes.length > limit) throw new UnusableImage(`${path} has more than ${limit} bytes`);
  return bytes;
}
