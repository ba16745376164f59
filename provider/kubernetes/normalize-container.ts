/** One container of a pod, checked and complete. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";
import { effectivePolicy, type PullPolicy } from "../images/policy";
import { parseReference } from "../images/reference";
import { defaultTerminationMessagePath } from "./actions";
import { expandContainer } from "./expand";
import { type ContainerImage, parseImage } from "./image";
import { dnsLabel } from "./names";
import { isPlain, type NormalizedVariable, normalizeEnv, type UsableEnv } from "./normalize-env";
import { type NormalizedMount, normalizeMounts, type UsableMount } from "./normalize-mount";
import { type NormalizedPort, normalizePorts, type UsablePort } from "./normalize-port";
import { type NormalizedProbes, normalizeProbes, type ProbePlace, type UsableProbes } from "./normalize-probe";
import { checkResizePolicy, normalizeResources, type UsableResources } from "./normalize-resources";
import {
  type NormalizedSecurity,
  normalizeSecurity,
  type UsablePodSecurity,
  type UsableSecurity,
} from "./normalize-security";
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

/** A container as the walk leaves it. */
export interface UsableContainer extends UsableProbes, UsableEnv {
  name?: string;
  image?: string;
  imagePullPolicy?: PullPolicy;
  command?: (Input<string> | undefined)[];
  args?: (Input<string> | undefined)[];
  workingDir?: string;
  ports?: (UsablePort | undefined)[];
  resources?: UsableResources;
  resizePolicy?: ({ resourceName?: string; restartPolicy?: string } | undefined)[];
  volumeMounts?: (UsableMount | undefined)[];
  securityContext?: UsableSecurity;
  restartPolicy?: "Always";
  terminationMessagePath?: string;
  terminationMessagePolicy?: "File" | "FallbackToLogsOnError";
}

/** What of the pod matters to its containers. */
interface ContainerPlace extends ProbePlace {
  readonly securityContext: UsablePodSecurity;
  readonly hostNetwork: boolean;
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
  const variables = normalizeEnv(container, path, problems);
  const command = (container.command ?? []).filter((part) => part !== undefined);
  const args = (container.args ?? []).filter((part) => part !== undefined);
  const content = normalizeImage(container, path, problems);
  checkResizePolicy(container.resizePolicy ?? [], `${path}.resizePolicy`, problems);
  if (container.restartPolicy !== undefined && place.kind === "main") {
    problems.push({
      path: `${path}.restartPolicy`,
      reason: "is for init containers; the pod's spec.restartPolicy decides",
    });
  }
  const ports = normalizePorts(container.ports ?? [], `${path}.ports`, place.hostNetwork, problems);
  return {
    kind: place.kind,
    name,
    ...content,
    ...normalizeTexts(command, args, variables),
    ...(workingDir !== undefined && { workingDir: cleanPath(workingDir) }),
    ports,
    ...normalizeProbes(container, { ports, env: writtenValues(variables) }, place, path, problems),
    ...normalizeMessage(container, path, problems),
    resources: normalizeResources(container.resources ?? {}, `${path}.resources`, problems),
    mounts: normalizeMounts(
      container.volumeMounts ?? [],
      { privileged: container.securityContext?.privileged === true, variables },
      `${path}.volumeMounts`,
      place.volumes,
      problems,
    ),
    security: normalizeSecurity(
      container.securityContext ?? {},
      place.securityContext,
      content.image.kind !== "host",
      `${path}.securityContext`,
      problems,
    ),
  };
}

/** What the manifest itself says of the variables in env; of one that is looked up, nothing. */
function writtenValues(variables: readonly NormalizedVariable[]): NormalizedContainer["env"] {
  return variables.flatMap((each) =>
    "name" in each ? [{ name: each.name, value: isPlain(each) ? each.value : "" }] : [],
  );
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
