import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { judge } from "./compare";
import { type Difference, differences } from "./differences";

test("the page is what the table gives", async () => {
  const generator: { renderDifferences(table: unknown): string } = await import(
    resolve(__dirname, "../../tools/generate-docs.mjs")
  );
  expect(readFileSync(resolve(__dirname, "../../docs/differences-from-runc.md"), "utf8")).toBe(
    generator.renderDifferences(differences),
  );
});

const facts = (more: Record<string, string>) => new Map(Object.entries({ same: "a", ...more }));
const table: Difference[] = [
  { title: "t", facts: ["one *"], runc: "1", barepod: "absent", variants: ["a"], reason: "r" },
  { title: "t", facts: ["two", "three"], runc: "*", barepod: "x*", reason: "r" },
];
const all = { a: { runc: facts({ "one (1)": "1", two: "", three: "y" }), barepod: facts({ two: "x", three: "xx" }) } };

test("a difference that nobody explains is found, and so is an explanation of nothing", () => {
  expect(judge(all, table)).toEqual({ unexplained: [], stale: [] });
  expect(judge({ ...all, b: all.a }, table).unexplained).toEqual(["b: one (1): runc 1, Barepod absent"]);
  expect(judge({ a: { ...all.a, barepod: facts({ two: "z", three: "x" }) } }, table)).toEqual({
    unexplained: ["a: two: runc , Barepod z"],
    stale: ["two"],
  });
  expect(judge({ a: { runc: facts({}), barepod: facts({}) } }, table).stale).toEqual(["one *", "two", "three"]);
});
