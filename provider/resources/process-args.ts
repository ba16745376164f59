/** What a Process is told: its arguments in a program, and the same as the provider gets them. */
import type * as pulumi from "@pulumi/pulumi";
import type { Lifecycle, Probe } from "../kubernetes/actions";
import type { ImageDefaults, Variable, Volume } from "../launcher-config";
import type { NodeInputs, PrimitiveArgs } from "../resource";
import type { AppArmorProfileArgs } from "./process-apparmor";
import type { Dns, Hosts } from "./process-network";
import type { HostPath, Projection } from "./process-projections";
import type { RegistrationArgs, RegistrationInputs } from "./process-registration";
import type { FoundProfiles, SeccompProfileArgs } from "./process-seccomp";

/** What one container runs, and how it is confined. */
export interface ContainerArgs {
  /** The program and its arguments. The program is looked up in PATH inside the root. No shell is involved. */
  readonly command: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * What the image of its `rootFs` gives to the container: its variables, user, working directory and stop signal, where
   * nothing else is said here; and before `command`, which may be empty then, its entry point and arguments (`all`), its
   * entry point, or `none` of them. The RootFs must be made of an `image`.
   * @defaultValue nothing at all
   */
  readonly imageDefaults?: pulumi.Input<ImageDefaults> | undefined;
  /**
   * The environment, besides PATH, HOME and, with `hosts`, HOSTNAME. Values may be secrets.
   * @defaultValue only these
   */
  readonly env?: pulumi.Input<Record<string, pulumi.Input<string>>> | undefined;
  /**
   * Further variables, in order, among them such as are read from files of the node at each start; of equal names the later
   * one counts, and files before folders.
   * @defaultValue none
   */
  readonly variables?: pulumi.Input<pulumi.Input<Variable>[]> | undefined;
  /**
   * Whether `$(NAME)` in `command` and `variables` is replaced by Kubernetes' rules.
   * @defaultValue false
   */
  readonly expand?: pulumi.Input<boolean> | undefined;
  /**
   * The working directory, which must exist.
   * @defaultValue `/`
   */
  readonly workingDir?: pulumi.Input<string> | undefined;
  /**
   * The root directory: a RootFs's `path`.
   * @defaultValue the node's own root
   */
  readonly rootFs?: pulumi.Input<string> | undefined;
  /** The control group: a CGroup's `path`. Changes in place. */
  readonly cgroup?: pulumi.Input<string> | undefined;
  /**
   * Folders and files of the node that the container sees, mounted in its own mount namespace. In a root file system what
   * they are mounted on is made when missing; on the node's own root it must be there.
   */
  readonly volumes?: pulumi.Input<pulumi.Input<Volume>[]> | undefined;
  /**
   * The user id, 0 to 2147483647.
   * @defaultValue 0
   */
  readonly runAsUser?: pulumi.Input<number> | undefined;
  /**
   * The group id, 0 to 2147483647.
   * @defaultValue 0
   */
  readonly runAsGroup?: pulumi.Input<number> | undefined;
  /**
   * Refuses to start as user 0, whoever says so.
   * @defaultValue false
   */
  readonly runAsNonRoot?: pulumi.Input<boolean> | undefined;
  /** Further group ids. */
  readonly supplementalGroups?: pulumi.Input<number[]> | undefined;
  /**
   * Whether the root file system's /etc/group gives the user further groups (`Merge`) or not (`Strict`). The node's own
   * never does.
   * @defaultValue `Merge`
   */
  readonly supplementalGroupsPolicy?: pulumi.Input<"Merge" | "Strict"> | undefined;
  /** Capabilities to add to and drop from containerd's default set, without `CAP_`; `ALL` is known. */
  readonly capabilities?: pulumi.Input<{ readonly add?: string[]; readonly drop?: string[] }> | undefined;
  /**
   * Whether the program may gain privileges, by set-user-id for example (prctl(2), PR_SET_NO_NEW_PRIVS).
   * @defaultValue true
   */
  readonly allowPrivilegeEscalation?: pulumi.Input<boolean> | undefined;
  /**
   * All capabilities, the node's devices, nothing masked.
   * @defaultValue false
   */
  readonly privileged?: pulumi.Input<boolean> | undefined;
  /** @defaultValue false */
  readonly readOnlyRootFilesystem?: pulumi.Input<boolean> | undefined;
  /** @defaultValue containerd's */
  readonly maskedPaths?: pulumi.Input<string[]> | undefined;
  /** @defaultValue containerd's */
  readonly readonlyPaths?: pulumi.Input<string[]> | undefined;
  /**
   * Which system calls it may make.
   * @defaultValue all
   */
  readonly seccompProfile?: pulumi.Input<SeccompProfileArgs> | undefined;
  /**
   * Which AppArmor profile confines it. One that the node cannot give is an error before anything is made.
   * @defaultValue none: that of whoever has logged in, as a rule none
   */
  readonly appArmorProfile?: pulumi.Input<AppArmorProfileArgs> | undefined;
  /**
   * How soon the kernel ends it when the node runs out of memory, -1000 (never) to 1000 (first). Where the node does not
   * permit a negative one, a warning says so. Changes in place, and counts from the next start on; in a `pod`, whose QoS
   * class it tells, another one replaces the Process. Not with `memoryRequest`.
   * @defaultValue the login's
   */
  readonly oomScoreAdj?: pulumi.Input<number> | undefined;
  /**
   * The same from the memory that it asks for, in bytes: the more of the node's, the later it is ended, as Kubernetes
   * treats a Burstable container.
   */
  readonly memoryRequest?: pulumi.Input<number> | undefined;
  /** Until it succeeds the other probes wait; what fails it is ended, and started again by the policy. */
  readonly startupProbe?: pulumi.Input<Probe> | undefined;
  /** Whether the container is ready: what `up` waits for. */
  readonly readinessProbe?: pulumi.Input<Probe> | undefined;
  /** A container that fails it is ended, and started again unless the policy is `Never`. */
  readonly livenessProbe?: pulumi.Input<Probe> | undefined;
  /** What is done once the container runs (a failure ends it), and before it is ended, within the grace period. */
  readonly lifecycle?: pulumi.Input<Lifecycle> | undefined;
  /**
   * What asks the container to end, such as `SIGQUIT` (signal(7)).
   * @defaultValue `SIGTERM`
   */
  readonly stopSignal?: pulumi.Input<string> | undefined;
  /**
   * A file in the container, which it may write its last words to: 4096 bytes of them are shown with the reason of its end.
   * Needs a rootFs.
   * @defaultValue `/dev/termination-log` for a container of a `pod` with a rootFs, otherwise none
   */
  readonly terminationMessagePath?: pulumi.Input<string> | undefined;
  /**
   * With `FallbackToLogsOnError`, what has failed without last words is shown with the last 2048 bytes of its log, at most
   * 80 lines.
   * @defaultValue `File`
   */
  readonly terminationMessagePolicy?: pulumi.Input<"File" | "FallbackToLogsOnError"> | undefined;
}

/** One of several containers of a {@link Process}. */
export interface NamedContainerArgs extends ContainerArgs {
  /** A DNS label, unique in the Process. */
  readonly name: pulumi.Input<string>;
  /**
   * `init`: runs to its end before the containers after it start. `sidecar`: is started before them, always started again,
   * and ended after them, the last one first. Both kinds stand before all others.
   * @defaultValue neither
   */
  readonly kind?: pulumi.Input<"init" | "sidecar"> | undefined;
}

/** What a {@link Process} is about besides its container. */
export interface ProcessOwnArgs extends PrimitiveArgs {
  /**
   * The name on the node. Changing this replaces the Process.
   * @defaultValue generated from the resource's name
   */
  readonly name?: pulumi.Input<string> | undefined;
  /** Several containers under one keeper, instead of one. */
  readonly containers?: pulumi.Input<pulumi.Input<NamedContainerArgs>[]> | undefined;
  /** A Namespace's `path`: the process joins what is pinned there, and gets fresh namespaces of the other types. */
  readonly namespace?: pulumi.Input<string> | undefined;
  /** Which of the node's own namespaces the process stays in. */
  readonly hostNamespaces?: pulumi.Input<pulumi.Input<NamespaceType>[]> | undefined;
  /** Mounts' `target`s that must be there first, and go last. */
  readonly mounts?: pulumi.Input<pulumi.Input<string>[]> | undefined;
  /** VethPairs' `name`s that must be there first, and go last. */
  readonly interfaces?: pulumi.Input<pulumi.Input<string>[]> | undefined;
  /**
   * When an ended container is started again, with Kubernetes' back-off: at once, then after 10 s, doubling to 300 s,
   * started over after ten minutes of running. Changes in place.
   * @defaultValue `Always`
   */
  readonly restartPolicy?: pulumi.Input<"Always" | "OnFailure" | "Never"> | undefined;
  /**
   * Seconds between TERM and KILL when it is deleted. Changes in place.
   * @defaultValue 30
   */
  readonly terminationGracePeriodSeconds?: pulumi.Input<number> | undefined;
  /**
   * Seconds after its first start when all of it is ended, 1 or more, reboots included. Set or shortened in place; a longer
   * one, or none any more, replaces the Process.
   * @defaultValue none
   */
  readonly activeDeadlineSeconds?: pulumi.Input<number> | undefined;
  /** The pod that it belongs to: names its log folder as a kubelet does. */
  readonly pod?: pulumi.Input<{ readonly namespace: string; readonly name: string }> | undefined;
  /**
   * Whether the containers see the node's resolv.conf; with systemd-resolved the one that lists the real servers.
   * @defaultValue false
   */
  readonly resolvConf?: pulumi.Input<boolean> | undefined;
  /**
   * What the containers with a root file system of their own find in /etc/hosts and /etc/hostname, unless a volume is
   * mounted there. Made on the node; renewed when a container starts again.
   * @defaultValue their root file system's
   */
  readonly hosts?: pulumi.Input<Hosts> | undefined;
  /**
   * The same for /etc/resolv.conf. Not with `resolvConf`.
   * @defaultValue their root file system's
   */
  readonly dns?: pulumi.Input<Dns> | undefined;
  /**
   * Volumes with files from elsewhere, which containers see at `/run/barepod/volumes/<name>/<volume>`; on a tmpfs, filled before
   * each start, and renewed while they run when a FileSet in `/var/lib/barepod/objects` has changed. Changes in place.
   * @defaultValue none
   */
  readonly projections?: pulumi.Input<pulumi.Input<Projection>[]> | undefined;
  /**
   * Paths of the node that are looked at, or made, before each start, as a kubelet does for hostPath volumes.
   * @defaultValue none
   */
  readonly hostPaths?: pulumi.Input<pulumi.Input<HostPath>[]> | undefined;
  /**
   * Whether to return before the containers run and are ready.
   * @defaultValue false
   */
  readonly skipAwait?: pulumi.Input<boolean> | undefined;
  /**
   * Seconds to wait until the containers run and are ready.
   * @defaultValue 600
   */
  readonly timeoutSeconds?: pulumi.Input<number> | undefined;
}

/** The inputs of a {@link Process}: one container's own, or `containers`. */
export interface ProcessArgs extends ProcessOwnArgs, RegistrationArgs, Partial<ContainerArgs> {}

export type NamespaceType = "net" | "uts" | "ipc" | "pid" | "mnt" | "cgroup";

/** One container, resolved. @internal */
export interface Container {
  readonly name?: string;
  readonly command?: readonly string[];
  readonly imageDefaults?: ImageDefaults;
  readonly env?: Readonly<Record<string, string>>;
  readonly variables?: readonly Variable[];
  readonly expand?: boolean;
  readonly workingDir?: string;
  readonly rootFs?: string;
  readonly cgroup?: string;
  readonly volumes?: readonly Volume[];
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: "Merge" | "Strict";
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly allowPrivilegeEscalation?: boolean;
  readonly privileged?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly seccompProfile?: SeccompProfileArgs;
  readonly appArmorProfile?: AppArmorProfileArgs;
  readonly oomScoreAdj?: number;
  readonly memoryRequest?: number;
  readonly kind?: "init" | "sidecar";
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: Lifecycle;
  readonly stopSignal?: string;
  readonly terminationMessagePath?: string;
  readonly terminationMessagePolicy?: string;
}

/** @internal */
export interface ProcessInputs extends NodeInputs, Omit<Container, "name" | "kind">, RegistrationInputs {
  readonly name: string;
  readonly containers?: readonly Container[];
  readonly namespace?: string;
  readonly hostNamespaces?: readonly NamespaceType[];
  readonly mounts?: readonly string[];
  readonly interfaces?: readonly string[];
  readonly restartPolicy?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly activeDeadlineSeconds?: number;
  readonly resolvConf?: boolean;
  readonly hosts?: Hosts;
  readonly dns?: Dns;
  readonly projections?: readonly Projection[];
  readonly hostPaths?: readonly HostPath[];
  readonly skipAwait?: boolean;
  readonly timeoutSeconds?: number;
  readonly running: boolean;
  /** What was found on the node before the plan; not part of the state. */
  readonly foundProfiles?: FoundProfiles;
}

/** The containers, whichever way they were given. @internal */
export function containersOf(inputs: ProcessInputs): readonly Container[] {
  return inputs.containers ?? [{ ...inputs, name: "main" }];
}

/** Whether the process stays in the node's own namespace of a type. @internal */
export function sharesWithNode(inputs: ProcessInputs, type: NamespaceType): boolean {
  return inputs.hostNamespaces?.includes(type) === true;
}
