import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readDocuments, type TextProblem } from "../../provider/yaml/documents";
import { placeOf } from "../../provider/yaml/place";

function read(text: string) {
  const problems: TextProblem[] = [];
  const documents = readDocuments(text, problems);
  return {
    documents,
    problems: problems.map(({ line, column, path, reason }) => `${line}:${column} ${path}: ${reason}`),
  };
}
const valuesOf = (text: string) => {
  const { documents, problems } = read(text);
  expect(problems).toEqual([]);
  return documents.map(({ value }) => value);
};

describe("documents", () => {
  test.each<[string, string, unknown[]]>([
    ["none", "", []],
    ["comments only", "# nothing\n---\n# here\n", []],
    ["several, counted with the empty ones", "---\na: 1\n---\n---\nb: 2\n...\n", [{ a: 1 }, { b: 2 }]],
    ["JSON with tabs", '{\n\t"a": [1,\n\t\ttrue, null]\n}', [{ a: [1, true, null] }]],
    [
      "KYAML",
      '---\n{\n  a: "no", # why\n  b: [{\n    c: "\\\n       one\\n\\\n       two\\n\\\n      ",\n  }],\n}\n',
      [{ a: "no", b: [{ c: "one\ntwo\n" }] }],
    ],
    ["a byte order mark and CRLF", "\ufeffa: x\r\nb: |\r\n  one\r\n  two\r\n", [{ a: "x", b: "one\ntwo\n" }]],
    [
      "unquoted words as Kubernetes reads them",
      "a: yes\nb: 0644\nc: 12:30\nd: 'yes'\ne:\n",
      [{ a: true, b: 420, c: "12:30", d: "yes", e: null }],
    ],
    [
      "tags",
      "a: !!str 5\nb: !!int '5'\nc: !!bool yes\nd: !!float 1\ne: !!map {}\nf: !!null ''\n",
      [{ a: "5", b: 5, c: true, d: 1, e: {}, f: null }],
    ],
    ["keys that are not text", "1: a\ntrue: b\n0x10: c\n", [{ 1: "a", true: "b", 16: "c" }]],
    ["anchors", "a: &x [1, &y two]\nb: *x\nc: *y\n", [{ a: [1, "two"], b: [1, "two"], c: "two" }]],
    ["an anchor that is given again", "a: &x 1\nb: *x\nc: &x 2\nd: *x\n", [{ a: 1, b: 1, c: 2, d: 2 }]],
    [
      "merges",
      "a: &a {k: 1, l: 2}\nb: &b {l: 3, m: 4}\nc:\n  l: 0\n  <<: [*a, *b]\nd:\n  <<: *b\n  <<: *a\n",
      [{ a: { k: 1, l: 2 }, b: { l: 3, m: 4 }, c: { l: 0, k: 1, m: 4 }, d: { l: 3, m: 4, k: 1 } }],
    ],
    ["a quoted <<", "'<<': 1\n", [{ "<<": 1 }]],
  ])("are read: %s", (_, text, values) => {
    expect(valuesOf(text)).toEqual(values);
  });

  test("are counted from 1", () => {
    expect(read("---\n---\na: 1\n---\nb: 1").documents.map(({ index }) => index)).toEqual([2, 3]);
  });

  test("keep a key that is called __proto__", () => {
    const [value] = valuesOf("__proto__: {polluted: true}\n");
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("share nothing between an anchor and its aliases", () => {
    const [value] = valuesOf("a: &x {k: 1}\nb: *x\n") as [{ a: object; b: object }];
    expect(value.a).not.toBe(value.b);
  });

  test.each<[string, string, string[]]>([
    ["a tab", "a:\n\tb: 1\n", ["2:1 : is not valid YAML: Tabs are not allowed as indentation"]],
    ["no end of a quote", 'a: "secret\n', ["2:1 : is not valid YAML: Missing closing quote"]],
    ["a key given twice", "a: 1\nb:\n  c: 1\n  'c': 2\n", ["4:3 b.c: is given twice: it stands in line 3 already"]],
    ["a key given twice in two ways", "true: 1\nyes: 2\n", ["2:1 true: is given twice: it stands in line 1 already"]],
    ["an unknown tag", "a: !secret x\n", ["1:1 a: the tag !secret is not supported"]],
    ["a tag that does not fit", "a: !!int x\n", ["1:1 a: is not what its tag !!int says"]],
    ["binary", "a: !!binary aGk=\n", ["1:1 a: the tag !!binary is not supported"]],
    ["a set", "a: !!set {x}\n", ["1:1 a: the tag !!set is not supported"]],
    ["no anchor", "a: *x\n", ["1:4 a: there is no anchor &x before this alias"]],
    ["an endless alias", "a: &x [*x]\n", ["1:8 a[0]: is an alias for what it stands in"]],
    [
      "an endless merge",
      "a: &x\n  <<: *x\n",
      ['2:7 a["<<"]: is an alias for what it stands in', '2:3 a["<<"]: must be an object, or a list of objects'],
    ],
    ["a merge of text", "a:\n  <<: text\n", ['2:3 a["<<"]: must be an object, or a list of objects']],
    ["a key that is a list", "? [a]\n: 1\n", ["1:3 : has a key that is not a word"]],
    ["a key that is empty", "~: 1\n", ["1:1 : has an empty key"]],
    ["nested too deeply in brackets", `a: ${"[".repeat(20_000)}`, ["1:1 : is nested too deeply"]],
    ["nested too deeply in dashes", "- ".repeat(20_000), ["1:1 : is nested too deeply"]],
    [
      "nested too deeply in lines",
      Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
      ["1:1 : is nested too deeply"],
    ],
  ])("are refused with line and column: %s", (_, text, expected) => {
    const { documents, problems } = read(text);
    expect(documents).toEqual([]);
    expect(problems.map((problem) => problem.replace(/^\d+:\d+ .*: is nested/, "1:1 : is nested"))).toEqual(expected);
  });

  test("quotes nothing of the text in what is wrong with it", () => {
    for (const text of [
      '{"a": "hunter2" "b": 1}',
      "hunter2: a\n hunter2: b\nhunter2",
      "] hunter2",
      "a: | hunter2\n",
      "a: [hunter2",
    ]) {
      const { problems } = read(text);
      expect(problems).not.toEqual([]);
      expect(problems.join()).not.toContain("hunter2");
    }
  });

  test("refuses aliases that would fill the memory", () => {
    const laughs = [
      "a0: &a0 [x]",
      ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]`),
    ];
    const { documents, problems } = read(`${laughs.join("\n")}\n---\nb: 1\n`);
    expect(problems).toEqual(["1:1 : its aliases must stand for at most 10000 values in all"]);
    expect(documents.map(({ value }) => value)).toEqual([{ b: 1 }]);
  });
});

test("finds where a field stands, or what should hold it", () => {
  const text = `# a pod
spec:
  containers:
    - name: a
      image: x
    -
      name: b
  labels: {"a.b/c": "x", d: y}
`;
  const [document] = read(text).documents;
  const at = (path: string) => {
    const { line, column } = placeOf(document?.place as never, path);
    return `${line}:${column}`;
  };
  expect(
    Object.fromEntries(
      [
        "",
        "spec",
        "spec.containers[0]",
        "spec.containers[0].image",
        "spec.containers[1].name",
        "spec.containers[1].image",
        "spec.containers[9]",
        'spec.labels["a.b/c"]',
        "spec.labels.d",
        "nothing.at[3].all",
      ].map((path) => [path, at(path)]),
    ),
  ).toEqual({
    "": "2:1",
    spec: "2:1",
    "spec.containers[0]": "4:7",
    "spec.containers[0].image": "5:7",
    "spec.containers[1].name": "7:7",
    "spec.containers[1].image": "7:7",
    "spec.containers[9]": "3:3",
    'spec.labels["a.b/c"]': "8:12",
    "spec.labels.d": "8:26",
    "nothing.at[3].all": "2:1",
  });
});

test("reads what JSON writes", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { minKeys: 1 }), (value) => {
      const text = JSON.stringify(value, undefined, "\t");
      // JSON itself reads a negative nothing back as one.
      expect(JSON.stringify(valuesOf(text))).toBe(JSON.stringify([JSON.parse(text)]));
    }),
  );
});

test("throws for no text at all", () => {
  const pieces = fc.constantFrom(
    ..."a b : - ? { } [ ] , # & * ! | > ' \" % @ ` ~ << 0 \t".split(" "),
    "\n",
    "\n  ",
    "---\n",
    "&a ",
    "*a",
    ": ",
    "- ",
    "!!int ",
    "\u0000",
    "\ufeff",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (all) => {
      const { problems } = read(all.join(""));
      for (const problem of problems) expect(problem).toMatch(/^[1-9]\d*:[1-9]\d* /);
    }),
    { numRuns: 2000 },
  );
});
