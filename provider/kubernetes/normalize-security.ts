/** Who the processes of a pod are and what they may do: a container's own word counts before the pod's. */
import type { Problem } from "../fields";
import { isCapability } from "./capabilities";
import { appArmorOf, checkAppArmor, type NormalizedAppArmor, type UsableAppArmor } from "./normalize-apparmor";
import { dotted, namespaceOf, sysctlRule } from "./sysctls";

/** Which system calls a container may make. */
export interface NormalizedSeccomp {
  readonly type: "RuntimeDefault" | "Localhost";
  readonly localhostProfile?: string;
}

/** A container's security settings, complete. */
export interface NormalizedSecurity {
  /** Absent: the image's user, else 0. */
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot: boolean;
  /** The pod's, with its fsGroup. */
  readonly supplementalGroups: readonly number[];
  /** Whether the image's /etc/group gives no groups. */
  readonly strictGroups: boolean;
  readonly readOnlyRootFilesystem: boolean;
  /** Without `CAP_`, in capitals; may hold `ALL`. */
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly allowPrivilegeEscalation: boolean;
  readonly privileged: boolean;
  /** Absent: every call; so for a privileged container. */
  readonly seccomp?: NormalizedSeccomp;
  /** Absent: none is put on it. */
  readonly appArmor?: NormalizedAppArmor;
}

/** What a pod's security settings say of the whole pod. */
export interface NormalizedPodSecurity {
  /** The group of the volumes. */
  readonly fsGroup?: number;
  readonly sysctls: Readonly<Record<string, string>>;
}

interface UsableProfile {
  type?: string;
  localhostProfile?: string;
}

interface Shared {
  runAsUser?: number;
  runAsGroup?: number;
  runAsNonRoot?: boolean;
  seccompProfile?: UsableProfile;
  appArmorProfile?: UsableAppArmor;
}

/** As the walk leaves a container's. */
export interface UsableSecurity extends Shared {
  readOnlyRootFilesystem?: boolean;
  capabilities?: { add?: (string | undefined)[]; drop?: (string | undefined)[] };
  allowPrivilegeEscalation?: boolean;
  privileged?: boolean;
}

/** As the walk leaves a pod's. */
export interface UsablePodSecurity extends Shared {
  fsGroup?: number;
  supplementalGroups?: (number | undefined)[];
  supplementalGroupsPolicy?: "Merge" | "Strict";
  sysctls?: ({ name?: string; value?: string } | undefined)[];
}

const MAX_ID = 2 ** 31 - 1;
const POD = "spec.securityContext";

/** Checks what is said of the whole pod; `shared` are the node's namespaces that it stays in. */
export function normalizePodSecurity(
  given: UsablePodSecurity,
  shared: { readonly net: boolean; readonly ipc: boolean },
  problems: Problem[],
): NormalizedPodSecurity {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups = [], sysctls = [] } = given;
  checkIds({ runAsUser, runAsGroup, fsGroup }, POD, problems);
  supplementalGroups.forEach((id, i) => {
    checkIds({ [`supplementalGroups[${i}]`]: id }, POD, problems);
  });
  checkProfiles(given, POD, problems);
  const settings: Record<string, string> = {};
  sysctls.forEach((sysctl, i) => {
    const { name, value } = sysctl ?? {};
    if (name === undefined || value === undefined) return;
    const at = `${POD}.sysctls[${i}].name`;
    const namespace = namespaceOf(name);
    const reason =
      sysctlRule(name) ??
      (Object.hasOwn(settings, dotted(name))
        ? "must be unique: an earlier one is the same"
        : namespace !== undefined && shared[namespace]
          ? `must not be given with ${namespace === "net" ? "hostNetwork" : "hostIPC"}: it would change the whole node`
          : undefined);
    if (reason !== undefined) problems.push({ path: at, reason });
    settings[dotted(name)] = value;
  });
  return { ...(fsGroup !== undefined && { fsGroup }), sysctls: settings };
}

/** Checks one container's. `hasUser`: whether its image may say which user it runs as. */
export function normalizeSecurity(
  given: UsableSecurity,
  pod: UsablePodSecurity,
  hasUser: boolean,
  path: string,
  problems: Problem[],
): NormalizedSecurity {
  const { readOnlyRootFilesystem = false, privileged = false } = given;
  checkIds({ runAsUser: given.runAsUser, runAsGroup: given.runAsGroup }, path, problems);
  checkProfiles(given, path, problems);
  const runAsUser = given.runAsUser ?? pod.runAsUser;
  const runAsGroup = given.runAsGroup ?? pod.runAsGroup;
  const runAsNonRoot = given.runAsNonRoot ?? pod.runAsNonRoot ?? false;
  if (runAsNonRoot && (runAsUser === 0 || (runAsUser === undefined && !hasUser))) {
    const at = given.runAsUser !== undefined ? path : pod.runAsUser !== undefined ? POD : path;
    const why = runAsUser === 0 ? "must not be 0" : "is required, because programs of the node would run as root,";
    problems.push({ path: `${at}.runAsUser`, reason: `${why} when runAsNonRoot is true` });
  }
  if (privileged && given.allowPrivilegeEscalation === false) {
    problems.push({ path: `${path}.allowPrivilegeEscalation`, reason: "must not be false when privileged is true" });
  }
  const own = given.seccompProfile?.type;
  if (privileged && own !== undefined && own !== "Unconfined") {
    const reason =
      "must be Unconfined, or left out, when privileged is true: no filter is loaded then, as in Kubernetes";
    problems.push({ path: `${path}.seccompProfile.type`, reason });
  }
  const seccomp = privileged ? undefined : seccompOf(given.seccompProfile ?? pod.seccompProfile);
  const appArmor = appArmorOf(given.appArmorProfile, pod.appArmorProfile, privileged, path, problems);
  const groups = [...(pod.supplementalGroups ?? []), pod.fsGroup].filter((id) => id !== undefined);
  return {
    ...(runAsUser !== undefined && { runAsUser }),
    ...(runAsGroup !== undefined && { runAsGroup }),
    runAsNonRoot,
    supplementalGroups: [...new Set(groups)],
    strictGroups: pod.supplementalGroupsPolicy === "Strict",
    readOnlyRootFilesystem,
    addCapabilities: capabilities(given, "add", path, problems),
    dropCapabilities: capabilities(given, "drop", path, problems),
    allowPrivilegeEscalation: given.allowPrivilegeEscalation ?? true,
    privileged,
    ...(seccomp && { seccomp }),
    ...(appArmor && { appArmor }),
  };
}

function checkIds(ids: Readonly<Record<string, number | undefined>>, path: string, problems: Problem[]): void {
  for (const [key, id] of Object.entries(ids)) {
    if (id === undefined || (id >= 0 && id <= MAX_ID)) continue;
    problems.push({ path: `${path}.${key}`, reason: `must be between 0 and ${MAX_ID}` });
  }
}

function checkProfiles({ seccompProfile, appArmorProfile }: Shared, path: string, problems: Problem[]): void {
  if (seccompProfile?.type !== undefined) {
    const { type, localhostProfile } = seccompProfile;
    const reason = localhostRule(type, localhostProfile);
    if (reason !== undefined) problems.push({ path: `${path}.seccompProfile.localhostProfile`, reason });
  }
  checkAppArmor(appArmorProfile, path, problems);
}

function localhostRule(type: string, profile: string | undefined): string | undefined {
  if (type !== "Localhost") return profile === undefined ? undefined : "belongs to type Localhost only";
  if (profile === undefined || profile === "") return "is required with type Localhost";
  if (profile.startsWith("/")) return "must be a relative path";
  return profile.split("/").includes("..") ? 'must not contain ".."' : undefined;
}

function seccompOf(profile: UsableProfile | undefined): NormalizedSeccomp | undefined {
  if (profile?.type === "RuntimeDefault") return { type: "RuntimeDefault" };
  return profile?.type === "Localhost" && profile.localhostProfile !== undefined
    ? { type: "Localhost", localhostProfile: profile.localhostProfile }
    : undefined;
}

function capabilities(given: UsableSecurity, key: "add" | "drop", path: string, problems: Problem[]): string[] {
  return (given.capabilities?.[key] ?? []).flatMap((text, i) => {
    if (text === undefined) return [];
    const name = text.toUpperCase();
    if (isCapability(name)) return [name];
    const known = name.startsWith("CAP_") && isCapability(name.slice(4));
    const reason = known ? `must be without CAP_: ${name.slice(4)}` : "must be the name of a Linux capability, or ALL";
    problems.push({ path: `${path}.capabilities.${key}[${i}]`, reason });
    return [];
  });
}
