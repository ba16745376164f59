/** The volume part of the Pod types; see `types.ts`. */
import type { Input } from "@pulumi/pulumi";
import type { ObjectFieldSelector, ResourceFieldSelector, StringMap } from "./container-types";
import type { LabelSelector } from "./scheduling-types";
import type {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  AzureFileVolumeSource,
  CephFSVolumeSource,
  CinderVolumeSource,
  CSIVolumeSource,
  FCVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  GitRepoVolumeSource,
  GlusterfsVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  RBDVolumeSource,
  ScaleIOVolumeSource,
  StorageOSVolumeSource,
  VsphereVirtualDiskVolumeSource,
} from "./storage-types";
import type { ObjectMeta } from "./types";

/** A directory that containers may mount: a name and one source. */
export interface Volume {
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  awsElasticBlockStore?: Input<AWSElasticBlockStoreVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  azureDisk?: Input<AzureDiskVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  azureFile?: Input<AzureFileVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  cephfs?: Input<CephFSVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  cinder?: Input<CinderVolumeSource | undefined>;
  /** The keys of a ConfigMap as files: renewed together when it changes, as a kubelet does. */
  configMap?: Input<ConfigMapVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  csi?: Input<CSIVolumeSource | undefined>;
  /** Fields of the pod as files. */
  downwardAPI?: Input<DownwardAPIVolumeSource | undefined>;
  /** An empty directory that lives as long as the pod. */
  emptyDir?: Input<EmptyDirVolumeSource | undefined>;
  /** Refused: persistent volumes do not exist yet. */
  ephemeral?: Input<EphemeralVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  fc?: Input<FCVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  flexVolume?: Input<FlexVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  flocker?: Input<FlockerVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  gcePersistentDisk?: Input<GCEPersistentDiskVolumeSource | undefined>;
  /** Refused: Kubernetes itself has given it up. */
  gitRepo?: Input<GitRepoVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  glusterfs?: Input<GlusterfsVolumeSource | undefined>;
  /** A file or directory of the node. */
  hostPath?: Input<HostPathVolumeSource | undefined>;
  /** Refused: images are not mounted as volumes. */
  image?: Input<ImageVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  iscsi?: Input<ISCSIVolumeSource | undefined>;
  /** DNS label, unique in the pod. */
  name: Input<string>;
  /** Refused: not implemented; use a Mount resource and hostPath. */
  nfs?: Input<NFSVolumeSource | undefined>;
  /** Refused: persistent volumes do not exist yet; use hostPath. */
  persistentVolumeClaim?: Input<PersistentVolumeClaimVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  photonPersistentDisk?: Input<PhotonPersistentDiskVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  portworxVolume?: Input<PortworxVolumeSource | undefined>;
  /** Files of several sources in one folder. */
  projected?: Input<ProjectedVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  quobyte?: Input<QuobyteVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  rbd?: Input<RBDVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  scaleIO?: Input<ScaleIOVolumeSource | undefined>;
  /** The keys of a Secret as files, on a tmpfs: renewed together when it changes, as a kubelet does. */
  secret?: Input<SecretVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  storageos?: Input<StorageOSVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  vsphereVolume?: Input<VsphereVirtualDiskVolumeSource | undefined>;
}

/** The keys of a ConfigMap as files. */
export interface ConfigMapVolumeSource {
  /** Permission bits of the files, 0 to 0777 (octal). Default 0644. */
  defaultMode?: Input<number | undefined>;
  /** Refused: files belong to root; their mode says who reads them. */
  defaultUser?: Input<number | undefined>;
  /** Which keys, and where. Default: all, under their names. */
  items?: Input<Input<KeyToPath>[] | undefined>;
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  name?: Input<string | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
}

/** Fields of the pod as files. */
export interface DownwardAPIVolumeSource {
  /** Permission bits of the files, 0 to 0777 (octal). Default 0644. */
  defaultMode?: Input<number | undefined>;
  /** Refused: files belong to root; their mode says who reads them. */
  defaultUser?: Input<number | undefined>;
  /** The files. */
  items?: Input<Input<DownwardAPIVolumeFile>[] | undefined>;
}

/** An empty directory that lives as long as the pod. */
export interface EmptyDirVolumeSource {
  /** `""` (default): the node's disk; empty again when a change has started the containers anew. `Memory`: a tmpfs, which then keeps what is in it. One of `""`, `"Memory"`. */
  medium?: Input<string | undefined>;
  /** Refused: the directory's mode is 0777, as a kubelet makes it. */
  mode?: Input<number | undefined>;
  /** The size of the tmpfs of medium `Memory`, for example `64Mi`. On the node's disk nothing limits a directory: refused there. */
  sizeLimit?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface EphemeralVolumeSource {
  readOnly?: Input<boolean | undefined>;
  volumeClaimTemplate?: Input<PersistentVolumeClaimTemplate | undefined>;
}

/** A file or directory of the node. */
export interface HostPathVolumeSource {
  /** Absolute, without `..`. May be an Output. */
  path: Input<string>;
  /** What must be there, looked at before each start: `Directory`, `File`, `Socket`, `CharDevice`, `BlockDevice`; `DirectoryOrCreate` and `FileOrCreate` make it (0755, 0644), and it stays. Default `""`: nothing is looked at. */
  type?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface ImageVolumeSource {
  pullPolicy?: Input<string | undefined>;
  reference?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface PersistentVolumeClaimVolumeSource {
  claimName: Input<string>;
  readOnly?: Input<boolean | undefined>;
}

/** Files of several sources. */
export interface ProjectedVolumeSource {
  /** Permission bits of the files, 0 to 0777 (octal). Default 0644. */
  defaultMode?: Input<number | undefined>;
  /** Refused: files belong to root; their mode says who reads them. */
  defaultUser?: Input<number | undefined>;
  /** The sources; each has one. */
  sources: Input<Input<VolumeProjection>[]>;
}

/** The keys of a Secret as files. */
export interface SecretVolumeSource {
  /** Permission bits of the files, 0 to 0777 (octal). Default 0644. */
  defaultMode?: Input<number | undefined>;
  /** Refused: files belong to root; their mode says who reads them. */
  defaultUser?: Input<number | undefined>;
  /** Which keys, and where. Default: all, under their names. */
  items?: Input<Input<KeyToPath>[] | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  secretName?: Input<string | undefined>;
}

/** A key, and where its file is. */
export interface KeyToPath {
  /** The key. */
  key: Input<string>;
  /** Permission bits of this file, 0 to 0777 (octal). */
  mode?: Input<number | undefined>;
  /** Relative to the volume, without `..`. */
  path: Input<string>;
  /** Refused: files belong to root; their mode says who reads them. */
  user?: Input<number | undefined>;
}

/** A field, and where its file is. */
export interface DownwardAPIVolumeFile {
  /** A field of the pod. */
  fieldRef?: Input<ObjectFieldSelector | undefined>;
  /** Permission bits of this file, 0 to 0777 (octal). */
  mode?: Input<number | undefined>;
  /** Relative to the volume, without `..`. */
  path: Input<string>;
  /** What a container may use or asks for, rounded up; without a limit what the node has. */
  resourceFieldRef?: Input<ResourceFieldSelector | undefined>;
  /** Refused: files belong to root; their mode says who reads them. */
  user?: Input<number | undefined>;
}

/** Refused as a whole. */
export interface PersistentVolumeClaimTemplate {
  metadata?: Input<ObjectMeta | undefined>;
  spec: Input<PersistentVolumeClaimSpec>;
}

/** One source of files. */
export interface VolumeProjection {
  /** Refused: there is no cluster that signs certificates. */
  clusterTrustBundle?: Input<ClusterTrustBundleProjection | undefined>;
  /** Keys of a ConfigMap. */
  configMap?: Input<ConfigMapProjection | undefined>;
  /** Fields of the pod. */
  downwardAPI?: Input<DownwardAPIProjection | undefined>;
  /** Refused: there is no cluster that signs certificates. */
  podCertificate?: Input<PodCertificateProjection | undefined>;
  /** Keys of a Secret. */
  secret?: Input<SecretProjection | undefined>;
  /** A token for the pod's account, `default`, that the node signs with a key of its own and renews at 80 % of its life; needs openssl there. Where all containers have one runAsUser, or there is an fsGroup, only these may read it. `/var/lib/barepod/issuer/jwks.json` verifies it. */
  serviceAccountToken?: Input<ServiceAccountTokenProjection | undefined>;
}

/** Refused as a whole. */
export interface PersistentVolumeClaimSpec {
  accessModes?: Input<Input<string>[] | undefined>;
  dataSource?: Input<TypedLocalObjectReference | undefined>;
  dataSourceRef?: Input<TypedObjectReference | undefined>;
  resources?: Input<VolumeResourceRequirements | undefined>;
  selector?: Input<LabelSelector | undefined>;
  storageClassName?: Input<string | undefined>;
  volumeAttributesClassName?: Input<string | undefined>;
  volumeMode?: Input<string | undefined>;
  volumeName?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface ClusterTrustBundleProjection {
  labelSelector?: Input<LabelSelector | undefined>;
  name?: Input<string | undefined>;
  optional?: Input<boolean | undefined>;
  path: Input<string>;
  signerName?: Input<string | undefined>;
  user?: Input<number | undefined>;
}

/** Keys of a ConfigMap. */
export interface ConfigMapProjection {
  /** Which keys, and where. Default: all, under their names. */
  items?: Input<Input<KeyToPath>[] | undefined>;
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  name?: Input<string | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
}

/** Fields of the pod. */
export interface DownwardAPIProjection {
  /** The files. */
  items?: Input<Input<DownwardAPIVolumeFile>[] | undefined>;
}

/** Refused as a whole. */
export interface PodCertificateProjection {
  certificateChainPath?: Input<string | undefined>;
  credentialBundlePath?: Input<string | undefined>;
  keyPath?: Input<string | undefined>;
  keyType: Input<string>;
  maxExpirationSeconds?: Input<number | undefined>;
  signerName: Input<string>;
  user?: Input<number | undefined>;
  userAnnotations?: Input<StringMap | undefined>;
}

/** Keys of a Secret. */
export interface SecretProjection {
  /** Which keys, and where. Default: all, under their names. */
  items?: Input<Input<KeyToPath>[] | undefined>;
  /** Its `metadata.name`, in the pod's namespace, on the same node. Required. */
  name?: Input<string | undefined>;
  /** `true`: missing, there is nothing. Default `false`: the container waits for it. */
  optional?: Input<boolean | undefined>;
}

/** A token for the pod. */
export interface ServiceAccountTokenProjection {
  /** Who it is for. Default: the issuer itself. */
  audience?: Input<string | undefined>;
  /** How long it is valid, at least 600. Default 3600. */
  expirationSeconds?: Input<number | undefined>;
  /** Relative to the volume, without `..`. */
  path: Input<string>;
  /** Refused: files belong to root; their mode says who reads them. */
  user?: Input<number | undefined>;
}

/** Refused as a whole. */
export interface TypedLocalObjectReference {
  apiGroup?: Input<string | undefined>;
  kind: Input<string>;
  name: Input<string>;
}

/** Refused as a whole. */
export interface TypedObjectReference {
  apiGroup?: Input<string | undefined>;
  kind: Input<string>;
  name: Input<string>;
  namespace?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface VolumeResourceRequirements {
  limits?: Input<StringMap | undefined>;
  requests?: Input<StringMap | undefined>;
}
