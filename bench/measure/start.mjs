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
  const programs = await engine.installPrograms(node);
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
  const race = new Race(node);
  const launcher = `mkdir $leaf; ${programs}/launcher run ${at}/config 2>&1; rmdir $leaf`;
  const keeper = `${programs}/keeper.sh start ${at}/kept`;
  const stop = `${programs}/keeper.sh stop ${at}/kept; rm -f ${at}/kept/main/[!c]*`;
  const runc = `runc run --bundle ${at} bench 2>&1`;
  const times = { launcher: [], runc: [], keeper: [] };
  for (let round = -2; round < repetitions; round += 1) {
    const own = await race.start(launcher);
    const theirs = hasRunc ? await race.start(runc) : Number.NaN;
    const kept = await race.start(keeper, stop);
    // The first rounds fill caches.
    if (round < 0) continue;
    times.launcher.push(own);
    times.runc.push(theirs);
    times.keeper.push(kept);
  }
  race.end();
  report.add("launcher run", median(times.launcher), "ms", milliseconds(median(times.launcher)));
  report.add("the whole way: a keeper that starts it", median(times.keeper), "ms", milliseconds(median(times.keeper)));
  if (!hasRunc) return report.skip("runc run", "there is no runc on this machine");
  const baseline = median(times.runc);
  report.add("runc run", baseline, "ms", milliseconds(baseline));
  const ratio = (name) => median(times[name].map((time, index) => time / times.runc[index]));
  report.add("launcher run : runc run", ratio("launcher"), "", ratio("launcher").toFixed(2), { atMost: 1 });
  report.add("keeper : runc run", ratio("keeper"), "", ratio("keeper").toFixed(2));
}

/** Starts containers from one shell, and hears of their first instruction through another. */
class Race {
  #heard = () => undefined;
  #ended = () => undefined;

  constructor(node) {
    this.shell = node.shell();
    this.listener = node.shell();
    this.listener.stdin.write(`exec 3<>${at}/rootfs/go; cat <&3\n`);
    this.listener.stdout.on("data", () => this.#heard(performance.now()));
    this.shell.stdout.setEncoding("utf8").on("data", (text) => this.#ended(text));
    this.shell.stdin.write(`${findLeaf}\n`);
  }

  async start(command, afterwards = ":") {
    const heard = new Promise((resolve) => {
      this.#heard = resolve;
    });
    const ended = new Promise((resolve, reject) => {
      this.#ended = (text) => (text === "ended\n" ? resolve() : reject(new Error(`${command}: ${text}`)));
    });
    const began = performance.now();
    this.shell.stdin.write(`{ ${command}; } </dev/null; ${afterwards}; echo ended\n`);
    const [first] = await Promise.all([heard, ended]);
    return first - began;
  }

  end() {
    this.shell.stdin.end();
    this.listener.kill();
  }
}

/** Where the keeper makes a container's own group. */
const findLeaf = `for leaf in unified freezer systemd .; do leaf=/sys/fs/cgroup/$leaf/bench-start; mkdir $leaf 2>/dev/null && break; done
leaf=$leaf/leaf`;

/** The root file system, runc's bundle, the launcher's configuration, a keeper's folder. Says whether there is runc. */
function prepare(config) {
  const kept = "id\tbench\nrestart\tNever\ngrace\t0\nnamespace\t\nhost\t\nresolv\tno\n";
  const container = `container\tmain\t-\t${at}/logs/main\t-\n`;
  return `set -e
mkdir -p ${at}/logs ${at}/kept/main
cd ${at}
mkdir -p rootfs/bin rootfs/proc rootfs/sys rootfs/dev rootfs/etc rootfs/tmp
cp "$(command -v busybox)" rootfs/bin/busybox
ln -sf busybox rootfs/bin/sh
[ -p rootfs/go ] || mkfifo rootfs/go
cat > kept/main/conf <<'end'
${config}end
printf '%s' '${kept}${container}' > kept/spec
${findLeaf}
groups=
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
for controller in memory cpu cpuacct pids; do
[ ! -d /sys/fs/cgroup/$controller ] || { mkdir -p /sys/fs/cgroup/$controller/bench-start; groups="$groups
cgroup	/sys/fs/cgroup/$controller/bench-start"; }
done
fi
{ cat kept/main/conf; printf 'new\\t%s\\n' net uts ipc pid mnt; echo "cgroup	$leaf$groups"
printf 'log\\t%s\\nstatus\\t%s\\n' ${at}/logs/0.log ${at}/status; } > config
rmdir "\${leaf%/leaf}"
command -v runc >/dev/null || exit 0
rm -f config.json
runc spec
sed -i 's/"terminal": true/"terminal": false/; s/^\\t\\t\\t"sh"$/\\t\\t\\t"sh", "-c", "echo > \\/go"/' config.json
echo runc`;
}
