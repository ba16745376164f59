import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { lookUpAlias } from "../../provider/ssh/config-file";
import { parseAddress } from "../../provider/ssh/connection-args";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "barepod-home-"));
  mkdirSync(join(home, ".ssh"));
  vi.stubEnv("HOME", home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

const look = (text: string, config: string) => lookUpAlias(parseAddress(text), config);

describe("an alias of ~/.ssh/config", () => {
  test("takes name, port, user, keys and files from there", async () => {
    const alias = await look(
      "edge",
      `
Host other
  HostName 192.0.2.99
Host edge
  HostName %h.example.com
  Port 2222
  User ann
  IdentityFile ~/.ssh/%n_key
  IdentityFile "~/my keys/second"
  IdentitiesOnly yes
  IdentityAgent ~/agent.sock
  HostKeyAlias edge-key
  UserKnownHostsFile ~/.ssh/k1 "~/.ssh/k 2"
Host *
  Port 22
  IdentityFile ~/.ssh/common
`,
    );
    expect(alias).toEqual({
      host: "edge.example.com",
      port: 2222,
      user: "ann",
      keyFiles: [join(home, ".ssh/edge_key"), join(home, "my keys/second"), join(home, ".ssh/common")],
      identitiesOnly: true,
      agentSocketPath: join(home, "agent.sock"),
      hostKeyAlias: "edge-key",
      knownHostsFiles: [join(home, ".ssh/k1"), join(home, ".ssh/k 2")],
      hops: [],
    });
  });

  test("what the string says comes before the file", async () => {
    const alias = await look("bob@edge:22", "Host edge\n HostName 192.0.2.10\n Port 2222\n User ann\n");
    expect(alias).toMatchObject({ host: "192.0.2.10", port: 22, user: "bob" });
  });

  test("without any entry the string is the host, and the user root", async () => {
    expect(await look("192.0.2.10", "")).toMatchObject({
      host: "192.0.2.10",
      port: 22,
      user: "root",
      keyFiles: [],
      hops: [],
    });
  });

  test("keywords in any case, and = for a blank", async () => {
    expect(await look("edge", "host edge\n hostname=192.0.2.10\n USER = ann\n")).toMatchObject({
      host: "192.0.2.10",
      user: "ann",
    });
  });

  test("jump hosts, first to last, each looked up itself", async () => {
    const config = `
Host edge
  ProxyJump one,two@192.0.2.2:2222
Host one
  HostName 192.0.2.1
  User jump
  ProxyJump zero
Host zero
  HostName 192.0.2.100
`;
    const { hops } = await look("edge", config);
    expect(hops.map((hop) => `${hop.user}@${hop.host}:${hop.port}`)).toEqual([
      "root@192.0.2.100:22",
      "jump@192.0.2.1:22",
      "two@192.0.2.2:2222",
    ]);
    expect((await look("edge", "Host edge\n ProxyJump none\n")).hops).toEqual([]);
  });

  test("refuses jump hosts in a circle, and a ProxyCommand", async () => {
    await expect(look("a", "Host a\n ProxyJump b\nHost b\n ProxyJump a\n")).rejects.toThrow("leads in a circle");
    await expect(look("a", "Host a\n ProxyCommand nc %h %p\n")).rejects.toThrow('"a" has a ProxyCommand');
    await expect(look("a", "Host a\n ProxyCommand none\n")).resolves.toMatchObject({ host: "a" });
  });

  test("never runs a Match exec", async () => {
    const mark = join(home, "ran");
    await look("edge", `Match exec "touch ${mark}"\n  User ann\n`);
    const { existsSync } = await import("node:fs");
    expect(existsSync(mark)).toBe(false);
  });
});

describe("~/.ssh/config itself", () => {
  const write = (name: string, text: string) => writeFileSync(join(home, ".ssh", name), text);

  test("is read from the home directory, Includes too", async () => {
    mkdirSync(join(home, ".ssh/conf.d"));
    write("conf.d/10-edge", "Host edge\n  HostName 192.0.2.10\n");
    write("conf.d/20-more.conf", "Host more\n  HostName 192.0.2.20\n");
    write("config", "Include conf.d/*\nPort 2200\nHost edge more\n  User ann\n");
    expect(await lookUpAlias({ host: "edge" })).toMatchObject({ host: "192.0.2.10", user: "ann", port: 2200 });
    expect(await lookUpAlias({ host: "more" })).toMatchObject({ host: "192.0.2.20", user: "ann", port: 2200 });
    expect(await lookUpAlias({ host: "none" })).toMatchObject({ host: "none", user: "root", port: 2200 });
  });

  test("may be missing", async () => {
    expect(await lookUpAlias({ host: "edge", port: 23 })).toMatchObject({ host: "edge", port: 23 });
  });

  test("that cannot be parsed is named", async () => {
    write("config", 'Host "edge\n  User ann\n');
    await expect(lookUpAlias({ host: "edge" })).rejects.toThrow("connection: ~/.ssh/config could not be read");
  });
});
