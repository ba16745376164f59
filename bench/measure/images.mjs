import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Race } from "../lib/race.mjs";
import { fill, operatorAddress, skopeo, startRegistry } from "../lib/registry.mjs";
import { resourcesOf } from "../lib/resources.mjs";
import { kilobytes, median, milliseconds, seconds, timed } from "../lib/statistics.mjs";

const at = "/srv/bench-images";
// Where an overlay may write: not on the overlay that a sandbox's root is.
const upper = "/var/lib/barepod/bench-images";
const size = { layers: 6, megabytes: 12 };
const containers = 10;
const program = ["/bin/busybox", "sh", "-c", "echo > /go"];

/** Pulls of an image beside `skopeo copy`, containers of an image that is there beside `runc run`, and what many of them cost. */
export async function measureImages({ engine, node, report, rounds, repetitions }) {
  const folder = mkdtempSync(join(tmpdir(), "barepod-bench-"));
  let registry;
  try {
    const host = operatorAddress(node.connection.host);
    registry = await startRegistry(folder, host);
    if (registry === undefined) {
      report.section("Images");
      return report.skip("a pull", "needs docker-registry, skopeo, umoci and busybox");
    }
    const image = `${registry.host}/bench:1`;
    fill(folder, image, size);
    const open = await resourcesOf(engine, node);
    const itself = await open("Node", {});
    await itself.create();
    await node.run(`mkdir -p ${at}; [ -p ${at}/go ] || mkfifo ${at}/go`);
    const registries = { plainHttp: [registry.host] };
    const root = (name) => open("RootFs", { path: `${at}/${name}`, image, overlay: true, registries });
    await measurePull({ report, rounds, folder, image, box: await root("box") });
    await measureWarmStart({ node, report, repetitions, open, root });
    await measureSharing({ node, report, root });
    await itself.delete();
    const { closeAllSessions } = await engine.load("provider/ssh/pool.js");
    await closeAllSessions();
  } finally {
    registry?.child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measurePull({ report, rounds, folder, image, box }) {
  report.section(
    "A pull beside `skopeo copy`",
    `  An image of ${size.layers} layers, ${size.layers * size.megabytes} MB, in a docker-registry on this machine; ${rounds} pulls of each by turns after one to
  warm up; medians. A RootFs is downloaded by the node, unpacked and mounted. skopeo copies to containers-storage, which unpacks
  (as Podman and CRI-O pull), and to an image layout, which keeps the layers as they come and unpacks nothing.`,
  );
  const pull = async () => {
    const time = await timed(() => box.create());
    await box.delete();
    return time;
  };
  const copy = (target) => timed(() => skopeo("copy", "--src-tls-verify=false", `docker://${image}`, target));
  const store = join(folder, "store");
  const unpack = async () => {
    const time = await copy(`containers-storage:[overlay@${store}+${store}-run]bench:1`);
    execFileSync("sh", ["-c", `umount ${store}/overlay 2> /dev/null || :`]);
    rmSync(store, { recursive: true, force: true });
    return time;
  };
  const keep = async () => {
    const time = await copy(`oci:${folder}/copy:a`);
    rmSync(`${folder}/copy`, { recursive: true, force: true });
    return time;
  };
  const times = [];
  for (let round = -1; round < rounds; round += 1) {
    const three = [await pull(), await unpack(), await keep()];
    if (round >= 0) times.push(three);
  }
  const [ours, unpacked, kept] = [0, 1, 2].map((way) => median(times.map((each) => each[way])));
  const ratio = (way) => median(times.map((each) => each[0] / each[way]));
  report.add("pulled, unpacked, mounted", ours, "ms", seconds(ours));
  report.add("skopeo copy to containers-storage, unpacked", unpacked, "ms", seconds(unpacked));
  report.add("skopeo copy to an image layout, not unpacked", kept, "ms", seconds(kept));
  report.add("pull : skopeo copy to containers-storage", ratio(1), "", ratio(1).toFixed(2), { atMost: 1.2 });
  report.add("pull : skopeo copy to an image layout", ratio(2), "", ratio(2).toFixed(2), {
    note: "which does half of the work",
  });
}

/** Both sides end with the container's first instruction, which writes into a FIFO that is mounted in it. */
async function measureWarmStart({ node, report, repetitions, open, root }) {
  report.section(
    "A container of an image that is there beside `runc run`",
    `  ${repetitions} starts of each by turns after two to warm up; medians, and the fastest. The image's layers lie unpacked on the node.
  Each time ends with the first instruction of a static BusyBox in the container, which writes into a FIFO. Mounted: the overlay
  is there before; counted are the frame of the Process, over SSH, and its keeper, beside \`runc run\` from a shell on the node.
  Both: the overlay is mounted within the time, by the RootFs's frame, beside \`mount -t overlay\` of the same layers and \`runc run\`.`,
  );
  const box = await root("box");
  const warm = await root("warm");
  await box.create();
  if (!(await makeBundles(node))) {
    await box.delete();
    return report.skip("runc run", "there is no runc on this machine");
  }
  const race = new Race(node, `${at}/go`, `cd ${at}`);
  const processIn = (name) =>
    open("Process", {
      name: `bench-${name}`,
      rootFs: `${at}/${name}`,
      imageDefaults: "none",
      command: program,
      volumes: [{ source: `${at}/go`, target: "/go" }],
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 0,
      running: true,
    });
  const inBox = await processIn("box");
  const inWarm = await processIn("warm");
  const ways = [
    async () => {
      const time = await race.time(() => inBox.create());
      await inBox.delete();
      return time;
    },
    () => race.start("runc run --bundle mounted bench-mounted 2>&1"),
    async () => {
      const time = await race.time(async () => {
        await warm.create();
        await inWarm.create();
      });
      await inWarm.delete();
      await warm.delete();
      return time;
    },
    async () => {
      const mount = `mount -t overlay overlay -o "$layers,upperdir=${upper}/upper,workdir=${upper}/work" own/rootfs`;
      const time = await race.start(`${mount} && runc run --bundle own bench-own 2>&1`);
      await node.run(`umount ${at}/own/rootfs`);
      return time;
    },
  ];
  race.shell.stdin.write(`${findLayers}\n`);
  const times = ways.map(() => []);
  for (let round = -2; round < repetitions; round += 1)
    for (let turn = 0; turn < ways.length; turn += 1) {
      // Every round begins with another.
      const way = (turn + round + 2) % ways.length;
      const time = await ways[way]();
      if (round >= 0) times[way].push(time);
    }
  race.end();
  await box.delete();
  await node.run(`rm -rf ${upper}`);
  const titles = ["Process, mounted", "runc run, mounted", "RootFs and Process, both", "mount and runc run, both"];
  for (const [way, title] of titles.entries()) {
    const middle = median(times[way]);
    report.add(title, middle, "ms", milliseconds(middle), {
      note: `the fastest ${milliseconds(Math.min(...times[way]))}`,
    });
  }
  for (const [title, ours, theirs, target] of [
    ["mounted: Process : runc run", 0, 1, { atMost: 1 }],
    ["both: RootFs and Process : mount and runc run", 2, 3, {}],
  ]) {
    const ratio = median(times[ours].map((time, index) => time / times[theirs][index]));
    const fastest = Math.min(...times[ours]) / Math.min(...times[theirs]);
    report.add(title, ratio, "", ratio.toFixed(2), { ...target, note: `the fastest ${fastest.toFixed(2)}` });
  }
}

/** What further containers of an image add to what its layers take. */
async function measureSharing({ node, report, root }) {
  report.section(
    `${containers} containers of one image`,
    "  What lies below /var/lib/barepod on the node (du, without the programs), and the folders of layers.",
  );
  const measure = async () => {
    const [bytes, layers] = (await node.run(measureStore)).trim().split("\n").map(Number);
    return { bytes, layers };
  };
  const none = await measure();
  const all = [];
  let one;
  for (let index = 0; index < containers; index += 1) {
    const made = await root(`shared-${index}`);
    await made.create();
    all.push(made);
    one ??= await measure();
  }
  const many = await measure();
  for (const made of all) await made.delete();
  const [first, further] = [one.bytes - none.bytes, (many.bytes - one.bytes) / (containers - 1)];
  report.add("layers, 1 container", one.layers, "", String(one.layers));
  report.add(`layers, ${containers} containers`, many.layers, "", String(many.layers), { atMost: one.layers });
  report.add("the first container", first, "bytes", kilobytes(first));
  report.add("each further one", further, "bytes", kilobytes(further));
  const ratio = (many.bytes - none.bytes) / first;
  report.add(`${containers} containers : 1`, ratio, "", ratio.toFixed(3), { atMost: 1.05 });
}

/** Bytes and layers. */
const measureStore = `cd /var/lib/barepod
du -s -B 1 --exclude=./bin . | cut -f 1
count=0
for layer in images/layers/*; do
case $layer in *.*) ;; *) [ ! -d "$layer" ] || count=$((count + 1)) ;; esac
done
echo "$count"
`;

/** Sets `layers`, as a mount of an overlay wants them, from the only RootFs: the lowest is 0 and comes last. */
const findLayers = `layers=
for link in $(ls /var/lib/barepod/rootfs/*/lower | sort -n); do
layers=$(readlink /var/lib/barepod/rootfs/*/lower/$link)\${layers:+:$layers}
done
layers=lowerdir=$layers`;

/** Two bundles of runc, `mounted` on the overlay that is there and `own` on one that is mounted for it. False without runc. */
async function makeBundles(node) {
  const text = await node.run(`command -v runc > /dev/null || exit 0
mkdir -p ${at}/mounted ${at}/own/rootfs ${upper}/upper ${upper}/work
cd ${at}
rm -f config.json
runc spec
cat config.json`);
  if (text === "") return false;
  const spec = JSON.parse(text);
  Object.assign(spec.process, { terminal: false, args: program });
  spec.mounts.push({ destination: "/go", type: "bind", source: `${at}/go`, options: ["rbind", "rprivate"] });
  for (const [name, path] of [
    ["mounted", `${at}/box`],
    ["own", "rootfs"],
  ]) {
    const config = JSON.stringify({ ...spec, root: { path, readonly: false } });
    await node.run(`cat > ${at}/${name}/config.json <<'end'\n${config}\nend`);
  }
  return true;
}
