import { expect, test } from "vitest";
import { CommandError } from "../provider/errors";

const failure = {
  what: "could not install curl",
  node: "edge (192.0.2.10)",
  command: "apt-get install",
  exitCode: 100,
};

test("a command that failed says what, where, why and what next", () => {
  const { message } = new CommandError({ ...failure, stderr: "E: no such package\n\n", durationMs: 7, next: "ask" });
  expect(message.split("\n")).toEqual([
    "could not install curl (on edge (192.0.2.10))",
    "  apt-get install   exited 100 after 7 ms",
    "  E: no such package",
    "ask",
  ]);
});

test("a command that said very much is quoted from both ends", () => {
  const stderr = Array.from({ length: 100_000 }, (_, index) => `line ${index}`).join("\n");
  const { message, failure: whole } = new CommandError({ ...failure, stderr });
  expect(message.split("\n")).toHaveLength(2 + 10 + 1 + 30);
  expect(message).toMatch(/line 0\n.*line 9\n {2}… 99960 lines more …\n {2}line 99970\n.*line 99999$/s);
  expect(whole.stderr).toBe(stderr);
});

test("a very long line, or command, is cut, and says so", () => {
  const long = "x".repeat(1_000_000);
  const { message } = new CommandError({ ...failure, command: long, stderr: long });
  expect(message.length).toBeLessThan(3000);
  expect(message.match(/x… \(1000000 characters\)/g)).toHaveLength(2);
});
