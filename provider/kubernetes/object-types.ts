/**
 * ConfigMaps and Secrets as `@pulumi/kubernetes` types them, assignable both ways; see `types.ts`. Their structure must be
 * plain when a program runs, names and keys too; each value may be an Output, and a secret.
 */
import type { Input } from "@pulumi/pulumi";
import type { StringMap } from "./container-types";
import type { ObjectMeta } from "./types";

/** A ConfigMap as in a manifest. */
export interface ConfigMapManifest {
  /** As in Kubernetes; may be left out. */
  apiVersion?: Input<"v1" | undefined>;
  /** Bytes in base64, by key. A key stands in `data` or here. All together are at most 1 MiB. */
  binaryData?: Input<StringMap | undefined>;
  /** Text by key. Keys have letters, digits, `-`, `_` and `.`. */
  data?: Input<StringMap | undefined>;
  /** `true`: other data replace the ConfigMap instead of changing it. Default `false`. */
  immutable?: Input<boolean | undefined>;
  /** As in Kubernetes; may be left out. */
  kind?: Input<"ConfigMap" | undefined>;
  /** Name, namespace, labels and annotations. */
  metadata?: Input<ObjectMeta | undefined>;
}

/** A Secret as in a manifest. */
export interface SecretManifest {
  /** As in Kubernetes; may be left out. */
  apiVersion?: Input<"v1" | undefined>;
  /** Bytes in base64, by key. All together are at most 1 MiB. */
  data?: Input<StringMap | undefined>;
  /** `true`: other data replace the Secret instead of changing it. Default `false`. */
  immutable?: Input<boolean | undefined>;
  /** As in Kubernetes; may be left out. */
  kind?: Input<"Secret" | undefined>;
  /** Name, namespace, labels and annotations. */
  metadata?: Input<ObjectMeta | undefined>;
  /** Text by key; of a key that stands in `data` too this one counts. */
  stringData?: Input<StringMap | undefined>;
  /** Which keys it must have: `Opaque` (default), `kubernetes.io/tls`, `kubernetes.io/dockerconfigjson`, `kubernetes.io/basic-auth`, … */
  type?: Input<string | undefined>;
}
