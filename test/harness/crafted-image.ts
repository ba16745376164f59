/** Images made byte by byte, which no tool would make. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Writes an image layout with one image of these layers (tars); returns what skopeo calls it. */
export function craftImage(
  folder: string,
  layers: readonly Buffer[],
  { config = {}, compression = "gzip" }: { config?: object; compression?: "gzip" | "zstd" | undefined } = {},
): string {
  const compress = (layer: Buffer) =>
    compression === "gzip" ? gzipSync(layer) : execFileSync("zstd", ["-q", "-c"], { input: layer, maxBuffer: 1e9 });
  const blobs = join(folder, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const keep = (mediaType: string, bytes: Buffer) => {
    writeFileSync(join(blobs, sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const json = (type: string, value: object) =>
    keep(`application/vnd.oci.image.${type}.v1+json`, Buffer.from(JSON.stringify(value)));
  const rootfs = { type: "layers", diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) };
  const manifest = json("manifest", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: json("config", { architecture: "amd64", os: "linux", config, rootfs }),
    layers: layers.map((layer) => keep(`application/vnd.oci.image.layer.v1.tar+${compression}`, compress(layer))),
  });
  writeFileSync(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return `oci:${folder}`;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
