/** One container of a pod, checked and complete. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";
import { effectivePolicy, type PullPolicy } from "../images/policy";
import { parseReference } from "../images/reference";
import { defaultTerminationMessagePath } from "./actions";
import { isCapability } from "./capabilities";
import { expandContainer } from "./expand";
import { type ContainerImage, parseImage } from "./image";
import { dnsLabel, envName } from "./names";
import { type NormalizedPort, normalizePorts, type UsablePort } from "./normalize-port";
import { type NormalizedProbes, normalizeProbes, type ProbePlace, type UsableProbes } from "./normalize-probe";
import { parseBytes, parseCpuMilli, parseQuantity } from "./quantity";
import type { ContainerResources } from "./resources";
import { attempt, check, cleanPath, unique } from "./rules";

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
  /** No name twice. */
  readonly env: readonly { readonly name: string; readonly value: Input<string> }[];
  /** Absent: the image's, else `/`. */
  readonly workingDir?: string;
  readonly ports: readonly NormalizedPort[];
  readonly resources: ContainerResources;
  readonly mounts: readonly NormalizedMount[];
  readonly security: NormalizedSecurity;
  readonly terminationMessagePath: string;
  readonly terminationMessagePolicy: "File" | "FallbackToLogsOnError";
}

/** Where a container sees a volume. */
export interface NormalizedMount {
  readonly volume: string;
  /** Absolute, without `.`, `..` and a slash at the end. */
  readonly mountPath: string;
  readonly readOnly: boolean;
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
export interface UsableContainer extends UsableProbes {
  name?: string;
  image?: string;
  imagePullPolicy?: PullPolicy;
  command?: (Input<string> | undefined)[];
  args?: (Input<string> | undefined)[];
  env?: ({ name?: string; value?: Input<string> } | undefined)[];
  workingDir?: string;
  ports?: (UsablePort | undefined)[];
  resources?: { limits?: Quantities; requests?: Quantities };
  volumeMounts?: ({ name?: string; mountPath?: string; readOnly?: boolean } | undefined)[];
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
  const env = (container.env ?? []).flatMap((one, i) => {
    if (one?.name === undefined) return [];
    check(envName, one.name, `${path}.env[${i}].name`, problems);
    return [{ name: one.name, value: one.value ?? "" }];
  });
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
    ...expandContainer({ command, args, env }),
    ...(workingDir !== undefined && { workingDir: cleanPath(workingDir) }),
    ports,
    ...normalizeProbes(container, { ports, env }, place, path, problems),
    ...normalizeMessage(container, path, problems),
    resources: normalizeResources(container.resources ?? {}, `${path}.resources`, problems),
    mounts: normalizeMounts(container.volumeMounts ?? [], `${path}.volumeMounts`, volumes, problems),
    security: normalizeSecurity(container.securityContext ?? {}, `${path}.securityContext`, problems),
  };
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

function normalizeMounts(
  mounts: NonNullable<UsableContainer["volumeMounts"]>,
  path: string,
  volumes: ReadonlySet<string>,
  problems: Problem[],
): NormalizedMount[] {
  const cleaned = mounts.map((mount, i) => {
    const { name, mountPath, readOnly = false } = mount ?? {};
    if (name !== undefined && !volumes.has(name)) {
      problems.push({ path: `${path}[${i}].name`, reason: "must be the name of a volume in spec.volumes" });
    }
    if (mountPath === undefined) return { volume: name ?? "", mountPath: undefined, readOnly };
    // As a kubelet does, a path that does not begin with / is taken from the root.
    const clean = cleanPath(`/${mountPath}`);
    const reason = mountPath === "" ? "must not be empty" : mountPathRule(clean);
    if (reason !== undefined) problems.push({ path: `${path}[${i}].mountPath`, reason });
    return { volume: name ?? "", mountPath: clean, readOnly };
  });
  unique(cleaned, "mountPath", (i) => `${path}[${i}].mountPath`, problems);
  return cleaned.map(({ mountPath = "/", ...rest }) => ({ ...rest, mountPath }));
}

function mountPathRule(path: string): string | undefined {
  if (path === "/") return "must not be the root directory";
  return path.includes(":") ? 'must not contain ":"' : undefined;
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
