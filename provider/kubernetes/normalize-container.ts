/** One container of a pod, checked and complete. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";
import { effectivePolicy, type PullPolicy } from "../images/policy";
import { parseReference } from "../images/reference";
import { defaultTerminationMessagePath } from "./actions";
import { isCapability } from "./capabilities";
import { expandContainer } from "./expand";
import { type ContainerImage, parseImage } from "./image";
import { dnsLabel } from "./names";
import { isPlain, type NormalizedVariable, normalizeEnv, type UsableEnv } from "./normalize-env";
import { type NormalizedMount, normalizeMounts, type UsableMount } from "./normalize-mount";
import { type NormalizedPort, normalizePorts, type UsablePort } from "./normalize-port";
import { type NormalizedProbes, normalizeProbes, type ProbePlace, type UsableProbes } from "./normalize-probe";
import { parseBytes, parseCpuMilli, parseQuantity } from "./quantity";
import type { ContainerResources } from "./resources";
import { attempt, check, cleanPath } from "./rules";

/** A container in which every default is filled in and every `$(NAME)` replaced. */
export interface NormalizedContainer extends NormalizedProbes {
  /** `init`: runs to its end before the others start; `sidecar`: an init container that is kept running. */
  readonly kind: "init" | "sidecar" | "main";
  readonly name: string;
  readonly image: ContainerImage;
  /** Kubernetes' default is filled in. */
  readonly imagePullPolicy: PullPolicy;
  /** Empty: the image's entry point. */
  readonly command: readonly Input<string>[];
  readonly args: readonly Input<string>[];
  /** No name twice. Empty when there are `variables`. */
  readonly env: readonly { readonly name: string; readonly value: Input<string> }[];
  /** The environment when something of it is looked up on the node: `$(NAME)` is then replaced there, everywhere. */
  readonly variables?: readonly NormalizedVariable[];
  /** Absent: the image's, else `/`. */
  readonly workingDir?: string;
  readonly ports: readonly NormalizedPort[];
  readonly resources: ContainerResources;
  readonly mounts: readonly NormalizedMount[];
  readonly security: NormalizedSecurity;
  readonly terminationMessagePath: string;
  readonly terminationMessagePolicy: "File" | "FallbackToLogsOnError";
}

/** Who the process is and what it may do. */
export interface NormalizedSecurity {
  /** Absent: the image's user, else 0. */
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly readOnlyRootFilesystem: boolean;
  /** Without `CAP_`, in capitals; may hold `ALL`. */
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly allowPrivilegeEscalation: boolean;
  readonly privileged: boolean;
}

type Quantities = Map<string, string | number>;

/** A container as the walk leaves it. */
export interface UsableContainer extends UsableProbes, UsableEnv {
  name?: string;
  image?: string;
  imagePullPolicy?: PullPolicy;
  command?: (Input<string> | undefined)[];
  args?: (Input<string> | undefined)[];
  workingDir?: string;
  ports?: (UsablePort | undefined)[];
  resources?: { limits?: Quantities; requests?: Quantities };
  volumeMounts?: (UsableMount | undefined)[];
  securityContext?: UsableSecurity;
  restartPolicy?: "Always";
  terminationMessagePath?: string;
  terminationMessagePolicy?: "File" | "FallbackToLogsOnError";
}

interface UsableSecurity {
  runAsUser?: number;
  runAsGroup?: number;
  readOnlyRootFilesystem?: boolean;
  capabilities?: { add?: (string | undefined)[]; drop?: (string | undefined)[] };
  allowPrivilegeEscalation?: boolean;
  privileged?: boolean;
}

/** Checks one container, of `place.kind`. `volumes` are the names that its mounts may use. */
export function normalizeContainer(
  container: UsableContainer,
  path: string,
  { volumes, hostNetwork }: { volumes: ReadonlySet<string>; hostNetwork: boolean },
  place: ProbePlace,
  problems: Problem[],
): NormalizedContainer {
  const { name = "", workingDir } = container;
  if (container.name !== undefined) check(dnsLabel, name, `${path}.name`, problems);
  if (workingDir !== undefined && !workingDir.startsWith("/")) {
    problems.push({ path: `${path}.workingDir`, reason: "must be an absolute path in the container" });
  }
  const variables = normalizeEnv(container, path, problems);
  const command = (container.command ?? []).filter((part) => part !== undefined);
  const args = (container.args ?? []).filter((part) => part !== undefined);
  if (container.restartPolicy !== undefined && place.kind === "main") {
    problems.push({
      path: `${path}.restartPolicy`,
      reason: "is for init containers; the pod's spec.restartPolicy decides",
    });
  }
  const ports = normalizePorts(container.ports ?? [], `${path}.ports`, hostNetwork, problems);
  return {
    kind: place.kind,
    name,
    ...normalizeImage(container, path, problems),
    ...normalizeTexts(command, args, variables),
    ...(workingDir !== undefined && { workingDir: cleanPath(workingDir) }),
    ports,
    ...normalizeProbes(container, { ports, env: variables.filter(isPlain) }, place, path, problems),
    ...normalizeMessage(container, path, problems),
    resources: normalizeResources(container.resources ?? {}, `${path}.resources`, problems),
    mounts: normalizeMounts(
      container.volumeMounts ?? [],
      { privileged: container.securityContext?.privileged === true, variables },
      `${path}.volumeMounts`,
      volumes,
      problems,
    ),
    security: normalizeSecurity(container.securityContext ?? {}, `${path}.securityContext`, problems),
  };
}

/** Replaces `$(NAME)`, unless something is looked up on the node: then all of it is replaced there. */
function normalizeTexts(
  command: Input<string>[],
  args: Input<string>[],
  variables: readonly NormalizedVariable[],
): Pick<NormalizedContainer, "command" | "args" | "env" | "variables"> {
  return variables.every(isPlain)
    ? expandContainer({ command, args, env: variables })
    : { command, args, env: [], variables };
}

function normalizeImage(
  { image, imagePullPolicy, command, args }: UsableContainer,
  path: string,
  problems: Problem[],
): Pick<NormalizedContainer, "image" | "imagePullPolicy"> {
  const nothing: ContainerImage = { kind: "host", programs: [] };
  const given = imagePullPolicy ?? "IfNotPresent";
  if (image === undefined) return { image: nothing, imagePullPolicy: given };
  const parsed = attempt(() => parseImage(image, `${path}.image`), problems);
  if (!parsed) return { image: nothing, imagePullPolicy: given };
  if (parsed.kind === "host" && (command?.length ?? 0) + (args?.length ?? 0) === 0) {
    problems.push({
      path: `${path}.command`,
      reason: "is required: programs of the node have no entry point of their own",
    });
  }
  const isNamed = parsed.kind === "registry";
  return {
    image: parsed,
    imagePullPolicy: isNamed ? effectivePolicy(imagePullPolicy, parseReference(parsed.text)) : given,
  };
}

function normalizeMessage(
  { terminationMessagePath = "", terminationMessagePolicy = "File" }: UsableContainer,
  path: string,
  problems: Problem[],
): Pick<NormalizedContainer, "terminationMessagePath" | "terminationMessagePolicy"> {
  const file = terminationMessagePath === "" ? defaultTerminationMessagePath : cleanPath(terminationMessagePath);
  if (!file.startsWith("/") || file === "/") {
    problems.push({ path: `${path}.terminationMessagePath`, reason: "must be the absolute path of a file" });
  }
  return { terminationMessagePath: file, terminationMessagePolicy };
}

const RESOURCES = {
  cpu: { limit: "cpuLimitMilli", request: "cpuRequestMilli", parse: parseCpuMilli },
  memory: { limit: "memoryLimitBytes", request: "memoryRequestBytes", parse: parseBytes },
} as const;

/** As in Kubernetes, what is limited and not asked for is asked for up to the limit; a limit of 0 is none. */
function normalizeResources(
  { limits = new Map(), requests = new Map() }: { limits?: Quantities; requests?: Quantities },
  path: string,
  problems: Problem[],
): ContainerResources {
  for (const [key, given] of [["limits", limits] as const, ["requests", requests] as const]) {
    for (const name of given.keys()) {
      if (Object.hasOwn(RESOURCES, name)) continue;
      problems.push({
        path: `${path}.${key}[${JSON.stringify(name)}]`,
        reason: "is not supported: only cpu and memory are",
      });
    }
  }
  const resources: { -readonly [K in keyof ContainerResources]: number } = {};
  for (const [name, { limit, request, parse }] of Object.entries(RESOURCES)) {
    const read = (key: string, given: Quantities) => {
      const value = given.get(name);
      const at = `${path}.${key}.${name}`;
      if (value === undefined) return undefined;
      return attempt(() => ({ exact: parseQuantity(String(value), at).nano, units: parse(value, at) }), problems);
    };
    const most = read("limits", limits);
    const asked = read("requests", requests);
    if (most && asked && asked.exact > most.exact) {
      problems.push({ path: `${path}.requests.${name}`, reason: `must be at most the limit, ${path}.limits.${name}` });
    }
    if (most && most.units > 0) resources[limit] = most.units;
    const units = asked?.units ?? most?.units;
    if (units !== undefined) resources[request] = units;
  }
  return resources;
}

const MAX_ID = 2 ** 31 - 1;

function normalizeSecurity(given: UsableSecurity, path: string, problems: Problem[]): NormalizedSecurity {
  const { runAsUser, runAsGroup, readOnlyRootFilesystem = false, privileged = false } = given;
  for (const [key, id] of Object.entries({ runAsUser, runAsGroup })) {
    if (id === undefined || (id >= 0 && id <= MAX_ID)) continue;
    problems.push({ path: `${path}.${key}`, reason: `must be between 0 and ${MAX_ID}` });
  }
  if (privileged && given.allowPrivilegeEscalation === false) {
    problems.push({ path: `${path}.allowPrivilegeEscalation`, reason: "must not be false when privileged is true" });
  }
  const capabilities = (key: "add" | "drop") =>
    (given.capabilities?.[key] ?? []).flatMap((text, i) => {
      if (text === undefined) return [];
      const name = text.toUpperCase();
      const at = `${path}.capabilities.${key}[${i}]`;
      if (isCapability(name)) return [name];
      const known = name.startsWith("CAP_") && isCapability(name.slice(4));
      const reason = known
        ? `must be without CAP_: ${name.slice(4)}`
        : "must be the name of a Linux capability, or ALL";
      problems.push({ path: at, reason });
      return [];
    });
  return {
    ...(runAsUser !== undefined && { runAsUser }),
    ...(runAsGroup !== undefined && { runAsGroup }),
    readOnlyRootFilesystem,
    addCapabilities: capabilities("add"),
    dropCapabilities: capabilities("drop"),
    allowPrivilegeEscalation: given.allowPrivilegeEscalation ?? true,
    privileged,
  };
}
