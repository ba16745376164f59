/** The order of a group's containers, its deadline, and what a container leaves behind, on a real node. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootScript } from "../../provider/resources/node-boot";
import { sandboxObstacle } from "../harness/sandbox";
import { type Failure, ProcessNode, type ProcessState, pidOf } from "./process-node";

const obstacle = sandboxObstacle();
const shell = (line: string) => ["sh", "-c", line];
const folder = (name: string) => `/run/barepod/process/${name}`;
/** Writes down that it has started and that it was asked to end. */
const noting = (name: string, file: string) =>
  shell(`echo ${name} >> ${file}; trap 'echo end-${name} >> ${file}; exit 0' TERM; while :; do sleep 0.02; done`);

describe.skipIf(obstacle)(`init containers${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let at: ProcessNode;
  beforeAll(async () => {
    at = await ProcessNode.start();
  });
  afterAll(async () => {
    await at[Symbol.asyncDispose]();
  });
  const states = async (state: ProcessState) => (await at.read(state)).props as unknown as ProcessState;
  const lines = async (file: string) => (await at.sh(`cat ${file}`)).split("\n");

  test("run one after the other, each to its end, before the others start", async () => {
    const file = "/tmp/order";
    const made = await at.create("order", {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: "first", kind: "init", command: shell(`echo first >> ${file}; sleep 0.3; echo first-done >> ${file}`) },
        {
          name: "second",
          kind: "init",
          command: shell(`echo second >> ${file}; sleep 1.5; echo second-done >> ${file}`),
        },
        { name: "main", command: noting("main", file) },
      ],
    });
    expect(await lines(file)).toEqual(["first", "first-done", "second", "second-done", "main"]);
    expect(made).toMatchObject({
      phase: "Running",
      initContainerStatuses: [
        { name: "first", state: "terminated", reason: "Completed", ready: true },
        { name: "second", state: "terminated", reason: "Completed", ready: true },
      ],
      containerStatuses: [{ name: "main", state: "running", ready: true }],
    });
    expect((await at.read(made)).inputs).toMatchObject({ running: true });
    expect(pidOf(await at.update(made), "main")).toBe(pidOf(made, "main"));
    await at.remove(made);
  });

  test("that are under way leave the pod Pending, which is no drift, and destroy ends it", async () => {
    const made = await at.create("pending", {
      skipAwait: true,
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: "long", kind: "init", command: shell("exec sleep 4713") },
        { name: "main", command: ["sleep", "4714"] },
      ],
    });
    expect(await states(made)).toMatchObject({
      phase: "Pending",
      conditions: [{ type: "Initialized", status: "False" }, {}, { type: "Ready", status: "False" }],
      initContainerStatuses: [{ state: "running", ready: false }],
      containerStatuses: [{ state: "waiting", reason: "PodInitializing" }],
    });
    expect((await at.read(made)).inputs).toMatchObject({ running: true });
    await at.remove(made);
    expect((await at.node.exec(["pgrep", "-f", "^sleep 471[34]"])).stdout).toBe("");
  });

  test("that fail are started again, and the others wait until they succeed", async () => {
    const file = "/tmp/retried";
    const made = await at.create("retried", {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: "retry", kind: "init", command: shell(`echo try >> ${file}; [ "$(wc -l < ${file})" -ge 2 ]`) },
        { name: "main", command: noting("main", file) },
      ],
    });
    expect(await lines(file)).toEqual(["try", "try", "main"]);
    expect(made).toMatchObject({ initContainerStatuses: [{ restartCount: 1, lastExitCode: 0 }] });
    await at.remove(made);
  });

  test("that keep failing wait with CrashLoopBackOff, and up says why", async () => {
    const reason = await at.fail("crashing", {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: "broken", kind: "init", command: shell("echo no disk; exit 4") },
        { name: "main", command: noting("main", "/tmp/never") },
      ],
    });
    expect(reason).toMatch(/^init container broken ended with exit code 4, 2 times\n.*\n {4}no disk$/);
    expect((await at.node.exec(["test", "-e", "/tmp/never"])).code).toBe(1);
  });

  test("that fail under the policy Never make the pod Failed", async () => {
    const failure = (await at
      .create("never", {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 1,
        containers: [
          { name: "side", kind: "sidecar", command: noting("side", "/tmp/never-side") },
          { name: "broken", kind: "init", command: shell("exit 5") },
          { name: "main", command: noting("main", "/tmp/never") },
        ],
      })
      .catch((error: Failure) => error)) as Failure;
    expect(failure.reasons?.[0]).toBe("init container broken ended with exit code 5");
    await at.until(`grep -q ^terminated ${folder("never")}/side/state`);
    expect(await states(failure.properties as never)).toMatchObject({ phase: "Failed" });
    expect(await lines("/tmp/never-side")).toEqual(["side", "end-side"]);
    expect((await at.node.exec(["test", "-e", "/tmp/never"])).code).toBe(1);
    await at.remove(failure.properties as never);
  });

  test("that restart always are sidecars: started in order once the one before has come up, ended last and backwards", async () => {
    const file = "/tmp/sides";
    const made = await at.create("sides", {
      terminationGracePeriodSeconds: 20,
      containers: [
        {
          name: "one",
          kind: "sidecar",
          command: noting("one", file),
          startupProbe: {
            exec: {
              command: shell("echo probe >> /tmp/probes; test -e /tmp/one-is-up || { touch /tmp/one-is-up; exit 1; }"),
            },
            periodSeconds: 1,
          },
        },
        { name: "setup", kind: "init", command: shell(`cat /tmp/probes >> ${file}; echo setup >> ${file}`) },
        { name: "two", kind: "sidecar", command: noting("two", file) },
        { name: "main", command: noting("main", file) },
      ],
    });
    await at.until(`grep -q main ${file}`);
    expect(await lines(file)).toEqual(["one", "probe", "probe", "setup", "two", "main"]);
    await at.sh(
      `kill -KILL ${(await states(made)).initContainerStatuses.find(({ name }) => name === "one")?.pid}; : > ${file}`,
    );
    await at.until(`grep -q one ${file} && [ -e ${folder("sides")}/one/ready ]`);
    expect(await states(made)).toMatchObject({
      phase: "Running",
      initContainerStatuses: [{ name: "one", restartCount: 1, ready: true }, { name: "setup" }, { name: "two" }],
      containerStatuses: [{ name: "main", pid: pidOf(made, "main") }],
    });
    await at.remove(made);
    expect(await lines(file)).toEqual(["one", "end-main", "end-two", "end-one"]);
  });

  test("the preStop hook of a sidecar does not wait for the others, its TERM does", async () => {
    const file = "/tmp/hooks";
    const made = await at.create("hooked", {
      terminationGracePeriodSeconds: 20,
      containers: [
        {
          name: "side",
          kind: "sidecar",
          command: noting("side", file),
          lifecycle: { preStop: { exec: { command: shell(`echo hook >> ${file}`) } } },
        },
        {
          name: "main",
          command: shell(`trap 'sleep 1; echo end-main >> ${file}; exit 0' TERM; while :; do sleep 0.02; done`),
        },
      ],
    });
    await at.remove(made);
    expect(await lines(file)).toEqual(["side", "hook", "end-main", "end-side"]);
  });

  test("sidecars end with a pod that is done", async () => {
    const file = "/tmp/job";
    const made = await at.create("job", {
      restartPolicy: "OnFailure",
      terminationGracePeriodSeconds: 20,
      containers: [
        { name: "one", kind: "sidecar", command: noting("one", file) },
        { name: "two", kind: "sidecar", command: noting("two", file) },
        { name: "main", command: shell(`sleep 0.5; echo job >> ${file}`) },
      ],
    });
    await at.until(`[ ! -s ${folder("job")}/keeper.pid ]`);
    expect(await lines(file)).toEqual(["one", "two", "job", "end-two", "end-one"]);
    expect((await at.read(made)).inputs).toMatchObject({ running: true });
    expect(await states(made)).toMatchObject({ phase: "Succeeded" });
    expect((await at.update(made)).phase).toBe("Succeeded");
    await at.remove(made);
  });

  test("run again after a reboot, before the others", async () => {
    await at.node.exec(["sh", "-c", "cat > /var/lib/barepod/boot.sh; chmod +x /var/lib/barepod/boot.sh"], {
      stdin: bootScript,
    });
    const file = "/var/lib/order";
    const made = await at.create("booted", {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: "setup", kind: "init", command: shell(`echo setup >> ${file}`) },
        { name: "main", command: noting("main", file) },
      ],
    });
    await at.node.restart();
    await at.until(`grep -q ^running ${folder("booted")}/main/status`);
    await at.until(`[ $(grep -c main ${file}) -ge 2 ]`);
    expect((await lines(file)).filter((line) => !line.startsWith("end-"))).toEqual(["setup", "main", "setup", "main"]);
    await at.remove(made);
  });

  test("a deadline ends all of it, as a failure; without one it runs on", async () => {
    const file = "/tmp/deadline";
    const made = await at.create("deadline", {
      activeDeadlineSeconds: 2,
      terminationGracePeriodSeconds: 20,
      containers: [{ name: "main", command: noting("main", file) }],
    });
    await at.until(`[ ! -s ${folder("deadline")}/keeper.pid ]`);
    expect(await lines(file)).toEqual(["main", "end-main"]);
    expect(await states(made)).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded" });
    expect((await at.read(made)).inputs).toMatchObject({ running: false });
    await at.remove(made);
    expect(await at.sh("ls -A /var/log/pods 2>/dev/null || :")).toBe("");
    const failing = at.fail("overdue", {
      activeDeadlineSeconds: 1,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "main", command: noting("main", file), readinessProbe: { exec: { command: ["false"] } } }],
    });
    expect(await failing).toBe("was active longer than its activeDeadlineSeconds (DeadlineExceeded)");
  });

  test("a deadline is set and shortened while containers run, and counts from their first start", async () => {
    const sleeper = { name: "main", command: ["sleep", "100000"] };
    const made = await at.create("later", { skipAwait: true, terminationGracePeriodSeconds: 0, containers: [sleeper] });
    const set = await at.update(made, { activeDeadlineSeconds: 1000 });
    expect(pidOf(set)).toBe(pidOf(made));
    expect((await at.read(set)).inputs).toMatchObject({ running: true, activeDeadlineSeconds: 1000 });
    const shorter = await at.update(set, { activeDeadlineSeconds: 900 });
    expect(pidOf(shorter)).toBe(pidOf(made));
    // One process waits for it, for what is left.
    const left = (await at.sh("pgrep -f 'launcher sleep [89]..$' -a | sed 's/.* //'")).split("\n");
    expect(left).toHaveLength(1);
    expect(Number(left[0])).toBeGreaterThan(800);
    expect(Number(left[0])).toBeLessThanOrEqual(900);
    const over = await at.update(shorter, { activeDeadlineSeconds: 1 });
    await at.until(`[ ! -s ${folder("later")}/keeper.pid ]`);
    expect(await states(over)).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded" });
    await at.remove(over);
    expect(await at.sh("ls -A /var/log/pods 2>/dev/null || :; pgrep -f 'launcher slee[p]' || :")).toBe("");
  });

  test("last words are read when a container ends, and its log where there are none", async () => {
    const root = await at.rootFses.create({ path: "/run/words", hostBinaries: ["busybox"], overlay: true });
    const container = (name: string, line: string, more: object = {}) => ({
      name,
      rootFs: "/run/words",
      command: ["busybox", "sh", "-c", line],
      terminationMessagePath: "/dev/termination-log",
      ...more,
    });
    const fallback = { terminationMessagePolicy: "FallbackToLogsOnError" };
    const made = await at.create("words", {
      restartPolicy: "Never",
      skipAwait: true,
      terminationGracePeriodSeconds: 1,
      containers: [
        container("says", "echo log; echo cannot go on > /dev/termination-log; exit 3", fallback),
        container("falls-back", "for i in $(busybox seq 100); do echo line $i; done; exit 3", fallback),
        container("is-fine", "echo log; exit 0", fallback),
        container("keeps-to-file", "echo log; exit 3"),
        container("elsewhere", "echo here > /tmp/last; exit 3", {
          terminationMessagePath: "/tmp/last",
          runAsUser: 1000,
        }),
        container(
          "floods",
          "busybox dd if=/dev/zero bs=1k count=64 2>/dev/null | busybox tr '\\0' x > /dev/termination-log",
        ),
      ],
    });
    await at.until(`[ ! -s ${folder("words")}/keeper.pid ]`);
    const { containerStatuses } = await states(made);
    const words = Object.fromEntries(containerStatuses.map(({ name, lastMessage }) => [name, lastMessage]));
    expect(words).toEqual({
      says: "cannot go on",
      "falls-back": Array.from({ length: 80 }, (_, index) => `line ${index + 21}`).join("\n"),
      "is-fine": undefined,
      "keeps-to-file": undefined,
      elsewhere: "here",
      floods: "x".repeat(4096),
    });
    await at.remove(made);
    await at.rootFses.remove(root);
    expect(await at.sh("ls -A /var/log/pods 2>/dev/null || :")).toBe("");
  });

  test("what must be there before a start is prepared, again and again until it is", async () => {
    const made = await at.create("prepared", {
      terminationGracePeriodSeconds: 1,
      command: noting("main", "/tmp/prepared"),
    });
    const programs = await at.sh("dirname /var/lib/barepod/bin/*/keeper.sh");
    await at.node.exec(["sh", "-c", `cat > ${programs}/prepare.sh; chmod 755 ${programs}/prepare.sh`], {
      stdin:
        '#!/bin/sh\necho "prepare $1" >> /tmp/prepared; [ -e /tmp/there ] || { echo "configmap \\"x\\" not found" >&2; exit 1; }\n',
    });
    await at.sh(`touch ${folder("prepared")}/keeper.prepare; : > /tmp/prepared; kill -KILL ${pidOf(made)}`);
    await at.until(`grep -q CreateContainerConfigError ${folder("prepared")}/main/state`);
    const waiting = await states(made);
    expect(waiting).toMatchObject({ containerStatuses: [{ state: "waiting", reason: "CreateContainerConfigError" }] });
    await at.sh("touch /tmp/there");
    await at.until(`grep -q main /tmp/prepared`);
    const tries = await lines("/tmp/prepared");
    expect(tries.length).toBeGreaterThan(2);
    expect(tries.slice(0, -1).every((line) => line === `prepare ${folder("prepared")}`)).toBe(true);
    await at.remove(made);
    await at.sh(`rm ${programs}/prepare.sh`);
  });
});
