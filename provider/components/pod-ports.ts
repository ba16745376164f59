/** The ports of the node that lead to a pod. */
import { InputError } from "../errors";
import type { NormalizedPod } from "../kubernetes/normalize";
import { type HostPort, isSameHostPort, type NormalizedPort } from "../kubernetes/normalize-port";
import { HostPorts } from "../resources/host-ports";
import type { Namespace } from "../resources/namespace";
import type { Node } from "../resources/node";
import type { VethPair } from "../resources/veth-pair";
import type { PodPlace } from "./pod-parts";

/** Which Pod of this program has which port of a node. */
const taken = new WeakMap<Node, { readonly port: HostPort; readonly by: string }[]>();

/** Refuses a port of the node that another Pod of the program has, as a scheduler does; with hostNetwork it has all its ports. */
export function claimHostPorts(resource: string, node: Node, pod: NormalizedPod): void {
  const others = taken.get(node) ?? [];
  const own = longLived(pod).flatMap(({ path: container, ports }) =>
    ports.flatMap(({ hostPort, protocol, hostIP }, j) => {
      if (hostPort === undefined) return [];
      const path = `${container}.ports[${j}].${pod.hostNetwork ? "containerPort" : "hostPort"}`;
      return [{ path, port: { hostPort, protocol, ...(hostIP !== undefined && { hostIP }) } }];
    }),
  );
  for (const { path, port } of own) {
    const other = others.find((each) => isSameHostPort(each.port, port));
    if (other === undefined) continue;
    const what = `${port.protocol} port ${port.hostPort} of the node`;
    throw new InputError(path, `the Pod ${JSON.stringify(other.by)} has ${what} already`);
  }
  taken.set(node, [...others, ...own.map(({ port }) => ({ port, by: resource }))]);
}

/** The containers that live as long as the pod. */
function longLived({
  initContainers,
  containers,
}: NormalizedPod): { path: string; ports: readonly NormalizedPort[] }[] {
  return [
    ...initContainers.flatMap(({ kind, ports }, i) =>
      kind === "sidecar" ? [{ path: `spec.initContainers[${i}]`, ports }] : [],
    ),
    ...containers.map(({ ports }, i) => ({ path: `spec.containers[${i}]`, ports })),
  ];
}

/** The rules for them; undefined where there are none. */
export function createHostPorts(
  { name, node, pod, options }: PodPlace,
  namespace: Namespace,
  eth0: VethPair | undefined,
): HostPorts | undefined {
  const ports = longLived(pod).flatMap((container) =>
    container.ports.flatMap(({ hostPort, containerPort, protocol, hostIP }) =>
      hostPort === undefined ? [] : [{ hostPort, containerPort, protocol, hostIP }],
    ),
  );
  if (eth0 === undefined || ports.length === 0) return undefined;
  return new HostPorts(`${name}-ports`, { node, namespace: namespace.path, interface: eth0.name, ports }, options);
}
