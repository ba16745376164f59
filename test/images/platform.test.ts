import { expect, test } from "vitest";
import { choose } from "../../provider/images/platform";

/** `os/architecture/variant`, the parts that are there. */
function entry(text: string) {
  const [os = "", architecture = "", variant = ""] = text.split("/");
  const annotations = text.includes("!") ? { "vnd.docker.reference.type": "attestation-manifest" } : {};
  return { digest: text, mediaType: "", os, architecture, variant: variant.replace("!", ""), annotations };
}

test.each([
  ["amd64", "linux/arm64 linux/amd64", "linux/amd64"],
  ["arm64", "linux/amd64 linux/arm64/v8", "linux/arm64/v8"],
  ["arm64", "linux/amd64 linux/arm64", "linux/arm64"],
  ["arm64/v8", "linux/arm64 linux/arm64/v8", "linux/arm64"],
  ["arm64/v8.1", "linux/arm64/v8 linux/arm64/v8.1 linux/arm64/v9", "linux/arm64/v8.1"],
  ["amd64", "linux/amd64/v3 linux/amd64", "linux/amd64"],
  ["amd64/v3", "linux/amd64 linux/amd64/v2 linux/amd64/v3 linux/amd64/v4", "linux/amd64/v3"],
  ["amd64", "linux/amd64/v3", undefined],
  ["amd64", "linux/amd64/odd", undefined],
  ["amd64", "windows/amd64 linux/386", undefined],
  ["amd64", "unknown/unknown linux/amd64", "linux/amd64"],
  ["amd64", "linux/amd64/! linux/amd64", "linux/amd64"],
  ["amd64", "// linux/amd64", "linux/amd64"],
  ["amd64", "//", "//"],
  ["amd64", "unknown/unknown", undefined],
])("a node of %s takes of %s: %s", (node, entries, expected) => {
  const [architecture = "", variant] = node.split("/");
  const platform = { architecture, ...(variant && { variant }) };
  expect(choose(entries.split(" ").map(entry), platform)?.digest).toBe(expected);
});
