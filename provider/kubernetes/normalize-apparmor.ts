/** Which AppArmor profile confines a container: its field, the pod's, or the annotation of before. */
import type { Input } from "@pulumi/pulumi";
import type { Problem } from "../fields";

/** The profile of a container; none, when it is not confined. */
export interface NormalizedAppArmor {
  readonly type: "RuntimeDefault" | "Localhost";
  readonly localhostProfile?: string;
}

/** As the walk leaves one. */
export interface UsableAppArmor {
  type?: string;
  localhostProfile?: string;
}

/** A longer name the kernel does not take. */
const LONGEST = 4090;

/** Checks a profile by itself, where it is a pod's or a container's own. */
export function checkAppArmor(given: UsableAppArmor | undefined, path: string, problems: Problem[]): void {
  if (given?.type === undefined) return;
  const reason = nameRule(given.type, given.localhostProfile);
  if (reason !== undefined) problems.push({ path: `${path}.appArmorProfile.localhostProfile`, reason });
}

function nameRule(type: string, name: string | undefined): string | undefined {
  if (type !== "Localhost") return name === undefined ? undefined : "belongs to type Localhost only";
  if (name === undefined || name === "") return "is required with type Localhost";
  if (name.trim() !== name) return "must not begin or end with white space";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return "must not hold control characters";
  return Buffer.byteLength(name) > LONGEST ? `must be at most ${LONGEST} bytes` : undefined;
}

/** The profile that confines a container; containerd's default one confines no privileged container. */
export function appArmorOf(
  own: UsableAppArmor | undefined,
  pod: UsableAppArmor | undefined,
  privileged: boolean,
  path: string,
  problems: Problem[],
): NormalizedAppArmor | undefined {
  if (privileged && own?.type === "RuntimeDefault") {
    const reason =
      "must not be RuntimeDefault when privileged is true: it confines no such container, as in Kubernetes";
    problems.push({ path: `${path}.appArmorProfile.type`, reason });
  }
  const { type, localhostProfile } = own ?? pod ?? {};
  if (type === "RuntimeDefault") return privileged ? undefined : { type };
  return type === "Localhost" && localhostProfile !== undefined ? { type, localhostProfile } : undefined;
}

const PREFIX = "container.apparmor.security.beta.kubernetes.io/";
const FORMS: Readonly<Record<string, UsableAppArmor>> = {
  "": {},
  "runtime/default": { type: "RuntimeDefault" },
  unconfined: { type: "Unconfined" },
};

/** A container, for its annotation. */
export interface Annotated {
  readonly name: string | undefined;
  readonly path: string;
  readonly profile: UsableAppArmor | undefined;
}

/** What annotations say of containers, by their names: instead of a field, or the same as it. */
export function annotatedProfiles(
  annotations: ReadonlyMap<string, Input<string>>,
  containers: readonly Annotated[],
  pod: UsableAppArmor | undefined,
  problems: Problem[],
): ReadonlyMap<string, UsableAppArmor> {
  const profiles = new Map<string, UsableAppArmor>();
  for (const [key, value] of annotations) {
    if (!key.startsWith(PREFIX)) continue;
    const path = `metadata.annotations[${JSON.stringify(key)}]`;
    const container = containers.find(({ name }) => name === key.slice(PREFIX.length));
    const said = typeof value === "string" ? parseAnnotation(value) : undefined;
    const field = container?.profile ?? pod;
    if (container?.name === undefined) problems.push({ path, reason: "must end in the name of one of the containers" });
    else if (said === undefined) {
      const reason = "must be runtime/default, unconfined or localhost/ and a profile's name, and not an Output";
      problems.push({ path, reason });
    } else if (field !== undefined && (field.type !== said.type || field.localhostProfile !== said.localhostProfile)) {
      const reason = `must say the same as the annotation ${JSON.stringify(key)}; better without that, which is deprecated`;
      problems.push({ path: `${container.path}.securityContext.appArmorProfile`, reason });
    } else if (said.type !== undefined) profiles.set(container.name, said);
  }
  return profiles;
}

function parseAnnotation(value: string): UsableAppArmor | undefined {
  const [, localhostProfile] = /^localhost\/(.*)$/s.exec(value) ?? [];
  if (localhostProfile === undefined) return Object.hasOwn(FORMS, value) ? FORMS[value] : undefined;
  return nameRule("Localhost", localhostProfile) === undefined ? { type: "Localhost", localhostProfile } : undefined;
}
