/**
 * From requests and limits to what the kernel takes, as a kubelet computes it (pkg/kubelet/cm/helpers_linux.go,
 * pkg/kubelet/qos/policy.go).
 */

/** The resources of a container; 0 requests are kept, a limit of 0 is no limit and absent. */
export interface ContainerResources {
  readonly cpuLimitMilli?: number;
  readonly cpuRequestMilli?: number;
  readonly memoryLimitBytes?: number;
  readonly memoryRequestBytes?: number;
}

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** What a cgroup is to be set to. Absent: no limit. */
export interface CgroupLimits {
  /** cgroup v1 `cpu.shares`; {@link cpuWeight} turns it into v2's. */
  readonly cpuShares: number;
  /** Microseconds of each {@link CPU_PERIOD}. */
  readonly cpuQuota?: number;
  readonly memoryMax?: number;
}

/** Microseconds. */
export const CPU_PERIOD = 100_000;
const MIN_QUOTA = 1000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** The QoS class of a pod: how its processes fare when memory runs out. */
export function qosClass(containers: readonly ContainerResources[]): QosClass {
  const any = containers.some(
    (c) => c.cpuLimitMilli || c.cpuRequestMilli || c.memoryLimitBytes || c.memoryRequestBytes,
  );
  if (!any) return "BestEffort";
  const guaranteed =
    containers.every((c) => c.cpuLimitMilli && c.memoryLimitBytes) &&
    sum(containers, "cpuLimitMilli") === sum(containers, "cpuRequestMilli") &&
    sum(containers, "memoryLimitBytes") === sum(containers, "memoryRequestBytes");
  return guaranteed ? "Guaranteed" : "Burstable";
}

function sum(containers: readonly ContainerResources[], key: keyof ContainerResources): number {
  return containers.reduce((total, c) => total + (c[key] ?? 0), 0);
}

/** The cgroup of one container. */
export function containerCgroup(c: ContainerResources): CgroupLimits {
  return limits(c.cpuRequestMilli ?? c.cpuLimitMilli ?? 0, c.cpuLimitMilli, c.memoryLimitBytes);
}

/** The resources of an init container; a sidecar stays beside the others. */
export interface InitContainerResources extends ContainerResources {
  readonly isSidecar: boolean;
}

/**
 * The cgroup around a pod: what its containers and sidecars may use together, or one init container with the sidecars before
 * it, whichever is more; a limit only where every container has one (k8s.io/component-helpers/resource).
 */
export function podCgroup(
  containers: readonly ContainerResources[],
  inits: readonly InitContainerResources[] = [],
): CgroupLimits {
  const most = (key: keyof ContainerResources): number => {
    const sidecarsBefore = (end: number) =>
      sum(
        inits.slice(0, end).filter(({ isSidecar }) => isSidecar),
        key,
      );
    const initial = inits.map((init, i) => (init[key] ?? 0) + sidecarsBefore(i));
    return Math.max(sum(containers, key) + sidecarsBefore(inits.length), ...initial);
  };
  const limit = (key: "cpuLimitMilli" | "memoryLimitBytes") =>
    [...containers, ...inits].every((c) => c[key]) ? most(key) : undefined;
  return limits(most("cpuRequestMilli"), limit("cpuLimitMilli"), limit("memoryLimitBytes"));
}

function limits(requestMilli: number, limitMilli: number | undefined, memoryMax: number | undefined): CgroupLimits {
  return {
    cpuShares: cpuShares(requestMilli),
    ...(limitMilli && { cpuQuota: cpuQuota(limitMilli) }),
    ...(memoryMax && { memoryMax }),
  };
}

/** cgroup v1 `cpu.shares` of a request: 1024 for each CPU, at least 2, at most 262144. */
export function cpuShares(requestMilli: number): number {
  return Math.min(Math.max(Math.floor((requestMilli * 1024) / 1000), MIN_SHARES), MAX_SHARES);
}

/**
 * cgroup v2 `cpu.weight` of shares. `"new"` is what container runtimes do since runc 1.3.2 and crun 1.23: one CPU is about
 * the default weight of 100. `"old"` is linear; a kubelet still uses it for the cgroups of whole pods.
 */
export function cpuWeight(shares: number, formula: "new" | "old"): number {
  if (formula === "old") {
    const clamped = Math.min(Math.max(shares, MIN_SHARES), MAX_SHARES);
    return 1 + Math.floor(((clamped - 2) * 9999) / 262_142);
  }
  if (shares <= MIN_SHARES) return 1;
  if (shares >= MAX_SHARES) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

/** Microseconds of each {@link CPU_PERIOD} that a limit allows, at least 1000: the kernel takes no less. */
export function cpuQuota(limitMilli: number): number {
  return Math.max(Math.floor((limitMilli * CPU_PERIOD) / 1000), MIN_QUOTA);
}

const GUARANTEED_OOM = -997;
const BEST_EFFORT_OOM = 1000;

/** `oom_score_adj` of a container's processes; a burstable container that asks for more of the node is killed later. */
export function oomScoreAdj(qos: QosClass, memoryRequestBytes: number, nodeMemoryBytes: number): number {
  if (qos === "Guaranteed") return GUARANTEED_OOM;
  if (qos === "BestEffort") return BEST_EFFORT_OOM;
  const score = 1000 - Math.floor((1000 * memoryRequestBytes) / nodeMemoryBytes);
  return Math.min(Math.max(score, 1000 + GUARANTEED_OOM), BEST_EFFORT_OOM - 1);
}
