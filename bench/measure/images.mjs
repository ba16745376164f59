import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { alternate, median, milliseconds, seconds, timed } from "../lib/statistics.mjs";

const at = "/srv/bench-images";
const layers = 6;
const megabytes = 12;

/** A pull of an image beside `skopeo copy`, and a container of an image that is there beside `runc run`. */
export async function measureImages({ engine, node, report, rounds }) {
  report.section(
    "Images beside `skopeo copy` and `runc run`",
    `  An image of ${layers} layers, ${layers * megabytes} MB, in a docker-registry on this machine; ${rounds} pulls of each by turns. A RootFs is unpacked
  and mounted: so skopeo copies to a store of containers, which unpacks; and, to compare, to an image layout, which does not.
  Then a RootFs of the image that is there and a Process in it, ready, beside a whole \`runc run\` of the same root file system.`,
  );
  const folder = mkdtempSync(join(tmpdir(), "barepod-bench-"));
  let registry;
  try {
    const host = operatorAddress(node.connection.host);
    registry = await startRegistry(folder, host);
    if (registry === undefined) return report.skip("a pull", "needs docker-registry, skopeo, umoci and busybox");
    const image = `${registry.host}/bench:1`;
    fill(folder, image);
    const open = await handlers(engine, node);
    const root = (path) => open("RootFs", { path, image, whole: true, registries: { plainHttp: [registry.host] } });
    const itself = await open("Node", {});
    await itself.create();
    await node.run(`mkdir -p ${at}`);

    const box = await root(`${at}/box`);
    const pull = async () => {
      const time = await timed(() => box.create());
      await box.delete();
      return time;
    };
    let copies = 0;
    const copy = (target) => timed(() => skopeo("copy", "--src-tls-verify=false", `docker://${image}`, target));
    const store = join(folder, "store");
    const unpack = async () => {
      const time = await copy(`containers-storage:[overlay@${store}+${store}-run]bench:1`);
      execFileSync("sh", ["-c", `umount ${store}/overlay 2> /dev/null || :`]);
      rmSync(store, { recursive: true, force: true });
      return time;
    };
    await pull();
    const times = [];
    for (let round = 0; round < rounds; round += 1)
      times.push([await pull(), await unpack(), await copy(`oci:${folder}/copy${++copies}:a`)]);
    const [ours, unpacked, copied] = [0, 1, 2].map((way) => median(times.map((each) => each[way])));
    const ratio = median(times.map(([a, b]) => a / b));
    report.add("pulled, unpacked, mounted", ours, "ms", seconds(ours));
    report.add("skopeo copy to containers-storage, unpacked", unpacked, "ms", seconds(unpacked));
    report.add("skopeo copy to an image layout, as it came", copied, "ms", seconds(copied));
    report.add("pull : skopeo copy to containers-storage", ratio, "", ratio.toFixed(2), { atMost: 1.2 });

    await box.create();
    await node.run(bundle);
    const warm = await root(`${at}/warm`);
    const process = await open("Process", {
      name: "bench-images",
      rootFs: `${at}/warm`,
      imageDefaults: "none",
      command: ["/bin/busybox", "sleep", "1000"],
      terminationGracePeriodSeconds: 0,
      running: true,
    });
    const start = async () => {
      const time = await timed(async () => {
        await warm.create();
        await process.create();
      });
      await process.delete();
      await warm.delete();
      return time;
    };
    const runc = () => timed(() => node.run(`cd ${at} && runc run bench-images`));
    await start();
    const starts = await alternate(rounds * 4, start, runc);
    const [started, ran] = [median(starts.map(([a]) => a)), median(starts.map(([, b]) => b))];
    report.add("a container of an image that is there, ready", started, "ms", milliseconds(started));
    report.add("runc run, ended", ran, "ms", milliseconds(ran));
    report.add("warm start : runc run", started / ran, "", (started / ran).toFixed(2));
    await box.delete();
    await itself.delete();
    const { closeAllSessions } = await engine.load("provider/ssh/pool.js");
    await closeAllSessions();
  } finally {
    registry?.child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resources without an engine. */
async function handlers(engine, node) {
  const provider = await engine.load("provider/provider.js");
  return async (type, more) => {
    const owner = `bench/urn:pulumi:bench::bench::pulumi-nodejs:dynamic/barepod:${type}::${more.path ?? "bench"}`;
    const given = { node: "bench", connection: node.connection, owner, ...more };
    const { inputs } = await provider[type].check({}, given);
    let outs;
    return {
      create: async () => {
        ({ outs } = await provider[type].create(inputs));
      },
      delete: () => provider[type].delete("", outs),
    };
  };
}

/** This machine's address as the node sees it. */
function operatorAddress(host) {
  const network = host.replace(/\d+\.\d+$/, "");
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ address }) => address.startsWith(network))?.address;
}

async function startRegistry(folder, address) {
  try {
    execFileSync("sh", ["-c", "command -v docker-registry skopeo umoci busybox"], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  const storage = { filesystem: { rootdirectory: join(folder, "storage") } };
  const config = { version: 0.1, storage, http: { addr: `${address}:0` } };
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: ["ignore", "pipe", "pipe"] });
  const port = await new Promise((resolve, reject) => {
    let log = "";
    const read = (chunk) => {
      log += chunk;
      const [, found] = /listening on [^ "]*:(\d+)/.exec(log) ?? [];
      if (found !== undefined) resolve(found);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", read);
    child.once("exit", () => reject(new Error(`docker-registry does not start: ${log}`)));
  });
  return { child, host: `${address}:${port}` };
}

/** Each layer is half noise, half text: as programs are, it can be compressed somewhat. */
function fill(folder, image) {
  const layout = join(folder, "layout");
  const umoci = (...words) => execFileSync("umoci", words, { stdio: "pipe" });
  umoci("init", "--layout", layout);
  umoci("new", "--image", `${layout}:a`);
  for (let i = 0; i < layers; i += 1) {
    const layer = join(folder, `layer${i}`);
    mkdirSync(join(layer, "bin"), { recursive: true });
    if (i === 0) cpSync("/bin/busybox", join(layer, "bin", "busybox"), { dereference: true });
    for (let file = 0; file < megabytes; file += 1) {
      const noise = randomBytes(512 * 1024);
      writeFileSync(
        join(layer, `data${i}-${file}`),
        Buffer.concat([noise, Buffer.from(noise.toString("hex"))]).subarray(0, 2 ** 20),
      );
    }
    umoci("insert", "--rootless", "--image", `${layout}:a`, layer, "/");
  }
  skopeo("copy", "--dest-tls-verify=false", `oci:${layout}:a`, `docker://${image}`);
}

function skopeo(...words) {
  execFileSync("skopeo", ["--insecure-policy", ...words, "--quiet"], { stdio: "pipe" });
}

const bundle = `set -e
cd ${at}
runc spec
sed -i 's/"terminal": true/"terminal": false/; s/^\\t\\t\\t"sh"$/\\t\\t\\t"\\/bin\\/busybox", "true"/; s/"path": "rootfs"/"path": "box"/' config.json`;
