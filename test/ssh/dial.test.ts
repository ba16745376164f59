import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { ConnectionError, InputError } from "../../provider/errors";
import { type Connection, closeAllSessions, openSession } from "../../provider/ssh/pool";
import { freePort, makeKey, type Sshd, startSshd, whyNoSshd } from "../harness/sshd";

const obstacle = whyNoSshd();
let count = 0;

/** What a user reads. */
async function failure(connection: Connection, onWait?: (message: string) => void): Promise<string> {
  const error = await openSession(`dial-${++count}`, connection, onWait === undefined ? {} : { onWait }).catch(
    (reason: unknown) => reason,
  );
  expect(error instanceof ConnectionError || error instanceof InputError, String(error)).toBe(true);
  return (error as Error).message;
}

async function whoami(connection: Connection): Promise<string> {
  const session = await openSession(`dial-${++count}`, connection);
  return (await session.run({ script: "id -un" })).stdout.toString().trim();
}

describe.skipIf(obstacle)("connecting", { timeout: 60_000 }, () => {
  let sshd: Sshd;
  let home: string;
  const ssh = (name: string) => join(home, ".ssh", name);
  const plain = () => ({ host: "127.0.0.1", port: sshd.port, perDialTimeout: 5 });
  const hostKeyOf = (type: string) => readFileSync(join(sshd.directory, `host_${type}.pub`), "utf8").trim();

  beforeAll(async () => {
    sshd = await startSshd({ hostKeyTypes: ["ed25519", "rsa", "ecdsa"] });
  }, 60_000);
  afterAll(() => sshd[Symbol.asyncDispose]());
  beforeEach(() => {
    home = join(sshd.directory, `home-${++count}`);
    mkdirSync(join(home, ".ssh"), { recursive: true });
    vi.stubEnv("HOME", home);
    vi.stubEnv("SSH_AUTH_SOCK", "");
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await closeAllSessions();
  });

  test("a key that is let in no longer can be replaced for one run, and the error says how", async () => {
    const stale = join(home, "stale");
    makeKey(stale, "ed25519");
    const connection = { ...plain(), privateKeyPath: stale, hostKey: hostKeyOf("ed25519") };
    const message = await failure(connection);
    expect(message).toContain("BAREPOD_PRIVATE_KEY_PATH=");
    // A project that refreshes always would otherwise log in with the old key first.
    expect(message).toContain("pulumi up --refresh=false");
    vi.stubEnv("BAREPOD_PRIVATE_KEY_PATH", sshd.keyPath);
    expect(await whoami(connection)).toBe("root");
  });

  describe("verifies the host key", () => {
    test("an unknown host is an error that gives the line to paste, and the line works", async () => {
      const message = await failure({ ...plain(), privateKeyPath: sshd.keyPath });
      expect(message).toContain(`the host key of root@127.0.0.1:${sshd.port} is not known`);
      expect(message).toContain(
        execFileSync("ssh-keygen", ["-lf", join(sshd.directory, "host_ed25519")], { encoding: "utf8" }).split(" ")[1],
      );
      const hostKey = /hostKey: "(.*)"/.exec(message)?.[1] ?? "";
      expect(await whoami({ ...plain(), privateKeyPath: sshd.keyPath, hostKey })).toBe("root");
      const line = message.split("\n").at(-1)?.trim() ?? "";
      writeFileSync(ssh("known_hosts"), `${line}\n`);
      expect(await whoami({ ...plain(), privateKeyPath: sshd.keyPath })).toBe("root");
      execFileSync("ssh-keygen", ["-q", "-H", "-f", ssh("known_hosts")], { stdio: "ignore" });
      expect(await whoami({ ...plain(), privateKeyPath: sshd.keyPath })).toBe("root");
    });

    test("a wrong host key is an error that speaks of an attack and is never retried", async () => {
      makeKey(join(home, "other"), "ed25519");
      const hostKey = readFileSync(join(home, "other.pub"), "utf8");
      const waits: string[] = [];
      const message = await failure({ ...plain(), privateKeyPath: sshd.keyPath, hostKey }, (text) => waits.push(text));
      expect(message).toContain("has changed: somebody may be listening in");
      expect(message).toMatch(
        /expected ssh-ed25519 SHA256:\S+ \(connection\.hostKey\)\n {2}offered {2}ssh-ed25519 SHA256:/,
      );
      expect(waits).toEqual([]);
      expect(sshd.log()).not.toContain("Accepted publickey for root from 127.0.0.1 port 0");
    });

    test.each(["rsa", "ecdsa", "ed25519"])(
      "only the %s key is known: the server is asked for that one",
      async (type) => {
        writeFileSync(ssh("known_hosts"), `[127.0.0.1]:${sshd.port} ${hostKeyOf(type)}\n`);
        expect(await whoami({ ...plain(), privateKeyPath: sshd.keyPath })).toBe("root");
      },
    );

    test.each(["rsa", "ecdsa", "ed25519"])("the fingerprint of the %s key is enough", async (type) => {
      const hostKey = execFileSync("ssh-keygen", ["-lf", join(sshd.directory, `host_${type}`)], { encoding: "utf8" });
      expect(await whoami({ ...plain(), privateKeyPath: sshd.keyPath, hostKey })).toBe("root");
    });

    test("a fingerprint of none of its keys is refused", async () => {
      const hostKey = `SHA256:${"A".repeat(43)}`;
      expect(await failure({ ...plain(), privateKeyPath: sshd.keyPath, hostKey })).toMatch(
        /somebody may be listening in/,
      );
    });

    test("a key known for the host on port 22 will do, a revoked one never", async () => {
      writeFileSync(ssh("known_hosts"), `127.0.0.1 ${hostKeyOf("ed25519")}\n`);
      expect(await whoami({ ...plain(), privateKeyPath: sshd.keyPath })).toBe("root");
      writeFileSync(ssh("known_hosts"), `127.0.0.1 ${hostKeyOf("ed25519")}\n@revoked * ${hostKeyOf("ed25519")}\n`);
      expect(await failure({ ...plain(), privateKeyPath: sshd.keyPath })).toContain("revokes");
    });

    test("insecureIgnoreHostKey looks at none", async () => {
      expect(await whoami({ ...plain(), privateKeyPath: sshd.keyPath, insecureIgnoreHostKey: true })).toBe("root");
    });

    test("a malformed hostKey is the user's mistake", async () => {
      expect(await failure({ ...plain(), hostKey: "nonsense" })).toMatch(/^connection.hostKey: line 1 must be like/);
    });
  });

  describe("logs in", () => {
    const known = () => ({ ...plain(), hostKey: sshd.hostKey });

    test("with a key as text, encrypted or not", async () => {
      expect(await whoami({ ...known(), privateKey: readFileSync(sshd.keyPath, "utf8") })).toBe("root");
      makeKey(join(home, "locked"), "ed25519", "open sesame");
      writeFileSync(join(sshd.directory, "authorized_keys"), readFileSync(join(home, "locked.pub")), { flag: "a" });
      const privateKey = readFileSync(join(home, "locked"), "utf8");
      expect(await whoami({ ...known(), privateKey, privateKeyPassword: "open sesame" })).toBe("root");
      expect(await whoami({ ...known(), privateKeyPath: "~/locked", privateKeyPassword: "open sesame" })).toBe("root");
      const message = await failure({ ...known(), privateKeyPath: "~/locked" });
      expect(message).toContain("(is encrypted: set privateKeyPassword, or add it to the agent)");
      const wrong = await failure({ ...known(), privateKey, privateKeyPassword: "wrong" });
      expect(wrong).toContain("not usable: privateKey (");
      expect(wrong).not.toMatch(/BEGIN|wrong|sesame/);
    });

    test.each(["ecdsa", "rsa"])("with an %s key", async (type) => {
      makeKey(join(home, type), type);
      writeFileSync(join(sshd.directory, "authorized_keys"), readFileSync(join(home, `${type}.pub`)), { flag: "a" });
      expect(await whoami({ ...known(), privateKeyPath: `~/${type}` })).toBe("root");
    });

    test("with the keys of the usual names when nothing is given", async () => {
      writeFileSync(ssh("id_ed25519"), readFileSync(sshd.keyPath), { mode: 0o600 });
      expect(await whoami(known())).toBe("root");
    });

    test("not with a wrong key: says what was tried, at once", async () => {
      makeKey(join(home, "wrong"), "ed25519");
      const began = performance.now();
      const message = await failure({ ...known(), privateKeyPath: "~/wrong" });
      expect(performance.now() - began).toBeLessThan(3000);
      expect(message).toContain(`root@127.0.0.1:${sshd.port} refused the login\n  tried: key ${home}/wrong\n`);
      expect(message).toContain("the server accepts: publickey");
      expect(await failure({ ...known(), privateKeyPath: "~/missing" })).toContain(
        `key ${home}/missing (is not there)`,
      );
      expect(await failure(known())).toContain("nothing to log in with was found");
      const secret = await failure({ ...known(), password: "hunter2", privateKey: "BEGIN hunter3" });
      expect(secret).not.toMatch(/hunter/);
    });

    describe.skipIf(!existsSync("/usr/bin/ssh-agent"))("through an agent", () => {
      let agent: ChildProcess;
      let socket: string;
      const add = (...files: string[]) =>
        execFileSync("ssh-add", ["-q", ...files], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: "ignore" });
      beforeEach(async () => {
        socket = join(home, "agent.sock");
        agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
        while (!existsSync(socket)) await sleep(20);
      });
      afterEach(() => {
        agent.kill();
      });

      test("that is named, or in SSH_AUTH_SOCK", async () => {
        add(sshd.keyPath);
        expect(await whoami({ ...known(), agentSocketPath: "~/agent.sock" })).toBe("root");
        vi.stubEnv("SSH_AUTH_SOCK", socket);
        expect(await whoami(known())).toBe("root");
      });

      test("that has an rsa key among others", async () => {
        for (const type of ["ecdsa", "rsa"]) makeKey(join(home, type), type);
        writeFileSync(join(sshd.directory, "authorized_keys"), readFileSync(join(home, "rsa.pub")), { flag: "a" });
        add(join(home, "ecdsa"), join(home, "rsa"));
        expect(await whoami({ ...known(), agentSocketPath: socket })).toBe("root");
      });

      test("that holds an encrypted key file's key", async () => {
        makeKey(join(home, "locked"), "ed25519");
        add(join(home, "locked"));
        writeFileSync(join(sshd.directory, "authorized_keys"), readFileSync(join(home, "locked.pub")), { flag: "a" });
        execFileSync("ssh-keygen", ["-q", "-p", "-N", "sesame", "-f", join(home, "locked")], { stdio: "ignore" });
        vi.stubEnv("SSH_AUTH_SOCK", socket);
        expect(await whoami({ ...known(), privateKeyPath: "~/locked" })).toBe("root");
      });

      test("that has no key, or is not there: says so", async () => {
        expect(await failure({ ...known(), agentSocketPath: socket })).toContain(`agent at ${socket} (has no key)`);
        expect(await failure({ ...known(), agentSocketPath: "/no/agent" })).toContain(
          "agent at /no/agent (Failed to connect to agent)",
        );
      });
    });
  });

  describe("by an alias of ~/.ssh/config", () => {
    test("with its name, port, key and known_hosts", async () => {
      writeFileSync(
        ssh("config"),
        `Host edge\n HostName 127.0.0.1\n Port ${sshd.port}\n IdentityFile ${sshd.keyPath}\n HostKeyAlias edge.example\n UserKnownHostsFile ~/.ssh/mine\n`,
      );
      expect(await failure("edge")).toContain(`  edge.example ${sshd.hostKey}`);
      writeFileSync(ssh("mine"), `edge.example ${sshd.hostKey}\n`);
      expect(await whoami("edge")).toBe("root");
      expect(await failure("nobody@edge")).toMatch(/nobody@127.0.0.1:\d+ refused the login/);
    });

    test("StrictHostKeyChecking no does not switch verification off", async () => {
      writeFileSync(ssh("config"), `Host *\n StrictHostKeyChecking no\n IdentityFile ${sshd.keyPath}\n`);
      expect(await failure(`root@127.0.0.1:${sshd.port}`)).toContain("is not known");
    });

    test("over several jump hosts", async () => {
      await using jump = await startSshd();
      writeFileSync(
        ssh("config"),
        [
          `Host edge\n HostName 127.0.0.1\n Port ${sshd.port}\n IdentityFile ${sshd.keyPath}\n ProxyJump one,two`,
          `Host one two\n HostName 127.0.0.1\n Port ${jump.port}\n IdentityFile ${jump.keyPath}`,
        ].join("\n"),
      );
      writeFileSync(
        ssh("known_hosts"),
        `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n[127.0.0.1]:${jump.port} ${jump.hostKey}\n`,
      );
      expect(await whoami("edge")).toBe("root");
      expect(jump.log().match(/Accepted publickey/g)).toHaveLength(2);
    });
  });

  describe("over a proxy", () => {
    test("verifies both, and carries everything", async () => {
      await using jump = await startSshd();
      const proxy = jump.connection;
      const session = await openSession("behind", { ...sshd.connection, proxy });
      const stdin = Buffer.alloc(3_000_000, 1);
      expect((await session.run({ script: "cat", stdin })).stdout.equals(stdin)).toBe(true);
      await closeAllSessions();
      expect(await failure({ ...sshd.connection, proxy: { ...proxy, hostKey: sshd.hostKey } })).toContain(
        `the host key of root@127.0.0.1:${jump.port} has changed`,
      );
      expect(await failure({ ...sshd.connection, hostKey: jump.hostKey, proxy })).toContain(
        `the host key of root@127.0.0.1:${sshd.port} has changed`,
      );
      const port = await freePort();
      const message = await failure({ ...sshd.connection, port, dialErrorLimit: 1, proxy });
      expect(message).toContain(
        `could not connect to root@127.0.0.1:${port}: root@127.0.0.1:${port} cannot be reached (through root@127.0.0.1:${jump.port})`,
      );
    });

    test("that forbids forwarding says what to allow", async () => {
      await using jump = await startSshd({ config: ["AllowTcpForwarding no"] });
      expect(await failure({ ...sshd.connection, proxy: jump.connection })).toContain("AllowTcpForwarding");
    });
  });

  describe("waits", () => {
    test("for a machine that comes up later, saying so", async () => {
      const port = await freePort();
      const waits: string[] = [];
      const opening = openSession(
        "late",
        { ...plain(), port, privateKeyPath: sshd.keyPath, insecureIgnoreHostKey: true },
        { onWait: (text) => waits.push(text) },
      );
      await sleep(600);
      await using late = await startSshd({ port });
      writeFileSync(join(late.directory, "authorized_keys"), readFileSync(`${sshd.keyPath}.pub`));
      expect((await (await opening).run({ script: "echo up" })).stdout.toString()).toBe("up\n");
      expect(waits.slice(0, 2)).toEqual([
        `waiting for sshd on root@127.0.0.1:${port} (2nd try, connection refused)`,
        `waiting for sshd on root@127.0.0.1:${port} (3rd try, connection refused)`,
      ]);
      await closeAllSessions();
    });

    test("only dialErrorLimit times", async () => {
      const port = await freePort();
      const message = await failure({ host: "127.0.0.1", port, dialErrorLimit: 3 });
      expect(message).toMatch(
        /^could not connect to root@127.0.0.1:\d+: connection refused, 3 times in \d+ s\ncheck its address/,
      );
    });

    test("no longer than perDialTimeout for a server that says nothing", async () => {
      const mute = createServer(() => {});
      await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
      const { port } = mute.address() as { port: number };
      const began = performance.now();
      expect(await failure({ host: "127.0.0.1", port, dialErrorLimit: 2, perDialTimeout: 0.3 })).toContain(
        "no answer within 0.3 s, 2 times",
      );
      expect(performance.now() - began).toBeLessThan(3000);
      mute.close();
    });

    test("for a server that drops connections before its greeting", async () => {
      let dropped = 0;
      const busy = createServer((socket) => {
        dropped++;
        socket.destroy();
      });
      await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
      const { port } = busy.address() as { port: number };
      const message = await failure({ host: "127.0.0.1", port, dialErrorLimit: 3 });
      expect(message).toMatch(/connection (closed before sshd's greeting|reset), 3 times/);
      expect(dropped).toBe(3);
      busy.close();
    });

    test("for a name that is not known yet, and says it", async () => {
      expect(await failure({ host: "no-such-host.invalid", dialErrorLimit: 1 })).toMatch(
        /name not (known|resolved), once/,
      );
    });

    test("not at all for something that is no SSH server", async () => {
      const web = createServer((socket) => socket.end("HTTP/1.0 400 Bad Request\r\n\r\nSSH-nonsense\r\n"));
      await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
      const { port } = web.address() as { port: number };
      expect(await failure({ host: "127.0.0.1", port, dialErrorLimit: 2 })).toMatch(/could not/);
      web.close();
    });
  });

  test("40 resources that start at once share one connection", async () => {
    const before = sshd.log().match(/Accepted publickey/g)?.length ?? 0;
    const names = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const session = await openSession("shared", sshd.connection);
        return (await session.run({ script: `echo ${i}`, lock: i % 2 === 0 })).stdout.toString().trim();
      }),
    );
    expect(names).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
    expect((sshd.log().match(/Accepted publickey/g)?.length ?? 0) - before).toBe(1);
  });
});
