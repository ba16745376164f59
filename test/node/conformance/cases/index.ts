import type { Case } from "../case";
import { cgroup } from "./cgroup";
import { binaryFile, file } from "./file";
import { fileSet } from "./file-set";
import { hostPorts } from "./host-ports";
import { chain, commentedRule, rule } from "./iptables";
import { bindMount, fileMount, inheritingMount, mount } from "./mount";
import { namespace, pidNamespace } from "./namespace";
import { node } from "./node";
import { process } from "./process";
import { rootFs, rootFsOverlay } from "./root-fs";
import { serviceEndpoints } from "./service-endpoints";
import { serviceProxy } from "./service-proxy";
import { vethPair } from "./veth-pair";

/** Every resource there is; some twice, where two kinds of object hide behind one class. */
export const cases: readonly Case[] = [
  node,
  mount,
  bindMount,
  inheritingMount,
  fileMount,
  file,
  binaryFile,
  fileSet,
  rootFs,
  rootFsOverlay,
  cgroup,
  namespace,
  pidNamespace,
  vethPair,
  hostPorts,
  serviceProxy,
  serviceEndpoints,
  rule,
  commentedRule,
  chain,
  process,
];
