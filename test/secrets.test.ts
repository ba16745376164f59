import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { render, secret, sh, write } from "../provider/command/command";
import type { NodeInputs } from "../provider/resource";
import { maskFor, rememberSecrets, secretPath } from "../provider/secrets";

const base: NodeInputs = { node: "edge", connection: {}, owner: "me" };
const mask = (more: object, text: string) => maskFor({ ...base, ...more } as NodeInputs)(text);

describe("a message", () => {
  test("loses the values of secret inputs, wherever they stand", () => {
    const inputs = { secrets: ["content"], content: "hunter2" };
    expect(mask(inputs, "wrote hunter2 and hunter2")).toBe("wrote [secret] and [secret]");
  });

  test("loses what a path leads to, and nothing beside it", () => {
    const containers = [{ name: "worker", env: { "A/B~C": "hunter2", OTHER: "visible" } }];
    const secrets = [secretPath(["containers", "0", "env", "A/B~C"])];
    expect(secrets).toEqual(["containers/0/env/A~1B~0C"]);
    expect(mask({ containers, secrets }, "worker: hunter2, visible")).toBe("worker: [secret], visible");
  });

  test("loses everything below a path that is secret as a whole", () => {
    const inputs = { secrets: ["env"], env: { A: "first", B: ["second", 12345], C: null, D: true } };
    expect(mask(inputs, "first second 12345 true")).toBe("[secret] [secret] [secret] true");
  });

  test("loses each line of a longer secret", () => {
    const inputs = { secrets: ["content"], content: "-----BEGIN KEY-----\r\n  c2VjcmV0\nend\n" };
    expect(mask(inputs, "read c2VjcmV0 of -----BEGIN KEY-----")).toBe("read [secret] of [secret]");
  });

  test("loses a secret as a pasteable command and as an escaped text spell it", () => {
    const content = `it's "quoted"\tand long`;
    const inputs = { secrets: ["content"], content };
    const command = render(sh("echo", content), { reveal: false });
    expect(mask(inputs, command)).toBe("echo '[secret]'");
    expect(mask(inputs, JSON.stringify({ content }))).toBe('{"content":"[secret]"}');
  });

  test("loses the longest secret first, so that no end of one is left", () => {
    const inputs = { secrets: ["a", "b"], a: "hunter", b: "hunter2-and-more" };
    expect(mask(inputs, "hunter2-and-more hunter")).toBe("[secret] [secret]");
  });

  test("loses credentials of the connection and of its jump hosts", () => {
    const connection = {
      host: "192.0.2.1",
      password: "first-password",
      proxy: { host: "192.0.2.2", privateKey: "the-key", proxy: { privateKeyPassword: "key-password" } },
    };
    expect(mask({ connection }, "192.0.2.1 first-password the-key key-password 192.0.2.2")).toBe(
      "192.0.2.1 [secret] [secret] [secret] 192.0.2.2",
    );
  });

  test("loses what a set of files holds, where the inputs name the set, one of its files, or what it lies in", () => {
    const path = "/srv/objects/database";
    const held = { files: { password: "hunter2", user: "app" }, filesBase64: { key: "c3dvcmRmaXNo" } };
    rememberSecrets({ ...base, path, ...held, secrets: ["files/password", "filesBase64"] } as NodeInputs);
    const said = "hunter2 c3dvcmRmaXNo swordfish app";
    for (const volume of [path, `${path}/data/key`, "/srv/objects"])
      expect(mask({ volumes: [{ source: volume }] }, said)).toBe("[secret] [secret] [secret] app");
    expect(mask({ node: "another", volumes: [{ source: path }] }, said)).toBe(said);
    expect(mask({ volumes: [{ source: "/srv/objects/database-2" }, { source: "/" }] }, said)).toBe(said);
  });

  test("is not garbled by values that are too short to be secrets", () => {
    expect(mask({ secrets: ["mode", "text"], mode: 420, text: "a\n\nb" }, "a mode of 420 b")).toBe("a mode of 420 b");
  });

  test("survives paths that lead nowhere", () => {
    expect(mask({ secrets: ["gone", "gone/too", "node/deeper"] }, "text")).toBe("text");
  });
});

describe("a secret word", () => {
  test("shows itself to nobody but the node", () => {
    const word = secret("hunter2");
    expect(
      [String(word), `${word}`, JSON.stringify({ word }), inspect({ word }), inspect([word])].join(),
    ).not.toContain("hunter2");
    expect(render(sh("login", word), { reveal: false })).toBe("login ***");
    expect(render(sh("login", word), { reveal: true })).toBe("'login' 'hunter2'");
    expect(render(write("/etc/token", word), { reveal: false })).toBe("write /etc/token");
  });
});
