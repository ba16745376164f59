import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ConnectionError } from "../../provider/errors";
import { closeAllSessions, openSession, rememberConnection, type Session } from "../../provider/ssh/pool";
import { makeKey, type Sshd, startSshd, whyNoSshd } from "../harness/sshd";
import { compileTransport } from "./compiled";

const obstacle = whyNoSshd();
afterEach(() => closeAllSessions());

const logins = (sshd: Sshd) => sshd.log().match(/Accepted publickey/g)?.length ?? 0;
const settle = (work: Promise<unknown>) => work.then(String, (reason: unknown) => reason as Error);

/** Waits until something is there. */
async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !condition(); ) {
    if (Date.now() > end) throw new Error("waited for 10 s");
    await sleep(10);
  }
}

/** A request that runs until `go` is made, and has left `begun` when it begins. */
function waiting(sshd: Sshd, name: string): { script: string; begun: string; go: string } {
  const begun = join(sshd.directory, `${name}-begun`);
  const go = join(sshd.directory, `${name}-go`);
  return { script: `echo >>${begun}; while [ ! -e ${go} ]; do sleep 0.05; done; echo done`, begun, go };
}

describe.skipIf(obstacle)("sshd killed in the middle", { timeout: 60_000 }, () => {
  test("what is repeatable is sent again once, what is not is an error", async () => {
    await using sshd = await startSshd();
    const session = await openSession("killed", sshd.connection);
    for (const lock of [false, true]) {
      const again = waiting(sshd, `again-${lock}`);
      const once = waiting(sshd, `once-${lock}`);
      // Under the lock they wait in one batch.
      const repeated = session.run({ script: again.script, lock, repeatable: true, label: "look" });
      const single = settle(session.run({ script: once.script, lock, label: "change" }));
      await until(() => existsSync(again.begun) && (lock || existsSync(once.begun)));
      await sshd.kill();
      writeFileSync(again.go, "");
      writeFileSync(once.go, "");
      await sshd.start();
      expect((await repeated).stdout.toString()).toBe("done\n");
      const error = await single;
      expect(error).toBeInstanceOf(ConnectionError);
      expect(String(error)).toMatch(
        /killed \(127.0.0.1:\d+\) was lost during change: the connection was closed\nwhether it took effect is unknown; run the same again/,
      );
      expect(readFileSync(again.begun, "utf8")).toBe("\n\n");
      expect(logins(sshd)).toBe(1);
    }
  });

  test("only once: a node that drops every connection is an error in the end", async () => {
    await using sshd = await startSshd();
    const session = await openSession("flapping", sshd.connection);
    const work = settle(
      session.run({
        script: "kill -9 $(awk '/PPid/ {print $2}' /proc/$$/status); sleep 1",
        repeatable: true,
        label: "cut",
      }),
    );
    expect(String(await work)).toMatch(/was lost during cut/);
    expect(logins(sshd)).toBe(2);
  });

  test("a machine that stays away is an error that says so", async () => {
    await using sshd = await startSshd();
    const session = await openSession("away", { ...sshd.connection, dialErrorLimit: 2 });
    const work = settle(session.run({ script: "sleep 30", repeatable: true }));
    await sleep(200);
    await sshd.kill();
    expect(String(await work)).toMatch(/could not connect to root@127.0.0.1:\d+: connection refused, 2 times/);
    await sshd.start();
    expect((await session.run({ script: "echo back" })).stdout.toString()).toBe("back\n");
  });

  test("in the middle of an upload: it is sent again, whole", async () => {
    await using sshd = await startSshd();
    const session = await openSession("upload", sshd.connection);
    const stdin = randomBytes(40_000_000);
    const work = session.run({ script: "wc -c", stdin });
    await sleep(60);
    await sshd.kill();
    await sshd.start();
    expect((await work).stdout.toString().trim()).toBe("40000000");
  });

  test("leftovers of a broken upload are removed by a later connection, once they are old", async () => {
    await using sshd = await startSshd();
    const session = await openSession("tidy", sshd.connection);
    const folder = "/var/lib/barepod/tmp";
    await session.run({ script: `mkdir -p ${folder}; touch ${folder}/new; touch -d "2 hours ago" ${folder}/old` });
    await closeAllSessions();
    const later = await openSession("tidy", sshd.connection);
    const list = async () => (await later.run({ script: `ls ${folder}` })).stdout.toString();
    for (let i = 0; i < 100 && (await list()).includes("old"); i++) await sleep(20);
    expect(await list()).toBe("new\n");
  });
});

describe.skipIf(obstacle)("sshd that stops answering", { timeout: 60_000 }, () => {
  test("the deadline passes, the error says that the node does not answer", async () => {
    await using sshd = await startSshd();
    const session = await openSession("stopped", { ...sshd.connection, dialErrorLimit: 1, perDialTimeout: 1 });
    const begun = mkdtempSync(join(tmpdir(), "barepod-"));
    const script = (name: string) => `: > ${begun}/${name}; sleep 9; echo`;
    const runs = [false, true].map((lock) =>
      settle(session.run({ script: script(`lock-${lock}`), lock, deadlineMs: 3000, label: "ask" })),
    );
    const patient = settle(
      session.run({ script: script("patient"), deadlineMs: 50_000, repeatable: true, label: "wait" }),
    );
    await until(() => readdirSync(begun).length === 3);
    sshd.signal("SIGSTOP");
    const began = performance.now();
    for (const error of await Promise.all(runs)) {
      expect(error).toMatchObject({ timedOut: true });
      expect(String(error)).toMatch(
        /no answer from stopped .* within 3 s: ask\nthe node does not answer at all, so it may still be running/,
      );
    }
    expect(performance.now() - began).toBeLessThan(10_000);
    // It was sent again over a new connection, which nobody answers either.
    expect(String(await patient)).toMatch(/could not connect to .*: no answer within 1 s, once/);
    sshd.signal("SIGCONT");
    await until(() => sshd.processes().length > 0);
    expect((await session.run({ script: "echo back" })).stdout.toString()).toBe("back\n");
    rmSync(begun, { recursive: true });
  });

  test("without a deadline the heartbeat notices", async () => {
    await using sshd = await startSshd();
    const session = await openSession("silent", { ...sshd.connection, dialErrorLimit: 1, perDialTimeout: 1 });
    const shell = Number((await session.run({ script: "echo $$" })).stdout);
    const work = settle(session.run({ script: "sleep 600", deadlineMs: Number.POSITIVE_INFINITY, label: "wait" }));
    await sleep(300);
    sshd.signal("SIGSTOP");
    try {
      expect(String(await work)).toMatch(/silent .* was lost during wait: it stopped answering/);
    } finally {
      // Nobody else ends what was begun there without a deadline.
      process.kill(-shell, "SIGKILL");
    }
  });
});

describe.skipIf(obstacle)("the pool", { timeout: 60_000 }, () => {
  const authorize = (sshd: Sshd, ...keys: string[]) =>
    writeFileSync(join(sshd.directory, "authorized_keys"), keys.map((key) => readFileSync(`${key}.pub`)).join(""));
  const echo = async (session: Session) => (await session.run({ script: "echo $SSH_CONNECTION" })).stdout.toString();

  test("a newer connection serves later calls, the old one ends when its work is done", async () => {
    await using sshd = await startSshd();
    const next = join(sshd.directory, "next");
    makeKey(next, "ed25519");
    authorize(sshd, sshd.keyPath, next);
    const old = await openSession("rotated", sshd.connection);
    const slow = old.run({ script: "sleep 1; echo old" });
    const renewed = await openSession("rotated", { ...sshd.connection, privateKeyPath: next });
    expect(await echo(renewed)).not.toBe("");
    expect((await slow).stdout.toString()).toBe("old\n");
    await until(() => /Received disconnect|Connection closed|Disconnected/.test(sshd.log()));
    // Whoever still has the old one may use it.
    expect(await echo(old)).not.toBe("");
  });

  test("the newest remembered connection wins over an older one that comes later", async () => {
    await using sshd = await startSshd();
    const next = join(sshd.directory, "next");
    makeKey(next, "ed25519");
    authorize(sshd, next);
    await expect(openSession("remembered", sshd.connection)).rejects.toThrow("refused the login");
    rememberConnection("remembered", { ...sshd.connection, privateKeyPath: next });
    const first = await openSession("remembered", sshd.connection);
    const second = await openSession("remembered", { ...sshd.connection, privateKeyPath: next });
    expect(second).toBe(first);
    expect(logins(sshd)).toBe(1);
  });

  test("a key file that was replaced is read anew by the next connection", async () => {
    await using sshd = await startSshd();
    const session = await openSession("replaced", sshd.connection);
    const next = join(sshd.directory, "next");
    makeKey(next, "ed25519");
    authorize(sshd, next);
    for (const end of ["", ".pub"]) renameSync(`${next}${end}`, `${sshd.keyPath}${end}`);
    await sshd.kill();
    await sshd.start();
    expect(await echo(session)).not.toBe("");
  });

  test("a failed attempt is not kept", async () => {
    await using sshd = await startSshd();
    authorize(sshd);
    const attempts = await Promise.allSettled([1, 2, 3].map(() => openSession("repaired", sshd.connection)));
    expect(attempts.map((each) => each.status)).toEqual(["rejected", "rejected", "rejected"]);
    authorize(sshd, sshd.keyPath);
    expect(await echo(await openSession("repaired", sshd.connection))).not.toBe("");
  });

  test.each([
    ["is tried anew by each call", "", 4],
    ["is tried no more in a run that is to forget it", "forget", 2],
  ])("a node that is away %s", async (_, unreachable, attempts) => {
    let seen = 0;
    const server = createServer((socket) => {
      seen++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    vi.stubEnv("BAREPOD_UNREACHABLE", unreachable);
    try {
      const { port } = server.address() as AddressInfo;
      const away = { host: "127.0.0.1", port, insecureIgnoreHostKey: true, password: "x", dialErrorLimit: 2 };
      for (let call = 0; call < 2; call++)
        await expect(openSession(`away-${attempts}`, away)).rejects.toThrow("could not connect to root@127.0.0.1");
      expect(seen).toBe(attempts);
    } finally {
      vi.unstubAllEnvs();
      server.close();
    }
  });

  test("an idle session lets the process end, a busy one does not", async () => {
    await using sshd = await startSshd();
    const entry = join(sshd.directory, "main.cjs");
    writeFileSync(
      entry,
      `const { openSession } = require(${JSON.stringify(compileTransport(sshd.directory))});
      openSession("n", ${JSON.stringify(sshd.connection)}).then(async (s) => {
        console.log((await s.run({ script: "sleep 1.2; echo done" })).stdout.toString());
      });`,
    );
    const { stdout } = await promisify(execFile)(process.execPath, [entry], { timeout: 20_000 });
    expect(stdout.trim()).toBe("done");
  });
});
