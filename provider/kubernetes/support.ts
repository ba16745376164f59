/**
 * Which fields of a Pod this release acts on: one table, down to the leaves of `metadata` and `spec`.
 *
 * The checks of `normalize.ts` walk it, `docs/pod-spec.md` is rendered from it, and a test compares it with the types of
 * `@pulumi/kubernetes`. A field that is not supported is an error that names its path; none is silently ignored.
 */

import {
  boolean,
  type Field,
  type Fields,
  integer,
  LIST,
  map,
  OUTPUT,
  object,
  quantities,
  REQUIRED,
  refused,
  refusedAll,
  refusedList,
  refusedMap,
  string,
} from "./field";
import { HOOK, PROBE } from "./support-actions";
import { POD_SECURITY_CONTEXT, SECURITY_CONTEXT } from "./support-security";
import { ENV_FROM, ENV_VALUE_FROM, VOLUME, VOLUME_MOUNTS } from "./support-volumes";

const SELECTOR = "matchExpressions[]{key operator values[]} matchLabels{}";
const NODE_TERM = "matchExpressions[]{key operator values[]} matchFields[]{key operator values[]}";
const POD_TERM = `labelSelector{${SELECTOR}} matchLabelKeys[] mismatchLabelKeys[] namespaceSelector{${SELECTOR}} namespaces[] topologyKey`;
const POD_AFFINITY = `preferredDuringSchedulingIgnoredDuringExecution[]{podAffinityTerm{${POD_TERM}} weight} requiredDuringSchedulingIgnoredDuringExecution[]{${POD_TERM}}`;
const SCHEDULER = "nothing schedules here: `on` names the node";
const SERVER_SET = "set by the API server of a cluster, never by the user";

const CONTAINER: Fields = {
  args: string("Arguments of the command; `$(NAME)` is replaced by that variable of env.", {
    list: true,
    output: true,
  }),
  command: string(
    "What runs in place of the image's entry point, looked up in PATH inside the container; `$(NAME)` as in args.",
    {
      list: true,
      output: true,
    },
  ),
  env: object(
    "Environment variables, in order; a value may use `$(NAME)` of an earlier one; `$$` is a plain `$`.",
    {
      name: string("Printable ASCII without `=`.", REQUIRED),
      value: string("Default: empty. May be an Output, or a secret.", OUTPUT),
      valueFrom: ENV_VALUE_FROM,
    },
    LIST,
  ),
  envFrom: ENV_FROM,
  image: string(
    "An image of a registry (`nginx:1.27`, digests too); `oci:PATH:TAG`, an image layout on the node; `archive:PATH`, on the node: what `docker save` writes, an OCI archive, a tar of a root file system; or `host:bash,ls`, programs of the node with their libraries. The node downloads the layers, or gets them through the SSH connection. The image's entry point, arguments, variables, user, working directory and stop signal are honoured.",
    REQUIRED,
  ),
  imagePullPolicy: string(
    "`Always`: every preview asks the registry what the tag stands for, and one that moved replaces the container; when the registry gives no answer, a warning says so and nothing changes. `IfNotPresent`: asked for unless something on the node is made of that image. `Never`: the image has to be on the node. Default `Always` for the tag `latest` or none, else `IfNotPresent`. For an image that lies on the node it has no effect.",
    { values: ["Always", "IfNotPresent", "Never"] },
  ),
  lifecycle: object(
    "What is done when the container has started, and before it ends. Init containers: sidecars only.",
    {
      postStart: object("Beside the container's program; a failure ends the container. Probes wait for it.", HOOK),
      preStop: object("Before TERM, within the grace period; after it at least two seconds are left.", HOOK),
      stopSignal: string(
        "What is sent in place of TERM, as `SIGUSR1` or `SIGRTMIN+3`. Needs spec.os.name. Default: the image's, else `SIGTERM`.",
      ),
    },
  ),
  livenessProbe: object(
    "When it fails, the container is ended, and started again unless spec.restartPolicy is `Never`.",
    PROBE,
  ),
  name: string("DNS label, unique in the pod. Names the log folder.", REQUIRED),
  ports: object(
    "What the container listens on. Documents only, as in Kubernetes, but for hostPort: every port is reachable at the pod's address.",
    {
      containerPort: integer("1 to 65535.", REQUIRED),
      hostIP: string("Which of the node's IPv4 addresses hostPort is for. Default: all, `127.0.0.1` too."),
      hostPort: integer(
        "A port of the node that leads to containerPort, for other machines, for the node itself and for the pod; 1 to 65535. One pod of a node has it; a port on which something of the node's listens is refused. With hostNetwork: equal to containerPort.",
      ),
      name: string("At most 15 of a-z, 0-9 and `-`, with a letter; unique in the container."),
      protocol: string("Default `TCP`.", { values: ["TCP", "UDP", "SCTP"] }),
    },
    LIST,
  ),
  readinessProbe: object("Whether the container is ready: what `up` waits for. Default: it is when it runs.", PROBE),
  resizePolicy: object(
    "What a change of resources does to the running container: nothing but change its cgroup.",
    {
      resourceName: string("Unique.", { required: true, values: ["cpu", "memory"] }),
      restartPolicy: string("`NotRequired`; `RestartContainer` is refused.", {
        required: true,
        values: ["NotRequired", "RestartContainer"],
      }),
    },
    LIST,
  ),
  resources: object(
    "What the container's cgroup may use. Changes in place; what makes another QoS class of the pod, or shows in a container's environment, replaces the containers' process.",
    {
      claims: refusedList("there is no dynamic resource allocation", "never", "name request"),
      limits: quantities(
        "`cpu` (as `500m` or `2`; the quota of each 100 ms, less than `10m` counts as that) and `memory` (as `200Mi`; beyond it the container is killed, on cgroup v2 with all of its processes; not lowered below what is in use). Default: the pod's. Others, ephemeral-storage and hugepages among them, are refused; 0 is no limit.",
      ),
      requests: quantities(
        "`cpu` (the weight against other containers: on cgroup v2 as runc computes it since 1.3.2, and of the whole pod as a kubelet does), `memory` (how late it is ended when the node's memory runs out, by its QoS class) and `ephemeral-storage` (nothing schedules by it). Default: the limits.",
      ),
    },
  ),
  restartPolicy: string(
    "For init containers only: `Always` makes it a sidecar, which runs beside the others, is always started again, and ends after them.",
    { values: ["Always"] },
  ),
  restartPolicyRules: refusedList(
    "not implemented; restartPolicy of the pod decides",
    "later",
    "action exitCodes{operator values[]}",
  ),
  securityContext: object("Who the process is and what it may do.", SECURITY_CONTEXT),
  startupProbe: object(
    "Until it succeeds the other probes wait; when it fails, the container is ended as by livenessProbe.",
    PROBE,
  ),
  stdin: refused("standard input is /dev/null", "later", { values: [false] }),
  stdinOnce: refused("standard input is /dev/null", "later", { values: [false] }),
  terminationMessagePath: string(
    "A file in the container for its last words, new for each start; 4096 bytes of it are shown. Default `/dev/termination-log`.",
  ),
  terminationMessagePolicy: string(
    "`FallbackToLogsOnError` shows the end of the log (80 lines, 2048 bytes) of what has failed without last words. Default `File`.",
    { values: ["File", "FallbackToLogsOnError"] },
  ),
  tty: refused("containers have no terminal", "later", { values: [false] }),
  volumeDevices: refusedList("block devices are not handed to containers", "later", "devicePath name"),
  volumeMounts: VOLUME_MOUNTS,
  workingDir: string("Where the process starts, absolute. Default: the image's, else `/`."),
};

const EPHEMERAL = refused("nobody can attach to a running pod; enter its namespaces with nsenter", "never");

const POD_SPEC: Fields = {
  activeDeadlineSeconds: integer(
    "Seconds from the first start after which the pod is ended and has failed (DeadlineExceeded). Default: none. Set or shortened in place; a longer one, or none any more, replaces the containers' process.",
  ),
  affinity: refused(SCHEDULER, "later", {
    below: `nodeAffinity{preferredDuringSchedulingIgnoredDuringExecution[]{preference{${NODE_TERM}} weight} requiredDuringSchedulingIgnoredDuringExecution{nodeSelectorTerms[]{${NODE_TERM}}}} podAffinity{${POD_AFFINITY}} podAntiAffinity{${POD_AFFINITY}}`,
    values: ["{}"],
  }),
  automountServiceAccountToken: refused("there is no API server to have an account at", "never", { values: [false] }),
  containers: object("The containers, started in this order; at least one.", CONTAINER, { list: true, required: true }),
  dnsConfig: object("Added to what dnsPolicy puts into /etc/resolv.conf.", {
    nameservers: string(
      "IP addresses, at most 3, after those of the policy. Of all of them the first three count.",
      LIST,
    ),
    options: object(
      "Options of resolv.conf(5), in place of those of the same name.",
      { name: string("Printable ASCII without blanks."), value: string("Default: none, as for `rotate`.") },
      LIST,
    ),
    searches: string(
      "Domains, at most 32 and 2048 characters in all, after those of the policy; what goes beyond these limits then is left out.",
      LIST,
    ),
  }),
  dnsPolicy: string(
    "Where names are asked for. `ClusterFirst` (default): at the node's cluster DNS, with the searches of the namespace and `ndots:5`; on a node without one as with `Default`, and a warning where the policy is given. With hostNetwork it means `Default`, and `ClusterFirstWithHostNet` the cluster's. `Default`: as the node asks, with systemd-resolved at the real servers. `None`: as dnsConfig says.",
    { values: ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"] },
  ),
  enableServiceLinks: boolean(
    "Whether variables are made for the Services of the namespace. There are no Services yet, so there are none either way.",
  ),
  ephemeralContainers: {
    ...EPHEMERAL,
    list: true,
    kind: "object",
    fields: refusedAll({ ...CONTAINER, targetContainerName: EPHEMERAL }, EPHEMERAL),
  },
  evictionResponders: refusedList("nothing evicts pods", "never", "name priority"),
  hostAliases: object(
    "Lines at the end of /etc/hosts, which is made as a kubelet makes it unless a container mounts its own there.",
    { hostnames: string("DNS subdomains.", LIST), ip: string("An IPv4 or IPv6 address.", REQUIRED) },
    LIST,
  ),
  hostIPC: boolean(
    "`true`: the pod uses the node's shared memory, semaphores and message queues. Default `false`: its own.",
  ),
  hostNetwork: boolean(
    "`true`: the pod uses the node's network and host name. Default `false`: its own namespace and address.",
  ),
  hostPID: boolean(
    "`true`: the containers see the node's processes. Not with shareProcessNamespace. Default `false`: each its own.",
  ),
  hostUsers: refused("user namespaces are not made", "later", { values: [true] }),
  hostname: string(
    "DNS label; what `hostname` prints in the pod. Default: the pod's name, cut to 63 characters. Not with hostNetwork.",
  ),
  hostnameOverride: string(
    "DNS subdomain of at most 64 characters; counts instead of hostname and subdomain. Not with hostNetwork or setHostnameAsFQDN.",
  ),
  imagePullSecrets: object(
    "Secrets of type `kubernetes.io/dockerconfigjson` with which registries are logged in to, before the logins of who runs Pulumi: declared before the pod, in its namespace and on its node.",
    { name: string("The Secret's `metadata.name`. Required.") },
    LIST,
  ),
  initContainers: object(
    "Run one after the other before the containers, each to its end; with restartPolicy `Always` kept running beside them.",
    CONTAINER,
    LIST,
  ),
  nodeName: refused(SCHEDULER, "never", { values: [""] }),
  nodeSelector: map("`kubernetes.io/os: linux`, which holds of every node. Others are refused: `on` names the node."),
  os: object("Says that the pod is for Linux.", {
    name: string("`linux`.", { required: true, values: ["linux"] }),
  }),
  overhead: refusedMap("there are no runtime classes", "never"),
  preemptionPolicy: refused("nothing preempts pods", "never", { values: ["PreemptLowerPriority", "Never"] }),
  priority: refused("nothing preempts pods", "never", { values: [0] }),
  priorityClassName: refused("nothing preempts pods", "never", { values: [""] }),
  readinessGates: refusedList("readiness is that of the containers", "later", "conditionType"),
  resourceClaims: refusedList(
    "there is no dynamic resource allocation",
    "never",
    "name resourceClaimName resourceClaimTemplateName source{resourceClaimName resourceClaimTemplateName}",
  ),
  resources: object(
    "What the whole pod may use, and asks for: it sets the pod's cgroup, and alone decides the QoS class.",
    {
      claims: refusedList("there is no dynamic resource allocation", "never", "name request"),
      limits: quantities(
        "`cpu` and `memory` of all containers together, and of each that has no limit of its own; no container's may be higher. Default: their sum, if each has one.",
      ),
      requests: quantities(
        "`cpu` and `memory`, at least what the containers ask for together. Default: that, else the pod's limits.",
      ),
    },
  ),
  restartPolicy: string("When a container that ended is started again. Default `Always`.", {
    values: ["Always", "OnFailure", "Never"],
  }),
  runtimeClassName: refused("there is no container runtime", "never"),
  schedulerName: refused(SCHEDULER, "never", { values: ["default-scheduler"] }),
  schedulingGates: refusedList(SCHEDULER, "never", "name"),
  schedulingGroup: refused(SCHEDULER, "never", { below: "podGroupName" }),
  securityContext: object("Who the processes of all containers are, and what they may do.", POD_SECURITY_CONTEXT),
  serviceAccount: refused("there is no API server to have an account at", "never"),
  serviceAccountName: refused("there is no API server to have an account at", "never"),
  setHostnameAsFQDN: boolean(
    "`true`, with a subdomain: `hostname` prints the whole name, which must have at most 64 characters. Default `false`. Not with hostNetwork.",
  ),
  shareProcessNamespace: boolean("`true`: the containers see each other's processes. Default `false`."),
  subdomain: string(
    "DNS label. /etc/hosts then has the name HOSTNAME.SUBDOMAIN.NAMESPACE.svc.DOMAIN, too; DOMAIN is the Node's clusterDomain. Not with hostNetwork.",
  ),
  terminationGracePeriodSeconds: integer("Seconds between TERM and KILL when the pod ends, 0 to 86400. Default 30."),
  tolerations: object(
    "What the pod puts up with; it asks for nothing, and nodes have no taints here.",
    {
      effect: string("Any.", { values: ["", "NoSchedule", "PreferNoSchedule", "NoExecute"] }),
      key: string("Any."),
      operator: string("Any.", { values: ["", "Exists", "Equal", "Lt", "Gt"] }),
      tolerationSeconds: integer("Any: no taint ever comes."),
      value: string("Any."),
    },
    LIST,
  ),
  topologySpreadConstraints: refusedList(
    SCHEDULER,
    "later",
    `labelSelector{${SELECTOR}} matchLabelKeys[] maxSkew minDomains nodeAffinityPolicy nodeTaintsPolicy topologyKey whenUnsatisfiable`,
  ),
  volumes: object(
    "What containers may mount: each has a name and one source. Without a source: emptyDir.",
    VOLUME,
    LIST,
  ),
  workloadRef: refused(SCHEDULER, "never", { below: "name podGroup podGroupReplicaKey" }),
};

export const METADATA: Fields = {
  annotations: map(
    "Notes; a value may be an Output. `pulumi.com/skipAwait` and `pulumi.com/timeoutSeconds` mean what they mean in @pulumi/kubernetes and must be plain; the latter is 1 to 86400. `container.apparmor.security.beta.kubernetes.io/<container>` counts as that container's appArmorProfile and must be plain.",
    OUTPUT,
  ),
  clusterName: refused(SERVER_SET, "never"),
  creationTimestamp: refused(SERVER_SET, "never"),
  deletionGracePeriodSeconds: refused(SERVER_SET, "never"),
  deletionTimestamp: refused(SERVER_SET, "never"),
  finalizers: refusedList(
    "no controller would remove them; Pulumi's options protect and dependsOn order deletion",
    "never",
  ),
  generateName: refused("names are never random here; give name, or leave it to the resource's name", "never"),
  generation: refused(SERVER_SET, "never"),
  labels: map("What Services and others select pods by."),
  managedFields: refusedList(SERVER_SET, "never", "apiVersion fieldsType fieldsV1 manager operation subresource time"),
  name: string(
    "DNS subdomain, at most 253 characters. Default: the name of the Pulumi resource. Changing it replaces the pod.",
  ),
  namespace: string("DNS label. Default `default`. Keeps names apart on the node. Changing it replaces the pod."),
  ownerReferences: refusedList(
    "there is no garbage collector; use Pulumi's parent",
    "never",
    "apiVersion blockOwnerDeletion controller kind name uid",
  ),
  resourceVersion: refused(SERVER_SET, "never"),
  selfLink: refused(SERVER_SET, "never"),
  uid: refused(SERVER_SET, "never"),
};

/** The whole table, from the top of a Pod. */
export const POD: Fields = {
  apiVersion: string("As in Kubernetes.", { values: ["v1"] }),
  kind: string("As in Kubernetes.", { values: ["Pod"] }),
  metadata: object("Name, labels and annotations.", METADATA),
  spec: object("What runs.", POD_SPEC, REQUIRED),
  status: refused("an output, never an input", "never", { values: ["{}"] }),
};

/** One row per field path, for example `spec.containers[].livenessProbe.grpc`, in the table's order. */
export function supportRows(fields: Fields = POD, prefix = ""): { path: string; field: Field }[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    return [{ path, field }, ...(field.fields ? supportRows(field.fields, field.list ? `${path}[]` : path) : [])];
  });
}
