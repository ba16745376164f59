import type * as pulumi from "@pulumi/pulumi";
import { type Command, raw, secret, sh, write } from "../command/command";
import { makeFolder, parentOf, removeFolder } from "../command/folders";
import { type ContainerState, type ProcessState, processAt, processFolder } from "../facts/process";
import { boolean, type Fields, integer, list, object, oneOf, optional, path, record, required, text } from "../fields";
import { isCapability } from "../kubernetes/capabilities";
import {
  type ContainerConfig,
  defaultMaskedPaths,
  defaultReadonlyPaths,
  launcherConfig,
  type Volume,
} from "../launcher-config";
import { boundedName, digest, uidOf } from "../naming";
import { keeperPath } from "../node-programs";
import {
  containsUnknown,
  defineSpec,
  equal,
  type NodeInputs,
  NodeResource,
  type PrimitiveArgs,
  type Readiness,
} from "../resource";

/** What one container runs, and how it is confined. */
export interface ContainerArgs {
  /** The program and its arguments. The program is looked up in PATH inside the root. No shell is involved. */
  readonly command: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * The environment, besides PATH. Values may be secrets.
   * @defaultValue only PATH
   */
  readonly env?: pulumi.Input<Record<string, pulumi.Input<string>>> | undefined;
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
  /** Folders and files of the node that the container sees, mounted in its own mount namespace. */
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
  /** Further group ids. */
  readonly supplementalGroups?: pulumi.Input<number[]> | undefined;
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
}

/** One of several containers of a {@link Process}. */
export interface NamedContainerArgs extends ContainerArgs {
  /** A DNS label, unique in the Process. */
  readonly name: pulumi.Input<string>;
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
  /** The pod that it belongs to: names its log folder as a kubelet does. */
  readonly pod?: pulumi.Input<{ readonly namespace: string; readonly name: string }> | undefined;
  /**
   * Whether the containers see the node's resolv.conf; with systemd-resolved the one that lists the real servers.
   * @defaultValue false
   */
  readonly resolvConf?: pulumi.Input<boolean> | undefined;
  /**
   * Whether to return before the containers run.
   * @defaultValue false
   */
  readonly skipAwait?: pulumi.Input<boolean> | undefined;
  /**
   * Seconds to wait until the containers run.
   * @defaultValue 600
   */
  readonly timeoutSeconds?: pulumi.Input<number> | undefined;
}

/** The inputs of a {@link Process}: one container's own, or `containers`. */
export interface ProcessArgs extends ProcessOwnArgs, Partial<ContainerArgs> {}

export type NamespaceType = "net" | "uts" | "ipc" | "pid" | "mnt" | "cgroup";

interface Container {
  readonly name?: string;
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  readonly rootFs?: string;
  readonly cgroup?: string;
  readonly volumes?: readonly Volume[];
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly allowPrivilegeEscalation?: boolean;
  readonly privileged?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

/** @internal */
export interface ProcessInputs extends NodeInputs, Omit<Container, "name"> {
  readonly name: string;
  readonly containers?: readonly Container[];
  readonly namespace?: string;
  readonly hostNamespaces?: readonly string[];
  readonly mounts?: readonly string[];
  readonly interfaces?: readonly string[];
  readonly restartPolicy?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly pod?: { readonly namespace: string; readonly name: string };
  readonly resolvConf?: boolean;
  readonly skipAwait?: boolean;
  readonly timeoutSeconds?: number;
  readonly running: boolean;
}

const containerName = text({ max: 63, pattern: /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, form: "a DNS label" });
const id = integer(0, 2 ** 31 - 1);
const word = text({ max: 131_071, empty: true, controls: true });

const containerFields: Fields = {
  command: optional(list(word, { min: 1, max: 1000 })),
  env: optional(record(text({ max: 1000, pattern: /^[^=]+$/, form: "a variable's name, without =" }), word)),
  workingDir: optional(path({ root: true })),
  rootFs: optional(path()),
  cgroup: optional(text({ max: 1000, pattern: /^[^/].*[^/]$|^[^/]$/, form: "a path below the hierarchy's root" })),
  volumes: optional(
    list(
      object({
        source: required(path({ root: true })),
        target: required(path()),
        readOnly: optional(boolean()),
        ephemeral: optional(boolean()),
      }),
    ),
  ),
  runAsUser: optional(id),
  runAsGroup: optional(id),
  supplementalGroups: optional(list(id, { max: 64 })),
  capabilities: optional(object({ add: optional(list(capability)), drop: optional(list(capability)) })),
  allowPrivilegeEscalation: optional(boolean()),
  privileged: optional(boolean()),
  readOnlyRootFilesystem: optional(boolean()),
  maskedPaths: optional(list(path())),
  readonlyPaths: optional(list(path())),
};

const immutable = [
  ...Object.keys(containerFields).filter((key) => key !== "cgroup" && key !== "containers"),
  "namespace",
  "hostNamespaces",
  "mounts",
  "interfaces",
  "pod",
  "resolvConf",
] as (keyof ProcessInputs & string)[];

/** @internal */
export const processSpec = defineSpec<ProcessInputs, ProcessState>({
  type: "Process",
  identity: ["name"],
  immutable,
  cannotChange: (olds, news) => [
    // An unknown group is one that is about to be replaced: it can only go once nothing runs in it.
    ...(containsUnknown(news.cgroup) ? (["cgroup"] as const) : []),
    ...(sameContainers(olds.containers, news.containers) ? [] : (["containers"] as const)),
  ],
  fields: {
    ...containerFields,
    name: required(
      text({ max: 100, pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, form: "a name of letters, digits, . _ and -" }),
    ),
    containers: optional(
      list(object({ name: required(containerName), ...containerFields, command: required(list(word, { min: 1 })) }), {
        min: 1,
        max: 100,
      }),
    ),
    namespace: optional(path()),
    hostNamespaces: optional(list(oneOf("net", "uts", "ipc", "pid", "mnt", "cgroup"))),
    mounts: optional(list(path())),
    interfaces: optional(list(text({ max: 253 }))),
    restartPolicy: optional(oneOf("Always", "OnFailure", "Never")),
    terminationGracePeriodSeconds: optional(integer(0, 86_400)),
    pod: optional(object({ namespace: required(text({ max: 63 })), name: required(text({ max: 253 })) })),
    resolvConf: optional(boolean()),
    skipAwait: optional(boolean()),
    timeoutSeconds: optional(integer(1, 86_400)),
    running: required(boolean()),
  },
  generate: ({ resourceUrn }) => ({ name: boundedName("", resourceUrn?.split("::").at(-1) ?? "process", 100) }),
  check: (inputs) => [
    ...((inputs.command === undefined) === (inputs.containers === undefined)
      ? [{ path: "command", reason: "give exactly one of command and containers" }]
      : []),
    ...containersOf(inputs).flatMap((container, index) =>
      shares(inputs, "mnt") && (container.volumes?.length ?? 0) > 0
        ? [
            {
              path: inputs.containers === undefined ? "volumes" : `containers[${index}].volumes`,
              reason: "need a mount namespace of their own: take mnt out of hostNamespaces",
            },
          ]
        : [],
    ),
    ...duplicates(containersOf(inputs).map(({ name }) => name ?? "")).map((name) => ({
      path: "containers",
      reason: `${name} is the name of more than one`,
    })),
  ],
  needsPrograms: () => true,
  slow: (inputs) => ({
    deadlineMs: ((inputs.terminationGracePeriodSeconds ?? 30) + 60) * 1000,
    removing: `ending, at most ${inputs.terminationGracePeriodSeconds ?? 30} s`,
  }),
  observe: (inputs) => processAt(inputs.name, inputs.namespace),
  plan: (inputs, seen) => {
    if (seen === undefined) return start(inputs);
    if (!inputs.running || !works(inputs, seen)) return [stop(inputs), ...(inputs.running ? start(inputs) : [])];
    return Object.keys(settings(inputs, seen)).length === 0
      ? []
      : [describe(inputs), sh(keeperPath(), "move", processFolder(inputs.name))];
  },
  undo: (state) => [stop(state)],
  cleanup: (state) => [
    ...ephemeral(state).flatMap((folder) => [
      sh("rm", "-rf", "--one-file-system", "--", folder),
      removeFolder(parentOf(folder)),
    ]),
    sh("rm", "-rf", "--", processFolder(state.name)),
    raw("remove the folder, if it is empty", 'rmdir -- "$1" 2>/dev/null || :', processFolder("").slice(0, -1)),
  ],
  drift: (inputs, seen) => ({
    ...(inputs.running === runs(inputs, seen) ? {} : { running: !inputs.running }),
    ...settings(inputs, seen),
  }),
  outputs: (inputs, seen) => ({
    uid: uidOf(inputs.owner),
    phase: phaseOf(seen),
    podIP: seen.address,
    hostIP: seen.hostAddress,
    containerStatuses: seen.containers.map(({ name, state, reason, restarts, pid, startedAt, last }) => ({
      name,
      state: state === "" ? "waiting" : state,
      reason,
      restartCount: restarts,
      ...(pid === undefined ? {} : { pid, startedAt }),
      ...(last === undefined ? {} : { lastExitCode: last.exitCode, lastReason: last.reason }),
    })),
  }),
  ready: (inputs, seen) => (inputs.skipAwait === true || !inputs.running ? { kind: "ready" } : readiness(inputs, seen)),
  readyTimeoutMs: (inputs) => (inputs.timeoutSeconds ?? 600) * 1000,
  boot: { rank: () => "90", commands: start },
});

/**
 * A process on the node, started by the launcher and kept by a keeper: in namespaces and a control group, confined as a
 * Kubernetes container is, restarted by policy, its output in a CRI log.
 *
 * @example
 * ```ts
 * new Process("box", { node, rootFs: box.path, namespace: ns.path, cgroup: cg.path, command: ["/bin/bash", "-c", "sleep 10000"] });
 * ```
 */
export class Process extends NodeResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly running: pulumi.Output<boolean>;
  /** `Pending`, `Running`, `Succeeded` or `Failed`. */
  declare readonly phase: pulumi.Output<string>;
  declare readonly podIP: pulumi.Output<string>;
  declare readonly hostIP: pulumi.Output<string>;
  declare readonly uid: pulumi.Output<string>;
  declare readonly containerStatuses: pulumi.Output<ContainerStatus[]>;

  constructor(name: string, args: ProcessArgs, options?: pulumi.CustomResourceOptions) {
    const computed = ["phase", "podIP", "hostIP", "uid", "containerStatuses"];
    // The bookkeeping may hold the last lines of a log.
    const additionalSecretOutputs = ["_barepod"];
    super(processSpec.type, name, { name: undefined, ...args, running: true }, computed, {
      ...options,
      additionalSecretOutputs,
    });
  }
}

/** How a container fares. */
export interface ContainerStatus {
  readonly name: string;
  /** `running`, `waiting` or `terminated`. */
  readonly state: string;
  readonly reason: string;
  readonly restartCount: number;
  readonly pid?: number;
  readonly startedAt?: string;
  readonly lastExitCode?: number;
  readonly lastReason?: string;
}

function capability(value: unknown, at: string): { path: string; reason: string }[] {
  return typeof value === "string" && isCapability(value)
    ? []
    : [{ path: at, reason: "must be a capability's name without CAP_, such as NET_ADMIN, or ALL" }];
}

function containersOf(inputs: ProcessInputs): readonly Container[] {
  return inputs.containers ?? [{ ...inputs, name: "main" }];
}

function shares(inputs: ProcessInputs, type: string): boolean {
  return inputs.hostNamespaces?.includes(type) === true;
}

function sameContainers(olds: ProcessInputs["containers"], news: ProcessInputs["containers"]): boolean {
  if (containsUnknown(news)) return false;
  const withoutGroups = (list: ProcessInputs["containers"]): unknown =>
    list?.map((each) => ({ ...each, cgroup: null }));
  return equal(withoutGroups(olds), withoutGroups(news));
}

function duplicates(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

function start(inputs: ProcessInputs): Command[] {
  const folder = processFolder(inputs.name);
  return [
    raw(
      "make a folder that only root reads",
      '(umask 077; mkdir -p -- "$@")',
      ...containersOf(inputs).map(({ name }) => `${folder}/${name}`),
    ),
    ...ephemeral(inputs).flatMap((source) => [makeFolder(source), sh("chmod", "0777", source)]),
    describe(inputs),
    ...containersOf(inputs).map((container) =>
      write(`${folder}/${container.name}/conf`, secret(launcherConfig(complete(inputs, container))), { mode: 0o600 }),
    ),
    sh(keeperPath(), "start", folder),
  ];
}

/** Folders that are made for the containers and go with them. */
function ephemeral(inputs: ProcessInputs): string[] {
  const volumes = containersOf(inputs).flatMap((container) => container.volumes ?? []);
  return [...new Set(volumes.flatMap((volume) => (volume.ephemeral === true ? [volume.source] : [])))];
}

function stop(inputs: ProcessInputs): Command {
  const folder = processFolder(inputs.name);
  return raw(
    "end the containers",
    '[ ! -e "$2/spec" ] || "$1" stop "$2" || return; rm -rf -- "$2"',
    keeperPath(),
    folder,
  );
}

/** Writes what the keeper reads. */
function describe(inputs: ProcessInputs): Command {
  const { namespace = "default", name } = inputs.pod ?? { name: inputs.name };
  const pod = boundedName("", `${namespace}_${name}_${uidOf(inputs.owner)}`, 250);
  const lines = [
    ["id", inputs.name],
    ["restart", inputs.restartPolicy ?? "Always"],
    ["grace", inputs.terminationGracePeriodSeconds ?? 30],
    ["namespace", inputs.namespace ?? ""],
    ["host", inputs.hostNamespaces?.join(",") ?? ""],
    ["resolv", inputs.resolvConf === true ? "yes" : "no"],
    ...containersOf(inputs).map((container) => [
      "container",
      container.name ?? "",
      container.cgroup ?? "-",
      `/var/log/pods/${pod}/${container.name}`,
      `/var/log/containers/${boundedName("", `${name}_${namespace}_${container.name}`, 180)}-${digest(`${inputs.owner} ${container.name}`, 64)}.log`,
    ]),
  ];
  return write(`${processFolder(inputs.name)}/spec`, `${lines.map((line) => line.join("\t")).join("\n")}\n`, {
    mode: 0o600,
  });
}

function complete(inputs: ProcessInputs, container: Container): ContainerConfig {
  const { add = [], drop = [] } = container.capabilities ?? {};
  const { rootFs, workingDir, runAsUser, runAsGroup, supplementalGroups } = container;
  const optionals = { rootFs, workingDir, runAsUser, runAsGroup, supplementalGroups };
  return {
    ...(Object.fromEntries(Object.entries(optionals).filter(([, value]) => value !== undefined)) as typeof container),
    command: container.command ?? [],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...container.env },
    addCapabilities: add,
    dropCapabilities: drop,
    allowPrivilegeEscalation: container.allowPrivilegeEscalation ?? true,
    privileged: container.privileged ?? false,
    readOnlyRootFilesystem: container.readOnlyRootFilesystem ?? false,
    maskedPaths: container.maskedPaths ?? defaultMaskedPaths,
    readonlyPaths: container.readonlyPaths ?? defaultReadonlyPaths,
    volumes: container.volumes ?? [],
    ownMounts: !shares(inputs, "mnt"),
  };
}

/** What of the keeper's settings the node has otherwise; they change in place. */
function settings(inputs: ProcessInputs, seen: ProcessState): Partial<ProcessInputs> {
  const { restartPolicy = "Always", terminationGracePeriodSeconds = 30 } = inputs;
  const groups = containersOf(inputs).filter(({ name = "", cgroup = "-" }) => (seen.cgroups[name] ?? "-") !== cgroup);
  const moved =
    groups.length === 0
      ? {}
      : inputs.containers === undefined
        ? { cgroup: seen.cgroups["main"] ?? "" }
        : {
            containers: inputs.containers.map((each) => ({ ...each, cgroup: seen.cgroups[each.name ?? ""] ?? "" })),
          };
  return {
    ...(seen.restartPolicy === restartPolicy ? {} : { restartPolicy: seen.restartPolicy }),
    ...(seen.gracePeriod === terminationGracePeriodSeconds ? {} : { terminationGracePeriodSeconds: seen.gracePeriod }),
    ...moved,
  };
}

function ended(container: ContainerState): boolean {
  return container.state === "terminated";
}

/** Whether it does what its policy asks: it runs, or it is done. */
function runs(inputs: ProcessInputs, seen: ProcessState): boolean {
  const there = containersOf(inputs).every(({ name }) => seen.containers.some((each) => each.name === name));
  if (!there) return false;
  const done = seen.containers.every(ended);
  return (seen.keeper && seen.containers.every((each) => each.state === "running" || ended(each))) || done;
}

/** Whether an update may leave it as it is: what has failed is started again. */
function works(inputs: ProcessInputs, seen: ProcessState): boolean {
  return runs(inputs, seen) && seen.containers.every((each) => !ended(each) || each.reason === "Completed");
}

function phaseOf(seen: ProcessState): string {
  if (seen.containers.length > 0 && seen.containers.every(ended))
    return seen.containers.every(({ reason }) => reason === "Completed") ? "Succeeded" : "Failed";
  return seen.containers.every(({ state }) => state === "") ? "Pending" : "Running";
}

function readiness(inputs: ProcessInputs, seen: ProcessState | undefined): Readiness {
  if (seen === undefined) return { kind: "failed", message: "nothing of it is left on the node" };
  const problems = seen.containers.filter(hasFailed);
  if (problems.length > 0) return { kind: "failed", message: problems.map(explain).join("\n") };
  if (!seen.keeper && !seen.containers.every(ended)) return { kind: "failed", message: "the keeper has ended" };
  const waiting = seen.containers.filter(({ state }) => state !== "running" && state !== "terminated");
  if (waiting.length === 0 && seen.containers.length >= containersOf(inputs).length) return { kind: "ready" };
  return { kind: "waiting", message: `waiting for ${waiting.map(({ name }) => name).join(", ")} to start` };
}

function hasFailed({ state, reason, last }: ContainerState): boolean {
  if (state === "waiting") return true;
  if (state === "terminated") return reason !== "Completed";
  return last?.reason === "StartError" && state === "";
}

/** The reason, and the last lines of the log. */
function explain({ name, last, reason, restarts, error, log }: ContainerState): string {
  const why = last?.reason ?? reason;
  const again = restarts === 0 ? "" : `, ${restarts + 1} times`;
  const how =
    why === "StartError"
      ? `could not be started: ${error === "" ? `exit code ${last?.exitCode}` : error}`
      : why === "OOMKilled"
        ? `was killed because it used more memory than its limit (OOMKilled, exit code ${last?.exitCode}${again})`
        : why === "Completed"
          ? `ended with exit code 0${again}: with restartPolicy Always a program must keep running`
          : `ended with exit code ${last?.exitCode}${again}`;
  const lines = log.length === 0 ? "" : `\n  the last lines of its log:${log.map((line) => `\n    ${line}`).join("")}`;
  return `container ${name} ${how}${lines}`;
}
