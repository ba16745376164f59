import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

const source = (file: string) => join(import.meta.dirname, "provider", file);
const needsNode = [
  "test/node/**/*.test.ts",
  "test/launcher/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/ssh/{dial,loss,login-shell,session}.test.ts",
];
// A machine with a kernel of its own takes minutes to make and to boot: only where it is asked for.
const withoutMachine = process.env["BAREPOD_VM"] === "1" ? [] : ["test/node/vm/**"];
const needsPulumi = ["test/programs/**/*.test.ts"];

/** The rungs, from the cheapest; each starts when the one before it has ended. */
export default defineConfig({
  resolve: {
    // What a user's program imports from the package is, in tests, the source.
    alias: [
      { find: /^barepod$/, replacement: source("index.ts") },
      { find: /^barepod\/provider$/, replacement: source("provider.ts") },
    ],
  },
  test: {
    // A program that has not reached its engine; test/harness/engine.ts asks again. Pulumi leaves one of its promises alone.
    onUnhandledError: ({ message = "", stack = "" }) =>
      !(message.includes("14 UNAVAILABLE: No connection established") && stack.includes("setRootResource")),
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...needsNode, ...needsPulumi],
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          // Root, and what a sandbox node needs.
          name: "node",
          include: needsNode,
          exclude: [...configDefaults.exclude, ...withoutMachine],
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          // The same, and the real Pulumi CLI.
          name: "programs",
          include: needsPulumi,
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
