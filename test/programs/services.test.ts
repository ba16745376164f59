/** Services through the real engine, by packets, each with its control; and the chapter's own lines. */
import { EndpointSlice, Node, Pod, Service } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServiceSpec } from "../../provider/kubernetes/service-types";
import type { PodSpec } from "../../provider/kubernetes/types";
import { askTcp, askUdp, chiSquare } from "../harness/connections";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import type { NodeSnapshot } from "../harness/snapshot";

const obstacle = sandboxObstacle();
const image = "host:socat,sh,echo,sleep,cat,test";

describe.skipIf(obstacle)(`Services${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let outside: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let first: Outcome;

  beforeAll(async () => {
    [node, outside] = await Promise.all([startSandbox(), startSandbox()]);
    await sh(
      "iptables -P FORWARD DROP; iptables -t nat -A PREROUTING -p tcp --dport 9 -m comment --comment others -j ACCEPT",
    );
    await sh(`ip route add 10.96.0.0/12 via ${node.host}; ip route add 203.0.113.0/24 via ${node.host}`, outside);
    await sh("mkdir /srv/state");
    before = await node.snapshot();
    stack = await openStack("services", program);
    first = await stack.up();
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await Promise.all([node, outside].map((each) => each?.[Symbol.asyncDispose]()));
  });

  /** Answers with its name and the client's address, over TCP and UDP; ready while /run/ready is there. */
  const server = (name: string): string =>
    `socat UDP-RECVFROM:53,fork,reuseaddr SYSTEM:'read x; echo ${name} $SOCAT_PEERADDR' & exec socat TCP-LISTEN:8080,fork,reuseaddr,backlog=1024 SYSTEM:'echo ${name} $SOCAT_PEERADDR'`;
  const web = (name: string, spec: Partial<PodSpec> = {}): PodSpec => ({
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: "main",
        image,
        command: ["sh", "-c", server(name)],
        ports: [
          { name: "http", containerPort: 8080 },
          { name: "dns", containerPort: 53, protocol: "UDP" },
        ],
        readinessProbe: {
          exec: { command: ["test", "!", "-e", `/state/${name}`] },
          periodSeconds: 1,
          failureThreshold: 1,
        },
        volumeMounts: [{ name: "state", mountPath: "/state" }],
      },
    ],
    volumes: [{ name: "state", hostPath: { path: "/srv/state" } }],
    ...spec,
  });
  const ports: ServiceSpec["ports"] = [
    { name: "http", port: 80, targetPort: "http" },
    { name: "dns", port: 53, protocol: "UDP", targetPort: "dns" },
  ];

  function program(): void {
    const on = new Node("edge", { connection: node.connection });
    const metadata = { namespace: "shop" };
    // Before its pods: order does not matter.
    const service = (name: string, spec: ServiceSpec) => new Service(name, { on, metadata, spec });
    service("web", { clusterIP: "10.96.0.20", selector: { app: "web" }, ports });
    service("open", {
      type: "NodePort",
      selector: { app: "web" },
      externalIPs: ["203.0.113.7"],
      ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }],
    });
    service("sticky", {
      clusterIP: "10.96.0.21",
      selector: { app: "web" },
      sessionAffinity: "ClientIP",
      ports: [{ port: 80, targetPort: 8080 }],
    });
    service("local", {
      type: "NodePort",
      externalTrafficPolicy: "Local",
      selector: { app: "web" },
      ports: [{ port: 80, targetPort: 8080, nodePort: 30081 }],
    });
    service("balanced", {
      type: "LoadBalancer",
      selector: { app: "web" },
      loadBalancerSourceRanges: [`${node.host}/32`],
      ports: [{ port: 8888, targetPort: 8080 }],
    });
    service("nobody", {
      type: "NodePort",
      clusterIP: "10.96.0.22",
      selector: { app: "nobody" },
      ports: [{ port: 80, nodePort: 30082 }],
    });
    service("elsewhere", { clusterIP: "10.96.0.23", ports: [{ port: 80 }] });
    new EndpointSlice("slice", {
      on,
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": "elsewhere" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [outside.host] }, { addresses: ["192.0.2.9"], conditions: { ready: false } }],
      ports: [{ port: 7070 }],
    });
    service("heads", { clusterIP: "None", selector: { app: "web" } });
    for (const name of ["a", "b", "c"])
      new Pod(name, { on, metadata: { ...metadata, labels: { app: "web" } }, spec: web(name) });
    new Pod("client", {
      on,
      metadata,
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "main", image: "host:sleep", command: ["sleep", "100000"] }],
      },
    });
  }

  async function sh(line: string, where = node): Promise<string> {
    const { code, stdout, stderr } = await where.exec(["bash", "-uc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }
  const inside = (pod: string, line: string) =>
    sh(`nsenter --net=/run/barepod/namespaces/shop_${pod}/net bash -c "$(cat <<'END'\n${line}\nEND\n)"`);
  const nameOf = (answer: string) => answer.split(" ")[0];
  const rules = (pattern: string) => sh(`iptables-save | grep -- '${pattern}' || :`);

  test("are made in one go, and give out what Kubernetes gives out", async () => {
    expect([...first.errors]).toEqual([]);
    expect(first.warnings.join("\n")).toMatch(/app=nobody matches no Pod of this program in the namespace shop/);
    expect(first.warnings.filter((each) => each.includes("matches no Pod"))).toHaveLength(1);
    const { deployment } = await stack.export();
    const outputs = (name: string) =>
      deployment.resources.find(({ urn }) => urn.endsWith(`Service::${name}`))?.outputs as Record<string, unknown>;
    expect(outputs("open")).toMatchObject({
      spec: { clusterIP: expect.stringMatching(/^10\.\d+\.\d+\.\d+$/), ports: [{ nodePort: 30080 }] },
    });
    expect(outputs("balanced")).toMatchObject({ status: { loadBalancer: { ingress: [{ ip: node.host }] } } });
    expect(outputs("heads")).toMatchObject({ spec: { clusterIP: "None" }, status: { loadBalancer: {} } });
  });

  test("show no change to a second up, and no drift to a refresh", async () => {
    expect((await stack.up()).steps.filter(({ op }) => op !== "same")).toEqual([]);
    expect((await stack.refresh()).steps.filter(({ op }) => op !== "same")).toEqual([]);
  });

  test("lead from a pod, from the node and from a pod to itself to all of the endpoints", async () => {
    const some = (where: (line: string) => Promise<string>, address = "10.96.0.20") =>
      where(`for i in {1..40}; do ${askTcp(address, 80)}; done`).then((text) => [
        ...new Set(text.split("\n").map(nameOf)),
      ]);
    for (const where of [(line: string) => inside("client", line), sh, (line: string) => inside("a", line)])
      expect((await some(where)).sort()).toEqual(["a", "b", "c"]);
    expect(nameOf(await inside("client", askUdp("10.96.0.20", 53)))).toMatch(/^[abc]$/);
    // The control: without the mark, a pod that is led to itself gets an answer from an address that it has not asked.
    const line = await sh("iptables-save -t nat | grep -- '-A KUBE-SEP-.*-s .* -j KUBE-MARK-MASQ'");
    await sh(
      `${line
        .split("\n")
        .map((each) => `iptables -t nat ${each.replace("-A", "-D").replace(/"/g, '"')}`)
        .join("\n")}`,
    );
    expect(await some((text) => inside("a", text))).toContain("silent");
    expect(await stack.refresh().then(({ steps }) => steps.filter(({ op }) => op === "update").length)).toBeGreaterThan(
      0,
    );
    await stack.up();
    // What began without the mark goes on without it, and its port may be given out again.
    await sh("conntrack -D -p tcp --orig-dst 10.96.0.20 >/dev/null 2>&1 || :");
    expect((await some((text) => inside("a", text))).sort()).toEqual(["a", "b", "c"]);
  });

  test("are reached from outside by node ports, external addresses and the node's as a load balancer's", async () => {
    const ask = (address: string, port: number, where = outside) => sh(askTcp(address, port), where);
    expect(await ask(node.host, 30080)).toMatch(/^[abc] 10\.244\.0\.1$/);
    expect(await ask("203.0.113.7", 80)).toMatch(/^[abc] /);
    expect(await sh(askTcp(node.host, 30080))).toMatch(/^[abc] /);
    // With the policy Local the client's own address arrives.
    expect(await ask(node.host, 30081)).toMatch(new RegExp(`^[abc] ${outside.host.replace(/\./g, "\\.")}$`));
    // Only the node itself is among the load balancer's sources.
    expect(await ask(node.host, 8888)).toBe("silent");
    expect(await sh(askTcp(node.host, 8888))).toMatch(/^[abc] /);
    // The control: without its rule nobody answers.
    const [rule = ""] = (await rules("-A KUBE-NODEPORTS .*30080")).split("\n");
    await sh(`iptables -t nat ${rule.replace("-A", "-D")}`);
    expect(await ask(node.host, 30080)).toBe("refused");
    await stack.refresh();
    await stack.up();
    expect(await ask(node.host, 30080)).toMatch(/^[abc] /);
  });

  test("lead to endpoints that are no pods", async () => {
    await sh(
      "setsid socat TCP-LISTEN:7070,fork,reuseaddr SYSTEM:'echo elsewhere' </dev/null >/dev/null 2>&1 & sleep 0.3",
      outside,
    );
    expect(await inside("client", askTcp("10.96.0.23", 80))).toBe("elsewhere");
    expect(await sh(askTcp("10.96.0.23", 80))).toBe("elsewhere");
    // The control.
    expect(await inside("client", askTcp("10.96.0.24", 80))).toBe("silent");
  });

  test("spread connections evenly", async () => {
    const text = await sh(
      `seq 3000 | xargs -P 8 -I{} bash -c 'socat -T 2 - TCP:10.96.0.20:80 </dev/null 2>/dev/null' | cut -d ' ' -f 1 | sort | uniq -c`,
    );
    const counts = text.split("\n").map((each) => Number(each.trim().split(" ")[0]));
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(3000);
    expect(counts).toHaveLength(3);
    // Two degrees of freedom: beyond it one try in ten million would be.
    expect(chiSquare(counts)).toBeLessThan(32);
  });

  test("keep a client with session affinity", async () => {
    const many = (address: string) =>
      inside("client", `for i in {1..15}; do ${askTcp(address, 80)}; done`).then((text) => new Set(text.split("\n")));
    expect((await many("10.96.0.21")).size).toBe(1);
    // The control.
    expect((await many("10.96.0.20")).size).toBeGreaterThan(1);
  });

  test("refuse at once while there is no endpoint", async () => {
    for (const [where, address, port] of [
      [(line: string) => inside("client", line), "10.96.0.22", 80],
      [sh, "10.96.0.22", 80],
      [(line: string) => sh(line, outside), node.host, 30082],
    ] as const)
      expect(await where(askTcp(address, port))).toBe("refused");
    // The control: an address of nobody's times out.
    expect(await inside("client", askTcp("10.96.0.99", 80))).toBe("silent");
  });

  test("follow readiness on the node, without Pulumi and without drift", async () => {
    const names = async () =>
      new Set(
        (await inside("client", `for i in {1..30}; do ${askTcp("10.96.0.20", 80)}; done`)).split("\n").map(nameOf),
      );
    const wait = (wanted: number) =>
      sh(
        `for i in {1..60}; do [ "$(iptables-save -t nat | grep -c 'shop/web:http -> ')" = ${wanted} ] && exit; sleep 0.1; done; exit 1`,
      );
    await wait(3);
    await sh(`touch /srv/state/a`);
    await wait(2);
    expect([...(await names())].sort()).toEqual(["b", "c"]);
    expect((await stack.refresh()).steps.filter(({ name, op }) => op !== "same" && name.includes("proxy"))).toEqual([]);
    await sh(`rm /srv/state/a`);
    await wait(3);
    expect([...(await names())].sort()).toEqual(["a", "b", "c"]);
    await stack.up();
  });

  test("tell flows of UDP that their endpoint is gone", async () => {
    const ask = () => inside("client", askUdp("10.96.0.20", 53, 4711)).then(nameOf);
    const holder = await ask();
    expect(await ask()).toBe(holder);
    await sh(
      `touch /srv/state/${holder}; for i in {1..60}; do [ "$(iptables-save -t nat | grep -c 'shop/web:dns -> ')" = 2 ] && exit; sleep 0.1; done; exit 1`,
    );
    expect(await ask()).toMatch(/^[abc]$/);
    expect(await ask()).not.toBe(holder);
    await sh(
      `rm /srv/state/${holder}; for i in {1..60}; do [ "$(iptables-save -t nat | grep -c 'shop/web:dns -> ')" = 3 ] && exit; sleep 0.1; done; exit 1`,
    );
  });

  test("are those of a second stack beside those of the first, which stay when it goes", async () => {
    const mine = await rules("KUBE-");
    await using other = await openStack("services-other", () => {
      const on = new Node("edge", { connection: node.connection });
      new Service("web", {
        on,
        metadata: { namespace: "other" },
        spec: { clusterIP: "10.96.0.30", selector: { app: "x" }, ports: [{ port: 80 }] },
      });
      new Service("taken", {
        on,
        metadata: { namespace: "other" },
        spec: { clusterIP: "10.96.0.20", ports: [{ port: 80 }] },
      });
      new Service("port", {
        on,
        metadata: { namespace: "other" },
        spec: { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] },
      });
      new Pod("x", { on, metadata: { namespace: "other", labels: { app: "x" } }, spec: web("x") });
    });
    const outcome = await other.up({ mayFail: true, continueOnError: true });
    expect(outcome.errors.get("taken-proxy")).toMatch(/10\.96\.0\.20 is the address of the Service shop\/web already/);
    expect(outcome.errors.get("port-proxy")).toMatch(/30080 is a port of the Service shop\/open already/);
    expect(nameOf(await inside("client", askTcp("10.96.0.30", 80)))).toBe("refused");
    await other.destroy();
    expect((await rules("KUBE-")).split("\n").sort()).toEqual(mine.split("\n").sort());
    expect(nameOf(await inside("client", askTcp("10.96.0.20", 80)))).toMatch(/^[abc]$/);
  });

  test("leave the node as it was", async () => {
    await stack.destroy();
    expect(await node.snapshot()).toEqual(before);
  });

  test("are there again after a reboot", async () => {
    await stack.up();
    await node.restart();
    await sh(
      `for i in {1..200}; do [ "$(iptables-save -t nat | grep -c 'shop/web:http -> ')" = 3 ] && exit; sleep 0.1; done; exit 1`,
    );
    expect(nameOf(await sh(askTcp("10.96.0.20", 80)))).toMatch(/^[abc]$/);
  });
});

describe.skipIf(obstacle)("the chapter's Service", () => {
  test("has the chapter's rules, byte for byte", async () => {
    await using node = await startSandbox();
    await using stack = await openStack("chapter-services", () => {
      const on = new Node("edge", { connection: node.connection });
      const metadata = { namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };
      new Service("kube-dns", {
        on,
        metadata,
        spec: {
          clusterIP: "10.96.0.10",
          selector: metadata.labels,
          ports: [
            { name: "dns", port: 53, protocol: "UDP" },
            { name: "dns-tcp", port: 53, protocol: "TCP" },
            { name: "metrics", port: 9153, protocol: "TCP" },
          ],
        },
      });
      for (const address of ["10.244.0.3", "10.244.0.4"])
        new Pod(`coredns-${address.at(-1)}`, {
          on,
          metadata: { ...metadata, annotations: { "barepod/ip": address } },
          spec: {
            terminationGracePeriodSeconds: 0,
            containers: [{ name: "dns", image: "host:sleep", command: ["sleep", "1000"] }],
          },
        });
    });
    await stack.up();
    const { stdout } = await node.exec(["sh", "-c", "sleep 0.5; iptables-save"]);
    const lines = stdout.split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        '-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp cluster IP" -m tcp --dport 53 -j KUBE-SVC-ERIFXISQEP7F7OF4',
        '-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "kube-system/kube-dns:dns-tcp -> 10.244.0.3:53" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ZXMNUKOKXUTL2MK2',
        '-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "kube-system/kube-dns:dns-tcp -> 10.244.0.4:53" -j KUBE-SEP-SF3LG62VAE5ALYDV',
        '-A KUBE-SEP-ZXMNUKOKXUTL2MK2 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp" -m tcp -j DNAT --to-destination 10.244.0.3:53',
      ]),
    );
    // kube-proxy's budget: 5 + S·(2 + 3E).
    const nat = stdout.slice(stdout.indexOf("*nat"));
    const own = (nat.slice(0, nat.indexOf("COMMIT")).match(/^-A KUBE-.*$/gm) ?? []).length;
    expect(own).toBeLessThanOrEqual(5 + 3 * (2 + 3 * 2));
    await stack.destroy();
  });
});
