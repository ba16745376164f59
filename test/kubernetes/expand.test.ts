import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expand, expandContainer, expandStatic } from "../../provider/kubernetes/expand";
import { expansions, variables } from "./expansions";

const { env } = expandContainer({ command: [], args: [], env: variables });
const known = new Map(env.map(({ name, value }) => [name, value as string]));
const lookup = (name: string) => known.get(name);

describe("expand", () => {
  it.each(expansions)("%j becomes %j", (text, expected) => expect(expand(text, lookup)).toBe(expected));

  /** The rules said once more, letter by letter. */
  function slowly(text: string): string {
    if (text === "" || text === "$") return text;
    if (text.startsWith("$$")) return `$${slowly(text.slice(2))}`;
    const name = /^\$\(([^)]*)\)/.exec(text);
    if (name) return (lookup(name[1] ?? "") ?? name[0]) + slowly(text.slice(name[0].length));
    if (text.startsWith("$(")) return `$(${slowly(text.slice(2))}`;
    return text[0] + slowly(text.slice(1));
  }
  it("agrees with the rules said letter by letter", () => {
    const part = fc.constantFrom("$", "(", ")", "A", "B", "REF", "$(A)", "x", "$$");
    fc.assert(
      fc.property(fc.array(part), (parts) => void expect(expand(parts.join(""), lookup)).toBe(slowly(parts.join("")))),
      { numRuns: 2000 },
    );
  });
  it("leaves texts without $ alone, and undoes doubling", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(expand(text.replaceAll("$", ""), lookup)).toBe(text.replaceAll("$", ""));
        expect(expand(text.replaceAll("$", "$$$$"), lookup)).toBe(text);
      }),
    );
  });
});

describe("expandContainer", () => {
  it("shows a variable only those before it", () => {
    const env = [
      { name: "A", value: "$(B)" },
      { name: "B", value: "b" },
      { name: "C", value: "$(A)$(B)" },
    ];
    expect(expandContainer({ command: ["$(C)"], args: ["$(D)"], env })).toEqual({
      command: ["$(B)b"],
      args: ["$(D)"],
      env: [
        { name: "A", value: "$(B)" },
        { name: "B", value: "b" },
        { name: "C", value: "$(B)b" },
      ],
    });
  });

  it("lets the later of two of a name count, built from the earlier", () => {
    const env = [
      { name: "PATH", value: "/bin" },
      { name: "X", value: "$(PATH)" },
      { name: "PATH", value: "/opt:$(PATH)" },
    ];
    expect(expandContainer({ command: [], args: ["$(PATH)"], env })).toEqual({
      command: [],
      args: ["/opt:/bin"],
      env: [
        { name: "PATH", value: "/opt:/bin" },
        { name: "X", value: "/bin" },
      ],
    });
  });

  it("waits for several Outputs and promises, and keeps their secrets", async () => {
    const env = [
      { name: "A", value: Promise.resolve("1") },
      { name: "B", value: pulumi.output("$(A)2") },
      { name: "C", value: pulumi.secret("3") },
      { name: "D", value: "4" },
    ];
    const { args } = expandContainer({ command: [], args: ["$(A)$(B)$(C)$(D)", "$(A)$(D)", "$(D)"], env });
    const [all, some] = args.map((arg) => pulumi.output(arg));
    expect(await new Promise((resolve) => all?.apply(resolve))).toBe("11234");
    expect(await pulumi.isSecret(all as pulumi.Output<string>)).toBe(true);
    expect(await new Promise((resolve) => some?.apply(resolve))).toBe("14");
    expect(await pulumi.isSecret(some as pulumi.Output<string>)).toBe(false);
    expect(args[2]).toBe("4");
  });
});

describe("expandStatic", () => {
  it("knows the values as they are written, of which a later one of a name counts", () => {
    const env = [
      { name: "A", value: "1" },
      { name: "B", value: "$(A)" },
      { name: "A", value: "2" },
    ];
    expect(expandStatic(["$(A)", "$(B)", "$$(A)$(C)"], env)).toEqual(["2", "$(A)", "$(A)$(C)"]);
  });
});
