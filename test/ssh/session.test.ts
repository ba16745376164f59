import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConnectionError } from "../../provider/errors";
import { closeAllSessions, openSession, type Session } from "../../provider/ssh/pool";
import { type Sshd, startSshd, whyNoSshd } from "../harness/sshd";

const obstacle = whyNoSshd();

describe.skipIf(obstacle)("a session on an untouched sshd", { timeout: 60_000 }, () => {
  let sshd: Sshd;
  let session: Session;
  beforeAll(async () => {
    sshd = await startSshd();
    session = await openSession("edge-1", sshd.connection);
  }, 60_000);
  afterAll(async () => {
    await closeAllSessions();
    await sshd[Symbol.asyncDispose]();
  });
  const out = async (script: string, more = {}) => (await session.run({ script, ...more })).stdout.toString();

  test("gives output, errors and exit code", async () => {
    const reply = await session.run({ script: "printf 'a\\0b'; printf 'e\\0' >&2; exit 7" });
    expect(reply).toMatchObject({ exitCode: 7, stdout: Buffer.from("a\0b"), stderr: Buffer.from("e\0") });
    expect(reply.durationMs).toBeGreaterThan(0);
    expect(session.description).toBe(`edge-1 (127.0.0.1:${sshd.port})`);
    expect(session.machine).toMatch(/^\w+$/);
  });

  test("gives every script the same surroundings", async () => {
    expect(
      await out(
        "echo $LC_ALL $(umask) $PWD; cat; command -v ip iptables >/dev/null; case $PATH in *sbin*) echo sbin; esac",
      ),
    ).toBe("C 0022 /\nsbin\n");
  });

  test("survives syntax errors, exits, and the death of its own shell", async () => {
    for (const lock of [false, true]) {
      const broken = await session.run({ script: "if then (", lock });
      expect(broken.exitCode).toBe(2);
      expect(broken.stderr.toString()).toMatch(/[Ss]yntax error/);
      await expect(session.run({ script: "kill -9 $$; sleep 5", lock, label: "suicide" })).rejects.toThrow(
        /^edge-1 .* was lost during suicide: its shell there was ended\nwhether it took effect is unknown/,
      );
      expect(await out("echo alive", { lock })).toBe("alive\n");
    }
    await expect(session.run({ script: "a\0b" })).rejects.toThrow("NUL");
  });

  test("runs 100 requests of every kind in parallel", async () => {
    const stdin = randomBytes(200_000);
    const replies = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const large = i % 10 === 0;
        const reply = await session.run({ script: `cat; echo ${i}`, lock: i % 3 === 0, ...(large ? { stdin } : {}) });
        expect(reply.stdout.toString("latin1")).toBe(`${large ? stdin.toString("latin1") : ""}${i}\n`);
        return reply.exitCode;
      }),
    );
    expect(replies).toEqual(Array.from({ length: 100 }, () => 0));
  });

  test("opens one connection and at most ten channels", async () => {
    await Promise.all(Array.from({ length: 40 }, () => session.run({ script: "sleep 0.05" })));
    expect(sshd.log().match(/Accepted publickey/g)).toHaveLength(1);
    expect(sshd.log()).not.toMatch(/no more sessions|MaxSessions/i);
  });

  test("sends the locked requests of one tick in one round trip, one after the other", async () => {
    await out(":", { lock: true });
    const { frames, roundTrips } = session;
    const file = `${sshd.directory}/order`;
    const script = `n=$(cat ${file} 2>/dev/null || echo 0); sleep 0.01; echo $((n + 1)) >${file}`;
    await Promise.all(Array.from({ length: 30 }, () => session.run({ script, lock: true })));
    expect(await out(`cat ${file}`)).toBe("30\n");
    expect(session.frames - frames).toBe(31);
    expect(session.roundTrips - roundTrips).toBe(2);
  });

  test("shares quick requests between shells, in few round trips, each with its own answer", async () => {
    const { frames, roundTrips } = session;
    const scripts = Array.from({ length: 30 }, (_, i) => `sleep 0.01; echo ${i}; [ ${i} -ne 7 ] || exit 9`);
    const replies = await Promise.all(scripts.map((script) => session.run({ script, quick: true })));
    expect(replies.map(({ stdout }) => stdout.toString())).toEqual(scripts.map((_, i) => `${i}\n`));
    expect(replies.flatMap(({ exitCode }, i) => (exitCode === 0 ? [] : [i, exitCode]))).toEqual([7, 9]);
    expect(session.frames - frames).toBe(30);
    expect(session.roundTrips - roundTrips).toBeLessThanOrEqual(10);
  });

  test("answers terse requests in text, without what they say on standard error, beside others", async () => {
    const scripts = Array.from({ length: 12 }, (_, i) => `echo noise >&2; printf 'a\\n%s\\n\\n' ${i}; exit ${i}`);
    const ask = (script: string, i: number) => session.run({ script, quick: true, terse: i % 3 !== 0 });
    const replies = await Promise.all(scripts.map(ask));
    replies.forEach(({ exitCode, stdout, stderr }, i) => {
      const terse = i % 3 !== 0;
      expect([exitCode, `${stdout}`, `${stderr}`]).toEqual([
        i,
        terse ? `a\n${i}` : `a\n${i}\n\n`,
        terse ? "" : "noise\n",
      ]);
    });
  });

  test("goes on after a terse request that is no shell text, or reads its standard input", async () => {
    const { exitCode } = await session.run({ script: "if (", quick: true, terse: true });
    expect(exitCode).not.toBe(0);
    const [read, large] = await Promise.all([
      session.run({ script: "cat; echo 'it'\\''s'", quick: true, terse: true }),
      session.run({ script: "head -c 300000 /dev/zero | tr '\\0' x", quick: true, terse: true }),
    ]);
    expect([`${read.stdout}`, large.stdout.length]).toEqual(["it's", 300_000]);
  });

  test("a quick request that kills its shell, or is too slow, takes no other with it", async () => {
    const one = session.run({ script: "kill -9 $$; sleep 5", quick: true }).catch((error: Error) => error.message);
    const two = session
      .run({ script: "sleep 60", quick: true, deadlineMs: 500 })
      .catch((error: Error) => error.message);
    const others = Array.from({ length: 10 }, (_, i) => out(`echo ${i}`, { quick: true, repeatable: true }));
    expect(await one).toContain("its shell there was ended");
    expect(await two).toContain("no answer from edge-1");
    expect(await Promise.all(others)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}\n`));
  });

  test("slow work does not hold up locked requests", async () => {
    const slow = Promise.all(Array.from({ length: 12 }, () => session.run({ script: "sleep 1" })));
    const began = performance.now();
    for (let i = 0; i < 10; i++) await out(":", { lock: true });
    expect(performance.now() - began).toBeLessThan(800);
    await slow;
  });

  test("carries 20 MB each way, unchanged", async () => {
    const stdin = randomBytes(20_000_000);
    const sum = createHash("sha256").update(stdin).digest("hex");
    for (const lock of [false, true]) {
      expect(await out("sha256sum", { stdin, lock })).toContain(sum);
      const back = await session.run({ script: "tee /dev/fd/2", stdin, lock });
      expect(back.stdout.equals(stdin) && back.stderr.equals(stdin)).toBe(true);
    }
    expect(await out("ls /var/lib/barepod/tmp")).toBe("");
  });

  test("keeps what travels on standard input from being read by others", async () => {
    const stdin = randomBytes(200_000);
    expect(await out("stat -c %a /var/lib/barepod/tmp; stat -Lc '%a %s' /proc/self/fd/0", { stdin })).toMatch(
      /\n600 200000\n$/,
    );
    const words = await out(
      `grep -l SECRET-${process.pid} /proc/[0-9]*/cmdline 2>/dev/null; : SECRET-${process.pid} | cat`,
      { lock: true },
    );
    expect(words).not.toMatch(/\/proc\/(?!self)/);
  });

  test("kills the whole process group on the node at the deadline", async () => {
    for (const lock of [false, true]) {
      const mark = `31${process.pid}${lock ? 1 : 0}`;
      const script = `sleep ${mark} & sh -c 'trap "" TERM HUP; sleep ${mark}; :'`;
      const began = performance.now();
      const error = await session
        .run({ script, lock, deadlineMs: 500, label: "sleep too long" })
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error).toMatchObject({ timedOut: true });
      expect(String(error)).toMatch(/no answer from edge-1 .* within 0.5 s: sleep too long\nit was killed there/);
      expect(performance.now() - began).toBeLessThan(5000);
      expect(await out(`pgrep -f "^sleep ${mark}" | wc -l`)).toBe("0\n");
      expect(await out("echo next", { lock })).toBe("next\n");
    }
  });

  test("a missed deadline takes no other request of its batch along", async () => {
    const results = await Promise.allSettled([
      session.run({ script: "echo before", lock: true }),
      session.run({ script: "sleep 60", lock: true, deadlineMs: 300 }),
      session.run({ script: "echo after", lock: true }),
    ]);
    expect(results.map((each) => (each.status === "fulfilled" ? each.value.stdout.toString() : "rejected"))).toEqual([
      "before\n",
      "rejected",
      "after\n",
    ]);
  });

  test("a deadline counts from the end of the request before", async () => {
    const results = await Promise.all(
      Array.from({ length: 4 }, () => session.run({ script: "sleep 0.4", lock: true, deadlineMs: 1000 })),
    );
    expect(results.map((reply) => reply.exitCode)).toEqual([0, 0, 0, 0]);
  });

  test("what was started as a daemon outlives its request and does not hold the lock", async () => {
    const pid = Number(await out("setsid sleep 77 </dev/null >/dev/null 2>&1 & echo $!", { lock: true }));
    try {
      const other = await openSession("edge-2", sshd.connection);
      const began = performance.now();
      expect((await other.run({ script: "echo free", lock: true })).stdout.toString()).toBe("free\n");
      expect(performance.now() - began).toBeLessThan(2000);
      expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).toContain("77");
    } finally {
      process.kill(pid);
    }
  });

  test("two sessions take turns under the lock", async () => {
    const other = await openSession("edge-2", sshd.connection);
    const file = `${sshd.directory}/turns`;
    const script = `n=$(cat ${file} 2>/dev/null || echo 0); sleep 0.005; echo $((n + 1)) >${file}`;
    const both = Array.from({ length: 40 }, async (_, i) => {
      await sleep(i * 3);
      return (i % 2 === 0 ? session : other).run({ script, lock: true });
    });
    await Promise.all(both);
    expect(await out(`cat ${file}`)).toBe("40\n");
  });

  test("measures its own speed", async () => {
    for (const lock of [false, true]) {
      const began = performance.now();
      for (let i = 0; i < 300; i++) await session.run({ script: ":", lock });
      const each = (performance.now() - began) / 300;
      console.log(
        `${lock ? "locked" : "open"} frames one by one: ${Math.round(1000 / each)} per second, ${each.toFixed(2)} ms each`,
      );
    }
    const began = performance.now();
    await Promise.all(Array.from({ length: 1000 }, () => session.run({ script: ":", lock: true })));
    console.log(`1000 locked frames of one tick: ${Math.round(performance.now() - began)} ms`);
  });
});

describe.skipIf(obstacle)("a server that allows fewer sessions", { timeout: 60_000 }, () => {
  test.each([1, 2])(
    "MaxSessions %i leaves no channel to end what is too slow, and it is ended all the same",
    async (limit) => {
      await using sshd = await startSshd({ config: [`MaxSessions ${limit}`] });
      const session = await openSession(`crowded-${limit}`, sshd.connection);
      const mark = `32${process.pid}${limit}`;
      const go = join(sshd.directory, "go");
      const late = session.run({ script: `sleep ${mark}`, deadlineMs: 500, lock: limit === 1 });
      const busy = session.run({ script: `until [ -e ${go} ]; do sleep 0.1; done; echo done`, lock: true });
      expect(String(await late.catch((reason: unknown) => reason))).toContain("it was killed there");
      writeFileSync(go, "");
      expect((await busy).stdout.toString()).toBe("done\n");
      expect((await session.run({ script: `pgrep -fx "sleep ${mark}" | wc -l` })).stdout.toString()).toBe("0\n");
    },
  );

  test.each([1, 2, 4])("MaxSessions %i is enough", async (limit) => {
    await using sshd = await startSshd({ config: [`MaxSessions ${limit}`] });
    const session = await openSession(`few-${limit}`, sshd.connection);
    const stdin = randomBytes(300_000);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        session.run({ script: "sleep 0.02; wc -c", lock: i % 2 === 0, ...(i % 5 === 0 ? { stdin } : {}) }),
      ),
    );
    expect(replies.map((reply) => Number(reply.stdout))).toEqual(
      Array.from({ length: 20 }, (_, i) => (i % 5 === 0 ? 300_000 : 0)),
    );
    await closeAllSessions();
  });
});
