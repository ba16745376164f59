import * as pulumi from "@pulumi/pulumi";
import { InputError } from "../errors";
import { checkJson, normalizeSecret } from "../kubernetes/normalize-object";
import type { SecretManifest } from "../kubernetes/object-types";
import type { ObjectMeta } from "../kubernetes/types";
import { objectFolder } from "../naming";
import { FileSet } from "../resources/file-set";
import type { Node } from "../resources/node";
import { checked, declareObject } from "./objects";

/** The arguments of a {@link Secret}: a Kubernetes Secret's, and where it lies. */
export interface SecretArgs extends SecretManifest {
  /** The node whose pods may use it. Changing this replaces it. */
  readonly on: Node;
}

/**
 * A Kubernetes Secret for the pods of one node, declared as for `@pulumi/kubernetes`. Its values are secrets in state and
 * in messages, whether or not they were given as such. On the node they lie in files that only root can read, so that pods
 * come back after a reboot; in pods they are on a tmpfs.
 *
 * @example
 * ```ts
 * new Secret("database", { on: node, stringData: { username: "app", password: config.requireSecret("password") } });
 * ```
 */
export class Secret extends pulumi.ComponentResource {
  readonly apiVersion: pulumi.Output<"v1">;
  readonly kind: pulumi.Output<"Secret">;
  readonly metadata: pulumi.Output<ObjectMeta>;
  /** All values in base64, those of `stringData` too. */
  readonly data: pulumi.Output<Record<string, string>>;
  readonly stringData: pulumi.Output<Record<string, string>>;
  readonly type: pulumi.Output<string>;
  readonly immutable: pulumi.Output<boolean>;

  constructor(name: string, args: SecretArgs, options?: pulumi.ComponentResourceOptions) {
    super("barepod:index:Secret", name, {}, options);
    const title = `Secret "${name}"`;
    const object = checked(this, title, args, () => normalizeSecret(name, args));
    const guarded = (values: Readonly<Record<string, pulumi.Input<string>>>, encoding: BufferEncoding) =>
      Object.fromEntries(
        Object.entries(values).map(([key, value]) => [
          key,
          pulumi.secret(value).apply((text) => {
            this.#check(title, object.type, key, Buffer.from(text, encoding).toString("utf8"));
            return text;
          }),
        ]),
      );
    const texts = guarded(object.texts, "utf8");
    const base64 = guarded(object.base64, "base64");
    const set = new FileSet(
      `${name}-data`,
      {
        node: args.on,
        path: objectFolder("secrets", object.namespace, object.name),
        files: texts,
        filesBase64: base64,
        mode: 0o600,
        folderMode: 0o700,
        ...(object.immutable ? { immutable: true } : {}),
      },
      { parent: this, dependsOn: options?.dependsOn ?? [] },
    );
    const decoded = Object.entries(base64).map(([key, value]) => [
      key,
      value.apply((text) => Buffer.from(text, "base64").toString("utf8")),
    ]);
    declareObject(args.on, "secrets", object.namespace, object.name, set, { ...texts, ...Object.fromEntries(decoded) });
    this.apiVersion = pulumi.output("v1" as const);
    this.kind = pulumi.output("Secret" as const);
    const { namespace, labels, annotations } = object;
    this.metadata = pulumi.output({ name: object.name, namespace, labels, annotations }) as pulumi.Output<ObjectMeta>;
    this.stringData = pulumi.secret(pulumi.output(texts));
    const encoded = pulumi
      .output(texts)
      .apply((values) =>
        Object.fromEntries(
          Object.entries(values).map(([key, text]) => [key, Buffer.from(text, "utf8").toString("base64")]),
        ),
      );
    this.data = pulumi.secret(pulumi.all([base64, encoded]).apply(([given, made]) => ({ ...given, ...made })));
    this.type = pulumi.output(object.type);
    this.immutable = pulumi.output(object.immutable);
    const { metadata, data, type, immutable } = this;
    this.registerOutputs({ metadata, data, type, immutable });
  }

  #check(title: string, type: string, key: string, text: string): void {
    try {
      checkJson(type, key, text);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new pulumi.ResourceError(`${title}: ${error.message}`, this, true);
    }
  }
}
