import { describe, expect, test } from "vitest";
import { render } from "../../provider/command/command";
import type { ChainState, RuleState } from "../../provider/facts/iptables";
import { optionsOf, parseLine } from "../../provider/iptables/format";
import { checkRule, type Rule } from "../../provider/iptables/rule";
import { checkInputs, replacements } from "../../provider/resource";
import { type IptablesChainInputs, iptablesChainSpec } from "../../provider/resources/iptables-chain";
import { type IptablesRuleInputs, iptablesRuleSpec } from "../../provider/resources/iptables-rule";

const base = {
  node: "edge-1",
  connection: "root@edge-1",
  owner: "nonce/urn",
  family: "ipv4",
  table: "filter",
} as const;

describe("an IptablesRule", () => {
  const drop: IptablesRuleInputs = { ...base, chain: "INPUT", name: "n", source: "10.1.2.3", jump: "DROP" };
  const mark = "barepod/[0-9a-f]{16}";
  const markOf = (inputs: IptablesRuleInputs) =>
    new RegExp(mark).exec(render(iptablesRuleSpec.plan(inputs, undefined)[0] as never, { reveal: true }))?.[0] ?? "";
  const seen = (rule: Rule, position?: number): RuleState => ({
    options: optionsOf({ comment: markOf(drop), ...rule }, "ipv4"),
    position,
  });
  const plan = (inputs: IptablesRuleInputs, state?: RuleState) =>
    iptablesRuleSpec.plan(inputs, state).map((command) => render(command, { reveal: false }));
  const same = { source: "10.1.2.3/32", jump: "DROP" };

  test("is added at the end, with its mark", () => {
    expect(plan(drop)).toEqual([
      expect.stringMatching(
        `^iptables -w 5 -t filter -A INPUT -s 10.1.2.3/32 -m comment --comment ${mark} -j DROP \\|\\|`,
      ),
    ]);
  });

  test("is inserted at its position", () => {
    expect(plan({ ...drop, position: 3 })[0]).toContain("-I INPUT 3 -s 10.1.2.3/32");
  });

  test("is left alone when it is there", () => {
    expect(plan(drop, seen(same))).toEqual([]);
    expect(plan({ ...drop, position: 3 }, seen(same, 3))).toEqual([]);
    expect(iptablesRuleSpec.drift(drop, seen(same))).toEqual({});
  });

  test("is replaced in its place when it differs, and the inputs that differ are shown", () => {
    const changed = seen({ source: "10.1.2.4", protocol: "tcp", jump: "DROP" });
    expect(plan(drop, changed)).toEqual([expect.stringContaining("replace the rule: iptables filter INPUT -R part")]);
    expect(iptablesRuleSpec.drift(drop, changed)).toEqual({ source: "10.1.2.4/32" });
    const { options } = parseLine(
      `-A INPUT -s 10.1.2.3/32 -m ttl --ttl-eq 5 -m comment --comment "${markOf(drop)}" -j DROP`,
      "ipv4",
    );
    expect(plan(drop, { options, position: undefined })).toHaveLength(1);
    expect(iptablesRuleSpec.drift(drop, { options, position: undefined })["jump"]).toContain("--ttl-eq 5");
  });

  test("is moved when its position is another one", () => {
    expect(plan({ ...drop, position: 1 }, seen(same, 4))).toEqual([
      expect.stringContaining("move the rule: iptables filter INPUT 1"),
    ]);
    expect(iptablesRuleSpec.drift({ ...drop, position: 1 }, seen(same, 4))).toEqual({ position: 4 });
  });

  test("is replaced as a resource when it has a comment of its own", () => {
    expect(replacements(iptablesRuleSpec, drop, { ...drop, source: "10.1.2.4" })).toEqual([]);
    const commented = { ...drop, comment: "x" };
    expect(replacements(iptablesRuleSpec, commented, { ...commented, source: "10.1.2.4" })).toEqual(["source"]);
    expect(replacements(iptablesRuleSpec, commented, { ...commented, position: 2 })).toEqual([]);
    expect(replacements(iptablesRuleSpec, drop, commented)).toEqual(["comment"]);
  });

  test("is the same object as its twin only if it has a comment of its own", () => {
    const name = (more: Partial<IptablesRuleInputs>) => iptablesRuleSpec.generate?.({ ...drop, ...more }).name;
    expect(name({})).not.toBe(name({ owner: "nonce/other" }));
    expect(name({ comment: "x" })).toBe(name({ comment: "x", owner: "nonce/other", source: "10.1.2.3/32" }));
    expect(name({ comment: "x" })).not.toBe(name({ comment: "y" }));
  });
});

describe("an IptablesChain", () => {
  const web: IptablesChainInputs = {
    ...base,
    name: "WEB",
    rules: [{ source: "10.0.0.0/8", comment: 'a "b" \\', jump: "ACCEPT" }, { jump: "DROP" }],
    jumpFrom: [
      { chain: "INPUT", position: "first" },
      { chain: "FORWARD", comment: "portal" },
    ],
  };
  const lines = (inputs: IptablesChainInputs, state?: ChainState) =>
    iptablesChainSpec.plan(inputs, state).map((command) =>
      /printf %s '(\*[\s\S]*?)COMMIT\n'/
        .exec(render(command, { reveal: false }))?.[1]
        ?.split("\n")
        .slice(1, -1),
    );
  const mark = /--comment "(barepod\/\w+)"/.exec(
    render(iptablesChainSpec.plan(web, undefined)[0] as never, { reveal: false }),
  )?.[1];
  const jump = (line: string) => ({ line, ...parseLine(line, "ipv4") });
  const there: ChainState = {
    rules: (web.rules ?? []).map((rule) => optionsOf(rule, "ipv4")),
    jumps: [
      jump(`-A INPUT -m comment --comment "${mark}" -j WEB`),
      jump("-A FORWARD -m comment --comment portal -j WEB"),
    ],
  };

  test("is made in one transaction that names no other chain", () => {
    expect(lines(web)).toEqual([
      [
        ":WEB - [0:0]",
        `-A WEB -s 10.0.0.0/8 -m comment --comment "a \\"b\\" \\\\" -j ACCEPT`,
        "-A WEB -j DROP",
        `-I INPUT -m comment --comment "${mark}" -j WEB`,
        "-A FORWARD -m comment --comment portal -j WEB",
      ],
    ]);
  });

  test("is left alone when it is there", () => {
    expect(lines(web, there)).toEqual([]);
    expect(iptablesChainSpec.drift(web, there)).toEqual({});
  });

  test("is filled anew when a rule is missing, too many or elsewhere, and its jumps stay", () => {
    const fill = [":WEB - [0:0]", expect.stringContaining("-A WEB -s 10.0.0.0/8"), "-A WEB -j DROP"];
    for (const rules of [[], there.rules.slice(1), [...there.rules, ...there.rules], [...there.rules].reverse()]) {
      expect(lines(web, { ...there, rules })).toEqual([fill]);
      expect(iptablesChainSpec.drift(web, { ...there, rules }).rules).toHaveLength(rules.length);
    }
  });

  test("gets back a jump that is missing, and loses a marked one that is not declared", () => {
    expect(lines(web, { ...there, jumps: there.jumps.slice(1) })).toEqual([
      [`-I INPUT -m comment --comment "${mark}" -j WEB`],
    ]);
    const extra = `-A OUTPUT -m comment --comment "${mark}" -j WEB`;
    expect(lines(web, { ...there, jumps: [...there.jumps, jump(extra)] })).toEqual([[extra.replace("-A", "-D")]]);
    expect(iptablesChainSpec.drift(web, { ...there, jumps: there.jumps.slice(1) })).toEqual({
      jumpFrom: [web.jumpFrom?.[1]],
    });
  });

  test("is removed with its jumps, and with nobody else's", () => {
    const foreign = jump("-A OUTPUT -m comment --comment portal -j WEB");
    const [command] = iptablesChainSpec.undo(web, { ...there, jumps: [...there.jumps, foreign] });
    expect(render(command as never, { reveal: false })).toContain(
      `*filter\n-D INPUT -m comment --comment "${mark}" -j WEB\n-D FORWARD -m comment --comment portal -j WEB\n-F WEB\n-X WEB\nCOMMIT\n`,
    );
  });

  test("is replaced only for a jump that nothing tells from somebody else's", () => {
    const [first, second] = web.jumpFrom ?? [];
    const without = (jumpFrom: unknown[]) => replacements(iptablesChainSpec, web, { ...web, jumpFrom } as typeof web);
    expect(without([second])).toEqual([]);
    expect(without([first, second, { chain: "OUTPUT" }])).toEqual([]);
    expect(without([first])).toEqual(["jumpFrom"]);
  });

  test.each([
    ["INPUT", "name"],
    ["ACCEPT", "name"],
    ["x".repeat(29), "name"],
    ["-x", "name"],
    ["a b", "name"],
    ["a\nCOMMIT", "name"],
  ])("refuses the name %j", (name, path) => {
    expect(checkInputs(iptablesChainSpec, { ...web, name }).map((problem) => problem.path)).toContain(path);
  });

  test("points at the field of the rule that is wrong", () => {
    const paths = (rules: object[]) =>
      checkInputs(iptablesChainSpec, { ...web, rules: rules as Rule[] }).map(({ path }) => path);
    expect(paths([{ jump: "DROP" }, { jump: "DROP", comment: "x".repeat(300) }])).toEqual(["rules[1].comment"]);
    expect(paths([{ jump: "DROP", comment: "a\nb" }])).toEqual(["rules[0].comment"]);
    expect(paths([{ jump: "DROP", source: "$(id)" }])).toEqual(["rules[0].source"]);
    expect(paths([{ jump: "LOG", logPrefix: "x".repeat(30) }])).toEqual(["rules[0].logPrefix"]);
    expect(paths([{ jump: "DROP", nonsense: 1 }])).toEqual(["rules[0].nonsense"]);
    expect(paths([{ jump: "WEB" }])).toEqual(["rules[0].jump"]);
  });
});

test.each<[string, Rule, string[]]>([
  ["no jump", {}, ["jump"]],
  ["two ends", { jump: "DROP", goto: "X" }, ["jump"]],
  ["goto a target", { goto: "DROP" }, ["goto"]],
  ["ports without a protocol", { destinationPort: 80, jump: "DROP" }, ["destinationPort"]],
  ["a port too high", { protocol: "tcp", destinationPort: "1:65536", jump: "DROP" }, ["destinationPort"]],
  ["a range backwards", { protocol: "tcp", sourcePort: "9:8", jump: "DROP" }, ["sourcePort"]],
  ["every port", { protocol: "tcp", sourcePort: "0:65535", jump: "DROP" }, ["sourcePort"]],
  [
    "sixteen ports",
    { protocol: "tcp", destinationPorts: Array(16).fill("1").join(), jump: "DROP" },
    ["destinationPorts"],
  ],
  ["host bits", { source: "10.1.2.3/8", jump: "DROP" }, ["source"]],
  ["every address", { source: "0.0.0.0/0", jump: "DROP" }, ["source"]],
  ["the other family", { source: "::1", jump: "DROP" }, ["source"]],
  ["no destination", { protocol: "tcp", jump: "DNAT" }, ["toDestination"]],
  ["an option of another target", { toPorts: "80", jump: "DROP" }, ["toPorts"]],
  ["no probability", { statistic: { mode: "random" }, jump: "DROP" }, ["statistic.probability"]],
  ["no every", { statistic: { mode: "nth" }, jump: "DROP" }, ["statistic.every"]],
  ["a packet too many", { statistic: { mode: "nth", every: 2, packet: 2 }, jump: "DROP" }, ["statistic.packet"]],
  ["a burst of more than a day's", { limit: { rate: "1/hour", burst: 25 }, jump: "DROP" }, ["limit.burst"]],
  ["the default burst at a low rate", { limit: { rate: "4/day" }, jump: "DROP" }, ["limit.burst"]],
  ["reap without seconds", { recent: { name: "A", action: "rcheck", reap: true }, jump: "DROP" }, ["recent.reap"]],
  ["an ICMP type of TCP", { protocol: "tcp", icmpType: "8", jump: "DROP" }, ["icmpType"]],
  ["any protocol", { protocol: "all", jump: "DROP" }, ["protocol"]],
])("a rule is refused for %s", (_, rule, paths) => {
  expect(checkRule(rule, "ipv4", "").map(({ path }) => path)).toEqual(paths);
});
