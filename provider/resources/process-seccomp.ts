/** The system call filters of a Process's containers. */
import { quote } from "../command/quote";
import { CommandError, InputError } from "../errors";
import { object, oneOf, optional, type Problem, required, text } from "../fields";
import { capabilitiesOf } from "../kubernetes/capabilities";
import type { Preparation } from "../resource";
import { compile, encode } from "../seccomp/compile";
import { defaultProfile } from "../seccomp/default-profile";
import { parseProfile } from "../seccomp/profile";
import { type Container, containersOf, type ProcessInputs } from "./process-args";

/** Which system calls a program may make. */
export interface SeccompProfileArgs {
  /** `RuntimeDefault`: what container runtimes allow by default. `Localhost`: a profile that lies on the node. `Unconfined`: all. */
  readonly type: "RuntimeDefault" | "Localhost" | "Unconfined";
  /**
   * With `Localhost`, the profile's path below `/var/lib/barepod/seccomp` on the node: a JSON file as Docker and the OCI
   * runtime specification describe it. It is read when the Process is made.
   */
  readonly localhostProfile?: string | undefined;
}

/** Where profiles for `Localhost` lie on a node. */
const folder = "/var/lib/barepod/seccomp";
/** More than any profile has; beyond it something else was named. */
const MOST_BYTES = 1024 * 1024;

/** What was found on the node before the plan: never kept. */
export interface FoundProfiles {
  readonly kernel: string;
  /** By the name that the containers have for them. */
  readonly profiles: Readonly<Record<string, string>>;
}

export const seccompField = object({
  type: required(oneOf("RuntimeDefault", "Localhost", "Unconfined")),
  localhostProfile: optional(text({ max: 1000 })),
});

/** What is wrong with a container's profile by itself. */
export function seccompProblems({ seccompProfile, privileged }: Container): Problem[] {
  if (seccompProfile === undefined) return [];
  const { type, localhostProfile } = seccompProfile;
  const at = "seccompProfile.localhostProfile";
  if (type === "Localhost" && localhostProfile == null)
    return [{ path: at, reason: `is required: a file below ${folder}` }];
  if (type !== "Localhost" && localhostProfile != null) return [{ path: at, reason: "belongs to type Localhost only" }];
  if (localhostProfile?.startsWith("/") || localhostProfile?.split("/").includes(".."))
    return [{ path: at, reason: `must be a path below ${folder}, without ".."` }];
  return privileged === true && type !== "Unconfined"
    ? [{ path: "seccompProfile", reason: "a privileged container is not confined, as in Kubernetes: leave it out" }]
    : [];
}

/** Brings the profiles that lie on the node. */
export async function findProfiles(inputs: ProcessInputs, { session }: Preparation): Promise<ProcessInputs> {
  const names = [
    ...new Set(containersOf(inputs).flatMap(({ seccompProfile }) => seccompProfile?.localhostProfile ?? [])),
  ];
  if (names.length === 0) return inputs;
  const profiles: Record<string, string> = {};
  let kernel = "";
  for (const name of names) {
    const file = `${folder}/${name}`;
    const label = `read the seccomp profile ${file}`;
    const script = `read -r kernel < /proc/sys/kernel/osrelease; echo "$kernel"; head -c ${MOST_BYTES + 1} < ${quote(file)}`;
    const { exitCode, stdout, stderr } = await session.run({ script, quick: true, repeatable: true, label });
    if (exitCode !== 0) {
      throw new CommandError({
        what: `could not read the seccomp profile ${JSON.stringify(name)}`,
        node: session.description,
        command: `cat ${quote(file)}`,
        exitCode,
        stderr: stderr.toString("utf8"),
        next: `put it there, with a File for example: localhostProfile is a path below ${folder}`,
      });
    }
    const end = stdout.indexOf("\n");
    kernel = stdout.subarray(0, end).toString("utf8");
    const content = stdout.subarray(end + 1);
    if (content.length > MOST_BYTES) throw new InputError(file, `must be at most ${MOST_BYTES} bytes`);
    profiles[name] = content.toString("utf8");
    // A mistake in it shows before anything is made.
    parseProfile(profiles[name], file);
  }
  return { ...inputs, foundProfiles: { kernel, profiles } };
}

/** Whether a filter is loaded for a container; never for a privileged one. */
export function isFiltered({ seccompProfile, privileged }: Container): boolean {
  return seccompProfile != null && seccompProfile.type !== "Unconfined" && privileged !== true;
}

/** The filter of a container, as the launcher takes it; none for one that is not confined. */
export function filterOf(inputs: ProcessInputs, container: Container): Buffer | undefined {
  const { seccompProfile, capabilities = {}, privileged = false } = container;
  if (!isFiltered(container) || seccompProfile == null) return undefined;
  const name = seccompProfile.localhostProfile ?? "";
  const path = seccompProfile.type === "RuntimeDefault" ? "RuntimeDefault" : `${folder}/${name}`;
  const names = capabilitiesOf({
    addCapabilities: capabilities.add ?? [],
    dropCapabilities: capabilities.drop ?? [],
    privileged,
  });
  const situation = {
    capabilities: names.map((each) => `CAP_${each}`),
    kernel: inputs.foundProfiles?.kernel ?? "",
  };
  if (seccompProfile.type !== "RuntimeDefault")
    return encode(compile(parseProfile(found(inputs, name), path), situation, path));
  const key = names.join();
  const known = defaults.get(key) ?? encode(compile(defaultProfile, situation, path));
  defaults.set(key, known);
  return known;
}

/** RuntimeDefault's filters by capabilities: most containers have the same, and a plan is made more than once. */
const defaults = new Map<string, Buffer>();

function found(inputs: ProcessInputs, name: string): string {
  const text = inputs.foundProfiles?.profiles[name];
  if (text === undefined) throw new Error(`the seccomp profile ${JSON.stringify(name)} was not read`);
  return text;
}
