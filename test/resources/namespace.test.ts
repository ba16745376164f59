import { describe, expect, test } from "vitest";
import type { Command } from "../../provider/command/command";
import type { NamespaceState } from "../../provider/facts/namespace";
import { launcherPath } from "../../provider/node-programs";
import { checkInputs, replacements } from "../../provider/resource";
import { type NamespaceInputs, namespaceSpec } from "../../provider/resources/namespace";

const path = "/run/barepod/namespaces/box";
const inputs: NamespaceInputs = {
  node: "edge-1",
  connection: { host: "192.0.2.1" },
  owner: "nonce/urn",
  name: "box",
  path,
  types: ["net", "uts", "ipc"],
  hostname: "box",
};
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const shown = (commands: Command[]) =>
  commands.map((command) => (command.kind === "raw" ? [command.label, ...command.words] : command));

describe("the plan", () => {
  test.each<[string, Partial<NamespaceInputs>, NamespaceState | undefined, unknown[]]>([
    ["absent", {}, undefined, [["make the namespaces", path, "net uts ipc", "box", ""]]],
    [
      "with a PID namespace",
      { types: ["pid"] },
      undefined,
      [["make the namespaces", path, "pid", "box", launcherPath()]],
    ],
    ["as wanted", {}, { types: ["ipc", "uts", "net"], hostname: "box" }, []],
    ["the host name", {}, { types: ["net", "uts", "ipc"], hostname: "other" }, [["set the host name", path, "box"]]],
    [
      "one is lost",
      {},
      { types: ["net", "ipc"] },
      [
        ["unpin the namespaces", path],
        ["make the namespaces", path, "net uts ipc", "box", ""],
      ],
    ],
  ])("%s", (_name, more, seen, commands) => {
    expect(shown(namespaceSpec.plan({ ...inputs, ...more }, seen))).toEqual(commands);
  });

  test("undo unpins what is there", () => {
    expect(shown(namespaceSpec.undo(inputs, { types: ["net"] }))).toEqual([["unpin the namespaces", path]]);
  });
});

test.each<[string, NamespaceState, Partial<NamespaceInputs>]>([
  ["nothing", { types: ["net", "uts", "ipc"], hostname: "box" }, {}],
  ["a lost pin", { types: ["net", "uts"], hostname: "box" }, { types: ["net", "uts"] }],
  ["another host name", { types: ["net", "uts", "ipc"], hostname: "other" }, { hostname: "other" }],
])("drift shows %s", (_name, seen, drift) => {
  expect(namespaceSpec.drift(inputs, seen)).toEqual(drift);
});

describe("a replacement", () => {
  test.each<[string, Partial<NamespaceInputs>, string[]]>([
    ["is not needed for another order of types", { types: ["ipc", "net", "uts"] }, []],
    ["is needed for other types", { types: ["net"] }, ["types"]],
    ["is needed for unknown types", { types: unknown as never }, ["types"]],
    ["is needed for another name", { name: "other" }, ["name"]],
    ["is not needed for another host name", { hostname: "other" }, []],
  ])("%s", (_name, news, replaces) => {
    expect(replacements(namespaceSpec, inputs, { ...inputs, ...news })).toEqual(replaces);
  });
});

describe("check", () => {
  const problems = (more: object) =>
    checkInputs(namespaceSpec, { ...inputs, ...more } as NamespaceInputs).map(
      ({ path, reason }) => `${path}: ${reason}`,
    );
  test.each([
    [{ types: [] }, "types: needs at least 1 elements"],
    [{ types: ["net", "net"], hostname: undefined }, "types: has the same type more than once"],
    [{ types: ["user"] }, "types[0]: must be one of net, uts, ipc, mnt, cgroup, pid"],
    [{ types: ["net"] }, "hostname: needs uts among the types"],
    [{ hostname: "a_b" }, "hostname: must be a host name"],
    [{ hostname: "-a" }, "hostname: must be a host name"],
    [{ hostname: "x".repeat(65) }, "hostname: is 65 bytes long"],
    [{ path: "/elsewhere" }, "path: follows from the name"],
    [{ name: "../box" }, "name: must be letters"],
  ])("refuses %j", (more, reason) => {
    expect(problems(more)).toEqual([expect.stringContaining(reason)]);
  });
  test("takes what is as it ought to be", () => {
    expect(problems({})).toEqual([]);
  });
});

test("a generated name is readable, safe, and one's own", () => {
  const generated = (urn: string) =>
    namespaceSpec.generate?.({ ...inputs, name: undefined as never, resourceUrn: urn })?.name ?? "";
  const names = ["web", "web/1", "---", "é", "x".repeat(500), ""].map((last) =>
    generated(`urn:pulumi:dev::p::T::${last}`),
  );
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
  expect(names[0]).toMatch(/^web-[0-9a-f]{8}$/);
  expect(generated("urn:pulumi:prod::p::T::web")).not.toBe(names[0]);
});
