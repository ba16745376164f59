import { readFileSync } from "node:fs";
import { alternate, kilobytes, median, seconds, timed } from "../lib/statistics.mjs";

const pods = 20;

/** What it costs to give the key itself, a secret that state holds once for each resource, instead of its path. */
export async function measureSecretKey({ engine, node, report, rounds }) {
  report.section(
    "The key as a secret value instead of a path",
    `  \`up\` of ${pods} pods, the state afterwards; ${rounds} rounds by turns after one to warm up; medians.`,
  );
  const { privateKeyPath, ...connection } = node.connection;
  const withValue = { ...connection, privateKey: readFileSync(privateKeyPath, "utf8") };
  const open = (name, each) =>
    engine.open(name, "pods", { BENCH_PODS: String(pods), BENCH_CONNECTION: JSON.stringify(each) });
  const path = { project: await open("key-path", node.connection), bytes: 0 };
  const value = { project: await open("key-value", withValue), bytes: 0 };
  const pairs = await alternate(
    rounds + 1,
    () => upAndDown(path),
    () => upAndDown(value),
  );
  const ups = pairs.slice(1);
  report.add("state, the key's path", path.bytes, "bytes", kilobytes(path.bytes));
  report.add("state, the key itself", value.bytes, "bytes", kilobytes(value.bytes));
  const [ofPath, ofValue] = [0, 1].map((side) => median(ups.map((pair) => pair[side])));
  report.add("up, the key's path", ofPath / 1000, "s", seconds(ofPath));
  report.add("up, the key itself", ofValue / 1000, "s", seconds(ofValue));
  const ratio = median(ups.map(([one, other]) => other / one));
  report.add("up, the key itself : its path", ratio, "", ratio.toFixed(2));
}

async function upAndDown(side) {
  const time = await timed(side.project.up);
  side.bytes = side.project.stateBytes();
  await side.project.destroy();
  return time;
}
