/** Which kinds a manifest may be of: one line each. */
import type * as pulumi from "@pulumi/pulumi";
import { Pod } from "../components/pod";
import type { Fields } from "../kubernetes/field";
import { normalizePod } from "../kubernetes/normalize";
import { POD } from "../kubernetes/support";
import type { PodManifest } from "../kubernetes/types";
import type { Node } from "../resources/node";

/** A kind of Kubernetes object that a manifest may declare. */
export interface Kind {
  readonly apiVersion: string;
  /** Also the name of the class that `barepod convert` writes; its first argument is the manifest with `on`. */
  readonly kind: string;
  /** The table of its fields, from the top of a manifest. */
  readonly fields: Fields;
  /** Throws an InputError, or one with several `problems`, for what is wrong; pure. */
  check(name: string, manifest: object): unknown;
  create(name: string, manifest: object, on: Node, options: pulumi.ComponentResourceOptions): pulumi.Resource;
}

/** Adding a kind: its line here, with the function that checks it and the component that it becomes; nothing else. */
export const KINDS = [
  {
    apiVersion: "v1",
    kind: "Pod",
    fields: POD,
    check: normalizePod,
    create: (name, manifest, on, options) => new Pod(name, { ...(manifest as PodManifest), on }, options),
  },
] as const satisfies readonly Kind[];
