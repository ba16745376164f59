/** What containers and pods may use and ask for, checked and in the kernel's units. */
import type { Problem } from "../fields";
import { parseBytes, parseCpuMilli, parseQuantity } from "./quantity";
import { type ContainerResources, type InitContainerResources, together } from "./resources";
import { attempt, unique } from "./rules";

type Quantities = Map<string, string | number>;

/** Resources as the walk leaves them. */
export interface UsableResources {
  limits?: Quantities;
  requests?: Quantities;
}

const RESOURCES = {
  cpu: { limit: "cpuLimitMilli", request: "cpuRequestMilli", parse: parseCpuMilli },
  memory: { limit: "memoryLimitBytes", request: "memoryRequestBytes", parse: parseBytes },
} as const;

/** As in Kubernetes, what is limited and not asked for is asked for up to the limit; a limit of 0 is none. */
export function normalizeResources(given: UsableResources, path: string, problems: Problem[]): ContainerResources {
  return read(given, path, problems, true);
}

/**
 * The same of a whole pod. What it does not ask for is what its containers ask for together, or else its limit; they may
 * neither ask for more together than it, nor have a higher limit than it.
 */
export function normalizePodResources(
  given: UsableResources | undefined,
  containers: readonly ContainerResources[],
  inits: readonly InitContainerResources[],
  problems: Problem[],
): ContainerResources | undefined {
  if (given === undefined || (given.limits?.size ?? 0) + (given.requests?.size ?? 0) === 0) return undefined;
  const resources = { ...read(given, "spec.resources", problems, false) } as Writable;
  for (const [name, { limit, request }] of Object.entries(RESOURCES)) {
    const isAsked = [...inits, ...containers].some((each) => each[request] !== undefined);
    const sum = together(request, containers, inits);
    const usual = isAsked ? sum : resources[limit];
    const own = resources[request] ?? usual;
    if (own !== undefined) resources[request] = own;
    if (own !== undefined && own < sum) {
      problems.push({
        path: `spec.resources.requests.${name}`,
        reason: "must be at least what the containers ask for together",
      });
    }
    const most = resources[limit];
    if (most !== undefined && own !== undefined && own > most) {
      problems.push({ path: `spec.resources.limits.${name}`, reason: "must be at least what is asked for" });
    }
    for (const [list, all] of [["initContainers", inits] as const, ["containers", containers] as const]) {
      all.forEach((each, i) => {
        if (most === undefined || (each[limit] ?? 0) <= most) return;
        problems.push({
          path: `spec.${list}[${i}].resources.limits.${name}`,
          reason: `must be at most the pod's, spec.resources.limits.${name}`,
        });
      });
    }
  }
  return resources;
}

type Writable = { -readonly [K in keyof ContainerResources]: number };

function read(
  { limits = new Map(), requests = new Map() }: UsableResources,
  path: string,
  problems: Problem[],
  isContainer: boolean,
): ContainerResources {
  for (const [key, given] of [["limits", limits] as const, ["requests", requests] as const]) {
    for (const name of given.keys()) {
      const reason = refusal(key, name, isContainer);
      if (reason !== undefined) problems.push({ path: `${path}.${key}[${JSON.stringify(name)}]`, reason });
      else if (!Object.hasOwn(RESOURCES, name)) {
        const at = `${path}.${key}[${JSON.stringify(name)}]`;
        attempt(() => parseBytes(given.get(name) ?? "", at), problems);
      }
    }
  }
  const resources: Writable = {};
  for (const [name, { limit, request, parse }] of Object.entries(RESOURCES)) {
    const quantity = (key: string, given: Quantities) => {
      const value = given.get(name);
      const at = `${path}.${key}.${name}`;
      if (value === undefined) return undefined;
      return attempt(() => ({ exact: parseQuantity(String(value), at).nano, units: parse(value, at) }), problems);
    };
    const most = quantity("limits", limits);
    const asked = quantity("requests", requests);
    if (most && asked && asked.exact > most.exact) {
      problems.push({ path: `${path}.requests.${name}`, reason: `must be at most the limit, ${path}.limits.${name}` });
    }
    if (most && most.units > 0) resources[limit] = most.units;
    const units = asked?.units ?? (isContainer ? most?.units : undefined);
    if (units !== undefined) resources[request] = units;
  }
  return resources;
}

function refusal(key: "limits" | "requests", name: string, isContainer: boolean): string | undefined {
  if (Object.hasOwn(RESOURCES, name)) return undefined;
  // Kubernetes knows no such of a whole pod.
  if (name === "ephemeral-storage" && isContainer) {
    return key === "requests"
      ? undefined
      : "is not supported: what a container writes is not measured; limit an emptyDir, or log less";
  }
  if (name.startsWith("hugepages-")) return "is not supported: huge pages are neither mounted nor limited";
  return "is not supported: only cpu and memory are";
}

/** A change of resources changes the running container's control group: that is what `NotRequired` asks for. */
export function checkResizePolicy(
  policies: readonly ({ resourceName?: string; restartPolicy?: string } | undefined)[],
  path: string,
  problems: Problem[],
): void {
  unique(policies, "resourceName", (i) => `${path}[${i}].resourceName`, problems);
  policies.forEach((policy, i) => {
    if (policy?.restartPolicy !== "RestartContainer") return;
    const reason =
      'is not supported: containers go on when their resources change; may be left out, or be "NotRequired"';
    problems.push({ path: `${path}[${i}].restartPolicy`, reason });
  });
}
