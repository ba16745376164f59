/** What stands in `image`: where a container's root file system comes from. */
import { InputError } from "../errors";
import { parseLayoutReference } from "../images/layout";
import { parseReference } from "../images/reference";

/** A parsed `image`. */
export type ContainerImage =
  | {
      /** Programs of the node and the libraries that they need. */
      readonly kind: "host";
      /** Names to look up in the node's PATH, or absolute paths. */
      readonly programs: readonly string[];
    }
  | {
      /** An image with layers: in a registry, in a layout or an archive on the node. The tar of a root file system counts as one. */
      readonly kind: "registry" | "oci" | "archive";
      /** As it was written. */
      readonly text: string;
    };

/** Reads an `image`; an error names `path`. */
export function parseImage(text: string, path = ""): ContainerImage {
  const [, kind, rest = ""] = /^(host|archive|oci):(.*)$/s.exec(text) ?? [];
  if (kind === "host") return { kind, programs: [...new Set(rest.split(",").map((one) => program(one, path)))] };
  if (kind === "oci") parseLayoutReference(rest, path);
  else if (kind === "archive") {
    if (!rest.startsWith("/")) throw new InputError(path, "must name an absolute path after archive:, one of the node");
  } else parseReference(text, path);
  return { kind: kind === "oci" || kind === "archive" ? kind : "registry", text };
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
