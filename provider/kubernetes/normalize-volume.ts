/** The volumes of a pod, checked and complete. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";
import { dnsLabel } from "./names";
import { isEventual } from "./plain";
import { check, cleanPath, unique } from "./rules";

/** A volume with its one source. */
export type NormalizedVolume =
  | {
      readonly name: string;
      readonly kind: "hostPath";
      /** Absolute, on the node. */
      readonly path: Input<string>;
    }
  | {
      readonly name: string;
      readonly kind: "emptyDir";
      /** `""`: the node's disk; `Memory`: a tmpfs. */
      readonly medium: "" | "Memory";
    };

/** A volume as the walk leaves it. */
export interface UsableVolume {
  name?: string;
  hostPath?: { path?: Input<string> };
  emptyDir?: { medium?: "" | "Memory" };
}

/** Checks all volumes of a pod; a volume without a source is an emptyDir, as in Kubernetes. */
export function normalizeVolumes(
  volumes: readonly (UsableVolume | undefined)[],
  problems: Problem[],
): NormalizedVolume[] {
  unique(volumes, "name", (i) => `spec.volumes[${i}].name`, problems);
  return volumes.map((volume, i) => normalizeVolume(volume ?? {}, `spec.volumes[${i}]`, problems));
}

function normalizeVolume(volume: UsableVolume, path: string, problems: Problem[]): NormalizedVolume {
  const { name = "", hostPath, emptyDir } = volume;
  if (volume.name !== undefined) check(dnsLabel, name, `${path}.name`, problems);
  if (hostPath && emptyDir) problems.push({ path, reason: "must have one source, not both hostPath and emptyDir" });
  if (!hostPath) return { name, kind: "emptyDir", medium: emptyDir?.medium ?? "" };
  const { path: source } = hostPath;
  if (source !== undefined && !isEventual(source))
    check(hostPathRule, source as string, `${path}.hostPath.path`, problems);
  return { name, kind: "hostPath", path: typeof source === "string" ? cleanPath(source) : (source ?? "") };
}

function hostPathRule(path: string): string | undefined {
  if (!path.startsWith("/")) return "must be an absolute path of the node";
  return path.split("/").includes("..") ? 'must not contain ".."' : undefined;
}
