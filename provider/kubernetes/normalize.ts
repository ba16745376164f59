/**
 * From a Pod as the user writes it to a Pod without gaps: checked by Kubernetes' own rules, defaults filled in, everything
 * that this release does not do refused by its path. Pure; runs in the program, at preview.
 */
import type { Input } from "@pulumi/pulumi";
import { InputError } from "../errors";
import type { Problem } from "../fields";
import { dnsLabel, dnsSubdomain, labelValue, qualifiedName } from "./names";
import { type NormalizedContainer, normalizeContainer, type UsableContainer } from "./normalize-container";
import { normalizePodResources, type UsableResources } from "./normalize-resources";
import { checkScheduling, type UsableScheduling } from "./normalize-scheduling";
import { type NormalizedPodSecurity, normalizePodSecurity, type UsablePodSecurity } from "./normalize-security";
import { type NormalizedVolume, normalizeVolumes, type UsableVolume } from "./normalize-volume";
import { isEventual } from "./plain";
import type { ContainerResources } from "./resources";
import { check, unique } from "./rules";
import { POD } from "./support";
import { walkObject } from "./walk";

export type { NormalizedContainer } from "./normalize-container";
export type { NormalizedVolume } from "./normalize-volume";

/** A Pod in which every default is filled in and every rule holds. */
export interface NormalizedPod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, Input<string>>>;
  /** What the pod's UTS namespace is called; with hostNetwork there is none, and the node's name stays. */
  readonly hostname: string;
  readonly hostNetwork: boolean;
  /** The node's processes are seen. */
  readonly hostPID: boolean;
  /** The node's shared memory, semaphores and message queues are used. */
  readonly hostIPC: boolean;
  readonly shareProcessNamespace: boolean;
  readonly restartPolicy: RestartPolicy;
  readonly terminationGracePeriodSeconds: number;
  /** Seconds from the pod's first start; absent: no limit. */
  readonly activeDeadlineSeconds?: number;
  /** Sidecars too: those with restartPolicy `Always`. */
  readonly initContainers: readonly NormalizedContainer[];
  readonly containers: readonly NormalizedContainer[];
  readonly volumes: readonly NormalizedVolume[];
  readonly security: NormalizedPodSecurity;
  /** What the containers may use and ask for together; absent: what they say themselves. */
  readonly resources?: ContainerResources;
  /** Annotation `pulumi.com/skipAwait`: do not wait until the pod is ready. */
  readonly skipAwait: boolean;
  /** Annotation `pulumi.com/timeoutSeconds`: how long to wait; absent: the default. */
  readonly timeoutSeconds?: number;
}

export type RestartPolicy = "Always" | "OnFailure" | "Never";

/** Several mistakes in one pod, each by its path. */
export class PodInputError extends InputError {
  constructor(readonly problems: readonly Problem[]) {
    const lines = problems.slice(0, SHOWN).map(({ path, reason }) => `\n  ${path === "" ? "" : `${path}: `}${reason}`);
    const more = problems.length > SHOWN ? `\n  and ${problems.length - SHOWN} more` : "";
    super("", `${problems.length} problems:${lines.join("")}${more}`);
  }
}
const SHOWN = 25;

interface UsablePod {
  metadata?: {
    name?: string;
    namespace?: string;
    labels?: Map<string, string>;
    annotations?: Map<string, Input<string>>;
  };
  spec?: {
    initContainers?: (UsableContainer | undefined)[];
    containers?: (UsableContainer | undefined)[];
    os?: { name?: string };
    activeDeadlineSeconds?: number;
    volumes?: (UsableVolume | undefined)[];
    hostname?: string;
    hostNetwork?: boolean;
    hostPID?: boolean;
    hostIPC?: boolean;
    shareProcessNamespace?: boolean;
    securityContext?: UsablePodSecurity;
    resources?: UsableResources;
    restartPolicy?: RestartPolicy;
    terminationGracePeriodSeconds?: number;
  } & UsableScheduling;
}

/** The longest that anything of a pod is waited for, in seconds: what a Process takes. */
const LONGEST = 86_400;

/** Arguments of the Pod component that are not part of a Kubernetes Pod. */
const OWN_ARGS = ["on"];

/**
 * Checks a pod and fills in what it leaves out.
 *
 * `name` is the Pulumi resource's name. All mistakes are reported at once: one as an {@link InputError} with its path,
 * several as a {@link PodInputError}. No message contains a value that could be secret.
 */
export function normalizePod(name: string, args: unknown): NormalizedPod {
  const problems: Problem[] = [];
  const pod = walkObject(withoutOwnArgs(args), POD, "", problems) as UsablePod;
  const normalized = {
    ...normalizeMetadata(name, pod.metadata ?? {}, problems),
    ...normalizeSpec(name, pod, problems),
  };
  const [first, second] = problems;
  if (first && !second) throw new InputError(first.path, first.reason);
  if (first) throw new PodInputError(problems);
  return normalized;
}

function withoutOwnArgs(args: unknown): unknown {
  if (typeof args !== "object" || args === null || Array.isArray(args) || isEventual(args)) return args;
  return Object.fromEntries(Object.entries(args).filter(([key]) => !OWN_ARGS.includes(key)));
}

function normalizeMetadata(resourceName: string, metadata: NonNullable<UsablePod["metadata"]>, problems: Problem[]) {
  const { name = resourceName, namespace = "default", labels = new Map(), annotations = new Map() } = metadata;
  if (metadata.name !== undefined) check(dnsSubdomain, name, "metadata.name", problems);
  else if (dnsSubdomain(name) && !problems.some(({ path }) => /^(metadata(\.name)?)?$/.test(path))) {
    const reason = `must be given, because the resource's name ${JSON.stringify(name)} cannot be the pod's: ${dnsSubdomain(name)}`;
    problems.push({ path: "metadata.name", reason });
  }
  check(dnsLabel, namespace, "metadata.namespace", problems);
  for (const [key, value] of labels) {
    check(qualifiedName, key, `metadata.labels[${JSON.stringify(key)}]`, problems);
    check(labelValue, value, `metadata.labels[${JSON.stringify(key)}]`, problems);
  }
  return {
    name,
    namespace,
    labels: Object.fromEntries(labels),
    annotations: Object.fromEntries(annotations),
    ...normalizeAnnotations(annotations, problems),
  };
}

/** Kubernetes refuses more than this of annotations in all, keys and values. */
const ANNOTATION_BYTES = 256 * 1024;
/** Annotations with which @pulumi/kubernetes would do something that is not done here. */
const REFUSED_ANNOTATIONS = ["pulumi.com/waitFor", "pulumi.com/replaceUnready", "pulumi.com/deletionPropagationPolicy"];

function normalizeAnnotations(
  annotations: ReadonlyMap<string, Input<string>>,
  problems: Problem[],
): Pick<NormalizedPod, "skipAwait" | "timeoutSeconds"> {
  let bytes = 0;
  for (const [key, value] of annotations) {
    const path = `metadata.annotations[${JSON.stringify(key)}]`;
    check((text) => qualifiedName(text.toLowerCase()), key, path, problems);
    if (REFUSED_ANNOTATIONS.includes(key)) problems.push({ path, reason: "is not supported" });
    bytes += Buffer.byteLength(key) + (typeof value === "string" ? Buffer.byteLength(value) : 0);
  }
  if (bytes > ANNOTATION_BYTES) {
    problems.push({ path: "metadata.annotations", reason: `must be at most ${ANNOTATION_BYTES} bytes in all` });
  }
  const setting = (key: string, pattern: RegExp, rule: string): string | undefined => {
    const value = annotations.get(key);
    if (value === undefined || (typeof value === "string" && pattern.test(value))) return value;
    problems.push({ path: `metadata.annotations["${key}"]`, reason: `must be ${rule}, and not an Output` });
    return undefined;
  };
  const skipAwait = setting("pulumi.com/skipAwait", /^(true|false)$/, '"true" or "false"');
  const timeout = setting("pulumi.com/timeoutSeconds", /^[1-9]\d{0,8}$/, "a number of seconds, at least 1");
  if (Number(timeout) > LONGEST) {
    problems.push({ path: 'metadata.annotations["pulumi.com/timeoutSeconds"]', reason: `must be at most ${LONGEST}` });
  }
  return { skipAwait: skipAwait === "true", ...(timeout !== undefined && { timeoutSeconds: Number(timeout) }) };
}

function normalizeSpec(resourceName: string, pod: UsablePod, problems: Problem[]) {
  const { hostNetwork = false, shareProcessNamespace = false, restartPolicy = "Always" as const } = pod.spec ?? {};
  const { hostPID = false, hostIPC = false, securityContext = {} } = pod.spec ?? {};
  if (hostPID && shareProcessNamespace) {
    problems.push({
      path: "spec.shareProcessNamespace",
      reason: "must not be true with hostPID: the containers see each other's processes anyway",
    });
  }
  const {
    hostname,
    containers = [],
    initContainers = [],
    activeDeadlineSeconds,
    terminationGracePeriodSeconds = 30,
  } = pod.spec ?? {};
  if (hostname !== undefined && hostNetwork) {
    problems.push({ path: "spec.hostname", reason: "a pod with hostNetwork keeps the node's host name; leave it out" });
  } else if (hostname !== undefined) check(dnsLabel, hostname, "spec.hostname", problems);
  if (terminationGracePeriodSeconds < 0) {
    problems.push({ path: "spec.terminationGracePeriodSeconds", reason: "must be 0 or more" });
  }
  if (terminationGracePeriodSeconds > LONGEST) {
    problems.push({ path: "spec.terminationGracePeriodSeconds", reason: `must be at most ${LONGEST}, a day` });
  }
  if (pod.spec?.containers?.length === 0) {
    problems.push({ path: "spec.containers", reason: "must have at least one container" });
  }
  const volumes = normalizeVolumes(pod.spec?.volumes ?? [], problems);
  checkScheduling(pod.spec ?? {}, problems);
  const security = normalizePodSecurity(securityContext, { net: hostNetwork, ipc: hostIPC }, problems);
  if (activeDeadlineSeconds !== undefined && (activeDeadlineSeconds < 1 || activeDeadlineSeconds > 2 ** 31 - 1)) {
    problems.push({ path: "spec.activeDeadlineSeconds", reason: "must be between 1 and 2147483647" });
  }
  const pathOf = (i: number) =>
    i < initContainers.length ? `spec.initContainers[${i}]` : `spec.containers[${i - initContainers.length}]`;
  unique([...initContainers, ...containers], "name", (i) => `${pathOf(i)}.name`, problems);
  const hasOs = pod.spec?.os?.name !== undefined;
  const names = new Set((pod.spec?.volumes ?? []).flatMap((volume) => volume?.name ?? []));
  const shared = { terminationGracePeriodSeconds, hasOs, securityContext, volumes: names };
  const inits = initContainers.map((one, i) => {
    const kind = one?.restartPolicy === "Always" ? "sidecar" : "init";
    return normalizeContainer(one ?? {}, pathOf(i), { ...shared, kind }, problems);
  });
  const mains = containers.map((one, i) =>
    normalizeContainer(one ?? {}, pathOf(i + initContainers.length), { ...shared, kind: "main" }, problems),
  );
  const resources = normalizePodResources(
    pod.spec?.resources,
    mains.map((each) => each.resources),
    inits.map((each) => ({ ...each.resources, isSidecar: each.kind === "sidecar" })),
    problems,
  );
  return {
    hostname: hostname ?? hostnameOf(pod.metadata?.name ?? resourceName),
    hostNetwork,
    hostPID,
    hostIPC,
    shareProcessNamespace,
    restartPolicy,
    terminationGracePeriodSeconds,
    ...(activeDeadlineSeconds !== undefined && { activeDeadlineSeconds }),
    initContainers: inits,
    containers: mains,
    volumes,
    security,
    ...(resources && { resources }),
  };
}

/** A host name has at most 63 characters; cut as a kubelet cuts it. */
function hostnameOf(podName: string): string {
  return podName.slice(0, 63).replace(/[-.]+$/, "");
}
