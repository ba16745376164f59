/** The rules that hold the code together; see ARCHITECTURE.md. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { expect, it } from "vitest";

const root = join(__dirname, "..");

function filesBelow(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs|sh|c|h)$/.test(entry.name))
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  );
}

interface Import {
  readonly from: string;
  /** A file without its extension, or a package. */
  readonly of: string;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8");
  const statements = text.matchAll(/^(?:import|export)\s+(type\s+)?([^;"]*?from\s+)?"([^"]+)";/gm);
  return [...statements].map(([, type, names = "", of = ""]) => {
    const listed = /^\{([^}]*)\}/
      .exec(names.trim())?.[1]
      ?.split(",")
      .filter((name) => name.trim() !== "");
    return {
      from: file,
      of: of.startsWith(".") ? relative(root, join(root, dirname(file), of)) : of,
      typeOnly: type !== undefined || (listed?.every((name) => name.trim().startsWith("type ")) ?? false),
    };
  });
}

const imports = filesBelow("provider")
  .filter((file) => file.endsWith(".ts"))
  .flatMap(importsOf);

/** The folders of provider/ from the top down. Each may import from those below it, and from provider/ itself. */
const layers = [
  ["yaml"],
  ["components"],
  ["resources"],
  ["kubernetes"],
  ["images"],
  ["facts"],
  ["iptables"],
  ["command", "ssh", "seccomp"],
];
const layerOf = (file: string) => layers.findIndex((layer) => layer.includes(basename(dirname(file))));

it("lets dependencies point one way: components, resources, facts, command and ssh", () => {
  const wrong = imports.filter(({ from, of, typeOnly }) => {
    const [above, below] = [layerOf(from), layerOf(of)];
    if (above < 0 || below < 0 || dirname(from) === dirname(of)) return false;
    // A type binds nothing, and the program half has to name the connection's.
    return below <= above || (basename(dirname(of)) === "ssh" && !typeOnly);
  });
  expect(wrong).toEqual([]);
});

it("speaks SSH in provider/ssh alone, and runs no program of its own machine but credential helpers", () => {
  const outside = imports.filter(({ from, of }) => of.startsWith("ssh2") && !from.startsWith("provider/ssh/"));
  expect(outside).toEqual([]);
  const running = imports.filter(({ of }) => /^(node:)?child_process$/.test(of));
  expect(running.map(({ from }) => from)).toEqual(["provider/images/credential-helper.ts"]);
});

it("has the provider's text in one place", () => {
  const holders = filesBelow("provider").filter((file) =>
    readFileSync(join(root, file), "utf8").includes("exports.handler"),
  );
  expect(holders).toEqual(["provider/resource.ts"]);
});

/** What runs when a program imports the package. */
function loadedBy(entry: string): Set<string> {
  const loaded = new Set<string>();
  const load = (module: string) => {
    if (loaded.has(module)) return;
    loaded.add(module);
    for (const each of imports) if (each.from === `${module}.ts` && !each.typeOnly) load(each.of);
  };
  load(entry);
  return loaded;
}

it("loads no SSH code into a program: only the check of a connection's form", () => {
  const loaded = [...loadedBy("provider/index")];
  expect(loaded.filter((module) => module.startsWith("provider/ssh/"))).toEqual(["provider/ssh/connection-args"]);
  expect(loaded.filter((module) => /^ssh|grpc/.test(module))).toEqual([]);
  expect(loaded).not.toContain("provider/handler");
});

it.skipIf(!existsSync(join(root, "dist/provider/index.js")))(
  "loads none in truth either, and no parser of YAML",
  () => {
    const program = `require("./dist/provider/index.js"); console.log(JSON.stringify(Object.keys(require.cache)))`;
    const output = execFileSync(process.execPath, ["-e", program], { cwd: root, encoding: "utf8" });
    const loaded = (JSON.parse(output) as string[]).map((file) => relative(root, file));
    const speaking = loaded.filter((file) => /node_modules\/ssh|dist\/provider\/ssh\//.test(file));
    expect(speaking).toEqual(["dist/provider/ssh/connection-args.js"]);
    expect(loaded.filter((file) => /node_modules\/(yaml|tinyglobby)\//.test(file))).toEqual([]);
  },
);

it("has no file of more than 400 lines", () => {
  const lines = (file: string) => readFileSync(join(root, file), "utf8").split("\n").length - 1;
  const files = filesBelow("provider", "cli", "tools", "bench");
  expect(files.filter((file) => lines(file) > 400)).toEqual([]);
});
