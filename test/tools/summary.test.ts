import { describe, expect, test } from "vitest";
// @ts-expect-error The set-up scripts are plain JavaScript: they run before anything is installed.
import { countReport, parseSummaryLine, summaryLine, unexpectedSkips } from "../../tools/lib/summary.mjs";

const file = (status: string, ...statuses: string[]) => ({
  name: "test/a.test.ts",
  status,
  assertionResults: statuses.map((each, index) => ({ status: each, fullName: `t${index}` })),
});

describe("countReport", () => {
  test("counts tests, and names the skipped ones", () => {
    const report = { success: false, testResults: [file("failed", "passed", "failed", "skipped", "todo")] };
    const skipped = [expect.stringContaining("t2"), expect.stringContaining("t3")];
    expect(countReport(report)).toEqual({ passed: 1, failed: 1, skipped });
  });

  test("a file that could not be loaded is a failure", () => {
    const report = { success: false, testResults: [file("failed"), file("passed", "passed")] };
    expect(countReport(report)).toMatchObject({ passed: 1, failed: 1 });
  });

  test("an error outside of every test is a failure", () => {
    expect(countReport({ success: false, testResults: [file("passed", "passed")] })).toMatchObject({ failed: 1 });
  });
});

describe("the summary line", () => {
  test.each([
    [{ passed: 3, failed: 0, skipped: 0 }, "3 passed, 0 failed"],
    [{ passed: 3, failed: 1, skipped: 2 }, "3 passed, 1 failed, 2 skipped"],
  ])("%j", (totals, line) => {
    expect(summaryLine(totals)).toBe(line);
    expect(parseSummaryLine(`something before\n${line}\n`)).toEqual(totals);
  });

  test.each(["", "3 passed", "all: 3 passed, 0 failed", "3 passed, 0 failed.", "3 passed, 0 failed\nand more"])(
    "%j is none",
    (output) => {
      expect(parseSummaryLine(output)).toBeUndefined();
    },
  );
});

test("a skip needs a reason whose pattern it contains", () => {
  const skipped = ["test/node/swap.test.ts: swap is limited", "test/a.test.ts: other"];
  expect(unexpectedSkips(skipped, { "swap.test.ts": "the kernel has no swap accounting" })).toEqual([skipped[1]]);
});
