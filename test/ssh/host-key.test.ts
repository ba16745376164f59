import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fingerprint, hostKeyAlgorithms, parseHostKey, refuseHostKey } from "../../provider/ssh/host-key";
import type { Target } from "../../provider/ssh/target";
import { makeKey } from "../harness/sshd";

const ed25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIKtGZyzmRmR5FhRcgOxOn6GYPvqcPU0Obv2wMnCYvTqH";
const other = "AAAAC3NzaC1lZDI1NTE5AAAAILtGZyzmRmR5FhRcgOxOn6GYPvqcPU0Obv2wMnCYvTqH";
const offered = Buffer.from(ed25519, "base64");
const target: Target = {
  host: "edge",
  port: 2222,
  user: "root",
  label: "root@edge:2222",
  knownAs: "[edge]:2222",
  knownHostsFiles: ["/home/ann/.ssh/known_hosts"],
  insecureIgnoreHostKey: false,
  credentials: { keyFiles: [], identitiesOnly: false, useDefaults: true },
  dialErrorLimit: 10,
  perDialTimeoutMs: 1000,
  hops: [],
  sudo: false,
};
const known = (key: string, revoked = false) => ({ type: "ssh-ed25519", key, revoked, source: "known_hosts:1" });

describe("a host key", () => {
  test("that is known is taken", () => {
    expect(refuseHostKey(target, { keys: [known(other), known(ed25519)], fingerprints: [] }, offered)).toBeUndefined();
    expect(refuseHostKey(target, { keys: [], fingerprints: [fingerprint(offered)] }, offered)).toBeUndefined();
    expect(refuseHostKey(target, { keys: [], fingerprints: [], elsewhere: [known(ed25519)] }, offered)).toBeUndefined();
  });

  test("that is not known is refused with what to paste", () => {
    const reason = refuseHostKey(target, { keys: [], fingerprints: [], elsewhere: [known(other)] }, offered);
    expect(reason).toContain("the host key of root@edge:2222 is not known");
    expect(reason).toContain(`hostKey: "ssh-ed25519 ${ed25519}"`);
    expect(reason).toContain(`[edge]:2222 ssh-ed25519 ${ed25519}`);
    expect(reason).toContain(fingerprint(offered));
  });

  test("that is another is refused as a possible attack, with both fingerprints", () => {
    const reason = refuseHostKey(target, { keys: [known(other)], fingerprints: [] }, offered);
    expect(reason).toContain("has changed: somebody may be listening in");
    expect(reason).toContain(`expected ssh-ed25519 ${fingerprint(Buffer.from(other, "base64"))} (known_hosts:1)`);
    expect(reason).toContain(`offered  ssh-ed25519 ${fingerprint(offered)}`);
    expect(reason).toContain("pulumi up --refresh=false");
  });

  test("that is revoked is refused even if it is known", () => {
    const keys = [known(ed25519), { ...known(ed25519, true), source: "known_hosts:9" }];
    expect(refuseHostKey(target, { keys, fingerprints: [] }, offered)).toContain("known_hosts:9 revokes");
  });

  test("is not looked at when that was asked for", () => {
    const careless = { ...target, insecureIgnoreHostKey: true };
    expect(refuseHostKey(careless, { keys: [known(other)], fingerprints: [] }, offered)).toBeUndefined();
  });
});

describe("hostKey", () => {
  test("takes lines of .pub files and of known_hosts, and fingerprints", () => {
    const print = fingerprint(offered);
    const text = `ssh-ed25519 ${ed25519} root@edge\n# old\nedge ssh-ed25519 ${other}\r\n256 ${print} root@edge (ED25519)\n`;
    expect(parseHostKey(text)).toMatchObject({ keys: [{ key: ed25519 }, { key: other }], fingerprints: [print] });
  });

  test("refuses anything else by its line, without showing it", () => {
    expect(() => parseHostKey(`ssh-ed25519 ${ed25519}\nmy secret`)).toThrow(
      /^connection.hostKey: line 2 (?!.*my secret)/,
    );
  });

  test("algorithms of known keys are asked for first", () => {
    const rsa = hostKeyAlgorithms({ keys: [{ ...known(ed25519), type: "ssh-rsa" }], fingerprints: [] });
    expect(rsa.slice(0, 4)).toEqual(["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", "ssh-ed25519"]);
    expect(hostKeyAlgorithms({ keys: [], fingerprints: [] })[0]).toBe("ssh-ed25519");
    expect(hostKeyAlgorithms({ keys: [known(ed25519, true)], fingerprints: [] })).toHaveLength(7);
  });
});

describe.skipIf(spawnSync("ssh-keygen", ["-?"]).error !== undefined)("fingerprints, against ssh-keygen", () => {
  const directory = mkdtempSync(join(tmpdir(), "barepod-host-key-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each(["ed25519", "ecdsa", "rsa"])("%s", (type) => {
    const file = join(directory, type);
    makeKey(file, type);
    const key = Buffer.from(readFileSync(`${file}.pub`, "utf8").split(" ")[1] ?? "", "base64");
    expect(execFileSync("ssh-keygen", ["-lf", file], { encoding: "utf8" })).toContain(fingerprint(key));
  });
});
