import { Race } from "../lib/race.mjs";
import { resourcesOf } from "../lib/resources.mjs";
import { median, milliseconds } from "../lib/statistics.mjs";

const at = "/srv/bench-start";
const program = ["sh", "-c", "echo > /go"];

/** A container's start, from what is sent to its first instruction, beside `runc run` of the same root file system. */
export async function measureStart({ engine, node, report, repetitions }) {
  report.section(
    "A container's start beside `runc run`",
    `  Default mounts, masks, devices and capabilities; ${repetitions} starts of each by turns; medians, and the fastest. The program
  is a static BusyBox that writes into a FIFO at once: the end of each time. A Process is what a program declares: its frame
  goes over SSH to a node that has a Node, is observed and claimed, and starts a keeper. runc makes control groups its own
  way. Barepod makes one; "in a control group": below one that is there, as for a pod with limits. The launcher stands alone
  there, from a shell.`,
  );
  const { launcherConfig, defaultMaskedPaths, defaultReadonlyPaths } = await engine.load("provider/launcher-config.js");
  const path = await engine.installPrograms(node);
  const config = launcherConfig({
    rootFs: `${at}/rootfs`,
    command: program,
    envDefaults: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    env: { TERM: "xterm" },
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
  const { closeAllSessions } = await engine.load("provider/ssh/pool.js");
  const open = await resourcesOf(engine, node);
  const itself = await open("Node", {});
  await itself.create();
  const ways = {
    launcher: { title: "launcher run, in a control group", run: () => race.start(launcher) },
    process: { title: "frame sent → first instruction", ...(await openProcess(open, {})) },
    limited: {
      title: "the same, in a control group",
      ...(await openProcess(open, { cgroup: "bench-start" })),
    },
    ...(hasRunc ? { runc: { title: "runc run", run: () => race.start(runc) } } : {}),
  };
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = -2; round < repetitions; round += 1) {
    // Every round begins with another: who moves a process into a control group leaves the kernel ready for the next one.
    const names = Object.keys(ways);
    const first = Math.abs(round) % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const way = ways[name];
      const time = way.run ? await way.run() : await race.time(way.create);
      await way.delete?.();
      // The first rounds fill caches.
      if (round >= 0) times[name].push(time);
    }
  }
  race.end();
  await itself.delete();
  await closeAllSessions();
  for (const [name, { title }] of Object.entries(ways)) {
    const middle = median(times[name]);
    const note = `the fastest ${milliseconds(Math.min(...times[name]))}`;
    report.add(title, middle, "ms", milliseconds(middle), { note });
  }
  if (!hasRunc) return report.skip("runc run", "there is no runc on this machine");
  const compare = (name, options) => {
    const ratio = median(times[name].map((time, index) => time / times.runc[index]));
    const fastest = Math.min(...times[name]) / Math.min(...times.runc);
    const note = `the fastest ${fastest.toFixed(2)}${options.note ?? ""}`;
    report.add(`${ways[name].title} : runc run`, ratio, "", ratio.toFixed(2), { ...options, note });
  };
  compare("process", { atMost: 1, note: "; the figure of a container's start" });
  compare("limited", {});
  compare("launcher", { atMost: 1 });
}

/** The same container as a Process, over a connection that is there. */
function openProcess(open, more) {
  return open("Process", {
    name: "bench-start",
    rootFs: `${at}/rootfs`,
    command: program,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 0,
    running: true,
    ...more,
  });
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
