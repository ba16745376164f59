/** What `up` and `refresh` of pods take beyond those of as many resources that do nothing. */
import { alternate, median, seconds, timed } from "../lib/statistics.mjs";

export async function measurePods({ engine, node, report, rounds }) {
  report.section(
    "Pods beside as many resources that do nothing",
    `  The same CLI, engine and host; programs in plain JavaScript; ${rounds} rounds by turns after one to warm up; medians.`,
  );
  await measure(1, { up: 0.5 });
  await measure(20, { up: 2.5, refresh: 0.5 });

  async function measure(count, targets) {
    const environment = { BENCH_PODS: String(count), BENCH_CONNECTION: JSON.stringify(node.connection) };
    const pods = await engine.open(`pods-${count}`, "pods", environment);
    const noops = await engine.open(`noops-${count}`, "noops", environment);
    await lifeCycle(noops);
    await lifeCycle(pods);
    const pairs = await alternate(
      rounds,
      () => lifeCycle(noops),
      () => lifeCycle(pods),
    );
    for (const operation of ["up", "refresh", "destroy"]) {
      const floor = median(pairs.map(([noop]) => noop[operation]));
      const own = median(pairs.map(([noop, pod]) => pod[operation] - noop[operation]));
      const target = targets[operation];
      report.add(
        `${operation} of ${count === 1 ? "1 pod" : `${count} pods`}, beyond the floor`,
        own / 1000,
        "s",
        seconds(own),
        { ...(target === undefined ? {} : { atMost: target }), note: `the floor is ${seconds(floor)}` },
      );
    }
    await breakDown(pods, count);
  }

  /** Where the time goes: one more run, with everything that goes over SSH noted. */
  async function breakDown(project, count) {
    const events = await project.traceOf(project.up);
    const reads = await project.traceOf(project.refresh);
    await project.destroy();
    report.section(
      `Where the time of ${count === 1 ? "1 pod" : `${count} pods`} goes`,
      "  Milliseconds on the node: from the end of the frame before on the same shell to the answer.",
    );
    describeTrace(report, "up", events);
    describeTrace(report, "refresh", reads);
  }
}

function describeTrace(report, operation, events) {
  const dial = events.find(({ kind }) => kind === "dial");
  const frames = events.filter(({ kind }) => kind === "frame");
  const span = Math.max(...events.map(({ ended }) => ended)) - Math.min(...events.map(({ began }) => began));
  report.add(`${operation}: from the dial to the last answer`, span, "ms", `${span} ms`);
  report.add(
    `${operation}: dial, log-in and first shell`,
    dial.ended - dial.began,
    "ms",
    `${dial.ended - dial.began} ms`,
  );
  const kinds = groupBy(frames, kindOf);
  for (const [kind, mine] of kinds) {
    const each = median(mine.map(({ nodeMs }) => nodeMs));
    const total = mine.reduce((sum, { nodeMs }) => sum + nodeMs, 0);
    const waiting = median(mine.map(({ began, ended, nodeMs }) => ended - began - nodeMs));
    const settle = operation === "up" ? mine.flatMap(({ settleMs }) => settleMs ?? []) : [];
    const note = settle.length > 0 ? `; ${Math.round(median(settle))} ms of it after the container's start` : "";
    report.add(`${operation}: ${kind}`, total, "ms", `${mine.length} × ${each.toFixed(1)} ms`, {
      note: `${Math.round(total)} ms in all, ${Math.round(waiting)} ms in the queue${note}`,
    });
  }
}

function kindOf({ label = "" }) {
  return /^[A-Z]\w+(?= )/.exec(label)?.[0] ?? label;
}

function groupBy(values, keyOf) {
  const groups = new Map();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

async function lifeCycle(project) {
  const up = await timed(project.up);
  const refresh = await timed(project.refresh);
  const destroy = await timed(project.destroy);
  return { up, refresh, destroy };
}
