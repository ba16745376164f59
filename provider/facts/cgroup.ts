/**
 * What a control group is set to, on cgroup v1, on v2 and where a machine has both (cgroups(7)).
 *
 *   v1, hybrid   /sys/fs/cgroup/{memory,cpu,cpuacct,pids,cpuset}/PATH   a directory in each hierarchy
 *                /sys/fs/cgroup/unified/PATH                            hybrid: freezing and killing
 *   v2           /sys/fs/cgroup/PATH                                    one directory
 */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { inodeFunction } from "./inode";

/** A share of processor time within each period, in microseconds. */
export interface CpuQuota {
  readonly quota: number;
  readonly period: number;
}

/** A control group. What is absent is not limited, or not there to be limited. */
export interface CGroupState {
  readonly version: "v1" | "hybrid" | "v2";
  /** Hierarchies that should have the group and lack it. */
  readonly missing: readonly string[];
  /** Bytes. */
  readonly memoryMax?: number;
  /** v1: bytes of memory and swap together. */
  readonly memoryAndSwapMax?: number;
  /** v2: bytes of swap. */
  readonly swapMax?: number;
  /** Whether the kernel keeps an account of swap. */
  readonly swapAccount: boolean;
  readonly swappiness?: number;
  /** v2: whether the kernel ends all processes of the group together. */
  readonly oomGroup?: boolean;
  readonly cpuMax?: CpuQuota;
  /** v1. */
  readonly cpuShares?: number;
  /** v2. */
  readonly cpuWeight?: number;
  readonly pidsMax?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** What the two are in the group above. */
  readonly inherited: { readonly cpus: string; readonly mems: string };
}

/** Shell text that starts everything about control groups: goes to their root; `$v1` is set where there are v1 hierarchies, `$u` is the v2 tree. */
export const findHierarchies = `cd /sys/fs/cgroup || return 1
if [ -e cgroup.controllers ]; then v1='' u=. hierarchies=.
elif [ -e unified/cgroup.controllers ]; then v1=y u=unified hierarchies='memory cpu cpuacct pids unified'
else v1=y u='' hierarchies='memory cpu cpuacct pids freezer'; fi
[ "$u" = . ] || [ -d memory ] || [ -d cpu ] || [ -n "$u" ] || { echo 'no cgroup hierarchy is mounted below /sys/fs/cgroup' >&2; return 1; }`;

/** Files by the names that they have in v1 and in v2. */
const files = [
  "memory/memory.limit_in_bytes",
  "memory/memory.memsw.limit_in_bytes",
  "memory/memory.swappiness",
  "memory/memory.max",
  "memory/memory.swap.max",
  "memory/memory.oom.group",
  "cpu/cpu.cfs_quota_us",
  "cpu/cpu.cfs_period_us",
  "cpu/cpu.shares",
  "cpu/cpu.max",
  "cpu/cpu.weight",
  "pids/pids.max",
  "cpuset/cpuset.cpus",
  "cpuset/cpuset.mems",
];

/**
 * The group at `path`. The identity is the directory's inode in the first hierarchy; where only that one is gone there is
 * none, and what is left still counts as the group.
 */
export function cgroupAt(path: string): Fact<CGroupState> {
  return {
    // The shell reads everything by itself: no process for each file.
    script: `p=${quote(path)}
${inodeFunction}
${findHierarchies}
first='' found='' missing=''
for h in $hierarchies; do
[ -d "$h" ] || continue
first=\${first:-$h}
if [ -d "$h/$p" ]; then found=y; else missing="$missing $h"; fi
done
[ -n "$found" ] || return 0
if [ -d "$first/$p" ]; then
inode_of "$first/$p"
if [ -n "$inode" ]; then echo "ident $inode"; else stat -c 'ident %i' -- "$first/$p" || return 1; fi
fi
case $v1$u in .) echo version v2 ;; y) echo version v1 ;; *) echo version hybrid ;; esac
echo "missing$missing"
for n in ${files.join(" ")}; do
h=$u
[ -z "$v1" ] || [ ! -d "\${n%/*}" ] || h=\${n%/*}
n=\${n##*/}
[ -n "$h" ] && [ -e "$h/$p/$n" ] || continue
{ read -r value < "$h/$p/$n"; } 2>/dev/null || value=''
printf '%s %s\\n' "$n" "$value"
case $n in cpuset.*)
above=$h/$p; above=\${above%/*}/$n
# v2 keeps apart what was set and what holds.
[ ! -e "$above.effective" ] || above=$above.effective
{ read -r value < "$above"; } 2>/dev/null || value=''
printf 'above.%s %s\\n' "$n" "$value" ;;
esac
done
return 0`,
    parse,
  };
}

/** Above this the kernel means "no limit": v1 says it as the largest multiple of its page size. */
const unlimited = 2 ** 62;

function parse(text: string): CGroupState {
  const values = new Map(
    text.split("\n").map((line): [string, string] => {
      const end = `${line} `.indexOf(" ");
      return [line.slice(0, end), line.slice(end + 1)];
    }),
  );
  const amount = (file: string) => limit(values.get(file));
  const [quota, period] = values.get("cpu.max")?.split(" ") ?? [
    values.get("cpu.cfs_quota_us"),
    values.get("cpu.cfs_period_us"),
  ];
  const cpuQuota = limit(quota);
  return present({
    version: values.get("version") as CGroupState["version"],
    missing: values.get("missing")?.split(" ").filter(Boolean) ?? [],
    memoryMax: amount("memory.limit_in_bytes") ?? amount("memory.max"),
    memoryAndSwapMax: amount("memory.memsw.limit_in_bytes"),
    swapMax: amount("memory.swap.max"),
    swapAccount: values.has("memory.memsw.limit_in_bytes") || values.has("memory.swap.max"),
    swappiness: amount("memory.swappiness"),
    oomGroup: values.has("memory.oom.group") ? values.get("memory.oom.group") === "1" : undefined,
    cpuMax: cpuQuota === undefined ? undefined : { quota: cpuQuota, period: Number(period) },
    cpuShares: amount("cpu.shares"),
    cpuWeight: amount("cpu.weight"),
    pidsMax: amount("pids.max"),
    cpusetCpus: values.get("cpuset.cpus"),
    cpusetMems: values.get("cpuset.mems"),
    inherited: { cpus: values.get("above.cpuset.cpus") ?? "", mems: values.get("above.cpuset.mems") ?? "" },
  });
}

function limit(text: string | undefined): number | undefined {
  if (text === undefined || text === "max" || text.startsWith("-")) return undefined;
  const value = Number(text);
  return value >= unlimited ? undefined : value;
}

/** Without the keys that are undefined. */
function present<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}
