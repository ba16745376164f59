/** OCI image layouts: https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
import { InputError } from "../errors";
import { UnusableImage } from "./image-error";
import { type ImageFiles, readWhole } from "./image-files";
import { asList, readJson } from "./json";
import { indexTypes } from "./media-types";
import { describePlatform, isImage } from "./platform";
import { digestProblem } from "./reference";
import { readEntry } from "./resolve";
import { type ImageSource, LONGEST_MANIFEST } from "./source";

/** An image whose blobs are files on the node. */
export interface FileSource extends ImageSource {
  /** The file of a blob: its name in the layout's folder, or in the archive. */
  fileOf(digest: string): string;
}

/** Which image of a layout is meant. */
export interface LayoutReference {
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** Where names are annotated: OCI's own place, then containerd's. */
const nameAnnotations = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/**
 * Reads what stands after `oci:`: `PATH`, `PATH:tag` or `PATH@sha256:…`.
 *
 * @throws InputError that names `path`.
 */
export function parseLayoutReference(text: string, path = ""): LayoutReference {
  const at = text.lastIndexOf("@");
  if (at > text.lastIndexOf("/")) {
    const digest = text.slice(at + 1);
    const problem = digestProblem(digest);
    if (problem !== undefined) throw new InputError(path, `${JSON.stringify(text)}: ${problem}`);
    return { path: folder(text.slice(0, at), path), digest };
  }
  const colon = text.indexOf(":", text.lastIndexOf("/"));
  if (colon < 0) return { path: folder(text, path) };
  const tag = text.slice(colon + 1);
  if (!/^[A-Za-z0-9][\w.:@+-]*$/.test(tag)) throw new InputError(path, `the tag "${tag}" is no name of an image`);
  return { path: folder(text.slice(0, colon), path), tag };
}

function folder(text: string, path: string): string {
  if (!text.startsWith("/") || text.includes("\0"))
    throw new InputError(path, "must name an absolute path after oci:, such as oci:/srv/images/nginx:1.27");
  return text;
}

/** An image of a layout. `description` is for messages: `oci:/srv/nginx:1.27`. */
export function layoutSource(
  files: ImageFiles,
  description: string,
  wanted: { readonly tag?: string; readonly digest?: string } = {},
): FileSource {
  const document = async (digest: string, mediaType: string) => ({
    bytes: await readWhole(files, fileOf(digest), LONGEST_MANIFEST),
    digest,
    mediaType,
  });
  return {
    description,
    fileOf,
    blob: (digest, limit) => readWhole(files, fileOf(digest), limit),
    manifest: async (digest) => {
      if (digest !== undefined) return document(digest, "");
      const index = await readWhole(files, "index.json", LONGEST_MANIFEST);
      const found = find(index, wanted);
      return found === undefined
        ? { bytes: index, digest: await files.digest("index.json"), mediaType: indexTypes[0] ?? "" }
        : document(found.digest, found.mediaType);
    },
  };
}

/** The one that is meant; undefined: the platform decides among all of them. */
function find(index: Buffer, { tag, digest }: { tag?: string; digest?: string }) {
  const entries = asList(readJson(index, "index.json")["manifests"], "index.json: manifests").map((each, i) =>
    readEntry(each, `index.json: manifests[${i}]`),
  );
  const images = entries.filter(isImage);
  if (digest !== undefined) return images.find((each) => each.digest === digest) ?? { digest, mediaType: "" };
  const names = (entry: (typeof images)[number]) => nameAnnotations.map((name) => entry.annotations[name]);
  const named = tag === undefined ? images : images.filter((each) => names(each).includes(tag));
  const different = [...new Map(named.map((each) => [each.digest, each])).values()];
  if (different.length === 1) return different[0];
  const all = [...new Set(images.flatMap(names))].filter((name) => typeof name === "string").join(", ");
  if (different.length === 0)
    throw new UnusableImage(
      tag === undefined ? "there is no image in it" : `no image in it is named "${tag}", but ${all || "none"}`,
    );
  const platforms = new Set(different.map(describePlatform));
  if (tag === undefined && platforms.size === different.length && different.every((each) => each.architecture !== ""))
    return undefined;
  throw new UnusableImage(
    `there are ${different.length} images in it: say which, by :TAG or @DIGEST; named are ${all || "none"}`,
  );
}

function fileOf(digest: string): string {
  // A digest was checked for its form: it leads nowhere else.
  return `blobs/${digest.replace(":", "/")}`;
}
