/** From a reference to what a node needs to run it: the manifest for its architecture, the configuration, the layers. */
import { hasDigest } from "./digest";
import { type ConfigBlob, type ImageConfig, readConfig } from "./image-config";
import { ImageError, quoted, UnusableImage } from "./image-error";
import { asDescriptor, asList, asObject, asText, type Descriptor, type Json, readJson } from "./json";
import { type Compression, configTypes, indexTypes, layerCompression, schema1Types } from "./media-types";
import { choose, describePlatform, type IndexEntry, isImage, type Platform, runsOn } from "./platform";
import { digestProblem } from "./reference";
import { type ImageSource, LONGEST_MANIFEST, type ManifestDocument } from "./source";

/** One layer, as it is stored. */
export interface Layer {
  /** Of the stored, compressed bytes. */
  readonly digest: string;
  /** Stored bytes. */
  readonly size: number;
  readonly compression: Compression;
  /** The digest of the tar once it is decompressed. */
  readonly diffId: string;
}

/** What a reference comes to on a platform. */
export interface ResolvedImage {
  /** What the reference points to: of an index, or of a manifest. */
  readonly digest: string;
  /** The manifest for the platform. */
  readonly manifestDigest: string;
  readonly config: ImageConfig;
  /** From the lowest. */
  readonly layers: readonly Layer[];
}

/** A configuration with more bytes than this is refused. */
const LONGEST_CONFIG = 4 * 1024 * 1024;

/** An index may list indexes; more levels than this are a circle. */
const MOST_INDEXES = 3;

/**
 * Reads an image. Manifests and configuration are verified against their digests.
 *
 * @throws ImageError that names the image and what is wrong with it. What else the source throws goes through: a node that
 * cannot be reached, a pull secret that cannot be read.
 */
export async function resolveImage(source: ImageSource, platform: Platform): Promise<ResolvedImage> {
  try {
    return await resolve(source, platform);
  } catch (error) {
    if (!(error instanceof UnusableImage)) throw error;
    throw new ImageError({ what: `${source.description} cannot be used: ${quoted(error.message)}` });
  }
}

async function resolve(source: ImageSource, platform: Platform): Promise<ResolvedImage> {
  const root = await source.manifest();
  let document = root;
  let json = check(document);
  for (let depth = 0; isIndex(document, json); depth++) {
    if (depth === MOST_INDEXES) throw new UnusableImage(`its indexes are nested more than ${MOST_INDEXES} deep`);
    const { digest } = pick(json, platform);
    document = await source.manifest(digest);
    json = check(document, digest);
  }
  const { config, layers } = readManifest(document, json);
  const blob = await readConfigBlob(source, config);
  if (!runsOn(blob, platform))
    throw new UnusableImage(`it is made for ${describePlatform(blob)}, the node is ${describePlatform(platform)}`);
  return { digest: root.digest, manifestDigest: document.digest, config: blob.config, layers: join(layers, blob) };
}

function check(document: ManifestDocument, digest = document.digest): Json {
  const { bytes, mediaType } = document;
  if (bytes.length > LONGEST_MANIFEST) throw new UnusableImage(`its manifest has more than ${LONGEST_MANIFEST} bytes`);
  if (schema1Types.includes(mediaType)) throw new UnusableImage(schema1);
  if (document.digest !== digest || !hasDigest(bytes, digest))
    throw new UnusableImage(`its manifest does not have the digest ${digest}: it was changed on the way`);
  const json = readJson(bytes, "its manifest");
  if (json["schemaVersion"] === 1) throw new UnusableImage(schema1);
  // Two readers must not see two different images in one document (CVE-2021-41190).
  if ("manifests" in json && ("layers" in json || "config" in json))
    throw new UnusableImage("its manifest lists both layers and manifests");
  return json;
}

const schema1 =
  "it is in Docker's old format (schema 1), which names no layers by content; push it again with a docker or skopeo of today";

function isIndex({ mediaType }: ManifestDocument, json: Json): boolean {
  return "manifests" in json || indexTypes.includes(asText(json["mediaType"], "mediaType") || mediaType);
}

function pick(json: Json, platform: Platform): IndexEntry {
  const entries = asList(json["manifests"], "manifests").map((each, i) => readEntry(each, `manifests[${i}]`));
  const chosen = choose(entries, platform);
  if (chosen !== undefined) return chosen;
  const there = [...new Set(entries.filter(isImage).map(describePlatform))].join(", ") || "nothing";
  throw new UnusableImage(`it is not made for the node's ${describePlatform(platform)}; it is made for ${there}`);
}

/** One entry of an index. */
export function readEntry(value: unknown, what: string): IndexEntry {
  const entry = asObject(value, what);
  const platform = asObject(entry["platform"] ?? {}, `${what}.platform`);
  return {
    ...asDescriptor(entry, what),
    os: asText(platform["os"], `${what}.platform.os`),
    architecture: asText(platform["architecture"], `${what}.platform.architecture`),
    variant: asText(platform["variant"], `${what}.platform.variant`),
    annotations: asObject(entry["annotations"] ?? {}, `${what}.annotations`),
  };
}

function readManifest({ mediaType: given }: ManifestDocument, json: Json) {
  const mediaType = asText(json["mediaType"], "mediaType") || given;
  if (json["config"] === undefined)
    throw new UnusableImage(`it is no image: its manifest is of the media type "${mediaType}" and has no config`);
  const config = asDescriptor(json["config"], "config");
  const artifact = asText(json["artifactType"], "artifactType") || config.mediaType;
  if (!configTypes.includes(config.mediaType))
    throw new UnusableImage(`it is no image but an artifact of the type "${artifact}"`);
  const layers = asList(json["layers"], "layers").map((each, i) => asDescriptor(each, `layers[${i}]`));
  return { config, layers };
}

async function readConfigBlob(source: ImageSource, { digest, size }: Descriptor): Promise<ConfigBlob> {
  if (size > LONGEST_CONFIG) throw new UnusableImage(`its configuration has more than ${LONGEST_CONFIG} bytes`);
  const bytes = await source.blob(digest, LONGEST_CONFIG);
  if (bytes.length !== size || !hasDigest(bytes, digest))
    throw new UnusableImage(`its configuration does not have the digest ${digest}: it was changed on the way`);
  return readConfig(readJson(bytes, "its configuration"));
}

function join(layers: readonly Descriptor[], { diffIds }: ConfigBlob): Layer[] {
  if (layers.length !== diffIds.length)
    throw new UnusableImage(`it has ${layers.length} layers, its configuration names ${diffIds.length}`);
  return layers.map(({ digest, size, mediaType }, i) => {
    const diffId = diffIds[i] ?? "";
    if (digestProblem(diffId) !== undefined)
      throw new UnusableImage(`rootfs.diff_ids[${i}] is no sha256 or sha512 digest`);
    const compression = layerCompression(mediaType);
    if (compression instanceof Error) throw new UnusableImage(`layer ${i + 1} (${digest}): ${compression.message}`);
    return { digest, size, compression, diffId };
  });
}
