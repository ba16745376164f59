import * as pulumi from "@pulumi/pulumi";
import { normalizeConfigMap } from "../kubernetes/normalize-object";
import type { ConfigMapManifest } from "../kubernetes/object-types";
import type { ObjectMeta } from "../kubernetes/types";
import { objectFolder } from "../naming";
import { FileSet } from "../resources/file-set";
import type { Node } from "../resources/node";
import { checked, declareObject } from "./objects";

/** The arguments of a {@link ConfigMap}: a Kubernetes ConfigMap's, and where it lies. */
export interface ConfigMapArgs extends ConfigMapManifest {
  /** The node whose pods may use it. Changing this replaces it. */
  readonly on: Node;
}

/**
 * A Kubernetes ConfigMap for the pods of one node, declared as for `@pulumi/kubernetes`. Pods refer to it by its name, in
 * `env`, `envFrom` and volumes; a change shows in the volumes of pods that run, and in the environment from the next start.
 *
 * @example
 * ```ts
 * new ConfigMap("settings", { on: node, data: { "app.conf": "debug=no\n", LEVEL: "info" } });
 * ```
 */
export class ConfigMap extends pulumi.ComponentResource {
  readonly apiVersion: pulumi.Output<"v1">;
  readonly kind: pulumi.Output<"ConfigMap">;
  readonly metadata: pulumi.Output<ObjectMeta>;
  readonly data: pulumi.Output<Record<string, string>>;
  readonly binaryData: pulumi.Output<Record<string, string>>;
  readonly immutable: pulumi.Output<boolean>;

  constructor(name: string, args: ConfigMapArgs, options?: pulumi.ComponentResourceOptions) {
    super("barepod:index:ConfigMap", name, {}, options);
    const object = checked(this, `ConfigMap "${name}"`, args, () => normalizeConfigMap(name, args));
    const set = new FileSet(
      `${name}-data`,
      {
        node: args.on,
        path: objectFolder("configmaps", object.namespace, object.name),
        files: object.texts,
        filesBase64: object.base64,
        ...(object.immutable ? { immutable: true } : {}),
      },
      { parent: this, dependsOn: options?.dependsOn ?? [] },
    );
    declareObject(args.on, "configmaps", object.namespace, object.name, set);
    this.apiVersion = pulumi.output("v1" as const);
    this.kind = pulumi.output("ConfigMap" as const);
    const { namespace, labels, annotations } = object;
    this.metadata = pulumi.output({ name: object.name, namespace, labels, annotations }) as pulumi.Output<ObjectMeta>;
    this.data = pulumi.output(object.texts) as pulumi.Output<Record<string, string>>;
    this.binaryData = pulumi.output(object.base64) as pulumi.Output<Record<string, string>>;
    this.immutable = pulumi.output(object.immutable);
    const { metadata, data, binaryData, immutable } = this;
    this.registerOutputs({ metadata, data, binaryData, immutable });
  }
}
