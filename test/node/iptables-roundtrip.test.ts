import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quote } from "../../provider/command/quote";
import { findFunction, findWords } from "../../provider/facts/iptables";
import { object } from "../../provider/fields";
import { fragmentsOf, optionsOf, parseLine, sameRule, savedText, wordsOf } from "../../provider/iptables/format";
import { checkRule, type Family, type Rule, ruleFields } from "../../provider/iptables/rule";

const backends = ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"].filter((name) =>
  existsSync(`/usr/sbin/${name}`),
);
const canRun = process.platform === "linux" && process.getuid?.() === 0 && backends.length > 0;

const maybeNot = (values: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom("", "! "), values).map((parts) => parts.join(""));
const subset = (...words: string[]) => fc.subarray(words, { minLength: 1 }).map((some) => some.join(","));
const hexadecimal = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => `0x${value.toString(16)}`);
const range = (separator: string) =>
  fc.tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 65_535 })).map(([a, b]) => {
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    return from === to ? String(from) : `${from}${separator}${to}`;
  });
const ports = fc.array(fc.integer({ min: 0, max: 65_535 }), { minLength: 1, maxLength: 15 }).map((list) => list.join());
const hostile = fc.oneof(
  fc.constantFrom(
    "$(touch /tmp/pwned)",
    "`id`",
    "'; exit; '",
    '"; DROP',
    "-j ACCEPT",
    "--",
    "! -s 10.0.0.0/8",
    " --dport 53 ",
    "\\",
    '\\"',
    "a  b",
    "%s%n",
    "kube-system/kube-dns:dns-tcp cluster IP",
    " -m tcp ",
    "x".repeat(255),
  ),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({ unit: fc.constantFrom('"', "'", "\\", " ", "-", "!", "$", "a"), maxLength: 60 }),
);

const network = (family: Family) =>
  family === "ipv4"
    ? fc.tuple(fc.ipV4(), fc.constant(32)).map(([address]) => address)
    : fc.ipV6().filter((address) => !address.includes("."));
const wide = (family: Family) =>
  family === "ipv4"
    ? fc.constantFrom("10.0.0.0/8", "192.0.2.0/24", "127.0.0.1/32", "128.0.0.0/1")
    : fc.constantFrom("fe80::/10", "2001:db8::/32", "::1/128", "2001:DB8:0:0::/64");

const ruleArbitrary = (family: Family): fc.Arbitrary<Rule> =>
  fc
    .record(
      {
        protocol: maybeNot(
          fc.constantFrom("tcp", "udp", "sctp", "gre", family === "ipv4" ? "icmp" : "icmpv6", "6", "253"),
        ),
        source: maybeNot(fc.oneof(network(family), wide(family))),
        destination: maybeNot(fc.oneof(network(family), wide(family))),
        inInterface: maybeNot(fc.constantFrom("lo", "eth0", "veth+", "a.b-c_d:1@x")),
        outInterface: maybeNot(fc.constantFrom("lo", "eth0", "veth+")),
        sourcePort: fc.oneof(maybeNot(range(":")), fc.integer({ min: 0, max: 65_535 })),
        destinationPort: fc.oneof(maybeNot(range(":")), fc.integer({ min: 0, max: 65_535 })),
        destinationPorts: maybeNot(ports),
        ctState: maybeNot(subset("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT")),
        mark: maybeNot(
          fc.oneof(
            hexadecimal,
            fc.tuple(hexadecimal, hexadecimal).map((both) => both.join("/")),
          ),
        ),
        statistic: fc.oneof(
          fc.record({ mode: fc.constant("random" as const), probability: fc.double({ min: 0, max: 1, noNaN: true }) }),
          fc.record({
            mode: fc.constant("nth" as const),
            every: fc.integer({ min: 5, max: 100 }),
            packet: fc.integer({ min: 0, max: 4 }),
          }),
        ),
        recent: fc.oneof(
          fc.record({
            name: fc.constantFrom("A", "KUBE-SEP-X"),
            action: fc.constantFrom("set" as const, "remove" as const),
          }),
          fc.record({
            name: fc.constantFrom("A", "KUBE-SEP-X"),
            action: fc.constantFrom("rcheck" as const, "update" as const),
            seconds: fc.integer({ min: 1, max: 100_000 }),
            reap: fc.boolean(),
          }),
        ),
        addrType: fc.record(
          {
            destination: maybeNot(subset("UNICAST", "LOCAL", "BROADCAST", "MULTICAST")),
            source: maybeNot(subset("LOCAL", "UNREACHABLE", "PROHIBIT", "BLACKHOLE")),
          },
          { requiredKeys: ["destination"] },
        ),
        icmpType: maybeNot(fc.constantFrom("echo-request", "3", "echo-reply", "destination-unreachable", "4/1")),
        limit: fc.record(
          {
            rate: fc
              .tuple(
                fc.integer({ min: 1, max: 400 }),
                fc.constantFrom("second", "s", "minute", "min", "hour", "h", "day"),
              )
              .map((parts) => parts.join("/")),
            burst: fc.integer({ min: 1, max: 100 }),
          },
          { requiredKeys: ["rate"] },
        ),
        comment: hostile,
        jump: fc.constantFrom("ACCEPT", "DROP", "RETURN", "REJECT", "LOG", "MARK", "OTHER"),
        setXmark: fc.oneof(
          hexadecimal,
          fc.tuple(hexadecimal, hexadecimal).map((both) => both.join("/")),
        ),
        logPrefix: hostile.filter((value) => value !== "" && Buffer.byteLength(value) <= 29),
      },
      { requiredKeys: ["jump"] },
    )
    .map((rule) => {
      // Only what belongs together: the combinations that are refused have tests of their own.
      const { setXmark, logPrefix, icmpType, sourcePort, destinationPort, destinationPorts, ...rest } = rule;
      const hasPorts = ["tcp", "udp", "sctp", "6"].includes(rest.protocol ?? "");
      return {
        ...rest,
        ...(hasPorts ? { sourcePort, destinationPort, destinationPorts } : {}),
        ...(["icmp", "icmpv6"].includes(rest.protocol ?? "") ? { icmpType } : {}),
        ...(rest.jump === "MARK" ? { setXmark: setXmark ?? "1" } : {}),
        ...(rest.jump === "LOG" ? { logPrefix } : {}),
      } as Rule;
    })
    .map((rule) => JSON.parse(JSON.stringify(rule)) as Rule)
    .filter((rule) => checkRule(rule, family, "").length === 0 && object(ruleFields)(rule, "").length === 0);

describe.skipIf(!canRun).each(backends)("%s prints a rule again", (tool) => {
  const family: Family = tool.startsWith("ip6") ? "ipv6" : "ipv4";
  const inNamespace = (script: string, ...words: string[]): string =>
    execFileSync("unshare", ["--net", "bash", "-euo", "pipefail", "-c", script, "sh", ...words], {
      encoding: "utf8",
      stdio: "pipe",
    });

  test("so that it is recognised, whatever it holds, through iptables-restore", () => {
    fc.assert(
      fc.property(fc.array(ruleArbitrary(family), { minLength: 20, maxLength: 40 }), (rules) => {
        const wanted = rules.map((rule) => optionsOf(rule, family));
        const lines = ["*mangle", ":OTHER - [0:0]", ":X - [0:0]"];
        const table = rules.some((rule) => rule.jump === "REJECT") ? "filter" : "mangle";
        lines[0] = `*${table}`;
        const text = [...lines, ...wanted.map((options) => `-A X ${savedText(options)}`), "COMMIT", ""].join("\n");
        const printed = inNamespace(
          `printf %s "$1" | ${tool}-restore --noflush -w 5; ${tool} -w 5 -t ${table} -S X | tail -n +2`,
          text,
        );
        const seen = printed
          .trimEnd()
          .split("\n")
          .map((line) => parseLine(line, family).options);
        expect(seen.length).toBe(rules.length);
        for (const [index, options] of wanted.entries())
          expect(fragmentsOf(seen[index] ?? []).sort()).toEqual(fragmentsOf(options).sort());
        // The search on the node finds the first one that says the same.
        const searches = wanted.map(
          (options) => `barepod_find ${findWords({ mark: undefined, options }).map(quote).join(" ")} < "$rules"`,
        );
        const numbers = execFileSync(
          "sh",
          ["-euc", `rules=$(mktemp); cat > "$rules"\n${findFunction}\n${searches.join("\n")}\nrm "$rules"`],
          { encoding: "utf8", input: printed },
        );
        const found = numbers
          .trimEnd()
          .split("\n")
          .map((line) => Number(line.split(" ")[0]) - 1);
        expect(found).toEqual(wanted.map((options) => wanted.findIndex((each) => sameRule(each, options))));
      }),
      { numRuns: 12, endOnFailure: true },
    );
  });

  test("so that it is recognised, through the command line", () => {
    fc.assert(
      fc.property(ruleArbitrary(family), (rule) => {
        const options = optionsOf(rule, family);
        const printed = inNamespace(
          `${tool} -N OTHER; ${tool} -N X; ${tool} -A X "$@"; ${tool} -S X | tail -n +2`,
          ...wordsOf(options),
        );
        const seen = parseLine(printed.trimEnd(), family).options;
        expect(fragmentsOf(seen).sort()).toEqual(fragmentsOf(options).sort());
        for (const fragment of fragmentsOf(options)) expect(`${printed.trimEnd()} `).toContain(fragment);
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });

  test("with each of these rates", () => {
    const rates = [2, 3, 7, 59, 60, 61, 90, 100, 119, 120, 121, 600, 3600, 3601, 7777].flatMap((count) =>
      ["second", "minute", "hour", ...(count > 5 ? ["day"] : [])].map((unit) => `${count}/${unit}`),
    );
    const wanted = rates.map((rate) => optionsOf({ limit: { rate }, jump: "ACCEPT" }, family));
    const text = ["*filter", ":X - [0:0]", ...wanted.map((options) => `-A X ${savedText(options)}`), "COMMIT", ""].join(
      "\n",
    );
    const printed = inNamespace(`printf %s "$1" | ${tool}-restore --noflush; ${tool} -S X | tail -n +2`, text);
    const seen = printed
      .trimEnd()
      .split("\n")
      .map((line) => parseLine(line, family).options);
    expect(seen.map((options) => fragmentsOf(options))).toEqual(wanted.map((options) => fragmentsOf(options)));
  });
});
