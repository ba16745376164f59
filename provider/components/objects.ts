/** The ConfigMaps and Secrets that a program declares, so that Pods that are declared later wait for them. */
import * as pulumi from "@pulumi/pulumi";
import { InputError } from "../errors";
import type { ObjectKind } from "../kubernetes/normalize-reference";
import type { Node } from "../resources/node";

interface Declared {
  readonly data: pulumi.Resource;
  readonly texts: Texts;
}

/** An object's values by key. */
type Texts = Readonly<Record<string, pulumi.Input<string>>>;

const declared = new WeakMap<Node, Map<string, Declared>>();

/** Notes what holds an object's data on a node. */
export function declareObject(
  node: Node,
  kind: ObjectKind,
  namespace: string,
  name: string,
  data: pulumi.Resource,
  texts: Texts = {},
): void {
  const objects = declared.get(node) ?? new Map<string, Declared>();
  declared.set(node, objects.set(`${kind}/${namespace}/${name}`, { data, texts }));
}

/** What holds an object's data, if this program has declared it already. One that is not is waited for on the node. */
export function declaredObject(
  node: Node,
  kind: ObjectKind,
  namespace: string,
  name: string,
): pulumi.Resource | undefined {
  return declared.get(node)?.get(`${kind}/${namespace}/${name}`)?.data;
}

/** The logins in Secrets that a pod names: they are needed before anything is on the node. Throws for one that is not declared. */
export function pullSecrets(node: Node, namespace: string, names: readonly string[]): pulumi.Input<string>[] {
  return names.map((name, index) => {
    const text = declared.get(node)?.get(`secrets/${namespace}/${name}`)?.texts[".dockerconfigjson"];
    if (text !== undefined) return text;
    throw new InputError(
      `spec.imagePullSecrets[${index}].name`,
      `must be the name of a Secret of type kubernetes.io/dockerconfigjson that this program declares before the pod, in the namespace ${namespace} on the same node`,
    );
  });
}

/** Runs a check of a component's arguments; a mistake is shown without a stack. */
export function checked<T>(component: pulumi.Resource, title: string, args: object | undefined, check: () => T): T {
  try {
    const { on } = (args ?? {}) as { on?: Partial<Node> };
    if (on?.reference === undefined)
      throw new InputError("on", 'must be a Node, for example new Node("edge-1", { connection: … })');
    return check();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new pulumi.ResourceError(`${title}: ${error.message}`, component, true);
  }
}
