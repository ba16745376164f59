import { kilobytes } from "../lib/statistics.mjs";

const megabytes = 50;
const at = "/srv/bench-pump";

/** A line of 50 MB without a newline, with NUL bytes, through the log pump: whole, and in bounded memory. */
export async function measureLogPump({ engine, node, report }) {
  report.section(
    "The log pump",
    `  ${megabytes} MB without a newline, every second byte NUL; the log's pieces put together again and compared.`,
  );
  const launcher = await engine.installPrograms(node);
  const output = await node.run(script(launcher));
  const [sent, received, peak, spent] = output.trim().split("\n");
  const whole = sent === received;
  report.add("bytes that arrived as they were", whole ? 100 : 0, "%", whole ? "all" : "not all", { atLeast: 100 });
  report.add("largest resident size on the way", Number(peak), "KB", kilobytes(Number(peak) * 1024), {
    note: "VmHWM, shared pages too",
  });
  const rate = (megabytes * 1000) / Number(spent);
  report.add("speed", rate, "MB/s", `${rate.toFixed(0)} MB/s`);
}

/** Prints the checksums of what was written and of what the log has, the pump's VmHWM, and the milliseconds that it took. */
function script(launcher) {
  return `set -e
export LC_ALL=C
rm -rf ${at}; mkdir -p ${at}; cd ${at}
mkfifo go
head -c ${megabytes}000000 /dev/urandom | tr '\\n\\001-\\176' '\\0' > data
printf '%s\\t%s\\n' log ${at}/log status ${at}/status env PATH=/usr/bin:/bin arg sh arg -c > config
printf 'arg\\tcat ${at}/data; : > ${at}/done; read -r _ < ${at}/go\\nrotate\\t1000000000\\t2\\n' >> config
began=$(date +%s%N)
${launcher} run ${at}/config &
pump=$!
while [ ! -e done ]; do sleep 0.01; done
ended=$(date +%s%N)
# The last pipe's worth may still be on its way.
sleep 0.3
peak=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pump/status)
echo > go
wait $pump
sha256sum < data
sed 's/^[^ ]* stdout [PF] //' log | tr -d '\\n' | sha256sum
echo "$peak"
echo "$(( (ended - began) / 1000000 ))"
`;
}
