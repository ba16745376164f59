/** What the conformance suite has to know about a resource. Everything else is the same for all of them. */
import type * as pulumi from "@pulumi/pulumi";
import type { Node } from "barepod";
import type { NodeInputs, Spec } from "../../../provider/resource";

/**
 * How it is declared: `absent` has only what it needs to stand on, `updated` differs from `initial` in inputs that change
 * in place, `replaced` in inputs that do not.
 */
export type Variant = "absent" | "initial" | "updated" | "replaced";

/** What a case declares its resources with. */
export interface Setting {
  readonly node: Node;
  readonly variant: Variant;
  /** The name of the resource; others that it needs begin with it. */
  readonly name: string;
  readonly options: pulumi.CustomResourceOptions;
  /** To pass on: `{}` or `{ adopt: true }`. */
  readonly adopt: { readonly adopt?: boolean };
}

/** A resource under test. Scripts are POSIX sh that runs on the node; a failing one fails the suite. */
export interface Case {
  /** In test names: `Mount`, `Mount of a folder`. */
  readonly title: string;
  /** The end of the resource's name; unique. */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the suite passes on what the engine checked, whatever its shape.
  readonly spec: Spec<any, any>;
  declare(setting: Setting): void;
  /** Makes what it needs and Barepod does not manage, before anything else. */
  readonly prepare?: string;
  /** Prints the object as the node shows it; nothing when it is absent. Not what the resource itself reads. */
  readonly look: string;
  /** The inputs that differ in `updated`; absent: nothing changes in place. */
  readonly inPlace?: readonly string[];
  /** Whether `updated` leaves nothing to see on the node. */
  readonly looksTheSame?: boolean;
  /** The inputs that differ in `replaced`; absent: nothing asks for a replacement. */
  readonly replace?: readonly string[];
  /** Somebody removes it. */
  readonly remove: string;
  /** What a refresh then shows; `delete` by default. */
  readonly removed?: "delete" | "update";
  /** Somebody changes it. */
  readonly change?: string;
  /** The inputs that a refresh then shows as changed. */
  readonly changed?: readonly string[];
  /** How the next `up` repairs that; `update` by default. */
  readonly repaired?: "update" | "replace" | "create";
  /** Somebody else's object in its place. */
  readonly foreign?: {
    readonly make: string;
    /** What the refusal has to name. */
    readonly named: string;
    /** Whether it is just what is declared. */
    readonly looksTheSame?: boolean;
    /** Removes what {@link make} left, after the resource that adopted it was deleted. */
    readonly clean?: string;
  };
  /** Removes what the object lies in, and the object with it. */
  readonly removeParent?: string;
  /** Whether it stays when the others go: the Node. */
  readonly stays?: boolean;
  /** Frames that its operations take, where that is not one each. */
  readonly frames?: {
    readonly create?: number;
    readonly update?: number;
    readonly read?: number;
    readonly delete?: number;
  };
}

/** The inputs as checked, with what the contract adds. */
export type CheckedInputs = NodeInputs & Readonly<Record<string, unknown>>;

/** A secret that must show nowhere but on the node. */
export const canary = "canary-7f4e1c";
