/**
 * The resource contract, written once. A resource is a {@link Spec}: a pure value that says how to check inputs, how to
 * observe the object on the node, and which commands turn what is there into what is wanted. `handler.ts` runs it.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Command } from "./command/command";
import { anything, type Fields, isUnknown, object, optional, type Problem, parsed, required, text } from "./fields";
import type { Fact } from "./frame";
import { objectName } from "./naming";
import { ownerName } from "./owner";
import type { Progress } from "./progress";
import { secretPath } from "./secrets";
import { type Connection, checkConnection } from "./ssh/connection-args";
import type { Runner } from "./ssh/request";

/** What every resource on a node gets besides its own inputs. */
export interface NodeInputs {
  /** The node's key: part of every identity. */
  readonly node: string;
  /** How to reach it: never part of an identity. */
  readonly connection: unknown;
  /** Who owns the object: the Node's nonce, with the resource's first URN where that is not `resourceUrn`. Sticky. */
  readonly owner: string;
  /** The resource's URN, for progress messages and generated names. Pulumi drops inputs called `urn`, hence the name. */
  readonly resourceUrn?: string;
  /** Where the inputs hold secrets, such as `content` or `containers/0/env/PASSWORD`: they are masked in every message. */
  readonly secrets?: readonly string[];
  /** Takes over an object that somebody else made. */
  readonly adopt?: boolean;
}

/** A resource: everything about it but the running. */
export interface Spec<I extends NodeInputs, S> {
  /** The resource's name in the frozen entry and in state. */
  readonly type: string;
  /** Which inputs name the object on the node, besides `node`. Changing one replaces the resource. */
  readonly identity: readonly (keyof I & string)[];
  /** Other inputs that the kernel cannot change on a living object: changing one replaces the resource. */
  readonly immutable?: readonly (keyof I & string)[];
  /** Which further inputs need a replacement for this very change, where that depends on the values. Some may be unknown. */
  readonly cannotChange?: (olds: I, news: I) => readonly (keyof I & string)[];
  /** The inputs: what may stand in each. */
  readonly fields: Fields;
  /** Mistakes that concern more than one input. Called when all are known. */
  readonly check?: (inputs: I) => Problem[];
  /** A value per input that was not given (a generated name): known in previews, kept for ever after. */
  readonly generate?: (inputs: I, olds?: Partial<I>) => Partial<I>;
  /**
   * What has to be asked or brought before a plan can be made: a registry's answer, an image. Runs in create and update,
   * before the first frame and without the node's lock; never in a preview. What it adds to the inputs is for
   * {@link plan} and {@link boot} alone, and not kept. When it fails, nothing has come to be: it leaves nothing on the node
   * but what another try goes on with.
   */
  readonly prepare?: (inputs: I, on: Preparation) => Promise<I>;
  /** How to read what is there. */
  readonly observe: (inputs: I) => Fact<S>;
  /** The commands that turn what was seen into what is wanted; none when nothing is to do. */
  readonly plan: (inputs: I, seen: S | undefined) => Command[];
  /** The commands that remove it. Not called for what is gone. */
  readonly undo: (state: I, seen: S) => Command[];
  /** What is there cannot be the object, whatever the registry of owners says: a folder in a file's place. It is left alone. */
  readonly cannotBeOurs?: (seen: S) => boolean;
  /**
   * Removes what may be left beside the object (folders made on the way), after {@link undo}, and also when the object
   * was gone already or never came to be. Fine to run when nothing is left.
   */
  readonly cleanup?: (state: I) => Command[];
  /** Whether something else has taken its place: {@link undo} leaves that alone, and removes what was kept of the lost one. */
  readonly taken?: (seen: S) => boolean;
  /** The inputs that the node contradicts, with the values seen there; nothing when all is as wanted. */
  readonly drift: (inputs: I, seen: S) => Partial<I>;
  /** What else the user may want to see: computed outputs, never anybody's input. */
  readonly outputs?: (inputs: I, seen: S) => Record<string, unknown>;
  /** What the user should know but need not stop for: shown as warnings after create and update. */
  readonly warnings?: (inputs: I, seen: S) => string[];
  /** Waits after create and update: done, still waiting (with a status line), or failed. */
  readonly ready?: (inputs: I, seen: S | undefined) => Readiness;
  /** How long {@link ready} may take, in milliseconds: ten minutes by default, as in Pulumi's Kubernetes provider. */
  readonly readyTimeoutMs?: (inputs: I) => number;
  /** The entry in the boot journal; without one the object outlives a reboot by itself. */
  readonly boot?: {
    /** Sorts entries by kind, never by time: `40` or `40.003`. */
    readonly rank: (inputs: I) => string;
    /** What a boot has to do, if that is not the plan from nothing. */
    readonly commands?: (inputs: I) => Command[];
  };
  /** Several stacks may own it; the last one undoes it. */
  readonly shared?: boolean;
  /** Goes to the node even when nothing but the way there has changed: a wrong one shows at once. */
  readonly provesConnection?: boolean;
  /** Has this deadline, and runs outside the node's lock and outside batches: it takes long, or starts processes. */
  readonly slow?: (inputs: I) => Slowness | undefined;
  /** Its commands call the node's programs (launcher, keeper). */
  readonly needsPrograms?: (inputs: I) => boolean;
}

/** What {@link Spec.prepare} works with. */
export interface Preparation {
  /** The node's session, which counts what this operation asks; with {@link Spec.needsPrograms} this release's programs are there. */
  readonly session: Runner;
  readonly progress: Progress;
}

/** How long an operation may take, and what its status line says meanwhile. */
export interface Slowness {
  readonly deadlineMs: number;
  /** Takes the node's lock even so. */
  readonly locked?: boolean;
  /** While it is being made or changed. */
  readonly message?: string;
  /** While it is being removed. */
  readonly removing?: string;
}

/** Whether a resource that was made is also as wanted. */
export type Readiness =
  | { readonly kind: "ready" }
  | { readonly kind: "waiting"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };

/** Declares a resource. */
export function defineSpec<I extends NodeInputs, S>(spec: Spec<I, S>): Spec<I, S> {
  return spec;
}

/** The inputs that the contract adds to each resource's own. */
const nodeFields: Fields = {
  node: required(text({ max: 253 })),
  connection: required((value, path) =>
    containsUnknown(value) ? [] : parsed((given) => checkConnection(given as Connection))(value, path),
  ),
  owner: required(text({ max: 8192 })),
  resourceUrn: optional(text({ max: 8192 })),
  secrets: optional(anything()),
  adopt: optional(anything()),
  __provider: optional(anything()),
};

/** All mistakes in a resource's inputs. Pure and offline; values are never part of a reason. */
export function checkInputs<I extends NodeInputs, S>(spec: Spec<I, S>, inputs: I): Problem[] {
  const problems = object({ ...spec.fields, ...nodeFields })({ ...inputs, owner: ownerName(inputs) }, "");
  // What concerns several inputs waits until all of them are known; that is still before anything is touched.
  const { connection: _, ...own } = inputs as unknown as Record<string, unknown>;
  return problems.length > 0 || containsUnknown(own) ? problems : (spec.check?.(inputs) ?? []);
}

/** Which changed inputs ask for a replacement. An unknown identity counts as changed. */
export function replacements<I extends NodeInputs, S>(spec: Spec<I, S>, olds: I, news: I): string[] {
  const keys = ["node" as keyof I & string, ...spec.identity, ...(spec.immutable ?? [])];
  const named = keys.filter((key) => isUnknown(news[key]) || !equal(olds[key], news[key]));
  return named.length > 0 ? named : [...(spec.cannotChange?.(olds, news) ?? [])];
}

/** Whether anything in a value is not known in this preview. */
export function containsUnknown(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return isUnknown(value);
  return Object.values(value).some(containsUnknown);
}

/** Deep equality of plain JSON; a missing key equals an undefined one. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b || (a === null && b === undefined) || (a === undefined && b === null)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].every((key) => equal(left[key], right[key]));
}

/** The name of a resource's object in the registry of owners: readable, and safe as a file name. */
export function objectOf<I extends NodeInputs, S>(spec: Spec<I, S>, inputs: I): string {
  return objectName(
    spec.type,
    spec.identity.map((key) => String(inputs[key] ?? "")),
  );
}

/** How the registries of images are reached. */
export interface NodeRegistries {
  /**
   * Endpoints that are asked first, in order, by registry: `{ "docker.io": ["mirror.example", "http://10.0.0.5:5000"] }`.
   * A path becomes the beginning of the repository's name.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Registries, and mirrors without a scheme, that are spoken to without TLS: `registry.example:5000`. */
  readonly plainHttp?: readonly string[];
}

/** What a class passes on about the node that it is on. Of these, only the key brings the dependency on the Node along. */
export interface NodeReference {
  readonly key: pulumi.Output<string>;
  readonly connection: pulumi.Output<unknown>;
  readonly nonce: pulumi.Output<string>;
  /** How registries are reached; absent: as they are. */
  readonly registries?: pulumi.Output<NodeRegistries> | undefined;
  /** What the node is deleted with, a machine of the same program: what is on it then needs no deleting either. */
  readonly deletedWith: pulumi.Resource | undefined;
}

/** Anything that resources can be placed on. */
export interface Placement {
  /** @internal */
  readonly reference: NodeReference;
}

/** What every primitive takes. */
export interface PrimitiveArgs {
  /** The node to make it on. Changing this replaces the resource. */
  readonly node: Placement;
  /**
   * Takes over an object of this name that somebody else made, instead of refusing it. It is changed to what is declared
   * here, and deleted with the resource.
   * @defaultValue false
   */
  readonly adopt?: boolean | undefined;
}

/**
 * The base of every resource class: a custom resource whose provider is the constant text of the frozen entry, so that
 * no closure is ever serialised.
 */
export abstract class NodeResource extends pulumi.CustomResource {
  protected constructor(
    type: string,
    name: string,
    args: PrimitiveArgs & Record<string, unknown>,
    computed: readonly string[],
    options: pulumi.CustomResourceOptions = {},
  ) {
    const { node, ...own } = args;
    const reference = placed(type, name, node);
    const secrets = secretPaths(own);
    const properties = {
      ...own,
      node: reference.key,
      connection: reference.connection,
      owner: reference.nonce,
      resourceUrn: firstUrn(type, name, options.parent),
      ...(secrets === undefined ? {} : { secrets }),
      ...Object.fromEntries(computed.map((key) => [key, undefined])),
      __provider: providerText(type),
    };
    const all =
      reference.deletedWith === undefined || options.deletedWith !== undefined
        ? options
        : { ...options, deletedWith: reference.deletedWith };
    // For finding promises that are left over, Pulumi takes a stack for each property, four times: together they are half
    // of what a program of many resources takes.
    const { stackTraceLimit } = Error;
    if (process.env["PULUMI_DEBUG_PROMISE_LEAKS"] === undefined) Error.stackTraceLimit = 0;
    try {
      super(`pulumi-nodejs:dynamic/barepod:${type}`, name, properties, all);
    } catch (error) {
      Error.stackTraceLimit = stackTraceLimit;
      if (error instanceof Error) Error.captureStackTrace(error);
      throw error;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }
}

/** The provider's text in state: frozen for ever. */
export function providerText(type: string): string {
  return `exports.handler = () => require("barepod/provider").${type};`;
}

function placed(type: string, name: string, node: Placement | undefined): NodeReference {
  const reference = (node as Placement | undefined)?.reference;
  if (reference === undefined)
    throw new pulumi.RunError(
      `${type} "${name}": node: must be a Node, for example new Node("edge-1", { connection: … })`,
    );
  return reference;
}

/**
 * The URN that a resource is about to get. `createUrn` with the parent itself would wait for all of a component's
 * children, this one included; the promise of the parent's URN does not.
 */
export async function firstUrn(type: string, name: string, parent: pulumi.Resource | undefined): Promise<string> {
  return `${await urnPrefix(parent)}pulumi-nodejs:dynamic/barepod:${type}::${name}`;
}

const urnPrefixes = new WeakMap<pulumi.Resource, Promise<string>>();

/** What Pulumi puts before type and name: asked once for all children of a component. */
function urnPrefix(parent: pulumi.Resource | undefined): Promise<string> {
  const known = parent === undefined ? undefined : urnPrefixes.get(parent);
  if (known !== undefined) return known;
  const parentUrn = parent === undefined ? undefined : pulumi.output(promised(parent.urn));
  const prefix = promised(pulumi.createUrn("", "", parentUrn)).then((urn) => urn.slice(0, -"::".length));
  if (parent !== undefined) urnPrefixes.set(parent, prefix);
  return prefix;
}

/**
 * An Output without its dependencies, as unknown and as secret as it is. The order follows from one input that has them;
 * each further one repeats their URNs in state.
 */
export function withoutDependencies<T>(output: pulumi.Output<T>): pulumi.Output<T> {
  const { promise, isKnown } = output as unknown as { promise(unknowns: true): Promise<T>; isKnown: Promise<boolean> };
  const bare = Promise.all([promise(true), isKnown, pulumi.isSecret(output)]).then(([value, known, secret]) => {
    const found: unknown = known || pulumi.containsUnknowns(value) ? value : pulumi.unknown;
    return secret ? pulumi.secret(found) : found;
  });
  return pulumi.output(bare) as pulumi.Output<T>;
}

/** An Output's value without its dependencies: `promise` is public in Pulumi's JavaScript, and internal in its types. */
function promised<T>(output: pulumi.Output<T>): Promise<T> {
  return (output as unknown as { promise(): Promise<T> }).promise();
}

/** Where the inputs hold a secret: undefined when nowhere. */
function secretPaths(inputs: Record<string, unknown>): Promise<string[] | undefined> | undefined {
  const found = findSecrets(inputs, []);
  if (found.length === 0) return undefined;
  return Promise.all(found).then((paths) => (paths.flat().length === 0 ? undefined : paths.flat().sort()));
}

/** As deep as the structure is plain, so that one secret variable does not make all of a container one. */
function findSecrets(value: unknown, keys: readonly string[]): Promise<string[]>[] {
  if (typeof value !== "object" || value === null) return [];
  if (pulumi.Output.isInstance(value)) return [pulumi.isSecret(value).then((is) => (is ? [secretPath(keys)] : []))];
  if (value instanceof Promise)
    return [value.then(async (known) => (await Promise.all(findSecrets(known, keys))).flat())];
  if (pulumi.Resource.isInstance(value)) return [];
  return Object.entries(value).flatMap(([key, each]) => findSecrets(each, [...keys, key]));
}
