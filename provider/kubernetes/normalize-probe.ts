/** Probes and hooks of a container, checked by pkg/apis/core/validation and complete: ports are numbers. */
import type { Problem } from "../fields";
import { type Action, actionNames, type HttpGet, type Lifecycle, type Probe } from "./actions";
import { expandStatic } from "./expand";
import { portName } from "./names";
import type { NormalizedContainer } from "./normalize-container";
import type { NormalizedPort } from "./normalize-port";
import { check } from "./rules";
import { signalNumber } from "./signals";

/** What of a pod its probes and hooks depend on. */
export interface ProbePlace {
  readonly kind: "init" | "sidecar" | "main";
  readonly terminationGracePeriodSeconds: number;
  /** Whether the pod says that it is for Linux. */
  readonly hasOs: boolean;
}

/** A container's part of these, as the walk leaves it. */
export interface UsableProbes {
  startupProbe?: UsableProbe;
  readinessProbe?: UsableProbe;
  livenessProbe?: UsableProbe;
  lifecycle?: { postStart?: UsableAction; preStop?: UsableAction; stopSignal?: string };
}

interface UsableAction {
  exec?: { command?: (string | undefined)[] };
  httpGet?: {
    host?: string;
    path?: string;
    port?: number | string;
    scheme?: "HTTP" | "HTTPS";
    httpHeaders?: ({ name?: string; value?: string } | undefined)[];
  };
  tcpSocket?: { host?: string; port?: number | string };
  grpc?: { port?: number; service?: string };
  sleep?: { seconds?: number };
}
interface UsableProbe extends UsableAction {
  initialDelaySeconds?: number;
  periodSeconds?: number;
  timeoutSeconds?: number;
  successThreshold?: number;
  failureThreshold?: number;
  terminationGracePeriodSeconds?: number;
}

/** What {@link normalizeProbes} makes. */
export type NormalizedProbes = {
  readonly [K in "startupProbe" | "readinessProbe" | "livenessProbe"]?: Probe;
} & { readonly lifecycle?: Lifecycle; readonly stopSignal?: string };

const PROBES = ["startupProbe", "readinessProbe", "livenessProbe"] as const;

/** Checks the probes and hooks of one container. */
export function normalizeProbes(
  given: UsableProbes,
  container: Pick<NormalizedContainer, "ports" | "env">,
  place: ProbePlace,
  path: string,
  problems: Problem[],
): NormalizedProbes {
  if (place.kind === "init") {
    for (const key of [...PROBES, "lifecycle"] as const)
      if (given[key] !== undefined && Object.keys(given[key]).length > 0)
        problems.push({
          path: `${path}.${key}`,
          reason: 'must not be set for an init container without restartPolicy "Always"',
        });
    return {};
  }
  const probes = PROBES.flatMap((key) => {
    const probe = given[key];
    return probe === undefined
      ? []
      : [[key, normalizeProbe(probe, key, container, `${path}.${key}`, problems)] as const];
  });
  return {
    ...Object.fromEntries(probes),
    ...normalizeLifecycle(given.lifecycle ?? {}, container, place, path, problems),
  };
}

/** Seconds that are counted in 32 bits; 0 means the default where there is one, as an API server fills it in. */
const NUMBERS = {
  initialDelaySeconds: 0,
  periodSeconds: 10,
  timeoutSeconds: 1,
  successThreshold: 1,
  failureThreshold: 3,
} as const;
const MOST = 2 ** 31 - 1;

function normalizeProbe(
  probe: UsableProbe,
  kind: (typeof PROBES)[number],
  container: Pick<NormalizedContainer, "ports" | "env">,
  path: string,
  problems: Problem[],
): Probe {
  const refuse = (key: string, reason: string) => problems.push({ path: `${path}.${key}`, reason });
  const numbers = Object.entries(NUMBERS).map(([key, usual]) => {
    const value = probe[key as keyof typeof NUMBERS] ?? 0;
    if (value < 0 || value > MOST) refuse(key, `must be between 0 and ${MOST}`);
    return [key, value === 0 ? usual : value] as const;
  });
  const complete = Object.fromEntries(numbers) as Record<keyof typeof NUMBERS, number>;
  if (kind !== "readinessProbe" && complete.successThreshold !== 1)
    refuse("successThreshold", `must be 1 in a ${kind}`);
  const { terminationGracePeriodSeconds: seconds } = probe;
  if (seconds !== undefined && kind === "readinessProbe")
    refuse("terminationGracePeriodSeconds", "must not be set for a readinessProbe, which ends nothing");
  else if (seconds !== undefined && (seconds < 1 || seconds > MOST))
    refuse("terminationGracePeriodSeconds", `must be between 1 and ${MOST}`);
  const action = normalizeAction(probe, ["exec", "httpGet", "tcpSocket", "grpc"], container.ports, path, problems);
  // A kubelet replaces references in the commands of probes, and in those of hooks it does not.
  const command = action.exec && expandStatic(action.exec.command, container.env);
  return {
    ...action,
    ...(command && { exec: { command: command as string[] } }),
    ...complete,
    ...(seconds !== undefined && { terminationGracePeriodSeconds: seconds }),
  };
}

function normalizeLifecycle(
  { postStart, preStop, stopSignal }: NonNullable<UsableProbes["lifecycle"]>,
  { ports }: Pick<NormalizedContainer, "ports">,
  { terminationGracePeriodSeconds, hasOs }: ProbePlace,
  path: string,
  problems: Problem[],
): Pick<NormalizedProbes, "lifecycle" | "stopSignal"> {
  const hooks = Object.entries({ postStart, preStop }).flatMap(([key, given]) => {
    if (given === undefined) return [];
    const at = `${path}.lifecycle.${key}`;
    const { seconds } = given.sleep ?? {};
    if (seconds !== undefined && (seconds < 0 || seconds > terminationGracePeriodSeconds))
      problems.push({
        path: `${at}.sleep.seconds`,
        reason: `must be between 0 and the pod's terminationGracePeriodSeconds, ${terminationGracePeriodSeconds}`,
      });
    return [[key, normalizeAction(given, ["exec", "httpGet", "sleep"], ports, at, problems)] as const];
  });
  if (stopSignal !== undefined && signalNumber(stopSignal) === undefined)
    problems.push({
      path: `${path}.lifecycle.stopSignal`,
      reason: "must be a signal of Linux, such as SIGUSR1 or SIGRTMIN+3",
    });
  else if (stopSignal !== undefined && !hasOs)
    problems.push({
      path: `${path}.lifecycle.stopSignal`,
      reason: 'needs spec.os.name: "linux", as in Kubernetes: signals are an operating system\'s',
    });
  return {
    ...(hooks.length > 0 && { lifecycle: Object.fromEntries(hooks) }),
    ...(stopSignal !== undefined && { stopSignal }),
  };
}

type ActionName = (typeof actionNames)[number];

function normalizeAction(
  given: UsableAction,
  known: readonly ActionName[],
  ports: readonly NormalizedPort[],
  path: string,
  problems: Problem[],
): Action {
  const present = actionNames.filter((name) => given[name] !== undefined);
  const isRefused = present.length === 0 && problems.some((problem) => problem.path.startsWith(`${path}.`));
  if (present.length !== 1 && !isRefused)
    problems.push({ path, reason: `must have ${present.length === 0 ? "one" : "only one"} of ${known.join(", ")}` });
  const { exec, httpGet, tcpSocket, grpc, sleep } = given;
  if (exec) {
    const command = (exec.command ?? []).filter((word) => word !== undefined);
    if (command.length === 0) problems.push({ path: `${path}.exec.command`, reason: "must have at least one word" });
    return { exec: { command } };
  }
  if (httpGet) return { httpGet: normalizeHttp(httpGet, ports, `${path}.httpGet`, problems) };
  if (tcpSocket) {
    const port = normalizePort(tcpSocket.port, ports, `${path}.tcpSocket.port`, problems);
    return { tcpSocket: { port, ...normalizeHost(tcpSocket.host, `${path}.tcpSocket.host`, problems) } };
  }
  if (grpc) {
    const { service = "" } = grpc;
    if (!/^[ -~]{0,120}$/.test(service))
      problems.push({ path: `${path}.grpc.service`, reason: "must be at most 120 printable ASCII characters" });
    return { grpc: { port: normalizePort(grpc.port, [], `${path}.grpc.port`, problems), service } };
  }
  return sleep ? { sleep: { seconds: sleep.seconds ?? 0 } } : {};
}

function normalizeHttp(
  given: NonNullable<UsableAction["httpGet"]>,
  ports: readonly NormalizedPort[],
  path: string,
  problems: Problem[],
): HttpGet {
  const headers = (given.httpHeaders ?? []).map((header, i) => {
    const { name = "", value = "" } = header ?? {};
    if (header?.name !== undefined && !/^[-A-Za-z0-9]+$/.test(name))
      problems.push({
        path: `${path}.httpHeaders[${i}].name`,
        reason: "must be a header's name: letters, digits and -",
      });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what HTTP does not allow in a value
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value))
      problems.push({ path: `${path}.httpHeaders[${i}].value`, reason: "must not contain control characters" });
    return { name, value };
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a URL does not take
  if (/[\u0000-\u001f\u007f]/.test(given.path ?? ""))
    problems.push({ path: `${path}.path`, reason: "must not contain control characters" });
  return {
    port: normalizePort(given.port, ports, `${path}.port`, problems),
    ...normalizeHost(given.host, `${path}.host`, problems),
    path: given.path === undefined || given.path === "" ? "/" : given.path,
    scheme: given.scheme ?? "HTTP",
    ...(headers.length > 0 && { httpHeaders: headers }),
  };
}

function normalizeHost(host: string | undefined, path: string, problems: Problem[]): { host?: string } {
  if (host === undefined || host === "") return {};
  if (!/^[A-Za-z0-9.:_-]{1,253}$/.test(host)) problems.push({ path, reason: "must be a host name or an address" });
  return { host };
}

function normalizePort(
  port: number | string | undefined,
  ports: readonly NormalizedPort[],
  path: string,
  problems: Problem[],
): number {
  if (typeof port === "number") {
    if (port < 1 || port > 65_535) problems.push({ path, reason: "must be between 1 and 65535" });
    return port;
  }
  if (port === undefined) return 1;
  check(portName, port, path, problems);
  const named = ports.find(({ name }) => name === port);
  if (portName(port) === undefined && named === undefined)
    problems.push({ path, reason: "must be the name of a port in the container's ports, or a number" });
  return named?.containerPort ?? 1;
}
