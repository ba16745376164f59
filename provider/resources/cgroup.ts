import type * as pulumi from "@pulumi/pulumi";
import { type Command, raw } from "../command/command";
import { type CGroupState, cgroupAt } from "../facts/cgroup";
import { boolean, type Field, type Fields, integer, optional, parsed, required, text } from "../fields";
import { ownersFolder } from "../frame";
import { CPU_PERIOD, cpuQuota, cpuWeight as weightOfShares } from "../kubernetes/resources";
import { objectName } from "../naming";
import { defineSpec, equal, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";
import { type Cpu, cpuMilli, type Memory, memoryBytes } from "../units";
import { applyScript, removeParentsScript, removeScript } from "./cgroup-commands";

/** The inputs of a {@link CGroup}. What is not given is not limited. */
export interface CGroupArgs extends PrimitiveArgs {
  /**
   * The group's path below the root of the hierarchies, for example `chroot0` or `barepod/pod1/web`. Groups on the way are
   * made when missing, and removed again with this one. A group below another CGroup takes its path from it, so that the
   * two are made in order: ``interpolate`${pod.path}/web` ``. Changing this replaces the CGroup.
   */
  readonly path: pulumi.Input<string>;
  /**
   * The most memory that the processes may use together: bytes, or a quantity such as `200Mi`. The kernel rounds it down
   * to whole pages. Beyond it the kernel reclaims, and then kills. It cannot be lowered below what is in use, as far as the
   * kernel cannot take that back.
   * @defaultValue no limit
   */
  readonly memoryMax?: pulumi.Input<Memory> | undefined;
  /**
   * The most swap that the processes may use together, without the memory: bytes, or a quantity. 0 turns swap off for
   * them. More needs `memoryMax`, because cgroup v1 limits only the sum of the two; there 0 has no effect without.
   * @defaultValue no limit
   */
  readonly memorySwapMax?: pulumi.Input<Memory> | undefined;
  /**
   * Whether the kernel ends all processes of the group together when memory runs out, instead of the largest one. Only
   * cgroup v2 can; on v1 this has no effect.
   * @defaultValue false
   */
  readonly memoryOomGroup?: pulumi.Input<boolean> | undefined;
  /**
   * How readily the kernel swaps, 0 (hardly) to 200. Only cgroup v1 has it; on v2 use `memorySwapMax: 0`.
   * @defaultValue as the group above has it
   */
  readonly memorySwappiness?: pulumi.Input<number> | undefined;
  /**
   * The most processor time: CPUs as a number, or a quantity such as `500m`, in periods of 100 ms; at least `10m`. On v1
   * groups below that have more are lowered to it, as v2 does by itself.
   * @defaultValue no limit
   */
  readonly cpuMax?: pulumi.Input<Cpu> | undefined;
  /**
   * The weight against sibling groups when processors are scarce, 1 to 10000, as cgroup v2 has it. On v1 it becomes the
   * shares that container runtimes turn into this weight, or `cpuShares` if they are given too.
   * @defaultValue 100
   */
  readonly cpuWeight?: pulumi.Input<number> | undefined;
  /**
   * The same as cgroup v1 has it, 2 to 262144, 1024 for each requested CPU. On v2 it becomes the weight that container
   * runtimes make of it (1024 → 100), or `cpuWeight` if that is given too.
   * @defaultValue 1024
   */
  readonly cpuShares?: pulumi.Input<number> | undefined;
  /**
   * The most processes and threads, up to 4194304. 0 means 1, as in container runtimes.
   * @defaultValue no limit
   */
  readonly pidsMax?: pulumi.Input<number> | undefined;
  /**
   * The processors to run on, for example `0-2,4`.
   * @defaultValue those of the group above
   */
  readonly cpusetCpus?: pulumi.Input<string> | undefined;
  /**
   * The memory nodes (NUMA) to take memory from, for example `0`.
   * @defaultValue those of the group above
   */
  readonly cpusetMems?: pulumi.Input<string> | undefined;
}

/** @internal */
export interface CGroupInputs extends NodeInputs {
  readonly path: string;
  readonly memoryMax?: Memory | undefined;
  readonly memorySwapMax?: Memory | undefined;
  readonly memoryOomGroup?: boolean | undefined;
  readonly memorySwappiness?: number | undefined;
  readonly cpuMax?: Cpu | undefined;
  readonly cpuWeight?: number | undefined;
  readonly cpuShares?: number | undefined;
  readonly pidsMax?: number | undefined;
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
}

const maxCpus = 1_000_000;
const cpuList = text({
  max: 1024,
  pattern: /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/,
  form: "a list such as 0-2,4",
});

const fields: Fields = {
  path: required(groupPath),
  memoryMax: optional(parsed((value) => memoryBytes(value as Memory, ""))),
  memorySwapMax: optional(parsed((value) => memoryBytes(value as Memory, ""))),
  memoryOomGroup: optional(boolean()),
  memorySwappiness: optional(integer(0, 200)),
  cpuMax: optional(parsed(cpuLimit)),
  cpuWeight: optional(integer(1, 10_000)),
  cpuShares: optional(integer(2, 262_144)),
  pidsMax: optional(integer(0, 4_194_304)),
  cpusetCpus: optional(cpuList),
  cpusetMems: optional(cpuList),
};

/** @internal */
export const cgroupSpec = defineSpec<CGroupInputs, CGroupState>({
  type: "CGroup",
  identity: ["path"],
  fields,
  check: ({ memoryMax, memorySwapMax }) =>
    memorySwapMax !== undefined && memoryMax === undefined && memoryBytes(memorySwapMax, "memorySwapMax") > 0
      ? [{ path: "memorySwapMax", reason: "needs memoryMax: cgroup v1 limits only the sum of memory and swap" }]
      : [],
  observe: ({ path }) => cgroupAt(path),
  plan: (inputs, seen) => (seen !== undefined && isAsWanted(inputs, seen) ? [] : [apply(inputs)]),
  undo: ({ path }) => [remove(path)],
  cleanup: ({ path }) => [
    raw(
      "remove the groups that were made on the way to it",
      removeParentsScript,
      path,
      `${ownersFolder}/${objectName("CGroup", [path])}`,
    ),
  ],
  drift,
  outputs: (_inputs, { version }) => ({ version }),
  boot: { rank: ({ path }) => `35.${String(path.split("/").length).padStart(3, "0")}` },
});

/**
 * A control group: limits that a set of processes share, on cgroup v1, v2 or both. All limits change in place; processes
 * join by their number in each directory's `cgroup.procs`.
 *
 * On v2 the groups above hand the controllers on (`cgroup.subtree_control`). What was not handed on before is taken back
 * with the node's last CGroup, except where somebody else needs it by then. At the root systemd goes on deciding for its
 * own units: it enables what they ask for, and disables what they no longer do.
 *
 * @example
 * ```ts
 * new CGroup("box", { node, path: "chroot0", memoryMax: "200Mi", memorySwapMax: 0, pidsMax: 100, cpuMax: "500m" });
 * ```
 * @see cgroups(7)
 */
export class CGroup extends NodeResource {
  declare readonly path: pulumi.Output<string>;
  declare readonly memoryMax: pulumi.Output<Memory | undefined>;
  declare readonly memorySwapMax: pulumi.Output<Memory | undefined>;
  declare readonly memoryOomGroup: pulumi.Output<boolean | undefined>;
  declare readonly memorySwappiness: pulumi.Output<number | undefined>;
  declare readonly cpuMax: pulumi.Output<Cpu | undefined>;
  declare readonly cpuWeight: pulumi.Output<number | undefined>;
  declare readonly cpuShares: pulumi.Output<number | undefined>;
  declare readonly pidsMax: pulumi.Output<number | undefined>;
  declare readonly cpusetCpus: pulumi.Output<string | undefined>;
  declare readonly cpusetMems: pulumi.Output<string | undefined>;
  /** What the node has: `v1`, `v2`, or `hybrid`, which is v1 with an additional tree of v2. */
  declare readonly version: pulumi.Output<"v1" | "hybrid" | "v2">;

  constructor(name: string, args: CGroupArgs, options?: pulumi.CustomResourceOptions) {
    super(cgroupSpec.type, name, { ...args }, ["version"], options);
  }
}

/** A path below the hierarchies' root, in its shortest form, that none of the kernel's own files is in the way of. */
function groupPath(value: unknown, path: string): ReturnType<Field> {
  // The directories above it, such as /sys/fs/cgroup/cpu,cpuacct, need their room too.
  const problems = text({ max: 4000 })(value, path);
  if (problems.length > 0) return problems;
  const segments = String(value).split("/");
  const reason = String(value).startsWith("/")
    ? "must not start with /: it is relative to the root of the hierarchies, for example barepod/web"
    : segments.some((segment) => ["", ".", ".."].includes(segment))
      ? "must be in its shortest form (no //, no . or .. segments, no / at the end)"
      : segments.some((segment) => Buffer.byteLength(segment) > 255)
        ? "has a segment longer than 255 bytes"
        : segments.some((segment) => kernelFile.test(segment))
          ? "has a segment that is the name of a file of the kernel's"
          : undefined;
  return reason === undefined ? [] : [{ path, reason }];
}

const kernelFile =
  /^(tasks|notify_on_release|release_agent|(cgroup|memory|cpu|cpuacct|cpuset|pids|blkio|io|hugetlb|rdma|misc|irq|freezer|devices|perf_event|net_cls|net_prio)\..*)$/;

function cpuLimit(value: unknown): number {
  const milli = cpuMilli(value as Cpu, "");
  if (milli === 0 || milli > maxCpus * 1000) throw new RangeError(`must be more than 0 and at most ${maxCpus} CPUs`);
  return milli;
}

/** What is wanted, in the kernel's numbers. */
function wanted(inputs: CGroupInputs) {
  const { memoryMax, memorySwapMax, cpuMax, cpuWeight, cpuShares, pidsMax } = inputs;
  const memory = memoryMax === undefined ? undefined : memoryBytes(memoryMax, "memoryMax");
  const swap = memorySwapMax === undefined ? undefined : memoryBytes(memorySwapMax, "memorySwapMax");
  return {
    memory,
    swap,
    memoryAndSwap: memory === undefined || swap === undefined ? undefined : memory + swap,
    quota: cpuMax === undefined ? undefined : cpuQuota(cpuMilli(cpuMax, "cpuMax")),
    shares: cpuShares ?? sharesOf(cpuWeight ?? 100),
    weight: cpuWeight ?? weightOf(cpuShares ?? 1024),
    pids: pidsMax === undefined ? undefined : Math.max(pidsMax, 1),
  };
}

function weightOf(shares: number): number {
  return weightOfShares(shares, "new");
}

/** The inverse of Kubernetes' formula from shares to weight: 1 ↔ 2, 100 ↔ 1024, 10000 ↔ 262144. */
function sharesOf(weight: number): number {
  const l = (Math.sqrt(125 ** 2 + 4 * 612 * (Math.log10(weight) + 7 / 34)) - 125) / 2;
  return Math.round(2 ** l);
}

function isAsWanted(inputs: CGroupInputs, seen: CGroupState): boolean {
  const asksCpuset = inputs.cpusetCpus !== undefined || inputs.cpusetMems !== undefined;
  if (seen.missing.length > 0 || (asksCpuset && seen.cpusetCpus === undefined)) return false;
  return Object.keys(differences(inputs, seen)).length === 0;
}

/** What the node contradicts among the inputs that are given. */
function drift(inputs: CGroupInputs, seen: CGroupState): Partial<CGroupInputs> {
  const given = Object.entries(differences(inputs, seen)).filter(
    ([key]) => inputs[key as keyof CGroupInputs] !== undefined,
  );
  return Object.fromEntries(given) as Partial<CGroupInputs>;
}

/** What the node contradicts; what is not given is wanted as the kernel has it by default. */
function differences(inputs: CGroupInputs, seen: CGroupState): Partial<CGroupInputs> {
  const want = wanted(inputs);
  const { memoryOomGroup = false, memorySwappiness, cpusetCpus, cpusetMems } = inputs;
  const weight = seen.cpuWeight ?? (seen.cpuShares === undefined ? undefined : weightOf(seen.cpuShares));
  const shares = seen.cpuShares ?? (seen.cpuWeight === undefined ? undefined : sharesOf(seen.cpuWeight));
  // The controller may be absent where nothing is asked of it.
  const sameWeight = seen.cpuShares === undefined ? (weight ?? 100) === want.weight : shares === want.shares;
  // Given both, what this node goes by.
  const isWeight = inputs.cpuShares === undefined || (inputs.cpuWeight !== undefined && seen.cpuShares === undefined);
  return {
    ...(samePages(want.memory, seen.memoryMax) ? {} : { memoryMax: seen.memoryMax }),
    ...(sameSwap(want, seen) ? {} : { memorySwapMax: swapOf(seen) }),
    ...(memoryOomGroup === (seen.oomGroup ?? memoryOomGroup) ? {} : { memoryOomGroup: seen.oomGroup }),
    ...(memorySwappiness === undefined || memorySwappiness === seen.swappiness
      ? {}
      : { memorySwappiness: seen.swappiness }),
    ...(sameQuota(want.quota, seen.cpuMax) ? {} : { cpuMax: seen.cpuMax && seen.cpuMax.quota / seen.cpuMax.period }),
    ...(sameWeight ? {} : isWeight ? { cpuWeight: weight } : { cpuShares: shares }),
    ...(want.pids === seen.pidsMax ? {} : { pidsMax: seen.pidsMax }),
    ...(sameList(cpusetCpus, seen.cpusetCpus, seen.inherited.cpus) ? {} : { cpusetCpus: seen.cpusetCpus }),
    ...(sameList(cpusetMems, seen.cpusetMems, seen.inherited.mems) ? {} : { cpusetMems: seen.cpusetMems }),
  };
}

/** Whether the kernel has taken a number of bytes, which it rounds down to its pages of 4, 16 or 64 KiB. */
function samePages(want: number | undefined, seen: number | undefined): boolean {
  if (want === undefined || seen === undefined) return want === seen;
  return [1, 4096, 16_384, 65_536].some((page) => want - (want % page) === seen);
}

function sameSwap(want: ReturnType<typeof wanted>, seen: CGroupState): boolean {
  // Without an account nothing can be compared; that there is no swap then was seen when it was set.
  if (!seen.swapAccount) return true;
  return isSum(seen) ? samePages(want.memoryAndSwap, seen.memoryAndSwapMax) : samePages(want.swap, seen.swapMax);
}

function swapOf(seen: CGroupState): number | undefined {
  if (!isSum(seen)) return seen.swapMax;
  return seen.memoryAndSwapMax === undefined ? undefined : seen.memoryAndSwapMax - (seen.memoryMax ?? 0);
}

/** Whether memory and swap are limited together, as cgroup v1 does it. */
function isSum(seen: CGroupState): boolean {
  return seen.swappiness !== undefined;
}

function sameQuota(want: number | undefined, seen: CGroupState["cpuMax"]): boolean {
  if (want === undefined || seen === undefined) return want === undefined && seen === undefined;
  return want * seen.period === seen.quota * CPU_PERIOD;
}

/** Whether a list such as `0-2,4` names what is wanted; without a wish that is what the group above has, or on v2 nothing. */
function sameList(want: string | undefined, seen: string | undefined, inherited: string): boolean {
  if (seen === undefined || seen === "") return want === undefined;
  return equal(members(want ?? inherited), members(seen));
}

function members(list: string): number[] {
  const each = list
    .split(",")
    .filter(Boolean)
    .flatMap((part) => {
      const [from = 0, to = from] = part.split("-").map(Number);
      return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
    });
  return [...new Set(each)].sort((a, b) => a - b);
}

/** Makes the group, as far as it is missing, and sets all of its limits: for v1, v2 and hybrid, as the node has it. */
function apply(inputs: CGroupInputs): Command {
  const { memory, memoryAndSwap, swap, quota, shares, weight, pids } = wanted(inputs);
  const { memoryOomGroup = false, memorySwappiness = "", cpusetCpus = "", cpusetMems = "" } = inputs;
  return raw(
    "make the control group and set its limits",
    applyScript,
    inputs.path,
    memory ?? "max",
    memoryAndSwap ?? "max",
    swap ?? "max",
    memorySwappiness,
    quota ?? "max",
    shares,
    weight,
    pids ?? "max",
    cpusetCpus,
    cpusetMems,
    neededControllers(inputs).join(" "),
    memoryOomGroup ? 1 : 0,
  );
}

/** The controllers without which a given limit has no effect. */
function neededControllers(inputs: CGroupInputs): string[] {
  const { memoryMax, memorySwappiness, cpuMax, cpuWeight, cpuShares, pidsMax } = inputs;
  const isGiven = (...values: unknown[]) => values.some((value) => value !== undefined);
  return [
    ...(isGiven(memoryMax, memorySwappiness) ? ["memory"] : []),
    ...(isGiven(cpuMax, cpuWeight, cpuShares) ? ["cpu"] : []),
    ...(isGiven(pidsMax) ? ["pids"] : []),
    ...(isGiven(inputs.cpusetCpus, inputs.cpusetMems) ? ["cpuset"] : []),
  ];
}

/** Removes the group, if nothing is in it. */
function remove(path: string): Command {
  return raw("remove the control group", removeScript, path);
}
