import { describe, expect, test } from "vitest";
import type { Command } from "../../provider/command/command";
import { render } from "../../provider/command/command";
import type { ContainerState, ProcessState } from "../../provider/facts/process";
import { keeperPath } from "../../provider/node-programs";
import { checkInputs, replacements } from "../../provider/resource";
import { processSpec } from "../../provider/resources/process";
import type { ProcessInputs } from "../../provider/resources/process-args";

const folder = "/run/barepod/process/web";
const inputs: ProcessInputs = {
  node: "edge-1",
  connection: { host: "192.0.2.1" },
  owner: "nonce/urn",
  name: "web",
  command: ["sleep", "1"],
  running: true,
};
const { command: _, ...bare } = inputs;
const two: ProcessInputs = {
  ...bare,
  containers: [
    { name: "a", command: ["x"], cgroup: "g/a" },
    { name: "b", command: ["y"] },
  ],
};
const container = (more: Partial<ContainerState> = {}): ContainerState => ({
  name: "main",
  kind: "main",
  state: "running",
  reason: "",
  started: true,
  ready: true,
  message: [],
  restarts: 0,
  pid: 1,
  startedAt: "t",
  error: "",
  log: [],
  ...more,
});
const seen = (...containers: Partial<ContainerState>[]): ProcessState => ({
  keeper: true,
  reason: "",
  restartPolicy: "Always",
  gracePeriod: 30,
  cgroups: {},
  oom: {},
  address: "",
  hostAddress: "",
  warnings: [],
  containers: containers.map(container),
});
const completed = { state: "terminated", reason: "Completed", last: { exitCode: 0, reason: "Completed" } };
const failed = { state: "terminated", reason: "Error", last: { exitCode: 1, reason: "Error" } };
const notFound = { last: { exitCode: 127, reason: "StartError" }, error: 'exec: "x": not found in PATH' };
const crashing = { state: "waiting", reason: "CrashLoopBackOff", restarts: 2, last: { exitCode: 1, reason: "Error" } };
const shown = (commands: Command[]) => commands.map((command) => render(command, { reveal: false }));
const stop = `end the containers: ${keeperPath()} ${folder}`;
const start = [
  `make a folder that only root reads: ${folder}/main`,
  `write what its keeper reads: ${folder} conf main/conf *** '' file keeper.spec *** ''`,
  "{ test -d /var/lib/barepod/node && test -d /var/log/pods && test -d /var/log/containers; } || make the folders of the logs",
  `${keeperPath()} start ${folder}`,
];
const change = [
  `write how soon the kernel ends the containers: ${folder} conf main/conf *** ''`,
  `write ${folder}/keeper.spec.new`,
  `${keeperPath()} change ${folder}`,
];

describe("the plan", () => {
  test.each<[string, Partial<ProcessInputs>, ProcessState | undefined, unknown[]]>([
    ["absent", {}, undefined, start],
    [
      "absent, and not to be waited for long",
      { timeoutSeconds: 3 },
      undefined,
      [...start.slice(0, -1), `${start.at(-1)} 3`],
    ],
    ["as wanted", {}, seen({}), []],
    ["done", { restartPolicy: "Never" }, { ...seen(completed), restartPolicy: "Never" }, []],
    ["told to end, although it should always run", {}, { ...seen(completed), keeper: false }, [stop, ...start]],
    ["ended in failure", {}, seen(failed), [stop, ...start]],
    ["crashing", {}, seen(crashing), [stop, ...start]],
    ["the keeper is gone", {}, { ...seen({}), keeper: false }, [stop, ...start]],
    ["a container is missing", {}, seen(), [stop, ...start]],
    ["another policy", { restartPolicy: "Never" }, seen({}), change],
    ["another grace period", { terminationGracePeriodSeconds: 1 }, seen({}), change],
    ["another control group", { cgroup: "new" }, { ...seen({}), cgroups: { main: "old" } }, change],
    ["a deadline", { activeDeadlineSeconds: 9 }, seen({}), change],
    ["a deadline as wanted", { activeDeadlineSeconds: 9 }, { ...seen({}), deadline: 9 }, []],
    ["no control group any more", {}, { ...seen({}), cgroups: { main: "old" } }, change],
    ["not wanted to run", { running: false }, seen({}), [stop]],
  ])("%s", (_name, more, state, commands) => {
    expect(shown(processSpec.plan({ ...inputs, ...more }, state))).toEqual(commands);
  });

  test("shows no secret, and keeps every value in quotes", () => {
    const odd = "a'b $(c) `d`\n\t";
    const commands = processSpec.plan({ ...inputs, env: { TOKEN: "hunter2" }, command: [odd] }, undefined);
    expect(shown(commands).join("\n")).not.toContain("hunter2");
    const text = commands.map((command) => render(command, { reveal: true })).join("\n");
    expect(text).toContain("hunter2");
    expect(text).toContain("arg\ta'\\''b $(c) `d`\\n\\t\n");
  });

  test("to undo ends the containers, and cleans up what is beside them", () => {
    const volumes = [{ source: "/var/lib/barepod/volumes/v", target: "/v", ephemeral: true }];
    expect(shown(processSpec.undo(inputs, seen({})))).toEqual([stop]);
    expect(shown(processSpec.cleanup?.({ ...inputs, volumes }) ?? [])).toEqual([
      expect.stringMatching(
        /^end what is left without its folder: .* web \/var\/log\/pods\/default_web_[0-9a-f-]{36} \/var\/log\/containers\/web_default_main-[0-9a-f]{64}\.log$/,
      ),
      "refuse to remove what is mounted: /var/lib/barepod/volumes/v",
      "remove the folder with what is in it: /var/lib/barepod/volumes/v",
      "remove the folder of the containers",
      "remove the folders that are empty",
    ]);
  });
});

test.each<[string, ProcessInputs, ProcessState, Partial<ProcessInputs>]>([
  ["nothing", inputs, seen({}), {}],
  [
    "nothing of one that is done",
    { ...inputs, restartPolicy: "OnFailure" },
    { ...seen(completed), restartPolicy: "OnFailure" },
    {},
  ],
  ["that somebody has ended it", inputs, seen(completed), { running: false }],
  ["that it crashes", inputs, seen(crashing), { running: false }],
  ["that the keeper is gone", inputs, { ...seen({}), keeper: false }, { running: false }],
  [
    "the keeper's settings",
    inputs,
    { ...seen({}), restartPolicy: "Never", gracePeriod: 5 },
    { restartPolicy: "Never", terminationGracePeriodSeconds: 5 },
  ],
  ["its deadline", { ...inputs, activeDeadlineSeconds: 9 }, { ...seen({}), deadline: 8 }, { activeDeadlineSeconds: 8 }],
  ["a control group", { ...inputs, cgroup: "x" }, { ...seen({}), cgroups: { main: "y" } }, { cgroup: "y" }],
  ["that it is in none", { ...inputs, cgroup: "x" }, seen({}), { cgroup: "" }],
  [
    "the control group of one of several",
    two,
    { ...seen({ name: "a" }, { name: "b" }), cgroups: { a: "other" } },
    {
      containers: [
        { name: "a", command: ["x"], cgroup: "other" },
        { name: "b", command: ["y"] },
      ],
    },
  ],
])("drift shows %s", (_name, wanted, state, drift) => {
  expect(processSpec.drift(wanted, state)).toEqual(drift);
});

describe("up", () => {
  const ready = (state: ProcessState | undefined, more: Partial<ProcessInputs> = {}) =>
    processSpec.ready?.({ ...inputs, ...more }, state);

  test.each<[string, ProcessState | undefined, Partial<ProcessInputs>]>([
    ["it runs", seen({}), {}],
    ["it is done", { ...seen(completed), keeper: false }, {}],
    ["nothing is awaited", seen({ state: "" }), { skipAwait: true }],
  ])("returns when %s", (_name, state, more) => {
    expect(ready(state, more)).toEqual({ kind: "ready" });
  });

  test.each<[string, ProcessState | undefined, string]>([
    ["it is gone", undefined, "nothing of it is left on the node"],
    ["its keeper is gone", { ...seen({}), keeper: false }, "its keeper is gone: something on the node has ended it"],
    [
      "it crashes",
      seen({ ...crashing, log: ["one", "two"] }),
      "container main ended with exit code 1, 3 times\n  the last lines of its log:\n    one\n    two",
    ],
    [
      "a signal ended it",
      seen({ ...failed, last: { exitCode: 139, reason: "Error" } }),
      "container main ended with exit code 139 (SIGSEGV)",
    ],
    [
      "memory ran out",
      seen({ ...failed, reason: "OOMKilled", last: { exitCode: 137, reason: "OOMKilled" } }),
      "container main was killed because it used more memory than its limit (OOMKilled, exit code 137)",
    ],
    [
      "it cannot be started",
      seen({ state: "", last: { exitCode: 127, reason: "StartError" }, error: "no x" }),
      "container main could not be started: no x",
    ],
    [
      "its image is an archive",
      seen({ state: "", ...notFound, madeFrom: "archive-12" }),
      'container main could not be started: exec: "x": not found in PATH',
    ],
    [
      "its root file system lacks a program",
      seen({ state: "", ...notFound, madeFrom: "host-12" }),
      `container main could not be started: exec: "x": not found in PATH; add it to the RootFs's hostBinaries`,
    ],
    [
      "it is done too early",
      seen({ ...crashing, last: { exitCode: 0, reason: "Completed" } }),
      "container main ended with exit code 0, 3 times: with restartPolicy Always a program must keep running",
    ],
  ])("fails when %s", (_name, state, message) => {
    expect(ready(state)).toEqual({ kind: "failed", message });
  });

  test("fails for a pod in a pod's words", () => {
    const state = seen({ state: "", ...notFound, madeFrom: "host-12" });
    expect(ready(state, { pod: { namespace: "default", name: "web" } })).toEqual({
      kind: "failed",
      message: 'container main could not be started: exec: "x": not found in PATH; add it to image: host:…,x',
    });
  });

  const initial = { name: "setup", kind: "init" } as const;
  const side = { name: "side", kind: "sidecar" } as const;
  const unborn = { name: "web", state: "", started: false, ready: false };
  const three: ProcessInputs = {
    ...bare,
    containers: [
      { ...initial, command: ["x"] },
      { ...side, command: ["y"] },
      { name: "web", command: ["z"] },
    ],
  };
  const unready = { name: "web", ready: false };
  test.each<[string, ProcessState, string]>([
    [
      "an init container",
      seen({ ...initial, started: false }, { ...side, ...unborn, name: "side" }, unborn),
      "waiting for init container setup (Init:0/1)",
    ],
    [
      "a sidecar",
      seen(
        { ...initial, ...completed },
        { ...side, started: false, ready: false, failing: { probe: "startup", why: "no" } },
        unborn,
      ),
      "waiting for side to be started: no",
    ],
    [
      "what is missing",
      seen(
        { ...initial, state: "waiting", reason: "CreateContainerConfigError", error: 'configmap "x" not found' },
        side,
        unborn,
      ),
      'waiting for setup: CreateContainerConfigError: configmap "x" not found',
    ],
    ["a start", seen({ ...initial, ...completed }, side, unborn), "waiting for web to start"],
    [
      "a probe",
      seen({ ...initial, ...completed }, side, {
        ...unready,
        failing: { probe: "readiness", why: "HTTP probe failed with statuscode: 503" },
      }),
      "waiting for web to be ready: HTTP probe failed with statuscode: 503",
    ],
    [
      "one that has ended before",
      seen({ ...initial, ...completed }, side, {
        ...unready,
        restarts: 1,
        last: { exitCode: 137, reason: "OOMKilled" },
      }),
      "waiting for web to be ready; before, it was killed because it used more memory than its limit (OOMKilled, exit code 137, 2 times)",
    ],
  ])("waits for %s, and says so", (_name, state, message) => {
    expect(processSpec.ready?.(three, state)).toEqual({ kind: "waiting", message });
    expect(processSpec.drift(three, state)).toEqual(
      message.includes("Error") || message === "waiting for web to start" ? { running: false } : {},
    );
  });

  test.each<[string, ProcessState, string]>([
    [
      "an init container fails",
      seen({ ...initial, ...failed }, side, unborn),
      "init container setup ended with exit code 1",
    ],
    [
      "there are last words",
      seen({ ...initial, ...completed }, side, {
        ...failed,
        name: "web",
        message: ["its liveness probe failed: no", "bye"],
      }),
      "container web ended with exit code 1\n  its termination message:\n    its liveness probe failed: no\n    bye",
    ],
    [
      "its deadline is over",
      { ...seen({ ...initial, ...completed }, side, failed), reason: "DeadlineExceeded" },
      "was active longer than its activeDeadlineSeconds (DeadlineExceeded)",
    ],
  ])("fails when %s too", (_name, state, message) => {
    expect(processSpec.ready?.(three, state)).toEqual({ kind: "failed", message });
  });

  test("cares for a sidecar's end only as long as the others run", () => {
    const ended = { ...failed, ...side };
    const state = { ...seen({ ...initial, ...completed }, ended, { ...completed, name: "web" }), keeper: false };
    expect(processSpec.ready?.({ ...three, restartPolicy: "Never" }, state)).toEqual({ kind: "ready" });
    expect(processSpec.drift({ ...three, restartPolicy: "Never" }, { ...state, restartPolicy: "Never" })).toEqual({});
    expect(processSpec.outputs?.(three, state)).toMatchObject({ phase: "Succeeded" });
  });

  test("waits for what has not started, at most as long as it is told", () => {
    const state = seen({ name: "a" }, { name: "b", state: "" });
    expect(processSpec.ready?.(two, state)).toEqual({ kind: "waiting", message: "waiting for b to start" });
    expect(processSpec.readyTimeoutMs?.(inputs)).toBe(600_000);
    expect(processSpec.readyTimeoutMs?.({ ...inputs, timeoutSeconds: 3 })).toBe(3000);
  });

  test.each<[string, ProcessState]>([
    ["Running", seen({})],
    ["Running", seen(crashing)],
    ["Pending", seen({ state: "" })],
    ["Succeeded", seen(completed)],
    ["Failed", seen(completed, failed)],
  ])("shows the phase %s", (phase, state) => {
    expect(processSpec.outputs?.(inputs, state)).toMatchObject({ phase });
  });
});

describe("a replacement", () => {
  test.each<[string, Partial<ProcessInputs>, string[]]>([
    ["what it runs", { command: ["other"] }, ["command"]],
    ["where", { namespace: "/run/x" }, ["namespace"]],
    ["its name", { name: "other" }, ["name"]],
    ["nothing for its control group", { cgroup: "other" }, []],
    [
      "nothing for the keeper's settings",
      { restartPolicy: "Never", terminationGracePeriodSeconds: 1, skipAwait: true },
      [],
    ],
    ["nothing for a deadline", { activeDeadlineSeconds: 9 }, []],
    ["a control group that is to be replaced itself", { cgroup: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" }, ["cgroup"]],
  ])("is needed for %s", (_name, more, keys) => {
    expect(replacements(processSpec, inputs, { ...inputs, ...more })).toEqual(keys);
  });

  test.each<[from: number | undefined, to: unknown, keys: string[]]>([
    [9, 8, []],
    [9, 9, []],
    [8, 9, ["activeDeadlineSeconds"]],
    [9, undefined, ["activeDeadlineSeconds"]],
    [9, "04da6b54-80e4-46f7-96ec-b56ff0331ba9", ["activeDeadlineSeconds"]],
  ])("is needed for a deadline that is put off: %s to %s", (from, to, keys) => {
    const given = (activeDeadlineSeconds: unknown) =>
      ({ ...inputs, ...(activeDeadlineSeconds === undefined ? {} : { activeDeadlineSeconds }) }) as ProcessInputs;
    expect(replacements(processSpec, given(from), given(to))).toEqual(keys);
  });

  test("is needed for another QoS class of a pod, and not for what a Burstable one asks for", () => {
    const pod = { namespace: "default", name: "web" };
    const of = (each: object, more: object = { pod }) =>
      ({ ...bare, ...more, containers: [{ name: "a", command: ["x"], ...each }] }) as ProcessInputs;
    const from = (olds: object, news: object, more?: object) =>
      replacements(processSpec, of(olds, more), of(news, more));
    expect(from({ memoryRequest: 1 }, { memoryRequest: 20 })).toEqual([]);
    expect(from({ memoryRequest: 1 }, { oomScoreAdj: -997 })).toEqual(["containers"]);
    expect(from({ oomScoreAdj: 1000 }, { memoryRequest: 1 })).toEqual(["containers"]);
    expect(from({ oomScoreAdj: 1000 }, { oomScoreAdj: -997 })).toEqual(["containers"]);
    expect(from({ oomScoreAdj: 1000 }, { oomScoreAdj: -997 }, {})).toEqual([]);
    expect(from({}, { oomScoreAdj: 1000 })).toEqual([]);
  });

  test("is needed for what a container is, not for its control group", () => {
    const [a, b] = two.containers ?? [];
    const changed = (news: ProcessInputs["containers"]) =>
      replacements(processSpec, two, { ...two, containers: news as never });
    expect(changed([{ ...a, cgroup: "elsewhere" }, { ...b }])).toEqual([]);
    expect(changed([{ ...a, command: ["z"] }, { ...b }])).toEqual(["containers"]);
    expect(changed([{ ...a }])).toEqual(["containers"]);
  });
});

describe("a mistake", () => {
  const box = { rootFs: "/srv/box" };
  test.each<[string, Partial<ProcessInputs>, string]>([
    ["neither", { command: undefined as never }, "command: give exactly one of command and containers"],
    ["both", { containers: [{ name: "a", command: ["x"] }] }, "command: give exactly one of command and containers"],
    ["a name with a path", { name: "../x" }, "name: must be a name of letters"],
    ["a long name", { name: "x".repeat(300) }, "name: is 300 bytes long"],
    [
      "volumes without mounts of its own",
      { ...box, hostNamespaces: ["mnt"], volumes: [{ source: "/a", target: "/b" }] },
      "volumes: needs a mount namespace of its own",
    ],
    ["a read-only root without a root", { readOnlyRootFilesystem: true }, "readOnlyRootFilesystem: needs a rootFs"],
    [
      "a read-only root in the node's mounts",
      { ...box, hostNamespaces: ["mnt"], readOnlyRootFilesystem: true },
      "readOnlyRootFilesystem: needs a mount namespace",
    ],
    [
      "a sidecar after the others",
      {
        command: undefined as never,
        containers: [
          { name: "a", command: ["x"] },
          { name: "b", kind: "sidecar", command: ["x"] },
        ],
      },
      "containers[1].kind: must stand before all without a kind",
    ],
    [
      "init containers only",
      { command: undefined as never, containers: [{ name: "a", kind: "init", command: ["x"] }] },
      "containers: needs one that is neither init nor sidecar",
    ],
    [
      "two actions",
      { livenessProbe: { exec: { command: ["x"] }, grpc: { port: 1 } } },
      "livenessProbe: must have exactly one of",
    ],
    ["a signal", { stopSignal: "TERM" }, "stopSignal: must be a signal's name"],
    [
      "last words without a root",
      { terminationMessagePath: "/dev/termination-log" },
      "terminationMessagePath: needs a rootFs",
    ],
    ["a control group outside", { cgroup: "../x" }, "cgroup: must be a CGroup's path"],
    ["an absolute control group", { cgroup: "/x" }, "cgroup: must be a CGroup's path"],
    [
      "a capability with its prefix",
      { capabilities: { add: ["CAP_NET_ADMIN"] } },
      "capabilities.add[0]: must be a capability's name",
    ],
    ["a namespace of no kind", { hostNamespaces: ["user" as never] }, "hostNamespaces[0]: must be one of"],
    ["a variable's name", { env: { "A=B": "x" } }, "env (a key): must be a variable's name"],
    ["a NUL byte", { command: ["a\0b"] }, "command[0]: must not contain a NUL byte"],
    ["a newline in a path", { workingDir: "/a\nb" }, "workingDir: must not contain control characters"],
  ])("in %s is told by its path", (_name, more, problem) => {
    const given = Object.fromEntries(Object.entries({ ...inputs, ...more }).filter(([, value]) => value !== undefined));
    const problems = checkInputs(processSpec, given as unknown as ProcessInputs).map(
      ({ path, reason }) => `${path}: ${reason}`,
    );
    expect(problems).toEqual(expect.arrayContaining([expect.stringContaining(problem)]));
  });

  test("in one of several containers too", () => {
    const problems = checkInputs(processSpec, {
      ...two,
      rootFs: "/srv/box",
      containers: [
        { name: "a", command: ["x"] },
        { name: "a", command: ["x"], readOnlyRootFilesystem: true },
      ],
    });
    expect(problems.map(({ path }) => path)).toEqual(["rootFs", "containers[1].readOnlyRootFilesystem", "containers"]);
  });

  test("none in names that only look like one", () => {
    const containers = ["spec", "keeper", "0", "a-b"].map((name) => ({ name, command: ["-rf", "$(x)", "é\n"] }));
    expect(checkInputs(processSpec, { ...bare, containers })).toEqual([]);
  });
});
