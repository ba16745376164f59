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
  /** cgroup v1 `cpu.shares`. */
  readonly cpuShares: number;
  /** cgroup v2 `cpu.weight`; absent: what {@link cpuWeight}'s new formula makes of the shares. */
  readonly cpuWeight?: number;
  /** Microseconds of each {@link CPU_PERIOD}. */
  readonly cpuQuota?: number;
  readonly memoryMax?: number;
}

/** Microseconds. */
export const CPU_PERIOD = 100_000;
const MIN_QUOTA = 1000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** The QoS class of a pod of these containers, init containers too: how its processes fare when memory runs out. What is said of the whole pod decides alone. */
export function qosClass(all: readonly ContainerResources[], pod?: ContainerResources): QosClass {
  const containers = pod === undefined ? all : [pod];
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

/** The cgroup of one container. What it does not limit itself is limited by what the pod is, if that is said. */
export function containerCgroup(c: ContainerResources, pod: ContainerResources = {}): CgroupLimits {
  const cpuLimit = c.cpuLimitMilli ?? pod.cpuLimitMilli;
  return limits(c.cpuRequestMilli ?? cpuLimit ?? 0, cpuLimit, c.memoryLimitBytes ?? pod.memoryLimitBytes);
}

/** The resources of an init container; a sidecar stays beside the others. */
export interface InitContainerResources extends ContainerResources {
  readonly isSidecar: boolean;
}

/**
 * What containers and sidecars ask for or may use together, or one init container with the sidecars before it, whichever is
 * more (k8s.io/component-helpers/resource).
 */
export function together(
  key: keyof ContainerResources,
  containers: readonly ContainerResources[],
  inits: readonly InitContainerResources[],
): number {
  const sidecarsBefore = (end: number) =>
    sum(
      inits.slice(0, end).filter(({ isSidecar }) => isSidecar),
      key,
    );
  const initial = inits.map((init, i) => (init[key] ?? 0) + sidecarsBefore(i));
  return Math.max(sum(containers, key) + sidecarsBefore(inits.length), ...initial);
}

/**
 * The cgroup around a pod: what is said of the whole; else {@link together}, a limit only where every container has one. It
 * is the kubelet's own, not the runtime's, and so is the formula of its weight.
 */
export function podCgroup(
  containers: readonly ContainerResources[],
  inits: readonly InitContainerResources[] = [],
  pod: ContainerResources = {},
): CgroupLimits {
  const limit = (key: "cpuLimitMilli" | "memoryLimitBytes") =>
    pod[key] ?? ([...containers, ...inits].every((c) => c[key]) ? together(key, containers, inits) : undefined);
  const asked = pod.cpuRequestMilli ?? together("cpuRequestMilli", containers, inits);
  const group = limits(asked, limit("cpuLimitMilli"), limit("memoryLimitBytes"));
  return { ...group, cpuWeight: cpuWeight(group.cpuShares, "old") };
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
 * cgroup v2 `cpu.weight` of shares. `"new"` is what container runtimes do since runc 1.3.2 and crun 1.23
 * (ConvertCPUSharesToCgroupV2Value of opencontainers/cgroups): one CPU is about the default weight of 100. `"old"` is linear; a
 * kubelet still uses it for the cgroups of whole pods (getCPUWeight in pkg/kubelet/cm/cgroup_manager_linux.go, 2026).
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

/**
 * How soon the kernel ends a container's processes when memory runs out: a fixed score, or for a burstable container what
 * it asks for, because one that asks for more of the node is ended later; of what the pod asks for beyond its containers,
 * each has an equal share. A sidecar counts no less than the least of the containers that it is for.
 */
export function oomScore(
  container: Partial<InitContainerResources>,
  containers: readonly ContainerResources[],
  inits: readonly InitContainerResources[] = [],
  pod?: ContainerResources,
): { readonly oomScoreAdj: number } | { readonly memoryRequest: number } {
  const all = [...inits, ...containers];
  const qos = qosClass(all, pod);
  if (qos !== "Burstable") return { oomScoreAdj: qos === "Guaranteed" ? GUARANTEED_OOM : BEST_EFFORT_OOM };
  const least = Math.min(...containers.map((each) => each.memoryRequestBytes ?? 0));
  const own = Math.max(container.memoryRequestBytes ?? 0, container.isSidecar === true ? least : 0);
  const beyond = Math.max(0, (pod?.memoryRequestBytes ?? 0) - together("memoryRequestBytes", containers, inits));
  return { memoryRequest: own + Math.floor(beyond / all.length) };
}
