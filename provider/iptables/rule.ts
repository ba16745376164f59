/** What an iptables rule can say, and which combinations iptables takes (iptables(8), iptables-extensions(8)). */
import type * as pulumi from "@pulumi/pulumi";
import {
  boolean,
  type Field,
  type Fields,
  integer,
  object,
  oneOf,
  optional,
  type Problem,
  parsed,
  required,
  text,
} from "../fields";
import { canonicalNetwork } from "./network";

/** What a rule matches and what it does. A value that begins with `!` matches everything else: `"! 10.0.0.0/8"`. */
export interface IptablesRuleFields {
  /** `tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, …, or a number. May be negated. */
  readonly protocol?: pulumi.Input<string> | undefined;
  /** An address, or a network such as `10.0.0.0/8`. May be negated. */
  readonly source?: pulumi.Input<string> | undefined;
  /** An address, or a network such as `10.0.0.0/8`. May be negated. */
  readonly destination?: pulumi.Input<string> | undefined;
  /** The interface that packets come in by; `veth+` is every one whose name starts so. May be negated. */
  readonly inInterface?: pulumi.Input<string> | undefined;
  /** The interface that packets go out by; `veth+` is every one whose name starts so. May be negated. */
  readonly outInterface?: pulumi.Input<string> | undefined;
  /** A port, or a range `"1000:2000"`, of a protocol that has ports. May be negated. */
  readonly sourcePort?: pulumi.Input<number | string> | undefined;
  /** A port, or a range `"1000:2000"`, of a protocol that has ports. May be negated. */
  readonly destinationPort?: pulumi.Input<number | string> | undefined;
  /** Up to 15 ports, ranges counting twice: `"80,443,8000:8080"`. May be negated. */
  readonly sourcePorts?: pulumi.Input<string> | undefined;
  /** Up to 15 ports, ranges counting twice: `"80,443,8000:8080"`. May be negated. */
  readonly destinationPorts?: pulumi.Input<string> | undefined;
  /** Of the connection: `"RELATED,ESTABLISHED"`; also `INVALID`, `NEW`, `UNTRACKED`, `SNAT`, `DNAT`. May be negated. */
  readonly ctState?: pulumi.Input<string> | undefined;
  /** The packet's mark, with a mask if wanted: `"0x4000/0x4000"`. May be negated. */
  readonly mark?: pulumi.Input<string> | undefined;
  /** Matches a share of the packets. */
  readonly statistic?: pulumi.Input<IptablesStatistic> | undefined;
  /** Remembers addresses, and matches those that were seen lately. */
  readonly recent?: pulumi.Input<IptablesRecent> | undefined;
  /** What kind of address it is: `LOCAL` is one of the node's own. */
  readonly addrType?: pulumi.Input<IptablesAddressType> | undefined;
  /** `echo-request`, or numbers: `"8"`, `"3/4"`. With protocol `icmp` or `icmpv6`. May be negated. */
  readonly icmpType?: pulumi.Input<string> | undefined;
  /** Matches at most so often. */
  readonly limit?: pulumi.Input<IptablesLimit> | undefined;
  /** Up to 255 bytes for people. */
  readonly comment?: pulumi.Input<string> | undefined;
  /** A target or a chain: `ACCEPT`, `DROP`, `RETURN`, `REJECT`, `DNAT`, … Exactly one of `jump` and `goto` is given. */
  readonly jump?: pulumi.Input<string> | undefined;
  /** A chain that does not return here. */
  readonly goto?: pulumi.Input<string> | undefined;
  /** With `DNAT`: `"10.244.0.3:53"`. */
  readonly toDestination?: pulumi.Input<string> | undefined;
  /** With `SNAT`: `"192.0.2.1"`. */
  readonly toSource?: pulumi.Input<string> | undefined;
  /** With `MASQUERADE` and `REDIRECT`: `"8080"`, `"1024-2047"`. */
  readonly toPorts?: pulumi.Input<string> | undefined;
  /**
   * With `REJECT`: `tcp-reset`, `icmp-admin-prohibited`, …
   * @defaultValue `icmp-port-unreachable`, for IPv6 `icmp6-port-unreachable`
   */
  readonly rejectWith?: pulumi.Input<string> | undefined;
  /** With `MARK`: the value and its mask, `"0x4000/0x4000"`. */
  readonly setXmark?: pulumi.Input<string> | undefined;
  /** With `LOG`: up to 29 bytes. */
  readonly logPrefix?: pulumi.Input<string> | undefined;
  /** With `MASQUERADE` and `SNAT`: chooses source ports at random. */
  readonly randomFully?: pulumi.Input<boolean> | undefined;
}

/** Matches a share of the packets: at random, or every n-th one. */
export interface IptablesStatistic {
  readonly mode: pulumi.Input<"random" | "nth">;
  /** With `random`: from 0 to 1. The kernel keeps 31 bits of it. */
  readonly probability?: pulumi.Input<number> | undefined;
  /** With `nth`: one of so many. */
  readonly every?: pulumi.Input<number> | undefined;
  /**
   * With `nth`: which one of them, from 0.
   * @defaultValue 0
   */
  readonly packet?: pulumi.Input<number> | undefined;
}

/** A list of addresses that the kernel keeps. */
export interface IptablesRecent {
  /** The list. */
  readonly name: pulumi.Input<string>;
  /** `set` puts the address on the list; `rcheck` matches if it is there; `update` does both; `remove` takes it off. */
  readonly action: pulumi.Input<"set" | "rcheck" | "update" | "remove">;
  /** Matches if the address was seen in the last so many seconds. */
  readonly seconds?: pulumi.Input<number> | undefined;
  /** Forgets addresses that were not seen for `seconds`. */
  readonly reap?: pulumi.Input<boolean> | undefined;
  /** Matches if the address was seen so many times. */
  readonly hitCount?: pulumi.Input<number> | undefined;
}

/** Kinds of addresses: `LOCAL`, `UNICAST`, `BROADCAST`, `MULTICAST`, …, several with commas. May be negated. */
export interface IptablesAddressType {
  readonly source?: pulumi.Input<string> | undefined;
  readonly destination?: pulumi.Input<string> | undefined;
}

/** How often a rule may match. */
export interface IptablesLimit {
  /** `"5/second"`, `"5/minute"`, `"5/hour"`, `"5/day"`. */
  readonly rate: pulumi.Input<string>;
  /**
   * How many may come at once: at most as many as the rate lets through in a day, for the kernel counts no further.
   * @defaultValue 5
   */
  readonly burst?: pulumi.Input<number> | undefined;
}

/** Where rules and chains are. */
export interface IptablesPlace {
  /**
   * Whether `iptables` or `ip6tables` is meant. Changing this replaces the resource.
   * @defaultValue `ipv4`
   */
  readonly family?: pulumi.Input<"ipv4" | "ipv6"> | undefined;
  /**
   * The table. Changing this replaces the resource.
   * @defaultValue `filter`
   */
  readonly table?: pulumi.Input<"filter" | "nat" | "mangle" | "raw" | "security"> | undefined;
}

/** A rule whose values are all known. @internal */
export type Rule = pulumi.Unwrap<IptablesRuleFields>;

/** @internal */
export type Family = "ipv4" | "ipv6";

/** Targets that are no chains. @internal */
export const targets: readonly string[] = [
  ...["ACCEPT", "DROP", "RETURN", "QUEUE", "AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DNAT"],
  ...["DNPT", "DSCP", "ECN", "HL", "HMARK", "IDLETIMER", "LED", "LOG", "MARK", "MASQUERADE", "NETMAP", "NFLOG"],
  ...["NFQUEUE", "NOTRACK", "RATEEST", "REDIRECT", "REJECT", "SECMARK", "SET", "SNAT", "SNPT", "SYNPROXY", "TCPMSS"],
  ...["TCPOPTSTRIP", "TEE", "TOS", "TPROXY", "TRACE", "TTL", "ULOG"],
];

const not = "(?:! ?)?";
const shaped = (max: number, pattern: string, form: string): Field =>
  text({ max, pattern: new RegExp(`^(?:${pattern})$`), form });
const addresses = "UNSPEC|UNICAST|LOCAL|BROADCAST|ANYCAST|MULTICAST|BLACKHOLE|UNREACHABLE|PROHIBIT";
const states = "INVALID|NEW|RELATED|ESTABLISHED|UNTRACKED|SNAT|DNAT";
const number = "(?:0x[0-9a-fA-F]{1,8}|\\d{1,10})";
const port = "\\d{1,5}";

const networkField = shaped(64, `${not}[0-9a-fA-F.:]+(?:/\\d{1,3})?`, "an address, or a network such as 10.0.0.0/8");
const interfaceField = shaped(
  20,
  `${not}[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}\\+?`,
  "an interface's name, at most 15 bytes",
);
const portField: Field = (value, path) =>
  typeof value === "number"
    ? integer(0, 65_535)(value, path)
    : shaped(20, `${not}${port}(?::${port})?`, 'a port, or a range such as "1000:2000"')(value, path);
const portsField = shaped(
  200,
  `${not}${port}(?::${port})?(?:,${port}(?::${port})?)*`,
  'ports such as "80,443,8000:8080"',
);
const typesField = shaped(200, `${not}(?:${addresses})(?:,(?:${addresses}))*`, "LOCAL, UNICAST, …, with commas");

/** @internal */
export const chainField = shaped(
  28,
  "[A-Za-z0-9_][A-Za-z0-9_.:-]*",
  "a chain's name: letters, digits, dashes, at most 28",
);

/** What may stand in a place. @internal */
export const placeFields: Fields = {
  family: required(oneOf("ipv4", "ipv6")),
  table: required(oneOf("filter", "nat", "mangle", "raw", "security")),
};

/** The place with its defaults, which are part of the identity and so stand in the inputs. @internal */
export function placeOf({ family = "ipv4", table = "filter" }: IptablesPlace) {
  return { family, table };
}

/** What may stand in a rule. @internal */
export const ruleFields: Fields = {
  protocol: optional(shaped(20, `${not}[a-z0-9][a-z0-9-]*`, "a protocol's name or number")),
  source: optional(networkField),
  destination: optional(networkField),
  inInterface: optional(interfaceField),
  outInterface: optional(interfaceField),
  sourcePort: optional(portField),
  destinationPort: optional(portField),
  sourcePorts: optional(portsField),
  destinationPorts: optional(portsField),
  ctState: optional(shaped(100, `${not}(?:${states})(?:,(?:${states}))*`, "states such as RELATED,ESTABLISHED")),
  mark: optional(shaped(30, `${not}${number}(?:/${number})?`, "a mark such as 0x4000/0x4000")),
  statistic: optional(
    object({
      mode: required(oneOf("random", "nth")),
      probability: optional(parsed(checkProbability)),
      every: optional(integer(1, 65_535)),
      packet: optional(integer(0, 65_534)),
    }),
  ),
  recent: optional(
    object({
      name: required(shaped(199, "[A-Za-z0-9_][A-Za-z0-9_.:-]*", "letters, digits, dots and dashes")),
      action: required(oneOf("set", "rcheck", "update", "remove")),
      seconds: optional(integer(1, 2 ** 31 - 1)),
      reap: optional(boolean()),
      hitCount: optional(integer(1, 65_535)),
    }),
  ),
  addrType: optional(object({ source: optional(typesField), destination: optional(typesField) })),
  icmpType: optional(shaped(40, `${not}(?:\\d{1,3}(?:/\\d{1,3})?|[a-z][a-z-]*)`, "a type such as echo-request or 3/4")),
  limit: optional(
    object({
      rate: required(shaped(30, "[1-9]\\d{0,4}/(?:s|sec|second|m|min|minute|h|hour|d|day)", "a rate such as 5/minute")),
      burst: optional(integer(1, 10_000)),
    }),
  ),
  comment: optional(text({ max: 255, empty: true })),
  jump: optional(chainField),
  goto: optional(chainField),
  toDestination: optional(shaped(100, "[0-9a-fA-F.:\\[\\]-]+", "an address and a port, such as 10.244.0.3:53")),
  toSource: optional(shaped(100, "[0-9a-fA-F.:\\[\\]-]+", "an address, such as 192.0.2.1")),
  toPorts: optional(shaped(11, `${port}(?:-${port})?`, "a port, or a range such as 1024-2047")),
  rejectWith: optional(shaped(30, "(?:tcp|icmp6?)-[a-z-]+", "a way to reject such as tcp-reset")),
  setXmark: optional(shaped(25, `${number}(?:/${number})?`, "a mark such as 0x4000/0x4000")),
  logPrefix: optional(text({ max: 29 })),
  randomFully: optional(boolean()),
};

function checkProbability(value: unknown): void {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) throw new Error("must be a number from 0 to 1");
}

/** Which targets take which options. */
const targetOptions: readonly (readonly [keyof Rule, readonly string[]])[] = [
  ["toDestination", ["DNAT"]],
  ["toSource", ["SNAT"]],
  ["toPorts", ["MASQUERADE", "REDIRECT"]],
  ["rejectWith", ["REJECT"]],
  ["setXmark", ["MARK"]],
  ["logPrefix", ["LOG"]],
  ["randomFully", ["MASQUERADE", "SNAT"]],
];
const neededOptions = { DNAT: "toDestination", SNAT: "toSource", MARK: "setXmark" } as const;
const withPorts = ["tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "132", "33", "136"];

/** Mistakes that concern several fields of a rule. @internal */
export function checkRule(rule: Rule, family: Family, prefix: string): Problem[] {
  const problems: Problem[] = [];
  const wrong = (field: string, reason: string) => problems.push({ path: `${prefix}${field}`, reason });
  const target = rule.jump;
  if ((target === undefined) === (rule.goto === undefined)) wrong("jump", "give exactly one of jump and goto");
  if (rule.goto !== undefined && targets.includes(rule.goto)) wrong("goto", "must be a chain, not a target");
  for (const [option, where] of targetOptions)
    if (rule[option] !== undefined && rule[option] !== false && !where.includes(target ?? ""))
      wrong(option, `is for jump: ${where.join(" or ")}`);
  const needed = neededOptions[target as keyof typeof neededOptions];
  if (needed !== undefined && rule[needed] === undefined) wrong(needed, `is required with jump: ${target}`);
  for (const field of ["sourcePort", "destinationPort", "sourcePorts", "destinationPorts"] as const) {
    const value = rule[field];
    if (value === undefined) continue;
    if (!withPorts.includes(rule.protocol ?? "")) wrong(field, "needs a protocol that has ports: tcp, udp or sctp");
    const ports = String(value).replace(/^! ?/, "").split(",");
    const ranges = ports.map((each) => each.split(":").map(Number));
    if (ranges.some(([from = 0, to = from]) => to > 65_535 || from > to))
      wrong(field, "must be ports from 0 to 65535, ranges from the lower to the higher one");
    if (ports.length === 1 && ports[0] === "0:65535") wrong(field, "is every port: leave it out");
    if (field.endsWith("s") && ranges.flat().length > 15) wrong(field, "holds more than 15 ports (a range is two)");
  }
  for (const field of ["source", "destination"] as const) {
    const value = rule[field];
    const problem = value === undefined ? undefined : networkProblem(value.replace(/^! ?/, ""), family);
    if (problem !== undefined) wrong(field, problem);
  }
  const icmp = family === "ipv4" ? ["icmp", "1"] : ["icmpv6", "ipv6-icmp", "58"];
  if (rule.icmpType !== undefined && !icmp.includes(rule.protocol ?? ""))
    wrong("icmpType", `needs protocol: ${icmp[0]}`);
  if (Number(rule.icmpType?.replace(/^! ?/, "").split("/")[0] ?? 0) > 255) wrong("icmpType", "must be at most 255");
  if (rule.protocol === "all" || rule.protocol === "0") wrong("protocol", "is every protocol: leave it out");
  for (const side of ["source", "destination"] as const)
    if (family === "ipv6" && /BROADCAST|BLACKHOLE|PROHIBIT/.test(rule.addrType?.[side] ?? ""))
      wrong(`addrType.${side}`, "must be none of BROADCAST, BLACKHOLE and PROHIBIT for IPv6");
  const statistic = rule.statistic;
  if (statistic?.mode === "random" && statistic.probability === undefined)
    wrong("statistic.probability", "is required with mode: random");
  if (statistic?.mode === "random" && (statistic.every ?? statistic.packet) !== undefined)
    wrong("statistic.every", "is for mode: nth");
  if (statistic?.mode === "nth" && statistic.every === undefined)
    wrong("statistic.every", "is required with mode: nth");
  if (statistic?.mode === "nth" && statistic.probability !== undefined)
    wrong("statistic.probability", "is for mode: random");
  if (statistic?.every !== undefined && (statistic.packet ?? 0) >= statistic.every)
    wrong("statistic.packet", "must be below every");
  const { limit, recent } = rule;
  if (limit !== undefined && (limit.burst ?? 5) > perDay(limit.rate))
    wrong(
      "limit.burst",
      `is more than ${limit.rate} lets through in a day (${perDay(limit.rate)}): the kernel counts no further`,
    );
  if (recent?.reap === true && recent.seconds === undefined) wrong("recent.reap", "needs seconds");
  if (
    recent !== undefined &&
    ["set", "remove"].includes(recent.action) &&
    (recent.seconds ?? recent.hitCount) !== undefined
  )
    wrong("recent.seconds", "is for action: rcheck and update, as is hitCount");
  return problems;
}

/**
 * How often a rate lets something through in a day. The kernel (xt_limit) keeps burst times period as credit in 32 bits that
 * hold between 1.5 and 2 days, by the HZ that it was built with: beyond, it refuses the rule or counts wrongly.
 */
function perDay(rate: string): number {
  const [times, unit = ""] = rate.split("/");
  return (Number(times) * 86_400) / ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit.charAt(0)] ?? 1);
}

function networkProblem(value: string, family: Family): string | undefined {
  const canonical = canonicalNetwork(value, family);
  if (canonical === undefined) return `must be an ${family === "ipv4" ? "IPv4" : "IPv6"} address or network`;
  if (canonical.endsWith("/0")) return "is every address: leave it out";
  return canonical.split("/")[0] === canonicalNetwork(value.split("/")[0] ?? "", family)?.split("/")[0]
    ? undefined
    : `has host bits set beyond its prefix: write the network's first address`;
}
