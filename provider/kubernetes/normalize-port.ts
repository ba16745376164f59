/** The ports of containers, and those of the node that lead to them. Pure. */
import { isIPv6 } from "node:net";
import type { Problem } from "../fields";
import { portName } from "./names";
import { checkAddress } from "./normalize-network";
import { check, unique } from "./rules";

type Protocol = "TCP" | "UDP" | "SCTP";

/** A port that a container listens on. */
export interface NormalizedPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol: Protocol;
  /** The node's port that leads to it. */
  readonly hostPort?: number;
  /** Which of the node's addresses; absent: all. */
  readonly hostIP?: string;
}

/** A port as the walk leaves it. */
export interface UsablePort {
  name?: string;
  containerPort?: number;
  protocol?: Protocol;
  hostPort?: number;
  hostIP?: string;
}

/** Checks the ports of one container. */
export function normalizePorts(
  ports: readonly (UsablePort | undefined)[],
  path: string,
  hostNetwork: boolean,
  problems: Problem[],
): NormalizedPort[] {
  unique(ports, "name", (i) => `${path}[${i}].name`, problems);
  return ports.map((port, i) => {
    const { name, containerPort = 1, protocol = "TCP", hostPort = 0, hostIP = "" } = port ?? {};
    const at = `${path}[${i}]`;
    const range = "must be between 1 and 65535";
    if (containerPort < 1 || containerPort > 65535) problems.push({ path: `${at}.containerPort`, reason: range });
    if (name !== undefined) check(portName, name, `${at}.name`, problems);
    if (hostPort < 0 || hostPort > 65535) problems.push({ path: `${at}.hostPort`, reason: range });
    else if (hostNetwork && hostPort !== 0 && hostPort !== containerPort) {
      const reason = "must be the containerPort with hostNetwork: the container listens on the node itself";
      problems.push({ path: `${at}.hostPort`, reason });
    }
    if (hostIP !== "") checkHostIP(hostIP, hostPort, `${at}.hostIP`, problems);
    // As Kubernetes defaults it: on the node's own network every port is one of the node's.
    const node = hostNetwork ? containerPort : hostPort;
    return {
      ...(name !== undefined && { name }),
      containerPort,
      protocol,
      ...(node !== 0 && { hostPort: node }),
      ...(hostIP !== "" && hostIP !== "0.0.0.0" && { hostIP }),
    };
  });
}

function checkHostIP(hostIP: string, hostPort: number, path: string, problems: Problem[]): void {
  checkAddress(hostIP, path, problems);
  if (isIPv6(hostIP)) problems.push({ path, reason: "must be an IPv4 address: pods have no other" });
  if (hostPort === 0) problems.push({ path, reason: "needs a hostPort" });
}

/** A port of the node, whichever pod it leads to. */
export interface HostPort {
  readonly hostPort: number;
  readonly protocol: Protocol;
  readonly hostIP?: string;
}

/** Whether both cannot be had: one that is for all addresses takes the port on each. */
export function isSameHostPort(a: HostPort, b: HostPort): boolean {
  if (a.hostPort !== b.hostPort || a.protocol !== b.protocol) return false;
  return a.hostIP === undefined || b.hostIP === undefined || a.hostIP === b.hostIP;
}

/** Refuses a port of the node that leads to two places in one pod. */
export function checkHostPorts(
  containers: readonly { readonly ports: readonly NormalizedPort[] }[],
  pathOf: (index: number) => string,
  problems: Problem[],
): void {
  const seen: { port: HostPort; path: string }[] = [];
  containers.forEach(({ ports }, i) => {
    ports.forEach(({ hostPort, protocol, hostIP }, j) => {
      if (hostPort === undefined) return;
      const port = { hostPort, protocol, ...(hostIP !== undefined && { hostIP }) };
      const path = `${pathOf(i)}[${j}].hostPort`;
      const before = seen.find((each) => isSameHostPort(each.port, port));
      if (before === undefined) seen.push({ port, path });
      else problems.push({ path, reason: `must be unique for its protocol and hostIP: ${before.path} is the same` });
    });
  });
}
