import * as pulumi from "@pulumi/pulumi";
import { InputError } from "../errors";
import { type NormalizedPod, normalizePod } from "../kubernetes/normalize";
import { type QosClass, qosClass } from "../kubernetes/resources";
import type { ObjectMeta, PodManifest, PodSpec } from "../kubernetes/types";
import type { Node } from "../resources/node";
import type { ContainerStatus, PodCondition, TokenIssuer } from "../resources/process";
import { claimName, declarePod } from "./declared";
import { pullSecrets } from "./objects";
import {
  createContainer,
  createInterface,
  createNamespace,
  createPodGroup,
  createProcess,
  createSharedMemory,
  createVolume,
  PodPlace,
  type PodVolume,
} from "./pod-parts";
import { claimHostPorts, createHostPorts } from "./pod-ports";

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
  /** `Guaranteed`, `Burstable` or `BestEffort`: what its containers may use and ask for decides. */
  readonly qosClass: QosClass;
  /** `DeadlineExceeded`, or empty. */
  readonly reason: string;
  /** `Initialized`, `ContainersReady` and `Ready`. */
  readonly conditions: readonly PodCondition[];
  /** Sidecars too. */
  readonly initContainerStatuses: readonly ContainerStatus[];
  readonly containerStatuses: readonly ContainerStatus[];
}

/**
 * A Kubernetes Pod on one node, declared as for `@pulumi/kubernetes`: containers that share a network, a name and IPC,
 * each with a root file system, a control group and a log of its own, kept by one keeper.
 *
 * ```
 *   Namespace ─┬─ VethPair ─┬─ HostPorts ─┐
 *   CGroup ────┼─ CGroup … ─┼─────────────┼─ Process
 *   RootFs … ──┴─ Mount … ──┴─────────────┘
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
  /**
   * Who signs the tokens of the pod's service account, and the public keys that verify them, for who is to trust them; of all pods
   * of a node the same. Undefined for a pod without tokens, and until a container of one that is not waited for has started.
   */
  readonly tokenIssuer: pulumi.Output<TokenIssuer | undefined>;

  constructor(name: string, args: PodArgs, options?: pulumi.ComponentResourceOptions) {
    super("barepod:index:Pod", name, {}, options);
    const pod = this.#checked(name, args);
    // Components do not hand dependsOn down by themselves: without it the children would be made at once.
    const place = new PodPlace(name, args.on, pod, { parent: this, dependsOn: options?.dependsOn ?? [] });

    const namespace = createNamespace(place);
    const eth0 = createInterface(place, namespace);
    const ports = createHostPorts(place, namespace, eth0);
    const group = createPodGroup(place);
    const volumes = new Map([
      ...createSharedMemory(place),
      ...pod.volumes.map((volume): [string, PodVolume] => [volume.name, createVolume(place, volume)]),
    ]);
    const containers = [...pod.initContainers, ...pod.containers].map((container) =>
      createContainer(place, container, group, volumes),
    );
    const process = createProcess(place, { namespace, eth0, ports, volumes, containers });

    this.metadata = pulumi.output({
      name: pod.name,
      namespace: pod.namespace,
      labels: pod.labels,
      annotations: pod.annotations,
      uid: process.uid,
    }) as pulumi.Output<ObjectMeta>;
    this.spec = pulumi.output(args.spec as never) as pulumi.Output<PodSpec>;
    this.status = pulumi
      .all([
        process.phase,
        process.podIP,
        process.hostIP,
        process.reason,
        process.conditions,
        process.initContainerStatuses,
        process.containerStatuses,
      ])
      .apply(([phase, podIP, hostIP, reason, conditions, initContainerStatuses, containerStatuses]) => ({
        phase,
        podIP: pod.hostNetwork ? hostIP : podIP,
        hostIP,
        qosClass: qosClass(
          [...pod.initContainers, ...pod.containers].map(({ resources }) => resources),
          pod.resources,
        ),
        reason,
        conditions,
        initContainerStatuses,
        containerStatuses,
      }));
    this.tokenIssuer = process.tokenIssuer;
    const { metadata, spec, status, tokenIssuer } = this;
    this.registerOutputs({ metadata, spec, status, tokenIssuer });
  }

  /** The pod without gaps; a mistake is shown without a stack. */
  #checked(name: string, args: PodArgs): NormalizedPod {
    try {
      if ((args as Partial<PodArgs> | undefined)?.on?.reference === undefined)
        throw new InputError("on", 'must be a Node, for example new Node("edge-1", { connection: … })');
      const pod = normalizePod(name, args, args.on.clusterDomain);
      // Refuses a secret that is not declared; the promises in it are the images' to await.
      void pullSecrets(args.on, pod.namespace, pod.imagePullSecrets);
      claimName("Pod", name, args.on, pod);
      claimHostPorts(name, args.on, pod);
      declarePod(args.on, pod);
      return pod;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new pulumi.ResourceError(`Pod "${name}": ${error.message}`, this, true);
    }
  }
}
