import * as pulumi from "@pulumi/pulumi";
import { Node, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../../provider/kubernetes/container-types";
import { type Outcome, openStack, type Stack, type StateResource } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import type { NodeSnapshot } from "../harness/snapshot";

const obstacle = sandboxObstacle();

/** What a container prints about itself, a line each. */
const report = `
for key in CapEff CapBnd NoNewPrivs Seccomp; do echo "$key=$(grep "^$key:" /proc/self/status | cut -f2)"; done
echo "id=$(id -u):$(id -g)"
echo "pwd=$(pwd)"
echo "hostname=$(hostname)"
echo "processes=$(ls -d /proc/[0-9]* | wc -l)"
echo "first=$(tr '\\0' ' ' < /proc/1/cmdline)"
echo "network=$(readlink /proc/self/ns/net) $(readlink /proc/self/ns/uts) $(readlink /proc/self/ns/ipc)"
echo "address=$(ip -4 -o address show dev eth0 2>/dev/null | awk '{print $4}')"
echo "root=$(touch /written 2>/dev/null && echo writable || echo read-only)"
echo "devices=$(ls /dev | tr '\\n' ' ')"
echo "group=$(grep :memory: /proc/self/cgroup | cut -d: -f3)"
for file in /data /scratch /fast /data-ro; do
[ ! -d $file ] || echo "$file=$(stat -f -c %T $file) $(stat -c %a $file) $(touch $file/$NAME 2>/dev/null && echo writable || echo read-only)"
done
for each; do echo "argument=$each"; done
env | sed 's/^/env:/'
echo done
`;
const linger = "exec sleep 100000";

function reporting(name: string, more: Partial<Container> = {}, args: string[] = []): Container {
  const env = [{ name: "NAME", value: name }, ...((more.env as { name: string; value: string }[] | undefined) ?? [])];
  return {
    name,
    image: "host:busybox",
    command: ["busybox", "sh", "-c"],
    args: [`${report}\n${linger}`, "-", ...args],
    ...more,
    env,
  } as Container;
}

/** Tells everybody who asks which address the question came from. */
const server = `mkdir -p /tmp/www/cgi-bin
printf '#!/bin/sh\\necho Content-Type: text/plain; echo; echo "from $REMOTE_ADDR"\\n' > /tmp/www/cgi-bin/who
chmod 755 /tmp/www/cgi-bin/who
exec busybox httpd -f -p 8080 -h /tmp/www`;
const ask = (address: string) => `timeout 2 busybox wget -q -O - http://${address}:8080/cgi-bin/who`;

/** What came and what went, a line each. */
function difference(before: NodeSnapshot, after: NodeSnapshot): string[] {
  return Object.entries(before).flatMap(([section, text]) => {
    const [old, now] = [text as string, after[section as keyof NodeSnapshot]].map((each) => each.split("\n"));
    const minus = (a: string[] = [], b: string[] = []) => a.filter((line) => !b.includes(line));
    return [
      ...minus(old, now).map((line) => `- ${section}: ${line}`),
      ...minus(now, old).map((line) => `+ ${section}: ${line}`),
    ];
  });
}

describe.skipIf(obstacle)(`pods${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let outside: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let first: Outcome;
  let changed: { environment?: string; memory?: string; grace?: number } = {};
  let failing = false;

  beforeAll(async () => {
    [node, outside] = await Promise.all([startSandbox(), startSandbox()]);
    // As on a node with Docker: what is forwarded is forwarded by a rule of Barepod's.
    await sh(
      "iptables -P FORWARD DROP; mkdir -p /srv/shared && chmod 0777 /srv/shared && echo from-the-node > /srv/shared/hello",
    );
    for (const each of [node, outside])
      await each.exec(["sh", "-c", '(setsid sh -c "$1" </dev/null >/dev/null 2>&1 &)', "-", server]);
    await sh(`until busybox ${ask("127.0.0.1")} > /dev/null 2>&1; do sleep 0.05; done`);
    await sh("sleep 0.5");
    before = await node.snapshot();
    stack = await openStack("pods", program);
    first = await stack.up();
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await Promise.all([node, outside].map((each) => each?.[Symbol.asyncDispose]()));
  });

  function program(): void {
    const { connection } = node;
    const on = new Node("edge", { connection });
    if (failing) declareFailing(on);
    else declareFull(on);
  }

  function declareFull(on: Node): void {
    new Pod("full", {
      on,
      metadata: {
        name: "full-name",
        namespace: "space",
        labels: { app: "full" },
        annotations: { "example.com/note": "x" },
      },
      spec: {
        hostname: "called-otherwise",
        terminationGracePeriodSeconds: changed.grace ?? 2,
        volumes: [
          { name: "data", hostPath: { path: "/srv/shared" } },
          { name: "scratch", emptyDir: {} },
          { name: "fast", emptyDir: { medium: "Memory" } },
        ],
        containers: [
          reporting(
            "one",
            {
              env: [
                { name: "GREETING", value: changed.environment ?? "hello" },
                { name: "REFERS", value: "$(GREETING)-again" },
                { name: "ODD", value: "a 'b' \"c\" $HOME `id` \\ ü" },
                { name: "PASSWORD", value: pulumi.secret("hunter2-canary") },
              ],
              workingDir: "/tmp",
              ports: [{ name: "web", containerPort: 8080, protocol: "TCP" }],
              resources: {
                limits: { cpu: "500m", memory: changed.memory ?? "64Mi" },
                requests: { cpu: "100m", memory: "32Mi" },
              },
              volumeMounts: [
                { name: "data", mountPath: "/data" },
                { name: "data", mountPath: "/data-ro", readOnly: true },
                { name: "scratch", mountPath: "/scratch" },
                { name: "fast", mountPath: "/fast" },
              ],
            },
            ["a b", "$(GREETING)", "$$(GREETING)", "$(id)", "-n", "*"],
          ),
          reporting("two", {
            securityContext: {
              runAsUser: 1234,
              runAsGroup: 2345,
              readOnlyRootFilesystem: true,
              allowPrivilegeEscalation: false,
              capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
            },
            volumeMounts: [
              { name: "scratch", mountPath: "/scratch" },
              { name: "fast", mountPath: "/fast" },
            ],
          }),
          { name: "server", image: "host:busybox,sh", command: ["busybox", "sh", "-c"], args: [server] },
        ],
      },
    });
    new Pod("plain", { on, spec: { terminationGracePeriodSeconds: 0, containers: [reporting("plain")] } });
    new Pod("privileged", {
      on,
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [reporting("privileged", { securityContext: { privileged: true } })],
      },
    });
    new Pod("host", {
      on,
      spec: { terminationGracePeriodSeconds: 0, hostNetwork: true, containers: [reporting("host")] },
    });
    new Pod("family", {
      on,
      spec: {
        terminationGracePeriodSeconds: 0,
        shareProcessNamespace: true,
        containers: [{ name: "sleeper", image: "host:sleep", command: ["sleep", "4242"] }, reporting("seer")],
      },
    });
    new Pod("once", {
      on,
      spec: {
        restartPolicy: "Never",
        containers: [{ name: "job", image: "host:busybox", command: ["busybox", "echo", "done at once"] }],
      },
    });
    const busybox = (name: string, line: string, more: Partial<Container> = {}): Container => ({
      name,
      image: "host:busybox",
      command: ["busybox", "sh", "-c", line],
      ...more,
    });
    const shared = { volumeMounts: [{ name: "shared", mountPath: "/shared" }] };
    new Pod("staged", {
      on,
      spec: {
        os: { name: "linux" },
        activeDeadlineSeconds: 86_400,
        terminationGracePeriodSeconds: 5,
        volumes: [{ name: "shared", emptyDir: {} }],
        initContainers: [
          busybox("setup", "echo $(id -u) > /shared/setup", {
            ...shared,
            resources: { limits: { memory: "16Mi" } },
            securityContext: { runAsUser: 4321 },
          }),
          busybox("side", "trap 'exit 0' USR1; echo side >> /shared/setup; while :; do sleep 0.1; done", {
            ...shared,
            restartPolicy: "Always",
            lifecycle: { stopSignal: "SIGUSR1" },
            startupProbe: { exec: { command: ["busybox", "grep", "side", "/shared/setup"] }, periodSeconds: 1 },
          }),
        ],
        containers: [
          busybox("web", "cat /shared/setup; exec busybox httpd -f -p 8080 -h /shared", {
            ...shared,
            ports: [{ name: "http", containerPort: 8080 }],
            readinessProbe: { httpGet: { port: "http", path: "/setup" }, periodSeconds: 1 },
            livenessProbe: { tcpSocket: { port: "http" } },
          }),
        ],
      },
    });
    new Pod("stubborn", {
      on,
      spec: {
        terminationGracePeriodSeconds: 3,
        volumes: [{ name: "out", hostPath: { path: "/srv/shared" } }],
        containers: [
          {
            name: "stubborn",
            image: "host:busybox",
            command: ["busybox", "sh", "-c", "trap 'echo asked > /out/asked' TERM; while :; do sleep 0.1; done"],
            volumeMounts: [{ name: "out", mountPath: "/out" }],
          },
        ],
      },
    });
  }

  function declareFailing(on: Node): void {
    const pod = (name: string, container: Partial<Container>, spec: object = {}, annotations = {}) =>
      new Pod(name, {
        on,
        metadata: { annotations },
        spec: { ...spec, containers: [{ name: "app", image: "host:busybox", ...container } as Container] },
      });
    const crash = { command: ["busybox", "sh", "-c", "echo starting; echo cannot open the database >&2; exit 3"] };
    pod("crashes", crash);
    pod("gives-up", crash, { restartPolicy: "Never" });
    pod("skips", crash, {}, { "pulumi.com/skipAwait": "true" });
    pod("greedy", {
      command: ["busybox", "sh", "-c", "echo filling; exec busybox dd if=/dev/zero of=/dev/null bs=64M count=1"],
      resources: { limits: { memory: "16Mi" } },
    });
    const soon = { "pulumi.com/timeoutSeconds": "3" };
    const http = { httpGet: { port: 8080, path: "/" }, periodSeconds: 1 };
    pod(
      "unready",
      { command: ["busybox", "sleep", "1000"], readinessProbe: http },
      { terminationGracePeriodSeconds: 0 },
      soon,
    );
    pod("typo", { command: ["busibox", "sleep", "1"] });
    pod("lost", { command: ["busybox", "sleep", "1000"], workingDir: "/not/there" });
    pod(
      "unmounted",
      { command: ["busybox", "sleep", "1000"], volumeMounts: [{ name: "data", mountPath: "/data" }] },
      { volumes: [{ name: "data", hostPath: { path: "/srv/not-there" } }] },
    );
    pod("no-program", { image: "host:no-such-program", command: ["no-such-program"] });
  }

  async function sh(line: string): Promise<string> {
    const { code, stdout, stderr } = await node.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }

  /** A line that runs in a container's namespaces and root, as its first process's user. */
  async function inside(process: string, container: string, line: string) {
    const pid = await sh(`cut -f2 /run/barepod/process/${process}/${container}/status`);
    const enter = ["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "busybox", "sh", "-c", line];
    const { code, stdout, stderr } = await node.exec(enter);
    return { code, out: stdout.trim(), error: stderr.trim() };
  }

  /** What a container has printed. */
  async function log(process: string, container: string): Promise<string[]> {
    const link = `/var/log/containers/${process.split("_")[1]}_${process.split("_")[0]}_${container}-*.log`;
    return (await sh(`cut -d' ' -f4- ${link}`)).split("\n");
  }

  async function reported(process: string, container: string): Promise<Map<string, string>> {
    const lines = await log(process, container);
    expect(lines.at(-1)).toBe("done");
    return new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  }

  async function resources(): Promise<readonly StateResource[]> {
    return (await stack.export()).deployment.resources;
  }

  async function status(pod: string): Promise<{ phase: string; podIP: string; hostIP: string }> {
    const found = (await resources()).find(({ urn }) => urn.endsWith(`barepod:index:Pod::${pod}`));
    return found?.outputs?.["status"] as never;
  }

  const operations = ({ steps }: Outcome) =>
    steps.filter(({ op }) => op !== "same").map(({ op, name, changed: inputs }) => `${op} ${name} ${inputs.join()}`);

  test("run with command, args and env exactly as given", async () => {
    expect(first.warnings).toEqual([]);
    const lines = await log("space_full-name", "one");
    expect(lines.filter((line) => line.startsWith("argument="))).toEqual([
      "argument=a b",
      "argument=hello",
      "argument=$(GREETING)",
      "argument=$(id)",
      "argument=-n",
      "argument=*",
    ]);
    expect(lines.filter((line) => line.startsWith("env:")).sort()).toEqual([
      "env:GREETING=hello",
      "env:HOME=/",
      "env:HOSTNAME=called-otherwise",
      "env:NAME=one",
      "env:ODD=a 'b' \"c\" $HOME `id` \\ ü",
      "env:PASSWORD=hunter2-canary",
      "env:PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "env:PWD=/tmp",
      "env:REFERS=hello-again",
      "env:SHLVL=1",
    ]);
    expect(stack.stateOnDisk().includes("hunter2-canary")).toBe(false);
    expect(JSON.stringify({ ...first, errors: [...first.errors] }).includes("hunter2-canary")).toBe(false);
  });

  test("have a working directory, a host name and an address", async () => {
    const [one, plain] = [await reported("space_full-name", "one"), await reported("default_plain", "plain")];
    expect([one.get("pwd"), plain.get("pwd")]).toEqual(["/tmp", "/"]);
    expect([one.get("hostname"), plain.get("hostname")]).toEqual(["called-otherwise", "plain"]);
    const { podIP, hostIP, phase } = await status("full");
    expect(one.get("address")).toBe(`${podIP}/32`);
    expect({ hostIP, phase }).toEqual({ hostIP: node.host, phase: "Running" });
    expect(podIP).not.toBe((await status("plain")).podIP);
  });

  test("share network, name and IPC between containers, and nothing else", async () => {
    const [one, two] = [await reported("space_full-name", "one"), await reported("space_full-name", "two")];
    const plain = await reported("default_plain", "plain");
    expect(one.get("network")).toBe(two.get("network"));
    expect(one.get("network")).not.toBe(plain.get("network"));
    expect(one.get("first")).toMatch(/^busybox sh -c/);
    expect(Number(one.get("processes"))).toBeLessThan(10);
    expect((await inside("space_full-name", "one", ask("127.0.0.1"))).out).toContain("127.0.0.1");
    const look = "ls /dev/shm; stat -f -c %T /dev/shm";
    await inside("space_full-name", "one", "echo > /dev/shm/from-one");
    expect((await inside("space_full-name", "two", look)).out).toBe("from-one\ntmpfs");
    expect((await inside("default_plain", "plain", look)).out).toBe("tmpfs");
  });

  test("cannot see or signal the node's processes, unless they share their own", async () => {
    const pid = await sh("pgrep -x busybox | head -n 1");
    const attempt = await inside("default_plain", "plain", `kill -0 ${pid}; ls -d /proc/${pid}`);
    expect(attempt.code).not.toBe(0);
    expect(attempt.error).toContain("No such process");
    const seer = await reported("default_family", "seer");
    expect(
      (
        await inside(
          "default_family",
          "seer",
          "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 4242' | head -n 1",
        )
      ).out,
    ).toContain("sleep 4242");
    expect(seer.get("first")).not.toMatch(/^busybox sh/);
    expect((await inside("default_plain", "plain", "cat /proc/[0-9]*/cmdline | grep -c 4242")).out).toBe("1");
  });

  test("mount folders of the node, folders that they share, and memory", async () => {
    const one = await reported("space_full-name", "one");
    const plain = await reported("default_plain", "plain");
    expect(one.get("/data")).toMatch(/ 777 writable$/);
    expect(one.get("/data-ro")).toMatch(/ 777 read-only$/);
    expect(one.get("/scratch")).toMatch(/ 777 writable$/);
    expect(one.get("/fast")).toBe("tmpfs 777 writable");
    expect(plain.has("/data")).toBe(false);
    expect(await sh("cat /srv/shared/hello; ls /srv/shared")).toContain("one");
    // The second container is another user and sees what the first wrote.
    expect((await inside("space_full-name", "two", "ls /scratch /fast")).out.split(/\s+/)).toEqual([
      "/fast:",
      "one",
      "two",
      "/scratch:",
      "one",
      "two",
    ]);
  });

  test("confine a container as its securityContext says", async () => {
    const [one, two] = [await reported("space_full-name", "one"), await reported("space_full-name", "two")];
    const privileged = await reported("default_privileged", "privileged");
    expect([one.get("id"), two.get("id")]).toEqual(["0:0", "1234:2345"]);
    expect([one.get("root"), two.get("root")]).toEqual(["writable", "read-only"]);
    expect([one.get("NoNewPrivs"), two.get("NoNewPrivs")]).toEqual(["0", "1"]);
    expect(one.get("CapEff")).toBe("00000000a00425fb");
    expect([two.get("CapBnd"), two.get("CapEff")]).toEqual(["0000000000000400", "0000000000000000"]);
    expect(BigInt(`0x${privileged.get("CapEff")}`)).toBeGreaterThan(0x3fffffffffn - 1n);
    const ofNode = (await sh("ls /dev")).split("\n").filter((name) => name !== "console");
    const own = ["mqueue", "termination-log"];
    expect(privileged.get("devices")?.trim().split(" ")).toEqual([...new Set([...ofNode, ...own])].sort());
    expect(one.get("devices")?.trim()).toBe(
      "fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero",
    );
  });

  test("are closed to the node's own users, set-user-id programs of a container too", async () => {
    const places = "/run/barepod/pods/*/*/rootfs /var/lib/barepod/volumes/*/*";
    const reach = (who: string) =>
      node.exec(["sh", "-c", `for path in ${places}; do ${who} test -x "$path/." && echo "$path"; done; :`]);
    expect((await reach("")).stdout).toMatch(/rootfs\n[\s\S]*volumes/);
    expect((await reach("setpriv --reuid 65534 --regid 65534 --clear-groups")).stdout).toBe("");
  });

  test("limit memory and processor time", async () => {
    const group = "barepod.pods/space_full-name/one";
    const read = async (v1: string, v2: string) =>
      sh(`cat /sys/fs/cgroup/${v1.replace("/", `/${group}/`)} 2>/dev/null || cat /sys/fs/cgroup/${group}/${v2}`);
    expect(await read("memory/memory.limit_in_bytes", "memory.max")).toBe(String(64 * 1024 * 1024));
    expect(await read("cpu/cpu.cfs_quota_us", "cpu.max")).toMatch(/^50000/);
    expect(await read("cpu/cpu.shares", "cpu.weight")).toMatch(/^(102|4)$/);
    const pid = await sh("cut -f2 /run/barepod/process/space_full-name/one/status");
    expect(await sh(`cat /proc/${pid}/cgroup`)).toContain(group);
  });

  test("use the node's network with hostNetwork", async () => {
    const host = await reported("default_host", "host");
    expect(host.get("hostname")).toBe(await sh("hostname"));
    expect(host.get("network")?.split(" ")[0]).toBe(await sh("readlink /proc/1/ns/net"));
    expect(await status("host")).toMatchObject({ podIP: node.host, hostIP: node.host, phase: "Running" });
  });

  test("reach each other, the node, and the world outside through the node", async () => {
    const { podIP } = await status("full");
    const plainIP = (await status("plain")).podIP;
    const dial = (address: string) => inside("default_plain", "plain", ask(address));
    expect((await dial(podIP)).out).toContain(plainIP);
    expect((await dial(node.host)).out).toContain(plainIP);
    expect((await dial(outside.host)).out).toContain(node.host);
    // Without its rules nothing gets out, and nothing comes in again.
    const saved = await sh("iptables-save");
    await sh("iptables-save | sed -n 's/^-A POSTROUTING/iptables -w -t nat -D POSTROUTING/p' | grep barepod | sh");
    expect((await dial(outside.host)).code).not.toBe(0);
    const refreshed = await stack.refresh();
    expect(operations(refreshed)).toEqual(["update edge podCIDR"]);
    expect(operations(await stack.up())).toEqual(["update edge podCIDR"]);
    expect((await dial(outside.host)).out).toContain(node.host);
    await sh("iptables-save | sed -n 's/^-A FORWARD/iptables -w -D FORWARD/p' | grep barepod | sh");
    expect((await dial(outside.host)).code).not.toBe(0);
    await node.exec(["iptables-restore"], { stdin: saved });
    expect((await dial(outside.host)).out).toContain(node.host);
  });

  test("start their init containers and sidecars in order, and are ready when their probes say so", async () => {
    expect(await log("default_staged", "web")).toEqual(["4321", "side"]);
    expect(await status("staged")).toMatchObject({
      phase: "Running",
      reason: "",
      conditions: ["Initialized", "ContainersReady", "Ready"].map((type) => ({ type, status: "True" })),
      initContainerStatuses: [
        { name: "setup", state: "terminated", ready: true },
        { name: "side", state: "running", ready: true },
      ],
      containerStatuses: [{ name: "web", state: "running", ready: true }],
    });
    const sizes = await sh(
      `for p in $(pgrep -f '^/bin/sh .*keeper.sh run /run/barepod/process/default_staged'); do sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' /proc/$p/smaps_rollup; done`,
    );
    console.log(`PSS of a keeper with two supervisors and two shells that probe: ${sizes.split("\n").join(" + ")} KB`);
  });

  test("say when they have succeeded", async () => {
    expect((await status("once")).phase).toBe("Succeeded");
    expect(await log("default_once", "job")).toEqual(["done at once"]);
  });

  test("stay as they are in a second up, and in a refresh", async () => {
    expect(operations(await stack.refresh())).toEqual([]);
    const second = await stack.up();
    expect(operations(second)).toEqual([]);
    expect(second.frames).toEqual([]);
  });

  test("start a container again that was killed", async () => {
    await sh("kill -KILL $(cut -f2 /run/barepod/process/default_plain/plain/status)");
    await sh(
      "for i in $(seq 100); do [ ! -e /run/barepod/process/default_plain/plain/restarts ] || break; sleep 0.05; done; sleep 0.3",
    );
    expect(operations(await stack.refresh())).toEqual([]);
    const process = (await resources()).find(({ urn }) => urn.endsWith("plain-process"));
    expect(process?.outputs?.["containerStatuses"]).toMatchObject([
      { name: "plain", state: "running", restartCount: 1, lastExitCode: 137, lastReason: "Error" },
    ]);
  });

  test("change in place what can change in place, and start anew what cannot", async () => {
    const pid = await sh("cut -f2 /run/barepod/process/space_full-name/one/status");
    const { podIP } = await status("full");
    changed = { memory: "96Mi", grace: 1 };
    const inPlace = await stack.preview();
    expect(operations(inPlace).sort()).toEqual([
      "update full-cgroup-one memoryMax",
      "update full-process terminationGracePeriodSeconds",
    ]);
    expect(operations(await stack.up()).sort()).toEqual(operations(inPlace).sort());
    expect(await sh("cut -f2 /run/barepod/process/space_full-name/one/status")).toBe(pid);
    changed = { ...changed, environment: "good day" };
    const anew = await stack.preview();
    expect(operations(anew).map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual(
      expect.arrayContaining(["replace full-process"]),
    );
    expect(new Set(anew.steps.filter(({ op }) => op !== "same").map(({ name }) => name))).toEqual(
      new Set(["full-process"]),
    );
    await stack.up();
    expect((await reported("space_full-name", "one")).get("env:GREETING")).toBe("good day");
    expect((await status("full")).podIP).toBe(podIP);
  });

  test("show what somebody broke, and repair it", async () => {
    await sh(`kill -KILL $(cut -f1 /run/barepod/process/default_host/keeper.pid)
ip link delete dev $(ip route get ${(await status("plain")).podIP} | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')
umount -l /run/barepod/pods/default_privileged/privileged/rootfs
umount -l /var/lib/barepod/volumes/space_full-name/fast`);
    const seen = operations(await stack.refresh());
    expect(seen.sort()).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/host-process running/),
        expect.stringMatching(/plain-eth0/),
        expect.stringMatching(/privileged-rootfs-privileged/),
        expect.stringMatching(/full-volume-fast/),
      ]),
    );
    await stack.up();
    expect(operations(await stack.refresh())).toEqual([]);
    expect(operations(await stack.up())).toEqual([]);
    expect((await status("host")).phase).toBe("Running");
    const { podIP } = await status("full");
    expect((await inside("default_plain", "plain", ask(podIP))).out).toContain("from");
  });

  test("that fail say why, with the last lines of the log", async () => {
    failing = true;
    const { errors, output } = await stack.up({ mayFail: true, continueOnError: true });
    const said = (name: string) => errors.get(`${name}-process`) ?? errors.get(name) ?? "";
    expect(output).not.toContain("    at ");
    expect(said("crashes")).toContain("container app ended with exit code 3");
    expect(said("crashes")).toContain("cannot open the database");
    expect(said("gives-up")).toContain("container app ended with exit code 3");
    expect(said("skips")).toBe("");
    expect(said("greedy")).toContain("OOMKilled");
    expect(said("unready")).toMatch(
      /not ready after 3 s: waiting for app to be ready: Get "http:\/\/10\.[0-9.]+:8080\/": dial tcp .*: connect: connection refused/,
    );
    expect(said("typo")).toMatch(/started: exec: "busibox": not found in PATH; add it to image: host:…,busibox$/m);
    expect(said("lost")).toMatch(/\/not\/there/);
    expect(said("unmounted")).toMatch(/\/srv\/not-there/);
    expect(errors.get("no-program-rootfs-app")).toMatch(/no-such-program/);
  });

  test("leave the node as it was, after TERM and the grace period", async () => {
    expect(await sh("cat /srv/shared/asked; rm /srv/shared/asked /srv/shared/one")).toBe("asked");
    failing = true;
    const { durationMs } = await stack.destroy();
    expect(durationMs).toBeLessThan(60_000);
    expect(difference(before, await node.snapshot())).toEqual([]);
  });
});
