/** Archives: what `docker save` writes, and tars of an OCI image layout. */
import { posix } from "node:path";
import { digestOf } from "./digest";
import { UnusableImage } from "./image-error";
import { type ImageFiles, readWhole } from "./image-files";
import { asList, asObject, asText, asTexts, parseJson, readJson } from "./json";
import { type FileSource, layoutSource } from "./layout";
import { type ImageSource, LONGEST_MANIFEST } from "./source";

/** More links in a row are a circle. */
const MOST_LINKS = 8;

const magics: readonly (readonly [Buffer, string])[] = [
  [Buffer.from([0x1f, 0x8b]), "application/vnd.oci.image.layer.v1.tar+gzip"],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), "application/vnd.oci.image.layer.v1.tar+zstd"],
];

/** The only image of an archive; undefined when it is neither of the two kinds, but perhaps a plain tar of a root. */
export async function archiveSource(files: ImageFiles, description: string): Promise<FileSource | undefined> {
  const entries = await files.list();
  // docker of today writes both in one; the layout has what the old form leaves out.
  if (entries.has("oci-layout") && entries.has("index.json")) return layoutSource(files, description);
  if (!entries.has("manifest.json")) return undefined;
  return dockerSave(files, description);
}

/** Makes a manifest of what has none. */
async function dockerSave(files: ImageFiles, description: string): Promise<FileSource> {
  let made: ReturnType<typeof makeManifest> | undefined;
  const paths = new Map<string, string>();
  const manifest = async () => {
    made ??= makeManifest(files, paths);
    return made;
  };
  const fileOf = (digest: string) => {
    const path = paths.get(digest);
    if (path === undefined) throw new UnusableImage(`there is no ${digest} in it`);
    return path;
  };
  return { description, manifest, fileOf, blob: (digest, limit) => readWhole(files, fileOf(digest), limit) };
}

async function makeManifest(files: ImageFiles, paths: Map<string, string>): ReturnType<ImageSource["manifest"]> {
  const list = parseJson(await readWhole(files, "manifest.json", LONGEST_MANIFEST), "manifest.json");
  const images = asList(list, "manifest.json").map((each, i) => asObject(each, `manifest.json[${i}]`));
  if (images.length !== 1) throw new UnusableImage(`there are ${images.length} images in it; save one per archive`);
  const configPath = asText(images[0]?.["Config"], "Config");
  const config = await readWhole(files, configPath, LONGEST_MANIFEST);
  const configDigest = digestOf(config);
  paths.set(configDigest, configPath);
  const rootfs = asObject(readJson(config, "its configuration")["rootfs"] ?? {}, "rootfs");
  const diffIds = asTexts(rootfs["diff_ids"], "rootfs.diff_ids");
  const entries = await files.list();
  const layers = [];
  for (const [i, name] of asTexts(images[0]?.["Layers"], "Layers").entries()) {
    const { path, size } = followLinks(entries, name);
    const mediaType = await layerTypeOf(files, path);
    // A layer that is not compressed is what its configuration says; another one has to be read to be known.
    const known = mediaType === plain ? diffIds[i] : undefined;
    const digest = known ?? (await files.digest(path));
    paths.set(digest, path);
    layers.push({ mediaType, digest, size });
  }
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const type = "application/vnd.oci.image.config.v1+json";
  const text = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: type, digest: configDigest, size: config.length },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(text));
  return { bytes, digest: digestOf(bytes), mediaType };
}

const plain = "application/vnd.oci.image.layer.v1.tar";

async function layerTypeOf(files: ImageFiles, path: string): Promise<string> {
  const start = await files.read(path, 4);
  return magics.find(([magic]) => start.subarray(0, magic.length).equals(magic))?.[1] ?? plain;
}

/** docker writes a layer that comes twice as a link. */
function followLinks(entries: Awaited<ReturnType<ImageFiles["list"]>>, name: string) {
  let path = name;
  for (let count = 0; count <= MOST_LINKS; count++) {
    const entry = entries.get(path);
    if (entry === undefined) throw new UnusableImage(`there is no ${path} in it`);
    if (entry.link === undefined) return { path, size: entry.size };
    path = posix.join(posix.dirname(path), entry.link);
  }
  throw new UnusableImage(`${name} is a link that leads in a circle`);
}
