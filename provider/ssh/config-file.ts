/** Looks an alias up in `~/.ssh/config`, as ssh_config(5) says, through the ssh-config package. */
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import SSHConfig, { glob } from "ssh-config";
import { InputError } from "../errors";
import { type Address, expandHome, home, parseAddress } from "./connection-args";

/** What the files say of a host. */
export interface Alias {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly keyFiles: readonly string[];
  readonly identitiesOnly: boolean;
  readonly agentSocketPath?: string;
  readonly hostKeyAlias?: string;
  /** Empty: the usual ones. */
  readonly knownHostsFiles: readonly string[];
  /** The jump hosts, first to last. */
  readonly hops: readonly Alias[];
}

/** More than this is a loop. */
const MAX_DEPTH = 8;

/**
 * What the address given comes to. What it says itself comes first, then the files.
 *
 * @throws InputError for a ProxyCommand: Barepod runs no programs on the operator's side.
 */
export async function lookUpAlias(address: Address, text?: string): Promise<Alias> {
  return computeAlias(parse(text ?? (await readConfig())), address, 0);
}

function parse(text: string): SSHConfig {
  try {
    return SSHConfig.parse(text);
  } catch (error) {
    throw new InputError("connection", `~/.ssh/config could not be read: ${(error as Error).message}`);
  }
}

/** The user's file, then the machine's: the first value found wins. */
async function readConfig(): Promise<string> {
  const shared =
    process.platform === "win32" ? join(process.env["ProgramData"] ?? "C:\\ProgramData", "ssh") : "/etc/ssh";
  const own = join(home(), ".ssh");
  const [first, second] = await Promise.all([
    readWithIncludes(join(own, "config"), own, 0),
    readWithIncludes(join(shared, "ssh_config"), shared, 0),
  ]);
  return `${first}\nHost *\n${second}`;
}

function computeAlias(config: SSHConfig, address: Address, depth: number): Alias {
  if (depth > MAX_DEPTH)
    throw new InputError("connection", `ProxyJump of "${address.host}" in ~/.ssh/config leads in a circle`);
  const found = config.compute(
    { Host: address.host, ...(address.user === undefined ? {} : { User: address.user }) },
    { ignoreCase: true, matchExec: false },
  );
  const all = (name: string) => [found[name] ?? []].flat();
  const first = (name: string) => all(name)[0];
  const proxyCommand = all("proxycommand").join(" ");
  if (proxyCommand !== "" && proxyCommand !== "none") {
    throw new InputError(
      "connection",
      `"${address.host}" has a ProxyCommand in ~/.ssh/config; use ProxyJump, or proxy in an object`,
    );
  }
  const host = (first("hostname") ?? address.host).replaceAll("%h", address.host).replaceAll("%%", "%");
  const port = address.port ?? Number(first("port") ?? 22);
  const user = address.user ?? first("user") ?? "root";
  const file = (path: string) => expandTokens(path, { h: host, n: address.host, p: String(port), r: user });
  const agent = first("identityagent");
  const hostKeyAlias = first("hostkeyalias");
  return {
    host,
    port,
    user,
    keyFiles: all("identityfile").filter(isNamed).map(file),
    identitiesOnly: first("identitiesonly")?.toLowerCase() === "yes",
    ...(agent === undefined || agent === "SSH_AUTH_SOCK"
      ? {}
      : { agentSocketPath: agent === "none" ? "" : file(agent) }),
    ...(hostKeyAlias === undefined ? {} : { hostKeyAlias }),
    knownHostsFiles: ["userknownhostsfile", "globalknownhostsfile"].flatMap(all).filter(isNamed).map(file),
    hops: jumps(config, first("proxyjump"), depth),
  };
}

/** `a,user@b:2222`: a first, then b. What a itself needs to be reached comes before it, as OpenSSH does. */
function jumps(config: SSHConfig, list: string | undefined, depth: number): Alias[] {
  if (list === undefined || list.toLowerCase() === "none") return [];
  return list.split(",").flatMap((hop, index) => {
    const alias = computeAlias(config, parseAddress(hop.trim(), "ProxyJump in ~/.ssh/config"), depth + 1);
    const bare = { ...alias, hops: [] };
    return index === 0 ? [...alias.hops, bare] : [bare];
  });
}

function isNamed(path: string): boolean {
  return path !== "" && path !== "none" && path !== "/dev/null";
}

/** Several files in one directive, quoted or not. */
function words(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
}

function expandTokens(path: string, tokens: Readonly<Record<string, string>>): string {
  const values: Readonly<Record<string, string>> = { ...tokens, d: home(), u: process.env["USER"] ?? "", "%": "%" };
  return expandHome(path)
    .replace(/%([dhnpru%])/g, (whole, name: string) => values[name] ?? whole)
    .replace(/\$\{(\w+)\}/g, (whole, name: string) => process.env[name] ?? whole);
}

/** The text with its Includes put in. Whatever Host line one stands below is repeated after it, or it would end there. */
async function readWithIncludes(file: string, folder: string, depth: number): Promise<string> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return "";
    throw new InputError("connection", `could not read ${file}: ${error.code ?? error.message}`);
  });
  if (depth > MAX_DEPTH) return "";
  let section = "Host *";
  const lines: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:Host|Match)[\s=]/i.test(line)) section = line;
    const include = /^\s*Include(?:\s+|\s*=\s*)(.+)$/i.exec(line)?.[1];
    if (include === undefined) {
      lines.push(line);
      continue;
    }
    for (const pattern of words(include)) {
      const path = expandTokens(pattern, {});
      for (const found of await filesLike(isAbsolute(path) ? path : join(folder, path))) {
        lines.push(await readWithIncludes(found, folder, depth + 1), section);
      }
    }
  }
  return lines.join("\n");
}

/** Wildcards are understood in the last part of the path, where everybody writes them. */
async function filesLike(pattern: string): Promise<string[]> {
  if (!/[*?]/.test(pattern)) return [pattern];
  // A folder that is not there has no files.
  const names = await readdir(dirname(pattern)).catch(() => [] as string[]);
  return names
    .filter((name) => glob(basename(pattern), name))
    .sort()
    .map((name) => join(dirname(pattern), name));
}
