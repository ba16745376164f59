/** Brings an image to the node, before a root file system is made of it. Loaded only when there is something to bring. */
import { launcherPath } from "../node-programs";
import type { Progress } from "../progress";
import type { Runner } from "../ssh/pool";
import { archiveSource } from "./archive";
import { digestOf } from "./digest";
import type { RegistrySettings } from "./endpoints";
import { ImageError } from "./image-error";
import { type FileSource, layoutSource, parseLayoutReference } from "./layout";
import { archiveFiles, folderFiles, memberName } from "./node-files";
import { effectivePolicy, type PullPolicy, readImageName } from "./policy";
import { type LayerSource, Pull } from "./pull";
import type { ImageRecord } from "./record";
import { formatReference, type ImageReference } from "./reference";
import { Registry } from "./registry";
import { type ResolvedImage, resolveImage } from "./resolve";
import { ImageStore, type Look } from "./store";

/** What is wanted. */
export interface WantedImage {
  /** As it stands in a container's `image`. */
  readonly image: string;
  readonly digest: string | undefined;
  readonly pullPolicy: PullPolicy | undefined;
  readonly settings: RegistrySettings;
  /** The state folder of the root file system, and the stamp that it gets. */
  readonly state: string;
  readonly stamp: string;
}

/** Where it is wanted. */
export interface WantedOn {
  readonly node: string;
  readonly session: Runner;
  readonly progress: Progress;
}

/** Go's words for what `uname -m` says. */
const architectures: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/**
 * What the image is, with all of its layers on the node; those that had to be brought are counted in.
 *
 * @throws ImageError, InputError or CommandError; then nothing is counted in.
 */
export async function prepareImage(wanted: WantedImage, on: WantedOn): Promise<ImageRecord> {
  const store = new ImageStore(on.session, wanted.state, launcherPath());
  const name = readImageName(wanted.image);
  const reference = name.kind === "registry" ? formatReference(name.reference) : wanted.image;
  const file =
    name.kind === "registry"
      ? ""
      : name.kind === "oci"
        ? `${parseLayoutReference(name.path).path}/index.json`
        : name.path;
  const look = await store.look(reference, file);
  const [stamp, stamped] = look.stamp.split(" ");
  const isThere = stamp === wanted.stamp && (wanted.digest === undefined || stamped === wanted.digest);
  if (isThere && look.own !== undefined) return look.own;
  if (name.kind !== "registry") return fromFiles(wanted, on, store, look, name);

  await using registry = new Registry(wanted.settings);
  const policy = effectivePolicy(wanted.pullPolicy, name.reference);
  const digest = wanted.digest ?? (policy === "Always" ? await registry.resolveDigest(name.reference) : undefined);
  const { record } = look;
  if (record !== undefined && (digest === undefined || record.digest === digest)) return record;
  if (policy === "Never")
    throw new ImageError({
      what: `${reference} is not on ${on.node}, and imagePullPolicy is Never`,
      next: "an image is on a node as long as something there is made of it; let it be pulled (IfNotPresent), or give oci:PATH or archive:PATH",
    });
  const pinned: ImageReference = digest === undefined ? name.reference : { ...name.reference, digest };
  const source = { ...registry.image(pinned), description: reference };
  const resolved = await resolveImage(source, platformOf(on.session));
  const from: LayerSource = { kind: "registry", registry, reference: name.reference };
  await bring({ wanted, on, store, reference, tools: look.tools }, resolved, from);
  return { ...resolved, reference, source: "" };
}

function platformOf({ machine, description }: Runner): { architecture: string } {
  const architecture = architectures[machine];
  if (architecture === undefined)
    throw new ImageError({ what: `${description} is a ${machine} machine, which no image is made for here` });
  return { architecture };
}

async function fromFiles(
  wanted: WantedImage,
  on: WantedOn,
  store: ImageStore,
  look: Look,
  name: { readonly kind: "oci" | "archive"; readonly path: string },
): Promise<ImageRecord> {
  const { image } = wanted;
  const isFile = look.source.startsWith("regular file ");
  if (!isFile)
    throw new ImageError({
      what:
        name.kind === "oci"
          ? `${image}: there is no image layout at ${parseLayoutReference(name.path).path} on ${on.node}`
          : `the node ${on.node} has no archive ${name.path}`,
      next: "the path is one of the node: copy it there first",
    });
  if (look.record?.source === look.source) return look.record;
  const how = { wanted, on, store, reference: image, tools: look.tools };
  if (name.kind === "oci") {
    const { path, ...which } = parseLayoutReference(name.path);
    const layout = layoutSource(folderFiles(on.session, path), image, which);
    const resolved = await resolveImage(layout, platformOf(on.session));
    await bring(how, resolved, { kind: "files", fileOf: (digest) => ({ file: `${path}/${layout.fileOf(digest)}` }) });
    return { ...resolved, reference: image, source: look.source };
  }
  const files = archiveFiles(on.session, name.path);
  const archive = await archiveSource(files, image);
  if (archive === undefined) {
    const resolved = await plainRoot(on.session, name.path);
    await bring(how, resolved, { kind: "files", fileOf: () => ({ file: name.path }) });
    return { ...resolved, reference: image, source: look.source };
  }
  const resolved = await resolveImage(archive, platformOf(on.session));
  const members = await membersOf(archive, resolved, (path) => memberName(files, path));
  await bring(how, resolved, {
    kind: "files",
    fileOf: (digest) => ({ file: name.path, member: members.get(digest) ?? digest }),
  });
  return { ...resolved, reference: image, source: look.source };
}

async function membersOf(archive: FileSource, { layers }: ResolvedImage, nameOf: (path: string) => Promise<string>) {
  const members = new Map<string, string>();
  for (const { digest } of layers) members.set(digest, await nameOf(archive.fileOf(digest)));
  return members;
}

/** The tar of a root file system: an image of one layer that says nothing of the process. */
async function plainRoot(session: Runner, path: string): Promise<ResolvedImage> {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  const digest = await folderFiles(session, folder).digest(path.slice(path.lastIndexOf("/") + 1));
  const config = { entrypoint: [], cmd: [], env: [], user: "", workingDir: "" };
  const layer = { digest, size: 0, compression: "none", diffId: digest } as const;
  return { digest: digestOf(Buffer.from(digest)), manifestDigest: digest, config, layers: [layer] };
}

/** What a pull is about. */
interface How {
  readonly wanted: WantedImage;
  readonly on: WantedOn;
  readonly store: ImageStore;
  readonly reference: string;
  readonly tools: ReadonlySet<string>;
}

async function bring(how: How, { layers }: ResolvedImage, source: LayerSource): Promise<void> {
  const { on, store, wanted } = how;
  const began = Date.now();
  const short = wanted.image.replace(/@.*$/, "").replace(/^.*\/(?=.)/, "");
  const verb = source.kind === "registry" ? "pulling" : "unpacking";
  on.progress.status(`${verb} ${short}`);
  try {
    const missing = await store.reserve(layers);
    const pull = new Pull(on.node, store, source, how.reference, how.tools);
    await pull.layers(missing, ({ bytes, ofBytes, layers: done, ofLayers }) => {
      const amount = source.kind === "registry" ? `${sizes(bytes, ofBytes)}, ` : "";
      const seconds = Math.round((Date.now() - began) / 1000);
      on.progress.status(`${verb} ${short}: ${amount}${done} of ${ofLayers} layers (${seconds} s)`);
    });
  } catch (error) {
    // The error that matters is this one.
    await store.release().catch(() => undefined);
    throw error;
  }
}

function sizes(bytes: number, of: number): string {
  const [unit, name] = of >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return `${Math.floor(bytes / unit)} of ${Math.ceil(of / unit)} ${name}`;
}
