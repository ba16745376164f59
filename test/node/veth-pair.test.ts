import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { handler } from "../../provider/handler";
import { type VethPairInputs, vethPairSpec } from "../../provider/resources/veth-pair";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

type Outs = VethPairInputs & { address: string; gateway: string; hostInterface: string };

const obstacle = sandboxObstacle();
const provider = handler(vethPairSpec);

describe.skipIf(obstacle)(`a VethPair${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  beforeAll(async () => {
    node = await startSandbox();
    await sh("echo 1 > /proc/sys/net/ipv4/ip_forward; mkdir -p /run/barepod/namespaces /var/lib/barepod/node");
  });
  afterAll(async () => {
    await closeAllSessions();
    await node[Symbol.asyncDispose]();
  });

  const sh = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await node.exec(["bash", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  };
  const fails = async (line: string): Promise<boolean> => (await node.exec(["bash", "-euc", line])).code !== 0;
  const namespace = async (name: string): Promise<string> => {
    const folder = `/run/barepod/namespaces/${name}`;
    await sh(`mkdir -p '${folder}'; : > '${folder}/net'; unshare --net='${folder}/net' true`);
    return folder;
  };
  const inside = (folder: string, line: string) => `nsenter --net='${folder}/net' bash -euc '${line}'`;
  const inputs = (folder: string, more: Partial<VethPairInputs> = {}) => ({
    namespace: folder,
    node: node.name,
    connection: connection(),
    owner: `nonce/urn:${folder}`,
    up: true,
    ...more,
  });
  const connection = () => ({
    host: node.host,
    port: node.port,
    user: node.user,
    privateKeyPath: node.privateKeyPath,
    hostKey: node.hostKey,
  });
  const checked = async (news: object): Promise<VethPairInputs> => {
    const result = await provider.check?.({}, news);
    expect(result?.failures).toEqual([]);
    return result?.inputs as VethPairInputs;
  };
  const create = async (news: object): Promise<Outs> => (await provider.create(await checked(news))).outs as Outs;
  const remove = (outs: Outs) => provider.delete?.("", outs) ?? Promise.resolve();
  const read = async (outs: Outs) => (await provider.read?.("id", outs)) as { id: string; inputs: VethPairInputs };
  const update = async (outs: Outs, news: Partial<VethPairInputs> = {}): Promise<Outs> => {
    const { _barepod: _, gateway: _g, hostInterface: _h, address: _a, ...old } = outs as Outs & { _barepod: unknown };
    return (await provider.update?.("id", outs, { ...old, ...news }))?.outs as Outs;
  };
  /** Whether a TCP connection from a namespace (or the node) to an address comes about; a server answers there. */
  const serve = async (folder: string): Promise<void> => {
    await sh(`setsid nsenter --net='${folder}/net' socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:'echo hello' </dev/null >/dev/null 2>&1 &
      for i in {1..100}; do nsenter --net='${folder}/net' bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' 2>/dev/null && exit; sleep 0.02; done; exit 1`);
  };
  const get = (address: string) => `timeout 1 bash -c "cat < /dev/tcp/${address}/8080" 2>/dev/null`;

  test("connects a namespace with the node as the chapter prints it, and leaves nothing behind", async () => {
    const folder = await namespace("box");
    // What a first pair leaves on the node is not its own: the lock, and the pool's folder.
    await remove(await create(inputs(folder)));
    await sh(`rm /var/lib/barepod/node/last-address; ${inside(folder, "ip link set lo down")}`);
    const before = await node.snapshot();
    const eth0 = await create(inputs(folder));
    expect(eth0).toMatchObject({ name: "box-eth0", address: "10.244.0.2", gateway: "10.244.0.1" });
    expect(await sh("ip route | grep 10.244")).toBe(`10.244.0.2 dev ${eth0.hostInterface} scope host`);
    expect(await sh(`ip -o -4 addr show dev ${eth0.hostInterface} | grep -o 'inet .* scope global'`)).toBe(
      "inet 10.244.0.1/32 scope global",
    );
    expect(await sh(`cat /sys/class/net/${eth0.hostInterface}/ifalias`)).toMatch(/^barepod VethPair\.box-eth0\./);
    expect(await sh(inside(folder, "ip route; ip -br link show lo"))).toMatch(
      /^default via 10.244.0.1 dev eth0 \n10.244.0.1 dev eth0 scope link \nlo +UNKNOWN/,
    );
    expect(await sh("cat /run/barepod/addresses/box")).toBe("10.244.0.2");
    await serve(folder);
    expect(await sh(get("10.244.0.2"))).toBe("hello");
    expect((await read(eth0)).inputs).toEqual(await checked(inputs(folder)));
    const sent = await update(eth0);
    expect(sent).toEqual(eth0);
    await sh("pkill socat");
    await remove(eth0);
    await remove(eth0);
    await sh(`rm /var/lib/barepod/node/last-address; ${inside(folder, "ip link set lo down")}`);
    expect(await node.snapshot()).toEqual(before);
    expect(await read(eth0)).toMatchObject({ id: "" });
  });

  test("tells the addresses of two namespaces apart whose paths end in one name", async () => {
    const ours = await create(inputs(await namespace("twin")));
    await sh("mkdir -p /run/netns; : > /run/netns/twin; unshare --net=/run/netns/twin true");
    // What `ip netns add` has made is a file, where a Namespace has a folder of pins.
    await sh("mkdir -p /run/other/twin; ln -s /run/netns/twin /run/other/twin/net");
    const other = await create(inputs("/run/other/twin"));
    expect(other.address).not.toBe(ours.address);
    expect((await read(ours)).inputs.up).toBe(true);
    expect((await read(other)).inputs.up).toBe(true);
    await remove(other);
    expect((await read(ours)).inputs.up).toBe(true);
    await remove(ours);
    await sh("rm -r /run/other; umount /run/netns/twin; rm -r /run/netns; [ ! -e /run/barepod/addresses ]");
  });

  test("carries packets between two namespaces, and none without the pair", async () => {
    const [a, b] = await Promise.all([namespace("a"), namespace("b")]);
    const [first, second] = await Promise.all([create(inputs(a)), create(inputs(b))]);
    await serve(b);
    const client = inside(a, get(second.address));
    expect(await sh(client)).toBe("hello");
    // The control: without the route on the node it fails, and a repair brings it back.
    await sh(`ip route del ${second.address} dev ${second.hostInterface}`);
    expect(await fails(client)).toBe(true);
    expect((await read(second)).inputs.up).toBe(false);
    await update(second);
    expect(await sh(client)).toBe("hello");
    expect((await read(second)).inputs.up).toBe(true);
    await sh("pkill socat");
    await Promise.all([remove(first), remove(second)]);
  });

  test("repairs whatever breaks, and keeps the address", async () => {
    const folder = await namespace("broken");
    const made = await create(inputs(folder));
    const breaks = [
      `ip link set ${made.hostInterface} down`,
      `ip addr flush dev ${made.hostInterface}`,
      inside(folder, "ip link set eth0 down"),
      inside(folder, "ip addr flush dev eth0"),
      inside(folder, "ip route del default"),
      inside(folder, "ip link set lo down"),
      inside(folder, "ip link set eth0 name other"),
      "rm /run/barepod/addresses/broken",
      inside(folder, "ip link del eth0"),
    ];
    await serve(folder);
    let outs = made;
    for (const line of breaks) {
      await sh(line);
      const { id, inputs: seen } = await read(outs);
      expect({ line, id, up: seen.up }).toEqual({ line, id: "id", up: false });
      outs = await update(outs);
      expect({ line, outs }).toEqual({ line, outs: { ...made, _barepod: expect.anything() } });
      expect({ line, up: (await read(outs)).inputs.up }).toEqual({ line, up: true });
      expect({ line, answer: await sh(get(outs.address)) }).toEqual({ line, answer: "hello" });
    }
    await sh("pkill socat");
    await remove(outs);
    expect(await sh("ls /var/lib/barepod/ipam /run/barepod; ip -o link | grep -c bp || :")).not.toContain("10.244");
  });

  test("hands out addresses in order and a released one last", async () => {
    await sh("rm -f /var/lib/barepod/node/last-address; echo 10.244.7.0/29 > /var/lib/barepod/node/pod-cidr");
    const folders = await Promise.all([1, 2, 3, 4, 5, 6].map((index) => namespace(`order${index}`)));
    const make = (index: number) => create(inputs(folders[index] as string));
    const made = [await make(0), await make(1), await make(2)];
    expect(made.map(({ address }) => address)).toEqual(["10.244.7.2", "10.244.7.3", "10.244.7.4"]);
    await remove(made[0] as Outs);
    made[0] = await make(3);
    made.push(await make(4), await make(0));
    expect(made.map(({ address }) => address)).toEqual([
      "10.244.7.5",
      "10.244.7.3",
      "10.244.7.4",
      "10.244.7.6",
      "10.244.7.2",
    ]);
    await expect(make(5)).rejects.toThrow("all 5 pod addresses of this node (10.244.7.0/29) are taken");
    expect(await sh("ls /var/lib/barepod/owners")).not.toContain("order6");
    await Promise.all(made.map(remove));
    await sh("rm -f /var/lib/barepod/node/last-address /var/lib/barepod/node/pod-cidr");
  });

  test("takes a given address, and refuses one that is taken or outside the range", async () => {
    const [a, b] = await Promise.all([namespace("given"), namespace("other")]);
    const made = await create(inputs(a, { address: "10.244.0.77" }));
    expect(made.address).toBe("10.244.0.77");
    await expect(create(inputs(b, { address: "10.244.0.77" }))).rejects.toThrow(
      /address 10\.244\.0\.77 is taken by VethPair\.given-eth0\./,
    );
    for (const address of ["10.244.0.1", "10.244.0.255", "10.245.0.2", "10.244.0.0"])
      await expect(create(inputs(b, { address }))).rejects.toThrow(
        `address ${address} is outside this node's pod addresses, 10.244.0.2 to 10.244.0.254`,
      );
    expect(await sh("ls /var/lib/barepod/ipam")).toBe("10.244.0.77");
    await remove(made);
  });

  test("changes the MTU in place", async () => {
    const folder = await namespace("mtu");
    const made = await create(inputs(folder, { mtu: 1400 }));
    const index = await sh(`cat /sys/class/net/${made.hostInterface}/ifindex`);
    const changed = await update(made, { mtu: 1300 });
    const mtus = `cat /sys/class/net/${made.hostInterface}/{mtu,ifindex}; ${inside(folder, "ip -o link show eth0 | grep -o mtu.[0-9]*")}`;
    expect(await sh(mtus)).toBe(`1300\n${index}\nmtu 1300`);
    await sh(`ip link set ${made.hostInterface} mtu 1200; ${inside(folder, "ip link set eth0 mtu 1200")}`);
    expect((await read(changed)).inputs.mtu).toBe(1200);
    await remove(changed);
  });

  test("names what is wrong with a namespace", async () => {
    await expect(create(inputs("/run/barepod/namespaces/none"))).rejects.toThrow(
      "there is no network namespace at /run/barepod/namespaces/none/net",
    );
    const folder = await namespace("twice");
    const made = await create(inputs(folder));
    const error = await create(inputs(folder, { interfaceName: "eth1", owner: "n/u2" })).catch((thrown) => thrown);
    expect(error.message).toContain("it can have one VethPair");
    // What came to be is kept in state, and goes with it.
    await remove(error.properties);
    expect(await sh("ls /var/lib/barepod/ipam")).toBe(made.address);
    await remove(made);
  });

  test("passes a hostile namespace path exactly", async () => {
    const folder = `/run/barepod/namespaces/it is "$(touch /tmp/pwned)" \\; -x`;
    await sh(
      `mkdir -p "$1"; : > "$1/net"; unshare --net="$1/net" true`.replaceAll("$1", folder.replace(/["$\\]/g, "\\$&")),
    );
    const made = await create(inputs(folder));
    expect(made.name).toMatch(/^it-is-touch-tmp-pwned-/);
    expect(await sh("test ! -e /tmp/pwned; ls /run/barepod/addresses")).toMatch(
      /^_run-barepod-namespaces-it-is-[\w-]*$/,
    );
    await remove(made);
  });

  test("makes twenty at once, each with an address of its own", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `many${index}`);
    await sh(
      `for name in ${names.join(" ")}; do f=/run/barepod/namespaces/$name; mkdir $f; : > $f/net; unshare --net=$f/net true; done`,
    );
    const start = performance.now();
    const made = await Promise.all(names.map((name) => create(inputs(`/run/barepod/namespaces/${name}`))));
    const took = performance.now() - start;
    expect(new Set(made.map(({ address }) => address)).size).toBe(20);
    expect(await sh("ls /var/lib/barepod/ipam | wc -l")).toBe("20");
    const reading = performance.now();
    await Promise.all(made.map(read));
    console.log(`20 creates ${Math.round(took)} ms, 20 reads ${Math.round(performance.now() - reading)} ms`);
    await Promise.all(made.map(remove));
    expect(
      await sh("ls /var/lib/barepod/ipam; test ! -e /var/lib/barepod/owners; ip -o link | grep -c 'bp[0-9a-f]*@' || :"),
    ).toBe("0");
  });

  test("comes back with its address after a reboot", async () => {
    const folder = await namespace("reboot");
    await sh("echo 10.244.0.200 > /var/lib/barepod/node/last-address");
    const made = await create(inputs(folder));
    await closeAllSessions();
    await node.restart();
    await namespace("reboot");
    expect((await read(made)).inputs.up).toBe(false);
    expect((await node.exec(["sh", "-c", "sh /var/lib/barepod/boot.d/40-VethPair.*"])).code).toBe(0);
    const seen = await read(made);
    expect(seen.inputs.up).toBe(true);
    expect(await sh("cat /run/barepod/addresses/reboot")).toBe("10.244.0.201");
    await remove(made);
    await sh("test ! -e /var/lib/barepod/boot.d");
  });
});
