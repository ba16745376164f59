/** Where images come from, as `resolve.ts` sees it. */

/** A manifest, or an index of manifests, as it was written. */
export interface ManifestDocument {
  readonly bytes: Buffer;
  /** The digest of `bytes`; by it the document is asked for again. */
  readonly digest: string;
  /** What the source says that it is; empty when it says nothing. */
  readonly mediaType: string;
}

/** One image in a registry, a layout or an archive. */
export interface ImageSource {
  /** For messages: `docker.io/library/nginx:1.27`, `oci:/srv/nginx:1.27`. */
  readonly description: string;
  /** What the reference points to, or the manifest with a digest. */
  manifest(digest?: string): Promise<ManifestDocument>;
  /** A small blob as a whole: an image's configuration. Never more than `limit` bytes; not verified. */
  blob(digest: string, limit: number): Promise<Buffer>;
}

/** A manifest with more bytes than this is refused: as much as registries take. */
export const LONGEST_MANIFEST = 4 * 1024 * 1024;
