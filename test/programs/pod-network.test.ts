/** How a pod is called, whom it knows and by which ports it is reached: through the real engine, by what its containers see. */
import { Node, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../../provider/kubernetes/container-types";
import type { PodSpec } from "../../provider/kubernetes/types";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import type { NodeSnapshot } from "../harness/snapshot";

const obstacle = sandboxObstacle();
const sleeper = (name: string, more: Partial<Container> = {}): Container => ({
  name,
  image: "host:busybox,getent",
  command: ["busybox", "sleep", "100000"],
  ...more,
});
const server = "exec socat TCP-LISTEN:80,fork,reuseaddr SYSTEM:'echo hello'";

describe.skipIf(obstacle)(`pods' networks${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let outside: SandboxNode;
  let stack: Stack;
  let before: NodeSnapshot;
  let first: Outcome;

  beforeAll(async () => {
    [node, outside] = await Promise.all([startSandbox(), startSandbox()]);
    await sh("iptables -P FORWARD DROP; printf 'nameserver 192.0.2.53\\nsearch example.com\\n' > /etc/resolv.conf");
    await sh("echo mine > /srv/hosts; echo '192.0.2.99 of-the-node' >> /etc/hosts");
    before = await node.snapshot();
    stack = await openStack("pod-network", program);
    first = await stack.up();
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await Promise.all([node, outside].map((each) => each?.[Symbol.asyncDispose]()));
  });

  function program(): void {
    const { connection } = node;
    const on = new Node("edge", { connection, clusterDomain: "edge.test" });
    const pod = (name: string, spec: Partial<PodSpec> = {}) =>
      new Pod(name, {
        on,
        metadata: { namespace: "shop" },
        spec: { terminationGracePeriodSeconds: 0, containers: [sleeper("main")], ...spec },
      });
    pod("plain");
    pod("named", {
      hostname: "front",
      subdomain: "sites",
      setHostnameAsFQDN: true,
      hostAliases: [{ ip: "192.0.2.7", hostnames: ["db", "db.example"] }],
      dnsPolicy: "ClusterFirst",
      dnsConfig: { nameservers: ["192.0.2.54"], searches: ["mine.example"], options: [{ name: "ndots", value: "2" }] },
      containers: [
        sleeper("one"),
        sleeper("two", { securityContext: { readOnlyRootFilesystem: true } }),
        // Files of the keeper lie beside those of its containers: none may have a name that a container can have.
        sleeper("prepare", { volumeMounts: [{ name: "hosts", mountPath: "/etc/hosts" }] }),
      ],
      volumes: [{ name: "hosts", hostPath: { path: "/srv/hosts" } }],
    });
    pod("short", { subdomain: "sites" });
    pod("override", { hostnameOverride: "db.example.org", subdomain: "sites" });
    // Nobody listens there: what /etc/hosts does not know fails at once.
    pod("none", {
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["127.0.0.1"] },
      hostAliases: [{ ip: "192.0.2.7", hostnames: ["db.example"] }],
    });
    pod("host", { hostNetwork: true, hostAliases: [{ ip: "192.0.2.8", hostnames: ["alias"] }] });
    pod("ports", {
      containers: [
        {
          name: "web",
          image: "host:busybox,socat,sh",
          command: ["sh", "-c", server],
          ports: [{ containerPort: 80, hostPort: 8080 }],
        },
      ],
    });
  }

  async function sh(line: string, on = node): Promise<string> {
    const { code, stdout, stderr } = await on.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }
  async function inside(pod: string, line: string, container = "main"): Promise<string> {
    const pid = await sh(`cut -f2 /run/barepod/process/shop_${pod}/${container}/status`);
    return sh(`nsenter -t ${pid} -m -u -i -n -p -r -w busybox sh -c '${line}'`);
  }
  const address = (pod: string) => sh(`cat /run/barepod/addresses/shop_${pod}`);
  const get = (where: string) => `timeout 5 busybox nc ${where} < /dev/null`;

  test("have a name of their own in /etc/hosts and /etc/hostname", async () => {
    const ip = await address("plain");
    expect(await inside("plain", "cat /etc/hosts")).toBe(
      [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        `${ip}\tplain`,
      ].join("\n"),
    );
    expect(await inside("plain", "cat /etc/hostname; hostname")).toBe("plain\nplain");
    expect(await sh("ls -d /run/barepod/process/shop_plain/etc.hosts && stat -f -c %T /run/barepod/process")).toContain(
      "tmpfs",
    );
  });

  test("have hostname, subdomain and the node's domain in their whole name", async () => {
    const ip = await address("named");
    const whole = "front.sites.shop.svc.edge.test";
    const hosts = await inside("named", "cat /etc/hosts", "one");
    expect(hosts.split("\n").slice(-4)).toEqual([
      `${ip}\t${whole}\tfront`,
      "",
      "# Entries added by HostAliases.",
      "192.0.2.7\tdb\tdb.example",
    ]);
    expect(await inside("named", "hostname; cat /etc/hostname", "one")).toBe(`${whole}\n${whole}`);
    expect(await inside("none", "getent hosts none; getent hosts db.example")).toMatch(
      new RegExp(`^${await address("none")} +none\n192\\.0\\.2\\.7 +db\\.example$`),
    );
    // Without setHostnameAsFQDN only the short one is the kernel's; with hostnameOverride there is no other.
    expect(await inside("short", "hostname; tail -n 1 /etc/hosts")).toBe(
      `short\n${await address("short")}\tshort.sites.shop.svc.edge.test\tshort`,
    );
    expect(await inside("override", "hostname; tail -n 1 /etc/hosts")).toBe(
      `db.example.org\n${await address("override")}\tdb.example.org`,
    );
  });

  test("share the files between their containers, unless one mounts its own", async () => {
    expect(await inside("named", "stat -c %i /etc/hosts", "two")).toBe(
      await inside("named", "stat -c %i /etc/hosts", "one"),
    );
    expect(await inside("named", "cat /etc/hosts", "prepare")).toBe("mine");
    await inside("named", "echo 192.0.2.10 by-the-container >> /etc/hosts", "one");
    expect(await inside("named", "tail -n 1 /etc/hosts", "two")).toBe("192.0.2.10 by-the-container");
    // As with containerd, a read-only root makes the other two read-only.
    expect(await inside("named", "(echo x > /etc/resolv.conf) 2>/dev/null || echo read-only", "two")).toBe("read-only");
    expect(await sh("cat /srv/hosts")).toBe("mine");
  });

  test("show the node's hosts with hostNetwork, and the aliases", async () => {
    const lines = (await inside("host", "cat /etc/hosts")).split("\n");
    expect(lines[0]).toBe("# Kubernetes-managed hosts file (host network).");
    expect(lines).toContain("192.0.2.99 of-the-node");
    expect(lines.slice(-2)).toEqual(["# Entries added by HostAliases.", "192.0.2.8\talias"]);
    expect(await inside("host", "cat /etc/hostname")).toBe(await sh("hostname"));
    expect(await inside("plain", "cat /etc/hosts")).not.toContain("of-the-node");
  });

  test("resolve as the node does while it has no cluster DNS, and are told so where they asked for it", async () => {
    expect(await inside("plain", "cat /etc/resolv.conf")).toBe("search example.com\nnameserver 192.0.2.53");
    expect(await inside("none", "cat /etc/resolv.conf")).toBe("nameserver 127.0.0.1");
    expect(await inside("named", "cat /etc/resolv.conf", "one")).toBe(
      "search example.com mine.example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions ndots:2",
    );
    expect(first.warnings).toEqual([expect.stringContaining("MissingClusterDNS: the node has no cluster DNS")]);
  });

  test("resolve by the cluster's DNS once it is there and a container has started again", async () => {
    await sh("echo 'nameserver 10.96.0.10' > /var/lib/barepod/node/cluster-dns");
    await restart("named", "one");
    const cluster =
      "search shop.svc.edge.test svc.edge.test edge.test example.com mine.example\nnameserver 10.96.0.10\nnameserver 192.0.2.54\noptions ndots:2";
    expect(await inside("named", "cat /etc/resolv.conf", "one")).toBe(cluster);
    // The same file: the others see it too. What a container had added to /etc/hosts is gone.
    expect(await inside("named", "cat /etc/resolv.conf", "two")).toBe(cluster);
    expect(await inside("named", "cat /etc/hosts", "two")).not.toContain("by-the-container");
    await sh("rm /var/lib/barepod/node/cluster-dns");
  });

  async function restart(pod: string, container: string): Promise<void> {
    const status = `/run/barepod/process/shop_${pod}/${container}/status`;
    const pid = await sh(`cut -f2 ${status}`);
    await sh(
      `kill -9 ${pid}; for i in $(seq 100); do [ "$(cut -f2 ${status} 2>/dev/null)" = ${pid} ] || break; sleep 0.1; done`,
    );
    await sh(
      `for i in $(seq 100); do [ "$(cut -f1 ${status} 2>/dev/null)" != running ] || exit 0; sleep 0.1; done; exit 1`,
    );
  }

  /** The ways to the server that lead nowhere. */
  async function closed(): Promise<string[]> {
    const all: [string, string][] = [
      ["outside", await sh(get(`${node.host} 8080`), outside)],
      ["node", await sh(get(`${node.host} 8080`))],
      ["localhost", await sh(get("127.0.0.1 8080"))],
      ["itself", await inside("ports", get(`${node.host} 8080`), "web")],
      ["another pod", await inside("plain", get(`${node.host} 8080`))],
    ];
    return all.filter(([, answer]) => answer !== "hello").map(([way]) => way);
  }

  test("are reached by a port of the node: from outside, from the node and from themselves", async () => {
    expect(await closed()).toEqual([]);
    expect((await stack.up()).steps.filter(({ op }) => op !== "same")).toEqual([]);
    expect((await stack.refresh()).steps.filter(({ op }) => op !== "same" && op !== "refresh")).toEqual([]);
  });

  test("leave nothing behind", async () => {
    await stack.destroy();
    expect(await node.snapshot()).toEqual(before);
  });

  test("have all of it after a reboot, too", async () => {
    await stack.up();
    await node.restart();
    const running = "grep -q running /run/barepod/process/shop_ports/web/status 2>/dev/null";
    await sh(`for i in $(seq 100); do if ${running}; then sleep 0.5; exit 0; fi; sleep 0.1; done; exit 1`);
    expect(await closed()).toEqual([]);
    expect(await inside("named", "tail -n 1 /etc/hosts; cat /etc/hostname", "one")).toBe(
      "192.0.2.7\tdb\tdb.example\nfront.sites.shop.svc.edge.test",
    );
  });
});
