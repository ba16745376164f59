/** Where the logs of a Process's containers lie on the node. Pure. */
import { boundedName, digest, uidOf } from "../naming";
import { ownerName } from "../owner";
import type { Container, ProcessInputs } from "./process-args";

/** The folder of the containers' logs, as a kubelet names it. */
export function logsOf(inputs: ProcessInputs): string {
  const { namespace, name } = podOf(inputs);
  return `/var/log/pods/${boundedName("", `${namespace}_${name}_${uidOf(ownerName(inputs))}`, 250)}`;
}

/** The link to a container's log, by which log collectors find it. */
export function linkOf(inputs: ProcessInputs, container: Container): string {
  const { namespace, name } = podOf(inputs);
  const readable = boundedName("", `${name}_${namespace}_${container.name}`, 180);
  return `/var/log/containers/${readable}-${digest(`${ownerName(inputs)} ${container.name}`, 64)}.log`;
}

function podOf(inputs: ProcessInputs): { namespace: string; name: string } {
  return inputs.pod ?? { namespace: "default", name: inputs.name };
}
