/** Telling plain values from those that Pulumi delivers later, without loading Pulumi's runtime. */
import type { OutputInstance } from "@pulumi/pulumi";

/** Whether it is an Output. The mark is the one that `Output.isInstance` looks for. */
export function isOutput<T = unknown>(value: unknown): value is OutputInstance<T> {
  return typeof value === "object" && value !== null && "__pulumiOutput" in value && value.__pulumiOutput === true;
}

/** Whether it is an Output or a promise: a value that is not there yet. */
export function isEventual(value: unknown): boolean {
  if (isOutput(value)) return true;
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Whether it is an object as a literal or a parser makes it; not an array, a Map, a Date or a value that comes later. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || isEventual(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
