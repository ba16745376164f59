import { kilobytes, median } from "../lib/statistics.mjs";

const pods = 10;

/** The memory of Barepod's own processes that stay beside a pod. */
export async function measureMemory({ engine, node, report }) {
  report.section(
    "Memory beside the containers",
    `  PSS from /proc/PID/smaps_rollup, ${pods} pods of one container running: pages that processes share are divided among them.`,
  );
  const environment = { BENCH_PODS: String(pods), BENCH_CONNECTION: JSON.stringify(node.connection) };
  const project = await engine.open("memory", "pods", environment);
  await project.up();
  const output = await node.run(listProcesses);
  await project.destroy();
  const processes = output
    .trim()
    .split("\n")
    .map((line) => line.split("\t"));
  const pss = (word) => {
    const byFolder = new Map();
    for (const [kind, folder, size] of processes)
      if (kind === word) byFolder.set(folder, (byFolder.get(folder) ?? 0) + Number(size) * 1024);
    return { perPod: median([...byFolder.values()]), processes: processes.filter(([kind]) => kind === word).length };
  };
  const keeper = pss("keeper");
  const pump = pss("pump");
  report.add("keeper, each pod", keeper.perPod / 1e6, "MB", `${(keeper.perPod / 1e6).toFixed(2)} MB`, {
    atMost: 1.5,
    note: `${keeper.processes / pods} processes`,
  });
  report.add("log pump, each container", pump.perPod / 1e3, "KB", kilobytes(pump.perPod), { atMost: 150 });
}

/** KIND, folder, PSS in KiB of each of Barepod's processes. */
const listProcesses = `for process in /proc/[0-9]*; do
command=$(tr '\\0' ' ' < "$process/cmdline" 2>/dev/null)
case $command in
*keeper.sh\\ run\\ *) kind=keeper folder=\${command##* run } ;;
*launcher\\ run\\ *) kind=pump folder=\${command##* run } ;;
*) continue ;;
esac
printf '%s\\t%s\\t%s\\n' "$kind" "$folder" "$(sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' "$process/smaps_rollup")"
done
`;
