/** What a pod is made of. The names of its children are frozen: state knows them by these. */
import * as pulumi from "@pulumi/pulumi";
import { defaultTerminationMessagePath } from "../kubernetes/actions";
import type { NormalizedContainer, NormalizedPod, NormalizedVolume } from "../kubernetes/normalize";
import type { NormalizedMount } from "../kubernetes/normalize-mount";
import type { NormalizedSecurity } from "../kubernetes/normalize-security";
import {
  type CgroupLimits,
  CPU_PERIOD,
  containerCgroup,
  type InitContainerResources,
  oomScore,
  podCgroup,
} from "../kubernetes/resources";
import type { Variable, Volume } from "../launcher-config";
import { boundedName } from "../naming";
import { CGroup } from "../resources/cgroup";
import type { HostPorts } from "../resources/host-ports";
import { Mount } from "../resources/mount";
import { Namespace } from "../resources/namespace";
import type { Node } from "../resources/node";
import { type NamedContainerArgs, Process } from "../resources/process";
import { type HostPath, projectionFolder } from "../resources/process-projections";
import type { RegistrationArgs } from "../resources/process-registration";
import { RootFs, type RootFsArgs } from "../resources/root-fs";
import { VethPair } from "../resources/veth-pair";
import { digestOfImage } from "./image-digest";
import { pullSecrets } from "./objects";
import { objectsOf, projectionOf, subPathOf, variablesOf } from "./pod-values";

/** Whose parts they are, and where they lie. */
export class PodPlace {
  /** Kubernetes' name of a pod is unique in its namespace; so is the name of its things on the node. */
  readonly id: string;

  constructor(
    readonly name: string,
    readonly node: Node,
    readonly pod: NormalizedPod,
    readonly options: pulumi.CustomResourceOptions,
  ) {
    this.id = boundedName("", `${pod.namespace}_${pod.name}`, 60);
  }
}

/** A volume on the node, and the mount that it needs there. */
export interface PodVolume {
  readonly volume: Omit<Volume, "target">;
  readonly mount?: Mount;
}

/** None for a pod that stays in the node's own namespaces. */
export function createNamespace({ name, node, pod, id, options }: PodPlace): Namespace | undefined {
  const types = [
    ...(pod.hostNetwork ? [] : (["net", "uts"] as const)),
    ...(pod.hostIPC ? [] : (["ipc"] as const)),
    ...(pod.shareProcessNamespace ? (["pid"] as const) : []),
  ];
  if (types.length === 0) return undefined;
  const hostname = pod.hostNetwork ? {} : { hostname: pod.hostname };
  const { sysctls } = pod.security;
  const settings = Object.keys(sysctls).length === 0 ? {} : { sysctls };
  return new Namespace(`${name}-namespace`, { node, name: id, types, ...hostname, ...settings }, options);
}

export function createInterface(
  { name, node, pod, options }: PodPlace,
  namespace: Namespace | undefined,
): VethPair | undefined {
  if (pod.hostNetwork || namespace === undefined) return undefined;
  const address = pod.ip === undefined ? {} : { address: pod.ip };
  return new VethPair(`${name}-eth0`, { node, namespace: namespace.path, interfaceName: "eth0", ...address }, options);
}

function initResources({ initContainers }: NormalizedPod): InitContainerResources[] {
  return initContainers.map(({ resources, kind }) => ({ ...resources, isSidecar: kind === "sidecar" }));
}

/** The group of the whole pod: what its containers may use together. */
export function createPodGroup(place: PodPlace): CGroup {
  const { containers, resources } = place.pod;
  const limits = podCgroup(
    containers.map((each) => each.resources),
    initResources(place.pod),
    resources,
  );
  return createGroup(place, `${place.name}-cgroup`, `barepod.pods/${place.id}`, limits);
}

function createGroup(
  { node, options }: PodPlace,
  name: string,
  path: pulumi.Input<string>,
  { cpuShares, cpuWeight, cpuQuota, memoryMax }: CgroupLimits,
  memoryOomGroup?: true,
): CGroup {
  const cpu = {
    cpuShares,
    ...(cpuWeight !== undefined && { cpuWeight }),
    ...(cpuQuota !== undefined && { cpuMax: cpuQuota / CPU_PERIOD }),
  };
  // Kubernetes gives containers no swap: it would make a memory limit mean something else.
  const isContainer = memoryOomGroup === true;
  const memory = {
    ...(memoryMax !== undefined && { memoryMax }),
    ...((memoryMax !== undefined || isContainer) && { memorySwapMax: 0 }),
    ...(isContainer && { memoryOomGroup }),
  };
  return new CGroup(name, { node, path, ...cpu, ...memory }, options);
}

export function createVolume({ name, node, pod, id, options }: PodPlace, volume: NormalizedVolume): PodVolume {
  if (volume.kind === "hostPath") return { volume: { source: volume.path as string } };
  if (volume.kind === "content") return { volume: { source: projectionFolder(id, volume.name), readOnly: true } };
  const source = `/var/lib/barepod/volumes/${id}/${volume.name}`;
  const { fsGroup } = pod.security;
  const group = fsGroup === undefined ? {} : { group: fsGroup };
  if (volume.medium !== "Memory") return { volume: { source, ephemeral: true, ...group } };
  const owner = fsGroup === undefined ? ["mode=0777"] : ["mode=2777", `gid=${fsGroup}`];
  const size = volume.sizeLimit === undefined ? [] : [`size=${volume.sizeLimit}`];
  const flags = [...owner, "nosuid", "nodev", ...size];
  const args = { node, source: "tmpfs", target: source, fsType: "tmpfs", options: flags };
  return { volume: { source }, mount: new Mount(`${name}-volume-${volume.name}`, args, options) };
}

/** Where POSIX shared memory lies. Among the volumes of a pod no other has a name with a slash. */
const sharedMemory = "/dev/shm";

/** What several containers of a pod share with the IPC namespace; a single one makes it by itself. */
export function createSharedMemory({ name, node, pod, id, options }: PodPlace): [string, PodVolume][] {
  if (pod.hostIPC || pod.initContainers.length + pod.containers.length < 2) return [];
  const source = `/var/lib/barepod/volumes/${id}/_shm`;
  const flags = ["nosuid", "nodev", "noexec", "mode=1777", "size=65536k"];
  const args = { node, source: "shm", target: source, fsType: "tmpfs", options: flags };
  return [[sharedMemory, { volume: { source }, mount: new Mount(`${name}-shm`, args, options) }]];
}

/** It gives way to a volume in its place, or in place of all of /dev. */
function sharedMemoryOf(
  { mounts }: NormalizedContainer,
  volumes: ReadonlyMap<string, PodVolume>,
): pulumi.Input<Volume>[] {
  const shared = volumes.get(sharedMemory)?.volume;
  const isCovered = mounts.some(({ mountPath }) => [sharedMemory, "/dev"].includes(mountPath.replace(/\/+$/, "")));
  return shared === undefined || isCovered ? [] : [{ ...shared, target: sharedMemory }];
}

/** What a container sees of a volume. */
function createMount(
  place: PodPlace,
  container: NormalizedContainer,
  mount: NormalizedMount,
  volumes: ReadonlyMap<string, PodVolume>,
): pulumi.Input<Volume> {
  const { volume = { source: "" } } = volumes.get(mount.volume) ?? {};
  const subPath = subPathOf(place, container, mount);
  return {
    ...volume,
    target: mount.mountPath,
    readOnly: mount.readOnly || volume.readOnly === true,
    ...(subPath === undefined ? {} : { subPath }),
    ...(mount.propagation === undefined ? {} : { propagation: mount.propagation }),
    ...(mount.recursiveReadOnly === undefined ? {} : { recursiveReadOnly: mount.recursiveReadOnly }),
  } as pulumi.Input<Volume>;
}

/** The container's root file system and control group, and what the Process is told about it. */
export function createContainer(
  place: PodPlace,
  container: NormalizedContainer,
  group: CGroup,
  volumes: ReadonlyMap<string, PodVolume>,
): NamedContainerArgs {
  const { name, node, pod, id, options } = place;
  const { security } = container;
  const path = `/run/barepod/pods/${id}/${container.name}/rootfs`;
  const content = contentOf(place, container);
  const root = new RootFs(`${name}-rootfs-${container.name}`, { node, path, overlay: true, ...content }, options);
  const below = pulumi.interpolate`${group.path}/${container.name}`;
  const limits = containerCgroup(container.resources, pod.resources);
  // As a kubelet has it: without one of its processes a container may not be what anybody takes it for.
  const cgroup = createGroup(place, `${name}-cgroup-${container.name}`, below, limits, true);
  return {
    name: container.name,
    rootFs: root.path,
    cgroup: cgroup.path,
    command: [...container.command, ...container.args],
    imageDefaults: defaultsOf(container),
    env: Object.fromEntries(container.env.map((variable) => [variable.name, variable.value])),
    workingDir: container.workingDir,
    ...(container.variables === undefined
      ? {}
      : { variables: variablesOf(place, container) as pulumi.Input<Variable>[], expand: true }),
    volumes: [
      ...sharedMemoryOf(container, volumes),
      ...container.mounts.map((mount) => createMount(place, container, mount, volumes)),
    ],
    ...securityOf(security),
    kind: container.kind === "main" ? undefined : container.kind,
    startupProbe: container.startupProbe,
    readinessProbe: container.readinessProbe,
    livenessProbe: container.livenessProbe,
    lifecycle: container.lifecycle,
    stopSignal: container.stopSignal,
    ...messageOf(container),
    ...oomScore(
      { ...container.resources, isSidecar: container.kind === "sidecar" },
      pod.containers.map(({ resources }) => resources),
      initResources(pod),
      pod.resources,
    ),
  };
}

function securityOf(security: NormalizedSecurity): Partial<NamedContainerArgs> {
  const { seccomp, appArmor, supplementalGroups } = security;
  return {
    runAsUser: security.runAsUser,
    runAsGroup: security.runAsGroup,
    ...(security.runAsNonRoot && { runAsNonRoot: true }),
    ...(supplementalGroups.length > 0 && { supplementalGroups: [...supplementalGroups] }),
    ...(security.strictGroups && { supplementalGroupsPolicy: "Strict" as const }),
    ...(seccomp && { seccompProfile: seccomp }),
    ...(appArmor && { appArmorProfile: appArmor }),
    readOnlyRootFilesystem: security.readOnlyRootFilesystem,
    allowPrivilegeEscalation: security.allowPrivilegeEscalation,
    privileged: security.privileged,
    capabilities: { add: [...security.addCapabilities], drop: [...security.dropCapabilities] },
  };
}

/** Where it says why it ended, if not where all do. */
function messageOf({ terminationMessagePath, terminationMessagePolicy }: NormalizedContainer) {
  return {
    terminationMessagePath:
      terminationMessagePath === defaultTerminationMessagePath ? undefined : terminationMessagePath,
    terminationMessagePolicy: terminationMessagePolicy === "File" ? undefined : terminationMessagePolicy,
  };
}

/** Which root file system an image is. */
function contentOf({ node, pod, options }: PodPlace, container: NormalizedContainer): Partial<RootFsArgs> {
  const { image, imagePullPolicy } = container;
  if (image.kind === "host") return { hostBinaries: [...image.programs] };
  const isAsked = image.kind === "registry" && imagePullPolicy === "Always";
  const secrets = image.kind === "registry" ? pullSecrets(node, pod.namespace, pod.imagePullSecrets) : [];
  return {
    image: image.text,
    pullPolicy: imagePullPolicy,
    ...(isAsked ? { digest: digestOfImage(image.text, node, secrets, options.parent) } : {}),
    ...(secrets.length === 0 ? {} : { pullSecrets: secrets }),
  };
}

/** Kubernetes' table: a command replaces all that the image says, arguments alone its own arguments. */
function defaultsOf({ image, command, args }: NormalizedContainer): NamedContainerArgs["imageDefaults"] {
  if (image.kind === "host") return undefined;
  return command.length > 0 ? "none" : args.length > 0 ? "entrypoint" : "all";
}

function hostNamespaces({
  hostNetwork,
  hostIPC,
  hostPID,
}: NormalizedPod): ("net" | "uts" | "ipc" | "pid")[] | undefined {
  const types = [
    ...(hostNetwork ? (["net", "uts"] as const) : []),
    ...(hostIPC ? (["ipc"] as const) : []),
    ...(hostPID ? (["pid"] as const) : []),
  ];
  return types.length === 0 ? undefined : types;
}

/** The keeper with all containers: made last, ended first. */
export function createProcess(
  place: PodPlace,
  parts: {
    readonly namespace: Namespace | undefined;
    readonly eth0: VethPair | undefined;
    readonly ports: HostPorts | undefined;
    readonly volumes: ReadonlyMap<string, PodVolume>;
    readonly containers: NamedContainerArgs[];
  },
): Process {
  const { name, node, pod, id, options } = place;
  const contents = pod.volumes.flatMap((each) =>
    each.kind === "content" ? [projectionOf(place, each.name, each.files)] : [],
  );
  const hostPaths = pod.volumes.flatMap((each) =>
    each.kind === "hostPath" && each.type !== undefined ? [{ path: each.path, type: each.type }] : [],
  );
  const mounts = [...parts.volumes.values()].flatMap(({ mount }) => (mount === undefined ? [] : [mount.target]));
  return new Process(
    `${name}-process`,
    {
      node,
      name: id,
      pod: { namespace: pod.namespace, name: pod.name },
      ...registrationOf(pod),
      containers: parts.containers,
      namespace: parts.namespace?.path,
      hostNamespaces: hostNamespaces(pod),
      mounts,
      interfaces: parts.eth0 === undefined ? [] : [parts.eth0.name],
      hosts: pod.hostNetwork ? pod.hosts : { ...pod.hosts, kernelName: pod.hostname },
      dns: pod.dns,
      ...(contents.length === 0 ? {} : { projections: contents }),
      ...(hostPaths.length === 0 ? {} : { hostPaths: hostPaths as pulumi.Input<HostPath>[] }),
      restartPolicy: pod.restartPolicy,
      terminationGracePeriodSeconds: pod.terminationGracePeriodSeconds,
      activeDeadlineSeconds: pod.activeDeadlineSeconds,
      skipAwait: pod.skipAwait ? true : undefined,
      timeoutSeconds: pod.timeoutSeconds,
    },
    pulumi.mergeOptions(
      parts.ports === undefined ? options : pulumi.mergeOptions(options, { dependsOn: parts.ports }),
      {
        dependsOn: objectsOf(place),
      },
    ),
  );
}

/** What the pod says of itself to Services. */
function registrationOf({ labels, initContainers, containers }: NormalizedPod): RegistrationArgs {
  const namedPorts = [...initContainers.filter(({ kind }) => kind === "sidecar"), ...containers].flatMap(({ ports }) =>
    ports.flatMap(({ name, containerPort: port, protocol }) => (name === undefined ? [] : [{ name, port, protocol }])),
  );
  return {
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(namedPorts.length > 0 && { namedPorts }),
  };
}
