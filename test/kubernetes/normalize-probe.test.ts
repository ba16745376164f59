import { describe, expect, it } from "vitest";
import { InputError } from "../../provider/errors";
import { normalizePod, PodInputError } from "../../provider/kubernetes/normalize";
import { signalName, signalNumber } from "../../provider/kubernetes/signals";

const box = { name: "box", image: "host:sleep", command: ["sleep", "1"] };
const pod = (container: object, spec: object = {}) => ({ spec: { containers: [{ ...box, ...container }], ...spec } });
const first = (container: object, spec?: object) => normalizePod("web", pod(container, spec)).containers[0];

function problemsOf(args: unknown): string[] {
  try {
    normalizePod("web", args);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const problems = error instanceof PodInputError ? error.problems : [error];
    return problems.map(({ path, reason }) => `${path}: ${reason}`);
  }
}

describe("a probe", () => {
  const defaults = {
    initialDelaySeconds: 0,
    periodSeconds: 10,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
  };

  it("gets Kubernetes' defaults, for 0 too", () => {
    expect(first({ readinessProbe: { tcpSocket: { port: 80 } } })?.readinessProbe).toEqual({
      tcpSocket: { port: 80 },
      ...defaults,
    });
    const zeros = Object.fromEntries(Object.keys(defaults).map((key) => [key, 0]));
    expect(first({ livenessProbe: { httpGet: { port: 80 }, ...zeros } })?.livenessProbe).toEqual({
      httpGet: { port: 80, path: "/", scheme: "HTTP" },
      ...defaults,
    });
  });

  it("keeps what it says, and finds ports by their names", () => {
    const probe = {
      httpGet: {
        port: "web",
        path: "/live",
        scheme: "HTTPS",
        host: "127.0.0.1",
        httpHeaders: [{ name: "X-A", value: "b" }],
      },
      initialDelaySeconds: 1,
      periodSeconds: 2,
      timeoutSeconds: 3,
      successThreshold: 4,
      failureThreshold: 5,
    };
    const ports = [{ name: "web", containerPort: 8080 }];
    expect(first({ ports, readinessProbe: probe })?.readinessProbe).toEqual({
      ...probe,
      httpGet: { ...probe.httpGet, port: 8080 },
    });
    expect(
      first({ startupProbe: { grpc: { port: 1, service: "shop" }, terminationGracePeriodSeconds: 7 } })?.startupProbe,
    ).toEqual({
      grpc: { port: 1, service: "shop" },
      ...defaults,
      terminationGracePeriodSeconds: 7,
    });
  });

  it("has references replaced in its command, and a hook has not", () => {
    const command = ["echo", "$(NAME)", "$$(NAME)"];
    const container = first({
      env: [{ name: "NAME", value: "x" }],
      livenessProbe: { exec: { command } },
      lifecycle: { postStart: { exec: { command } } },
    });
    expect(container?.livenessProbe?.exec?.command).toEqual(["echo", "x", "$(NAME)"]);
    expect(container?.lifecycle?.postStart?.exec?.command).toEqual(command);
  });
});

describe("init containers", () => {
  it("are sidecars when they restart always", () => {
    const inits = [
      { ...box, name: "setup" },
      { ...box, name: "side", restartPolicy: "Always", readinessProbe: { exec: { command: ["true"] } } },
    ];
    const { initContainers } = normalizePod("web", pod({}, { initContainers: inits }));
    expect(initContainers.map(({ name, kind }) => [name, kind])).toEqual([
      ["setup", "init"],
      ["side", "sidecar"],
    ]);
    expect(initContainers[1]?.readinessProbe).toBeDefined();
  });

  it("may have an empty probe, which says nothing", () => {
    expect(problemsOf(pod({}, { initContainers: [{ ...box, name: "a", livenessProbe: {} }] }))).toEqual([]);
  });
});

describe("what a container must not say", () => {
  const init = (more: object) => pod({}, { initContainers: [{ ...box, name: "setup", ...more }] });
  const http = (more: object) => pod({ livenessProbe: { httpGet: { port: 80, ...more } } });
  it.each<[string, object, string]>([
    [
      "a port that is not there",
      http({ port: "web" }),
      "livenessProbe.httpGet.port: must be the name of a port in the container's ports, or a number",
    ],
    ["a port's number", http({ port: 0 }), "livenessProbe.httpGet.port: must be between 1 and 65535"],
    [
      "a large one",
      pod({ readinessProbe: { tcpSocket: { port: 65_536 } } }),
      "readinessProbe.tcpSocket.port: must be between 1 and 65535",
    ],
    ["a port's name", http({ port: "8080" }), "livenessProbe.httpGet.port: must be a port name"],
    [
      "a port of a wrong type",
      http({ port: true }),
      "livenessProbe.httpGet.port: must be an integer or a string, not a boolean",
    ],
    ["no port", pod({ livenessProbe: { httpGet: {} } }), "livenessProbe.httpGet.port: is required"],
    [
      "a gRPC port's name",
      pod({ livenessProbe: { grpc: { port: "web" } } }),
      "livenessProbe.grpc.port: must be an integer, not a string",
    ],
    [
      "no action",
      pod({ livenessProbe: { periodSeconds: 1 } }),
      "livenessProbe: must have one of exec, httpGet, tcpSocket, grpc",
    ],
    [
      "two actions",
      pod({ livenessProbe: { exec: { command: ["a"] }, grpc: { port: 1 } } }),
      "livenessProbe: must have only one of exec",
    ],
    ["no command", pod({ livenessProbe: { exec: {} } }), "livenessProbe.exec.command: must have at least one word"],
    [
      "a negative number",
      pod({ livenessProbe: { exec: { command: ["a"] }, periodSeconds: -1 } }),
      "livenessProbe.periodSeconds: must be between 0 and",
    ],
    [
      "two successes of liveness",
      pod({ livenessProbe: { exec: { command: ["a"] }, successThreshold: 2 } }),
      "livenessProbe.successThreshold: must be 1",
    ],
    [
      "two successes of startup",
      pod({ startupProbe: { exec: { command: ["a"] }, successThreshold: 2 } }),
      "startupProbe.successThreshold: must be 1",
    ],
    [
      "a grace period of readiness",
      pod({ readinessProbe: { exec: { command: ["a"] }, terminationGracePeriodSeconds: 1 } }),
      "readinessProbe.terminationGracePeriodSeconds: must not be set",
    ],
    [
      "a grace period of nothing",
      pod({ livenessProbe: { exec: { command: ["a"] }, terminationGracePeriodSeconds: 0 } }),
      "livenessProbe.terminationGracePeriodSeconds: must be between 1",
    ],
    [
      "a header's name",
      http({ httpHeaders: [{ name: "a b", value: "" }] }),
      "livenessProbe.httpGet.httpHeaders[0].name: must be a header's name",
    ],
    [
      "a header with a line of its own",
      http({ httpHeaders: [{ name: "a", value: "b\nc" }] }),
      "livenessProbe.httpGet.httpHeaders[0].value: must not contain control",
    ],
    ["a host of no kind", http({ host: "a/b" }), "livenessProbe.httpGet.host: must be a host name or an address"],
    ["a scheme", http({ scheme: "https" }), 'livenessProbe.httpGet.scheme: must be "HTTP" or "HTTPS"'],
    [
      "an empty hook",
      pod({ lifecycle: { postStart: {} } }),
      "lifecycle.postStart: must have one of exec, httpGet, sleep",
    ],
    [
      "a hook that Kubernetes cannot run",
      pod({ lifecycle: { preStop: { tcpSocket: { port: 1 } } } }),
      "lifecycle.preStop.tcpSocket: is not supported",
    ],
    [
      "a long sleep",
      pod({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }),
      "lifecycle.preStop.sleep.seconds: must be between 0 and the pod's terminationGracePeriodSeconds, 30",
    ],
    [
      "a signal of no kind",
      pod({ lifecycle: { stopSignal: "USR1" } }, { os: { name: "linux" } }),
      "lifecycle.stopSignal: must be a signal of Linux",
    ],
    [
      "a signal without an operating system",
      pod({ lifecycle: { stopSignal: "SIGUSR1" } }),
      "lifecycle.stopSignal: needs spec.os.name",
    ],
    ["a policy of its own", pod({ restartPolicy: "Always" }), "restartPolicy: is for init containers"],
    [
      "last words nowhere",
      pod({ terminationMessagePath: "x" }),
      "terminationMessagePath: must be the absolute path of a file",
    ],
    ["a policy of last words", pod({ terminationMessagePolicy: "Log" }), 'terminationMessagePolicy: must be "File" or'],
  ])("%s", (_, args, problem) => {
    expect(problemsOf(args)).toEqual([expect.stringContaining(`spec.containers[0].${problem}`)]);
  });

  it.each<[string, object, string]>([
    [
      "probes of an init container",
      init({ livenessProbe: { exec: { command: ["a"] } } }),
      'spec.initContainers[0].livenessProbe: must not be set for an init container without restartPolicy "Always"',
    ],
    [
      "hooks of an init container",
      init({ lifecycle: { postStart: { exec: { command: ["a"] } } } }),
      "spec.initContainers[0].lifecycle: must not be set",
    ],
    [
      "another policy",
      init({ restartPolicy: "Never" }),
      'spec.initContainers[0].restartPolicy: must be "Always", not "Never"',
    ],
    [
      "a container's name twice",
      init({ name: "box" }),
      "spec.containers[0].name: must be unique: spec.initContainers[0].name is the same",
    ],
    ["a deadline of nothing", pod({}, { activeDeadlineSeconds: 0 }), "spec.activeDeadlineSeconds: must be between 1"],
    [
      "only init containers",
      { spec: { initContainers: [box], containers: [] } },
      "spec.containers: must have at least one container",
    ],
  ])("%s", (_, args, problem) => {
    expect(problemsOf(args)).toEqual([expect.stringContaining(problem)]);
  });
});

it("knows Linux's signals by Kubernetes' names", () => {
  const numbers = [
    "SIGHUP",
    "SIGKILL",
    "SIGUSR1",
    "SIGTERM",
    "SIGCHLD",
    "SIGPOLL",
    "SIGSYS",
    "SIGRTMIN",
    "SIGRTMIN+15",
    "SIGRTMAX-14",
    "SIGRTMAX",
  ];
  expect(numbers.map(signalNumber)).toEqual([1, 9, 10, 15, 17, 29, 31, 34, 49, 50, 64]);
  expect(["TERM", "SIGRTMIN+16", "SIGRTMAX-15", "", "constructor"].map(signalNumber)).toEqual(Array(5).fill(undefined));
  expect([9, 11, 0, 32].map(signalName)).toEqual(["SIGKILL", "SIGSEGV", undefined, undefined]);
});
