/** Which Pods and Services a program declares on a node: two of one name are a mistake, and so is a selector of nothing. */
import * as pulumi from "@pulumi/pulumi";
import { InputError } from "../errors";
import type { NormalizedService } from "../kubernetes/normalize-service";
import type { Node } from "../resources/node";

interface Named {
  readonly namespace: string;
  readonly name: string;
}

interface Declared {
  readonly names: Map<string, string>;
  readonly pods: { readonly namespace: string; readonly labels: Readonly<Record<string, unknown>> }[];
}

const declared = new WeakMap<Node, Declared>();

function declaredOn(node: Node): Declared {
  const known = declared.get(node) ?? { names: new Map(), pods: [] };
  declared.set(node, known);
  return known;
}

/** Refuses a second object of one kind and name: all that it is made of would be said to belong to the first. */
export function claimName(
  kind: "EndpointSlice" | "Pod" | "Service",
  resource: string,
  node: Node,
  { namespace, name }: Named,
): void {
  const { names } = declaredOn(node);
  const key = `${kind}/${namespace}/${name}`;
  const other = names.get(key);
  if (other !== undefined) {
    const taken = `the ${kind} ${JSON.stringify(other)} is ${JSON.stringify(name)} in the namespace ${JSON.stringify(namespace)} too`;
    throw new InputError("metadata.name", `must be unique in its namespace on a node: ${taken}`);
  }
  names.set(key, resource);
}

/** Notes a pod, for the Services of its namespace. */
export function declarePod(node: Node, pod: Named & { readonly labels: Readonly<Record<string, unknown>> }): void {
  declaredOn(node).pods.push(pod);
}

/** Warns of a Service whose selector matches no pod of the program, once the whole of it is declared. */
export function warnOfNoPods(component: pulumi.Resource, node: Node, service: NormalizedService): void {
  const wanted = Object.entries(service.selector);
  if (wanted.length === 0) return;
  const isMatched = () =>
    declaredOn(node).pods.some(
      ({ namespace, labels }) =>
        namespace === service.namespace && wanted.every(([key, value]) => labels[key] === value),
    );
  // The stack's outputs are there when its program has run to its end.
  const { outputs } = (pulumi.runtime.getStackResource() ?? {}) as { outputs?: pulumi.Output<unknown> };
  if (outputs === undefined) return;
  outputs.apply(() => {
    if (isMatched()) return;
    const text = wanted.map(([key, value]) => `${key}=${value}`).join(",");
    const where = `in the namespace ${service.namespace} on that node`;
    void pulumi.log.warn(`spec.selector: ${text} matches no Pod of this program ${where}`, component);
  });
}
