/** Which kinds a manifest may be of: one line each. */
import type * as pulumi from "@pulumi/pulumi";
import { ConfigMap } from "../components/config-map";
import { EndpointSlice } from "../components/endpoint-slice";
import { Pod } from "../components/pod";
import { Secret } from "../components/secret";
import { Service } from "../components/service";
import type { Fields } from "../kubernetes/field";
import { normalizePod } from "../kubernetes/normalize";
import { normalizeEndpointSlice } from "../kubernetes/normalize-endpoint-slice";
import { normalizeConfigMap, normalizeSecret } from "../kubernetes/normalize-object";
import { normalizeService } from "../kubernetes/normalize-service";
import type { ConfigMapManifest, SecretManifest } from "../kubernetes/object-types";
import type { EndpointSliceManifest, ServiceManifest } from "../kubernetes/service-types";
import { POD } from "../kubernetes/support";
import { CONFIG_MAP, SECRET } from "../kubernetes/support-objects";
import { ENDPOINT_SLICE, SERVICE } from "../kubernetes/support-service";
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

/**
 * Adding a kind: its line here, with the function that checks it and the component that it becomes; nothing else. Their order
 * is that in which objects are declared, whatever their order in the text: what others look up comes first.
 */
export const KINDS = [
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    fields: CONFIG_MAP,
    check: normalizeConfigMap,
    create: (name, manifest, on, options) => new ConfigMap(name, { ...(manifest as ConfigMapManifest), on }, options),
  },
  {
    apiVersion: "v1",
    kind: "Secret",
    fields: SECRET,
    check: normalizeSecret,
    create: (name, manifest, on, options) => new Secret(name, { ...(manifest as SecretManifest), on }, options),
  },
  {
    apiVersion: "v1",
    kind: "Service",
    fields: SERVICE,
    check: normalizeService,
    create: (name, manifest, on, options) => new Service(name, { ...(manifest as ServiceManifest), on }, options),
  },
  {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    fields: ENDPOINT_SLICE,
    check: normalizeEndpointSlice,
    create: (name, manifest, on, options) =>
      new EndpointSlice(name, { ...(manifest as EndpointSliceManifest), on }, options),
  },
  {
    apiVersion: "v1",
    kind: "Pod",
    fields: POD,
    check: normalizePod,
    create: (name, manifest, on, options) => new Pod(name, { ...(manifest as PodManifest), on }, options),
  },
] as const satisfies readonly Kind[];
