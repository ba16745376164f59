/** The environment of a container: plain values, and those that are looked up. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";
import { envName } from "./names";
import {
  checkObjectName,
  type FieldRef,
  normalizeFieldRef,
  normalizeResourceRef,
  type ObjectKind,
  type ObjectRef,
  objectKey,
  type ResourceRef,
  type UsableFieldRef,
  type UsableResourceRef,
} from "./normalize-reference";
import { check } from "./rules";

/** A variable: its value, or where it is looked up; without a name all keys of an object, each behind `prefix`. */
export type NormalizedVariable =
  | { readonly name: string; readonly value: Input<string> }
  | { readonly name: string; readonly from: ObjectRef | FieldRef | ResourceRef }
  | { readonly prefix: string; readonly from: ObjectRef };

interface UsableKeyRef {
  name?: string;
  key?: string;
  optional?: boolean;
}

/** A container's environment as the walk leaves it. */
export interface UsableEnv {
  env?: (
    | {
        name?: string;
        value?: Input<string>;
        valueFrom?: {
          configMapKeyRef?: UsableKeyRef;
          secretKeyRef?: UsableKeyRef;
          fieldRef?: UsableFieldRef;
          resourceFieldRef?: UsableResourceRef;
        };
      }
    | undefined
  )[];
  envFrom?: (
    | {
        prefix?: string;
        configMapRef?: { name?: string; optional?: boolean };
        secretRef?: { name?: string; optional?: boolean };
      }
    | undefined
  )[];
}

/** All variables in the order in which they count: those of `envFrom` first, so that `env` wins. */
export function normalizeEnv({ env = [], envFrom = [] }: UsableEnv, path: string, problems: Problem[]) {
  return [
    ...envFrom.flatMap((one, i) => normalizeEnvFrom(one ?? {}, `${path}.envFrom[${i}]`, problems)),
    ...env.flatMap((one, i) => normalizeVariable(one ?? {}, `${path}.env[${i}]`, problems)),
  ];
}

/** Whether the value of a variable is known where the program runs. */
export function isPlain(
  variable: NormalizedVariable,
): variable is { readonly name: string; readonly value: Input<string> } {
  return "value" in variable;
}

type Usable<K extends "env" | "envFrom"> = NonNullable<NonNullable<UsableEnv[K]>[number]>;

function normalizeEnvFrom(source: Usable<"envFrom">, path: string, problems: Problem[]): NormalizedVariable[] {
  const { prefix = "", configMapRef, secretRef } = source;
  if (prefix !== "") check(envName, prefix, `${path}.prefix`, problems);
  const given = oneOf({ configMapRef, secretRef }, path, problems);
  if (given === undefined) return [];
  const object: ObjectKind = configMapRef === given.value ? "configmaps" : "secrets";
  const { name, optional = false } = given.value;
  const objectName = checkObjectName(name, `${path}.${given.key}.name`, problems);
  return [{ prefix, from: { object, objectName, optional } }];
}

function normalizeVariable(variable: Usable<"env">, path: string, problems: Problem[]): NormalizedVariable[] {
  const { name, value, valueFrom } = variable;
  if (name !== undefined) check(envName, name, `${path}.name`, problems);
  if (valueFrom === undefined) return name === undefined ? [] : [{ name, value: value ?? "" }];
  if (value !== undefined && value !== "")
    problems.push({ path: `${path}.valueFrom`, reason: "may not be specified when `value` is not empty" });
  const given = oneOf(valueFrom, `${path}.valueFrom`, problems);
  if (given === undefined || name === undefined) return [];
  const at = `${path}.valueFrom.${given.key}`;
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef } = valueFrom;
  if (fieldRef) return [{ name, from: normalizeFieldRef(fieldRef, "env", at, problems) }];
  if (resourceFieldRef) return [{ name, from: normalizeResourceRef(resourceFieldRef, at, problems) }];
  const ref = configMapKeyRef ?? secretKeyRef ?? {};
  const objectName = checkObjectName(ref.name, `${at}.name`, problems);
  if (ref.key !== undefined) check(objectKey, ref.key, `${at}.key`, problems);
  const object: ObjectKind = configMapKeyRef ? "configmaps" : "secrets";
  return [{ name, from: { object, objectName, key: ref.key ?? "", optional: ref.optional ?? false } }];
}

/** The one source that is given; anything else is a problem. */
export function oneOf<T extends object, K extends keyof T & string>(
  sources: T,
  path: string,
  problems: Problem[],
): { readonly key: K; readonly value: NonNullable<T[K]> } | undefined {
  const given = Object.entries(sources).filter(([, value]) => value !== undefined);
  if (given.length > 1) problems.push({ path, reason: `must have one of ${given.map(([key]) => key).join(" and ")}` });
  const [key, value] = given[0] ?? [];
  // One that is refused was given all the same, and has its own problem.
  if (key === undefined && !problems.some((problem) => problem.path.startsWith(`${path}.`)))
    problems.push({ path, reason: "must say where the value comes from" });
  return key === undefined ? undefined : { key: key as K, value: value as NonNullable<T[K]> };
}
