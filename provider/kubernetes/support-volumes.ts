/** The rows of `support.ts` that concern volumes and what the environment is taken from. */
import {
  boolean,
  type Field,
  type Fields,
  integer,
  LIST,
  object,
  REQUIRED,
  refused,
  refusedList,
  string,
} from "./field";

const SELECTOR = "matchExpressions[]{key operator values[]} matchLabels{}";
const OBJECT_META =
  "annotations{} clusterName creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers[] generateName generation labels{} managedFields[]{apiVersion fieldsType fieldsV1 manager operation subresource time} name namespace ownerReferences[]{apiVersion blockOwnerDeletion controller kind name uid} resourceVersion selfLink uid";
const NO_CSI = "there is no CSI and no cloud controller on the node; mount it on the node and use hostPath";
const NO_USER = "files belong to root; their mode says who reads them";

const OPTIONAL = boolean("`true`: missing, there is nothing. Default `false`: the container waits for it.");
const OBJECT_NAME = "Its `metadata.name`, in the pod's namespace, on the same node. Required.";

const FIELD_REF = (fields: string): Field =>
  object("A field of the pod.", {
    apiVersion: string("As in Kubernetes.", { values: ["v1"] }),
    fieldPath: string(fields, REQUIRED),
  });
const RESOURCE_REF = (containerName: string): Field =>
  object("What a container may use or asks for, rounded up; without a limit what the node has.", {
    containerName: string(containerName),
    divisor: string("The unit: `1` or `1m` for cpu; `1`, `1k` … `1E`, `1Ki` … `1Ei` for memory. Default `1`."),
    resource: string("`limits.cpu`, `limits.memory`, `requests.cpu` or `requests.memory`.", REQUIRED),
  });

const ITEMS = object(
  "Which keys, and where. Default: all, under their names.",
  {
    key: string("The key.", REQUIRED),
    mode: integer("Permission bits of this file, 0 to 0777 (octal)."),
    path: string("Relative to the volume, without `..`.", REQUIRED),
    user: refused(NO_USER, "later"),
  },
  LIST,
);

const DOWNWARD_ITEMS = object(
  "The files.",
  {
    fieldRef: FIELD_REF(
      "`metadata.name`, `.namespace`, `.uid`, `.labels`, `.annotations`, `metadata.labels['KEY']` or `metadata.annotations['KEY']`.",
    ),
    mode: integer("Permission bits of this file, 0 to 0777 (octal)."),
    path: string("Relative to the volume, without `..`.", REQUIRED),
    resourceFieldRef: RESOURCE_REF("The container. Required here."),
    user: refused(NO_USER, "later"),
  },
  LIST,
);

const PROJECTION: Fields = {
  clusterTrustBundle: refused("there is no cluster that signs certificates", "never", {
    below: `labelSelector{${SELECTOR}} name optional path signerName user`,
  }),
  configMap: object("Keys of a ConfigMap.", {
    items: ITEMS,
    name: string(OBJECT_NAME),
    optional: OPTIONAL,
  }),
  downwardAPI: object("Fields of the pod.", { items: DOWNWARD_ITEMS }),
  podCertificate: refused("there is no cluster that signs certificates", "never", {
    below:
      "certificateChainPath credentialBundlePath keyPath keyType maxExpirationSeconds signerName user userAnnotations{}",
  }),
  secret: object("Keys of a Secret.", {
    items: ITEMS,
    name: string(OBJECT_NAME),
    optional: OPTIONAL,
  }),
  serviceAccountToken: object(
    "A token for the pod's account, `default`, that the node signs with a key of its own and renews at 80 % of its life; needs openssl there. Where all containers have one runAsUser, or there is an fsGroup, only these may read it. `/var/lib/barepod/issuer/jwks.json` verifies it.",
    {
      audience: string("Who it is for. Default: the issuer itself."),
      expirationSeconds: integer("How long it is valid, at least 600. Default 3600."),
      path: string("Relative to the volume, without `..`.", REQUIRED),
      user: refused(NO_USER, "later"),
    },
  ),
};

/** What a variable of the environment may be taken from. */
export const ENV_VALUE_FROM = object("Where the value is looked up, in place of `value`.", {
  configMapKeyRef: object("A key of a ConfigMap, read at each start of the container.", {
    key: string("The key.", REQUIRED),
    name: string(OBJECT_NAME),
    optional: OPTIONAL,
  }),
  fieldRef: FIELD_REF(
    "`metadata.name`, `.namespace`, `.uid`, `metadata.labels['KEY']`, `metadata.annotations['KEY']`, `spec.nodeName` (the Node's name), `spec.serviceAccountName` (`default`), `status.podIP(s)`, `status.hostIP(s)`.",
  ),
  fileKeyRef: refused("files in volumes are not read for variables", "later", {
    below: "key optional path volumeName",
  }),
  resourceFieldRef: RESOURCE_REF("The container. Default: this one."),
  secretKeyRef: object("A key of a Secret, read at each start of the container.", {
    key: string("The key.", REQUIRED),
    name: string(OBJECT_NAME),
    optional: OPTIONAL,
  }),
});

export const ENV_FROM = object(
  "Variables from all keys of a ConfigMap or a Secret; of equal names the later one counts, and env before all.",
  {
    configMapRef: object("A ConfigMap.", { name: string(OBJECT_NAME), optional: OPTIONAL }),
    prefix: string("What stands before each key in the variable's name."),
    secretRef: object("A Secret.", { name: string(OBJECT_NAME), optional: OPTIONAL }),
  },
  LIST,
);

export const VOLUME_MOUNTS = object(
  "Which volumes the container sees, and where.",
  {
    bindMountOptions: refusedList("not implemented", "later"),
    mountPath: string("Path inside the container, without `:`; made when missing; unique in the container.", REQUIRED),
    mountPropagation: string(
      "`None` (default); `HostToContainer`: mounts that the node makes later are seen; `Bidirectional`: the container's are seen by the node, too, for privileged ones only.",
      { values: ["None", "HostToContainer", "Bidirectional"] },
    ),
    name: string("The name of a volume of the pod.", REQUIRED),
    readOnly: boolean("Default `false`; volumes of configMap, secret, projected and downwardAPI are always read-only."),
    recursiveReadOnly: string(
      "With readOnly: whether mounts below are read-only too. `Disabled` (default), `IfPossible`, `Enabled` (fails before Linux 5.12).",
      { values: ["Disabled", "IfPossible", "Enabled"] },
    ),
    subPath: string(
      "A path below the volume in place of its root, made as a directory when missing, never through a link out of the volume. Is not renewed when a ConfigMap or a Secret changes.",
    ),
    subPathExpr: string(
      "The same with `$(NAME)` of env, as far as the values are known before the node is asked: not from ConfigMaps and Secrets, no addresses, no uid.",
    ),
  },
  LIST,
);

export const VOLUME: Fields = {
  awsElasticBlockStore: refused(NO_CSI, "never", { below: "fsType partition readOnly volumeID" }),
  azureDisk: refused(NO_CSI, "never", { below: "cachingMode diskName diskURI fsType kind readOnly" }),
  azureFile: refused(NO_CSI, "never", { below: "readOnly secretName shareName" }),
  cephfs: refused(NO_CSI, "never", { below: "monitors[] path readOnly secretFile secretRef{name} user" }),
  cinder: refused(NO_CSI, "never", { below: "fsType readOnly secretRef{name} volumeID" }),
  configMap: object("The keys of a ConfigMap as files: renewed together when it changes, as a kubelet does.", {
    defaultMode: integer("Permission bits of the files, 0 to 0777 (octal). Default 0644."),
    defaultUser: refused(NO_USER, "later"),
    items: ITEMS,
    name: string(OBJECT_NAME),
    optional: OPTIONAL,
  }),
  csi: refused(NO_CSI, "never", { below: "driver fsType nodePublishSecretRef{name} readOnly volumeAttributes{}" }),
  downwardAPI: object("Fields of the pod as files.", {
    defaultMode: integer("Permission bits of the files, 0 to 0777 (octal). Default 0644."),
    defaultUser: refused(NO_USER, "later"),
    items: DOWNWARD_ITEMS,
  }),
  emptyDir: object("An empty directory that lives as long as the pod.", {
    medium: string(
      '`""` (default): the node\'s disk; empty again when a change has started the containers anew. `Memory`: a tmpfs, which then keeps what is in it.',
      { values: ["", "Memory"] },
    ),
    mode: refused("the directory's mode is 0777, as a kubelet makes it", "later"),
    sizeLimit: string(
      "The size of the tmpfs of medium `Memory`, for example `64Mi`. On the node's disk nothing limits a directory: refused there.",
    ),
  }),
  ephemeral: refused("persistent volumes do not exist yet", "later", {
    below: `readOnly volumeClaimTemplate{metadata{${OBJECT_META}} spec{accessModes[] dataSource{apiGroup kind name} dataSourceRef{apiGroup kind name namespace} resources{limits{} requests{}} selector{${SELECTOR}} storageClassName volumeAttributesClassName volumeMode volumeName}}`,
  }),
  fc: refused(NO_CSI, "never", { below: "fsType lun readOnly targetWWNs[] wwids[]" }),
  flexVolume: refused(NO_CSI, "never", { below: "driver fsType options{} readOnly secretRef{name}" }),
  flocker: refused(NO_CSI, "never", { below: "datasetName datasetUUID" }),
  gcePersistentDisk: refused(NO_CSI, "never", { below: "fsType partition pdName readOnly" }),
  gitRepo: refused("Kubernetes itself has given it up", "never", { below: "directory repository revision" }),
  glusterfs: refused(NO_CSI, "never", { below: "endpoints path readOnly" }),
  hostPath: object("A file or directory of the node.", {
    path: string("Absolute, without `..`. May be an Output.", { required: true, output: true }),
    type: string(
      'What must be there, looked at before each start: `Directory`, `File`, `Socket`, `CharDevice`, `BlockDevice`; `DirectoryOrCreate` and `FileOrCreate` make it (0755, 0644), and it stays. Default `""`: nothing is looked at.',
      {
        values: ["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"],
      },
    ),
  }),
  image: refused("images are not mounted as volumes", "later", { below: "pullPolicy reference" }),
  iscsi: refused(NO_CSI, "never", {
    below:
      "chapAuthDiscovery chapAuthSession fsType initiatorName iqn iscsiInterface lun portals[] readOnly secretRef{name} targetPortal",
  }),
  name: string("DNS label, unique in the pod.", REQUIRED),
  nfs: refused("not implemented; use a Mount resource and hostPath", "later", { below: "path readOnly server" }),
  persistentVolumeClaim: refused("persistent volumes do not exist yet; use hostPath", "later", {
    below: "claimName readOnly",
  }),
  photonPersistentDisk: refused(NO_CSI, "never", { below: "fsType pdID" }),
  portworxVolume: refused(NO_CSI, "never", { below: "fsType readOnly volumeID" }),
  projected: object("Files of several sources in one folder.", {
    defaultMode: integer("Permission bits of the files, 0 to 0777 (octal). Default 0644."),
    defaultUser: refused(NO_USER, "later"),
    sources: object("The sources; each has one.", PROJECTION, { list: true, required: true }),
  }),
  quobyte: refused(NO_CSI, "never", { below: "group readOnly registry tenant user volume" }),
  rbd: refused(NO_CSI, "never", { below: "fsType image keyring monitors[] pool readOnly secretRef{name} user" }),
  scaleIO: refused(NO_CSI, "never", {
    below:
      "fsType gateway protectionDomain readOnly secretRef{name} sslEnabled storageMode storagePool system volumeName",
  }),
  secret: object("The keys of a Secret as files, on a tmpfs: renewed together when it changes, as a kubelet does.", {
    defaultMode: integer("Permission bits of the files, 0 to 0777 (octal). Default 0644."),
    defaultUser: refused(NO_USER, "later"),
    items: ITEMS,
    optional: OPTIONAL,
    secretName: string(OBJECT_NAME),
  }),
  storageos: refused(NO_CSI, "never", { below: "fsType readOnly secretRef{name} volumeName volumeNamespace" }),
  vsphereVolume: refused(NO_CSI, "never", { below: "fsType storagePolicyID storagePolicyName volumePath" }),
};
