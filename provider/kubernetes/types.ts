/**
 * `metadata` and `spec` of a Pod as `@pulumi/kubernetes` types them, assignable both ways.
 *
 * Ours, because importing that package's types costs every program 24 MB and half a second. All fields are declared, the
 * refused ones too, so that a literal compiles and the error at preview can say why. Inputs are accepted wherever the
 * package accepts them, but the structure must be plain when a program runs: the documentation of a field says where an
 * Output works. See https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
 */
import type { Input } from "@pulumi/pulumi";
import type {
  AppArmorProfile,
  Container,
  ResourceRequirements,
  SELinuxOptions,
  SeccompProfile,
  StringMap,
  WindowsSecurityContextOptions,
} from "./container-types";
import type {
  Affinity,
  PodSchedulingGate,
  PodSchedulingGroup,
  Toleration,
  TopologySpreadConstraint,
  WorkloadReference,
} from "./scheduling-types";
import type { Volume } from "./volume-types";

/** A Pod as in a manifest. */
export interface PodManifest {
  /** As in Kubernetes; may be left out. */
  apiVersion?: Input<"v1" | undefined>;
  /** As in Kubernetes; may be left out. */
  kind?: Input<"Pod" | undefined>;
  /** Name, labels and annotations. */
  metadata?: Input<ObjectMeta | undefined>;
  /** What runs. */
  spec?: Input<PodSpec | undefined>;
}

/** What identifies a pod and describes it. */
export interface ObjectMeta {
  /** Notes; a value may be an Output. `pulumi.com/skipAwait` and `pulumi.com/timeoutSeconds` mean what they mean in @pulumi/kubernetes and must be plain; the latter is 1 to 86400. `container.apparmor.security.beta.kubernetes.io/<container>` counts as that container's appArmorProfile and must be plain. `barepod/ip` is the pod's address, of its node's pod range, and must be plain; changing it replaces what the pod is made of. */
  annotations?: Input<StringMap | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  clusterName?: Input<string | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  creationTimestamp?: Input<string | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  deletionGracePeriodSeconds?: Input<number | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  deletionTimestamp?: Input<string | undefined>;
  /** Refused: no controller would remove them; Pulumi's options protect and dependsOn order deletion. */
  finalizers?: Input<Input<string>[] | undefined>;
  /** Refused: names are never random here; give name, or leave it to the resource's name. */
  generateName?: Input<string | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  generation?: Input<number | undefined>;
  /** What Services and others select pods by. */
  labels?: Input<StringMap | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  managedFields?: Input<Input<ManagedFieldsEntry>[] | undefined>;
  /** DNS subdomain, at most 253 characters. Default: the name of the Pulumi resource. Changing it replaces the pod. */
  name?: Input<string | undefined>;
  /** DNS label. Default `default`. Keeps names apart on the node. Changing it replaces the pod. */
  namespace?: Input<string | undefined>;
  /** Refused: there is no garbage collector; use Pulumi's parent. */
  ownerReferences?: Input<Input<OwnerReference>[] | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  resourceVersion?: Input<string | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  selfLink?: Input<string | undefined>;
  /** Refused: set by the API server of a cluster, never by the user. */
  uid?: Input<string | undefined>;
}

/** What a pod runs. */
export interface PodSpec {
  /** Seconds from the first start after which the pod is ended and has failed (DeadlineExceeded). Default: none. Set or shortened in place; a longer one, or none any more, replaces the containers' process. */
  activeDeadlineSeconds?: Input<number | undefined>;
  /** Refused: nothing schedules here: `on` names the node. Accepted: `{}`. */
  affinity?: Input<Affinity | undefined>;
  /** `true`: token, ca.crt and namespace are at /var/run/secrets/kubernetes.io/serviceaccount in every container that mounts nothing there, as from the projected volume that Kubernetes adds. Default `false`, unlike in Kubernetes: there is no API server to use them at. Needs openssl on the node. */
  automountServiceAccountToken?: Input<boolean | undefined>;
  /** The containers, started in this order; at least one. */
  containers: Input<Input<Container>[]>;
  /** Added to what dnsPolicy puts into /etc/resolv.conf. */
  dnsConfig?: Input<PodDNSConfig | undefined>;
  /** Where names are asked for. `ClusterFirst` (default): at the node's cluster DNS, with the searches of the namespace and `ndots:5`; on a node without one as with `Default`, and a warning where the policy is given. With hostNetwork it means `Default`, and `ClusterFirstWithHostNet` the cluster's. `Default`: as the node asks, with systemd-resolved at the real servers. `None`: as dnsConfig says. */
  dnsPolicy?: Input<string | undefined>;
  /** Whether variables are made for the Services of the namespace. There are no Services yet, so there are none either way. */
  enableServiceLinks?: Input<boolean | undefined>;
  /** Refused: nobody can attach to a running pod; enter its namespaces with nsenter. */
  ephemeralContainers?: Input<Input<EphemeralContainer>[] | undefined>;
  /** Refused: nothing evicts pods. */
  evictionResponders?: Input<Input<EvictionResponder>[] | undefined>;
  /** Lines at the end of /etc/hosts, which is made as a kubelet makes it unless a container mounts its own there. */
  hostAliases?: Input<Input<HostAlias>[] | undefined>;
  /** `true`: the pod uses the node's shared memory, semaphores and message queues. Default `false`: its own. */
  hostIPC?: Input<boolean | undefined>;
  /** `true`: the pod uses the node's network and host name. Default `false`: its own namespace and address. */
  hostNetwork?: Input<boolean | undefined>;
  /** `true`: the containers see the node's processes. Not with shareProcessNamespace. Default `false`: each its own. */
  hostPID?: Input<boolean | undefined>;
  /** Refused: user namespaces are not made. Accepted: `true`. */
  hostUsers?: Input<boolean | undefined>;
  /** DNS label; what `hostname` prints in the pod. Default: the pod's name, cut to 63 characters. Not with hostNetwork. */
  hostname?: Input<string | undefined>;
  /** DNS subdomain of at most 64 characters; counts instead of hostname and subdomain. Not with hostNetwork or setHostnameAsFQDN. */
  hostnameOverride?: Input<string | undefined>;
  /** Secrets of type `kubernetes.io/dockerconfigjson` with which registries are logged in to, before the logins of who runs Pulumi: declared before the pod, in its namespace and on its node. */
  imagePullSecrets?: Input<Input<LocalObjectReference>[] | undefined>;
  /** Run one after the other before the containers, each to its end; with restartPolicy `Always` kept running beside them. */
  initContainers?: Input<Input<Container>[] | undefined>;
  /** Refused: nothing schedules here: `on` names the node. Accepted: `""`. */
  nodeName?: Input<string | undefined>;
  /** `kubernetes.io/os: linux`, which holds of every node. Others are refused: `on` names the node. */
  nodeSelector?: Input<StringMap | undefined>;
  /** Says that the pod is for Linux. */
  os?: Input<PodOS | undefined>;
  /** Refused: there are no runtime classes. */
  overhead?: Input<StringMap | undefined>;
  /** Refused: nothing preempts pods. Accepted: `"PreemptLowerPriority"`, `"Never"`. */
  preemptionPolicy?: Input<string | undefined>;
  /** Refused: nothing preempts pods. Accepted: `0`. */
  priority?: Input<number | undefined>;
  /** Refused: nothing preempts pods. Accepted: `""`. */
  priorityClassName?: Input<string | undefined>;
  /** Refused: readiness is that of the containers. */
  readinessGates?: Input<Input<PodReadinessGate>[] | undefined>;
  /** Refused: there is no dynamic resource allocation. */
  resourceClaims?: Input<Input<PodResourceClaim>[] | undefined>;
  /** What the whole pod may use, and asks for: it sets the pod's cgroup, and alone decides the QoS class. */
  resources?: Input<ResourceRequirements | undefined>;
  /** When a container that ended is started again. Default `Always`. */
  restartPolicy?: Input<string | undefined>;
  /** Refused: there is no container runtime. */
  runtimeClassName?: Input<string | undefined>;
  /** Refused: nothing schedules here: `on` names the node. Accepted: `"default-scheduler"`. */
  schedulerName?: Input<string | undefined>;
  /** Refused: nothing schedules here: `on` names the node. */
  schedulingGates?: Input<Input<PodSchedulingGate>[] | undefined>;
  /** Refused: nothing schedules here: `on` names the node. */
  schedulingGroup?: Input<PodSchedulingGroup | undefined>;
  /** Who the processes of all containers are, and what they may do. */
  securityContext?: Input<PodSecurityContext | undefined>;
  /** Means serviceAccountName, where that is not given. */
  serviceAccount?: Input<string | undefined>;
  /** DNS subdomain; whose tokens the node signs for the pod. Nothing has to be declared, and nothing is granted. Default `default`. */
  serviceAccountName?: Input<string | undefined>;
  /** `true`, with a subdomain: `hostname` prints the whole name, which must have at most 64 characters. Default `false`. Not with hostNetwork. */
  setHostnameAsFQDN?: Input<boolean | undefined>;
  /** `true`: the containers see each other's processes. Default `false`. */
  shareProcessNamespace?: Input<boolean | undefined>;
  /** DNS label. /etc/hosts then has the name HOSTNAME.SUBDOMAIN.NAMESPACE.svc.DOMAIN, too; DOMAIN is the Node's clusterDomain. Not with hostNetwork. */
  subdomain?: Input<string | undefined>;
  /** Seconds between TERM and KILL when the pod ends, 0 to 86400. Default 30. */
  terminationGracePeriodSeconds?: Input<number | undefined>;
  /** What the pod puts up with; it asks for nothing, and nodes have no taints here. */
  tolerations?: Input<Input<Toleration>[] | undefined>;
  /** Refused: nothing schedules here: `on` names the node. */
  topologySpreadConstraints?: Input<Input<TopologySpreadConstraint>[] | undefined>;
  /** What containers may mount: each has a name and one source. Without a source: emptyDir. */
  volumes?: Input<Input<Volume>[] | undefined>;
  /** Refused: nothing schedules here: `on` names the node. */
  workloadRef?: Input<WorkloadReference | undefined>;
}

/** Refused as a whole. */
export interface ManagedFieldsEntry {
  apiVersion?: Input<string | undefined>;
  fieldsType?: Input<string | undefined>;
  fieldsV1?: unknown;
  manager?: Input<string | undefined>;
  operation?: Input<string | undefined>;
  subresource?: Input<string | undefined>;
  time?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface OwnerReference {
  apiVersion: Input<string>;
  blockOwnerDeletion?: Input<boolean | undefined>;
  controller?: Input<boolean | undefined>;
  kind: Input<string>;
  name: Input<string>;
  uid: Input<string>;
}

/** What is added to /etc/resolv.conf. */
export interface PodDNSConfig {
  /** IP addresses, at most 3, after those of the policy. Of all of them the first three count. */
  nameservers?: Input<Input<string>[] | undefined>;
  /** Options of resolv.conf(5), in place of those of the same name. */
  options?: Input<Input<PodDNSConfigOption>[] | undefined>;
  /** Domains, at most 32 and 2048 characters in all, after those of the policy; what goes beyond these limits then is left out. */
  searches?: Input<Input<string>[] | undefined>;
}

/** Refused as a whole: nobody can attach to a running pod. */
export interface EphemeralContainer extends Container {
  targetContainerName?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface EvictionResponder {
  name: Input<string>;
  priority: Input<number>;
}

/** A line of /etc/hosts. */
export interface HostAlias {
  /** DNS subdomains. */
  hostnames?: Input<Input<string>[] | undefined>;
  /** An IPv4 or IPv6 address. */
  ip: Input<string>;
}

/** A Secret, in imagePullSecrets; elsewhere refused. */
export interface LocalObjectReference {
  /** The Secret's `metadata.name`. Required. */
  name?: Input<string | undefined>;
}

/** The operating system that a pod is for. */
export interface PodOS {
  /** `linux`. */
  name: Input<string>;
}

/** Refused as a whole. */
export interface PodReadinessGate {
  conditionType: Input<string>;
}

/** Refused as a whole. */
export interface PodResourceClaim {
  name: Input<string>;
  resourceClaimName?: Input<string | undefined>;
  resourceClaimTemplateName?: Input<string | undefined>;
  source?: Input<ClaimSource | undefined>;
}

/** Who the processes of a pod are and what they may do. */
export interface PodSecurityContext {
  /** Which AppArmor profile confines the container and what runs in it later. Default: none is put on it, where containerd would take its own. */
  appArmorProfile?: Input<AppArmorProfile | undefined>;
  /** A group of all containers, 0 to 2147483647. An emptyDir belongs to it, and what is made in it; so do volumes of configMap, secret, downwardAPI and projected, all of whose files it may read. A hostPath is left alone. */
  fsGroup?: Input<number | undefined>;
  /** `OnRootMismatch` or `Always`: alike here, and in Kubernetes, for volumes that are made with the pod. */
  fsGroupChangePolicy?: Input<string | undefined>;
  /** For containers that do not say it themselves. */
  runAsGroup?: Input<number | undefined>;
  /** For containers that do not say it themselves. */
  runAsNonRoot?: Input<boolean | undefined>;
  /** For containers that do not say it themselves. */
  runAsUser?: Input<number | undefined>;
  /** Refused: SELinux labels are not set. Accepted: `"MountOption"`, `"Recursive"`. */
  seLinuxChangePolicy?: Input<string | undefined>;
  /** Refused: SELinux labels are not set. */
  seLinuxOptions?: Input<SELinuxOptions | undefined>;
  /** Which system calls may be made. Default `Unconfined`, as a kubelet without seccompDefault. */
  seccompProfile?: Input<SeccompProfile | undefined>;
  /** Further groups of all containers, 0 to 2147483647 each. */
  supplementalGroups?: Input<Input<number>[] | undefined>;
  /** `Merge` (default): the groups that the image's /etc/group has for the user count too. `Strict`: only those given. */
  supplementalGroupsPolicy?: Input<string | undefined>;
  /** Kernel settings of the pod's own namespaces: net.* (not with hostNetwork), kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* (not with hostIPC). Others would change the node, and are refused. */
  sysctls?: Input<Input<Sysctl>[] | undefined>;
  /** Refused: the nodes are Linux machines. */
  windowsOptions?: Input<WindowsSecurityContextOptions | undefined>;
}

/** An option of resolv.conf(5). */
export interface PodDNSConfigOption {
  /** Printable ASCII without blanks. */
  name?: Input<string | undefined>;
  /** Default: none, as for `rotate`. */
  value?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface ClaimSource {
  resourceClaimName?: Input<string | undefined>;
  resourceClaimTemplateName?: Input<string | undefined>;
}

/** A kernel setting. */
export interface Sysctl {
  /** With dots or slashes; unique. No single interface's: they come later. */
  name: Input<string>;
  /** As it is written to the file below /proc/sys. Changes in place. */
  value: Input<string>;
}
