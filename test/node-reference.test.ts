import * as pulumi from "@pulumi/pulumi";
import { expect, it } from "vitest";
import { withoutDependencies } from "../provider/resource";

interface Parts<T> {
  promise(unknowns: true): Promise<T>;
  readonly isKnown: Promise<boolean>;
  allResources(): Promise<Set<pulumi.Resource>>;
}
type Made = new (
  resources: Set<pulumi.Resource>,
  value: Promise<unknown>,
  isKnown: Promise<boolean>,
  isSecret: Promise<boolean>,
  all: Promise<Set<pulumi.Resource>>,
) => pulumi.Output<unknown>;

const machine = { urn: pulumi.output("urn:machine"), __pulumiResource: true } as unknown as pulumi.Resource;

function output(value: unknown, isKnown: boolean, isSecret: boolean): pulumi.Output<unknown> {
  const from = new Set([machine]);
  const Output = pulumi.Output as unknown as Made;
  return new Output(
    from,
    Promise.resolve(value),
    Promise.resolve(isKnown),
    Promise.resolve(isSecret),
    Promise.resolve(from),
  );
}

it.each([
  { title: "a known value", value: { host: "192.0.2.10" }, known: true, secret: false },
  { title: "a secret", value: { password: "canary" }, known: true, secret: true },
  { title: "what is not known yet", value: undefined, known: false, secret: false },
  { title: "a secret that is not known yet", value: undefined, known: false, secret: true },
  { title: "what is known in part", value: { host: pulumi.unknown, port: 22 }, known: false, secret: true },
])("takes nothing from $title but its dependencies", async ({ value, known, secret }) => {
  const given = output(value, known, secret);
  expect((await (given as unknown as Parts<unknown>).allResources()).size).toBe(1);
  const bare = withoutDependencies(given);
  const { promise, isKnown, allResources } = bare as unknown as Parts<unknown>;
  expect(await isKnown).toBe(known);
  expect(await pulumi.isSecret(bare)).toBe(secret);
  expect((await allResources()).size).toBe(0);
  if (known) expect(await promise(true)).toEqual(value);
});
