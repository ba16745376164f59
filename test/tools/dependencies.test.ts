import { expect, test } from "vitest";
// @ts-expect-error The set-up scripts are plain JavaScript: they run before anything is installed.
import { isInstalled } from "../../tools/lib/dependencies.mjs";

const wanted = {
  "": { version: "0.1.0" },
  "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
  "node_modules/b-darwin": { version: "1.0.0", integrity: "sha512-b", optional: true },
  "node_modules/linked": { resolved: "examples/linked", link: true },
};
const { "": _, "node_modules/b-darwin": __, ...installed } = wanted;

test("what is installed equals the lock file, but for the root and other platforms' packages", () => {
  expect(isInstalled(wanted, installed)).toBe(true);
});

test.each([
  ["a package is absent", { ...installed, "node_modules/a": undefined }],
  ["its version differs", { ...installed, "node_modules/a": { version: "1.0.1", integrity: "sha512-a" } }],
  ["its content differs", { ...installed, "node_modules/a": { version: "1.0.0", integrity: "sha512-c" } }],
])("not when %s", (_, found) => {
  expect(isInstalled(wanted, found)).toBe(false);
});
