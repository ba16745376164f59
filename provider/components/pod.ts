import * as pulumi from "@pulumi/pulumi";
import { InputError } from "../errors";
import type { ContainerImage } from "../kubernetes/image";
import {
  type NormalizedContainer,
  type NormalizedPod,
  type NormalizedVolume,
  normalizePod,
} from "../kubernetes/normalize";
import { containerCgroup, podCgroup } from "../kubernetes/resources";
import type { ObjectMeta, PodManifest, PodSpec } from "../kubernetes/types";
import type { Volume } from "../launcher-config";
import { boundedName } from "../naming";
import { CGroup, type CGroupArgs } from "../resources/cgroup";
import { Mount } from "../resources/mount";
import { Namespace } from "../resources/namespace";
import type { Node } from "../resources/node";
import { type ContainerStatus, type NamedContainerArgs, Process } from "../resources/process";
import { RootFs } from "../resources/root-fs";
import { VethPair } from "../resources/veth-pair";

/** The arguments of a {@link Pod}: a Kubernetes Pod's, and where it runs. */
export interface PodArgs extends PodManifest {
  /** The node to run on. Changing this replaces what the pod is made of. */
  readonly on: Node;
}

/** What a pod tells about itself, as Kubernetes names it. */
export interface PodStatus {
  /** `Pending`, `Running`, `Succeeded` or `Failed`. */
  readonly phase: string;
  /** The pod's address; the node's own with `hostNetwork`. */
  readonly podIP: string;
  readonly hostIP: string;
  readonly containerStatuses: readonly ContainerStatus[];
}

/**
 * A Kubernetes Pod on one node, declared as for `@pulumi/kubernetes`: containers that share a network, a name and IPC,
 * each with a root file system, a control group and a log of its own, kept by one keeper.
 *
 * ```
 *   Namespace ─┬─ VethPair ─┐
 *   CGroup ────┼─ CGroup … ─┼─ Process
 *   RootFs … ──┴─ Mount … ──┘
 * ```
 *
 * What this release does not do of PodSpec is refused at preview, by its path.
 *
 * @example
 * ```ts
 * const web = new Pod("web", {
 *   on: node,
 *   metadata: { labels: { app: "web" } },
 *   spec: { containers: [{ name: "web", image: "host:bash,sleep", command: ["sleep", "10000"] }] },
 * });
 * export const podIP = web.status.podIP;
 * ```
 */
export class Pod extends pulumi.ComponentResource {
  readonly metadata: pulumi.Output<ObjectMeta>;
  readonly spec: pulumi.Output<PodSpec>;
  readonly status: pulumi.Output<PodStatus>;

  constructor(name: string, args: PodArgs, options?: pulumi.ComponentResourceOptions) {
    super("barepod:index:Pod", name, {}, options);
    const pod = this.#checked(name, args);
    const node = args.on;
    const parent = { parent: this };
    // Kubernetes' name of a pod is unique in its namespace; so is the name of its things on the node.
    const id = boundedName("", `${pod.namespace}_${pod.name}`, 60);
    const folder = `/run/barepod/pods/${id}`;

    const namespace = createNamespace();
    const eth0 = createInterface();
    const group = createGroup(
      `barepod.pods/${id}`,
      `${name}-cgroup`,
      podCgroup(pod.containers.map((each) => each.resources)),
    );
    const volumes = new Map(pod.volumes.map((volume) => [volume.name, createVolume(volume)]));
    const containers = pod.containers.map(createContainer);
    const process = createProcess();

    this.metadata = pulumi.output({
      name: pod.name,
      namespace: pod.namespace,
      labels: pod.labels,
      annotations: pod.annotations,
      uid: process.uid,
    }) as pulumi.Output<ObjectMeta>;
    this.spec = pulumi.output(args.spec as never) as pulumi.Output<PodSpec>;
    this.status = pulumi
      .all([process.phase, process.podIP, process.hostIP, process.containerStatuses])
      .apply(([phase, podIP, hostIP, containerStatuses]) => ({
        phase,
        podIP: pod.hostNetwork ? hostIP : podIP,
        hostIP,
        containerStatuses,
      }));
    this.registerOutputs({ metadata: this.metadata, spec: this.spec, status: this.status });

    function createNamespace(): Namespace {
      const own = pod.hostNetwork ? (["ipc"] as const) : (["net", "uts", "ipc"] as const);
      const types = [...own, ...(pod.shareProcessNamespace ? (["pid"] as const) : [])];
      const hostname = pod.hostNetwork ? {} : { hostname: pod.hostname };
      return new Namespace(`${name}-namespace`, { node, name: id, types, ...hostname }, parent);
    }

    function createInterface(): VethPair | undefined {
      if (pod.hostNetwork) return undefined;
      return new VethPair(`${name}-eth0`, { node, namespace: namespace.path, interfaceName: "eth0" }, parent);
    }

    function createGroup(path: string, role: string, limits: ReturnType<typeof podCgroup>, above?: CGroup): CGroup {
      const args: CGroupArgs = {
        node,
        path: above === undefined ? path : pulumi.interpolate`${above.path}/${path}`,
        cpuShares: limits.cpuShares,
        ...(limits.cpuQuota === undefined ? {} : { cpuMax: limits.cpuQuota / 100_000 }),
        // Kubernetes gives pods no swap: it would make a memory limit mean something else.
        ...(limits.memoryMax === undefined ? {} : { memoryMax: limits.memoryMax, memorySwapMax: 0 }),
      };
      return new CGroup(role, args, parent);
    }

    function createVolume(volume: NormalizedVolume): { volume: Omit<Volume, "target">; mount?: Mount } {
      if (volume.kind === "hostPath") return { volume: { source: volume.path as string } };
      const source = `/var/lib/barepod/volumes/${id}/${volume.name}`;
      if (volume.medium !== "Memory") return { volume: { source, ephemeral: true } };
      const options = ["mode=0777", "nosuid", "nodev"];
      const mount = new Mount(
        `${name}-${volume.name}`,
        { node, source: "tmpfs", target: source, fsType: "tmpfs", options },
        parent,
      );
      return { volume: { source }, mount };
    }

    function createContainer(container: NormalizedContainer): NamedContainerArgs {
      const root = new RootFs(
        `${name}-${container.name}-rootfs`,
        { node, path: `${folder}/${container.name}/rootfs`, overlay: true, ...contentOf(container.image) },
        parent,
      );
      const cgroup = createGroup(
        container.name,
        `${name}-${container.name}-cgroup`,
        containerCgroup(container.resources),
        group,
      );
      const { security } = container;
      return {
        name: container.name,
        rootFs: root.path,
        cgroup: cgroup.path,
        command: [...container.command, ...container.args],
        env: { HOSTNAME: pod.hostname, ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])) },
        workingDir: container.workingDir,
        volumes: container.mounts.map(({ volume, mountPath, readOnly }) => ({
          source: "",
          ...volumes.get(volume)?.volume,
          target: mountPath,
          readOnly,
        })),
        runAsUser: security.runAsUser,
        runAsGroup: security.runAsGroup,
        readOnlyRootFilesystem: security.readOnlyRootFilesystem,
        allowPrivilegeEscalation: security.allowPrivilegeEscalation,
        privileged: security.privileged,
        capabilities: { add: [...security.addCapabilities], drop: [...security.dropCapabilities] },
      };
    }

    function createProcess(): Process {
      const mounts = [...volumes.values()].flatMap(({ mount }) => (mount === undefined ? [] : [mount.target]));
      return new Process(
        `${name}-process`,
        {
          node,
          name: id,
          pod: { namespace: pod.namespace, name: pod.name },
          containers,
          namespace: namespace.path,
          hostNamespaces: pod.hostNetwork ? ["net", "uts"] : undefined,
          mounts,
          interfaces: eth0 === undefined ? [] : [eth0.name],
          resolvConf: true,
          restartPolicy: pod.restartPolicy,
          terminationGracePeriodSeconds: pod.terminationGracePeriodSeconds,
          skipAwait: pod.skipAwait ? true : undefined,
          timeoutSeconds: pod.timeoutSeconds,
        },
        parent,
      );
    }
  }

  /** The pod without gaps; a mistake is shown without a stack. */
  #checked(name: string, args: PodArgs): NormalizedPod {
    try {
      if ((args as Partial<PodArgs> | undefined)?.on?.reference === undefined)
        throw new InputError("on", 'must be a Node, for example new Node("edge-1", { connection: … })');
      return normalizePod(name, args);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new pulumi.ResourceError(`Pod "${name}": ${error.message}`, this, true);
    }
  }
}

/** Which root file system an image is. */
function contentOf(image: ContainerImage): { hostBinaries: string[] } | { archive: string } {
  if (image.kind === "host") return { hostBinaries: [...image.programs] };
  if (image.kind === "archive") return { archive: image.path };
  throw new InputError("image", "only host: and archive: images exist in this release");
}
