// npm test: sets up, then runs every rung that this machine can run. Arguments go to vitest; CI=true forbids new skips.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { localDirectory, repositoryRoot } from "./lib/paths.mjs";
import { pulumiEnvironment } from "./lib/pulumi-environment.mjs";
import { CommandError, main, runAttached, runCaptured } from "./lib/run.mjs";
import { countReport, summaryLine, unexpectedSkips } from "./lib/summary.mjs";
import { setUp } from "./setup.mjs";

const vitest = join(repositoryRoot, "node_modules", "vitest", "vitest.mjs");
const rungs = ["unit", "node", "programs"];

await main(async () => {
  const { pulumi, obstacle } = await setUp();
  const env = pulumiEnvironment(pulumi);
  const runnable = obstacle ? ["unit"] : rungs;
  const report = await runTests(runnable, process.argv.slice(2), env);
  const totals = countReport(report);
  const notRun = await listTests(
    rungs.filter((rung) => !runnable.includes(rung)),
    env,
  );
  totals.skipped.push(...notRun);

  const reasons = JSON.parse(readFileSync(join(repositoryRoot, "test", "skips.json"), "utf8"));
  const forbidden = process.env.CI === "true" ? unexpectedSkips(totals.skipped, reasons) : [];
  console.log();
  if (process.env.BAREPOD_VM !== "1")
    console.log(
      "not run: test/node/vm, on machines with systemd and cgroup v2 (about 10 minutes): BAREPOD_VM=1 npm test -- test/node/vm",
    );
  if (notRun.length > 0) console.log(`${notRun.length} tests cannot run here: ${obstacle}`);
  for (const name of totals.skipped) console.log(`skipped: ${name}`);
  for (const name of forbidden) console.log(`a skip without a reason in test/skips.json, counted as failed: ${name}`);
  const failed = totals.failed + forbidden.length;
  console.log(summaryLine({ passed: totals.passed, failed, skipped: totals.skipped.length - forbidden.length }));
  return failed > 0 ? 1 : 0;
});

async function runTests(projects, args, env) {
  const file = join(localDirectory, `vitest-${process.pid}.json`);
  mkdirSync(localDirectory, { recursive: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const selected = projects.map((project) => `--project=${project}`);
  try {
    await runAttached(process.execPath, [vitest, "run", "--passWithNoTests", ...selected, ...reporters, ...args], {
      cwd: repositoryRoot,
      env,
    });
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") throw new CommandError("vitest ended without a report\n0 passed, 1 failed", 1);
    throw error;
  } finally {
    rmSync(file, { force: true });
  }
}

/** Names what is not run, without running it. */
async function listTests(projects, env) {
  if (projects.length === 0) return [];
  const selected = projects.map((project) => `--project=${project}`);
  const options = { cwd: repositoryRoot, env, mayFail: true };
  const { stdout } = await runCaptured(process.execPath, [vitest, "list", "--json", ...selected], options);
  const tests = stdout.includes("[") ? JSON.parse(stdout.slice(stdout.indexOf("["))) : [];
  return tests.map(({ file, name }) => `${relative(repositoryRoot, file)}: ${name}`);
}
