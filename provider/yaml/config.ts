import * as pulumi from "@pulumi/pulumi";
import { InputError } from "../errors";
import { isPlainObject } from "../kubernetes/plain";
import type { Node } from "../resources/node";
import type { KINDS } from "./kinds";
import { type Manifest, readManifests } from "./manifests";
import { readSource, readSources, type Source, type SourceProblem } from "./sources";

/** What is declared for a kind, by `apiVersion/kind`: `v1/Pod` is a Pod. */
export type ResourceOf = {
  [K in (typeof KINDS)[number] as `${K["apiVersion"]}/${K["kind"]}`]: ReturnType<K["create"]>;
};

/** Changes a manifest, or the options of the resource that is made from it, in place. */
// biome-ignore lint/suspicious/noExplicitAny: as in @pulumi/kubernetes; before its check a manifest may be anything
export type Transformation = (manifest: any, options: pulumi.ComponentResourceOptions) => void;

/** What {@link ConfigFile} and {@link ConfigGroup} have in common. */
export interface ConfigArgs {
  /** The node that everything runs on. Changing it replaces what the manifests declare. */
  readonly on: Node;
  /**
   * Run in this order for each manifest before it is checked, for a `List` too; a manifest that is made a `List` without
   * items is left out. Problems are then still reported at the place in the file that had the field, or what held it.
   */
  readonly transformations?: readonly Transformation[];
  /**
   * The resources are called `<prefix>-<name>`, and `<prefix>-<namespace>/<name>` outside of the namespace `default`.
   *
   * Default: the name of the ConfigFile or ConfigGroup, so that one file can be declared on several nodes; `""` for names
   * without a prefix. Changing it replaces what the manifests declare.
   */
  readonly resourcePrefix?: string;
  /** Whether nothing waits until it is ready, as with the annotation `pulumi.com/skipAwait`. Default `false`. */
  readonly skipAwait?: boolean;
}

/** The arguments of a {@link ConfigFile}. */
export interface ConfigFileArgs extends ConfigArgs {
  /** A file of YAML or JSON, seen from the folder of the program. No URL. Default: the resource's name. */
  readonly file?: string;
}

/** The arguments of a {@link ConfigGroup}. */
export interface ConfigGroupArgs extends ConfigArgs {
  /** Files of YAML or JSON, as paths or as patterns like `manifests/*.yaml`. A pattern that matches nothing is an error. */
  readonly files?: string | readonly string[];
  /** Texts of YAML or JSON. */
  readonly yaml?: string | readonly string[];
  /** Manifests as objects. An Output may stand in them where the kind's own arguments take one. */
  readonly objs?: object | readonly object[];
}

/** What a collection of manifests has become. */
abstract class Collection extends pulumi.ComponentResource {
  /** Everything declared, by `apiVersion/kind::name` or `apiVersion/kind::namespace/name`: `v1/Pod::web`. */
  readonly resources: pulumi.Output<Record<string, pulumi.Resource>>;
  readonly #resources: Readonly<Record<string, pulumi.Resource>>;

  constructor(
    type: string,
    name: string,
    args: ConfigArgs,
    options: pulumi.ComponentResourceOptions,
    read: (problems: SourceProblem[]) => Source[],
  ) {
    super(type, name, {}, options);
    const prefix = args?.resourcePrefix ?? name;
    const called = `${type.slice(type.lastIndexOf(":") + 1)} "${name}"`;
    const entries = this.#manifests(called, args, options, read).map((manifest): [string, pulumi.Resource] => {
      const { kind, object } = manifest;
      const id = idOf(manifest.namespace, manifest.name);
      const resource = kind.create(prefix === "" ? id : `${prefix}-${id}`, object, args.on, manifest.options);
      return [`${kind.apiVersion}/${kind.kind}::${id}`, resource];
    });
    this.#resources = Object.fromEntries(entries);
    this.resources = pulumi.output(this.#resources) as pulumi.Output<Record<string, pulumi.Resource>>;
    this.registerOutputs({});
  }

  /**
   * The resource that a manifest has become: `getResource("v1/Pod", "web")`, or with its namespace
   * `getResource("v1/Pod", "shop", "web")`. An error when no manifest declares it.
   */
  getResource<K extends keyof ResourceOf>(kind: K, name: string): pulumi.Output<ResourceOf[K]>;
  getResource<K extends keyof ResourceOf>(kind: K, namespace: string, name: string): pulumi.Output<ResourceOf[K]>;
  getResource<K extends keyof ResourceOf>(kind: K, first: string, second?: string): pulumi.Output<ResourceOf[K]> {
    const id = second === undefined ? first : idOf(first, second);
    const resource = this.#resources[`${kind}::${id}`];
    if (resource !== undefined) return pulumi.output(resource) as unknown as pulumi.Output<ResourceOf[K]>;
    const known = Object.keys(this.#resources).join(", ") || "nothing";
    throw new pulumi.ResourceError(`there is no ${kind}::${id} in the manifests, which declare ${known}`, this, true);
  }

  /** All manifests, checked; their mistakes are shown without a stack, before anything is registered. */
  #manifests(
    called: string,
    args: ConfigArgs,
    options: pulumi.ComponentResourceOptions,
    read: (problems: SourceProblem[]) => Source[],
  ): Manifest<pulumi.ComponentResourceOptions>[] {
    try {
      if ((args as Partial<ConfigArgs> | undefined)?.on?.reference === undefined)
        throw new InputError("on", 'must be a Node, for example new Node("edge-1", { connection: … })');
      const problems: SourceProblem[] = [];
      // Components do not hand dependsOn down by themselves.
      const own = () => ({ parent: this, dependsOn: options.dependsOn ?? [] });
      const transformations = [...(args.transformations ?? []), ...(args.skipAwait ? [skipAwait] : [])];
      return readManifests(read(problems), problems, { transformations, options: own });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new pulumi.ResourceError(`${called}: ${error.message}`, this, true);
    }
  }
}

/**
 * What a file of Kubernetes manifests declares, on one node, as with `@pulumi/kubernetes`: several documents, a `List`, JSON
 * or KYAML.
 *
 * All mistakes of all documents are shown at once, with file, line, column and path, before anything is registered.
 *
 * @example
 * ```ts
 * const app = new yaml.ConfigFile("app", { on: node, file: "pod.yaml" });
 * export const podIP = app.getResource("v1/Pod", "web").status.podIP;
 * ```
 */
export class ConfigFile extends Collection {
  constructor(name: string, args: ConfigFileArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("barepod:yaml:ConfigFile", name, args, options, (problems) => {
      const file: unknown = args.file ?? name;
      if (typeof file !== "string") throw new InputError("file", "must be a path as plain text, not an Output");
      return readSource(file, problems);
    });
  }
}

/**
 * What several files, texts and objects declare, on one node; see {@link ConfigFile}.
 *
 * @example
 * ```ts
 * new yaml.ConfigGroup("app", { on: node, files: ["manifests/*.yaml", "extra.json"] });
 * ```
 */
export class ConfigGroup extends Collection {
  constructor(name: string, args: ConfigGroupArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("barepod:yaml:ConfigGroup", name, args, options, (problems) => {
      const { files = [], yaml = [], objs = [] } = args;
      const texts = plainTexts("yaml", yaml).map((text, i) => ({
        name: Array.isArray(yaml) ? `yaml[${i}]` : "yaml",
        text,
      }));
      const objects = Array.isArray(objs) ? objs.map((object, i) => ({ name: `objs[${i}]`, object })) : [];
      if (!Array.isArray(objs)) objects.push({ name: "objs", object: objs });
      return [...readSources(plainTexts("files", files), problems), ...texts, ...objects];
    });
  }
}

function plainTexts(path: string, given: string | readonly string[]): readonly string[] {
  const list = typeof given === "string" ? [given] : given;
  if (Array.isArray(list) && list.every((text) => typeof text === "string")) return list;
  throw new InputError(path, "must be plain text or a list of such, not an Output: what is declared must be known");
}

/** `default` is where things are when nothing is said, so that saying it changes no name. */
function idOf(namespace: string, name: string): string {
  return namespace === "default" ? name : `${namespace}/${name}`;
}

function skipAwait(manifest: { kind?: unknown; metadata?: { annotations?: object } }): void {
  if (!isPlainObject(manifest.metadata)) return;
  manifest.metadata.annotations = { ...manifest.metadata.annotations, "pulumi.com/skipAwait": "true" };
}
