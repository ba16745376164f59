/** ConfigMaps, Secrets, volumes and looked-up variables through the real engine, on a real node, as a container sees them. */
import { createPublicKey, createVerify, X509Certificate } from "node:crypto";
import { ConfigMap, Node, Pod, Secret, type TokenIssuer } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../../provider/kubernetes/container-types";
import type { PodSpec } from "../../provider/kubernetes/types";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import type { NodeSnapshot } from "../harness/snapshot";

const obstacle = sandboxObstacle();
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
const canary = "canary-52a1b";

const box = (more: Partial<Container> = {}): Container => ({
  name: "main",
  image: "host:busybox",
  command: ["busybox", "sleep", "100000"],
  ...more,
});

describe.skipIf(obstacle)(`volumes${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let first: Outcome;
  let level = "info";
  let password = `${canary}-1`;
  let issuer: TokenIssuer | undefined;
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
    const { connection } = node;
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
    const pod = new Pod("tokens", {
      on,
      metadata: { namespace: "shop" },
      spec: {
        terminationGracePeriodSeconds: 0,
        serviceAccountName: "robot",
        automountServiceAccountToken: true,
        securityContext: { runAsUser: 1234 },
        volumes: [
          { name: "tokens", projected: { sources: [token("own"), token("vault", "https://vault.example")] } },
          { name: "other", emptyDir: {} },
        ],
        containers: [
          box({
            env: [
              { name: "ACCOUNT", valueFrom: { fieldRef: { fieldPath: "spec.serviceAccountName" } } },
              { name: "CA", valueFrom: { configMapKeyRef: { name: "kube-root-ca.crt", key: "ca.crt" } } },
            ],
            volumeMounts: [{ name: "tokens", mountPath: "/tokens" }],
          }),
          box({ name: "own", volumeMounts: [{ name: "other", mountPath: `${serviceAccount}/` }] }),
        ],
      },
    });
    pod.tokenIssuer.apply((found) => {
      issuer = found;
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

  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 60_000; !(await holds()); ) {
      expect(Date.now()).toBeLessThan(end);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
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

  /** A token, taken apart, and whether its signature holds by the keys that the Pod has published. */
  async function readToken(path: string) {
    const { keys } = JSON.parse(issuer?.jwks ?? "{}");
    const token = await inside("shop_tokens", `busybox cat ${path}`);
    const [head = "", body = "", signature = ""] = token.split(".");
    const key = createPublicKey({ key: keys[0], format: "jwk" });
    const isGenuine = createVerify("RSA-SHA256").update(`${head}.${body}`).verify(key, signature, "base64url");
    const parsed = [head, body].map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
    return { token, isGenuine, kid: keys[0].kid, head: parsed[0], body: parsed[1] };
  }

  test("hold tokens that the node has signed for the pod's account", async () => {
    const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
    const vault = await readToken("/tokens/vault");
    expect(vault.isGenuine).toBe(true);
    expect(vault.head).toEqual({ alg: "RS256", kid: vault.kid, typ: "JWT" });
    expect(issuer?.issuer).toBe(`urn:barepod:issuer:${vault.kid}`);
    expect(vault.body).toEqual({
      aud: ["https://vault.example"],
      iss: issuer?.issuer,
      sub: "system:serviceaccount:shop:robot",
      iat: expect.any(Number),
      nbf: vault.body.iat,
      exp: vault.body.iat + 600,
      jti: expect.stringMatching(uuid),
      "kubernetes.io": {
        namespace: "shop",
        node: { name: "edge", uid: expect.stringMatching(uuid) },
        pod: { name: "tokens", uid: await sh("cat /run/barepod/process/shop_tokens/pod.uid") },
        serviceaccount: { name: "robot", uid: expect.stringMatching(uuid) },
      },
    });
    const own = await readToken("/tokens/own");
    expect(own.body.aud).toEqual([issuer?.issuer]);
    expect(own.body["kubernetes.io"]).toEqual(vault.body["kubernetes.io"]);
    // Only for the one user that the pod has.
    expect(await inside("shop_tokens", "busybox stat -L -c '%a %u' /tokens/vault")).toBe("600 1234");
    expect(await sh("stat -c '%a %u' /var/lib/barepod/issuer/key.pem")).toBe("600 0");
    expect(await sh("cat /var/lib/barepod/issuer/jwks.json")).toBe(issuer?.jwks);
    expect((await environment("shop_tokens")).get("ACCOUNT")).toBe("robot");
  });

  test("have what Kubernetes mounts for clients of its API, where a pod asks for it", async () => {
    const { isGenuine, body } = await readToken(`${serviceAccount}/token`);
    expect(isGenuine).toBe(true);
    expect(body).toMatchObject({
      aud: [issuer?.issuer],
      exp: body.iat + 3607,
      sub: "system:serviceaccount:shop:robot",
    });
    const own = await inside("shop_tokens", `busybox ls ${serviceAccount}; busybox cat ${serviceAccount}/namespace`);
    expect(own).toBe("ca.crt\nnamespace\ntoken\nshop");
    expect(await inside("shop_tokens", `busybox touch ${serviceAccount}/x`)).toContain("Read-only");
    expect(await inside("shop_tokens", `busybox ls ${serviceAccount}`, "own")).toBe("");
    expect(await inside("default_reader", "busybox ls /var/run/secrets")).toContain("No such file");
    // The certificate is the signing key's own.
    const text = await inside("shop_tokens", `busybox cat ${serviceAccount}/ca.crt`);
    const certificate = new X509Certificate(text);
    const { keys } = JSON.parse(issuer?.jwks ?? "{}");
    expect(certificate.publicKey.equals(createPublicKey({ key: keys[0], format: "jwk" }))).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect([certificate.ca, certificate.subject]).toEqual([true, `CN=${issuer?.issuer}`]);
    expect((await environment("shop_tokens")).get("CA")).toBe(`${text.replaceAll("\n", "|")}|`);
  });

  test("renew tokens before their end, while the container runs", async () => {
    const folder = "/run/barepod/process/shop_tokens";
    const timer = () => sh(`cut -f1 ${folder}/token.timer`);
    // What waits for the time sleeps for 80 % of their lives at most, in the keeper's group.
    const first = await timer();
    const child = await sh(`cat /proc/${first}/task/${first}/children`);
    const [, seconds] = (await sh(`tr '\\0' ' ' < /proc/${child}/cmdline`)).split(" sleep ");
    expect(Number(seconds)).toBeGreaterThan(60);
    expect(Number(seconds)).toBeLessThanOrEqual(480);
    expect(await sh(`cat /proc/${first}/cgroup`)).toContain("shop_tokens/_keeper");
    const program = await sh(`head -n 1 ${folder}/volumes.d/tokens | cut -f2`);
    const before = [await readToken("/tokens/vault"), await readToken("/tokens/own")];
    await sh(`${program} ${folder} -`);
    expect((await readToken("/tokens/vault")).token).toBe(before[0]?.token);

    // A keeper that finds a token with little time left: it is due once the container runs again, and for long.
    await sh(`kill -KILL ${child} && sed -i "1s/^[0-9]*/$(($(date +%s) + 6))/" ${folder}/volume.tokens.2.token`);
    await sh(`kill -KILL $(cut -f2 ${folder}/main/status)`);
    const restarted = `grep -q running ${folder}/main/status && grep -qx 1 ${folder}/main/restarts`;
    await until(async () => (await node.exec(["sh", "-c", restarted])).code === 0);
    expect(await timer()).not.toBe(first);
    const status = await sh(`cat ${folder}/main/status`);
    const link = await inside("shop_tokens", "busybox readlink /tokens/..data");
    expect((await readToken("/tokens/vault")).token).toBe(before[0]?.token);
    // Another volume that cannot be filled does not keep it from that.
    await sh(
      `printf 'program\t${program}\nfolder\t${folder}/broken\nfile\t/none\t0644\trequired\tx\n' > ${folder}/volumes.d/a`,
    );
    await until(async () => (await readToken("/tokens/vault")).token !== before[0]?.token);
    expect(await inside("shop_tokens", "busybox readlink /tokens/..data")).not.toBe(link);
    expect(await inside("shop_tokens", `busybox ls -d /tokens/${link}`)).toContain("No such file");
    const vault = await readToken("/tokens/vault");
    expect(vault.isGenuine).toBe(true);
    expect(vault.body.exp).toBe(vault.body.iat + 600);
    expect(vault.body.jti).not.toBe(before[0]?.body.jti);
    expect((await readToken("/tokens/own")).token).toBe(before[1]?.token);
    expect(await sh(`cat ${folder}/main/status`)).toBe(status);
    await sh(`rm -r ${folder}/volumes.d/a ${folder}/broken`);
  });

  test("keep secrets out of state and messages", () => {
    expect(stack.stateOnDisk().includes(canary)).toBe(false);
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
