/** How a container sees its control groups and the node's devices. Pure. */
import { type Container, type ProcessInputs, sharesWithNode } from "./process-args";

const place = "/sys/fs/cgroup";

/**
 * What the keeper mounts on /sys/fs/cgroup: `ro` or `rw` its groups, as container runtimes do; `-` nothing, on the node's own
 * root and where a volume is in their place.
 *
 * @internal
 */
export function controlsOf({ rootFs, privileged, volumes = [] }: Container, inputs: ProcessInputs): "ro" | "rw" | "-" {
  const isCovered = volumes.some(({ target }) => isIn(place, target) || isIn(target, place));
  if (rootFs === undefined || isCovered || sharesWithNode(inputs, "mnt") || sharesWithNode(inputs, "cgroup"))
    return "-";
  return privileged === true ? "rw" : "ro";
}

/**
 * Which devices the keeper makes besides those of every container: `all` of the node's for a privileged one, `-` none.
 * What lies in a volume is the volume's.
 *
 * @internal
 */
export function devicesOf({ rootFs, privileged, volumes = [] }: Container, inputs: ProcessInputs): string {
  const targets = volumes.map(({ target }) => target);
  if (privileged !== true || rootFs === undefined || targets.includes("/dev") || sharesWithNode(inputs, "mnt"))
    return "-";
  return ["all", ...targets.filter((target) => target.startsWith("/dev/"))].join(":");
}

function isIn(path: string, folder: string): boolean {
  return `${path}/`.startsWith(`${folder}/`);
}
