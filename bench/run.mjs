// npm run bench: the product's speed as ratios against something that runs beside it. Prints a table, and JSON with --json FILE.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { CommandError, main } from "../tools/lib/run.mjs";
import { setUp } from "../tools/setup.mjs";
import { Engine } from "./lib/engine.mjs";
import { Report } from "./lib/report.mjs";
import { BenchNode } from "./lib/sandbox.mjs";
import { measureConnections } from "./measure/connections.mjs";
import { measureFrames } from "./measure/frames.mjs";
import { measureImages } from "./measure/images.mjs";
import { measureLogPump } from "./measure/log-pump.mjs";
import { measureMemory } from "./measure/memory.mjs";
import { measurePods } from "./measure/pods.mjs";
import { measureSecretKey } from "./measure/secret-key.mjs";
import { measureStart } from "./measure/start.mjs";

const usage = "usage: npm run bench [-- --quick] [-- --json FILE] [-- MEASUREMENT…]";
const measurements = {
  frames: measureFrames,
  pods: measurePods,
  start: measureStart,
  images: measureImages,
  connections: measureConnections,
  "secret-key": measureSecretKey,
  memory: measureMemory,
  "log-pump": measureLogPump,
};

await main(async () => {
  const { quick, json, chosen } = readArguments();
  const { pulumi, obstacle } = await setUp();
  if (obstacle) throw new CommandError(obstacle, 1);
  const report = new Report();
  const node = new BenchNode(`bench-${process.pid}`);
  const engine = new Engine(pulumi);
  const context = { node, engine, report, rounds: quick ? 1 : 5, repetitions: quick ? 10 : 50 };
  try {
    await node.deleteForgotten();
    await node.create();
    for (const name of chosen) await measurements[name](context);
  } finally {
    await node.delete();
    engine.remove();
  }
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? "", node: process.version, pulumi: pulumi.version };
  console.log(
    `${machine.cpus} CPUs (${machine.model}), Node.js ${machine.node}, Pulumi ${machine.pulumi}${quick ? ", quick" : ""}`,
  );
  console.log(report.toTable());
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ machine, quick, sections: report }, undefined, 2)}\n`);
});

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      options: { quick: { type: "boolean", default: false }, json: { type: "string" } },
      allowPositionals: true,
    });
    const unknown = positionals.find((name) => !(name in measurements));
    if (unknown !== undefined)
      throw new Error(`there is no measurement ${unknown}: ${Object.keys(measurements).join(", ")}`);
    return { ...values, chosen: positionals.length > 0 ? positionals : Object.keys(measurements) };
  } catch (error) {
    throw new CommandError(`${error.message}\n${usage}`, 2);
  }
}
