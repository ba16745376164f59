import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { keysIn, knownName, readKnownKeys } from "../../provider/ssh/known-hosts";

const key = "AAAAC3NzaC1lZDI1NTE5AAAAIKtGZyzmRmR5FhRcgOxOn6GYPvqcPU0Obv2wMnCYvTqH";
const find = (text: string, host: string, port = 22) => keysIn(text, knownName(host, port), "known_hosts");

describe("known_hosts", () => {
  test.each([
    ["a name", `edge ssh-ed25519 ${key}`, "edge", 22, true],
    ["a name, whatever its case", `Edge ssh-ed25519 ${key}`, "eDGE", 22, true],
    ["one of several names", `edge,192.0.2.10 ssh-ed25519 ${key} comment`, "192.0.2.10", 22, true],
    ["not a part of a name", `edge ssh-ed25519 ${key}`, "edge-1", 22, false],
    ["a port", `[edge]:2222 ssh-ed25519 ${key}`, "edge", 2222, true],
    ["not another port", `[edge]:2222 ssh-ed25519 ${key}`, "edge", 22, false],
    ["an IPv6 address", `2001:db8::1 ssh-ed25519 ${key}`, "2001:db8::1", 22, true],
    ["a pattern", `*.example.com ssh-ed25519 ${key}`, "a.example.com", 22, true],
    ["a pattern with ?", `edge-? ssh-ed25519 ${key}`, "edge-12", 22, false],
    ["a negated pattern", `*.example.com,!b.example.com ssh-ed25519 ${key}`, "b.example.com", 22, false],
    ["a pattern for ports", `[*]:2222 ssh-ed25519 ${key}`, "edge", 2222, true],
    ["dots as dots", `a.c ssh-ed25519 ${key}`, "abc", 22, false],
    ["comments are none", `#edge ssh-ed25519 ${key}`, "edge", 22, false],
    ["certificate authorities are left out", `@cert-authority edge ssh-ed25519 ${key}`, "edge", 22, false],
  ])("%s", (_, text, host, port, found) => {
    expect(find(text, host, port)).toHaveLength(found ? 1 : 0);
  });

  test("says where a key stands and whether it is revoked", () => {
    const text = `# mine\r\n\r\n@revoked edge\tssh-ed25519 ${key}\r\n  edge ssh-rsa ${key}`;
    expect(find(text, "edge")).toEqual([
      { type: "ssh-ed25519", key, revoked: true, source: "known_hosts:3" },
      { type: "ssh-rsa", key, revoked: false, source: "known_hosts:4" },
    ]);
  });

  test("files that are not there are empty", async () => {
    expect(await readKnownKeys(["/no/such/file", "/proc/self/mem/x"], "edge")).toEqual([]);
  });
});

const hasKeygen = spawnSync("ssh-keygen", ["-?"]).error === undefined;

describe.skipIf(!hasKeygen)("known_hosts, against ssh-keygen", () => {
  const directory = mkdtempSync(join(tmpdir(), "barepod-known-hosts-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("finds what ssh-keygen -H has hashed", async () => {
    const file = join(directory, "hashed");
    writeFileSync(file, `edge ssh-ed25519 ${key}\n[edge]:2222,192.0.2.10 ssh-ed25519 ${key}\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
    expect(readFileSync(file, "utf8")).not.toContain("edge");
    for (const [name, count] of [
      ["edge", 1],
      ["[edge]:2222", 1],
      ["192.0.2.10", 1],
      ["other", 0],
    ] as const) {
      expect(await readKnownKeys([file], name), name).toHaveLength(count);
    }
  });

  test.each(["edge", "a.example.com", "b.example.com", "[edge]:2222", "edge-1", "EDGE", "10.0.0.1", "[10.0.0.1]:22"])(
    "agrees with ssh-keygen -F on %s",
    async (name) => {
      const file = join(directory, "mixed");
      const names = ["edge", "*.example.com,!b.example.com", "[edge]:2222", "edge-?", "10.0.0.*", "[10.0.0.1]:*"];
      writeFileSync(file, names.map((each) => `${each} ssh-ed25519 ${key}\n`).join(""));
      const theirs = spawnSync("ssh-keygen", ["-F", name, "-f", file], { encoding: "utf8" });
      const lines = [...theirs.stdout.matchAll(/found: line (\d+)/g)].map((match) => `${file}:${match[1]}`);
      expect((await readKnownKeys([file], name.toLowerCase())).map((each) => each.source)).toEqual(lines);
    },
  );
});
