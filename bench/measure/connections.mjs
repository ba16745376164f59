import { readFileSync } from "node:fs";
import { Client } from "ssh2";
import { alternate, median, milliseconds, timed } from "../lib/statistics.mjs";

const operations = 20;

/** The same operations over one connection, and through a new one each, as `remote.Command` of `@pulumi/command` does it. */
export async function measureConnections({ engine, node, report, rounds }) {
  report.section(
    `${operations} operations over SSH`,
    `  Each makes a file of a few bytes, one after the other; ${rounds} rounds by turns after one to warm up. With Barepod it is the
  create of a File: locked, claimed, observed before and after. Beside it one plain command through a new connection,
  with the same SSH library, key and ciphers.`,
  );
  const { File } = await engine.load("provider/provider.js");
  const { closeAllSessions, openSession } = await engine.load("provider/ssh/pool.js");
  const dials = [];
  const pairs = await alternate(rounds + 1, barepod, newConnections);
  const own = pairs.slice(1).map(([mine]) => mine / operations);
  const theirs = pairs.slice(1).map(([, other]) => other / operations);
  report.add("Barepod, each", median(own), "ms", milliseconds(median(own)), {
    note: `after a dial of ${milliseconds(median(dials))}, once in an engine operation`,
  });
  report.add("through a new connection, each", median(theirs), "ms", milliseconds(median(theirs)));
  const times = median(theirs.map((time, index) => time / own[index]));
  report.add("times faster", times, "", times.toFixed(1), { atLeast: 10 });
  const all = median(theirs.map((time, index) => time / (own[index] + dials[index + 1] / operations)));
  report.add("times faster, with a share in the dial", all, "", all.toFixed(1));

  async function barepod(round) {
    dials.push(await timed(() => openSession("bench", node.connection)));
    const files = Array.from({ length: operations }, (_, index) => inputsOf(`/srv/bench-files/${round}/own-${index}`));
    const created = [];
    const time = await timed(async () => {
      for (const inputs of files) created.push(await File.create(inputs));
    });
    for (const { outs } of created) await File.delete("", outs);
    await closeAllSessions();
    return time;
  }

  function inputsOf(path) {
    const owner = "bench/urn:pulumi:bench::bench::pulumi-nodejs:dynamic/barepod:File::bench";
    return { node: "bench", connection: node.connection, owner, path, content: "a few bytes\n" };
  }

  async function newConnections(round) {
    const folder = `/srv/bench-files/theirs-${round}`;
    return timed(async () => {
      for (let index = 0; index < operations; index += 1) {
        await runOnce(node.connection, `mkdir -p ${folder} && echo 'a few bytes' > ${folder}/${index}`);
      }
    });
  }
}

/** Connects, runs one command, and disconnects. */
function runOnce({ host, port, user, privateKeyPath }, command) {
  return new Promise((resolve, reject) => {
    const client = new Client();
    client.on("error", reject);
    client.on("ready", () => {
      client.exec(command, (error, channel) => {
        if (error !== undefined) return reject(error);
        channel.resume();
        channel.stderr.resume();
        channel.on("exit", (code) => {
          client.end();
          if (code === 0) resolve();
          else reject(new Error(`${command} exited ${code}`));
        });
      });
    });
    client.connect({ host, port, username: user, privateKey: readFileSync(privateKeyPath), hostVerifier: () => true });
  });
}
