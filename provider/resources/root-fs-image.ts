/** A root file system of an image with layers: what of it is its own. Pure, but for {@link prepareImage}. */
import { type Command, raw } from "../command/command";
import { script } from "../command/script";
import { imageFolder, stateFolder } from "../facts/root-fs";
import {
  type Field,
  type Fields,
  isUnknown,
  list,
  object,
  oneOf,
  optional,
  type Problem,
  parsed,
  record,
  text,
} from "../fields";
import { parseMirror } from "../images/endpoints";
import { parseLayoutReference } from "../images/layout";
import { readImageName } from "../images/policy";
import { type ImageRecord, layerNames, writeRecord } from "../images/record";
import { digestProblem } from "../images/reference";
import { signalNumber } from "../kubernetes/signals";
import { defaultPath, escapeField } from "../launcher-config";
import type { Preparation } from "../resource";
import type { RootFsInputs } from "./root-fs-args";

const registry = text({
  max: 260,
  pattern: /^[\w.:[\]-]+$/,
  form: "a registry, such as docker.io or registry.example:5000",
});

const mirror: Field = (value, path) => {
  const problems = text({ max: 1000 })(value, path);
  return problems.length > 0 ? problems : parsed((address) => parseMirror(String(address), ""))(value, path);
};

/** The inputs that are about an image. */
export const imageFields: Fields = {
  image: optional(text({ max: 1000 })),
  digest: optional((value, path) => {
    const reason = digestProblem(String(value));
    return reason === undefined ? [] : [{ path, reason }];
  }),
  pullPolicy: optional(oneOf("Always", "IfNotPresent", "Never")),
  pullSecrets: optional(list(text({ max: 1024 * 1024, controls: true }), { max: 100 })),
  // A Node's.
  registries: optional(
    object({ mirrors: optional(record(registry, list(mirror))), plainHttp: optional(list(registry)) }),
  ),
};

/** Mistakes in what was given of an image. */
export function checkImage(inputs: RootFsInputs): Problem[] {
  const { image, overlay } = inputs;
  if (image === undefined) {
    const given = (["digest", "pullPolicy", "pullSecrets", "registries"] as const).find(
      (key) => inputs[key] !== undefined,
    );
    return given === undefined ? [] : [{ path: given, reason: "needs an image" }];
  }
  if (overlay === false) return [{ path: "overlay", reason: "must not be false: an image is always an overlay" }];
  try {
    const name = readImageName(image);
    if (name.kind === "oci") parseLayoutReference(name.path);
    if (name.kind === "archive" && !name.path.startsWith("/"))
      throw new Error("must name an absolute path after archive:");
    return [];
  } catch {
    // Why it is none would show a part of it. A Pod, whose images are no secrets, says it.
    const reason = "must be like docker.io/library/nginx:1.27, oci:/srv/nginx:1.27 or archive:/srv/root.tar";
    return [{ path: "image", reason }];
  }
}

/** Whether the reference has come to stand for something else. What cannot be known has not changed. */
export function isOther(olds: RootFsInputs & { readonly imageDigest?: string }, { digest }: RootFsInputs): boolean {
  return digest !== undefined && !isUnknown(digest) && digest !== (olds.imageDigest ?? olds.digest);
}

/** Where the registry could not be asked, the image is what it was. */
export function keptDigest({ image }: RootFsInputs, olds: Partial<RootFsInputs> = {}): Partial<RootFsInputs> {
  return olds.digest !== undefined && image !== undefined && image === olds.image ? { digest: olds.digest } : {};
}

/** Brings the image to the node. */
export async function prepareImage(inputs: RootFsInputs, stamp: string, on: Preparation): Promise<RootFsInputs> {
  const { image = "", digest, pullPolicy, pullSecrets = [], registries, path, node } = inputs;
  // Loaded when it is needed: a program that only declares things knows no registry.
  const images = await import("../images/prepare.js");
  const settings = { ...registries, pullSecrets };
  const wanted = { image, digest, pullPolicy, settings, state: stateFolder(path), stamp };
  return { ...inputs, record: await images.prepareImage(wanted, { node, ...on }) };
}

/** Counts the overlay in for its layers. */
export function linkLayers(state: string, image: ImageRecord): Command {
  const parts = ["root-fs-image", "root-fs-layers"];
  return script("link the image's layers", parts, "link", state, ...layerNames(image.layers));
}

/** Mounts it; what is needed for that stands on the node. */
export function mountLayers(state: string, path: string): Command {
  return script("mount the image's layers", "root-fs-mount", state, path);
}

/** Removes what an earlier one has written, whose place something else had taken when it was deleted. */
export function forgetUpper(state: string): Command {
  return raw(
    "forget what an earlier one has written",
    '[ ! -e "$1/stamp" ] || rm -rf -- "$1/stamp" "$1/upper" "$1/work"',
    state,
  );
}

/** What the image says of the process in it, in the launcher's own words, and what was pulled. */
export function writeImage(at: string, image: ImageRecord): Command {
  const { config } = image;
  const lines = (word: string, values: readonly (string | number)[]) =>
    values.map((value) => `${word}\t${escapeField(value)}\n`).join("");
  const path = config.env.some((each) => each.startsWith("PATH=")) ? [] : [`PATH=${defaultPath}`];
  const common = [
    lines("env", [...path, ...config.env]),
    // Where the image says nothing it is root, with root's groups and home.
    lines("user", [config.user || "0"]),
    lines("cwd", config.workingDir === "" ? [] : [config.workingDir]),
    lines("stopsignal", config.stopSignal === undefined ? [] : [stopSignalOf(config.stopSignal)]),
  ].join("");
  const entrypoint = common + lines("arg", config.entrypoint);
  // The launcher includes one file.
  const files = { none: common, entrypoint, all: entrypoint + lines("arg", config.cmd), record: writeRecord(image) };
  return raw(
    "write what the image says",
    `(umask 077; mkdir -p -- "$1") && cd -- "$1" || return
shift
while [ "$#" -gt 0 ] && printf %s "$2" > "$1"; do shift 2; done
cd / && [ "$#" -eq 0 ]`,
    imageFolder(at),
    ...Object.entries(files).flat(),
  );
}

/** `SIGTERM`, `TERM` or `15`, as images have it. */
function stopSignalOf(text: string): number {
  const number = /^\d{1,2}$/.test(text) ? Number(text) : signalNumber(`SIG${text.toUpperCase().replace(/^SIG/, "")}`);
  if (number === undefined || number < 1 || number > 64)
    throw new Error(
      `the image cannot be used: there is no signal ${JSON.stringify(text)}, which it is to be stopped with`,
    );
  return number;
}
