import { expect, test } from "vitest";
import { unknownValue } from "../../provider/fields";
import { checkInputs } from "../../provider/resource";
import { fileSpec } from "../../provider/resources/file";

const base = { node: "edge-1", connection: "root@edge-1", owner: "nonce/urn", path: "/srv/f" };

test.each([
  ["both texts", { content: "a", contentBase64: "YQ==" }, "content"],
  ["none", {}, "content"],
  ["base64 that was cut off", { contentBase64: "aGVsbG8" + "gdGhlc" }, "contentBase64"],
  ["base64 with line breaks", { contentBase64: "aGVs\nbG8=" }, "contentBase64"],
])("refuses %s", (_name, inputs, path) => {
  expect(checkInputs(fileSpec, { ...base, ...inputs }).map((problem) => problem.path)).toEqual([path]);
});

test.each(["", "YQ==", "YQ", "YWI=", "YWJj", unknownValue])("takes base64: %j", (contentBase64) => {
  expect(checkInputs(fileSpec, { ...base, contentBase64 })).toEqual([]);
});
