/** Ports of the node that lead to a namespace, by packets: each way with the control that it fails without the rule. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { handler } from "../../provider/handler";
import type { NodeInputs, Spec } from "../../provider/resource";
import { type HostPortsInputs, hostPortsSpec } from "../../provider/resources/host-ports";
import { nodeSpec } from "../../provider/resources/node";
import { type VethPairInputs, vethPairSpec } from "../../provider/resources/veth-pair";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
type Outs = Record<string, unknown>;

describe.skipIf(obstacle)(`HostPorts${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let outside: SandboxNode;
  beforeAll(async () => {
    [node, outside] = await Promise.all([startSandbox(), startSandbox()]);
    await sh("iptables -P FORWARD DROP; mkdir -p /run/barepod/namespaces");
    await on(nodeSpec).create({});
    for (const name of ["a", "b"]) {
      const folder = `/run/barepod/namespaces/${name}`;
      await sh(`mkdir -p ${folder}; : > ${folder}/net; unshare --net=${folder}/net true`);
      await on(vethPairSpec).create({ namespace: folder, up: true } as Partial<VethPairInputs>);
      await serve(`nsenter --net=${folder}/net`, "TCP", 80, `tcp-${name}`);
      await serve(`nsenter --net=${folder}/net`, "UDP", 53, `udp-${name}`);
    }
  });
  afterAll(async () => {
    await closeAllSessions();
    await Promise.all([node, outside].map((each) => each?.[Symbol.asyncDispose]()));
  });

  async function sh(line: string, where = node): Promise<string> {
    const { code, stdout, stderr } = await where.exec(["bash", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }
  // Over UDP it reads first: socat sends no answer of a program that has ended before it was asked.
  const serve = (prefix: string, kind: "TCP" | "UDP", port: number, text: string, address = "") =>
    sh(`setsid ${prefix} socat ${kind === "TCP" ? "TCP-LISTEN" : "UDP-RECVFROM"}:${port},fork,reuseaddr${address} SYSTEM:'${kind === "UDP" ? "read x; " : ""}echo ${text}' </dev/null >/dev/null 2>&1 &
for i in {1..100}; do ${prefix} ss -Hln${kind === "TCP" ? "t" : "u"} | grep -q ':${port} ' && exit; sleep 0.02; done; exit 1`);

  function on<I extends NodeInputs, S>(spec: Spec<I, S>) {
    const provider = handler(spec);
    const connection = ({ host, port, user, privateKeyPath, hostKey }: SandboxNode) => ({
      host,
      port,
      user,
      privateKeyPath,
      hostKey,
    });
    const complete = (inputs: object) => ({
      node: node.name,
      connection: connection(node),
      owner: `nonce/urn:${spec.type}:${JSON.stringify(inputs)}`,
      resourceUrn: `urn:${spec.type}::x`,
      ...inputs,
    });
    const check = async (inputs: object) => {
      const checked = await provider.check?.({}, complete(inputs));
      expect(checked?.failures).toEqual([]);
      return checked?.inputs as I;
    };
    return {
      problems: async (inputs: object) => (await provider.check?.({}, complete(inputs)))?.failures ?? [],
      create: async (inputs: object) => (await provider.create(await check(inputs))).outs as Outs,
      update: async (outs: Outs, inputs: object) =>
        (await provider.update?.("id", outs as never, await check({ ...inputs, owner: outs["owner"] })))?.outs as Outs,
      read: async (outs: Outs) => (await provider.read?.("id", outs as never)) as { id: string; inputs: I },
      remove: (outs: Outs) => provider.delete?.("id", outs as never) ?? Promise.resolve(),
    };
  }
  const ports = on(hostPortsSpec);
  const inputs = (name: string, list: HostPortsInputs["ports"]) => ({
    namespace: `/run/barepod/namespaces/${name}`,
    interface: `${name}-eth0`,
    ports: list,
    up: true,
  });

  const tcp = (address: string, port: number) => `timeout 2 socat -u TCP:${address}:${port} - 2>/dev/null || :`;
  const udp = (address: string, port: number) =>
    `echo | timeout 3 socat -t 1 - UDP:${address}:${port} 2>/dev/null || :`;
  const inside = (name: string, line: string) =>
    sh(`nsenter --net=/run/barepod/namespaces/${name}/net bash -c '${line}'`);
  /** What answers on each way to a port. */
  const ask = async (dial: (address: string, port: number) => string, port: number) => ({
    outside: await sh(dial(node.host, port), outside),
    node: await sh(dial(node.host, port)),
    localhost: await sh(dial("127.0.0.1", port)),
    itself: await inside("a", dial(node.host, port)),
    other: await inside("b", dial(node.host, port)),
  });
  const all = (text: string) => ({ outside: text, node: text, localhost: text, itself: text, other: text });

  test("lead to the namespace on every way, over TCP and UDP, and nowhere once they are gone", async () => {
    expect(await ask(tcp, 8080)).toEqual(all(""));
    const saved = await sh("iptables-save | grep -v '^[#:]'");
    const made = await ports.create(
      inputs("a", [
        { hostPort: 8080, containerPort: 80 },
        { hostPort: 5353, containerPort: 53, protocol: "UDP" },
      ]),
    );
    expect(await ask(tcp, 8080)).toEqual(all("tcp-a"));
    expect(await ask(udp, 5353)).toEqual(all("udp-a"));
    expect((await ports.read(made)).inputs).toMatchObject({ up: true });
    // The control: without its rules nothing answers; a refresh sees it, and an update brings them back.
    const breaks = [
      ["iptables -t nat -F $(iptables -t nat -S | grep -o 'BAREPOD-PORTS-[0-9a-f]*' | head -n 1)", { ...all("") }],
      [
        "iptables-save -t nat | grep '^-A PREROUTING.*BAREPOD-PORTS' | sed 's/^-A/-t nat -D/' | xargs iptables",
        { ...all(""), node: "tcp-a", localhost: "tcp-a" },
      ],
      [
        "iptables-save -t nat | grep '^-A OUTPUT.*BAREPOD-PORTS' | sed 's/^-A/-t nat -D/' | xargs iptables",
        { ...all("tcp-a"), node: "", localhost: "" },
      ],
      [
        "iptables-save -t nat | grep '^-A POSTROUTING -s 127' | sed 's/^-A/-t nat -D/' | xargs iptables",
        { ...all("tcp-a"), localhost: "" },
      ],
      [
        "iptables-save -t nat | grep '^-A POSTROUTING -s 10.244.0.2/32' | sed 's/^-A/-t nat -D/' | xargs iptables",
        { ...all("tcp-a"), itself: "" },
      ],
    ] as const;
    for (const [line, answers] of breaks) {
      await sh(line);
      expect({ line, answers: await ask(tcp, 8080) }).toEqual({ line, answers });
      expect((await ports.read(made)).inputs).toMatchObject({ up: false });
      await ports.update(made, inputs("a", made["ports"] as never));
      expect({ line, answers: await ask(tcp, 8080) }).toEqual({ line, answers: all("tcp-a") });
      expect((await ports.read(made)).inputs).toMatchObject({ up: true });
    }
    await ports.remove(made);
    await ports.remove(made);
    expect(await ask(tcp, 8080)).toEqual(all(""));
    expect(await ask(udp, 5353)).toEqual(all(""));
    expect(await sh("iptables-save | grep -v '^[#:]'")).toBe(saved);
    expect(await sh("cat /proc/sys/net/ipv4/conf/bp*/route_localnet")).toBe("0\n0");
    expect(await ports.read(made)).toMatchObject({ id: "" });
  });

  test("are for one address of the node with hostIP, and change in place", async () => {
    const made = await ports.create(inputs("a", [{ hostPort: 8080, containerPort: 80, hostIP: "127.0.0.1" }]));
    expect(await ask(tcp, 8080)).toEqual({ ...all(""), localhost: "tcp-a" });
    const other = await ports.create(inputs("b", [{ hostPort: 8080, containerPort: 80, hostIP: node.host }]));
    expect(await ask(tcp, 8080)).toEqual({ ...all("tcp-b"), localhost: "tcp-a" });
    const changed = await ports.update(made, inputs("a", [{ hostPort: 8081, containerPort: 80 }]));
    expect(await ask(tcp, 8081)).toEqual(all("tcp-a"));
    expect(await ask(tcp, 8080)).toEqual({ ...all("tcp-b"), localhost: "" });
    await ports.remove(changed);
    await ports.remove(other);
  });

  test("tell flows of UDP that began before where to go", async () => {
    expect(await sh("command -v conntrack")).not.toBe("");
    const flow = `timeout 3 bash -c 'echo | socat -t 1 - UDP:${node.host}:5353,sourceport=4001' 2>/dev/null || :`;
    await sh(flow, outside);
    const made = await ports.create(inputs("a", [{ hostPort: 5353, containerPort: 53, protocol: "UDP" }]));
    expect(await sh(flow, outside)).toBe("udp-a");
    await ports.remove(made);
    expect(await sh(flow, outside)).toBe("");
  });

  test("are refused by name where they lead elsewhere, or something listens", async () => {
    const made = await ports.create(inputs("a", [{ hostPort: 8080, containerPort: 80 }]));
    const refusal = (list: HostPortsInputs["ports"]) =>
      ports.create(inputs("b", list)).then(
        () => "made",
        (error: Error) => error.message,
      );
    expect(await refusal([{ hostPort: 8080, containerPort: 80 }])).toMatch(
      /port 8080\/TCP of the node is taken by a$/m,
    );
    expect(await refusal([{ hostPort: 8080, containerPort: 80, hostIP: node.host }])).toMatch(/is taken by a$/m);
    // A login's port too: it would be the last thing that anybody did on the node.
    const listens = /: a program listens there \(ss -lnp names it\); end it, or give another hostPort or hostIP/;
    expect(await refusal([{ hostPort: node.port, containerPort: 80 }])).toMatch(
      new RegExp(`port ${node.port}/TCP of the node is taken${listens.source}`),
    );
    await serve("", "UDP", 5355, "of-the-node", ",bind=127.0.0.53");
    expect(await refusal([{ hostPort: 5355, containerPort: 53, protocol: "UDP" }])).toMatch(listens);
    expect(await refusal([{ hostPort: 5355, containerPort: 53, protocol: "UDP", hostIP: "127.0.0.53" }])).toMatch(
      listens,
    );
    expect(await sh("iptables -t nat -S | grep -c 'N BAREPOD-PORTS'")).toBe("1");
    const other = await ports.create(
      inputs("b", [
        { hostPort: 8080, containerPort: 53, protocol: "UDP" },
        { hostPort: 5355, containerPort: 53, protocol: "UDP", hostIP: node.host },
      ]),
    );
    expect(await sh(udp(node.host, 8080), outside)).toBe("udp-b");
    await ports.remove(other);
    await ports.remove(made);
    expect(
      (await ports.problems(inputs("a", [{ hostPort: 0, containerPort: 1 }]))).map(({ reason }) => reason),
    ).toEqual(["ports[0].hostPort: must be between 1 and 65535"]);
  });

  test("let no namespace reach what listens at the node's 127.0.0.1", async () => {
    await serve("", "TCP", 9000, "private", ",bind=127.0.0.1");
    const made = await ports.create(inputs("a", [{ hostPort: 8080, containerPort: 80 }]));
    expect(await sh(tcp("127.0.0.1", 9000))).toBe("private");
    // What a container with raw sockets can do: send packets for 127.0.0.1 to the node.
    const net = "nsenter --net=/run/barepod/namespaces/a/net";
    await sh(
      `${net} sh -c 'ip link set lo down; ip address flush dev lo; ip route flush table local type local 127.0.0.0/8 2>/dev/null; ip route add 127.0.0.1 via 10.244.0.1 dev eth0; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet'`,
    );
    const attack = `${net} bash -c '${tcp("127.0.0.1", 9000)}'`;
    expect(await sh(attack)).toBe("");
    // The control: it is the rule that keeps it out.
    await sh("iptables-save -t filter | grep '^-A INPUT.*127.0.0.0/8.*DROP' | sed 's/^-A/-D/' | xargs iptables");
    expect(await sh(attack)).toBe("private");
    await ports.remove(made);
  });

  test("are made over SCTP where the kernel knows it", async () => {
    const create = ports.create(inputs("b", [{ hostPort: 8080, containerPort: 80, protocol: "SCTP" }]));
    const made = await create.catch((error: Error & { properties?: Outs }) => error);
    const rule = await sh("iptables -t nat -S | grep sctp || :");
    if (made instanceof Error) {
      // Without the kernel's module it is an error, and nothing is left.
      expect(made.message).toContain("iptables-restore");
      expect(rule).toBe("");
    } else {
      expect(rule).toMatch(/-p sctp .*--dport 8080 .*-j DNAT --to-destination 10\.244\.0\.3:80$/);
      await ports.remove(made);
    }
  });

  test("need an address to lead to", async () => {
    const failure = ports.create(inputs("c", [{ hostPort: 8080, containerPort: 80 }]));
    await expect(failure).rejects.toThrow("the namespace has no address: its VethPair must be there first");
    expect(await sh("iptables -t nat -S | grep -c BAREPOD-PORTS || :")).toBe("0");
  });
});
