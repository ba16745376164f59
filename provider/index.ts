/** The public surface of `barepod`. Nothing here loads SSH code: that lives behind `barepod/provider`. */
export { File, type FileArgs } from "./resources/file";
export { Mount, type MountArgs } from "./resources/mount";
export { Node, type NodeArgs, type NodeFacts } from "./resources/node";
export { VethPair, type VethPairArgs } from "./resources/veth-pair";
export {
  type ContainerArgs,
  type ContainerStatus,
  type NamedContainerArgs,
  Process,
  type ProcessArgs,
} from "./resources/process";
export type { Connection, ConnectionArgs } from "./ssh/connection-args";
