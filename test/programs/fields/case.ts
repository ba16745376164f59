/** What a case of a field is, and which fields a manifest gives. */

import type { Container } from "../../../provider/kubernetes/container-types";
import type { Field, Fields } from "../../../provider/kubernetes/field";
import { POD } from "../../../provider/kubernetes/support";
import type { PodSpec } from "../../../provider/kubernetes/types";

/** What a pod with some fields shows, and one without them. */
export interface Look {
  /** Paths as docs/pod-spec.md has them, which the pod gives and its control does not, or otherwise. */
  readonly fields: readonly string[];
  /**
   * A line of shell: in the container's namespaces and root; or, for what only the node sees, on the node, where `$DIR` is
   * the keeper's folder of the container, `$GROUP` the path of its control group, `$ROOT` its root, and `$SIDE` `with` or
   * `without`.
   */
  readonly inside?: string;
  readonly outside?: string;
  /** It is looked once the pods are gone, outside. */
  readonly after?: true;
  /** @defaultValue `main`, and the sidecar that is made like it */
  readonly container?: string;
  readonly sees: string | RegExp;
  readonly without: string | RegExp;
}

/** A specification of plain values. */
export interface PlainSpec extends Omit<PodSpec, "containers" | "initContainers"> {
  containers: PlainContainer[];
  initContainers?: PlainContainer[];
}
export interface PlainContainer extends Container {
  name: string;
}

/** A pod with fields, and its control: the same pod without them. */
export interface FieldCase {
  readonly name: string;
  readonly metadata?: { name?: string; namespace?: string; labels?: Strings; annotations?: Strings };
  readonly spec: PlainSpec;
  readonly control: PlainSpec;
  readonly looks: readonly Look[];
}

type Strings = Record<string, string>;

/** What cases know of the node. */
export interface Place {
  /** Its address. */
  readonly host: string;
  /** The path of a Node.js on it. */
  readonly node: string;
}

/** The values that a manifest gives, by the paths of docs/pod-spec.md. */
export function givenFields(value: unknown, fields: Fields = POD, prefix = ""): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, given] of Object.entries((value ?? {}) as Record<string, unknown>)) {
    const field = fields[name] as Field;
    const path = `${prefix}${name}${field.list ? "[]" : ""}`;
    for (const each of (field.list ? given : [given]) as unknown[]) {
      const below = field.fields
        ? givenFields(each, field.fields, `${path}.`)
        : new Map([[path, [JSON.stringify(each)]]]);
      for (const [key, values] of below) found.set(key, [...(found.get(key) ?? []), ...values]);
    }
  }
  return found;
}

/** A container, and a sidecar that is made like it: `spec.initContainers` takes the same fields. */
export function twice(main: PlainContainer): Required<Pick<PlainSpec, "containers" | "initContainers">> {
  return { initContainers: [{ ...main, name: "side", restartPolicy: "Always" }], containers: [main] };
}

/** Ends at once: nothing here is about how a pod ends. */
export const atOnce = { terminationGracePeriodSeconds: 0 };
export const idle = { name: "main", image: "host:busybox", command: ["busybox", "sleep", "100000"] };
/** Without a namespace, an address and its rules: quickly made. */
export const lean = { ...atOnce, hostNetwork: true, hostIPC: true };
