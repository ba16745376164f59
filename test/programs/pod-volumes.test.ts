/** ConfigMaps, Secrets, volumes and looked-up variables through the real engine, on a real node, as a container sees them. */
import { createPublicKey, createVerify } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigMap, type ConnectionArgs, Node, Pod, Secret } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../../provider/kubernetes/container-types";
import type { PodSpec } from "../../provider/kubernetes/types";
// @ts-expect-error: the tools are JavaScript without types
import { localDirectory } from "../../tools/lib/paths.mjs";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import type { NodeSnapshot } from "../harness/snapshot";

const obstacle = sandboxObstacle();
const canary = "canary-52a1b";

const box = (more: Partial<Container> = {}): Container => ({
  name: "main",
  image: "host:busybox",
  command: ["busybox", "sleep", "100000"],
  ...more,
});

/** The state as it lies on disk: what anybody sees who gets hold of it. */
function stateOnDisk(stack: string): string {
  const folder = join(localDirectory, "conformance");
  const own = readdirSync(folder).filter((each) => each.startsWith(`${stack}-`));
  return own
    .map((each) => readFileSync(join(folder, each, "state/.pulumi/stacks/conformance", `${stack}.json`), "utf8"))
    .join();
}

describe.skipIf(obstacle)(`volumes${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let first: Outcome;
  let level = "info";
  let password = `${canary}-1`;
  let more: (on: Node) => void = () => undefined;

  beforeAll(async () => {
    node = await startSandbox();
    await sh(
      "mkdir -p /srv/vol/deep && echo node > /srv/vol/deep/file && ln -s / /srv/vol/out && mount -t tmpfs below /srv/vol/deep/ && echo tmp > /srv/vol/deep/file",
    );
    before = await node.snapshot();
    stack = await openStack("pod-volumes", program);
    first = await stack.up();
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  function program(): void {
    const { host, port, user, privateKeyPath, hostKey } = node;
    const connection: ConnectionArgs = { host, port, user, privateKeyPath, hostKey };
    const on = new Node("edge", { connection });
    new ConfigMap("settings", {
      on,
      data: { LEVEL: level, "app.conf": `level=${level}\n` },
    });
    new Secret("database", { on, stringData: { password }, data: { user: Buffer.from("app").toString("base64") } });
    declareReader(on);
    declarePlaces(on);
    declareTokens(on);
    declareTeam(on);
    more(on);
  }

  function declareReader(on: Node): void {
    new Pod("reader", {
      on,
      metadata: { labels: { app: "reader", tier: level }, annotations: { "example.com/note": 'a "b"' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        volumes: [
          { name: "settings", configMap: { name: "settings" } },
          { name: "items", configMap: { name: "settings", items: [{ key: "LEVEL", path: "a/b", mode: 0o400 }] } },
          { name: "database", secret: { secretName: "database", defaultMode: 0o440 } },
          { name: "maybe", secret: { secretName: "not-there", optional: true } },
          {
            name: "self",
            downwardAPI: {
              items: [
                { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
                { path: "note", fieldRef: { fieldPath: "metadata.annotations['example.com/note']" } },
                { path: "uid", fieldRef: { fieldPath: "metadata.uid" } },
                { path: "cpu", resourceFieldRef: { containerName: "main", resource: "limits.cpu", divisor: "1m" } },
              ],
            },
          },
          {
            name: "all",
            projected: {
              sources: [
                { configMap: { name: "settings", items: [{ key: "app.conf", path: "app.conf" }] } },
                { secret: { name: "database" } },
                { downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
              ],
            },
          },
        ],
        containers: [
          box({
            resources: { limits: { memory: "64Mi" }, requests: { cpu: "250m" } },
            envFrom: [{ configMapRef: { name: "settings" } }, { prefix: "DB_", secretRef: { name: "database" } }],
            env: [
              { name: "PLAIN", value: "$(LEVEL) of $(DB_user)" },
              { name: "FROM_MAP", valueFrom: { configMapKeyRef: { name: "settings", key: "app.conf" } } },
              { name: "FROM_SECRET", valueFrom: { secretKeyRef: { name: "database", key: "password" } } },
              { name: "NOTHING", valueFrom: { secretKeyRef: { name: "none", key: "x", optional: true } } },
              { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              { name: "NS", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
              { name: "POD_UID", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
              { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
              { name: "NOTE", valueFrom: { fieldRef: { fieldPath: "metadata.annotations['example.com/note']" } } },
              { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
              { name: "ACCOUNT", valueFrom: { fieldRef: { fieldPath: "spec.serviceAccountName" } } },
              { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
              { name: "HOST_IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } },
              { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
              { name: "REQUEST", valueFrom: { resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } } },
              { name: "PROCESSORS", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
            ],
            volumeMounts: [
              { name: "settings", mountPath: "/settings" },
              { name: "settings", mountPath: "/one/level", subPath: "LEVEL" },
              { name: "items", mountPath: "/items" },
              { name: "database", mountPath: "/database" },
              { name: "maybe", mountPath: "/maybe" },
              { name: "self", mountPath: "/self" },
              { name: "all", mountPath: "/all" },
            ],
          }),
        ],
      },
    });
  }

  function declareTokens(on: Node): void {
    const token = (path: string, audience?: string) => ({
      serviceAccountToken: { path, expirationSeconds: 600, ...(audience === undefined ? {} : { audience }) },
    });
    new Pod("tokens", {
      on,
      spec: {
        terminationGracePeriodSeconds: 0,
        volumes: [{ name: "tokens", projected: { sources: [token("own"), token("vault", "https://vault.example")] } }],
        containers: [box({ volumeMounts: [{ name: "tokens", mountPath: "/tokens" }] })],
      },
    });
  }

  /** The same volumes in two pods of users who are not root; only one of the pods has an fsGroup. */
  function declareTeam(on: Node): void {
    const sources = [
      { secret: { name: "database" } },
      { downwardAPI: { items: [{ path: "deep/name", fieldRef: { fieldPath: "metadata.name" } }] } },
      { serviceAccountToken: { path: "token", expirationSeconds: 600 } },
    ];
    const volumes = [
      { name: "settings", configMap: { name: "settings", defaultMode: 0o400 } },
      { name: "database", secret: { secretName: "database", defaultMode: 0o440 } },
      { name: "all", projected: { defaultMode: 0o400, sources } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
    const securityContext = { runAsUser: 1000, runAsGroup: 1000 };
    for (const [name, whose, users] of [
      ["team", { fsGroup: 4000 }, [1000, 1001]],
      ["stranger", {}, [1000, 1001]],
      ["single", {}, [1000]],
    ] as const) {
      const containers = users.map((runAsUser) =>
        box({ name: `as-${runAsUser}`, volumeMounts, securityContext: { runAsUser } }),
      );
      new Pod(name, {
        on,
        spec: {
          terminationGracePeriodSeconds: 0,
          securityContext: { ...securityContext, ...whose },
          volumes,
          containers,
        },
      });
    }
  }

  function declarePlaces(on: Node): void {
    const spec: PodSpec = {
      terminationGracePeriodSeconds: 0,
      volumes: [
        { name: "scratch", emptyDir: {} },
        { name: "fast", emptyDir: { medium: "Memory", sizeLimit: "2Mi" } },
        { name: "host", hostPath: { path: "/srv/vol", type: "Directory" } },
        { name: "made", hostPath: { path: "/srv/vol/made/here", type: "DirectoryOrCreate" } },
        { name: "file", hostPath: { path: "/srv/vol/made.txt", type: "FileOrCreate" } },
        { name: "null", hostPath: { path: "/dev/null", type: "CharDevice" } },
      ],
      containers: [
        box({
          env: [{ name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          volumeMounts: [
            { name: "scratch", mountPath: "/sub", subPath: "a/b" },
            { name: "scratch", mountPath: "/expr", subPathExpr: "logs/$(POD)" },
            { name: "scratch", mountPath: "/scratch" },
            { name: "fast", mountPath: "/fast" },
            { name: "host", mountPath: "/host", mountPropagation: "HostToContainer" },
            { name: "host", mountPath: "/private" },
            { name: "host", mountPath: "/ro", readOnly: true },
            { name: "host", mountPath: "/rro", readOnly: true, recursiveReadOnly: "Enabled" },
            { name: "made", mountPath: "/made" },
            { name: "file", mountPath: "/file" },
          ],
        }),
      ],
    };
    new Pod("places", { on, spec });
  }

  async function sh(line: string): Promise<string> {
    const { code, stdout, stderr } = await node.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }

  /** A line that runs in a container's namespaces and root. */
  async function inside(process: string, line: string, container = "main"): Promise<string> {
    const pid = await sh(`cut -f2 /run/barepod/process/${process}/${container}/status`);
    const enter = ["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "busybox", "sh", "-c", line];
    const { code, stdout, stderr } = await node.exec(enter);
    return code === 0 ? stdout.trim() : `${code}: ${stderr.trim()}`;
  }

  async function environment(process: string, container = "main"): Promise<Map<string, string>> {
    const pid = await sh(`cut -f2 /run/barepod/process/${process}/${container}/status`);
    const lines = (await sh(`tr '\\0\\n' '\\n|' < /proc/${pid}/environ`)).split("\n");
    return new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  }

  test("apply", () => {
    expect([...first.errors]).toEqual([]);
  });

  test("give the environment what is looked up", async () => {
    const found = await environment("default_reader");
    const address = await sh("cat /run/barepod/addresses/default_reader");
    expect(Object.fromEntries(found)).toEqual({
      PATH: expect.any(String),
      HOME: "/",
      HOSTNAME: "reader",
      LEVEL: "info",
      "app.conf": "level=info|",
      DB_user: "app",
      DB_password: password,
      PLAIN: "info of app",
      FROM_MAP: "level=info|",
      FROM_SECRET: password,
      POD: "reader",
      NS: "default",
      POD_UID: await sh("cat /run/barepod/process/default_reader/pod.uid"),
      APP: "reader",
      NOTE: 'a "b"',
      NODE: "edge",
      ACCOUNT: "default",
      IP: address,
      HOST_IP: node.host,
      MEMORY: "64",
      REQUEST: "250",
      PROCESSORS: await sh("nproc --all"),
    });
  });

  test("show the files of ConfigMaps and Secrets, read-only, on a tmpfs, with their modes", async () => {
    expect(await inside("default_reader", "busybox ls -A /settings | busybox grep -v '^\\.\\.20'")).toBe(
      "..data\nLEVEL\napp.conf",
    );
    expect(await inside("default_reader", "busybox cat /settings/app.conf /one/level")).toBe("level=info\ninfo");
    expect(await inside("default_reader", "busybox stat -L -c %a /items/a/b")).toBe("400");
    expect(await inside("default_reader", "busybox stat -L -c '%a %u' /settings/LEVEL /database/password")).toBe(
      "644 0\n440 0",
    );
    expect(await inside("default_reader", "busybox cat /items/a/b /database/password /database/user")).toBe(
      `info${password}app`,
    );
    expect(await inside("default_reader", "busybox stat -f -c %T /database")).toBe("tmpfs");
    expect(await inside("default_reader", "busybox ls /maybe")).toBe("");
    expect(await inside("default_reader", "busybox touch /settings/x")).toContain("Read-only");
    expect(await inside("default_reader", "busybox cat /all/app.conf /all/password /all/name")).toBe(
      `level=info\n${password}reader`,
    );
  });

  test("show fields of the pod", async () => {
    expect(await inside("default_reader", "busybox cat /self/labels")).toBe('app="reader"\ntier="info"');
    expect(await inside("default_reader", "busybox cat /self/note")).toBe('a "b"');
    expect(await inside("default_reader", "busybox cat /self/uid")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await inside("default_reader", "busybox cat /self/cpu")).toBe(`${Number(await sh("nproc --all")) * 1000}`);
  });

  test("are the fsGroup's, which may read them, and tokens are the pod's only", async () => {
    /** What a container's own user sees: a kubelet's exec. */
    const asIts = async (pod: string, user: number, line: string) => {
      const folder = `/run/barepod/process/default_${pod}/as-${user}`;
      const launcher = await sh("echo /var/lib/barepod/bin/*/launcher");
      const [, pid, start] = (await sh(`cat ${folder}/status`)).split("\t");
      const words = ["exec", `${folder}/conf`, `${folder}/run`, `${pid}:${start}`, "20", "busybox", "sh", "-c", line];
      return (await node.exec([launcher, ...words])).stdout.trim();
    };
    const files = "/settings/LEVEL /database/password /all/user /all/deep/name /all/token";
    const read = `for f in ${files}; do busybox head -c 3 $f 2>/dev/null || echo -n no; echo; done`;
    const look = `busybox stat -L -c "%a %u %g" /settings /all/deep ${files}`;
    for (const user of [1000, 1001]) {
      expect(await asIts("team", user, read)).toBe("inf\ncan\napp\ntea\neyJ");
      expect(await asIts("stranger", user, read)).toBe("no\nno\nno\nno\nno");
    }
    expect(await asIts("single", 1000, read)).toBe("no\nno\nno\nno\neyJ");
    expect(await asIts("team", 1001, look)).toBe(
      ["2755", "2755", "440", "440", "440", "440", "640"].map((mode) => `${mode} 0 4000`).join("\n"),
    );
    expect(await asIts("stranger", 1001, look)).toBe(
      ["755", "755", "400", "440", "400", "400", "400"].map((mode) => `${mode} 0 0`).join("\n"),
    );
    expect(await asIts("single", 1000, look)).toMatch(/\n600 1000 0$/);
  });

  test("are closed to the node's other users", async () => {
    const asNobody = ["setpriv", "--reuid=65534", "--clear-groups", "cat"];
    for (const file of [
      "/var/lib/barepod/objects/secrets/default/database/data/password",
      "/run/barepod/volumes/default_reader/database/password",
    ]) {
      expect(await sh(`cat ${file}`)).toBe(password);
      expect((await node.exec([...asNobody, file])).stderr).toContain("Permission denied");
    }
  });

  test("make paths below volumes, and paths of the node", async () => {
    expect(
      await inside("default_places", "busybox touch /sub/x /expr/y; cd /scratch; busybox find . | busybox sort"),
    ).toBe(". ./a ./a/b ./a/b/x ./logs ./logs/places ./logs/places/y".replaceAll(" ", "\n"));
    expect(await inside("default_places", "busybox stat -c %a /sub")).toBe("777");
    expect(await sh("stat -c '%F %a' /srv/vol/made/here /srv/vol/made.txt")).toBe(
      "directory 755\nregular empty file 644",
    );
    expect(await inside("default_places", "busybox dd if=/dev/zero of=/fast/big bs=1M count=3 2>&1; true")).toContain(
      "No space left",
    );
  });

  test("carry mounts that come later only where they are asked to, and make what is below read-only", async () => {
    await sh("mkdir /srv/vol/later && mount -t tmpfs later /srv/vol/later && touch /srv/vol/later/seen");
    expect(await inside("default_places", "busybox ls /host/later /private/later")).toContain("seen");
    expect(await inside("default_places", "busybox ls /private/later")).toBe("");
    await sh("umount /srv/vol/later && rmdir /srv/vol/later");
    expect(await inside("default_places", "busybox touch /ro/x")).toContain("Read-only");
    expect(await inside("default_places", "busybox touch /ro/deep/x && echo written")).toBe("written");
    expect(await inside("default_places", "busybox touch /rro/deep/x")).toContain("Read-only");
  });

  test("follow a change in pods that run, but not in a subPath and not in the environment", async () => {
    const pid = await sh("cut -f2 /run/barepod/process/default_reader/main/status");
    level = "debug";
    password = `${canary}-2`;
    const changed = await stack.up();
    expect([...changed.errors]).toEqual([]);
    expect(
      changed.steps
        .filter(({ op }) => op !== "same")
        .map(({ op, name }) => `${op} ${name}`)
        .sort(),
    ).toEqual(["update database-data", "update reader-process", "update settings-data"]);
    expect(await sh("cut -f2 /run/barepod/process/default_reader/main/status")).toBe(pid);
    expect(await inside("default_reader", "busybox cat /settings/app.conf /items/a/b /database/password")).toBe(
      `level=debug\ndebug${password}`,
    );
    expect(await inside("default_reader", "busybox cat /all/app.conf /all/password")).toBe(`level=debug\n${password}`);
    expect(await inside("default_reader", "busybox cat /self/labels")).toBe('app="reader"\ntier="debug"');
    expect(await inside("default_reader", "busybox cat /one/level")).toBe("info");
    expect((await environment("default_reader")).get("LEVEL")).toBe("info");
    expect(await sh("ls -A /run/barepod/volumes/default_reader/settings | grep -c '^\\.\\.20'")).toBe("1");
  });

  test("hold tokens that the node's key has signed, and renews", async () => {
    const folder = "/run/barepod/process/default_tokens";
    const { keys } = JSON.parse(await sh("cat /var/lib/barepod/issuer/jwks.json"));
    const key = createPublicKey({ key: keys[0], format: "jwk" });
    const read = async (path: string) => {
      const token = await inside("default_tokens", `busybox cat ${path}`);
      const [head = "", body = "", signature = ""] = token.split(".");
      const isGenuine = createVerify("RSA-SHA256").update(`${head}.${body}`).verify(key, signature, "base64url");
      const parsed = [head, body].map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
      return { token, isGenuine, head: parsed[0], body: parsed[1] };
    };
    const vault = await read("/tokens/vault");
    expect(vault.isGenuine).toBe(true);
    expect(vault.head).toEqual({ alg: "RS256", kid: keys[0].kid, typ: "JWT" });
    expect(vault.body).toMatchObject({
      aud: ["https://vault.example"],
      iss: `urn:barepod:issuer:${keys[0].kid}`,
      sub: "system:serviceaccount:default:default",
      exp: vault.body.iat + 600,
      "kubernetes.io": { namespace: "default", node: { name: "edge" }, pod: { name: "tokens" } },
    });
    expect((await read("/tokens/own")).body.aud).toEqual([vault.body.iss]);
    expect((await node.exec(["setpriv", "--reuid=65534", "cat", "/var/lib/barepod/issuer/key.pem"])).code).not.toBe(0);
    // What waits for the time to renew them sleeps for 80 % of their lives at most, in the keeper's group.
    const timer = await sh(`cut -f1 ${folder}/token.timer`);
    const [seconds] = (
      await sh(`tr '\\0' ' ' < /proc/$(cat /proc/${timer}/task/${timer}/children | tr -d ' ')/cmdline`)
    )
      .split(" sleep ")
      .slice(1);
    expect(Number(seconds)).toBeGreaterThan(240);
    expect(Number(seconds)).toBeLessThanOrEqual(480);
    expect(await sh(`cat /proc/${timer}/cgroup`)).toContain("default_tokens/_keeper");
    // What it then runs changes what is due, and nothing else.
    const program = await sh(`head -n 1 ${folder}/volumes.d/tokens | cut -f2`);
    await sh(`${program} ${folder} -`);
    expect((await read("/tokens/vault")).token).toBe(vault.token);
    await sh(`sed -i '1s/^[0-9]*/1/' ${folder}/volume.tokens.2.token && ${program} ${folder} -`);
    const renewed = await read("/tokens/vault");
    expect(renewed.token).not.toBe(vault.token);
    expect(renewed.isGenuine).toBe(true);
  });

  test("keep secrets out of state and messages", () => {
    expect(stateOnDisk("pod-volumes").includes(canary)).toBe(false);
    expect(JSON.stringify({ ...first, errors: [...first.errors] }).includes(canary)).toBe(false);
  });

  test("hold a container up until what it needs is there, in a kubelet's words", async () => {
    const annotations = { "pulumi.com/timeoutSeconds": "2" };
    const waiting =
      (name: string, container: Partial<Container>, volumes: PodSpec["volumes"] = []) =>
      (on: Node) =>
        new Pod(name, {
          on,
          metadata: { annotations },
          spec: { terminationGracePeriodSeconds: 0, volumes, containers: [box(container)] },
        });
    const env = (valueFrom: object) => ({ env: [{ name: "X", valueFrom }] });
    const pods = [
      waiting("no-map", env({ configMapKeyRef: { name: "later", key: "x" } })),
      waiting("no-key", env({ secretKeyRef: { name: "database", key: "token" } })),
      waiting("no-all", { envFrom: [{ secretRef: { name: "later" } }] }),
      waiting("no-volume", {}, [{ name: "v", configMap: { name: "later" } }]),
      waiting("no-item", {}, [{ name: "v", secret: { secretName: "database", items: [{ key: "token", path: "t" }] } }]),
      waiting("no-folder", {}, [{ name: "v", hostPath: { path: "/srv/vol/made.txt", type: "Directory" } }]),
      waiting("outside", { volumeMounts: [{ name: "v", mountPath: "/v", subPath: "out/etc" }] }, [
        { name: "v", hostPath: { path: "/srv/vol" } },
      ]),
    ];
    more = (on) => {
      for (const each of pods) each(on);
    };
    const { errors } = await stack.up({ mayFail: true, continueOnError: true });
    const message = (pod: string) => errors.get(`${pod}-process`);
    expect(message("no-map")).toContain('configmap "later" not found');
    expect(message("no-key")).toContain("couldn't find key token in Secret default/database");
    expect(message("no-all")).toContain('secret "later" not found');
    expect(message("no-volume")).toContain('configmap "later" not found');
    expect(message("no-item")).toContain("references non-existent secret key: token");
    expect(message("no-folder")).toContain("hostPath type check failed: /srv/vol/made.txt is not a directory");
    expect(message("outside")).toContain("out/etc leads out of the volume");
    expect(await sh("cat /run/barepod/process/default_no-map/main/state")).toBe("waiting CreateContainerConfigError");
    more = (on) => {
      pods[0]?.(on);
      pods[3]?.(on);
      new ConfigMap("later", { on, data: { x: "here" } });
    };
    const after = await stack.up();
    expect([...after.errors]).toEqual([]);
    const end = Date.now() + 15_000;
    while (Date.now() < end && (await sh("ls /run/barepod/process/default_no-map/main")).includes("state"))
      await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await environment("default_no-map")).get("X")).toBe("here");
    expect(await sh("cat /run/barepod/volumes/default_no-volume/v/x")).toBe("here");
    more = () => undefined;
  });

  test("leave nothing on the node but what a hostPath has made", async () => {
    const { errors } = await stack.destroy();
    expect([...errors]).toEqual([]);
    await sh("rm -r /srv/vol/made /srv/vol/made.txt; rm -f /srv/vol/deep/x");
    expect(await node.snapshot()).toEqual(before);
  });
});
