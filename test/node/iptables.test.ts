import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { handler } from "../../provider/handler";
import { type IptablesChainInputs, iptablesChainSpec } from "../../provider/resources/iptables-chain";
import { iptablesRuleSpec } from "../../provider/resources/iptables-rule";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

type Outs = Record<string, unknown> & { name: string; owner: string };

const obstacle = sandboxObstacle();
const reason = obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`;
let node: SandboxNode;

const sh = async (line: string): Promise<string> => {
  const { code, stdout, stderr } = await node.exec(["bash", "-euc", line]);
  expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
  return stdout.trim();
};
const works = async (line: string): Promise<boolean> => (await node.exec(["bash", "-euc", line])).code === 0;
const rules = async (chain: string, table = "filter") =>
  (await sh(`iptables -t ${table} -S ${chain}`)).split("\n").filter((line) => line.startsWith("-A"));

let made = 0;
const driver = (provider: ReturnType<typeof handler>) => {
  const checked = async (news: object, olds: object = {}): Promise<object> => {
    const { connection } = node;
    const base = { family: "ipv4", table: "filter", node: node.name, connection, owner: `nonce/urn:${++made}` };
    const result = await provider.check?.(olds, { ...base, ...news });
    expect(result?.failures).toEqual([]);
    return result?.inputs as object;
  };
  return {
    create: async (news: object) => (await provider.create(await checked(news))).outs as Outs,
    update: async (outs: Outs, news: object) =>
      (await provider.update?.("id", outs, await checked(news, outs)))?.outs as Outs,
    diff: async (outs: Outs, news: object) => provider.diff?.("id", outs, await checked(news, outs)),
    read: async (outs: Outs) => (await provider.read?.("id", outs)) as { id: string; inputs: Record<string, unknown> },
    remove: async (outs: Outs) => provider.delete?.("id", outs),
    failures: async (news: object) => {
      const base = { family: "ipv4", table: "filter", node: "n", connection: { host: "h" }, owner: "o" };
      return ((await provider.check?.({}, { ...base, ...news }))?.failures ?? []).map((failure) => failure.reason);
    },
  };
};
const rule = driver(handler(iptablesRuleSpec));
const chain = driver(handler(iptablesChainSpec));

describe.skipIf(obstacle).each(["nft", "legacy"])(`with the back end %s${reason}`, (backend) => {
  beforeAll(async () => {
    node = await startSandbox();
    await sh("mkdir -p /var/lib/barepod /run/barepod");
    if (backend === "legacy")
      await sh(
        "for f in iptables ip6tables; do for p in '' -save -restore; do ln -s /usr/sbin/xtables-legacy-multi /usr/local/sbin/$f$p; done; done",
      );
    expect(await sh("iptables -V")).toContain(backend === "legacy" ? "(legacy)" : "(nf_tables)");
  });
  afterAll(async () => {
    await closeAllSessions();
    await node[Symbol.asyncDispose]();
  });

  describe("an IptablesRule", () => {
    const drop = { chain: "INPUT", source: "10.1.2.3", jump: "DROP" };

    test("is the chapter's rule, and goes without a trace", async () => {
      await rule.remove(await rule.create(drop));
      const before = await node.snapshot();
      const outs = await rule.create(drop);
      expect(await rules("INPUT")).toEqual([
        expect.stringMatching(/^-A INPUT -s 10\.1\.2\.3\/32 -m comment --comment "barepod\/[0-9a-f]{16}" -j DROP$/),
      ]);
      expect((await rule.read(outs)).inputs).toMatchObject(drop);
      expect(await rule.update(outs, drop)).toEqual(outs);
      expect(await rules("INPUT")).toHaveLength(1);
      await rule.remove(outs);
      await rule.remove(outs);
      expect(await node.snapshot()).toEqual(before);
      expect((await rule.read(outs)).id).toBe("");
      const bare = await rule.create({ ...drop, comment: "" });
      expect(await sh("iptables-save | grep 10.1.2.3")).toBe("-A INPUT -s 10.1.2.3/32 -j DROP");
      await rule.remove(bare);
    });

    test("drops packets, and without it they pass", async () => {
      await sh("socat TCP-LISTEN:8081,fork,reuseaddr SYSTEM:'echo hello' </dev/null >/dev/null 2>&1 & sleep 0.3");
      const get = "timeout 1 bash -c 'cat < /dev/tcp/127.0.0.1/8081' | grep -q hello";
      expect(await works(get)).toBe(true);
      const outs = await rule.create({ chain: "INPUT", protocol: "tcp", destinationPort: 8081, jump: "DROP" });
      expect(await works(get)).toBe(false);
      const other = await rule.update(outs, { chain: "INPUT", protocol: "tcp", destinationPort: 8082, jump: "DROP" });
      expect(await works(get)).toBe(true);
      await rule.remove(other);
      expect(await works(get)).toBe(true);
      await sh("pkill socat");
    });

    test("changes in place and leaves other rules as they are", async () => {
      await sh("iptables -N MIX; iptables -A MIX -s 10.0.0.1 -j DROP");
      const outs = await rule.create({ chain: "MIX", source: "10.0.0.2", jump: "DROP" });
      await sh("iptables -A MIX -s 10.0.0.3 -j DROP");
      const next = await rule.update(outs, { chain: "MIX", source: "10.0.0.22", jump: "ACCEPT" });
      expect((await rules("MIX")).map((line) => line.replace(/-m comment \S+ \S+ /, ""))).toEqual([
        "-A MIX -s 10.0.0.1/32 -j DROP",
        "-A MIX -s 10.0.0.22/32 -j ACCEPT",
        "-A MIX -s 10.0.0.3/32 -j DROP",
      ]);
      expect((await rule.read(next)).inputs).toMatchObject({ source: "10.0.0.22", jump: "ACCEPT" });
      await rule.remove(next);
      expect(await rules("MIX")).toEqual(["-A MIX -s 10.0.0.1/32 -j DROP", "-A MIX -s 10.0.0.3/32 -j DROP"]);
      await sh("iptables -F MIX; iptables -X MIX");
    });

    test("shows what was changed behind its back, and puts it right", async () => {
      const outs = await rule.create(drop);
      const mark = /"(barepod\S+)"/.exec((await rules("INPUT"))[0] ?? "")?.[1];
      await sh(`iptables -R INPUT 1 -s 10.1.2.4 -m comment --comment ${mark} -j ACCEPT`);
      expect((await rule.read(outs)).inputs).toMatchObject({ source: "10.1.2.4/32", jump: "ACCEPT" });
      await sh(`iptables -R INPUT 1 -s 10.1.2.3 -m ttl --ttl-eq 5 -m comment --comment ${mark} -j DROP`);
      expect((await rule.read(outs)).inputs["jump"]).toContain("--ttl-eq 5");
      await rule.update(outs, drop);
      expect(await rules("INPUT")).toEqual([`-A INPUT -s 10.1.2.3/32 -m comment --comment "${mark}" -j DROP`]);
      await sh("iptables -F INPUT");
      expect((await rule.read(outs)).id).toBe("");
      await rule.remove(await rule.update(outs, drop));
      expect(await rules("INPUT")).toEqual([]);
    });

    test("with a comment of its own is exactly that, and no similar rule", async () => {
      const comment = `it's "$(touch /tmp/pwned)" \\ -j ACCEPT --dport 1 `;
      // In a chain that nothing leads to: some of them would lock SSH out.
      const wanted = { ...drop, chain: "SIMILAR" };
      const similar = [
        `-s 10.1.2.3 -j DROP`,
        `-s 10.1.2.3 -m comment --comment 'it' -j DROP`,
        `-s 10.1.2.0/24 -m comment --comment x -j DROP`,
        `-s 10.1.2.3 -m comment --comment x -m ttl --ttl-eq 5 -j DROP`,
        `-s 10.1.2.3 -m comment --comment x -j ACCEPT`,
        `! -s 10.1.2.3 -m comment --comment x -j DROP`,
        `-s 10.1.2.3 -i lo -m comment --comment x -j DROP`,
        `-s 10.1.2.3 -m comment --comment x -g DROPS`,
        `-s 10.1.2.3 -m comment --comment 'x -j DROP' -j DROP`,
      ];
      await sh(
        `iptables -N DROPS; iptables -N SIMILAR; ${similar.map((line) => `iptables -A SIMILAR ${line}`).join("; ")}`,
      );
      const before = await rules("SIMILAR");
      const plain = await rule.create({ ...wanted, comment: "x" });
      const hostile = await rule.create({ ...wanted, comment });
      expect((await rules("SIMILAR")).slice(before.length)).toEqual([
        `-A SIMILAR -s 10.1.2.3/32 -m comment --comment x -j DROP`,
        `-A SIMILAR -s 10.1.2.3/32 -m comment --comment "it\\'s \\"$(touch /tmp/pwned)\\" \\\\ -j ACCEPT --dport 1 " -j DROP`,
      ]);
      expect((await rule.read(hostile)).inputs).toMatchObject({ ...wanted, comment });
      // It is known by all of its text: any change replaces it, and the same rule again is refused.
      expect(await rule.diff(plain, { ...wanted, comment: "x", source: "10.1.2.4" })).toMatchObject({
        replaces: ["source"],
      });
      await expect(rule.create({ ...wanted, comment: "x" })).rejects.toThrow(/belongs to urn:/);
      await rule.remove(plain);
      await expect(
        sh("iptables -A SIMILAR -s 10.1.2.3 -m comment --comment x -j DROP").then(() =>
          rule.create({ ...wanted, comment: "x" }),
        ),
      ).rejects.toThrow("is there already and was not made by Barepod");
      await rule.remove(await rule.create({ ...wanted, comment: "x", adopt: true }));
      await rule.remove(hostile);
      expect(await rules("SIMILAR")).toEqual(before);
      await sh("iptables -F SIMILAR; iptables -X DROPS; iptables -X SIMILAR; test ! -e /tmp/pwned");
    });

    test("keeps its position when one is asked for", async () => {
      await sh("iptables -A OUTPUT -s 10.9.0.1 -j ACCEPT; iptables -A OUTPUT -s 10.9.0.2 -j ACCEPT");
      const wanted = { chain: "OUTPUT", source: "10.9.0.9", jump: "ACCEPT", position: 2 };
      const order = async () => (await rules("OUTPUT")).map((line) => /10\.9\.0\.(\d)/.exec(line)?.[1]).join("");
      let outs = await rule.create(wanted);
      expect(await order()).toBe("192");
      await sh("iptables -I OUTPUT -s 10.9.0.3 -j ACCEPT");
      expect((await rule.read(outs)).inputs["position"]).toBe(3);
      outs = await rule.update(outs, wanted);
      expect(await order()).toBe("3912");
      outs = await rule.update(outs, { ...wanted, position: 4 });
      expect(await order()).toBe("3129");
      outs = await rule.update(outs, { ...wanted, position: 1 });
      expect(await order()).toBe("9312");
      await rule.remove(outs);
      await expect(rule.create({ ...wanted, position: 9 })).rejects.toThrow(/too big/);
      expect(await order()).toBe("312");
      await sh("iptables -F OUTPUT");
    });

    test("names a chain that does not exist", async () => {
      await expect(rule.create({ ...drop, chain: "NOWHERE" })).rejects.toThrow(
        "there is no chain NOWHERE in the table filter of iptables",
      );
      await expect(rule.create({ ...drop, jump: "MISSING" })).rejects.toThrow(
        "there is no chain MISSING in the table filter of iptables",
      );
      await sh("test ! -e /var/lib/barepod/owners");
    });

    test("comes back at boot, even where its position is not there yet", async () => {
      await sh("iptables -A INPUT -s 10.9.0.1 -j ACCEPT");
      const outs = await rule.create({ ...drop, position: 2 });
      const [, line] = await rules("INPUT");
      await sh("iptables -F INPUT; sh /var/lib/barepod/boot.d/70-IptablesRule.* 2>/dev/null");
      expect(await rules("INPUT")).toEqual([line]);
      await rule.remove(outs);
    });

    test("is made for IPv6, and twenty at once", async () => {
      const sixth = await rule.create({ family: "ipv6", chain: "INPUT", source: "2001:DB8::1", jump: "DROP" });
      expect(await sh("ip6tables -S INPUT")).toContain("-A INPUT -s 2001:db8::1/128");
      await rule.remove(sixth);
      const start = performance.now();
      const all = await Promise.all(
        Array.from({ length: 20 }, (_, index) => rule.create({ ...drop, source: `10.1.2.${index}` })),
      );
      const creating = performance.now() - start;
      expect(await rules("INPUT")).toHaveLength(20);
      const reading = performance.now();
      await Promise.all(all.map(rule.read));
      console.log(`20 rules: ${Math.round(creating)} ms, 20 reads ${Math.round(performance.now() - reading)} ms`);
      await Promise.all(all.map(rule.remove));
      expect(await rules("INPUT")).toHaveLength(0);
    });
  });

  describe("an IptablesChain", () => {
    const web = {
      name: "WEB",
      rules: [
        { ctState: "ESTABLISHED,RELATED", jump: "ACCEPT" },
        { source: "10.0.0.0/8", comment: `a "b" $(id) 'c' \\`, jump: "ACCEPT" },
        { jump: "REJECT" },
      ],
      jumpFrom: [
        { chain: "INPUT", protocol: "tcp", destinationPort: 80, position: "first" },
        { chain: "FORWARD", comment: "web portal" },
      ],
    } satisfies Partial<IptablesChainInputs>;

    test("holds its rules in order with its jumps, and goes without a trace", async () => {
      await sh("iptables -A INPUT -s 10.9.9.9 -j ACCEPT");
      await chain.remove(await chain.create(web));
      const before = await node.snapshot();
      const outs = await chain.create(web);
      expect(await rules("WEB")).toEqual([
        "-A WEB -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        `-A WEB -s 10.0.0.0/8 -m comment --comment "a \\"b\\" $(id) \\'c\\' \\\\" -j ACCEPT`,
        "-A WEB -j REJECT --reject-with icmp-port-unreachable",
      ]);
      expect(await rules("INPUT")).toEqual([
        expect.stringMatching(/^-A INPUT -p tcp -m comment --comment "barepod\/\w+" -m tcp --dport 80 -j WEB$/),
        "-A INPUT -s 10.9.9.9/32 -j ACCEPT",
      ]);
      expect(await rules("FORWARD")).toEqual(['-A FORWARD -m comment --comment "web portal" -j WEB']);
      expect((await chain.read(outs)).inputs).toMatchObject(web);
      expect(await chain.update(outs, web)).toEqual(outs);
      await chain.remove(outs);
      await chain.remove(outs);
      expect(await node.snapshot()).toEqual(before);
      expect((await chain.read(outs)).id).toBe("");
      await sh("iptables -F INPUT");
    });

    test("repairs whatever others do to it", async () => {
      let outs = await chain.create(web);
      const whole = await rules("");
      for (const line of [
        "iptables -A WEB -j DROP",
        "iptables -D WEB 1",
        "iptables -F WEB",
        "iptables -D WEB 1; iptables -A WEB -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "iptables -R WEB 1 -m conntrack --ctstate RELATED -j ACCEPT",
      ]) {
        await sh(line);
        const { rules: seen } = (await chain.read(outs)).inputs;
        expect({ line, same: JSON.stringify(seen) === JSON.stringify(web.rules) }).toEqual({ line, same: false });
        outs = await chain.update(outs, web);
        expect({ line, rules: await rules("") }).toEqual({ line, rules: whole });
      }
      for (const line of ["iptables -F INPUT", "iptables -F FORWARD"]) {
        await sh(line);
        expect((await chain.read(outs)).inputs["jumpFrom"]).toHaveLength(1);
        outs = await chain.update(outs, web);
        expect({ line, rules: await rules("") }).toEqual({ line, rules: whole });
      }
      await sh("iptables -F; iptables -X WEB");
      expect((await chain.read(outs)).id).toBe("");
      await chain.remove(await chain.update(outs, web));
      expect(await rules("")).toEqual([]);
    });

    test("changes its rules and marked jumps in place, in one transaction", async () => {
      // Not every packet: SSH comes in here, too.
      const drop = { source: "10.99.0.0/16", jump: "DROP" };
      const one = { name: "WEB", rules: [{ ...drop }], jumpFrom: [{ chain: "INPUT" }, { chain: "FORWARD" }] };
      let outs = await chain.create(one);
      const two = { name: "WEB", rules: [{ jump: "ACCEPT" }, { ...drop }], jumpFrom: [{ chain: "OUTPUT" }] };
      expect(await chain.diff(outs, two)).toEqual({});
      outs = await chain.update(outs, two);
      expect((await rules("")).map((line) => line.replace(/ -m comment \S+ \S+/, ""))).toEqual([
        "-A OUTPUT -j WEB",
        "-A WEB -j ACCEPT",
        "-A WEB -s 10.99.0.0/16 -j DROP",
      ]);
      // A transaction that fails changes nothing.
      await expect(chain.update(outs, { ...two, rules: [{ ...drop }, { jump: "MISSING" }] })).rejects.toThrow(
        "there is no chain MISSING in the table filter of iptables",
      );
      expect(await rules("WEB")).toEqual(["-A WEB -j ACCEPT", "-A WEB -s 10.99.0.0/16 -j DROP"]);
      expect(await chain.diff(outs, { ...two, jumpFrom: [] })).toEqual({});
      await sh("iptables -A INPUT -j WEB");
      await expect(chain.remove(outs)).rejects.toThrow("there is a rule that leads to it: -A INPUT -j WEB");
      expect(await rules("WEB")).toHaveLength(2);
      await sh("iptables -F INPUT");
      await chain.remove(outs);
      const commented = await chain.create({ name: "WEB", jumpFrom: [{ chain: "INPUT", comment: "mine" }] });
      expect(await chain.diff(commented, { name: "WEB" })).toMatchObject({ replaces: ["jumpFrom"] });
      await chain.remove(commented);
      expect(await rules("")).toEqual([]);
    });

    test("refuses a chain that somebody else made, and adopts it when asked", async () => {
      await sh("iptables -N THEIRS; iptables -A THEIRS -j DROP");
      await expect(chain.create({ name: "THEIRS" })).rejects.toThrow("was not made by Barepod");
      expect(await rules("THEIRS")).toHaveLength(1);
      const outs = await chain.create({ name: "THEIRS", adopt: true });
      expect(await rules("THEIRS")).toHaveLength(0);
      await chain.remove(outs);
    });

    test("makes a kube-proxy service as kube-proxy prints it, and it spreads and answers", async () => {
      const names = ["KUBE-SEP-ZXMNUKOKXUTL2MK2", "KUBE-SEP-SF3LG62VAE5ALYDV"] as const;
      const service = "KUBE-SVC-ERIFXISQEP7F7OF4";
      const comment = "kube-system/kube-dns:dns-tcp";
      const seps = await Promise.all(
        names.map((name, index) =>
          chain.create({
            table: "nat",
            name,
            rules: [{ protocol: "tcp", comment, jump: "DNAT", toDestination: `127.0.0.${index + 3}:5353` }],
          }),
        ),
      );
      const svc = await chain.create({
        table: "nat",
        name: service,
        rules: [
          { comment: `${comment} -> 10.244.0.3:53`, statistic: { mode: "random", probability: 0.5 }, jump: names[0] },
          { comment: `${comment} -> 10.244.0.4:53`, jump: names[1] },
        ],
      });
      const services = await chain.create({
        table: "nat",
        name: "KUBE-SERVICES",
        rules: [
          {
            destination: "10.96.0.10",
            protocol: "tcp",
            comment: `${comment} cluster IP`,
            destinationPort: 53,
            jump: service,
          },
        ],
        jumpFrom: [{ chain: "OUTPUT", comment: "kubernetes service portals" }],
      });
      const saved = await sh("iptables-save -t nat | grep -v '^#'");
      for (const line of [
        `-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp cluster IP" -m tcp --dport 53 -j KUBE-SVC-ERIFXISQEP7F7OF4`,
        `-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "kube-system/kube-dns:dns-tcp -> 10.244.0.3:53" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ZXMNUKOKXUTL2MK2`,
        `-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "kube-system/kube-dns:dns-tcp -> 10.244.0.4:53" -j KUBE-SEP-SF3LG62VAE5ALYDV`,
        `-A KUBE-SEP-ZXMNUKOKXUTL2MK2 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp" -m tcp -j DNAT --to-destination 127.0.0.3:5353`,
      ])
        expect(saved.split("\n")).toContain(line);
      for (const outs of [...seps, svc, services])
        expect((await chain.read(outs)).inputs).toMatchObject({ rules: outs["rules"] });
      await sh(
        'for i in 3 4; do socat TCP-LISTEN:5353,bind=127.0.0.$i,fork,reuseaddr SYSTEM:"echo $i" </dev/null >/dev/null 2>&1 & done; sleep 0.3',
      );
      const ask =
        "for i in {1..20}; do timeout 1 bash -c 'cat < /dev/tcp/10.96.0.10/53' || echo no; done 2>/dev/null | sort -u | tr '\\n' ' '";
      expect(await sh(ask)).toBe("3 4");
      // The control: without the jump nothing answers.
      await chain.remove(services);
      expect(await sh(ask.replace("{1..20}", "1"))).toBe("no");
      await sh("pkill socat");
      await chain.remove(svc);
      await Promise.all(seps.map(chain.remove));
      expect(await rules("", "nat")).toEqual([]);
    });

    test("comes back at boot, whatever leads where", async () => {
      await sh("iptables -N AAA; iptables -N BBB");
      const second = await chain.create({
        name: "BBB",
        rules: [{ source: "10.99.0.0/16", jump: "DROP" }],
        adopt: true,
      });
      const first = await chain.create({
        name: "AAA",
        rules: [{ jump: "BBB" }],
        jumpFrom: [{ chain: "INPUT" }],
        adopt: true,
      });
      const whole = await sh("iptables -S");
      await sh("iptables -F; iptables -X; for f in /var/lib/barepod/boot.d/60-*; do sh $f; done");
      expect(await sh("iptables -S | sort")).toBe(whole.split("\n").sort().join("\n"));
      await chain.remove(first);
      await chain.remove(second);
    });

    test("says at preview what iptables would not take", async () => {
      expect(await chain.failures({ name: "INPUT" })).toEqual([
        expect.stringContaining("name: must not be a built-in"),
      ]);
      expect(await chain.failures({ name: "x".repeat(29) })).toEqual([
        expect.stringContaining("name: is 29 bytes long"),
      ]);
      expect(await chain.failures({ name: "A", rules: [{ jump: "A" }] })).toEqual([
        "rules[0].jump: leads to the chain itself",
      ]);
      expect(
        await chain.failures({ name: "A", rules: [{ jump: "DROP" }, { destinationPort: 5, jump: "DNAT" }] }),
      ).toEqual([
        "rules[1].toDestination: is required with jump: DNAT",
        "rules[1].destinationPort: needs a protocol that has ports: tcp, udp or sctp",
      ]);
      expect(await chain.failures({ name: "A", jumpFrom: [{ chain: "A" }] })).toEqual([
        "jumpFrom[0].chain: is the chain itself",
      ]);
    });
  });
});
