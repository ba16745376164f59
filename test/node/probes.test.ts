/** Probes and hooks, by what they do to a container on a real node. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sandboxObstacle } from "../harness/sandbox";
import { ProcessNode, type ProcessState, pidOf } from "./process-node";

const obstacle = sandboxObstacle();
const shell = (line: string) => ["sh", "-c", line];
const folder = (name: string) => `/run/barepod/process/${name}`;
/** Ends at once when it is asked to. */
const polite = shell("trap 'exit 0' TERM; while :; do sleep 0.02; done");
/** On the node's network, where a probe of the pod's address is one of the node's. */
const common = { hostNamespaces: ["net"], terminationGracePeriodSeconds: 1 };
/** Answers with what lies in its folder. */
const server = (port: number, root: string) =>
  shell(`mkdir -p ${root}; trap 'kill $!; exit 0' TERM; busybox httpd -f -p ${port} -h ${root} & wait`);

describe.skipIf(obstacle)(`probes${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let at: ProcessNode;
  beforeAll(async () => {
    at = await ProcessNode.start();
  });
  afterAll(async () => {
    await at[Symbol.asyncDispose]();
  });
  const exists = async (path: string) => (await at.node.exec(["test", "-e", path])).code === 0;
  const states = async (state: ProcessState) => (await at.read(state)).props as unknown as ProcessState;
  const read = (path: string) => at.sh(`cat ${path}`);

  describe("a readiness probe", () => {
    test("is what up waits for; what it finds later is no drift, and starts nothing again", async () => {
      await at.sh("rm -rf /srv/ready; mkdir -p /srv/ready");
      const creating = at.create("ready", {
        ...common,
        command: server(18_001, "/srv/ready"),
        readinessProbe: { httpGet: { port: 18_001, path: "/healthy" }, periodSeconds: 1, failureThreshold: 1 },
      });
      await at.until(`grep -q 404 ${folder("ready")}/main/failing`);
      expect(await read(`${folder("ready")}/main/failing`)).toBe("readiness\tHTTP probe failed with statuscode: 404");
      expect([await exists(`${folder("ready")}/main/ready`), await exists(`${folder("ready")}/keeper.ready`)]).toEqual([
        false,
        false,
      ]);
      await at.sh("echo yes > /srv/ready/healthy");
      const made = await creating;
      expect(made).toMatchObject({ phase: "Running", containerStatuses: [{ ready: true, restartCount: 0 }] });
      expect(await exists(`${folder("ready")}/keeper.ready`)).toBe(true);
      await at.sh("rm /srv/ready/healthy");
      await at.until(`[ ! -e ${folder("ready")}/keeper.ready ]`);
      const { inputs, props } = await at.read(made);
      expect(inputs).toMatchObject({ running: true });
      expect(props).toMatchObject({
        containerStatuses: [{ ready: false, restartCount: 0, pid: pidOf(made) }],
        conditions: [
          { type: "Initialized", status: "True" },
          { type: "ContainersReady", status: "False" },
          { type: "Ready", status: "False" },
        ],
      });
      await at.remove(made);
      expect(await at.sh("pgrep -cx keeper.sh || :")).toBe("0");
    });

    test("that never succeeds is told by its reason when the time is over", async () => {
      const reason = await at.fail("never-ready", {
        ...common,
        command: polite,
        readinessProbe: { tcpSocket: { port: 18_002 }, periodSeconds: 1 },
        timeoutSeconds: 3,
      });
      expect(reason).toBe(
        "not ready after 3 s: waiting for main to be ready: dial tcp 127.0.0.1:18002: connect: connection refused",
      );
    });

    test("needs as many successes and failures in a row as it says", async () => {
      const made = await at.create("thresholds", {
        ...common,
        command: polite,
        readinessProbe: {
          exec: { command: shell("echo probe >> /tmp/thresholds; test ! -e /tmp/threshold-down") },
          periodSeconds: 1,
          successThreshold: 3,
          failureThreshold: 2,
        },
      });
      expect((await read("/tmp/thresholds")).split("\n")).toHaveLength(3);
      await at.sh("touch /tmp/threshold-down; : > /tmp/thresholds");
      await at.until(`[ ! -e ${folder("thresholds")}/main/ready ]`);
      expect((await read("/tmp/thresholds")).split("\n")).toHaveLength(2);
      await at.remove(made);
    });
  });

  describe("a liveness probe", () => {
    test("ends and restarts what fails it, and says why; a container without one runs on", async () => {
      await at.sh("touch /tmp/alive");
      const made = await at.create("alive", {
        ...common,
        containers: [
          {
            name: "probed",
            command: polite,
            livenessProbe: { exec: { command: ["cat", "/tmp/alive"] }, periodSeconds: 1, failureThreshold: 2 },
          },
          { name: "free", command: polite },
        ],
      });
      await at.sh("rm /tmp/alive");
      await at.until(`grep -qx 1 ${folder("alive")}/probed/restarts`);
      await at.sh("touch /tmp/alive");
      await at.until(`[ -e ${folder("alive")}/probed/ready ]`);
      const { containerStatuses } = await states(made);
      expect(containerStatuses).toMatchObject([
        {
          name: "probed",
          restartCount: 1,
          lastExitCode: 0,
          lastMessage: expect.stringMatching(
            /^its liveness probe failed: cat: .*\/tmp\/alive.*No such file or directory$/,
          ),
        },
        { name: "free", restartCount: 0, pid: pidOf(made, "free") },
      ]);
      await at.remove(made);
    });

    test("ends with its own grace period what ignores TERM, and nothing restarts it under the policy Never", async () => {
      const made = await at.create("stubborn", {
        ...common,
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 3600,
        command: shell("trap '' TERM; while :; do sleep 0.05; done"),
        livenessProbe: {
          exec: { command: ["false"] },
          initialDelaySeconds: 1,
          periodSeconds: 1,
          failureThreshold: 1,
          terminationGracePeriodSeconds: 1,
        },
      });
      await at.until(`grep -q ^terminated ${folder("stubborn")}/main/state`);
      expect(await states(made)).toMatchObject({
        phase: "Failed",
        containerStatuses: [
          {
            restartCount: 0,
            lastExitCode: 137,
            lastMessage: "its liveness probe failed: the command ended with exit code 1",
          },
        ],
      });
      await at.remove(made);
    });

    test("that takes too long fails, and leaves no process behind", async () => {
      const made = await at.create("slow", {
        ...common,
        command: polite,
        livenessProbe: {
          exec: { command: ["sleep", "4711"] },
          periodSeconds: 1,
          timeoutSeconds: 1,
          failureThreshold: 1,
        },
      });
      await at.until(`grep -qx 1 ${folder("slow")}/main/restarts`);
      expect(await read(`${folder("slow")}/main/message`)).toBe(
        "its liveness probe failed: the command has not ended after 1 s",
      );
      await at.remove(made);
      expect((await at.node.exec(["pgrep", "-f", "^sleep 4711"])).stdout).toBe("");
    });
  });

  test("a startup probe keeps the others waiting, and restarts what does not come up", async () => {
    const made = await at.create("startup", {
      ...common,
      skipAwait: true,
      command: shell("echo run >> /tmp/runs; trap 'exit 0' TERM; while :; do sleep 0.02; done"),
      startupProbe: {
        exec: { command: shell("echo startup >> /tmp/order; test -e /tmp/up") },
        periodSeconds: 1,
        failureThreshold: 2,
      },
      livenessProbe: { exec: { command: shell("echo liveness >> /tmp/order") }, periodSeconds: 1 },
      readinessProbe: { exec: { command: shell("echo readiness >> /tmp/order") }, periodSeconds: 1 },
    });
    await at.until(`grep -qx 1 ${folder("startup")}/main/restarts`);
    expect(await at.sh("sort -u /tmp/order")).toBe("startup");
    expect(await read(`${folder("startup")}/main/message`)).toBe(
      "its startup probe failed: the command ended with exit code 1",
    );
    await at.sh("touch /tmp/up");
    await at.until("grep -q liveness /tmp/order && grep -q readiness /tmp/order");
    expect(await at.sh("sed '/startup/d' /tmp/order | sort -u")).toBe("liveness\nreadiness");
    expect(await at.sh("wc -l < /tmp/runs")).toBe("2");
    await at.remove(made);
  });

  test("an exec probe runs in the container: root, namespaces, user, environment, and not a word to a shell", async () => {
    const root = await at.rootFses.create({ path: "/run/probed", hostBinaries: ["busybox"], overlay: true });
    const made = await at.create("inside", {
      command: ["busybox", "sleep", "1000"],
      terminationGracePeriodSeconds: 0,
      rootFs: "/run/probed",
      runAsUser: 1234,
      env: { NAME: "it's" },
      readinessProbe: {
        exec: {
          command: [
            "busybox",
            "sh",
            "-c",
            'printf "%s\\n" "$(busybox id -u) $NAME $(busybox readlink /proc/1/exe) $1 $#" >&2; exit 1',
            "-",
            "a 'b' $(c)\n\t\\",
          ],
        },
        failureThreshold: 100,
        periodSeconds: 1,
      },
      skipAwait: true,
    });
    await at.until(`[ -s ${folder("inside")}/main/failing ]`);
    expect(await read(`${folder("inside")}/main/failing`)).toBe("readiness\t1234 it's /usr/bin/busybox a 'b' $(c)");
    await at.remove(made);
    await at.rootFses.remove(root);
  });

  test("an HTTP probe sends its headers, and follows no redirect to another host", async () => {
    const made = await at.create("headers", {
      ...common,
      command: shell(
        `trap 'exit 0' TERM; while :; do printf 'HTTP/1.1 302 Found\\r\\nLocation: http://elsewhere.example/\\r\\nConnection: close\\r\\n\\r\\n' | busybox nc -l -p 18003 > /tmp/request.new; mv /tmp/request.new /tmp/request; done`,
      ),
      readinessProbe: {
        httpGet: {
          port: 18_003,
          path: "/a b?c=ü&d",
          httpHeaders: [
            { name: "X-One", value: "it's one" },
            { name: "Host", value: "example.com" },
          ],
        },
        periodSeconds: 1,
      },
    });
    const request = (await read("/tmp/request"))
      .split("\r\n")
      .slice(0, -1)
      .map((line) => line.trim());
    expect(request).toEqual(
      expect.arrayContaining(["GET /a%20b?c=%C3%BC&d HTTP/1.1", "Host: example.com", "X-One: it's one"]),
    );
    await at.remove(made);
  });

  test("HTTPS and gRPC are spoken by the node's curl", async () => {
    const program = `
const http2 = require("node:http2"), https = require("node:https"), fs = require("node:fs");
const frame = (status) => Buffer.from([0, 0, 0, 0, 2, 8, status]);
http2.createServer().on("stream", (stream, headers) => {
  let body = Buffer.alloc(0);
  stream.on("data", (piece) => { body = Buffer.concat([body, piece]); });
  stream.on("end", () => {
    const service = body.subarray(7).toString();
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const serves = headers[":path"] === "/grpc.health.v1.Health/Check" && service === "shop" && fs.existsSync("/tmp/serving");
    stream.end(frame(serves ? 1 : 2));
  });
}).listen(18004);
https.createServer({ key: fs.readFileSync("/tmp/tls.key"), cert: fs.readFileSync("/tmp/tls.crt") }, (request, response) => {
  response.statusCode = request.url === "/ok" && request.headers["x-one"] === "1" ? 200 : 500;
  const next = { "/first": "second", "/second": "https://127.0.0.1:18005/ok", "/round": "/round", "/away": "https://example.com/" }[request.url];
  if (next !== undefined) response.writeHead(302, { location: next });
  response.end();
}).listen(18005);
require("node:http").createServer((request, response) => {
  response.writeHead(301, { location: "https://127.0.0.1:18005" + request.url }).end();
}).listen(18006);
process.on("SIGTERM", () => process.exit(0));
`;
    const write = (path: string, text: string) => at.node.exec(["sh", "-c", `cat > ${path}`], { stdin: text });
    await write("/tmp/server.js", program);
    await at.sh(
      "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=nobody -keyout /tmp/tls.key -out /tmp/tls.crt 2>/dev/null",
    );
    const grpc = (service: string) => ({ grpc: { port: 18_004, service }, periodSeconds: 1, timeoutSeconds: 3 });
    const creating = at.create("curl", {
      ...common,
      containers: [
        { name: "grpc", command: [process.execPath, "/tmp/server.js"], readinessProbe: grpc("shop") },
        {
          name: "https",
          command: polite,
          readinessProbe: {
            httpGet: { port: 18_005, path: "/ok", scheme: "HTTPS", httpHeaders: [{ name: "X-One", value: "1" }] },
            periodSeconds: 1,
            timeoutSeconds: 3,
          },
        },
        {
          name: "refused",
          command: polite,
          livenessProbe: {
            httpGet: { port: 18_005, path: "/not-ok", scheme: "HTTPS" },
            periodSeconds: 1,
            timeoutSeconds: 3,
            failureThreshold: 1000,
          },
        },
        ...(
          [
            ["redirected", "/first", "HTTP", 18_006],
            ["redirected-tls", "/first", "HTTPS", 18_005],
            ["away", "/away", "HTTPS", 18_005],
            ["round", "/round", "HTTP", 18_006],
          ] as const
        ).map(([name, path, scheme, port]) => ({
          name,
          command: polite,
          [name === "round" ? "livenessProbe" : "readinessProbe"]: {
            httpGet: { host: "127.0.0.1", port, path, scheme, httpHeaders: [{ name: "X-One", value: "1" }] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 1000,
          },
        })),
      ],
    });
    await at.until(`grep -q NOT_SERVING ${folder("curl")}/grpc/failing`);
    expect(await read(`${folder("curl")}/grpc/failing`)).toBe(
      'readiness\tservice unhealthy (responded with "NOT_SERVING")',
    );
    await at.sh("touch /tmp/serving");
    const made = await creating;
    expect(made.containerStatuses.map(({ ready }) => ready)).toEqual(Array(7).fill(true));
    await at.until(`grep -q stopped ${folder("curl")}/round/failing`);
    expect(await read(`${folder("curl")}/round/failing`)).toBe(
      'liveness\tGet "https://127.0.0.1:18005/round": stopped after 10 redirects',
    );
    await at.until(`grep -q 500 ${folder("curl")}/refused/failing`);
    expect(await read(`${folder("curl")}/refused/failing`)).toBe("liveness\tHTTP probe failed with statuscode: 500");
    await at.remove(made);
  });

  test("a node without curl is refused before anything starts, when a probe needs it", async () => {
    await at.sh(
      "printf '#!/bin/sh\\necho curl 1\\necho Features: IPv6\\n' > /usr/local/bin/curl; chmod 755 /usr/local/bin/curl",
    );
    const failing = at.fail("no-http2", { ...common, command: polite, livenessProbe: { grpc: { port: 1 } } });
    expect(await failing).toContain("gRPC probes need a curl with HTTP/2 on the node, and this one has none (curl -V)");
    await at.sh("rm /usr/local/bin/curl");
    expect(await exists(folder("no-http2"))).toBe(false);
  });

  describe("a hook", () => {
    test("postStart runs beside the program, and nothing is ready before it is done", async () => {
      const made = await at.create("post", {
        ...common,
        command: polite,
        lifecycle: { postStart: { exec: { command: shell("sleep 1; echo done > /tmp/post") } } },
      });
      expect(await read("/tmp/post")).toBe("done");
      await at.remove(made);
    });

    test("postStart that fails ends the container, and up says why", async () => {
      const reason = await at.fail("post-fails", {
        ...common,
        command: shell("trap 'exit 9' TERM; while :; do sleep 0.02; done"),
        restartPolicy: "Never",
        lifecycle: { postStart: { exec: { command: shell("echo no database; exit 3") } } },
      });
      expect(reason).toMatch(/container main ended with exit code 9\n.*\n {4}its postStart hook failed: no database$/);
    });

    test("preStop runs before TERM, within the grace period; stopSignal is what is sent then", async () => {
      const program = (end: string) =>
        shell(`trap 'echo USR1 >> ${end}; exit 0' USR1; trap 'echo TERM >> ${end}' TERM; while :; do sleep 0.02; done`);
      const made = await at.create("pre", {
        ...common,
        terminationGracePeriodSeconds: 20,
        containers: [
          {
            name: "both",
            command: program("/tmp/end-both"),
            stopSignal: "SIGUSR1",
            lifecycle: { preStop: { exec: { command: shell("sleep 0.5; echo hook >> /tmp/end-both") } } },
          },
          {
            name: "neither",
            command: shell("trap 'echo TERM >> /tmp/end-neither; exit 0' TERM; while :; do sleep 0.02; done"),
          },
          {
            name: "pause",
            command: program("/tmp/end-pause"),
            stopSignal: "SIGUSR1",
            lifecycle: { preStop: { sleep: { seconds: 1 } } },
          },
        ],
      });
      await at.remove(made);
      expect(await read("/tmp/end-both")).toBe("hook\nUSR1");
      expect(await read("/tmp/end-neither")).toBe("TERM");
      expect(await read("/tmp/end-pause")).toBe("USR1");
    });

    test("preStop that does not end is cut off with the grace period, and TERM still comes", async () => {
      const made = await at.create("pre-hangs", {
        ...common,
        terminationGracePeriodSeconds: 1,
        command: shell("trap 'echo TERM > /tmp/end-hangs; exit 0' TERM; while :; do sleep 0.02; done"),
        lifecycle: { preStop: { exec: { command: ["sleep", "4712"] } } },
      });
      await at.remove(made);
      expect(await read("/tmp/end-hangs")).toBe("TERM");
      expect((await at.node.exec(["pgrep", "-f", "^sleep 4712"])).stdout).toBe("");
    });

    test("preStop that leaves something running, which holds its output, has ended", async () => {
      const made = await at.create("pre-leaves", {
        ...common,
        terminationGracePeriodSeconds: 20,
        command: shell("trap 'echo TERM > /tmp/end-leaves; exit 0' TERM; while :; do sleep 0.02; done"),
        lifecycle: { preStop: { exec: { command: shell("setsid sleep 4714 & echo said") } } },
      });
      await at.remove(made);
      expect(await read("/tmp/end-leaves")).toBe("TERM");
    });

    test("preStop tells a server, whatever it answers", async () => {
      await at.sh("mkdir -p /srv/told");
      const made = await at.create("pre-http", {
        ...common,
        terminationGracePeriodSeconds: 20,
        command: shell("busybox nc -l -p 18006 > /tmp/told & trap 'exit 0' TERM; while :; do sleep 0.02; done"),
        lifecycle: { preStop: { httpGet: { port: 18_006, path: "/bye" } } },
      });
      await at.sh("sleep 0.2");
      const removing = at.remove(made);
      await at.until("grep -q 'GET /bye' /tmp/told");
      await removing;
    });
  });

  describe.each(["dash", "busybox", "bash"])("where sh is %s", (program) => {
    beforeAll(async () => {
      await at.sh(`ln -s $(command -v ${program}) /usr/bin/sh.new; mv -f /usr/bin/sh.new /usr/bin/sh`);
      await at.sh("pkill -KILL -f '^sshd: root' || :");
    });
    afterAll(async () => {
      await at.sh("ln -s dash /usr/bin/sh.new; mv -f /usr/bin/sh.new /usr/bin/sh");
    });

    test("probes and hooks are the same, and cost little memory", async () => {
      await at.sh("rm -f /tmp/hooks");
      const made = await at.create("same", {
        ...common,
        command: polite,
        startupProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
        livenessProbe: {
          exec: { command: shell("[ ! -e /tmp/ill ] || { rm /tmp/ill; exit 1; }") },
          periodSeconds: 1,
          failureThreshold: 1,
        },
        readinessProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
        lifecycle: {
          postStart: { exec: { command: shell("echo 'post  start' >> /tmp/hooks") } },
          preStop: { exec: { command: shell("echo pre >> /tmp/hooks") } },
        },
      });
      const sizes = await at.sh(
        `for p in $(pgrep -x keeper.sh); do sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' /proc/$p/smaps_rollup; done`,
      );
      console.log(
        `PSS of keeper, supervisor and two that probe, where sh is ${program}: ${sizes.split("\n").join(" + ")} KB`,
      );
      await at.sh("touch /tmp/ill");
      await at.until(`grep -qx 1 ${folder("same")}/main/restarts`);
      await at.until(`[ -e ${folder("same")}/main/ready ]`);
      await at.remove(made);
      expect(await read("/tmp/hooks")).toBe("post  start\npre\npost  start\npre");
      expect(await at.sh("pgrep -cx keeper.sh || :; pgrep -cx launcher || :")).toBe("0\n0");
    });
  });
});
