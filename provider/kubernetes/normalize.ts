/**
 * From a Pod as the user writes it to a Pod without gaps: checked by Kubernetes' own rules, defaults filled in, everything
 * that this release does not do refused by its path. Pure; runs in the program, at preview.
 */
import { isIPv4 } from "node:net";
import type { Input } from "@pulumi/pulumi";
import { InputError } from "../errors";
import type { Problem } from "../fields";
import { dnsLabel, dnsSubdomain, labelValue, qualifiedName } from "./names";
import { annotatedProfiles } from "./normalize-apparmor";
import { type NormalizedContainer, normalizeContainer, type UsableContainer } from "./normalize-container";
import {
  DEFAULT_CLUSTER_DOMAIN,
  type NormalizedNetwork,
  normalizeNetwork,
  type UsableNetwork,
} from "./normalize-network";
import { checkHostPorts } from "./normalize-port";
import { normalizePodResources, type UsableResources } from "./normalize-resources";
import { checkScheduling, type UsableScheduling } from "./normalize-scheduling";
import { type NormalizedPodSecurity, normalizePodSecurity, type UsablePodSecurity } from "./normalize-security";
import { normalizeServiceAccount, type UsableServiceAccount, withApiAccess } from "./normalize-service-account";
import { type NormalizedVolume, normalizeVolumes, type UsableVolume } from "./normalize-volume";
import { isEventual } from "./plain";
import type { ContainerResources } from "./resources";
import { check, unique } from "./rules";
import { POD } from "./support";
import { walkObject } from "./walk";

export type { NormalizedContainer } from "./normalize-container";
export type { NormalizedVolume } from "./normalize-volume";

/** A Pod in which every default is filled in and every rule holds. */
export interface NormalizedPod extends NormalizedNetwork {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, Input<string>>>;
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
  /** Whose tokens the node signs for it. */
  readonly serviceAccountName: string;
  /** Names of Secrets in the pod's namespace. */
  readonly imagePullSecrets: readonly string[];
  readonly security: NormalizedPodSecurity;
  /** What the containers may use and ask for together; absent: what they say themselves. */
  readonly resources?: ContainerResources;
  /** Annotation `barepod/ip`: the pod's own address; absent: the next one that is free. */
  readonly ip?: string;
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

/** `metadata` as the walk leaves it. */
export interface UsableMetadata {
  name?: string;
  namespace?: string;
  labels?: Map<string, string>;
  annotations?: Map<string, Input<string>>;
}

interface UsablePod {
  metadata?: UsableMetadata;
  spec?: UsableNetwork & {
    initContainers?: (UsableContainer | undefined)[];
    containers?: (UsableContainer | undefined)[];
    os?: { name?: string };
    imagePullSecrets?: ({ name?: string } | undefined)[];
    activeDeadlineSeconds?: number;
    volumes?: (UsableVolume | undefined)[];
    hostPID?: boolean;
    hostIPC?: boolean;
    shareProcessNamespace?: boolean;
    securityContext?: UsablePodSecurity;
    resources?: UsableResources;
    restartPolicy?: RestartPolicy;
    terminationGracePeriodSeconds?: number;
  } & UsableScheduling &
    UsableServiceAccount;
}

/** The longest that anything of a pod is waited for, in seconds: what a Process takes. */
const LONGEST = 86_400;

/** Arguments of the components that are not part of a Kubernetes object. */
const OWN_ARGS = ["on"];

/**
 * Checks a pod and fills in what it leaves out.
 *
 * `name` is the Pulumi resource's name, `clusterDomain` the node's. All mistakes are reported at once: one as an {@link InputError} with its path,
 * several as a {@link PodInputError}. No message contains a value that could be secret.
 */
export function normalizePod(name: string, args: unknown, clusterDomain = DEFAULT_CLUSTER_DOMAIN): NormalizedPod {
  const problems: Problem[] = [];
  const pod = walkObject(withoutOwnArgs(args), POD, "", problems) as UsablePod;
  const metadata = normalizeMetadata(name, pod.metadata ?? {}, problems);
  const names = { pod: metadata.name, namespace: metadata.namespace, clusterDomain };
  const normalized = {
    ...metadata,
    ...normalizeNetwork(pod.spec ?? {}, names, problems),
    ...normalizeSpec(pod, problems),
  };
  if (normalized.hostNetwork && metadata.ip !== undefined)
    problems.push({ path: 'metadata.annotations["barepod/ip"]', reason: "must not be given with hostNetwork" });
  throwProblems(problems);
  return normalized;
}

/** One problem as an {@link InputError}, several as a {@link PodInputError}. What could not be read has no further ones. */
export function throwProblems(found: readonly Problem[]): void {
  const unreadable = found.filter(({ isUnreadable }) => isUnreadable).map(({ path }) => path);
  const isCovered = (path: string) =>
    unreadable.some((other) => other !== "" && path.startsWith(other) && /^($|[.[])/.test(path.slice(other.length)));
  const problems = found.filter(({ path, isUnreadable }) => isUnreadable || !isCovered(path));
  const [first, second] = problems;
  if (first && !second) throw new InputError(first.path, first.reason);
  if (first) throw new PodInputError(problems);
}

/** The object without what is no part of a Kubernetes one. */
export function withoutOwnArgs(args: unknown): unknown {
  if (typeof args !== "object" || args === null || Array.isArray(args) || isEventual(args)) return args;
  return Object.fromEntries(Object.entries(args).filter(([key]) => !OWN_ARGS.includes(key)));
}

/** Checks `metadata`; `title` is what the object is called in messages. */
export function normalizeMetadata(resourceName: string, metadata: UsableMetadata, problems: Problem[], title = "pod") {
  const { name = resourceName, namespace = "default", labels = new Map(), annotations = new Map() } = metadata;
  if (metadata.name !== undefined) check(dnsSubdomain, name, "metadata.name", problems);
  else if (dnsSubdomain(name) && !problems.some(({ path }) => /^(metadata(\.name)?)?$/.test(path))) {
    const reason = `must be given, because the resource's name ${JSON.stringify(name)} cannot be the ${title}'s: ${dnsSubdomain(name)}`;
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
): Pick<NormalizedPod, "ip" | "skipAwait" | "timeoutSeconds"> {
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
  const address = annotations.get("barepod/ip");
  if (address !== undefined && !(typeof address === "string" && isIPv4(address)))
    problems.push({ path: 'metadata.annotations["barepod/ip"]', reason: "must be an IPv4 address, and not an Output" });
  return {
    skipAwait: skipAwait === "true",
    ...(timeout !== undefined && { timeoutSeconds: Number(timeout) }),
    ...(typeof address === "string" && { ip: address }),
  };
}

function normalizeSpec(pod: UsablePod, problems: Problem[]) {
  const { hostNetwork = false, shareProcessNamespace = false, restartPolicy = "Always" as const } = pod.spec ?? {};
  const { hostPID = false, hostIPC = false, securityContext = {} } = pod.spec ?? {};
  if (hostPID && shareProcessNamespace) {
    problems.push({
      path: "spec.shareProcessNamespace",
      reason: "must not be true with hostPID: the containers see each other's processes anyway",
    });
  }
  const {
    containers = [],
    initContainers = [],
    activeDeadlineSeconds,
    terminationGracePeriodSeconds = 30,
  } = pod.spec ?? {};
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
  const volumeNames = new Set((pod.spec?.volumes ?? []).flatMap((volume) => volume?.name ?? []));
  const shared = { terminationGracePeriodSeconds, hasOs, securityContext, hostNetwork, volumes: volumeNames };
  const appArmor = annotatedProfiles(
    pod.metadata?.annotations ?? new Map(),
    [...initContainers, ...containers].map((one, i) => ({
      name: one?.name,
      path: pathOf(i),
      profile: one?.securityContext?.appArmorProfile,
    })),
    securityContext.appArmorProfile,
    problems,
  );
  const normalize = (one: UsableContainer = {}, i: number, kind: "init" | "sidecar" | "main") => {
    const appArmorProfile = appArmor.get(one.name ?? "");
    const whole = appArmorProfile ? { ...one, securityContext: { ...one.securityContext, appArmorProfile } } : one;
    return normalizeContainer(whole, pathOf(i), { ...shared, kind }, problems);
  };
  const before = initContainers.map((one, i) =>
    normalize(one, i, one?.restartPolicy === "Always" ? "sidecar" : "init"),
  );
  const main = containers.map((one, i) => normalize(one, i + before.length, "main"));
  const mounts = pod.spec?.automountServiceAccountToken === true;
  const all = mounts ? withApiAccess(volumes, [...before, ...main]) : { volumes, containers: [...before, ...main] };
  checkHostPorts([...before, ...main], (i) => `${pathOf(i)}.ports`, problems);
  const resources = normalizePodResources(
    pod.spec?.resources,
    main.map((each) => each.resources),
    before.map((each) => ({ ...each.resources, isSidecar: each.kind === "sidecar" })),
    problems,
  );
  const imagePullSecrets = (pod.spec?.imagePullSecrets ?? []).flatMap((secret, i) => {
    const path = `spec.imagePullSecrets[${i}].name`;
    if (secret === undefined) return [];
    if (secret.name === undefined) problems.push({ path, reason: "is required" });
    else check(dnsSubdomain, secret.name, path, problems);
    return secret.name ?? [];
  });
  return {
    imagePullSecrets,
    hostNetwork,
    hostPID,
    hostIPC,
    shareProcessNamespace,
    restartPolicy,
    terminationGracePeriodSeconds,
    ...(activeDeadlineSeconds !== undefined && { activeDeadlineSeconds }),
    serviceAccountName: normalizeServiceAccount(pod.spec ?? {}, problems),
    initContainers: all.containers.slice(0, before.length),
    containers: all.containers.slice(before.length),
    volumes: all.volumes,
    security,
    ...(resources && { resources }),
  };
}
