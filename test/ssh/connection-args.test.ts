import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type ConnectionArgs,
  checkConnection,
  expandHome,
  hostAndPort,
  parseAddress,
} from "../../provider/ssh/connection-args";

describe("a connection as a string", () => {
  test.each([
    ["edge", { host: "edge" }],
    ["root@192.0.2.10", { host: "192.0.2.10", user: "root" }],
    ["root@192.0.2.10:2222", { host: "192.0.2.10", user: "root", port: 2222 }],
    ["ssh://ann@edge:22/", { host: "edge", user: "ann", port: 22 }],
    ["[2001:db8::1]:2222", { host: "2001:db8::1", port: 2222 }],
    ["ann@[2001:db8::1]", { host: "2001:db8::1", user: "ann" }],
    ["2001:db8::1", { host: "2001:db8::1" }],
    ["fe80::1%eth0", { host: "fe80::1%eth0" }],
  ])("%s", (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  test.each(["", "a b", "@edge", "edge:0", "edge:70000", "edge:port", "-oProxyCommand=x", "root@"])(
    "refuses %j",
    (text) => {
      expect(() => parseAddress(text)).toThrow(/^connection: must be of the form user@host:port/);
    },
  );

  test.each(["root:hunter2@edge", "ssh://root:hunter2@edge:22", "root:p@hunter2@edge", "hunter2 is it"])(
    "refuses %j without showing it",
    (text) => {
      expect(() => parseAddress(text)).toThrow(/^connection: must(?!.*hunter2)/);
    },
  );
});

describe("a connection as an object", () => {
  test("may have every field of @pulumi/command's", () => {
    const proxy = { host: "bastion", port: 22, user: "jump", password: "p" };
    const connection: ConnectionArgs = {
      host: "192.0.2.10",
      port: 22,
      user: "root",
      password: "p",
      privateKey: "k",
      privateKeyPassword: "p",
      agentSocketPath: "/a",
      hostKey: "ssh-ed25519 A",
      dialErrorLimit: -1,
      perDialTimeout: 5,
      proxy,
      privateKeyPath: "~/.ssh/id",
      sudo: true,
      insecureIgnoreHostKey: false,
    };
    expect(() => checkConnection(connection)).not.toThrow();
  });

  test.each([
    [{}, "connection.host: is required"],
    [{ host: "a b" }, "connection.host: must be a name or an address"],
    [{ host: "root:hunter2@a" }, "connection.host: must be a name or an address"],
    [{ host: "a", port: 0 }, "connection.port: must be between 1 and 65535"],
    [{ host: "a", port: "22" }, "connection.port: must be a number, not a string"],
    [{ host: "a", perDialTimeout: Number.NaN }, "connection.perDialTimeout: must be a number"],
    [{ host: "a", identityFile: "x" }, "connection.identityFile: is not a field of a connection"],
    [{ host: "a", proxy: { port: 1 } }, "connection.proxy.host: is required"],
    [{ host: "a", proxy: { host: "b", sudo: true } }, "connection.proxy.sudo: is not a field"],
    [{ host: "a", password: 12345 }, "connection.password: must be a string, not a number"],
  ])("%j: %s", (connection, message) => {
    expect(() => checkConnection(connection as unknown as ConnectionArgs)).toThrow(message);
  });
});

test("a leading ~ is the home directory", () => {
  expect(expandHome("~/.ssh/id")).toBe(join(process.env["HOME"] ?? homedir(), ".ssh", "id"));
  expect(expandHome("/a/~/b")).toBe("/a/~/b");
  expect(expandHome("~ann/x")).toBe("~ann/x");
});

test("a port is shown where it is not 22", () => {
  expect(hostAndPort("edge", 22)).toBe("edge");
  expect(hostAndPort("edge", 2222)).toBe("edge:2222");
  expect(hostAndPort("2001:db8::1", 2222)).toBe("[2001:db8::1]:2222");
});
