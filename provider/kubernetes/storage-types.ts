/** The volume sources that need a storage system beside the node; see `types.ts`. Refused as a whole. */
import type { Input } from "@pulumi/pulumi";
import type { StringMap } from "./container-types";
import type { LocalObjectReference } from "./types";

/** Refused as a whole. */
export interface AWSElasticBlockStoreVolumeSource {
  fsType?: Input<string | undefined>;
  partition?: Input<number | undefined>;
  readOnly?: Input<boolean | undefined>;
  volumeID: Input<string>;
}

/** Refused as a whole. */
export interface AzureDiskVolumeSource {
  cachingMode?: Input<string | undefined>;
  diskName: Input<string>;
  diskURI: Input<string>;
  fsType?: Input<string | undefined>;
  kind?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
}

/** Refused as a whole. */
export interface AzureFileVolumeSource {
  readOnly?: Input<boolean | undefined>;
  secretName: Input<string>;
  shareName: Input<string>;
}

/** Refused as a whole. */
export interface CephFSVolumeSource {
  monitors: Input<Input<string>[]>;
  path?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
  secretFile?: Input<string | undefined>;
  secretRef?: Input<LocalObjectReference | undefined>;
  user?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface CinderVolumeSource {
  fsType?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
  secretRef?: Input<LocalObjectReference | undefined>;
  volumeID: Input<string>;
}

/** Refused as a whole. */
export interface CSIVolumeSource {
  driver: Input<string>;
  fsType?: Input<string | undefined>;
  nodePublishSecretRef?: Input<LocalObjectReference | undefined>;
  readOnly?: Input<boolean | undefined>;
  volumeAttributes?: Input<StringMap | undefined>;
}

/** Refused as a whole. */
export interface FCVolumeSource {
  fsType?: Input<string | undefined>;
  lun?: Input<number | undefined>;
  readOnly?: Input<boolean | undefined>;
  targetWWNs?: Input<Input<string>[] | undefined>;
  wwids?: Input<Input<string>[] | undefined>;
}

/** Refused as a whole. */
export interface FlexVolumeSource {
  driver: Input<string>;
  fsType?: Input<string | undefined>;
  options?: Input<StringMap | undefined>;
  readOnly?: Input<boolean | undefined>;
  secretRef?: Input<LocalObjectReference | undefined>;
}

/** Refused as a whole. */
export interface FlockerVolumeSource {
  datasetName?: Input<string | undefined>;
  datasetUUID?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface GCEPersistentDiskVolumeSource {
  fsType?: Input<string | undefined>;
  partition?: Input<number | undefined>;
  pdName: Input<string>;
  readOnly?: Input<boolean | undefined>;
}

/** Refused as a whole. */
export interface GitRepoVolumeSource {
  directory?: Input<string | undefined>;
  repository: Input<string>;
  revision?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface GlusterfsVolumeSource {
  endpoints: Input<string>;
  path: Input<string>;
  readOnly?: Input<boolean | undefined>;
}

/** Refused as a whole. */
export interface ISCSIVolumeSource {
  chapAuthDiscovery?: Input<boolean | undefined>;
  chapAuthSession?: Input<boolean | undefined>;
  fsType?: Input<string | undefined>;
  initiatorName?: Input<string | undefined>;
  iqn: Input<string>;
  iscsiInterface?: Input<string | undefined>;
  lun: Input<number>;
  portals?: Input<Input<string>[] | undefined>;
  readOnly?: Input<boolean | undefined>;
  secretRef?: Input<LocalObjectReference | undefined>;
  targetPortal: Input<string>;
}

/** Refused as a whole. */
export interface NFSVolumeSource {
  path: Input<string>;
  readOnly?: Input<boolean | undefined>;
  server: Input<string>;
}

/** Refused as a whole. */
export interface PhotonPersistentDiskVolumeSource {
  fsType?: Input<string | undefined>;
  pdID: Input<string>;
}

/** Refused as a whole. */
export interface PortworxVolumeSource {
  fsType?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
  volumeID: Input<string>;
}

/** Refused as a whole. */
export interface QuobyteVolumeSource {
  group?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
  registry: Input<string>;
  tenant?: Input<string | undefined>;
  user?: Input<string | undefined>;
  volume: Input<string>;
}

/** Refused as a whole. */
export interface RBDVolumeSource {
  fsType?: Input<string | undefined>;
  image: Input<string>;
  keyring?: Input<string | undefined>;
  monitors: Input<Input<string>[]>;
  pool?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
  secretRef?: Input<LocalObjectReference | undefined>;
  user?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface ScaleIOVolumeSource {
  fsType?: Input<string | undefined>;
  gateway: Input<string>;
  protectionDomain?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
  secretRef: Input<LocalObjectReference>;
  sslEnabled?: Input<boolean | undefined>;
  storageMode?: Input<string | undefined>;
  storagePool?: Input<string | undefined>;
  system: Input<string>;
  volumeName?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface StorageOSVolumeSource {
  fsType?: Input<string | undefined>;
  readOnly?: Input<boolean | undefined>;
  secretRef?: Input<LocalObjectReference | undefined>;
  volumeName?: Input<string | undefined>;
  volumeNamespace?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface VsphereVirtualDiskVolumeSource {
  fsType?: Input<string | undefined>;
  storagePolicyID?: Input<string | undefined>;
  storagePolicyName?: Input<string | undefined>;
  volumePath: Input<string>;
}
