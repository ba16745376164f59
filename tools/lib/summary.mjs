import { relative } from "node:path";
import { repositoryRoot } from "./paths.mjs";

/** Counts vitest's JSON report. A file that could not be loaded, or whose set-up failed, counts as one failure. */
export function countReport(report) {
  const totals = { passed: 0, failed: 0, skipped: [] };
  for (const file of report.testResults) {
    const failedBefore = totals.failed;
    for (const { status, fullName } of file.assertionResults) {
      if (status === "passed") totals.passed += 1;
      else if (status === "failed") totals.failed += 1;
      else totals.skipped.push(`${relative(repositoryRoot, file.name)}: ${fullName}`);
    }
    if (file.status === "failed" && totals.failed === failedBefore) totals.failed += 1;
  }
  if (!report.success && totals.failed === 0) totals.failed = 1;
  return totals;
}

/** The skips that no pattern of test/skips.json, `{ "part of file or name": "reason" }`, gives a reason for. */
export function unexpectedSkips(skipped, reasons) {
  return skipped.filter((name) => !Object.keys(reasons).some((pattern) => name.includes(pattern)));
}

export function summaryLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** Reads the last line that another script of ours ended with. */
export function parseSummaryLine(output) {
  const match = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(output.trimEnd().split("\n").at(-1) ?? "");
  if (!match) return undefined;
  const [passed, failed, skipped] = match.slice(1).map((text) => Number(text ?? 0));
  return { passed, failed, skipped };
}
