/** One container of a pod, checked and complete. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";
import { defaultTerminationMessagePath } from "./actions";
import { expandContainer } from "./expand";
import { type ContainerImage, imageRefusal, parseImage } from "./image";
import { dnsLabel, envName, portName } from "./names";
import { type NormalizedProbes, normalizeProbes, type ProbePlace, type UsableProbes } from "./normalize-probe";
import { checkResizePolicy, normalizeResources, type UsableResources } from "./normalize-resources";
import {
  type NormalizedSecurity,
  normalizeSecurity,
  type UsablePodSecurity,
  type UsableSecurity,
} from "./normalize-security";
import type { ContainerResources } from "./resources";
import { attempt, check, cleanPath, unique } from "./rules";

/** A container in which every default is filled in and every `$(NAME)` replaced. */
export interface NormalizedContainer extends NormalizedProbes {
  /** `init`: runs to its end before the others start; `sidecar`: an init container that is kept running. */
  readonly kind: "init" | "sidecar" | "main";
  readonly name: string;
  readonly image: ContainerImage;
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

/** A port that a container listens on. */
export interface NormalizedPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
}

/** Where a container sees a volume. */
export interface NormalizedMount {
  readonly volume: string;
  /** Absolute, without `.`, `..` and a slash at the end. */
  readonly mountPath: string;
  readonly readOnly: boolean;
}

/** A container as the walk leaves it. */
export interface UsableContainer extends UsableProbes {
  name?: string;
  image?: string;
  command?: (Input<string> | undefined)[];
  args?: (Input<string> | undefined)[];
  env?: ({ name?: string; value?: Input<string> } | undefined)[];
  workingDir?: string;
  ports?: ({ name?: string; containerPort?: number; protocol?: NormalizedPort["protocol"] } | undefined)[];
  resources?: UsableResources;
  resizePolicy?: ({ resourceName?: string; restartPolicy?: string } | undefined)[];
  volumeMounts?: ({ name?: string; mountPath?: string; readOnly?: boolean } | undefined)[];
  securityContext?: UsableSecurity;
  restartPolicy?: "Always";
  terminationMessagePath?: string;
  terminationMessagePolicy?: "File" | "FallbackToLogsOnError";
}

/** What of the pod matters to its containers. */
interface ContainerPlace extends ProbePlace {
  readonly securityContext: UsablePodSecurity;
  /** The names that mounts may use. */
  readonly volumes: ReadonlySet<string>;
}

/** Checks one container, of `place.kind`. */
export function normalizeContainer(
  container: UsableContainer,
  path: string,
  place: ContainerPlace,
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
  const image = normalizeImage(container, path, problems);
  checkResizePolicy(container.resizePolicy ?? [], `${path}.resizePolicy`, problems);
  if (container.restartPolicy !== undefined && place.kind === "main") {
    problems.push({
      path: `${path}.restartPolicy`,
      reason: "is for init containers; the pod's spec.restartPolicy decides",
    });
  }
  const ports = normalizePorts(container.ports ?? [], `${path}.ports`, problems);
  return {
    kind: place.kind,
    name,
    image,
    ...expandContainer({ command, args, env }),
    ...(workingDir !== undefined && { workingDir: cleanPath(workingDir) }),
    ports,
    ...normalizeProbes(container, { ports, env }, place, path, problems),
    ...normalizeMessage(container, path, problems),
    resources: normalizeResources(container.resources ?? {}, `${path}.resources`, problems),
    mounts: normalizeMounts(container.volumeMounts ?? [], `${path}.volumeMounts`, place.volumes, problems),
    security: normalizeSecurity(
      container.securityContext ?? {},
      place.securityContext,
      image.kind !== "host",
      `${path}.securityContext`,
      problems,
    ),
  };
}

function normalizeImage({ image, command, args }: UsableContainer, path: string, problems: Problem[]): ContainerImage {
  const nothing: ContainerImage = { kind: "host", programs: [] };
  if (image === undefined) return nothing;
  const parsed = attempt(() => parseImage(image, `${path}.image`), problems);
  if (!parsed) return nothing;
  const refusal = imageRefusal(parsed);
  if (refusal !== undefined) problems.push({ path: `${path}.image`, reason: refusal });
  if (parsed.kind === "host" && (command?.length ?? 0) + (args?.length ?? 0) === 0) {
    problems.push({
      path: `${path}.command`,
      reason: "is required: programs of the node have no entry point of their own",
    });
  }
  return parsed;
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

function normalizePorts(
  ports: NonNullable<UsableContainer["ports"]>,
  path: string,
  problems: Problem[],
): NormalizedPort[] {
  unique(ports, "name", (i) => `${path}[${i}].name`, problems);
  return ports.map((port, i) => {
    const { name, containerPort = 1, protocol = "TCP" } = port ?? {};
    if (containerPort < 1 || containerPort > 65535) {
      problems.push({ path: `${path}[${i}].containerPort`, reason: "must be between 1 and 65535" });
    }
    if (name !== undefined) check(portName, name, `${path}[${i}].name`, problems);
    return { ...(name !== undefined && { name }), containerPort, protocol };
  });
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
