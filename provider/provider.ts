/**
 * The frozen entry `barepod/provider`: one dynamic provider per resource type. Every state file names this module and
 * these exports, so neither ever changes; `require("barepod/provider").Mount` must work for all time.
 *
 * A type is loaded with its first resource: most of them while the connection is being made.
 */
import { handler } from "./handler";

export const CGroup = handler(
  () => (require("./resources/cgroup") as typeof import("./resources/cgroup.js")).cgroupSpec,
);
export const File = handler(() => (require("./resources/file") as typeof import("./resources/file.js")).fileSpec);
export const FileSet = handler(
  () => (require("./resources/file-set") as typeof import("./resources/file-set.js")).fileSetSpec,
);
export const Mount = handler(() => (require("./resources/mount") as typeof import("./resources/mount.js")).mountSpec);
export const Namespace = handler(
  () => (require("./resources/namespace") as typeof import("./resources/namespace.js")).namespaceSpec,
);
export const Node = handler(() => (require("./resources/node") as typeof import("./resources/node.js")).nodeSpec);
export const VethPair = handler(
  () => (require("./resources/veth-pair") as typeof import("./resources/veth-pair.js")).vethPairSpec,
);
export const HostPorts = handler(
  () => (require("./resources/host-ports") as typeof import("./resources/host-ports.js")).hostPortsSpec,
);
export const IptablesRule = handler(
  () => (require("./resources/iptables-rule") as typeof import("./resources/iptables-rule.js")).iptablesRuleSpec,
);
export const IptablesChain = handler(
  () => (require("./resources/iptables-chain") as typeof import("./resources/iptables-chain.js")).iptablesChainSpec,
);
export const Process = handler(
  () => (require("./resources/process") as typeof import("./resources/process.js")).processSpec,
);
export const ServiceEndpoints = handler(
  () =>
    (require("./resources/service-endpoints") as typeof import("./resources/service-endpoints.js"))
      .serviceEndpointsSpec,
);
export const ServiceProxy = handler(
  () => (require("./resources/service-proxy") as typeof import("./resources/service-proxy.js")).serviceProxySpec,
);
export const RootFs = handler(
  () => (require("./resources/root-fs") as typeof import("./resources/root-fs.js")).rootFsSpec,
);
