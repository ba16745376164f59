/** The ConfigMaps and Secrets that a program declares, so that Pods that are declared later wait for them. */
import * as pulumi from "@pulumi/pulumi";
import { InputError } from "../errors";
import type { ObjectKind } from "../kubernetes/normalize-reference";
import type { Node } from "../resources/node";

const declared = new WeakMap<Node, Map<string, pulumi.Resource>>();

/** Notes what holds an object's data on a node. */
export function declareObject(
  node: Node,
  kind: ObjectKind,
  namespace: string,
  name: string,
  data: pulumi.Resource,
): void {
  const objects = declared.get(node) ?? new Map<string, pulumi.Resource>();
  declared.set(node, objects.set(`${kind}/${namespace}/${name}`, data));
}

/** What holds an object's data, if this program has declared it already. One that is not is waited for on the node. */
export function declaredObject(
  node: Node,
  kind: ObjectKind,
  namespace: string,
  name: string,
): pulumi.Resource | undefined {
  return declared.get(node)?.get(`${kind}/${namespace}/${name}`);
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
