/** What `barepod convert` writes: the same values, in this repository's format. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { literal } from "../../cli/convert/literal";
import { convertFiles } from "../../cli/convert/program";

const root = join(__dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "barepod-convert-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function convert(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return convertFiles([join(folder, name)]).replaceAll(`${folder}/`, "");
}

/** Everything that could be printed badly. */
const hard = `# leading
apiVersion: v1
kind: Pod # of whales
# about metadata
metadata:
  name: hard
  namespace: shop
  creationTimestamp: null
  # both
  labels: # behind labels
    app.kubernetes.io/name: x
    plain: "y" # trailing y
    "1": one
  annotations: {note: 'say "hi"', both: "it's \\"x\\"", tab: "a\\tb", cr: "a\\r\\nb\\r\\nc"}
  # the end of metadata
spec:
  volumes:
    - name: a
      emptyDir: {}
    # second
    - name: b
      hostPath: {path: /srv}
  containers:
    - name: main
      image: host:sleep,bash,cat,ls,true,false,echo,printf,test,expr,date,env,id,ip,ps,kill,mount,umount,grep,sed,awk,tr
      command:
        - bash
        - -c
        - |
          # \`not\` a comment \${x} $y \\ back
          echo one

          echo two
      env: &env
        - name: A
          value: "1"
        - {name: B, value: ""}
      resources: {limits: {cpu: 0.5, memory: 1e8}, requests: {cpu: 2.5e-1}}
      volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, readOnly: true}]
      securityContext: {capabilities: {drop: [ALL], add: [NET_ADMIN, NET_RAW]}, runAsUser: 01750}
    - {name: second, image: "host:sleep", command: [sleep, "1"], env: *env}
# the very end
---
{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "listed"}, "spec": {"containers": [{"name": "a", "image": "host:true", "command": ["true"]}]}, "status": {}}]}
`;

test("prints one Pod for each manifest, with its comments", () => {
  expect(convert("hard.yaml", hard)).toMatchInlineSnapshot(`
    "// Converted from hard.yaml by \`barepod convert\`.
    import * as pulumi from "@pulumi/pulumi";
    import { type ConnectionArgs, Node, Pod } from "barepod";

    // Which machine: pulumi config set --path node.host 192.0.2.10, and likewise node.user, node.privateKeyPath and so on.
    const node = new Node("node", { connection: new pulumi.Config().requireObject<ConnectionArgs>("node") });

    // leading
    // of whales
    new Pod("shop/hard", {
      on: node,
      // about metadata
      metadata: {
        name: "hard",
        namespace: "shop",
        // both
        // behind labels
        labels: {
          "1": "one",
          "app.kubernetes.io/name": "x",
          plain: "y", // trailing y
        },
        annotations: { note: 'say "hi"', both: 'it\\'s "x"', tab: "a\\tb", cr: "a\\r\\nb\\r\\nc" },
        // the end of metadata
      },
      spec: {
        volumes: [
          { name: "a", emptyDir: {} },
          // second
          { name: "b", hostPath: { path: "/srv" } },
        ],
        containers: [
          {
            name: "main",
            image:
              "host:sleep,bash,cat,ls,true,false,echo,printf,test,expr,date,env,id,ip,ps,kill,mount,umount,grep,sed,awk,tr",
            command: [
              "bash",
              "-c",
              \`# \\\`not\\\` a comment \\\${x} $y \\\\ back
    echo one

    echo two
    \`,
            ],
            env: [
              { name: "A", value: "1" },
              { name: "B", value: "" },
            ],
            resources: { limits: { cpu: "0.5", memory: "100000000" }, requests: { cpu: "0.25" } },
            volumeMounts: [
              { name: "a", mountPath: "/a" },
              { name: "b", mountPath: "/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", readOnly: true },
            ],
            securityContext: {
              capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] },
              runAsUser: 1000,
            },
          },
          {
            name: "second",
            image: "host:sleep",
            command: ["sleep", "1"],
            env: [
              { name: "A", value: "1" },
              { name: "B", value: "" },
            ],
          },
        ],
      },
      // the very end
    });

    new Pod("listed", {
      on: node,
      metadata: { name: "listed" },
      spec: {
        containers: [{ name: "a", image: "host:true", command: ["true"] }],
      },
    });
    "
  `);
});

test("prints what the formatter would print", () => {
  const program = convert("hard.yaml", hard);
  const biome = join(root, "node_modules", "@biomejs", "biome", "bin", "biome");
  const formatted = execFileSync(process.execPath, [biome, "format", "--stdin-file-path=program.ts"], {
    cwd: root,
    input: program,
    encoding: "utf8",
  });
  expect(program).toBe(formatted);
});

test("loses nothing of any value", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .array(fc.constantFrom("a", "\n", "`", "${", "\\", "'", '"', "\u2028", "\r", "\0", "$"), { maxLength: 12 })
      .map((all) => all.join("")),
  );
  const keys = fc.oneof(texts, fc.constantFrom("__proto__", "constructor", "a", "1", "a-b"));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      texts,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.array(tie("tree")),
      fc.array(fc.tuple(keys, tie("tree"))).map((entries) => objectOf(entries)),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const read = new Function(`return (${literal({ value }, "")});`)();
      // JavaScript has no text for a negative nothing.
      expect(JSON.stringify(read)).toBe(JSON.stringify(value));
    }),
    { numRuns: 300 },
  );
});

function objectOf(entries: [string, unknown][]): object {
  const object = {};
  for (const [key, value] of entries)
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  return object;
}

test("refuses what a ConfigFile refuses, and prints nothing of it", () => {
  expect(() => convert("bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {kontainers: []}\n")).toThrow(
    /^2 problems:\n {2}.*bad\.yaml:4:1: spec\.containers: is required\n {2}.*bad\.yaml:4:8: spec\.kontainers: no such field; did you mean containers\?$/,
  );
});
