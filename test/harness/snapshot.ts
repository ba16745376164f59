/** Canonical listings of a node: equal before and after exactly when nothing was left behind. */

/** What a node has. Sections are compared as text, one line an object. */
export interface NodeSnapshot {
  readonly links: string;
  readonly addresses: string;
  readonly routes: string;
  readonly rules: string;
  readonly iptables: string;
  readonly ip6tables: string;
  readonly mounts: string;
  readonly cgroups: string;
  readonly processes: string;
  readonly sysctls: string;
  readonly files: string;
}

/** Makes what snapshot.sh printed canonical. */
export function parseSnapshot(output: string): NodeSnapshot {
  const sections = new Map(
    output.split("\x1f").map((section): [string, string] => {
      const end = section.indexOf("\n");
      return [section.slice(0, end), section.slice(end + 1).trimEnd()];
    }),
  );
  const get = (name: string) => sections.get(name) ?? "";
  return {
    links: sortedLines(jsonObjects(get("links"))),
    addresses: sortedLines(jsonObjects(get("addresses"))),
    routes: sortedLines(get("routes").replace(/ expires \d+sec/g, "")),
    rules: get("rules"),
    iptables: canonicalIptables(get("iptables")),
    ip6tables: canonicalIptables(get("ip6tables")),
    mounts: sortedLines(get("mounts")),
    cgroups: get("cgroups"),
    processes: canonicalProcesses(get("processes"), Number(get("self"))),
    sysctls: get("sysctls"),
    files: get("files"),
  };
}

/** `iptables-save` without comments, counters, untouched built-in chains, and tables in which nothing is left. */
export function canonicalIptables(saved: string): string {
  const tables: string[] = [];
  let table: string[] = [];
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = [line];
    else if (line === "COMMIT") {
      if (table.length > 1) tables.push(table.join("\n"));
    } else if (line.startsWith(":")) {
      const chain = line.replace(/ \[\d+:\d+\]$/, "");
      if (!chain.endsWith(" ACCEPT")) table.push(chain);
    } else if (line !== "" && !line.startsWith("#")) table.push(line.replace(/^\[\d+:\d+\] /, ""));
  }
  return tables.sort().join("\n");
}

/** Command names of all processes that are no kernel thread, do not belong to a login or an exec, and are not the listing. */
export function canonicalProcesses(listing: string, self: number): string {
  const processes = listing
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [pid = "", parent = "", ...name] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), name: name.join(" ") };
    });
  const byPid = new Map(processes.map((process) => [process.pid, process]));
  const counts = (pid: number): boolean => {
    const process = byPid.get(pid);
    if (process === undefined || pid === 2 || pid === self) return false;
    // A parent of 0 is outside the PID namespace: an exec came from there. PID 1 has none either.
    if (process.parent === 0) return pid === 1;
    // What sshd started for a login.
    if (byPid.get(process.parent)?.name === "sshd") return false;
    return counts(process.parent);
  };
  return processes
    .filter(({ pid }) => counts(pid))
    .map(({ name }) => name)
    .sort()
    .join("\n");
}

/** One line for each object of `ip -j`, without what changes by itself or from one boot to the next. */
function jsonObjects(text: string): string {
  const volatile = /^(ifindex|link_index|link_netnsid|stats.*|.*_timer|.*_life_time|broadcast|.*_bound)$/;
  const clean = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).filter(([key]) => !volatile.test(key));
    return Object.fromEntries(entries.map(([key, each]) => [key, clean(each)]));
  };
  return (JSON.parse(text === "" ? "[]" : text) as unknown[]).map((link) => JSON.stringify(clean(link))).join("\n");
}

function sortedLines(text: string): string {
  return text.split("\n").filter(Boolean).sort().join("\n");
}

/** What went and what came, a line each. */
export function snapshotDifference(before: NodeSnapshot, after: NodeSnapshot): string[] {
  return (Object.keys(before) as (keyof NodeSnapshot)[]).flatMap((section) => {
    const [old, now] = [before[section].split("\n"), after[section].split("\n")];
    const gone = old.filter((line) => !now.includes(line));
    const more = now.filter((line) => !old.includes(line));
    return [...gone.map((line) => `- ${section}: ${line}`), ...more.map((line) => `+ ${section}: ${line}`)];
  });
}
