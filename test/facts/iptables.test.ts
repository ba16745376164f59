import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { quote } from "../../provider/command/quote";
import { chainWithJumps, findFunction, findWords } from "../../provider/facts/iptables";
import { optionsOf, parseLine, ruleOf, sameRule, savedText } from "../../provider/iptables/format";
import { canonicalNetwork } from "../../provider/iptables/network";
import type { Rule } from "../../provider/iptables/rule";

/** Lines that iptables printed, the same from nf_tables and legacy (1.8.9), and the rules behind them. */
const printed: readonly (readonly [string, Rule])[] = [
  ["-A X -s 10.1.2.3/32 -j DROP", { source: "10.1.2.3", jump: "DROP" }],
  [
    `-A X -p tcp -m comment --comment "it\\'s \\"q\\" \\\\ $(x) ü" -m tcp --dport 53 -j ACCEPT`,
    { protocol: "6", comment: `it's "q" \\ $(x) ü`, destinationPort: 53, jump: "ACCEPT" },
  ],
  [`-A X -m comment --comment -j -j RETURN`, { comment: "-j", jump: "RETURN" }],
  ["-A X -p tcp -m tcp --dport 0:1024 -j ACCEPT", { protocol: "tcp", destinationPort: "0:1024", jump: "ACCEPT" }],
  [
    "-A X -p udp -m multiport ! --dports 53,80:90 -j ACCEPT",
    { protocol: "udp", destinationPorts: "! 53,80:90", jump: "ACCEPT" },
  ],
  [
    "-A X -m conntrack ! --ctstate NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT -j ACCEPT",
    { ctState: "! DNAT,ESTABLISHED,RELATED,NEW,UNTRACKED,SNAT", jump: "ACCEPT" },
  ],
  [
    "-A X -m statistic --mode random --probability 0.33333333349 -j ACCEPT",
    { statistic: { mode: "random", probability: 1 / 3 }, jump: "ACCEPT" },
  ],
  [
    "-A X -m statistic --mode nth --every 3 --packet 0 -j ACCEPT",
    { statistic: { mode: "nth", every: 3 }, jump: "ACCEPT" },
  ],
  [
    "-A X -m recent --rcheck --seconds 10800 --reap --name KUBE-X --mask 255.255.255.255 --rsource -j ACCEPT",
    { recent: { name: "KUBE-X", action: "rcheck", seconds: 10_800, reap: true }, jump: "ACCEPT" },
  ],
  [
    "-A X -m addrtype ! --src-type UNICAST,LOCAL --dst-type LOCAL -j ACCEPT",
    { addrType: { source: "! LOCAL,UNICAST", destination: "LOCAL" }, jump: "ACCEPT" },
  ],
  ["-A X -p icmp -m icmp --icmp-type 8 -j ACCEPT", { protocol: "icmp", icmpType: "echo-request", jump: "ACCEPT" }],
  ["-A X -m limit --limit 2/sec -j ACCEPT", { limit: { rate: "120/minute", burst: 5 }, jump: "ACCEPT" }],
  ["-A X -j REJECT --reject-with icmp-port-unreachable", { jump: "REJECT" }],
  ["-A X -j MARK --set-xmark 0x4000/0x0", { jump: "MARK", setXmark: "0x4000/0" }],
  ["-A X -j MARK --set-xmark 0x1/0xffffffff", { jump: "MARK", setXmark: "1" }],
  ["-A X -m mark ! --mark 0x4000/0x4000 -j RETURN", { mark: "! 0x4000/0x4000", jump: "RETURN" }],
  ['-A X -j LOG --log-prefix "a b: "', { jump: "LOG", logPrefix: "a b: " }],
  [
    "-A X ! -s 10.0.0.0/8 ! -d 10.1.1.1/32 ! -i lo -o veth+ ! -p tcp -g X2",
    {
      source: "! 10.0.0.0/8",
      destination: "!10.1.1.1",
      inInterface: "! lo",
      outInterface: "veth+",
      protocol: "! tcp",
      goto: "X2",
    },
  ],
  [
    `-A X -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp" -m tcp -j DNAT --to-destination 10.244.0.3:53`,
    { protocol: "tcp", comment: "kube-system/kube-dns:dns-tcp", jump: "DNAT", toDestination: "10.244.0.3:53" },
  ],
  ["-A X -j MASQUERADE --random-fully", { jump: "MASQUERADE", randomFully: true }],
  ["-A X -p tcp -j REDIRECT --to-ports 8080", { protocol: "tcp", jump: "REDIRECT", toPorts: "8080" }],
  ["-A X -j SNAT --to-source 1.2.3.4 --random-fully", { jump: "SNAT", toSource: "1.2.3.4", randomFully: true }],
];

describe("a rule and the line that iptables prints for it", () => {
  test.each(printed)("%s", (line, rule) => {
    const options = optionsOf(rule, "ipv4");
    expect(sameRule(parseLine(line, "ipv4").options, options)).toBe(true);
    const others = printed.filter(([other]) => other !== line);
    for (const [, other] of others) expect(sameRule(options, optionsOf(other, "ipv4"))).toBe(false);
    // What iptables adds by itself is not asked for; all the rest is written as it prints it.
    expect(`-A X ${savedText(options)}`).toBe(line.replace(" --mask 255.255.255.255 --rsource", ""));
  });

  test("counters, other extensions and unknown options make it another rule", () => {
    const drop = optionsOf({ source: "10.1.2.3", jump: "DROP" }, "ipv4");
    for (const line of [
      "-A X -s 10.1.2.3/32 -m ttl --ttl-eq 5 -j DROP",
      "-A X -s 10.1.2.3/32 -m socket -j DROP",
      "-A X -s 10.1.2.3/32 -f -j DROP",
      "-A X -s 10.1.2.3/32 -m set --match-set a src,dst -j DROP",
      "-A X -s 10.1.2.3/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
    ])
      expect(sameRule(parseLine(line, "ipv4").options, drop)).toBe(false);
  });

  test("shows people what no field can hold", () => {
    const { options } = parseLine("-A X -s 10.1.2.3/32 -m ttl --ttl-eq 5 -j DROP", "ipv4");
    expect(ruleOf(options)).toEqual({ source: "10.1.2.3/32", jump: "DROP", other: "-m ttl --ttl-eq 5" });
  });
});

test.each([
  ["10.1.2.3", "ipv4", "10.1.2.3/32"],
  ["10.1.2.3/8", "ipv4", "10.0.0.0/8"],
  ["0.0.0.0/0", "ipv4", "0.0.0.0/0"],
  ["255.255.255.255/31", "ipv4", "255.255.255.254/31"],
  ["10.1.2", "ipv4", undefined],
  ["10.1.2.3/33", "ipv4", undefined],
  ["::1", "ipv4", undefined],
  ["FE80:0::1", "ipv6", "fe80::1/128"],
  ["2001:db8:ffff::/33", "ipv6", "2001:db8:8000::/33"],
  ["::ffff:1.2.3.4", "ipv6", "::ffff:1.2.3.4/128"],
  ["::d3dd:71", "ipv6", "::211.221.0.113/128"],
  ["fe80::1%eth0", "ipv6", undefined],
] as const)("the kernel writes %s (%s) as %s", (value, family, canonical) => {
  expect(canonicalNetwork(value, family)).toBe(canonical);
});

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});
const awks = ["mawk", "gawk", "busybox"].filter((name) => existsSync(`/usr/bin/${name}`));

describe.each(awks)("with %s", (awk) => {
  const folder = mkdtempSync(join(tmpdir(), "barepod-awk-"));
  folders.push(folder);
  symlinkSync(`/usr/bin/${awk}`, join(folder, "awk"));
  const run = (script: string, input = ""): string =>
    execFileSync("sh", ["-euc", script], {
      encoding: "utf8",
      input,
      env: { ...process.env, PATH: `${folder}:${process.env["PATH"]}` },
    });

  test("each rule is found among all others on the node, and nothing else", () => {
    const lines = `-N X\n${printed.map(([line]) => line).join("\n")}\n`;
    for (const [index, [line, rule]] of printed.entries()) {
      const words = findWords({ mark: undefined, options: optionsOf(rule, "ipv4") }).map(quote);
      expect(run(`${findFunction}\nbarepod_find ${words.join(" ")}`, lines)).toBe(`${index + 1} ${line}\n`);
      expect(run(`${findFunction}\nbarepod_find ${words.join(" ")}`, lines.replace(`${line}\n`, ""))).toBe("");
    }
  });

  test("a mark is found in whatever rule bears it, and not in a comment that quotes it", () => {
    const words = findWords({ mark: "barepod/1234", options: [] }).map(quote);
    const lines = [
      '-A X -m comment --comment "x \\"barepod/1234\\" y" -j DROP',
      '-A X -m comment --comment "barepod/12345" -j DROP',
      '-A X -s 10.0.0.1/32 -m ttl --ttl-eq 5 -m comment --comment "barepod/1234" -j DROP',
    ];
    expect(run(`${findFunction}\nbarepod_find ${words.join(" ")}`, `${lines.join("\n")}\n`)).toBe(`3 ${lines[2]}\n`);
  });

  test("a chain is read with the jumps that are its own", () => {
    const listing = `-P INPUT ACCEPT
-N OTHER
-N WEB
-A INPUT -m comment --comment "barepod/1234" -j WEB
-A INPUT -m comment --comment "somebody else" -j WEB
-A INPUT -j WEB
-A INPUT -m comment --comment "a -j WEB"
-A OTHER -m comment --comment portal -g WEB
-A OTHER -j ACCEPT
-A WEB -s 10.0.0.0/8 -j ACCEPT
-A WEB -j DROP
`;
    const fact = chainWithJumps("ipv4", "filter", "WEB", ["barepod/1234", "portal"]);
    const observe = (input: string) => run(`iptables() { cat; }; f() {\n${fact.script}\n}; f`, input);
    const state = fact.parse(observe(listing));
    expect(state.rules.map((options) => savedText(options))).toEqual(["-s 10.0.0.0/8 -j ACCEPT", "-j DROP"]);
    expect(state.jumps.map(({ line }) => line)).toEqual([
      '-A INPUT -m comment --comment "barepod/1234" -j WEB',
      "-A OTHER -m comment --comment portal -g WEB",
    ]);
    const plain = chainWithJumps("ipv4", "filter", "WEB", [""]);
    expect(plain.parse(run(`iptables() { cat; }; f() {\n${plain.script}\n}; f`, listing)).jumps).toHaveLength(1);
    expect(observe(listing.replace("-N WEB\n", ""))).toBe("");
  });
});
