import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import type { Field } from "../../provider/kubernetes/field";
import { POD, supportRows } from "../../provider/kubernetes/support";

/** A member of an interface: how its type reads without packages and namespaces, and its documentation. */
interface Member {
  readonly type: string;
  readonly optional: boolean;
  readonly doc: string;
}
type Interfaces = Map<string, Map<string, Member>>;

/** The interfaces of some files; of nested namespaces only `core.v1` and `meta.v1`, which share no name. */
function interfacesOf(files: readonly string[]): Interfaces {
  const found: Interfaces = new Map();
  const visit = (node: ts.Node, namespace: string): void => {
    if (ts.isModuleDeclaration(node)) {
      const name = namespace === "" ? node.name.text : `${namespace}.${node.name.text}`;
      if (["core", "meta", "core.v1", "meta.v1"].includes(name) && node.body) visit(node.body, name);
      return;
    }
    if (!ts.isInterfaceDeclaration(node)) {
      ts.forEachChild(node, (child) => visit(child, namespace));
      return;
    }
    if (namespace !== "" && !namespace.endsWith(".v1")) return;
    const members = new Map<string, Member>();
    for (const base of node.heritageClauses?.flatMap((clause) => clause.types) ?? []) {
      for (const [name, member] of found.get(base.getText()) ?? []) members.set(name, member);
    }
    for (const member of node.members.filter(ts.isPropertySignature)) {
      const type = (member.type?.getText() ?? "").replaceAll(/\bpulumi\.|\binputs\.(?:core|meta)\.v1\./g, "");
      members.set(member.name.getText(), {
        type: type.replaceAll(/\{\s*\[key: string\]: Input<string>;\s*\}/g, "StringMap").replaceAll(/\s+/g, " "),
        optional: member.questionToken !== undefined,
        doc: ts
          .getJSDocCommentsAndTags(member)
          .map((doc) => doc.getText())
          .join(),
      });
    }
    found.set(node.name.text, members);
  };
  for (const file of files)
    visit(ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true), "");
  return found;
}

/** Every field path below an interface, each with its member. */
function pathsOf(interfaces: Interfaces, name: string, prefix: string): [string, Member][] {
  return [...(interfaces.get(name) ?? [])].flatMap(([field, member]) => {
    const path = `${prefix}.${field}`;
    const below = [...member.type.matchAll(/\w+/g)]
      .map(([word]) => word)
      .find((word) => interfaces.has(word) && word !== "StringMap");
    const list = /Input<\w+>\[\]/.test(member.type) ? "[]" : "";
    return [[path, member], ...(below ? pathsOf(interfaces, below, path + list) : [])];
  });
}

const folder = resolve(__dirname, "../../provider/kubernetes");
const paths = (interfaces: Interfaces) =>
  new Map([...pathsOf(interfaces, "ObjectMeta", "metadata"), ...pathsOf(interfaces, "PodSpec", "spec")]);

describe("the table of what is supported", () => {
  let theirs: Map<string, Member>;
  let ours: Map<string, Member>;
  const table = new Map(supportRows().map(({ path, field }): [string, Field] => [path, field]));

  beforeAll(() => {
    theirs = paths(interfacesOf([require.resolve("@pulumi/kubernetes/types/input.d.ts")]));
    const files = ["action", "container", "scheduling", "storage", "volume"].map(
      (name) => `${folder}/${name}-types.ts`,
    );
    ours = paths(interfacesOf([...files, `${folder}/types.ts`]));
  });

  it("lists every field that @pulumi/kubernetes has, and no other", () => {
    expect(theirs.size).toBeGreaterThan(1000);
    const own = ["apiVersion", "kind", "metadata", "spec", "status"];
    expect([...table.keys()].filter((path) => !own.includes(path)).sort()).toEqual([...theirs.keys()].sort());
  });

  it("says string, list, map and object where the types do", () => {
    for (const [path, { kind, list, required, supported }] of table) {
      const member = theirs.get(path);
      if (!member) continue;
      const type = member.type;
      expect([path, list === true]).toEqual([path, type.includes("[]")]);
      expect([path, kind === "map" || kind === "quantities"]).toEqual([path, type.includes("StringMap")]);
      if (supported && required && !/^spec\.(c|initC)ontainers\[\]\.image$/.test(path))
        expect([path, member.optional]).toEqual([path, false]);
      const word = { string: "string", integer: "number", boolean: "boolean" }[kind as "string"];
      if (word !== undefined) expect(type).toContain(word);
    }
  });

  it("matches our own types, field by field and word by word", () => {
    const words = (map: Map<string, Member>) =>
      Object.fromEntries([...map].map(([path, { type, optional }]) => [path, optional ? `? ${type}` : type]));
    const known = words(theirs);
    // `any` is not ours to use; unknown is assignable both ways at this place.
    for (const path of Object.keys(known)) if (path.endsWith(".fieldsV1")) known[path] = "? unknown";
    expect(words(ours)).toEqual(known);
  });

  it("is what the documentation of the types says", () => {
    for (const [path, { supported, text }] of table) {
      const parent = table.get(path.replace(/(\[\])?\.\w+$/, ""));
      const doc = ours.get(path)?.doc.replaceAll(/\s*\n\s*\*?\s*/g, " ");
      // Below a refused field the types are shared with other places, or not documented one by one.
      if (doc === undefined || !parent?.supported) continue;
      expect([path, doc.includes("Refused")]).toEqual([path, !supported]);
      expect(doc).toContain(text);
    }
  });
});

it("docs/pod-spec.md and docs/podman.md are what the tables give (node tools/generate-docs.mjs)", async () => {
  const generator: Record<"renderPodSpec" | "renderPodman", (fields: unknown) => string> = await import(
    `${resolve(__dirname, "../../tools")}/generate-docs.mjs`
  );
  const page = (name: string) => readFileSync(resolve(__dirname, "../../docs", name), "utf8");
  expect(page("pod-spec.md")).toBe(generator.renderPodSpec(POD));
  expect(page("podman.md")).toBe(generator.renderPodman(POD));
});
