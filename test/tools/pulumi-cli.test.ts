import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
// @ts-expect-error The set-up scripts are plain JavaScript: they run before anything is installed.
import { findPulumi, pinnedVersion } from "../../tools/lib/pulumi-cli.mjs";
// @ts-expect-error As above.
import { pulumiEnvironment } from "../../tools/lib/pulumi-environment.mjs";

const root = mkdtempSync(path.join(tmpdir(), "barepod-pulumi-"));
afterAll(() => rmSync(root, { recursive: true }));
let folder: string;
let count = 0;
beforeEach(() => {
  folder = path.join(root, String(count++));
});

function program(directory: string, name: string, output = ""): void {
  mkdirSync(path.join(folder, directory), { recursive: true });
  const file = path.join(folder, directory, name);
  writeFileSync(file, `#!/bin/sh\necho '${output}'\n`);
  chmodSync(file, 0o755);
}

function find(...directories: string[]) {
  const PATH = [...directories.map((each) => path.join(folder, each)), "/usr/bin", "/bin"].join(path.delimiter);
  return findPulumi({ PATH }, path.join(folder, "cache"));
}

describe("findPulumi", () => {
  test("PATH comes before the cache", async () => {
    for (const directory of ["a", "cache"]) {
      program(directory, "pulumi", "v3.300.1");
      program(directory, "pulumi-language-nodejs");
    }
    expect(await find("a")).toMatchObject({ directory: path.join(folder, "a"), version: "3.300.1", origin: "PATH" });
    expect(await find()).toMatchObject({ directory: path.join(folder, "cache"), origin: "cache", builtHere: false });
  });

  test.each(["v3.215.9", "v2.999.0", "nonsense"])("%s is passed over", async (version) => {
    program("a", "pulumi", version);
    program("a", "pulumi-language-nodejs");
    expect(await find("a")).toBeUndefined();
  });

  test("3.216.0 is new enough, its language host may lie elsewhere on PATH", async () => {
    program("a", "pulumi", "v3.216.0");
    expect(await find("a")).toBeUndefined();
    program("b", "pulumi-language-nodejs");
    expect(await find("a", "b")).toMatchObject({ version: "3.216.0" });
  });

  test("the pinned version is new enough itself", () => {
    expect(pinnedVersion).toMatch(/^3\.\d+\.\d+$/);
  });
});

describe("pulumiEnvironment", () => {
  test("gives what the user has not chosen, and keeps what they have", () => {
    const pulumi = { directory: "/opt/pulumi/bin", builtHere: true };
    expect(pulumiEnvironment(pulumi, { PATH: "/bin" }, folder)).toMatchObject({
      PATH: "/opt/pulumi/bin:/bin",
      PULUMI_BACKEND_URL: `file://${folder}/state`,
      PULUMI_HOME: `${folder}/pulumi-home`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    });
    const theirs = { PULUMI_BACKEND_URL: "s3://mine", PULUMI_CONFIG_PASSPHRASE_FILE: "/pass" };
    const environment = pulumiEnvironment({ ...pulumi, builtHere: false }, theirs, folder);
    expect(environment).toMatchObject(theirs);
    expect(environment).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE");
    expect(environment).not.toHaveProperty("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION");
  });
});
