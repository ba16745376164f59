/** When an image is pulled: Kubernetes' imagePullPolicy. https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy */
import { type ImageReference, parseReference } from "./reference";

export type PullPolicy = "Always" | "IfNotPresent" | "Never";

/** A container's `image`, but for programs of the node. */
export type ImageName =
  | { readonly kind: "registry"; readonly reference: ImageReference }
  | { readonly kind: "oci" | "archive"; readonly path: string };

/** @throws InputError that names `path`. */
export function readImageName(text: string, path = ""): ImageName {
  const [, kind, rest = ""] = /^(oci|archive):(.*)$/s.exec(text) ?? [];
  if (kind === "oci" || kind === "archive") return { kind, path: rest };
  return { kind: "registry", reference: parseReference(text, path) };
}

/** The policy where none is given: a tag `latest`, or none, is always asked for. */
export function effectivePolicy(given: PullPolicy | undefined, { tag, digest }: ImageReference): PullPolicy {
  return given ?? (tag === "latest" && digest === undefined ? "Always" : "IfNotPresent");
}
