/** The public surface of `barepod`. Nothing here loads SSH code: that lives behind `barepod/provider`. */

export { ConfigMap, type ConfigMapArgs } from "./components/config-map";
export { EndpointSlice, type EndpointSliceArgs } from "./components/endpoint-slice";
export { Pod, type PodArgs, type PodStatus } from "./components/pod";
export { Secret, type SecretArgs } from "./components/secret";
export { Service, type ServiceArgs, type ServiceStatus } from "./components/service";
export type {
  IptablesAddressType,
  IptablesLimit,
  IptablesPlace,
  IptablesRecent,
  IptablesRuleFields,
  IptablesStatistic,
} from "./iptables/rule";
export { CGroup, type CGroupArgs } from "./resources/cgroup";
export { File, type FileArgs } from "./resources/file";
export { FileSet, type FileSetArgs } from "./resources/file-set";
export { HostPorts, type HostPortsArgs, type PortMapping } from "./resources/host-ports";
export {
  IptablesChain,
  type IptablesChainArgs,
  type IptablesJump,
  type IptablesJumpFields,
} from "./resources/iptables-chain";
export { IptablesRule, type IptablesRuleArgs } from "./resources/iptables-rule";
export { Mount, type MountArgs } from "./resources/mount";
export { Namespace, type NamespaceArgs } from "./resources/namespace";
export { Node, type NodeArgs, type NodeFacts } from "./resources/node";
export {
  type ContainerArgs,
  type ContainerStatus,
  type Dns,
  type Hosts,
  type NamedContainerArgs,
  type NamedPort,
  Process,
  type ProcessArgs,
  type TokenIssuer,
} from "./resources/process";
export { RootFs, type RootFsArgs } from "./resources/root-fs";
export {
  type EndpointTargetArgs,
  ServiceEndpoints,
  type ServiceEndpointsArgs,
} from "./resources/service-endpoints";
export { ServiceProxy, type ServiceProxyArgs, type ServiceProxyPort } from "./resources/service-proxy";
export { VethPair, type VethPairArgs } from "./resources/veth-pair";
export type { Connection, ConnectionArgs, HostArgs } from "./ssh/connection-args";
export * as yaml from "./yaml/config";
