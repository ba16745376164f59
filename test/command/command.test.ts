import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { all, type Command, either, pipe, raw, render, secret, sh, write } from "../../provider/command/command";
import { quote, quoteForDisplay } from "../../provider/command/quote";

const folder = mkdtempSync(join(tmpdir(), "barepod-command-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shells = ["dash", "bash", "busybox"].filter((name) => spawnSync(name, ["true"]).error === undefined);

function run(text: string, shell = "sh"): { code: number | null; out: string; error: string } {
  const argv = shell === "busybox" ? ["sh", "-s"] : ["-s"];
  const { status, stdout, stderr } = spawnSync(shell, argv, { input: text, cwd: folder });
  return { code: status, out: stdout.toString("utf8"), error: stderr.toString("utf8") };
}
const runs = (command: Command, shell?: string) => run(render(command, { reveal: true }), shell);

/** Any word but one with a NUL, which no program can be given. */
const word = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: fc.constantFrom("'", '"', "\\", "$", "`", "\n", " ", "!", "*", "-", "~", "(", ";", "\t", "a") }),
  )
  .map((text) => text.replaceAll("\0", ""));

describe("a quoted word", () => {
  test.each(shells)("arrives in %s exactly as it was", (shell) => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        const { out, error } = run(`printf '%s\\0' ${words.map(quote).join(" ")}`, shell);
        expect(error).toBe("");
        expect(out).toBe(words.map((each) => `${each}\0`).join(""));
      }),
      { numRuns: 60 },
    );
  });

  test("arrives the same when it was quoted for people", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        const { out } = run(`printf '%s\\0' ${words.map(quoteForDisplay).join(" ")}`);
        expect(out).toBe(words.map((each) => `${each}\0`).join(""));
      }),
      { numRuns: 60 },
    );
  });

  test("cannot hold a NUL byte", () => {
    expect(() => quote("a\0b")).toThrow(TypeError);
  });

  test("reads well where it needs no quotes", () => {
    expect(render(sh("mount", "-o", "ro,size=1m", "/a b"), { reveal: false })).toBe("mount -o ro,size=1m '/a b'");
    expect(quoteForDisplay("")).toBe("''");
    expect(quoteForDisplay("~")).toBe("'~'");
  });
});

describe("commands", () => {
  test("run one after the other until one fails", () => {
    expect(runs(all(sh("echo", "a"), sh("false"), sh("echo", "b")))).toMatchObject({ code: 1, out: "a\n" });
    expect(runs(all(sh("true"), all(sh("false"), sh("echo", "x"))))).toMatchObject({ code: 1, out: "" });
  });

  test("run until one succeeds", () => {
    expect(runs(either(sh("false"), sh("echo", "b"), sh("echo", "c")))).toMatchObject({ code: 0, out: "b\n" });
    expect(runs(all(either(sh("false"), all(sh("true"), sh("false"))), sh("echo", "x")))).toMatchObject({ out: "" });
  });

  test("feed each other", () => {
    expect(runs(pipe(sh("printf", "b\\na\\n"), sh("sort"), sh("head", "-n", 1)))).toMatchObject({ out: "a\n" });
  });

  test("give scripts their words as parameters, and keep theirs to themselves", () => {
    const script = raw("count", 'set -- "$@" more; echo "$# $1"; return 3', "a b", "$(id)");
    expect(run(`set -- mine; ${render(script, { reveal: true })}; echo "$? $1"`).out).toBe("3 a b\n3 mine\n");
    expect(render(script, { reveal: false })).toBe("count: 'a b' '$(id)'");
  });

  test("show no secret", () => {
    const command = all(
      sh("login", secret("hunter2")),
      raw("sign", "true", secret("hunter2")),
      write("/etc/key", secret("hunter2")),
    );
    expect(render(command, { reveal: false })).toBe("login *** && sign: *** && write /etc/key");
    expect(render(command, { reveal: true })).toContain("hunter2");
  });
});

describe("a written file", () => {
  test.each(shells)("has exactly its content and mode in %s", (shell) => {
    fc.assert(
      fc.property(word, fc.constantFrom(0o600, 0o644, 0o755, 0o4711, 0o400), (content, mode) => {
        const path = join(folder, "a 'file'");
        expect(runs(write(path, content, { mode }), shell)).toMatchObject({ code: 0, error: "" });
        expect(readFileSync(path, "utf8")).toBe(content);
        expect(statSync(path).mode & 0o7777).toBe(mode);
      }),
      { numRuns: 20 },
    );
  });

  test("may be bytes that are no text", () => {
    const bytes = Buffer.from([0, 255, 10, 13, 0]);
    const path = join(folder, "bytes");
    runs(write(path, bytes.toString("base64"), { base64: true }));
    expect(readFileSync(path)).toEqual(bytes);
  });

  test("takes the place of a symbolic link, and leaves alone what that leads to", () => {
    const [target, link] = [join(folder, "target"), join(folder, "link")];
    writeFileSync(target, "old");
    symlinkSync(target, link);
    runs(write(link, "new"));
    expect([readFileSync(target, "utf8"), readFileSync(link, "utf8")]).toEqual(["old", "new"]);
    // Nor does a link in the temporary file's place lead anywhere.
    symlinkSync(target, `${link}.barepod-new`);
    runs(write(link, "newer"));
    expect([readFileSync(target, "utf8"), readFileSync(link, "utf8")]).toEqual(["old", "newer"]);
  });

  test("is not there at all when it cannot be written", () => {
    const path = join(folder, "gone", "file");
    expect(runs(write(path, "x")).code).not.toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test("leaves nothing beside it when it cannot be put in place, and fails the plan that it is part of", () => {
    const path = join(folder, "in the way");
    mkdirSync(join(path, "full"), { recursive: true });
    const { code, out } = runs(all(write(path, "x"), sh("echo", "went on")));
    expect({ failed: code !== 0, out }).toEqual({ failed: true, out: "" });
    expect(existsSync(`${path}.barepod-new`)).toBe(false);
  });
});
