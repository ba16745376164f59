/**
 * The frozen entry `barepod/provider`: one dynamic provider per resource type. Every state file names this module and
 * these exports, so neither ever changes; `require("barepod/provider").Mount` must work for all time.
 */
import { handler } from "./handler";
import { cgroupSpec } from "./resources/cgroup";
import { fileSpec } from "./resources/file";
import { fileSetSpec } from "./resources/file-set";
import { hostPortsSpec } from "./resources/host-ports";
import { iptablesChainSpec } from "./resources/iptables-chain";
import { iptablesRuleSpec } from "./resources/iptables-rule";
import { mountSpec } from "./resources/mount";
import { namespaceSpec } from "./resources/namespace";
import { nodeSpec } from "./resources/node";
import { processSpec } from "./resources/process";
import { rootFsSpec } from "./resources/root-fs";
import { vethPairSpec } from "./resources/veth-pair";

export const CGroup = handler(cgroupSpec);
export const File = handler(fileSpec);
export const FileSet = handler(fileSetSpec);
export const Mount = handler(mountSpec);
export const Namespace = handler(namespaceSpec);
export const Node = handler(nodeSpec);
export const VethPair = handler(vethPairSpec);
export const HostPorts = handler(hostPortsSpec);
export const IptablesRule = handler(iptablesRuleSpec);
export const IptablesChain = handler(iptablesChainSpec);
export const Process = handler(processSpec);
export const RootFs = handler(rootFsSpec);
