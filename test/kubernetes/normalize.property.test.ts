import fc from "fast-check";
import { expect, it } from "vitest";
import { InputError } from "../../provider/errors";
import type { Fields } from "../../provider/kubernetes/field";
import { normalizePod } from "../../provider/kubernetes/normalize";
import { POD } from "../../provider/kubernetes/support";

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

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?$/);
const text = fc.string().filter((value) => !value.includes("\0"));
const sound = fc.uniqueArray(name, { minLength: 1, maxLength: 3 }).chain((volumes) =>
  fc.record({
    volumes: fc.constant(volumes.map((volume) => ({ name: volume }))),
    containers: fc.uniqueArray(
      fc.record({
        name,
        image: fc.constantFrom("host:sh", "archive:/a.tar", "nginx", "oci:/a"),
        command: fc.array(text, { minLength: 1 }),
        env: fc.array(fc.record({ name: fc.stringMatching(/^[ -<>-~]{1,9}$/), value: text })),
        ports: fc.array(fc.record({ containerPort: fc.integer({ min: 1, max: 65535 }) })),
        volumeMounts: fc.uniqueArray(
          fc.record({ name: fc.constantFrom(...volumes), mountPath: name.map((part) => `/mnt/${part}`) }),
          { selector: (mount) => mount.mountPath },
        ),
      }),
      { minLength: 1, selector: (container) => container.name },
    ),
  }),
);

it("takes every pod that keeps the rules, and loses nothing of it", () => {
  fc.assert(
    fc.property(name, sound, (pod, spec) => {
      const normalized = normalizePod(pod, { spec });
      expect(normalized.volumes.map((volume) => volume.name)).toEqual(spec.volumes.map((volume) => volume.name));
      normalized.containers.forEach((container, i) => {
        const given = spec.containers[i];
        expect(container.command).toHaveLength(given?.command.length ?? -1);
        expect(container.mounts.map((mount) => mount.mountPath)).toEqual(given?.volumeMounts.map((m) => m.mountPath));
        expect(new Set(container.env.map((e) => e.name))).toEqual(new Set(given?.env.map((e) => e.name)));
        expect(container.env).toHaveLength(new Set(container.env.map((e) => e.name)).size);
      });
    }),
  );
});
