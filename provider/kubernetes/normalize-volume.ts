/** The volumes of a pod, checked and complete. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";
import { dnsLabel } from "./names";
import { type NormalizedFile, normalizeContent, type UsableContent } from "./normalize-volume-content";
import { isEventual } from "./plain";
import { parseBytes } from "./quantity";
import { attempt, check, cleanPath, unique } from "./rules";

/** A volume with its one source. */
export type NormalizedVolume =
  | {
      readonly name: string;
      readonly kind: "hostPath";
      /** Absolute, on the node. */
      readonly path: Input<string>;
      /** What must be there, or is made; absent: whatever is there. */
      readonly type?: string;
    }
  | {
      readonly name: string;
      readonly kind: "emptyDir";
      /** `""`: the node's disk; `Memory`: a tmpfs. */
      readonly medium: "" | "Memory";
      /** Of a tmpfs, in bytes; absent: the kernel's default, half of the memory. */
      readonly sizeLimit?: number;
    }
  | {
      readonly name: string;
      /** Files of ConfigMaps, Secrets, the pod itself. */
      readonly kind: "content";
      readonly files: readonly NormalizedFile[];
    };

/** A volume as the walk leaves it. */
export interface UsableVolume extends UsableContent {
  name?: string;
  hostPath?: { path?: Input<string>; type?: string };
  emptyDir?: { medium?: "" | "Memory"; sizeLimit?: string };
}

const SOURCES = ["hostPath", "emptyDir", "configMap", "secret", "downwardAPI", "projected"] as const;

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
  const given = SOURCES.filter((key) => volume[key]);
  if (given.length > 1) problems.push({ path, reason: `must have one source, not both ${given.join(" and ")}` });
  const files = normalizeContent(volume, path, problems);
  if (files) return { name, kind: "content", files };
  if (!hostPath) return { name, ...normalizeEmptyDir(emptyDir ?? {}, `${path}.emptyDir`, problems) };
  const { path: source, type = "" } = hostPath;
  if (source !== undefined && !isEventual(source))
    check(hostPathRule, source as string, `${path}.hostPath.path`, problems);
  return {
    name,
    kind: "hostPath",
    path: typeof source === "string" ? cleanPath(source) : (source ?? ""),
    ...(type !== "" && { type }),
  };
}

function normalizeEmptyDir(
  { medium = "", sizeLimit }: NonNullable<UsableVolume["emptyDir"]>,
  path: string,
  problems: Problem[],
): { kind: "emptyDir"; medium: "" | "Memory"; sizeLimit?: number } {
  const limit =
    sizeLimit === undefined ? 0 : (attempt(() => parseBytes(sizeLimit, `${path}.sizeLimit`), problems) ?? 0);
  if (limit > 0 && medium !== "Memory") {
    const reason = "is not supported on the node's disk, where nothing limits a directory; medium: Memory has a limit";
    problems.push({ path: `${path}.sizeLimit`, reason });
  }
  // As for a kubelet, 0 is no limit.
  return { kind: "emptyDir", medium, ...(limit > 0 && { sizeLimit: limit }) };
}

function hostPathRule(path: string): string | undefined {
  if (!path.startsWith("/")) return "must be an absolute path of the node";
  return path.split("/").includes("..") ? 'must not contain ".."' : undefined;
}
