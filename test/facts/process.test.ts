import { describe, expect, test } from "vitest";
import { type ProcessState, processAt } from "../../provider/facts/process";

const { parse, script } = processAt("web", "/run/barepod/namespaces/web");
const base64 = (text: string | Buffer) => Buffer.from(text).toString("base64");

const state = (more: Partial<ProcessState> = {}): ProcessState => ({
  keeper: true,
  reason: "",
  restartPolicy: "Always",
  gracePeriod: 30,
  cgroups: {},
  oom: {},
  address: "",
  hostAddress: "",
  warnings: [],
  containers: [],
  ...more,
});

describe("what a keeper's folder tells", () => {
  test.each<[string, string[], ProcessState]>([
    [
      "a running container",
      [
        "keeper",
        "address\t10.0.0.2",
        "host\t192.0.2.1",
        'jwks\t{"keys":[]}',
        "restart\tAlways",
        "grace\t30",
        "container\tmain\tbarepod/x\tmain",
        "running\t42\t2026-11-23T13:00:00Z",
      ],
      state({
        address: "10.0.0.2",
        hostAddress: "192.0.2.1",
        jwks: '{"keys":[]}',
        cgroups: { main: "barepod/x" },
        containers: [
          {
            name: "main",
            kind: "main",
            state: "running",
            reason: "",
            started: false,
            ready: false,
            restarts: 0,
            pid: 42,
            startedAt: "2026-11-23T13:00:00Z",
            message: [],
            error: "",
            log: [],
          },
        ],
      }),
    ],
    [
      "one that waits to be started again, and one that is done",
      [
        "keeper",
        "restart\tOnFailure",
        "grace\t0",
        "container\ta\t/",
        "restarts\t3",
        "last\t137\tOOMKilled",
        "state\twaiting CrashLoopBackOff",
        `log\t${base64("2026-11-23T13:00:00.1Z stdout F one\tcontainer\n2026-11-23T13:00:00.2Z stderr P two\n")}`,
        "container\tb\tg",
        "last\t0\tCompleted",
        "state\tterminated Completed",
      ],
      state({
        restartPolicy: "OnFailure",
        gracePeriod: 0,
        cgroups: { b: "g" },
        containers: [
          {
            name: "a",
            kind: "main",
            state: "waiting",
            reason: "CrashLoopBackOff",
            started: false,
            ready: false,
            restarts: 3,
            last: { exitCode: 137, reason: "OOMKilled" },
            message: [],
            error: "",
            log: ["one\tcontainer", "two"],
          },
          {
            name: "b",
            kind: "main",
            state: "terminated",
            reason: "Completed",
            started: false,
            ready: false,
            restarts: 0,
            last: { exitCode: 0, reason: "Completed" },
            message: [],
            error: "",
            log: [],
          },
        ],
      }),
    ],
    [
      "one that could not be started; bytes of any kind",
      [
        "restart\tNever",
        "grace\t5",
        "container\tmain\t/",
        "last\t127\tStartError",
        "state\tterminated StartError",
        `error\t${base64('launcher: exec: "x": not found in PATH\nmore\n')}`,
        "made\thost-12",
        `log\t${base64(Buffer.concat([Buffer.from("t stdout F \x1b[2J"), Buffer.from([0xff, 0x0a])]))}`,
      ],
      state({
        keeper: false,
        restartPolicy: "Never",
        gracePeriod: 5,
        containers: [
          {
            name: "main",
            kind: "main",
            state: "terminated",
            reason: "StartError",
            started: false,
            ready: false,
            restarts: 0,
            last: { exitCode: 127, reason: "StartError" },
            message: [],
            error: 'exec: "x": not found in PATH',
            madeFrom: "host-12",
            log: ["?[2J\ufffd"],
          },
        ],
      }),
    ],
    ["a folder without a description", ["broken"], state({ keeper: false, restartPolicy: "", gracePeriod: 0 })],
    [
      "nothing started yet",
      ["keeper", "restart\tAlways", "grace\t30", "container\tmain\t/"],
      state({
        containers: [
          {
            name: "main",
            kind: "main",
            state: "",
            reason: "",
            started: false,
            ready: false,
            restarts: 0,
            message: [],
            error: "",
            log: [],
          },
        ],
      }),
    ],
    [
      "an init container that is done, one that nothing is known of, and one whose probe fails",
      [
        "keeper",
        "reason\tDeadlineExceeded",
        "restart\tAlways",
        "grace\t30",
        "container\tsetup\t/\tinit",
        "last\t0\tCompleted",
        `message\t${base64("all\nset\n")}`,
        "state\tterminated Completed",
        "container\tweb\t/\tmain",
        "restarts\t2",
        "running\t42\tt",
        "started",
        `failing\t${base64("readiness\tsays\tno\n")}`,
        "container\tside\t/\tsidecar",
        "running\t43\tt",
        "started",
        "ready",
      ],
      state({
        reason: "DeadlineExceeded",
        containers: [
          {
            name: "setup",
            kind: "init",
            state: "terminated",
            reason: "Completed",
            started: false,
            ready: false,
            restarts: 0,
            last: { exitCode: 0, reason: "Completed" },
            message: ["all", "set"],
            error: "",
            log: [],
          },
          {
            name: "web",
            kind: "main",
            state: "running",
            reason: "",
            started: true,
            ready: false,
            failing: { probe: "readiness", why: "says no" },
            restarts: 2,
            pid: 42,
            startedAt: "t",
            message: [],
            error: "",
            log: [],
          },
          {
            name: "side",
            kind: "sidecar",
            state: "running",
            reason: "",
            started: true,
            ready: true,
            restarts: 0,
            pid: 43,
            startedAt: "t",
            message: [],
            error: "",
            log: [],
          },
        ],
      }),
    ],
  ])("%s", (_name, lines, expected) => {
    expect(parse(lines.join("\n"))).toEqual(expected);
  });

  test("is asked with quoted names", () => {
    expect(processAt("a'b", "/x/$(y)").script).toContain(`d='/run/barepod/process/a'\\''b'`);
    expect(script).toContain("'/run/barepod/addresses/web'");
  });
});
