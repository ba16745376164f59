/** A keeper and its containers, from the folder that they keep under /run/barepod/process. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { addressFile } from "./link";
import { nodeFolder } from "./node";

/** Where the node keeps what it signs tokens with. */
const issuerFolder = "/var/lib/barepod/issuer";

/** One container, as the keeper knows it. */
export interface ContainerState {
  readonly name: string;
  /** Whether it runs to its end before the others, beside them, or is one of those that the group is there for. */
  readonly kind: "init" | "sidecar" | "main";
  /** `running`, `waiting`, `terminated`, or empty before its first start. */
  readonly state: string;
  /** Why it waits or ended: `CrashLoopBackOff`, `Completed`, `Error`, `OOMKilled`, `StartError`, `CreateContainerConfigError`. */
  readonly reason: string;
  /** It runs, its startup probe has succeeded and its postStart hook is done. */
  readonly started: boolean;
  /** It runs, and its readiness probe says so. */
  readonly ready: boolean;
  /** The probe that fails now, and why. */
  readonly failing?: { readonly probe: string; readonly why: string };
  readonly restarts: number;
  /** The first process on the node, while it runs. */
  readonly pid?: number;
  /** When it started, RFC 3339. */
  readonly startedAt?: string;
  /** How it ended the last time. */
  readonly last?: { readonly exitCode: number; readonly reason: string };
  /** Of its last end: why it was killed, and its termination message. */
  readonly message: readonly string[];
  /** What the launcher said when it could not start the program, or what is missing before it can be. */
  readonly error: string;
  /** Beside such an error: what its root file system is made from, as a RootFs says it. */
  readonly madeFrom?: string;
  /** The last lines of its log, when it does not run. */
  readonly log: readonly string[];
}

/** A group of containers and its keeper. */
export interface ProcessState {
  readonly keeper: boolean;
  /** Why all of it was ended: `DeadlineExceeded`; otherwise empty. */
  readonly reason: string;
  readonly restartPolicy: string;
  readonly gracePeriod: number;
  /** Seconds after the first start when all of it is ended. */
  readonly deadline?: number;
  /** What tells the specification of its volumes from others. */
  readonly volumes?: string;
  /** What tells what it says to Services from others. */
  readonly registration?: string;
  /** The control group of each container that has one, by its name. */
  readonly cgroups: Readonly<Record<string, string>>;
  /** How soon the kernel ends a container, by its name: what is wanted, and the number that it gets. */
  readonly oom: Readonly<Record<string, { readonly wanted: string; readonly score: number }>>;
  readonly address: string;
  readonly hostAddress: string;
  /** The keys that the node signs tokens with, as a JSON Web Key Set, where the group has tokens. */
  readonly jwks?: string;
  /** What the user should know, said when the containers were prepared. */
  readonly warnings: readonly string[];
  readonly containers: readonly ContainerState[];
}

/** The folder of a keeper. */
export function processFolder(name: string): string {
  return `/run/barepod/process/${name}`;
}

/**
 * The group kept in the folder of `name`; `namespace` is where its pins lie, by which its address is found. `stamps` has the
 * file, by the container's name, in which a RootFs says what it is made from.
 */
export function processAt(
  name: string,
  namespace: string | undefined,
  stamps: Readonly<Record<string, string>> = {},
): Fact<ProcessState> {
  const cases = Object.entries(stamps).map(([container, file]) => `${quote(container)}) stamp=${quote(file)} ;;`);
  const address = namespace === undefined ? "/dev/null" : addressFile(namespace);
  // What a program has printed may be any bytes: it travels as base64, or the text would not compare equal.
  return {
    script: `d=${quote(processFolder(name))} t='\t'
[ -d "$d" ] || return 0
alive() {
{ read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
want=$2; set -- \${stat##*) }; case $1 in Z|X) return 1 ;; esac; [ "\${20}" = "$want" ]
}
made_from() {
case $1 in
${[...cases, "*) return 0 ;;"].join("\n")}
esac
if { read -r stamp < "$stamp"; } 2>/dev/null; then echo "made$t$stamp"; fi
}
if { IFS=$t read -r pid start < "$d/keeper.pid"; } 2>/dev/null && alive "$pid" "$start"; then echo keeper; fi
if { read -r reason < "$d/keeper.reason"; } 2>/dev/null; then echo "reason$t$reason"; fi
if { read -r address < ${quote(address)}; } 2>/dev/null; then echo "address$t$address"; fi
if { read -r address < ${nodeFolder}/address; } 2>/dev/null; then echo "host$t$address"; fi
for token in "$d"/volume.*.token; do
if [ -e "$token" ] && { read -r keys < ${issuerFolder}/jwks.json; } 2>/dev/null; then echo "jwks$t$keys"; fi
break
done
if [ -s "$d/network.warnings" ]; then while IFS= read -r warning; do printf 'warning\\t%s\\n' "$warning"; done < "$d/network.warnings"; fi
[ -e "$d/keeper.spec" ] || { echo broken; return 0; }
if { read -r digest < "$d/volumes.digest"; } 2>/dev/null || [ -n "\${digest-}" ]; then echo "volumes$t$digest"; fi
said=; { read -r said < "$d/pod.digest"; } 2>/dev/null
[ -z "$said" ] || echo "registration$t$said"
end=
while IFS=$t read -r key name cgroup logs _ _ kind _; do
case $key in restart|grace|deadline) echo "$key$t$name" ;; end) end=1 ;; container)
printf 'container\\t%s\\t%s\\t%s\\n' "$name" "$cgroup" "$kind"
status= pid= start= at= code= reason= state= restarts=
if { read -r restarts < "$d/$name/restarts"; } 2>/dev/null; then echo "restarts$t$restarts"; fi
if { IFS=$t read -r code reason < "$d/$name/oom"; } 2>/dev/null; then echo "oom$t$code$t$reason"; fi
if { IFS=$t read -r code reason < "$d/$name/last"; } 2>/dev/null; then echo "last$t$code$t$reason"; fi
[ ! -s "$d/$name/message" ] || echo "message$t$(head -c 6000 "$d/$name/message" | base64 | tr -d '\\n')"
if { IFS=$t read -r status pid start at < "$d/$name/status"; } 2>/dev/null && [ "$status" = running ] && alive "$pid" "$start"
then
echo "running$t$pid$t$at"
[ ! -e "$d/$name/started" ] || echo started
[ ! -e "$d/$name/ready" ] || echo ready
[ ! -s "$d/$name/failing" ] || echo "failing$t$(head -c 2000 "$d/$name/failing" | base64 | tr -d '\\n')"
else
if { read -r state < "$d/$name/state"; } 2>/dev/null; then echo "state$t$state"; fi
[ ! -s "$d/$name/error" ] || { echo "error$t$(head -c 2000 "$d/$name/error" | base64 | tr -d '\\n')"; made_from "$name"; }
[ ! -s "$logs/\${restarts:-0}.log" ] || echo "log$t$(tail -n 5 "$logs/\${restarts:-0}.log" | cut -c 1-1000 | base64 | tr -d '\\n')"
fi ;;
esac
done < "$d/keeper.spec"
[ -n "$end" ] || echo broken`,
    parse: parseProcess,
  };
}

function parseProcess(text: string): ProcessState {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const first = (key: string): string => lines.find(([found]) => found === key)?.[1] ?? "";
  const starts = lines.flatMap(([key], index) => (key === "container" ? [index] : []));
  const blocks = starts.map((from, index) => lines.slice(from, starts[index + 1]));
  const groups = blocks.flatMap(([[, name = "", cgroup = "/"] = []]) => (cgroup === "/" ? [] : [[name, cgroup]]));
  return {
    keeper: lines.some(([key]) => key === "keeper"),
    reason: first("reason"),
    restartPolicy: first("restart"),
    gracePeriod: Number(first("grace")),
    ...(Number(first("deadline")) > 0 ? { deadline: Number(first("deadline")) } : {}),
    ...(first("volumes") === "" ? {} : { volumes: first("volumes") }),
    ...(first("registration") === "" ? {} : { registration: first("registration") }),
    cgroups: Object.fromEntries(groups) as Record<string, string>,
    oom: Object.fromEntries(
      blocks.flatMap((block) => {
        const [, wanted = "", score] = block.find(([key]) => key === "oom") ?? [];
        return score === undefined ? [] : [[block[0]?.[1] ?? "", { wanted, score: Number(score) }]];
      }),
    ) as ProcessState["oom"],
    address: first("address"),
    hostAddress: first("host"),
    ...(first("jwks") === "" ? {} : { jwks: first("jwks") }),
    warnings: lines.flatMap(([key, text = ""]) => (key === "warning" ? [text] : [])),
    containers: blocks.map(parseContainer),
  };
}

function parseContainer(lines: readonly (readonly string[])[]): ContainerState {
  const find = (key: string): readonly string[] | undefined => lines.find(([found]) => found === key);
  const running = find("running");
  const last = find("last");
  const madeFrom = find("made")?.[1];
  const failing = decode(find("failing")?.[1])[0]?.split("\t");
  const [state = "", reason = ""] = running === undefined ? (find("state")?.[1]?.split(" ") ?? []) : ["running"];
  return {
    name: find("container")?.[1] ?? "",
    kind: (find("container")?.[3] ?? "main") as ContainerState["kind"],
    state,
    reason,
    started: find("started") !== undefined,
    ready: find("ready") !== undefined,
    ...(failing === undefined ? {} : { failing: { probe: failing[0] ?? "", why: failing.slice(1).join(" ") } }),
    restarts: Number(find("restarts")?.[1] ?? 0),
    ...(running === undefined ? {} : { pid: Number(running[1]), startedAt: running[2] ?? "" }),
    ...(last === undefined ? {} : { last: { exitCode: Number(last[1]), reason: last[2] ?? "" } }),
    message: decode(find("message")?.[1]),
    error: (decode(find("error")?.[1])[0] ?? "").replace(/^launcher: /, ""),
    ...(madeFrom === undefined ? {} : { madeFrom }),
    log: decode(find("log")?.[1]).map((line) => line.replace(/^\S+ std(out|err) [PF] /, "")),
  };
}

/** Lines of text; bytes that are no UTF-8 show as U+FFFD, control characters as `?`. */
function decode(base64 = ""): string[] {
  const lines = Buffer.from(base64, "base64").toString("utf8").split("\n");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a program's output may steer the terminal that shows it
  const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
  return lines.map((line) => line.replace(steering, "?")).filter((line) => line !== "");
}
