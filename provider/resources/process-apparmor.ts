/** The AppArmor profiles of a Process's containers: looked for before anything is made, chosen by the launcher. */
import { type Command, raw } from "../command/command";
import { InputError } from "../errors";
import { object, oneOf, optional, type Problem, required, text } from "../fields";
import { digest } from "../naming";
import type { Preparation } from "../resource";
import { type Container, containersOf, type ProcessInputs } from "./process-args";

/** Which AppArmor profile confines a program. */
export interface AppArmorProfileArgs {
  /**
   * `RuntimeDefault`: what container runtimes allow by default; it is loaded with the node's `apparmor_parser`, and goes with
   * the last Process that has it. `Localhost`: one that is loaded on the node. `Unconfined`: none.
   */
  readonly type: "RuntimeDefault" | "Localhost" | "Unconfined";
  /** With `Localhost`, the profile's name, as `/sys/kernel/security/apparmor/profiles` has it. */
  readonly localhostProfile?: string | undefined;
}

const securityfs = "/sys/kernel/security/apparmor";

/** As long as the launcher takes one. */
export const appArmorField = object({
  type: required(oneOf("RuntimeDefault", "Localhost", "Unconfined")),
  localhostProfile: optional(
    text({ max: 4090, pattern: /^(?! ).*[^ ]$/, form: "a profile's name, without blanks at its ends" }),
  ),
});

/** What is wrong with a container's profile by itself. */
export function appArmorProblems({ appArmorProfile, privileged }: Container): Problem[] {
  if (appArmorProfile == null) return [];
  const { type, localhostProfile } = appArmorProfile;
  const path = "appArmorProfile.localhostProfile";
  if (type === "Localhost" && localhostProfile == null)
    return [{ path, reason: "is required: the name of a profile that is loaded on the node" }];
  if (type !== "Localhost" && localhostProfile != null) return [{ path, reason: "belongs to type Localhost only" }];
  return privileged === true && type === "RuntimeDefault"
    ? [{ path: "appArmorProfile", reason: "does not confine a privileged container, as in Kubernetes: leave it out" }]
    : [];
}

/** What a node says of AppArmor. */
export interface AppArmor {
  readonly enabled: boolean;
  /** The names of the loaded profiles; absent where they cannot be read. */
  readonly profiles?: readonly string[];
  /** Whether there is an `apparmor_parser`. */
  readonly parser: boolean;
}

/** Where the parser is, whatever the login's PATH. */
const findParser = "PATH=$PATH:/usr/sbin:/sbin";

const look = `read -r enabled 2>/dev/null < /sys/module/apparmor/parameters/enabled || enabled=N
parser=no
if (${findParser}; command -v apparmor_parser) >/dev/null 2>&1; then parser=yes; fi
echo "$enabled $parser"
if [ -r ${securityfs}/profiles ]; then echo profiles; cat ${securityfs}/profiles; fi`;

/** Reads what {@link look} prints: a profile's line is its name and, in parentheses, its mode. */
export function parseAppArmor(output: string): AppArmor {
  const [first = "", header, ...lines] = output.split("\n");
  const profiles = lines.filter((line) => line !== "").map((line) => line.replace(/ \([a-z]+\)$/, ""));
  return { enabled: first.startsWith("Y"), parser: first.endsWith(" yes"), ...(header === "profiles" && { profiles }) };
}

/** Fails where a container asks for a profile that the node cannot give. */
export async function checkAppArmor(inputs: ProcessInputs, { session }: Preparation): Promise<ProcessInputs> {
  const containers = containersOf(inputs);
  if (!containers.some(({ appArmorProfile }) => isConfining(appArmorProfile))) return inputs;
  const label = "look for AppArmor";
  const { stdout } = await session.run({ script: look, quick: true, repeatable: true, label });
  const found = parseAppArmor(stdout.toString("utf8"));
  containers.forEach(({ appArmorProfile }, index) => {
    const problem = obstacle(appArmorProfile, found, session.description);
    const at = inputs.containers === undefined ? "" : `containers[${index}].`;
    if (problem !== undefined) throw new InputError(`${at}${problem.path}`, problem.reason);
  });
  return inputs;
}

/** Why a node cannot confine a container by a profile. */
export function obstacle(
  profile: AppArmorProfileArgs | undefined,
  { enabled, profiles, parser }: AppArmor,
  node: string,
): Problem | undefined {
  if (profile == null || !isConfining(profile)) return undefined;
  const path = "appArmorProfile";
  if (!enabled)
    return {
      path,
      reason: `AppArmor is not enabled in the kernel of ${node}, so no profile would confine the container: leave it out, or boot a kernel that has AppArmor, with apparmor=1`,
    };
  if (profiles === undefined)
    return { path, reason: `${securityfs} cannot be read on ${node}: mount securityfs at /sys/kernel/security` };
  if (profile.type === "Localhost")
    return profiles.includes(profile.localhostProfile ?? "")
      ? undefined
      : {
          path: `${path}.localhostProfile`,
          reason: `no profile ${JSON.stringify(profile.localhostProfile)} is loaded on ${node}: load it first, with apparmor_parser -r FILE`,
        };
  return parser || profiles.includes(defaultName)
    ? undefined
    : {
        path,
        reason: `${node} lacks apparmor_parser, which loads the profile of RuntimeDefault: install it there, on Debian with apt-get install -y apparmor`,
      };
}

function isConfining(profile: AppArmorProfileArgs | undefined): boolean {
  return profile != null && profile.type !== "Unconfined";
}

/** The name of the profile that confines a container, if one does. */
export function profileOf({ appArmorProfile: profile }: Container): string | undefined {
  return profile == null || !isConfining(profile) ? undefined : (profile.localhostProfile ?? defaultName);
}

const prefix = "barepod-default-";

/**
 * What containerd's default profile allows: everything that the other confinements leave, but no mounts, and nothing of the
 * machine to be written below /proc and /sys (contrib/apparmor of containerd). The keeper, unconfined, may end what runs in it.
 */
function defaultProfile(name: string): string {
  const machine = ["[^f]*", "f[^s]*", "fs/[^c]*", "fs/c[^g]*", "fs/cg[^r]*"].map(
    (path) => `deny /sys/${path}/** wklx,`,
  );
  // Neither a process's folder nor sys.
  const others = "{[^1-9/],[^1-9/][^0-9/],[^1-9s/][^0-9y/][^0-9s/],[^1-9/][^0-9/][^0-9/][^0-9/]*}";
  const rules = [
    ...["network,", "capability,", "file,", "umount,"],
    "signal (receive) peer=unconfined,",
    `signal (send, receive) peer=${name},`,
    `ptrace (trace, tracedby, read, readby) peer=${name},`,
    "deny mount,",
    "deny /proc/* w,",
    `deny /proc/${others}/** w,`,
    // Of the kernel's settings, those of System V shared memory alone.
    "deny /proc/sys/[^k]** w,",
    "deny /proc/sys/kernel/{?,??,[^s][^h][^m]**} w,",
    ...["sysrq-trigger", "kcore"].map((file) => `deny /proc/${file} rwklx,`),
    ...machine,
    ...["firmware", "devices/virtual/powercap", "kernel/security"].map((path) => `deny /sys/${path}/** rwklx,`),
  ];
  return `profile ${name} flags=(attach_disconnected,mediate_deleted) {\n${rules.join("\n")}\n}\n`;
}

/** Another profile is another name: what runs keeps the one that it has. */
const defaultName = `${prefix}${digest(defaultProfile(prefix), 8)}`;

function usesDefault(inputs: ProcessInputs): boolean {
  return containersOf(inputs).some(({ appArmorProfile }) => appArmorProfile?.type === "RuntimeDefault");
}

/** Loads the profile of `RuntimeDefault`, where it is not loaded. Under the node's lock, once the containers' files are there. */
export function loadProfile(inputs: ProcessInputs): Command[] {
  if (!usesDefault(inputs)) return [];
  const script = `grep -qF -- "$1 (" ${securityfs}/profiles && return 0
if [ -e /etc/apparmor.d/abi/3.0 ]; then set -- "$1" "abi <abi/3.0>,
$2"; fi
(${findParser}; printf %s "$2" | apparmor_parser --skip-cache --replace)`;
  return [raw("load the AppArmor profile of RuntimeDefault", script, defaultName, defaultProfile(defaultName))];
}

/** Takes it away after its last container. Whoever takes it away from a process that runs takes the process's confinement. */
export function unloadProfile(inputs: ProcessInputs): Command[] {
  if (!usesDefault(inputs)) return [];
  const script = `[ -r ${securityfs}/profiles ] || return 0
grep -o -- "^$1[0-9a-f]*" ${securityfs}/profiles | while read -r name; do
grep -qsxF "apparmor	$name" /run/barepod/process/*/*/conf || printf %s "$name" > ${securityfs}/.remove
done`;
  return [raw("unload the AppArmor profile of RuntimeDefault", script, prefix)];
}
