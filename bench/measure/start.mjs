import { Race } from "../lib/race.mjs";
import { median, milliseconds } from "../lib/statistics.mjs";

const at = "/srv/bench-start";
const program = ["sh", "-c", "echo > /go"];

/** A container's start, from the command to its first instruction, beside `runc run` of the same root file system. */
export async function measureStart({ engine, node, report, repetitions }) {
  report.section(
    "A container's start beside `runc run`",
    `  Default mounts, masks, devices and capabilities; ${repetitions} starts of each by turns; medians. The program is a static
  BusyBox that writes into a FIFO at once. Each start makes its own control groups: runc its own way, Barepod one folder
  below a group that is there, as for a pod.`,
  );
  const { launcherConfig, defaultMaskedPaths, defaultReadonlyPaths } = await engine.load("provider/launcher-config.js");
  const path = await engine.installPrograms(node);
  const config = launcherConfig({
    rootFs: `${at}/rootfs`,
    command: program,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TERM: "xterm" },
    addCapabilities: [],
    dropCapabilities: [],
    allowPrivilegeEscalation: true,
    privileged: false,
    readOnlyRootFilesystem: false,
    maskedPaths: defaultMaskedPaths,
    readonlyPaths: defaultReadonlyPaths,
    volumes: [],
    ownMounts: true,
  });
  const hasRunc = (await node.run(prepare(config))).includes("runc");
  const race = new Race(node, `${at}/rootfs/go`, findLeaf);
  const launcher = `mkdir $leaf; ${path} run ${at}/config 2>&1; rmdir $leaf`;
  const runc = `runc run --bundle ${at} bench 2>&1`;
  const kept = await openProcess(engine, node);
  const times = { launcher: [], runc: [], process: [] };
  for (let round = -2; round < repetitions; round += 1) {
    const own = await race.start(launcher);
    const theirs = hasRunc ? await race.start(runc) : Number.NaN;
    const whole = await race.time(kept.create);
    await kept.delete();
    // The first rounds fill caches.
    if (round < 0) continue;
    times.launcher.push(own);
    times.runc.push(theirs);
    times.process.push(whole);
  }
  race.end();
  await kept.close();
  report.add("launcher run", median(times.launcher), "ms", milliseconds(median(times.launcher)));
  const whole = median(times.process);
  report.add("the whole way: a Process's frame", whole, "ms", milliseconds(whole), {
    note: "over SSH, observed and claimed, with a keeper",
  });
  if (!hasRunc) return report.skip("runc run", "there is no runc on this machine");
  const baseline = median(times.runc);
  report.add("runc run", baseline, "ms", milliseconds(baseline));
  const ratio = (name) => median(times[name].map((time, index) => time / times.runc[index]));
  report.add("launcher run : runc run", ratio("launcher"), "", ratio("launcher").toFixed(2), { atMost: 1 });
  report.add("the whole way : runc run", ratio("process"), "", ratio("process").toFixed(2));
}

/** The same container as a Process, over a connection that is there. */
async function openProcess(engine, node) {
  const { Process } = await engine.load("provider/provider.js");
  const { closeAllSessions } = await engine.load("provider/ssh/pool.js");
  const { inputs } = await Process.check(
    {},
    {
      node: "bench",
      connection: node.connection,
      owner: "bench/urn:pulumi:bench::bench::pulumi-nodejs:dynamic/barepod:Process::bench",
      name: "bench-start",
      rootFs: `${at}/rootfs`,
      command: program,
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 0,
      running: true,
    },
  );
  let outs;
  return {
    create: async () => {
      ({ outs } = await Process.create(inputs));
    },
    delete: () => Process.delete("", outs),
    close: closeAllSessions,
  };
}

/** Where the keeper makes a container's own group. */
const findLeaf = `for leaf in unified freezer systemd .; do leaf=/sys/fs/cgroup/$leaf/bench-start; mkdir $leaf 2>/dev/null && break; done
leaf=$leaf/leaf`;

/** The root file system, runc's bundle, the launcher's configuration. Says whether there is runc. */
function prepare(config) {
  return `set -e
mkdir -p ${at}/logs
cd ${at}
mkdir -p rootfs/bin rootfs/proc rootfs/sys rootfs/dev rootfs/etc rootfs/tmp
cp "$(command -v busybox)" rootfs/bin/busybox
ln -sf busybox rootfs/bin/sh
[ -p rootfs/go ] || mkfifo rootfs/go
cat > config <<'end'
${config}end
${findLeaf}
groups=
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
for controller in memory cpu cpuacct pids; do
[ ! -d /sys/fs/cgroup/$controller ] || { mkdir -p /sys/fs/cgroup/$controller/bench-start; groups="$groups
cgroup	/sys/fs/cgroup/$controller/bench-start"; }
done
fi
{ printf 'new\\t%s\\n' net uts ipc pid mnt; echo "cgroup	$leaf$groups"
printf 'log\\t%s\\nstatus\\t%s\\n' ${at}/logs/0.log ${at}/status; } >> config
rmdir "\${leaf%/leaf}"
command -v runc >/dev/null || exit 0
rm -f config.json
runc spec
sed -i 's/"terminal": true/"terminal": false/; s/^\\t\\t\\t"sh"$/\\t\\t\\t"sh", "-c", "echo > \\/go"/' config.json
echo runc`;
}
