/** Probes and hooks of a container: what may stand in them, and the shell texts that the keeper reads. Pure. */
import { type Command, raw } from "../command/command";
import { quote } from "../command/quote";
import { type Field, integer, list, object, oneOf, optional, type Problem, required, text } from "../fields";
import { type Action, actionNames, type HttpGet, type Lifecycle, type Probe } from "../kubernetes/actions";
import { signalNumber } from "../kubernetes/signals";
import type { Container } from "./process-args";

const seconds = (min: number) => integer(min, 2 ** 31 - 1);
const port = integer(1, 65_535);
const host = text({ max: 253, pattern: /^[A-Za-z0-9.:_][A-Za-z0-9.:_-]*$/, form: "a host name or an address" });
const word = text({ max: 131_071, empty: true, controls: true });

const exec = optional(object({ command: required(list(word, { min: 1, max: 1000 })) }));
const httpGet = optional(
  object({
    port: required(port),
    host: optional(host),
    path: optional(text({ max: 4000, empty: true })),
    scheme: optional(oneOf("HTTP", "HTTPS")),
    httpHeaders: optional(
      list(
        object({
          name: required(text({ max: 256, pattern: /^[-A-Za-z0-9]+$/, form: "a header's name" })),
          value: required(text({ max: 8192, empty: true })),
        }),
        { max: 100 },
      ),
    ),
  }),
);
const tcpSocket = optional(object({ port: required(port), host: optional(host) }));
const grpc = optional(object({ port: required(port), service: optional(text({ max: 120, empty: true })) }));
const sleep = optional(object({ seconds: required(seconds(0)) }));

const probe = one({
  exec,
  httpGet,
  tcpSocket,
  grpc,
  initialDelaySeconds: optional(seconds(0)),
  periodSeconds: optional(seconds(1)),
  timeoutSeconds: optional(seconds(1)),
  successThreshold: optional(seconds(1)),
  failureThreshold: optional(seconds(1)),
  terminationGracePeriodSeconds: optional(seconds(1)),
});
const hook = one({ exec, httpGet, sleep });

/** The fields of a container that this file is about. */
export const actionFields = {
  startupProbe: optional(probe),
  readinessProbe: optional(probe),
  livenessProbe: optional(probe),
  lifecycle: optional(object({ postStart: optional(hook), preStop: optional(hook) })),
  stopSignal: optional(signal),
};

/** An object that has exactly one action. */
function one(fields: Parameters<typeof object>[0]): Field {
  const whole = object(fields);
  return (value, path) => {
    const problems = whole(value, path);
    if (problems.length > 0) return problems;
    const given = actionNames.filter((name) => ((value as Record<string, unknown>)[name] ?? undefined) !== undefined);
    const known = actionNames.filter((name) => name in fields);
    return given.length === 1 ? [] : [{ path, reason: `must have exactly one of ${known.join(", ")}` }];
  };
}

function signal(value: unknown, path: string): Problem[] {
  return typeof value === "string" && signalNumber(value) !== undefined
    ? []
    : [{ path, reason: "must be a signal's name, such as SIGTERM or SIGRTMIN+3" }];
}

/** The files of a container's probes and hooks: keeper-probes.sh describes them. */
export function actionFiles(container: Container): [name: string, text: string][] {
  const { startupProbe, readinessProbe, livenessProbe, lifecycle } = container;
  const probes = { startup: startupProbe, readiness: readinessProbe, liveness: livenessProbe };
  const hooks: Lifecycle = lifecycle ?? {};
  return [
    ...Object.entries(probes).flatMap(([name, given]): [string, string][] =>
      given === undefined || given === null ? [] : [[name, probeText(given)]],
    ),
    ...(["postStart", "preStop"] as const).flatMap((name): [string, string][] => {
      const given = hooks[name] ?? undefined;
      return given === undefined ? [] : [[name, actionText(given)]];
    }),
  ];
}

function probeText(probe: Probe): string {
  const settings = [
    `initial=${probe.initialDelaySeconds ?? 0}`,
    `period=${probe.periodSeconds ?? 10}`,
    `timeout=${probe.timeoutSeconds ?? 1}`,
    `successes=${probe.successThreshold ?? 1}`,
    `failures=${probe.failureThreshold ?? 3}`,
    `seconds=${probe.terminationGracePeriodSeconds ?? ""}`,
  ];
  return `${settings.join(" ")}\n${actionText(probe)}`;
}

function actionText({ exec, httpGet, tcpSocket, grpc, sleep }: Action): string {
  if (exec) return action({ action: "exec" }, exec.command);
  if (httpGet) return httpText(httpGet);
  if (tcpSocket) return action({ action: "tcp", target: tcpSocket.host ?? "", port: tcpSocket.port });
  if (grpc) return action({ action: "grpc", target: "", port: grpc.port, body: grpcBody(grpc.service ?? "") });
  return action({ action: "sleep" }, [String(sleep?.seconds ?? 0)]);
}

function httpText({ host = "", port, path = "/", scheme = "HTTP", httpHeaders = [] }: HttpGet): string {
  // As in Kubernetes, what follows a # is no part of the request.
  const whole = `${path.startsWith("/") ? "" : "/"}${path}`.replace(/#.*/, "");
  const encoded = whole.replace(/[^\u0021-\u007e]+/g, (odd) => encodeURIComponent(Buffer.from(odd).toString()));
  return action(
    { action: scheme === "HTTPS" ? "https" : "http", target: host, port, path: encoded },
    httpHeaders.map(({ name, value }) => `${name}: ${value}`),
  );
}

function action(settings: Readonly<Record<string, string | number>>, words: readonly string[] = []): string {
  const assignments = Object.entries(settings).map(([name, value]) => `${name}=${quote(String(value))}`);
  return `${assignments.join(" ")}\nset -- ${words.map(quote).join(" ")}\n`;
}

/** A HealthCheckRequest in gRPC's frame, as printf(1) takes it. */
function grpcBody(service: string): string {
  const name = Buffer.from(service, "utf8");
  const message = name.length === 0 ? [] : [0x0a, name.length, ...name];
  return [0, 0, 0, 0, message.length, ...message].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}

/** Fails where a probe or a hook needs a tool that the node does not have. */
export function findTools(containers: readonly Container[]): Command[] {
  const actions = containers.flatMap(({ startupProbe, readinessProbe, livenessProbe, lifecycle }): Action[] =>
    [startupProbe, readinessProbe, livenessProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(
      (each) => each ?? [],
    ),
  );
  const needs = [
    ...(actions.some(({ httpGet }) => httpGet?.scheme === "HTTPS") ? ["HTTPS"] : []),
    ...(actions.some(({ grpc }) => grpc) ? ["HTTP2"] : []),
  ];
  const script = `command -v curl > /dev/null || { echo "HTTPS and gRPC probes need curl on the node: install it" >&2; return 1; }
for feature do
[ "$feature" != HTTP2 ] || curl -V | grep -qw HTTP2 || {
echo "gRPC probes need a curl with HTTP/2 on the node, and this one has none (curl -V)" >&2; return 1; }
done`;
  return needs.length === 0 ? [] : [raw("look for what the probes need", script, ...needs)];
}
