/** The pod's account, and where its containers find a token for it. */
import type { Problem } from "../fields";
import { ROOT_CA } from "../naming";
import { dnsSubdomain } from "./names";
import type { NormalizedContainer } from "./normalize-container";
import type { NormalizedVolume } from "./normalize-volume";
import { check } from "./rules";

/** The part of a pod's spec as the walk leaves it. */
export interface UsableServiceAccount {
  automountServiceAccountToken?: boolean;
  serviceAccount?: string;
  serviceAccountName?: string;
}

/** The account's name: of the two fields for it the deprecated one counts where the other says nothing. */
export function normalizeServiceAccount(
  { serviceAccount = "", serviceAccountName = "" }: UsableServiceAccount,
  problems: Problem[],
): string {
  const field = serviceAccountName === "" ? "serviceAccount" : "serviceAccountName";
  const name = serviceAccountName === "" ? serviceAccount : serviceAccountName;
  if (name !== "") check(dnsSubdomain, name, `spec.${field}`, problems);
  return name === "" ? "default" : name;
}

/** Where every Kubernetes client looks. */
const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME = "kube-api-access";
/** As Kubernetes has it, the seven tell a token that was mounted unasked from others. */
const EXPIRATION_SECONDS = 3607;

/** Mounts the account's token where nothing is mounted yet, as Kubernetes' admission does: a manifest's own volume counts. */
export function withApiAccess(
  volumes: readonly NormalizedVolume[],
  containers: readonly NormalizedContainer[],
): { readonly volumes: NormalizedVolume[]; readonly containers: NormalizedContainer[] } {
  const own = volumes.find(({ name }) => name.startsWith(`${VOLUME}-`));
  const volume = own ?? apiAccess();
  const lacks = ({ mounts }: NormalizedContainer) => !mounts.some(({ mountPath }) => mountPath === MOUNT_PATH);
  const mount = { volume: volume.name, mountPath: MOUNT_PATH, readOnly: true };
  return {
    volumes: own === undefined && containers.some(lacks) ? [...volumes, volume] : [...volumes],
    containers: containers.map((each) => (lacks(each) ? { ...each, mounts: [...each.mounts, mount] } : each)),
  };
}

function apiAccess(): NormalizedVolume {
  const mode = 0o644;
  const ca = { object: "configmaps", objectName: ROOT_CA, key: "ca.crt", optional: false } as const;
  return {
    // A user's volume cannot have this name without being taken for this one.
    name: `${VOLUME}-token`,
    kind: "content",
    files: [
      { from: { audience: "", expirationSeconds: EXPIRATION_SECONDS }, path: "token", mode },
      { from: ca, path: "ca.crt", mode },
      { from: { field: "metadata.namespace" }, path: "namespace", mode },
    ],
  };
}
