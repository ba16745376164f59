import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { batchText, type Frame, type Lock, makeNonce, type Segment, SegmentScanner } from "../../provider/ssh/framing";

describe("SegmentScanner", () => {
  const nonce = "m123456789abcdef0123456789abcdef";
  const marker = (sequence: number, status: string) => `${nonce}${sequence.toString(16).padStart(8, "0")}${status}`;

  test("finds the same segments however the stream is cut", () => {
    const body = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    // Bodies that look like the beginning of a marker are the hard ones.
    const nearly = fc.nat(31).map((length) => Buffer.from(nonce.slice(0, length)));
    const bodies = fc.array(fc.oneof(body, nearly), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (parts, cuts) => {
        const stream = Buffer.concat(parts.flatMap((part, i) => [part, Buffer.from(marker(i, "000"))]));
        const scanner = new SegmentScanner(nonce);
        const found: Segment[] = [];
        for (let at = 0; at < stream.length; ) {
          const length = cuts.next().value as number;
          found.push(...scanner.push(stream.subarray(at, at + length)));
          at += length;
        }
        expect(found.map((segment) => segment.body)).toEqual(parts);
        expect(found.map((segment) => segment.sequence)).toEqual(parts.map((_, i) => i));
      }),
    );
  });

  test("keeps what came after the last marker", () => {
    const scanner = new SegmentScanner(nonce);
    expect(scanner.push(Buffer.from(`noise${marker(7, "127")}rest`))).toMatchObject([{ sequence: 7, status: "127" }]);
    expect(scanner.unfinished.toString()).toBe("rest");
  });

  test("takes time in proportion to the bytes", () => {
    const time = (megabytes: number) => {
      const scanner = new SegmentScanner(nonce);
      const chunk = Buffer.alloc(32_768, 0x30);
      const began = performance.now();
      for (let i = 0; i < megabytes * 32; i++) scanner.push(chunk);
      scanner.push(Buffer.from(marker(0, "000")));
      return performance.now() - began;
    };
    // Whatever else the machine does makes it slower, never faster.
    const fastest = (megabytes: number) => Math.min(...[1, 2, 3, 4, 5].map(() => time(megabytes)));
    // Quadratic work would make it 256 times.
    expect(fastest(64)).toBeLessThan(60 * Math.max(fastest(4), 3));
  });
});

const shells = [["dash"], ["bash", "--posix"], ["bash"], ["busybox", "sh"]].filter(([program]) =>
  ["/bin", "/usr/bin"].some((folder) => existsSync(`${folder}/${program}`)),
);

describe.each(shells)("a batch in %s %s", (...command) => {
  const directory = mkdtempSync(join(tmpdir(), "barepod-framing-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let shell: LocalShell;
  beforeEach(() => {
    shell = new LocalShell(command.filter((word) => word !== undefined));
  });
  afterEach(() => shell.end());

  test("gives back every byte of standard input on both streams", async () => {
    const bytes = fc.uint8Array({ maxLength: 4096 });
    await fc.assert(
      fc.asyncProperty(bytes, fc.integer({ min: 0, max: 255 }), async (stdin, code) => {
        const [reply] = await shell.run([
          { script: `f=$(mktemp); cat >$f; cat $f; cat $f >&2; rm $f; exit ${code}`, stdin },
        ]);
        expect(reply).toEqual({ status: code, stdout: Buffer.from(stdin), stderr: Buffer.from(stdin) });
      }),
      { numRuns: 40 },
    );
  });

  test("runs any text as it is, and goes on after it", async () => {
    const word = fc.constantFrom(
      "'",
      '"',
      "`",
      "$(",
      ")",
      "(",
      "{",
      "}",
      "\\",
      "\n",
      "EOF",
      "<<EOF",
      "if",
      "fi",
      "done",
      ";;",
      "|",
      "exit 7",
      "é",
      " ",
      "#",
      "!",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 12 }), async (words) => {
        const [, after] = await shell.run([{ script: words.join(" ") }, { script: "echo still here" }]);
        expect(after).toEqual({ status: 0, stdout: Buffer.from("still here\n"), stderr: Buffer.alloc(0) });
      }),
      { numRuns: 60 },
    );
  });

  test("prints text that stands in a script unchanged", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 200 }), async (text) => {
        fc.pre(!text.includes("\0"));
        const quoted = `'${text.replaceAll("'", "'\\''")}'`;
        const [reply] = await shell.run([{ script: `printf %s ${quoted}` }]);
        expect(reply?.stdout.toString()).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  test("keeps what a script changes inside it", async () => {
    const script =
      "cd /tmp; umask 0; x=1; set -eu -- a b; trap 'echo bye' EXIT; f() { :; }; exec 3>&1; false; echo not reached";
    const replies = await shell.run([
      { script },
      { script: "echo $PWD $(umask) [$x] $# $-; type f >/dev/null 2>&1 || echo no f" },
    ]);
    expect(replies[0]).toMatchObject({ status: 1, stdout: Buffer.from("bye\n") });
    expect(replies[1]?.stdout.toString()).toMatch(/^\/(?!tmp).* 0*22 \[\] 0 \w*\nno f\n$/);
  });

  test("reports signals and codes as $? does", async () => {
    const replies = await shell.run([
      { script: "exit 0" },
      { script: "exit 255" },
      { script: "sh -c 'kill -9 $$'" },
      { script: "no-such-program" },
    ]);
    expect(replies.map((reply) => reply.status)).toEqual([0, 255, 137, 127]);
  });

  test("leaves standard input alone when a script reads none of it", async () => {
    const [first, second] = await shell.run([
      { script: "exit 3", stdin: randomBytes(100_000) },
      { script: "cat; echo end" },
    ]);
    expect(first?.status).toBe(3);
    expect(second?.stdout.toString()).toBe("end\n");
  });

  test("takes standard input from a file, which is gone when the script runs", async () => {
    const file = join(directory, "in put'");
    const bytes = randomBytes(300_000);
    writeFileSync(file, bytes);
    const [reply] = await shell.run([{ script: "cat", stdin: { file } }]);
    expect(reply?.stdout.equals(bytes)).toBe(true);
    expect(existsSync(file)).toBe(false);
  });

  test("answers 20 MB of arbitrary bytes", async () => {
    const [data] = await shell.run([
      { script: "f=$(mktemp); head -c 20000000 /dev/urandom >$f; cat $f; sha256sum <$f >&2; rm $f" },
    ]);
    expect(data?.stdout.length).toBe(20_000_000);
    expect(data?.stderr.toString()).toContain(
      createHash("sha256")
        .update(data?.stdout ?? "")
        .digest("hex"),
    );
  });

  test("runs under the lock, which no script inherits", async () => {
    const lock = { directory: join(directory, "run"), holder: "me, it's", waitSeconds: 1 };
    const replies = await shell.run(
      [
        { script: `ls /proc/self/fd | grep -c '^9$'; flock -n ${join(directory, "run/lock")} true; echo $?` },
        { script: "readlink /proc/self/fd/9; cat", stdin: Buffer.from("in") },
        { script: `cat ${join(directory, "run/holder")}` },
      ],
      lock,
    );
    expect(replies.map((reply) => reply.stdout.toString())).toEqual(["0\n1\n", "in", "me, it's\n"]);
    const [after] = await shell.run([{ script: `flock -n ${join(directory, "run/lock")} true; echo $?` }]);
    expect(after?.stdout.toString()).toBe("0\n");
  });

  test("runs nothing when the lock is not free, and says who has it", async () => {
    const lock = { directory: join(directory, "run"), holder: "second", waitSeconds: 1 };
    await shell.run([{ script: ":" }], { ...lock, holder: "first" });
    const other = spawn("flock", [join(directory, "run/lock"), "sh", "-c", "echo ready; exec sleep 30"], {
      detached: true,
    });
    await new Promise((resolve) => other.stdout.once("data", resolve));
    const marks = join(directory, "ran");
    const replies = await shell.run([{ script: `touch ${marks}` }], lock);
    // The group: what flock started holds the lock, too.
    process.kill(-Number(other.pid), "SIGKILL");
    expect(replies).toEqual([]);
    expect(shell.note).toMatchObject({ status: "not", text: "first\n" });
    expect(existsSync(marks)).toBe(false);
  });

  test("takes the lock anew when it was removed while it waited", async () => {
    const path = join(directory, "run/lock");
    const lock = { directory: join(directory, "run"), holder: "me", waitSeconds: 5 };
    await shell.run([{ script: ":" }], lock);
    const other = spawn("flock", [path, "sh", "-c", `echo ready; sleep 0.3; rm -r ${join(directory, "run")}`]);
    await new Promise((resolve) => other.stdout.once("data", resolve));
    const [reply] = await shell.run([{ script: `flock -n ${path} true; echo $?` }], lock);
    expect(reply?.stdout.toString()).toBe("1\n");
  });

  test("runs nothing when the lock cannot be opened, and goes on afterwards", async () => {
    const lock = { directory: "/proc/no-such", holder: "me", waitSeconds: 1 };
    expect(await shell.run([{ script: "echo ran" }], lock)).toEqual([]);
    expect(shell.note.text).toContain("/proc/no-such");
    const [after] = await shell.run([{ script: "echo fine" }]);
    expect(after?.stdout.toString()).toBe("fine\n");
  });
});

interface LocalReply {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A shell of this machine in the place of a node's. */
class LocalShell {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #nonce = makeNonce();
  #sequence = 0;
  #onSegments: () => void = () => {};
  readonly #segments: [Segment[], Segment[]] = [[], []];
  /** What the last batch said besides its replies. */
  note = { status: "", text: "" };

  constructor([program, ...args]: readonly string[]) {
    this.#child = spawn(program as string, args, { cwd: "/", env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" } });
    for (const [index, stream] of [this.#child.stdout, this.#child.stderr].entries()) {
      const scanner = new SegmentScanner(this.#nonce);
      stream.on("data", (chunk: Buffer) => {
        this.#segments[index]?.push(...scanner.push(chunk));
        this.#onSegments();
      });
    }
  }

  async run(frames: readonly Omit<Frame, "sequence">[], lock?: Lock): Promise<LocalReply[]> {
    const numbered = frames.map((frame) => ({ sequence: ++this.#sequence, ...frame }));
    const end = ++this.#sequence;
    this.#child.stdin.write(batchText(this.#nonce, numbered, end, lock));
    await new Promise<void>((resolve, reject) => {
      this.#child.removeAllListeners("exit").once("exit", (code) => reject(new Error(`the shell ended with ${code}`)));
      this.#onSegments = () => {
        const isOver = this.#segments.every((list) => list.at(-1)?.sequence === end && list.at(-1)?.status === "end");
        if (isOver) resolve();
      };
    });
    const [stdout, stderr] = this.#segments.map((list) => list.splice(0)) as [Segment[], Segment[]];
    expect(stdout.map((segment) => segment.sequence)).toEqual(stderr.map((segment) => segment.sequence));
    const pairs = stdout.map((segment, i) => ({ ...segment, errors: stderr[i]?.body ?? Buffer.alloc(0) }));
    const rest = pairs.filter((pair) => pair.sequence === end && pair.status !== "got");
    const [said] = rest;
    this.note = { status: said?.status ?? "", text: `${said?.body}${said?.status === "not" ? "" : said?.errors}` };
    return pairs
      .filter((pair) => pair.sequence !== end)
      .map((pair) => ({ status: Number(pair.status), stdout: pair.body, stderr: pair.errors }));
  }

  end(): void {
    this.#child.removeAllListeners("exit");
    this.#child.stdin.end();
  }
}
