// npm run check:package: judges the tarball as users get it, from an empty folder.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { repositoryRoot } from "./lib/paths.mjs";
import { step } from "./lib/progress.mjs";
import { main, runCaptured } from "./lib/run.mjs";

const tools = join(repositoryRoot, "node_modules");
const installed = (name) => JSON.parse(readFileSync(join(tools, name, "package.json"), "utf8")).version;

const program = `import * as pulumi from "@pulumi/pulumi";
import * as barepod from "barepod";
import * as provider from "barepod/provider";
export const names: pulumi.Output<string[]> = pulumi.output([...Object.keys(barepod), ...Object.keys(provider)]);
`;

const loads = `
const names = Object.keys(require("barepod"));
if (names.length === 0) throw new Error('require("barepod") exports nothing');
const ssh = Object.keys(require.cache).filter((file) => /[\\\\/]node_modules[\\\\/]ssh2[\\\\/]/.test(file));
if (ssh.length > 0) throw new Error("importing barepod loads SSH code: " + ssh[0]);
if (Object.keys(require("barepod/provider")).length === 0) throw new Error('require("barepod/provider") exports nothing');
`;

await main(async () => {
  await step("npm run build", build);
  const folder = mkdtempSync(join(tmpdir(), "barepod-package-"));
  try {
    await check(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function check(folder) {
  const run = (title, command, args) => step(title, (onLine) => runCaptured(command, args, { cwd: folder, onLine }));
  const node = (title, ...args) => run(title, process.execPath, args);
  const npm = (title, ...args) => run(title, process.platform === "win32" ? "npm.cmd" : "npm", args);

  await npm("npm pack", "pack", repositoryRoot, "--ignore-scripts", "--pack-destination", folder);
  const tarball = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(".tgz")),
  );
  await node("publint --strict", join(tools, "publint", "src", "cli.js"), "--strict", tarball);
  await node(
    "attw --profile node16",
    join(tools, "@arethetypeswrong", "cli", "dist", "index.js"),
    tarball,
    "--profile",
    "node16",
  );

  const names = ["@pulumi/pulumi", "@types/node", "typescript"];
  const packages = names.map((name) => `${name}@${installed(name)}`);
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  await npm(
    "install in an empty folder",
    "install",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    tarball,
    ...packages,
  );

  await node("load", "-e", loads);
  await npm("barepod --help", "exec", "--offline", "--", "barepod", "--help");
  writeFileSync(join(folder, "index.ts"), program);
  const options = [
    "--noEmit",
    "--ignoreConfig",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--types",
    "node",
  ];
  await node("type-check a program", join("node_modules", "typescript", "bin", "tsc"), ...options, "index.ts");
}
