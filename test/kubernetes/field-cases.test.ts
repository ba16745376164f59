/** Each field that the table of support.ts calls supported has a case on a node: its effect, and what is without it. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { supportRows } from "../../provider/kubernetes/support";
import { givenFields } from "../programs/fields/case";
import { fieldCases } from "../programs/fields/cases";
import { elsewhere, neutral } from "../programs/fields/elsewhere";

/** The fields with values of their own, for example `spec.containers[].command[]`. */
const supported = supportRows()
  .filter(({ field }) => field.supported && field.fields === undefined)
  .map(({ path, field }) => path + (field.list ? "[]" : ""));
/** A sidecar is made as a container is, which test/components/pod.test.ts shows: cases are about containers. */
const ofContainers = (path: string) => path.replace("spec.initContainers[]", "spec.containers[]");

const cases = fieldCases({ host: "192.0.2.1", node: "/usr/bin/node" });
const looked = new Set(cases.flatMap(({ looks }) => looks.flatMap(({ fields }) => fields)));

describe("a case on a node", () => {
  it("is there for each supported field", () => {
    const shown = (path: string) => looked.has(path) || path in elsewhere || path in neutral;
    expect(supported.filter((path) => !shown(path) && !shown(ofContainers(path)))).toEqual([]);
  });

  it("is for a field that is supported, and each field is in one place", () => {
    const named = [...looked, ...Object.keys(elsewhere), ...Object.keys(neutral)];
    expect(named.filter((path) => !supported.includes(path))).toEqual([]);
    expect(named.filter((path, i) => named.indexOf(path) !== i)).toEqual([]);
  });

  it.each(cases)(
    "$name gives the fields that it shows, and its control does not",
    ({ metadata, spec, control, looks }) => {
      const [given, without] = [givenFields({ metadata: metadata ?? {}, spec }), givenFields({ spec: control })];
      for (const path of looks.flatMap(({ fields }) => fields)) {
        expect(given.get(path), path).toBeDefined();
        expect(without.get(path), path).not.toEqual(given.get(path));
      }
    },
  );

  it.each(cases)("$name shows another thing than its control, wherever it looks", ({ looks }) => {
    for (const { sees, without, inside, outside, fields } of looks) {
      expect(fields).not.toEqual([]);
      expect(typeof sees === "string" && typeof without === "string" ? sees !== without : true).toBe(true);
      if (typeof sees === "string" && typeof without !== "string") expect(sees).not.toMatch(without);
      if (typeof without === "string" && typeof sees !== "string") expect(without).not.toMatch(sees);
      expect([inside, outside].filter((line) => line !== undefined)).toHaveLength(1);
    }
  });

  const references = Object.entries(elsewhere).flatMap(([path, all]) => all.map((each) => ({ path, ...each })));
  it.each(references)("of $path is in $file", ({ path, file, title, words }) => {
    const text = readFileSync(resolve(__dirname, "..", file), "utf8");
    expect(text.includes(`test(${JSON.stringify(title)}, `)).toBe(true);
    const [name = ""] = /\w+(?=(\[\])?$)/.exec(path) ?? [];
    expect(text).toContain(words ?? name);
  });
});
