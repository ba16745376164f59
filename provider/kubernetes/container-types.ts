/** The container part of the Pod types; see `types.ts`. */
import type { Input } from "@pulumi/pulumi";
import type { Lifecycle, Probe } from "./action-types";

/** Keys with text values. */
export interface StringMap {
  [key: string]: Input<string>;
}

/** One container of a pod. */
export interface Container {
  /** Arguments of the command; `$(NAME)` is replaced by that variable of env. */
  args?: Input<Input<string>[] | undefined>;
  /** What runs in place of the image's entry point, looked up in PATH inside the container; `$(NAME)` as in args. */
  command?: Input<Input<string>[] | undefined>;
  /** Environment variables, in order; a value may use `$(NAME)` of an earlier one; `$$` is a plain `$`. */
  env?: Input<Input<EnvVar>[] | undefined>;
  /** Variables from all keys of a ConfigMap or a Secret; of equal names the later one counts, and env before all. */
  envFrom?: Input<Input<EnvFromSource>[] | undefined>;
  /** An image of a registry (`nginx:1.27`, digests too); `oci:PATH:TAG`, an image layout on the node; `archive:PATH`, on the node: what `docker save` writes, an OCI archive, a tar of a root file system; or `host:bash,ls`, programs of the node with their libraries. The node downloads the layers, or gets them through the SSH connection. The image's entry point, arguments, variables, user, working directory and stop signal are honoured. */
  image?: Input<string | undefined>;
  /** `Always`: every preview asks the registry what the tag stands for, and one that moved replaces the container; when the registry gives no answer, a warning says so and nothing changes. `IfNotPresent`: asked for unless something on the node is made of that image. `Never`: the image has to be on the node. Default `Always` for the tag `latest` or none, else `IfNotPresent`. For an image that lies on the node it has no effect. One of `"Always"`, `"IfNotPresent"`, `"Never"`. */
  imagePullPolicy?: Input<string | undefined>;
  /** What is done when the container has started, and before it ends. Init containers: sidecars only. */
  lifecycle?: Input<Lifecycle | undefined>;
  /** When it fails, the container is ended, and started again unless spec.restartPolicy is `Never`. */
  livenessProbe?: Input<Probe | undefined>;
  /** DNS label, unique in the pod. Names the log folder. */
  name: Input<string>;
  /** What the container listens on. Documents only, as in Kubernetes, but for hostPort: every port is reachable at the pod's address. */
  ports?: Input<Input<ContainerPort>[] | undefined>;
  /** Whether the container is ready: what `up` waits for. Default: it is when it runs. */
  readinessProbe?: Input<Probe | undefined>;
  /** What a change of resources does to the running container: nothing but change its cgroup. */
  resizePolicy?: Input<Input<ContainerResizePolicy>[] | undefined>;
  /** What the container's cgroup may use. Changes in place; what makes another QoS class of the pod, or shows in a container's environment, replaces the containers' process. */
  resources?: Input<ResourceRequirements | undefined>;
  /** For init containers only: `Always` makes it a sidecar, which runs beside the others, is always started again, and ends after them. */
  restartPolicy?: Input<string | undefined>;
  /** Refused: not implemented; restartPolicy of the pod decides. */
  restartPolicyRules?: Input<Input<ContainerRestartRule>[] | undefined>;
  /** Who the process is and what it may do. */
  securityContext?: Input<SecurityContext | undefined>;
  /** Until it succeeds the other probes wait; when it fails, the container is ended as by livenessProbe. */
  startupProbe?: Input<Probe | undefined>;
  /** Refused: standard input is /dev/null. Accepted: `false`. */
  stdin?: Input<boolean | undefined>;
  /** Refused: standard input is /dev/null. Accepted: `false`. */
  stdinOnce?: Input<boolean | undefined>;
  /** A file in the container for its last words, new for each start; 4096 bytes of it are shown. Default `/dev/termination-log`. */
  terminationMessagePath?: Input<string | undefined>;
  /** `FallbackToLogsOnError` shows the end of the log (80 lines, 2048 bytes) of what has failed without last words. Default `File`. */
  terminationMessagePolicy?: Input<string | undefined>;
  /** Refused: containers have no terminal. Accepted: `false`. */
  tty?: Input<boolean | undefined>;
  /** Refused: block devices are not handed to containers. */
  volumeDevices?: Input<Input<VolumeDevice>[] | undefined>;
  /** Which volumes the container sees, and where. */
  volumeMounts?: Input<Input<VolumeMount>[] | undefined>;
  /** Where the process starts, absolute. Default: the image's, else `/`. */
  workingDir?: Input<string | undefined>;
}

/** What a container may use, and what it asks for. */
export interface ResourceRequirements {
  /** Refused: there is no dynamic resource allocation. */
  claims?: Input<Input<ResourceClaim>[] | undefined>;
  /** `cpu` (as `500m` or `2`; the quota of each 100 ms, less than `10m` counts as that) and `memory` (as `200Mi`; beyond it the container is killed, on cgroup v2 with all of its processes; not lowered below what is in use). Default: the pod's. Others, ephemeral-storage and hugepages among them, are refused; 0 is no limit. For a whole pod: `cpu` and `memory` of all containers together, and of each that has no limit of its own; no container's may be higher. Default: their sum, if each has one. */
  limits?: Input<StringMap | undefined>;
  /** `cpu` (the weight against other containers: on cgroup v2 as runc computes it since 1.3.2, and of the whole pod as a kubelet does), `memory` (how late it is ended when the node's memory runs out, by its QoS class) and `ephemeral-storage` (nothing schedules by it). Default: the limits. For a whole pod: `cpu` and `memory`, at least what the containers ask for together. Default: that, else the pod's limits. */
  requests?: Input<StringMap | undefined>;
}

/** One environment variable. */
export interface EnvVar {
  /** Printable ASCII without `=`. */
  name: Input<string>;
  /** Default: empty. May be an Output, or a secret. */
  value?: Input<string | undefined>;
  /** Where the value is looked up, in place of `value`. */
  valueFrom?: Input<EnvVarSource | undefined>;
}

/** Variables from all keys of a ConfigMap or a Secret. */
export interface EnvFromSource {
  /** A ConfigMap. */
  configMapRef?: Input<ConfigMapEnvSource | undefined>;
  /** What stands before each key in the variable's name. */
  prefix?: Input<string | undefined>;
  /** A Secret. */
  secretRef?: Input<SecretEnvSource | undefined>;
}

/** A port that a container listens on. */
export interface ContainerPort {
  /** 1 to 65535. */
  containerPort: Input<number>;
  /** Which of the node's IPv4 addresses hostPort is for. Default: all, `127.0.0.1` too. */
  hostIP?: Input<string | undefined>;
  /** A port of the node that leads to containerPort, for other machines, for the node itself and for the pod; 1 to 65535. One pod of a node has it; a port on which something of the node's listens is refused. With hostNetwork: equal to containerPort. */
  hostPort?: Input<number | undefined>;
  /** At most 15 of a-z, 0-9 and `-`, with a letter; unique in the container. */
  name?: Input<string | undefined>;
  /** Default `TCP`. */
  protocol?: Input<string | undefined>;
}

/** What a change of one resource does. */
export interface ContainerResizePolicy {
  /** Unique. */
  resourceName: Input<string>;
  /** `NotRequired`; `RestartContainer` is refused. */
  restartPolicy: Input<string>;
}

/** Refused as a whole. */
export interface ContainerRestartRule {
  action: Input<string>;
  exitCodes?: Input<ContainerRestartRuleOnExitCodes | undefined>;
}

/** Who a process is and what it may do. */
export interface SecurityContext {
  /** `false` sets no_new_privs: set-uid programs and file capabilities gain nothing. Default `true`; always `true` when privileged. */
  allowPrivilegeEscalation?: Input<boolean | undefined>;
  /** Which AppArmor profile confines the container and what runs in it later. Default: none is put on it, where containerd would take its own. */
  appArmorProfile?: Input<AppArmorProfile | undefined>;
  /** The capabilities beyond and below the default set: containerd's 14 without MKNOD. */
  capabilities?: Input<Capabilities | undefined>;
  /** `true` gives all capabilities, all devices that the node has at its start and nothing masked. Default `false`. */
  privileged?: Input<boolean | undefined>;
  /** Refused: Kubernetes takes `Unmasked` only with hostUsers: false, and user namespaces are not made here. Accepted: `"Default"`. */
  procMount?: Input<string | undefined>;
  /** `true` mounts the root file system read-only. Default `false`. */
  readOnlyRootFilesystem?: Input<boolean | undefined>;
  /** The group id of the process, 0 to 2147483647. Default: the image's, else 0. */
  runAsGroup?: Input<number | undefined>;
  /** `true`: what would run as user 0 is not started. Default `false`. */
  runAsNonRoot?: Input<boolean | undefined>;
  /** The user id of the process, 0 to 2147483647. Default: the image's, else 0. */
  runAsUser?: Input<number | undefined>;
  /** Refused: SELinux labels are not set. */
  seLinuxOptions?: Input<SELinuxOptions | undefined>;
  /** Which system calls may be made. Default `Unconfined`, as a kubelet without seccompDefault. */
  seccompProfile?: Input<SeccompProfile | undefined>;
  /** Refused: the nodes are Linux machines. */
  windowsOptions?: Input<WindowsSecurityContextOptions | undefined>;
}

/** Refused as a whole. */
export interface VolumeDevice {
  devicePath: Input<string>;
  name: Input<string>;
}

/** Where a container sees a volume. */
export interface VolumeMount {
  /** Refused: not implemented. */
  bindMountOptions?: Input<Input<string>[] | undefined>;
  /** Path inside the container, without `:`; made when missing; unique in the container. */
  mountPath: Input<string>;
  /** `None` (default); `HostToContainer`: mounts that the node makes later are seen; `Bidirectional`: the container's are seen by the node, too, for privileged ones only. */
  mountPropagation?: Input<string | undefined>;
  /** The name of a volume of the pod. */
  name: Input<string>;
  /** Default `false`; volumes of configMap, secret, projected and downwardAPI are always read-only. */
  readOnly?: Input<boolean | undefined>;
  /** With readOnly: whether mounts below are read-only too. `Disabled` (default), `IfPossible`, `Enabled` (fails before Linux 5.12). */
  recursiveReadOnly?: Input<string | undefined>;
  /** A path below the volume in place of its root, made as a directory when missing, never through a link out of the volume. Is not renewed when a ConfigMap or a Secret changes. */
  subPath?: Input<string | undefined>;
  /** The same with `$(NAME)` of env, as far as the values are known before the node is asked: not from ConfigMaps and Secrets, no addresses, no uid. */
  subPathExpr?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface ResourceClaim {
  name: Input<string>;
  request?: Input<string | undefined>;
}

/** An AppArmor profile. */
export interface AppArmorProfile {
  /** With `Localhost`: the name of a profile that is loaded on the node. */
  localhostProfile?: Input<string | undefined>;
  /** `RuntimeDefault`: containerd's rules, loaded by the node's apparmor_parser; none for a privileged container. `Localhost`: a profile of the node. Both are an error at `up` where the node has no AppArmor. `Unconfined`: none. */
  type: Input<string>;
}

/** Refused as a whole. */
export interface SELinuxOptions {
  level?: Input<string | undefined>;
  role?: Input<string | undefined>;
  type?: Input<string | undefined>;
  user?: Input<string | undefined>;
}

/** A list of system calls. */
export interface SeccompProfile {
  /** With `Localhost`: a file of the node below /var/lib/barepod/seccomp, a profile as of Docker and OCI, read when the containers are made. */
  localhostProfile?: Input<string | undefined>;
  /** `RuntimeDefault`: Docker's and containerd's list, by the container's capabilities. `Localhost`: a profile of the node. `Unconfined`: all. Privileged containers have none. */
  type: Input<string>;
}

/** Refused as a whole. */
export interface WindowsSecurityContextOptions {
  gmsaCredentialSpec?: Input<string | undefined>;
  gmsaCredentialSpecName?: Input<string | undefined>;
  hostProcess?: Input<boolean | undefined>;
  runAsUserName?: Input<string | undefined>;
}

/** Where a value is looked up. */
export interface EnvVarSource {
  /** A key of a ConfigMap, read at each start of the container. */
  configMapKeyRef?: Input<ConfigMapKeySelector | undefined>;
  /** A field of the pod. */
  fieldRef?: Input<ObjectFieldSelector | undefined>;
  /** Refused: files in volumes are not read for variables. */
  fileKeyRef?: Input<FileKeySelector | undefined>;
  /** What a container may use or asks for, rounded up; without a limit what the node has. */
  resourceFieldRef?: Input<ResourceFieldSelector | undefined>;
  /** A key of a Secret, read at each start of the container. */
  secretKeyRef?: Input<SecretKeySelector | undefined>;
}

/** A ConfigMap whose keys become variables. */
export interface ConfigMapEnvSource {
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  name?: Input<string | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
}

/** A Secret whose keys become variables. */
export interface SecretEnvSource {
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  name?: Input<string | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
}

/** Refused as a whole. */
export interface ContainerRestartRuleOnExitCodes {
  operator: Input<string>;
  values?: Input<Input<number>[] | undefined>;
}

/** Capabilities beyond and below the default set. */
export interface Capabilities {
  /** Names without `CAP_`, or `ALL`. */
  add?: Input<Input<string>[] | undefined>;
  /** Names without `CAP_`, or `ALL`; dropping `ALL` comes before what `add` names. */
  drop?: Input<Input<string>[] | undefined>;
}

/** A key of a ConfigMap. */
export interface ConfigMapKeySelector {
  /** The key. */
  key: Input<string>;
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  name?: Input<string | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
}

/** A field of the pod. */
export interface ObjectFieldSelector {
  /** As in Kubernetes. */
  apiVersion?: Input<string | undefined>;
  /** `metadata.name`, `.namespace`, `.uid`, `metadata.labels['KEY']`, `metadata.annotations['KEY']`, `spec.nodeName` (the Node's name), `spec.serviceAccountName` (`default`), `status.podIP(s)`, `status.hostIP(s)`. Or: `metadata.name`, `.namespace`, `.uid`, `.labels`, `.annotations`, `metadata.labels['KEY']` or `metadata.annotations['KEY']`. */
  fieldPath: Input<string>;
}

/** Refused as a whole. */
export interface FileKeySelector {
  key: Input<string>;
  optional?: Input<boolean | undefined>;
  path: Input<string>;
  volumeName: Input<string>;
}

/** A limit or request of a container. */
export interface ResourceFieldSelector {
  /** The container. Default: this one. Or: The container. Required here. */
  containerName?: Input<string | undefined>;
  /** The unit: `1` or `1m` for cpu; `1`, `1k` … `1E`, `1Ki` … `1Ei` for memory. Default `1`. */
  divisor?: Input<string | undefined>;
  /** `limits.cpu`, `limits.memory`, `requests.cpu` or `requests.memory`. */
  resource: Input<string>;
}

/** A key of a Secret. */
export interface SecretKeySelector {
  /** The key. */
  key: Input<string>;
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  name?: Input<string | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
}
