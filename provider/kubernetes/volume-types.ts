/** The volume part of the Pod types; see `types.ts`. All sources but `hostPath` and `emptyDir` are refused. */
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
  /** Refused: ConfigMaps do not exist yet; put a File on the node and use hostPath. */
  configMap?: Input<ConfigMapVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  csi?: Input<CSIVolumeSource | undefined>;
  /** Refused: not implemented yet. */
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
  /** Refused: not implemented yet. */
  projected?: Input<ProjectedVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  quobyte?: Input<QuobyteVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  rbd?: Input<RBDVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  scaleIO?: Input<ScaleIOVolumeSource | undefined>;
  /** Refused: Secrets do not exist yet; put a File on the node and use hostPath. */
  secret?: Input<SecretVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  storageos?: Input<StorageOSVolumeSource | undefined>;
  /** Refused: there is no CSI and no cloud controller on the node; mount it on the node and use hostPath. */
  vsphereVolume?: Input<VsphereVirtualDiskVolumeSource | undefined>;
}

/** Refused as a whole. */
export interface ConfigMapVolumeSource {
  defaultMode?: Input<number | undefined>;
  defaultUser?: Input<number | undefined>;
  items?: Input<Input<KeyToPath>[] | undefined>;
  name?: Input<string | undefined>;
  optional?: Input<boolean | undefined>;
}

/** Refused as a whole. */
export interface DownwardAPIVolumeSource {
  defaultMode?: Input<number | undefined>;
  defaultUser?: Input<number | undefined>;
  items?: Input<Input<DownwardAPIVolumeFile>[] | undefined>;
}

/** An empty directory that lives as long as the pod. */
export interface EmptyDirVolumeSource {
  /** `""` (default): the node's disk; empty again when a change has started the containers anew. `Memory`: a tmpfs, which then keeps what is in it. One of `""`, `"Memory"`. */
  medium?: Input<string | undefined>;
  /** Refused: the directory's mode is 0777, as a kubelet makes it. */
  mode?: Input<number | undefined>;
  /** Refused: the size cannot be limited yet. */
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
  /** Refused: whether the path exists is not checked or arranged yet; a bind mount fails when it is absent. Accepted: `""`. */
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

/** Refused as a whole. */
export interface ProjectedVolumeSource {
  defaultMode?: Input<number | undefined>;
  defaultUser?: Input<number | undefined>;
  sources: Input<Input<VolumeProjection>[]>;
}

/** Refused as a whole. */
export interface SecretVolumeSource {
  defaultMode?: Input<number | undefined>;
  defaultUser?: Input<number | undefined>;
  items?: Input<Input<KeyToPath>[] | undefined>;
  optional?: Input<boolean | undefined>;
  secretName?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface KeyToPath {
  key: Input<string>;
  mode?: Input<number | undefined>;
  path: Input<string>;
  user?: Input<number | undefined>;
}

/** Refused as a whole. */
export interface DownwardAPIVolumeFile {
  fieldRef?: Input<ObjectFieldSelector | undefined>;
  mode?: Input<number | undefined>;
  path: Input<string>;
  resourceFieldRef?: Input<ResourceFieldSelector | undefined>;
  user?: Input<number | undefined>;
}

/** Refused as a whole. */
export interface PersistentVolumeClaimTemplate {
  metadata?: Input<ObjectMeta | undefined>;
  spec: Input<PersistentVolumeClaimSpec>;
}

/** Refused as a whole. */
export interface VolumeProjection {
  clusterTrustBundle?: Input<ClusterTrustBundleProjection | undefined>;
  configMap?: Input<ConfigMapProjection | undefined>;
  downwardAPI?: Input<DownwardAPIProjection | undefined>;
  podCertificate?: Input<PodCertificateProjection | undefined>;
  secret?: Input<SecretProjection | undefined>;
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

/** Refused as a whole. */
export interface ConfigMapProjection {
  items?: Input<Input<KeyToPath>[] | undefined>;
  name?: Input<string | undefined>;
  optional?: Input<boolean | undefined>;
}

/** Refused as a whole. */
export interface DownwardAPIProjection {
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

/** Refused as a whole. */
export interface SecretProjection {
  items?: Input<Input<KeyToPath>[] | undefined>;
  name?: Input<string | undefined>;
  optional?: Input<boolean | undefined>;
}

/** Refused as a whole. */
export interface ServiceAccountTokenProjection {
  audience?: Input<string | undefined>;
  expirationSeconds?: Input<number | undefined>;
  path: Input<string>;
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
