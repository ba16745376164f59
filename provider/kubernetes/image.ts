/** What stands in `image`: where a container's root file system comes from. */
import { InputError } from "../errors";

/** A parsed `image`. */
export type ContainerImage =
  | {
      /** Programs of the node and the libraries that they need. */
      readonly kind: "host";
      /** Names to look up in the node's PATH, or absolute paths. */
      readonly programs: readonly string[];
    }
  | { readonly kind: "archive" | "oci"; readonly path: string }
  | { readonly kind: "registry"; readonly reference: string };

const WORKING = "what works: host:bash,ls (programs of the node) or archive:PATH (a tar of a root file system)";

/** Reads an `image`; an error names `path`. */
export function parseImage(text: string, path = ""): ContainerImage {
  const [, kind, rest = ""] = /^(host|archive|oci):(.*)$/s.exec(text) ?? [];
  if (kind === "host") return { kind, programs: [...new Set(rest.split(",").map((one) => program(one, path)))] };
  if (kind === "archive" || kind === "oci") {
    if (rest === "") throw new InputError(path, `must name a path after ${kind}:`);
    return { kind, path: rest };
  }
  if (text === "" || /\s/.test(text)) throw new InputError(path, `must be an image without spaces; ${WORKING}`);
  return { kind: "registry", reference: text };
}

function program(text: string, path: string): string {
  const absolute = text.startsWith("/") && !text.endsWith("/");
  const usable = /^[\w.+/[-]+$/.test(text) && !/^-|(?:^|\/)\.{0,2}(?:\/|$)/.test(absolute ? text.slice(1) : text);
  if (usable && (absolute || !text.includes("/"))) return text;
  throw new InputError(
    path,
    "must list programs after host:, separated by commas without spaces, each a name or an absolute path, such as host:bash,/usr/bin/curl",
  );
}

/** Why this release cannot make a container of an image, or undefined. */
export function imageRefusal(image: ContainerImage): string | undefined {
  if (image.kind === "registry") return `images are not pulled from registries yet; ${WORKING}`;
  if (image.kind === "oci") return `image layouts are not read yet; ${WORKING}`;
  return undefined;
}
