import type { types } from "@pulumi/kubernetes";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { InputError } from "../../provider/errors";
import type { Fields } from "../../provider/kubernetes/field";
import { type NormalizedContainer, normalizePod, PodInputError } from "../../provider/kubernetes/normalize";
import { POD } from "../../provider/kubernetes/support";
import { podSpec } from "./specs";

// Thousands of pods, on machines that have other things to do.
vi.setConfig({ testTimeout: 120_000 });

/** Normalises or throws an InputError; anything else fails the property. */
function tryToNormalize(name: string, args: unknown): boolean {
  try {
    normalizePod(name, args);
    return true;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.reason).not.toBe("");
    return false;
  }
}

const junk = fc.anything({
  withDate: true,
  withMap: true,
  withBigInt: true,
  withNullPrototype: true,
  withSparseArray: true,
});

/** Objects with the right field names and, mostly, values of the right form. */
function shaped(fields: Fields): fc.Arbitrary<unknown> {
  const values = Object.entries(fields)
    .filter(([, field]) => field.supported)
    .map(([name, field]): [string, fc.Arbitrary<unknown>] => {
      const one =
        field.kind === "object"
          ? shaped(field.fields ?? {})
          : field.kind === "map" || field.kind === "quantities"
            ? fc.dictionary(fc.constantFrom("cpu", "memory", "a", "b/c"), fc.constantFrom("1", "2Gi", "x y", 3), {
                maxKeys: 3,
              })
            : field.kind === "integer"
              ? fc.constantFrom(0, 1, 80, -1, 70000, 2 ** 40)
              : field.kind === "boolean"
                ? fc.boolean()
                : fc.constantFrom(
                    ...(field.values ?? []),
                    "a",
                    "b",
                    "/srv",
                    "host:sh",
                    "$(a)",
                    "$$(a)$(",
                    "NET_ADMIN",
                    "",
                  );
      const whole = field.list ? fc.array(one, { maxLength: 3 }) : one;
      return [name, fc.oneof({ weight: 40, arbitrary: whole }, { weight: 1, arbitrary: junk })];
    });
  return fc.record(Object.fromEntries(values), {
    requiredKeys: Object.keys(fields).filter((name) => fields[name]?.required),
  });
}

it("takes any value, or refuses it as the user's mistake", () => {
  fc.assert(
    fc.property(fc.string(), junk, (name, args) => void tryToNormalize(name, args)),
    { numRuns: 500 },
  );
});

it("takes any JSON below spec, or refuses it as the user's mistake", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (spec) => void tryToNormalize("a", { spec })),
    { numRuns: 500 },
  );
});

it("takes anything that is shaped like a pod, or refuses it as the user's mistake", () => {
  fc.assert(
    fc.property(shaped(POD), (args) => void tryToNormalize("web", args)),
    { numRuns: 1000 },
  );
});

const metadata = fc.record({ labels: fc.record({ a: fc.constant("1") }, { requiredKeys: [] }) });

it("takes every pod that keeps the rules, loses nothing of it, and leaves it as it is", () => {
  fc.assert(
    fc.property(metadata, podSpec, (meta, spec) => {
      const args = { metadata: meta, spec };
      const before = structuredClone(args);
      const normalized = normalizePod("web", args);
      expect(normalizePod("web", args)).toEqual(normalized);
      expect(args).toEqual(before);
      const names = (list: unknown) => ((list ?? []) as { name: string }[]).map((each) => each.name);
      expect(names(normalized.volumes)).toEqual(names(spec.volumes));
      expect(names(normalized.initContainers)).toEqual(names(spec.initContainers));
      expect(names(normalized.containers)).toEqual(names(spec.containers));
      (spec.containers as types.input.core.v1.Container[]).forEach((given, i) => {
        const { command, args: more, env, variables, mounts, ports } = normalized.containers[i] as NormalizedContainer;
        expect([...command, ...more]).toHaveLength([given.command ?? [], given.args ?? []].flat().length);
        const variableNames = new Set((variables ?? env).flatMap((each) => ("name" in each ? [each.name] : [])));
        expect(variableNames).toEqual(new Set(names(given.env)));
        expect(mounts).toHaveLength(names(given.volumeMounts).length);
        expect(names(ports)).toEqual(names(given.ports));
      });
    }),
    { numRuns: 150 },
  );
});

it("makes of a sidecar what it makes of a container", () => {
  fc.assert(
    fc.property(podSpec, (spec) => {
      const [first] = spec.containers as types.input.core.v1.Container[];
      const initContainers = [{ ...first, name: "twin", restartPolicy: "Always" }];
      const { containers, initContainers: made } = normalizePod("web", {
        // On the node's network two containers cannot have one port.
        spec: { ...spec, hostNetwork: false, initContainers },
      });
      expect(made).toEqual([{ ...containers[0], name: "twin", kind: "sidecar" }]);
    }),
    { numRuns: 150 },
  );
});

/** Every place in a value, as a list of keys. */
function places(value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? value.map((_, i) => i) : Object.keys(value);
  return [path, ...keys.flatMap((key) => places((value as Record<string | number, unknown>)[key], [...path, key]))];
}

/** A copy with something else in one place. */
function changed(value: unknown, [key, ...below]: readonly (string | number)[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[key] = changed(copy[key], below, by);
  return copy;
}

/** Whether a path of a message leads somewhere in a value; one that says that a field is missing, to what lacks it. */
function leadsSomewhere(value: unknown, path: string): boolean {
  const steps = path.match(/\["(?:[^"\\]|\\.)*"\]|\[\d+\]|[^.[\]]+/g) ?? [];
  let at: unknown = value;
  for (const [i, step] of steps.entries()) {
    const key = step.startsWith("[") ? JSON.parse(step.slice(1, -1)) : step;
    if (typeof at !== "object" || at === null) return false;
    if (!(key in at)) return i === steps.length - 1;
    at = (at as Record<string, unknown>)[key];
  }
  return true;
}

const other = fc.oneof(
  junk,
  fc.constantFrom(
    null,
    "",
    "x",
    "/",
    "..",
    "a b",
    "$(A)",
    -1,
    0,
    1.5,
    2 ** 31,
    2 ** 53,
    true,
    [],
    [null],
    {},
    { name: "x" },
  ),
);

it("refuses what breaks the rules by a path that is there, or one step beyond, and leaves it as it is", () => {
  let refused = 0;
  fc.assert(
    fc.property(
      podSpec,
      fc.nat(),
      other,
      fc.stringMatching(/^[a-z]{3,9}$/),
      fc.boolean(),
      (spec, where, by, key, adds) => {
        const at = places({ spec });
        const chosen = at[where % at.length] ?? [];
        // A field that is not known, or another value of one that is.
        const args = changed({ spec }, adds ? [...chosen, key] : chosen, by) as object;
        try {
          normalizePod("web", args);
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          const problems =
            error instanceof PodInputError ? error.problems : [{ path: error.path, reason: error.reason }];
          refused++;
          for (const { path, reason } of problems) {
            expect(reason).not.toBe("");
            if (path !== "metadata.name") expect([path, leadsSomewhere(args, path)]).toEqual([path, true]);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
  expect(refused).toBeGreaterThan(50);
});
