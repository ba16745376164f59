import type * as pulumi from "@pulumi/pulumi";
import { type ProcessState, processAt } from "../facts/process";
import { stampFile } from "../facts/root-fs";
import {
  boolean,
  dnsLabel,
  type Fields,
  integer,
  list,
  object,
  oneOf,
  optional,
  type Problem,
  path,
  record,
  required,
  text,
} from "../fields";
import { isCapability } from "../kubernetes/capabilities";
import { boundedName, uidOf } from "../naming";
import { ownerName } from "../owner";
import { containsUnknown, defineSpec, equal, NodeResource } from "../resource";
import { maskFor } from "../secrets";
import { actionFields } from "./process-actions";
import { appArmorField, appArmorProblems, checkAppArmor } from "./process-apparmor";
import { type Container, containersOf, type ProcessArgs, type ProcessInputs, sharesWithNode } from "./process-args";
import { change, cleanup, start, startAtBoot, stop } from "./process-files";
import { networkFields } from "./process-network";
import { changesClass, oomWarnings } from "./process-oom";
import { checkProjections, projectionFields } from "./process-projections";
import { registrationFields } from "./process-registration";
import { findProfiles, seccompField, seccompProblems } from "./process-seccomp";
import { settings } from "./process-settings";
import {
  type ContainerStatus,
  conditionsOf,
  issuerOf,
  type PodCondition,
  phaseOf,
  readiness,
  runs,
  statusesOf,
  type TokenIssuer,
  works,
} from "./process-status";
import { variableName, variableProblems, variablesField } from "./process-variables";

export type { ContainerArgs, NamedContainerArgs, ProcessArgs } from "./process-args";
export type { Dns, Hosts } from "./process-network";
export type { NamedPort } from "./process-registration";
export type { ContainerStatus, PodCondition, TokenIssuer } from "./process-status";

const id = integer(0, 2 ** 31 - 1);
const word = text({ max: 131_071, empty: true, controls: true });

const containerFields: Fields = {
  command: optional(list(word, { max: 1000 })),
  imageDefaults: optional(oneOf("all", "entrypoint", "none")),
  env: optional(record(variableName, word)),
  variables: optional(variablesField),
  expand: optional(boolean()),
  workingDir: optional(path({ root: true })),
  rootFs: optional(path()),
  cgroup: optional(groupPath),
  volumes: optional(
    list(
      object({
        source: required(path({ root: true })),
        target: required(path()),
        readOnly: optional(boolean()),
        ephemeral: optional(boolean()),
        group: optional(id),
        subPath: optional(
          text({ max: 4095, pattern: /^(?!\/)(?!(.*\/)?\.\.(\/|$))/, form: "a relative path without .. segments" }),
        ),
        propagation: optional(oneOf("HostToContainer", "Bidirectional")),
        recursiveReadOnly: optional(oneOf("IfPossible", "Enabled")),
      }),
    ),
  ),
  runAsUser: optional(id),
  runAsGroup: optional(id),
  runAsNonRoot: optional(boolean()),
  supplementalGroups: optional(list(id, { max: 64 })),
  supplementalGroupsPolicy: optional(oneOf("Merge", "Strict")),
  capabilities: optional(object({ add: optional(list(capability)), drop: optional(list(capability)) })),
  allowPrivilegeEscalation: optional(boolean()),
  privileged: optional(boolean()),
  readOnlyRootFilesystem: optional(boolean()),
  maskedPaths: optional(list(path())),
  readonlyPaths: optional(list(path())),
  seccompProfile: optional(seccompField),
  appArmorProfile: optional(appArmorField),
  oomScoreAdj: optional(integer(-1000, 1000)),
  memoryRequest: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  ...actionFields,
  terminationMessagePath: optional(path()),
  terminationMessagePolicy: optional(oneOf("File", "FallbackToLogsOnError")),
};

/** What of a container changes while it runs. */
const mutable = ["cgroup", "oomScoreAdj", "memoryRequest"];

const immutable = [
  ...Object.keys(containerFields).filter((key) => !mutable.includes(key)),
  "namespace",
  "hostNamespaces",
  "mounts",
  "interfaces",
  "pod",
  "resolvConf",
  "hosts",
  "dns",
  "hostPaths",
] as (keyof ProcessInputs & string)[];

/** @internal */
export const processSpec = defineSpec<ProcessInputs, ProcessState>({
  type: "Process",
  identity: ["name"],
  immutable,
  cannotChange: (olds, news) => [
    // An unknown group is one that is about to be replaced: it can only go once nothing runs in it.
    ...(containsUnknown(news.cgroup) ? (["cgroup"] as const) : []),
    ...(sameContainers(olds.containers, news.containers) && !changesClass(olds, news) ? [] : (["containers"] as const)),
    ...(isPutOff(olds, news) ? (["activeDeadlineSeconds"] as const) : []),
  ],
  fields: {
    ...containerFields,
    name: required(
      text({ max: 100, pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, form: "a name of letters, digits, . _ and -" }),
    ),
    containers: optional(
      list(
        object({
          name: required(dnsLabel()),
          kind: optional(oneOf("init", "sidecar")),
          ...containerFields,
          command: required(list(word, { max: 1000 })),
        }),
        {
          min: 1,
          max: 100,
        },
      ),
    ),
    namespace: optional(path()),
    hostNamespaces: optional(list(oneOf("net", "uts", "ipc", "pid", "mnt", "cgroup"))),
    mounts: optional(list(path())),
    interfaces: optional(list(text({ max: 253 }))),
    restartPolicy: optional(oneOf("Always", "OnFailure", "Never")),
    terminationGracePeriodSeconds: optional(integer(0, 86_400)),
    activeDeadlineSeconds: optional(integer(1, 2 ** 31 - 1)),
    pod: optional(object({ namespace: required(text({ max: 63 })), name: required(text({ max: 253 })) })),
    ...registrationFields,
    resolvConf: optional(boolean()),
    ...networkFields,
    ...projectionFields,
    skipAwait: optional(boolean()),
    timeoutSeconds: optional(integer(1, 86_400)),
    running: required(boolean()),
  },
  generate: ({ resourceUrn }) => ({ name: boundedName("", resourceUrn?.split("::").at(-1) ?? "process", 100) }),
  check,
  needsPrograms: () => true,
  slow: (inputs) => ({
    deadlineMs: ((inputs.terminationGracePeriodSeconds ?? 30) + 60) * 1000,
    removing: `ending, at most ${inputs.terminationGracePeriodSeconds ?? 30} s`,
  }),
  prepare: async (inputs, on) => checkAppArmor(await findProfiles(inputs, on), on),
  observe: (inputs) => processAt(inputs.name, inputs.namespace, stampsOf(inputs)),
  plan: (inputs, seen) => {
    if (seen === undefined) return start(inputs);
    if (!inputs.running || !works(inputs, seen)) return [stop(inputs), ...(inputs.running ? start(inputs) : [])];
    return Object.keys(settings(inputs, seen)).length === 0 ? [] : change(inputs);
  },
  undo: (state) => [stop(state)],
  cleanup,
  drift: (inputs, seen) => ({
    ...(inputs.running === runs(inputs, seen) ? {} : { running: !inputs.running }),
    ...settings(inputs, seen),
  }),
  outputs: (inputs, seen) => ({
    uid: uidOf(ownerName(inputs)),
    phase: phaseOf(seen),
    podIP: seen.address,
    hostIP: seen.hostAddress,
    reason: seen.reason,
    tokenIssuer: issuerOf(seen),
    conditions: conditionsOf(seen),
    initContainerStatuses: statusesOf(seen, "init", maskFor(inputs)),
    containerStatuses: statusesOf(seen, "main", maskFor(inputs)),
  }),
  warnings: (_, seen) => [...seen.warnings, ...oomWarnings(seen.oom)],
  ready: readiness,
  readyTimeoutMs: (inputs) => (inputs.timeoutSeconds ?? 600) * 1000,
  boot: { rank: () => "90", commands: startAtBoot },
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
  /** False once a refresh has found that it does not run: the next `up` starts it again. */
  declare readonly running: pulumi.Output<boolean>;
  /** `Pending`, `Running`, `Succeeded` or `Failed`. */
  declare readonly phase: pulumi.Output<string>;
  declare readonly podIP: pulumi.Output<string>;
  declare readonly hostIP: pulumi.Output<string>;
  declare readonly uid: pulumi.Output<string>;
  /** `DeadlineExceeded`, or empty. */
  declare readonly reason: pulumi.Output<string>;
  /** Who signs the tokens that projections have, and with which keys; undefined without such. */
  declare readonly tokenIssuer: pulumi.Output<TokenIssuer | undefined>;
  declare readonly conditions: pulumi.Output<PodCondition[]>;
  declare readonly initContainerStatuses: pulumi.Output<ContainerStatus[]>;
  declare readonly containerStatuses: pulumi.Output<ContainerStatus[]>;

  constructor(name: string, args: ProcessArgs, options?: pulumi.CustomResourceOptions) {
    const computed = [
      "phase",
      "podIP",
      "hostIP",
      "uid",
      "reason",
      "tokenIssuer",
      "conditions",
      "initContainerStatuses",
      "containerStatuses",
    ];
    // The bookkeeping may hold the last lines of a log.
    const additionalSecretOutputs = ["_barepod"];
    super(processSpec.type, name, { name: undefined, ...args, running: true }, computed, {
      ...options,
      additionalSecretOutputs,
    });
  }
}

/** By the containers' names, the files that say what their root file systems are made from. */
function stampsOf(inputs: ProcessInputs): Record<string, string> {
  return Object.fromEntries(
    containersOf(inputs).flatMap(({ name = "", rootFs }) => (rootFs === undefined ? [] : [[name, stampFile(rootFs)]])),
  );
}

function check(inputs: ProcessInputs): Problem[] {
  const containers = containersOf(inputs);
  const names = containers.map(({ name }) => name);
  const twice = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  return [
    ...((inputs.command === undefined) === (inputs.containers === undefined)
      ? [{ path: "command", reason: "give exactly one of command and containers" }]
      : []),
    ...misplaced(inputs),
    ...(inputs.resolvConf === true && inputs.dns !== undefined && inputs.dns !== null
      ? [{ path: "dns", reason: "give one of resolvConf and dns" }]
      : []),
    ...(["domain", "kernelName"] as const).flatMap((key) =>
      (inputs.hosts?.[key] ?? undefined) === undefined || (inputs.hosts?.hostname ?? undefined) !== undefined
        ? []
        : [{ path: `hosts.${key}`, reason: "needs a hostname: without one the node's own names are shown" }],
    ),
    ...(inputs.hosts?.hostname !== undefined && inputs.namespace === undefined
      ? [{ path: "hosts.hostname", reason: "needs a namespace: its VethPair has the address that belongs to the name" }]
      : []),
    ...checkProjections(inputs),
    ...(["labels", "namedPorts"] as const).flatMap((path) =>
      (inputs[path] ?? undefined) === undefined || inputs.pod !== undefined
        ? []
        : [{ path, reason: "needs a pod: Services select pods of a namespace" }],
    ),
    ...containers.flatMap((container, index) =>
      withoutEffect(inputs, container).map(({ path, reason }) => ({
        path: inputs.containers === undefined ? path : `containers[${index}].${path}`,
        reason,
      })),
    ),
    ...outOfOrder(containers),
    ...twice.map((name) => ({ path: "containers", reason: `${name} is the name of more than one` })),
  ];
}

/** Init containers and sidecars begin before the others, which there must be. */
function outOfOrder(containers: readonly Container[]): Problem[] {
  const isMain = ({ kind }: Container) => (kind ?? undefined) === undefined;
  const first = containers.findIndex(isMain);
  if (first < 0) return [{ path: "containers", reason: "needs one that is neither init nor sidecar" }];
  return containers.flatMap((each, index) =>
    index < first || isMain(each)
      ? []
      : [{ path: `containers[${index}].kind`, reason: "must stand before all without a kind" }],
  );
}

/** With several containers, what is one container's own stands in it. */
function misplaced(inputs: ProcessInputs): Problem[] {
  if (inputs.containers === undefined) return [];
  return Object.keys(containerFields)
    .filter((key) => key !== "command" && (inputs[key as keyof ProcessInputs] ?? undefined) !== undefined)
    .map((path) => ({ path, reason: "belongs into each of the containers" }));
}

/** What contradicts itself, or would silently do nothing. */
function withoutEffect(inputs: ProcessInputs, container: Container): Problem[] {
  const own = "needs a mount namespace of its own: take mnt out of hostNamespaces";
  const given = (["volumes", "maskedPaths", "readonlyPaths"] as const).filter((key) => container[key]?.length);
  const { imageDefaults } = container;
  const nothing = container.command?.length === 0 && (imageDefaults ?? "none") === "none";
  return [
    ...seccompProblems(container),
    ...appArmorProblems(container),
    ...variableProblems(container),
    ...(container.runAsNonRoot === true && container.runAsUser === 0
      ? [{ path: "runAsUser", reason: "must not be 0 when runAsNonRoot is true" }]
      : []),
    ...(container.oomScoreAdj != null && container.memoryRequest != null
      ? [{ path: "memoryRequest", reason: "decides the same as oomScoreAdj; give one of them" }]
      : []),
    ...(nothing ? [{ path: "command", reason: "must have at least 1 element" }] : []),
    ...(imageDefaults !== undefined && container.rootFs === undefined
      ? [{ path: "imageDefaults", reason: "needs a rootFs, made of an image" }]
      : []),
    ...(sharesWithNode(inputs, "mnt") ? given.map((path) => ({ path, reason: own })) : []),
    ...((container.terminationMessagePath ?? undefined) === undefined
      ? []
      : container.rootFs === undefined
        ? [{ path: "terminationMessagePath", reason: "needs a rootFs: nothing is mounted over the node's own files" }]
        : sharesWithNode(inputs, "mnt")
          ? [{ path: "terminationMessagePath", reason: own }]
          : []),
    ...actionsWithoutEffect(container),
    ...(container.readOnlyRootFilesystem !== true
      ? []
      : container.rootFs === undefined
        ? [{ path: "readOnlyRootFilesystem", reason: "needs a rootFs: the node's own root stays as it is" }]
        : sharesWithNode(inputs, "mnt")
          ? [{ path: "readOnlyRootFilesystem", reason: own }]
          : []),
  ];
}

/** As in Kubernetes: an init container is done when it ends, and these probes have no second success to count. */
function actionsWithoutEffect(container: Container): Problem[] {
  const names = ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle"] as const;
  const given = names.filter((key) => (container[key] ?? undefined) !== undefined);
  if (container.kind === "init")
    return given.map((path) => ({ path, reason: "must not be given for an init container, which runs to its end" }));
  return (["startupProbe", "livenessProbe"] as const).flatMap((key) =>
    (container[key]?.successThreshold ?? 1) === 1 ? [] : [{ path: `${key}.successThreshold`, reason: "must be 1" }],
  );
}

function groupPath(value: unknown, at: string): Problem[] {
  const problems = text({ max: 1000 })(value, at);
  if (problems.length > 0) return problems;
  return String(value)
    .split("/")
    .some((segment) => ["", ".", ".."].includes(segment) || Buffer.byteLength(segment) > 255)
    ? [{ path: at, reason: "must be a CGroup's path: relative, in its shortest form, such as barepod/web" }]
    : [];
}

function capability(value: unknown, at: string): Problem[] {
  return typeof value === "string" && isCapability(value)
    ? []
    : [{ path: at, reason: "must be a capability's name without CAP_, such as NET_ADMIN, or ALL" }];
}

/** As in Kubernetes a deadline may be set, and may come sooner; nobody who has one gets more time. */
function isPutOff(
  { activeDeadlineSeconds: old }: ProcessInputs,
  { activeDeadlineSeconds: now }: ProcessInputs,
): boolean {
  if ((old ?? undefined) === undefined) return false;
  return typeof now !== "number" || now > Number(old);
}

function sameContainers(olds: ProcessInputs["containers"], news: ProcessInputs["containers"]): boolean {
  if (containsUnknown(news)) return false;
  const fixed = (list: ProcessInputs["containers"]): unknown =>
    list?.map((each) => Object.fromEntries(Object.entries(each).filter(([key]) => !mutable.includes(key))));
  return equal(fixed(olds), fixed(news));
}
