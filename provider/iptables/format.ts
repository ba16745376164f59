/**
 * Between a {@link Rule}, the words of an iptables command, and what `iptables -S` prints.
 *
 * In the middle stands a list of options in canonical form: the one in which the kernel prints a rule again (`/32` after an
 * address, 31 bits of a probability, states in its own order). Two rules are the same if their options are.
 */
import { canonicalNetwork } from "./network";
import type { Family, Rule } from "./rule";

/** One option of a rule, `! --dport 53`. @internal */
export interface Option {
  readonly flag: string;
  readonly value: string | undefined;
  readonly negated: boolean;
  /** The extension that has it, `tcp`. */
  readonly module?: string | undefined;
}

/** A rule's options in the order in which iptables prints them; within extensions, as kube-proxy orders them. @internal */
export function optionsOf(rule: Rule, family: Family): Option[] {
  const options: Option[] = [];
  const add = (flag: string, value: unknown, module?: string): void => {
    if (value === undefined || value === null || value === false) return;
    const text = value === true ? undefined : String(value);
    const negated = flag !== "--comment" && flag !== "--log-prefix" && text?.startsWith("!") === true;
    const bare = negated ? text?.replace(/^! ?/, "") : text;
    options.push({ ...canonicalOption(flag, bare, negated, family), module });
  };
  const protocol = rule.protocol === undefined ? undefined : canonical("-p", rule.protocol, family);
  const { statistic, recent, addrType, limit } = rule;
  add("-s", rule.source);
  add("-d", rule.destination);
  add("-i", rule.inInterface);
  add("-o", rule.outInterface);
  add("-p", rule.protocol);
  add("--comment", rule.comment === "" ? undefined : rule.comment, "comment");
  if (recent !== undefined) {
    add(`--${recent.action}`, true, "recent");
    add("--seconds", recent.seconds, "recent");
    add("--reap", recent.reap, "recent");
    add("--hitcount", recent.hitCount, "recent");
    add("--name", recent.name, "recent");
  }
  add("--ctstate", rule.ctState, "conntrack");
  add("--mark", rule.mark, "mark");
  add("--src-type", addrType?.source, "addrtype");
  add("--dst-type", addrType?.destination, "addrtype");
  add("--mode", statistic?.mode, "statistic");
  add("--probability", statistic?.probability, "statistic");
  add("--every", statistic?.every, "statistic");
  add("--packet", statistic?.mode === "nth" ? (statistic.packet ?? 0) : undefined, "statistic");
  add("--sport", rule.sourcePort, protocol);
  add("--dport", rule.destinationPort, protocol);
  add("--sports", rule.sourcePorts, "multiport");
  add("--dports", rule.destinationPorts, "multiport");
  add(family === "ipv4" ? "--icmp-type" : "--icmpv6-type", rule.icmpType, family === "ipv4" ? "icmp" : "icmp6");
  add("--limit", limit?.rate, "limit");
  add("--limit-burst", limit?.burst === 5 ? undefined : limit?.burst, "limit");
  add("-j", rule.jump);
  add("-g", rule.goto);
  add("--to-destination", rule.toDestination);
  add("--to-source", rule.toSource);
  add("--to-ports", rule.toPorts);
  add(
    "--reject-with",
    rule.rejectWith ?? (rule.jump === "REJECT" ? `icmp${family === "ipv4" ? "" : "6"}-port-unreachable` : undefined),
  );
  add("--set-xmark", rule.setXmark);
  add("--log-prefix", rule.logPrefix);
  add("--random-fully", rule.randomFully);
  return options;
}

/** The words of an iptables command. @internal */
export function wordsOf(options: readonly Option[]): string[] {
  const words: string[] = [];
  let open: string | undefined;
  for (const { flag, value, negated, module } of options) {
    // kube-proxy's `-m tcp` before a DNAT that names no port, as the kernel prints it.
    const loads = flag === "-j" && value === "DNAT" ? protocolModule(options) : module;
    if (loads !== undefined && loads !== open) {
      words.push("-m", loads);
      open = loads;
    }
    if (negated) words.push("!");
    words.push(flag);
    if (value !== undefined) words.push(value);
  }
  return words;
}

function protocolModule(options: readonly Option[]): string | undefined {
  const protocol = options.find(({ flag, negated }) => flag === "-p" && !negated)?.value ?? "";
  return ["tcp", "udp", "sctp"].includes(protocol) && !options.some(({ module }) => module === protocol)
    ? protocol
    : undefined;
}

/** A word as iptables-save prints it, and as iptables-restore reads it. */
function quoteSaved(word: string): string {
  return /^[A-Za-z0-9_-]+$/.test(word) ? word : `"${word.replace(/["\\']/g, "\\$&")}"`;
}

const quoted = ["--comment", "--log-prefix"];

/** A rule in one line of iptables-save, without `-A CHAIN`. @internal */
export function savedText(options: readonly Option[]): string {
  const words = wordsOf(options);
  return words.map((word, index) => (quoted.includes(words[index - 1] ?? "") ? quoteSaved(word) : word)).join(" ");
}

/**
 * What must stand in a line of `iptables -S`, each with a space on both sides: all of it and nothing else makes the line
 * this rule. Free text comes first, because it may contain what looks like other options.
 *
 * @internal
 */
export function fragmentsOf(options: readonly Option[]): string[] {
  const free = options.filter(({ flag }) => quoted.includes(flag));
  const rest = options.filter(({ flag }) => !quoted.includes(flag));
  return [...free, ...rest].map(({ flag, value, negated }) => {
    const shown = value === undefined ? "" : ` ${quoted.includes(flag) ? quoteSaved(value) : value}`;
    return ` ${negated ? "! " : ""}${flag}${shown} `;
  });
}

/** What the kernel prints although nobody asked for it, or that says nothing. */
const noise = new Set(["--mask 255.255.255.255", "--mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "--rsource"]);
const bare = new Set(
  ["--set", "--rcheck", "--update", "--remove", "--reap", "--rsource", "--rdest", "--rttl", "--random", "--persistent"]
    .concat(["--random-fully", "--log-ip-options", "--log-tcp-options", "--log-tcp-sequence", "--log-uid", "--syn"])
    .concat(["-f"]),
);
/** Extensions that say nothing by being loaded. @internal */
export const silentModules = [
  ...["tcp", "udp", "sctp", "dccp", "udplite", "comment", "multiport", "statistic", "conntrack", "mark", "addrtype"],
  ...["recent", "limit", "icmp", "icmp6", "ipv6-icmp", "state"],
];

/** A line of `iptables -S`: its chain and its options. @internal */
export function parseLine(line: string, family: Family): { readonly chain: string; readonly options: Option[] } {
  const [, chain = "", ...tokens] = tokensOf(line);
  const options: Option[] = [];
  let negated = false;
  for (let index = 0; index < tokens.length; index += 1) {
    const flag = tokens[index] ?? "";
    if (flag === "!") {
      negated = true;
      continue;
    }
    let value: string | undefined;
    if (!bare.has(flag) && index + 1 < tokens.length) {
      index += 1;
      value = tokens[index] ?? "";
      // Options of extensions that are not known here may take several values.
      if (!quoted.includes(flag))
        while (index + 1 < tokens.length && !/^(?:-|!$)/.test(tokens[index + 1] ?? "")) {
          index += 1;
          value += ` ${tokens[index]}`;
        }
    }
    const silent = flag === "-m" && !negated && silentModules.includes(value ?? "");
    if (!silent && !noise.has(value === undefined ? flag : `${flag} ${value}`))
      options.push(canonicalOption(flag, value, negated, family));
    negated = false;
  }
  return { chain, options };
}

/** The words of a line of iptables-save: double quotes, and in them a backslash before a character. */
function tokensOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quotedText, plain]) =>
    quotedText === undefined ? (plain ?? "") : quotedText.replace(/\\(.)/g, "$1"),
  );
}

/** Whether two rules say the same, in whatever order. @internal */
export function sameRule(a: readonly Option[], b: readonly Option[]): boolean {
  const key = (options: readonly Option[]): string =>
    options
      .map(({ flag, value, negated }) => JSON.stringify([flag, value, negated]))
      .sort()
      .join();
  return key(a) === key(b);
}

/** Where the options stand in a {@link Rule}. */
const places: Readonly<Record<string, readonly [keyof Rule, string?]>> = {
  "-s": ["source"],
  "-d": ["destination"],
  "-i": ["inInterface"],
  "-o": ["outInterface"],
  "-p": ["protocol"],
  "--comment": ["comment"],
  "--ctstate": ["ctState"],
  "--mark": ["mark"],
  "--sport": ["sourcePort"],
  "--dport": ["destinationPort"],
  "--sports": ["sourcePorts"],
  "--dports": ["destinationPorts"],
  "--icmp-type": ["icmpType"],
  "--icmpv6-type": ["icmpType"],
  "-j": ["jump"],
  "-g": ["goto"],
  "--to-destination": ["toDestination"],
  "--to-source": ["toSource"],
  "--to-ports": ["toPorts"],
  "--reject-with": ["rejectWith"],
  "--set-xmark": ["setXmark"],
  "--log-prefix": ["logPrefix"],
  "--random-fully": ["randomFully"],
  "--mode": ["statistic", "mode"],
  "--probability": ["statistic", "probability"],
  "--every": ["statistic", "every"],
  "--packet": ["statistic", "packet"],
  "--name": ["recent", "name"],
  "--seconds": ["recent", "seconds"],
  "--reap": ["recent", "reap"],
  "--hitcount": ["recent", "hitCount"],
  "--src-type": ["addrType", "source"],
  "--dst-type": ["addrType", "destination"],
  "--limit": ["limit", "rate"],
  "--limit-burst": ["limit", "burst"],
};

/** The rule behind options, to show people; what no field can hold stands in `other`. @internal */
export function ruleOf(options: readonly Option[]): Record<string, unknown> {
  const rule: Record<string, unknown> = {};
  const other: string[] = [];
  for (const option of options) {
    const { flag, value, negated } = option;
    const place = places[flag];
    const shown = value === undefined ? !negated : negated ? `! ${value}` : value;
    if (place === undefined && ["--set", "--rcheck", "--update", "--remove"].includes(flag))
      rule["recent"] = { ...(rule["recent"] as object), action: `${negated ? "! " : ""}${flag.slice(2)}` };
    else if (place === undefined) other.push(savedText([option]));
    else if (place[1] === undefined) rule[place[0]] = shown;
    else rule[place[0]] = { ...(rule[place[0]] as object), [place[1]]: shown };
  }
  return other.length === 0 ? rule : { ...rule, other: other.join(" ") };
}

const protocols: Readonly<Record<string, string>> = {
  1: "icmp",
  2: "igmp",
  4: "ipencap",
  6: "tcp",
  17: "udp",
  33: "dccp",
  47: "gre",
  50: "esp",
  51: "ah",
  58: "ipv6-icmp",
  132: "sctp",
  136: "udplite",
  icmpv6: "ipv6-icmp",
};
const icmpTypes: Readonly<Record<Family, Readonly<Record<string, string>>>> = {
  ipv4: {
    "echo-reply": "0",
    "destination-unreachable": "3",
    "fragmentation-needed": "3/4",
    redirect: "5",
    "echo-request": "8",
    "time-exceeded": "11",
    "parameter-problem": "12",
  },
  ipv6: {
    "destination-unreachable": "1",
    "packet-too-big": "2",
    "time-exceeded": "3",
    "parameter-problem": "4",
    "echo-request": "128",
    "echo-reply": "129",
    "router-solicitation": "133",
    "router-advertisement": "134",
    "neighbour-solicitation": "135",
    "neighbour-advertisement": "136",
  },
};
const stateOrder = ["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"];
const typeOrder = [
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
];

function canonicalOption(flag: string, value: string | undefined, negated: boolean, family: Family): Option {
  if (value === undefined) return { flag, value, negated };
  const shown = canonical(flag, value, family);
  // Some versions print what is not in 0:1023 as 1024:65535; that is the canonical form, too.
  const [, from, to] = (negated && /^--[sd]port$/.test(flag) && /^(\d+)(?::(\d+))?$/.exec(shown)) || [];
  const [low, high] = [Number(from), Number(to ?? from)];
  if (from !== undefined && low === 0)
    return { flag, value: canonical(flag, `${high + 1}:65535`, family), negated: false };
  if (from !== undefined && high === 65_535)
    return { flag, value: canonical(flag, `0:${low - 1}`, family), negated: false };
  return { flag, value: shown, negated };
}

/** An option's value as the kernel prints it again. */
function canonical(flag: string, value: string, family: Family): string {
  switch (flag) {
    case "-s":
    case "-d":
      return canonicalNetwork(value, family) ?? value;
    case "-p":
      return protocols[value] ?? value;
    case "--ctstate":
      return sorted(value, stateOrder);
    case "--src-type":
    case "--dst-type":
      return sorted(value, typeOrder);
    case "--mark":
      return hexadecimal(value).replace(/\/0xffffffff$/, "");
    case "--set-xmark":
      return hexadecimal(value.includes("/") ? value : `${value}/0xffffffff`);
    case "--probability":
      return (Math.round(Number(value) * 2 ** 31) / 2 ** 31).toFixed(11);
    case "--icmp-type":
    case "--icmpv6-type":
      return icmpTypes[family][value] ?? value;
    case "--sport":
    case "--dport":
      return withoutZeros(value).replace(/^(\d+):\1$/, "$1");
    case "--sports":
    case "--dports":
      return withoutZeros(value);
    case "--limit":
      return rate(value);
    default:
      return value;
  }
}

function withoutZeros(value: string): string {
  return value.replace(/\d+/g, (digits) => String(Number(digits)));
}

function sorted(value: string, order: readonly string[]): string {
  return [...new Set(value.split(","))].sort((a, b) => order.indexOf(a) - order.indexOf(b)).join(",");
}

function hexadecimal(value: string): string {
  return value
    .split("/")
    .map((part) => `0x${Number(part).toString(16)}`)
    .join("/");
}

/** Ten thousandths of a second, as the kernel counts them, and the unit in which they are a whole number (libxt_limit). */
const units = [
  ["day", 864_000_000],
  ["hour", 36_000_000],
  ["min", 600_000],
  ["sec", 10_000],
] as const;

function rate(value: string): string {
  const [count = "1", unit = "sec"] = value.split("/");
  const length = units.find(([name]) => name.startsWith(unit) || unit.startsWith(name))?.[1] ?? 10_000;
  const period = Math.floor(length / Number(count));
  let index = 1;
  while (index < units.length) {
    const size = units[index]?.[1] ?? 0;
    if (period > size || Math.floor(size / period) < size % period) break;
    index += 1;
  }
  const [name, size] = units[index - 1] ?? units[0];
  return `${Math.floor(size / period)}/${name}`;
}
