/** A keeper and its containers, from the folder that they keep under /run/barepod/process. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { nodeFolder } from "./node";

/** One container, as the keeper knows it. */
export interface ContainerState {
  readonly name: string;
  /** `running`, `waiting`, `terminated`, or empty before its first start. */
  readonly state: string;
  /** Why it waits or ended: `CrashLoopBackOff`, `Completed`, `Error`, `OOMKilled`, `StartError`. */
  readonly reason: string;
  readonly restarts: number;
  /** The first process on the node, while it runs. */
  readonly pid?: number;
  /** When it started, RFC 3339. */
  readonly startedAt?: string;
  /** How it ended the last time. */
  readonly last?: { readonly exitCode: number; readonly reason: string };
  /** What the launcher said when it could not start the program. */
  readonly error: string;
  /** The last lines of its log, when it does not run. */
  readonly log: readonly string[];
}

/** A group of containers and its keeper. */
export interface ProcessState {
  readonly keeper: boolean;
  readonly restartPolicy: string;
  readonly gracePeriod: number;
  /** The control group of each container, by its name. */
  readonly cgroups: Readonly<Record<string, string>>;
  readonly address: string;
  readonly hostAddress: string;
  readonly containers: readonly ContainerState[];
}

/** The folder of a keeper. */
export function processFolder(name: string): string {
  return `/run/barepod/process/${name}`;
}

/** The group kept in the folder of `name`; `namespace` is where its pins lie, by which its address is found. */
export function processAt(name: string, namespace: string | undefined): Fact<ProcessState> {
  const address = `/run/barepod/addresses/${namespace?.slice(namespace.lastIndexOf("/") + 1) ?? "-"}`;
  return {
    script: `d=${quote(processFolder(name))} t='	'
[ -d "$d" ] || return 0
alive() {
{ read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
want=$2; set -- \${stat##*) }; [ "\${20}" = "$want" ]
}
if IFS=$t read -r pid start 2>/dev/null < "$d/keeper" && alive "$pid" "$start"; then echo keeper; fi
if read -r address 2>/dev/null < ${quote(address)}; then echo "address$t$address"; fi
if read -r address 2>/dev/null < ${nodeFolder}/address; then echo "host$t$address"; fi
[ -e "$d/spec" ] || { echo "broken"; return 0; }
while IFS=$t read -r key name cgroup logs _; do
case $key in restart|grace) echo "$key$t$name" ;; container)
echo "container$t$name$t$cgroup"
pid= start= at= code= reason= state= restarts=
if read -r state 2>/dev/null < "$d/$name/state"; then echo "state$t$state"; fi
if read -r restarts 2>/dev/null < "$d/$name/restarts"; then echo "restarts$t$restarts"; fi
if IFS=$t read -r code reason 2>/dev/null < "$d/$name/last"; then echo "last$t$code$t$reason"; fi
if IFS=$t read -r status pid start at 2>/dev/null < "$d/$name/status" && [ "$status" = running ] && alive "$pid" "$start"
then echo "running$t$pid$t$at"
else
[ ! -s "$d/$name/error" ] || { read -r error < "$d/$name/error"; echo "error$t$error"; }
[ ! -e "$logs/\${restarts:-0}.log" ] || tail -n 5 "$logs/\${restarts:-0}.log" | sed "s/^[^ ]* [^ ]* [^ ]* /log$t/"
fi ;;
esac
done < "$d/spec"`,
    parse: parseProcess,
  };
}

function parseProcess(text: string): ProcessState {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const first = (key: string): string => lines.find(([found]) => found === key)?.[1] ?? "";
  const containers: ContainerState[] = [];
  const cgroups: Record<string, string> = {};
  let own: string[][] = [];
  for (const line of [...lines].reverse()) {
    if (line[0] !== "container") {
      own.unshift(line);
      continue;
    }
    const [, name = "", cgroup = "-"] = line;
    cgroups[name] = cgroup;
    containers.unshift(parseContainer(name, own));
    own = [];
  }
  return {
    keeper: lines.some(([key]) => key === "keeper"),
    restartPolicy: first("restart"),
    gracePeriod: Number(first("grace")),
    cgroups,
    address: first("address"),
    hostAddress: first("host"),
    containers,
  };
}

function parseContainer(name: string, lines: readonly (readonly string[])[]): ContainerState {
  const find = (key: string): readonly string[] | undefined => lines.find(([found]) => found === key);
  const [state = "", reason = ""] = find("state")?.[1]?.split(" ") ?? [];
  const running = find("running");
  const last = find("last");
  return {
    name,
    state: state === "running" && running === undefined ? "" : state,
    reason,
    restarts: Number(find("restarts")?.[1] ?? 0),
    ...(running === undefined ? {} : { pid: Number(running[1]), startedAt: running[2] ?? "" }),
    ...(last === undefined ? {} : { last: { exitCode: Number(last[1]), reason: last[2] ?? "" } }),
    error: find("error")?.slice(1).join("\t") ?? "",
    log: lines.flatMap((line) => (line[0] === "log" ? [line.slice(1).join("\t")] : [])),
  };
}
