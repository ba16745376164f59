/** Media types of images: Docker's and OCI's. https://github.com/opencontainers/image-spec/blob/main/media-types.md */

export const indexTypes: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

const imageTypes: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** What a registry is asked for. */
export const manifestTypes: readonly string[] = [...indexTypes, ...imageTypes];

/** Docker's format of before 2016, which is refused. */
export const schema1Types: readonly string[] = [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

export const configTypes: readonly string[] = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];

/** How a layer's tar is compressed. */
export type Compression = "gzip" | "zstd" | "none";

const layerTypes: Readonly<Record<string, Compression>> = {
  "application/vnd.oci.image.layer.v1.tar": "none",
  "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
  "application/vnd.docker.image.rootfs.diff.tar": "none",
  "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
};

/** A layer's compression, or why it cannot be used. */
export function layerCompression(mediaType: string): Compression | Error {
  const compression = Object.hasOwn(layerTypes, mediaType) ? layerTypes[mediaType] : undefined;
  if (compression !== undefined) return compression;
  if (/\+encrypted$/.test(mediaType)) return new Error("it is encrypted, and Barepod decrypts no images");
  if (/nondistributable|foreign/.test(mediaType))
    return new Error(`it is not in the registry: its licence lets nobody distribute it (${mediaType})`);
  return new Error(`its media type "${mediaType}" is none of a Linux image's layer`);
}
