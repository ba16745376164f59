/** What a connection comes to: every default filled in, aliases looked up. */
import { join } from "node:path";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { type Alias, lookUpAlias } from "./config-file";
import { type Connection, type ConnectionArgs, expandHome, type HostArgs, home, parseAddress } from "./connection-args";
import { knownName } from "./known-hosts";

/** What to log in with; read when it is used. */
export interface CredentialArgs {
  readonly password?: string;
  readonly privateKey?: string;
  readonly privateKeyPassword?: string;
  /** Keys in files that were asked for by name. */
  readonly keyFiles: readonly string[];
  readonly agentSocketPath?: string;
  /** From the agent, only the keys of `keyFiles`. */
  readonly identitiesOnly: boolean;
  /** Nothing was asked for: the agent, then the keys with the usual names. */
  readonly useDefaults: boolean;
}

/** One machine to dial. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** For messages: `root@192.0.2.10:22`. */
  readonly label: string;
  /** Its name in known_hosts, `[host]:port` where the port is not 22. */
  readonly knownAs: string;
  readonly hostKey?: string;
  readonly knownHostsFiles: readonly string[];
  readonly insecureIgnoreHostKey: boolean;
  readonly credentials: CredentialArgs;
  readonly dialErrorLimit: number;
  /** 0: no limit. */
  readonly perDialTimeoutMs: number;
  /** The jump hosts, first to last. */
  readonly hops: readonly Target[];
  /** Only these host key algorithms; otherwise all, those of known keys first. */
  readonly hostKeyAlgorithms?: readonly ServerHostKeyAlgorithm[];
  readonly sudo: boolean;
}

/** Resolves a connection. Only a string consults `~/.ssh/config`: what an object says must not depend on the machine. */
export async function resolveTarget(connection: Connection): Promise<Target> {
  if (typeof connection === "string") return withOverride(resolveAlias(await lookUpAlias(parseAddress(connection))));
  const target = resolveHost(connection);
  return withOverride({
    ...target,
    hops: connection.proxy === undefined ? [] : [resolveHost(connection.proxy)],
    sudo: connection.sudo ?? false,
  });
}

/** The way in when the state holds a key that is no longer let in: a refresh or a destroy knows no newer one. */
export const KEY_OVERRIDE = "BAREPOD_PRIVATE_KEY_PATH";

function withOverride(target: Target): Target {
  const file = process.env[KEY_OVERRIDE];
  if (file === undefined || file === "") return target;
  const credentials = { keyFiles: [expandHome(file)], identitiesOnly: false, useDefaults: false };
  return { ...target, credentials, hops: target.hops.map(withOverride) };
}

function resolveHost(args: HostArgs | ConnectionArgs): Target {
  const { password, privateKey, privateKeyPassword, privateKeyPath, agentSocketPath, hostKey } = args;
  const given = [password, privateKey, privateKeyPath, agentSocketPath].some((each) => each !== undefined);
  return {
    ...where(args.host, args.port ?? 22, args.user ?? "root"),
    knownAs: knownName(args.host, args.port ?? 22),
    ...(hostKey === undefined ? {} : { hostKey }),
    knownHostsFiles: defaultKnownHosts(),
    insecureIgnoreHostKey: args.insecureIgnoreHostKey ?? false,
    credentials: {
      ...(password === undefined ? {} : { password }),
      ...(privateKey === undefined ? {} : { privateKey }),
      ...(privateKeyPassword === undefined ? {} : { privateKeyPassword }),
      keyFiles: privateKeyPath === undefined ? [] : [expandHome(privateKeyPath)],
      ...(agentSocketPath === undefined ? {} : { agentSocketPath: expandHome(agentSocketPath) }),
      identitiesOnly: false,
      useDefaults: !given,
    },
    dialErrorLimit: args.dialErrorLimit ?? DIAL_ERROR_LIMIT,
    perDialTimeoutMs: Math.max(0, args.perDialTimeout ?? PER_DIAL_TIMEOUT) * 1000,
    hops: [],
    sudo: false,
  };
}

function resolveAlias(alias: Alias): Target {
  const { agentSocketPath } = alias;
  return {
    ...where(alias.host, alias.port, alias.user),
    // As OpenSSH does: an alias stands for itself, whatever the port.
    knownAs: alias.hostKeyAlias?.toLowerCase() ?? knownName(alias.host, alias.port),
    knownHostsFiles: alias.knownHostsFiles.length > 0 ? alias.knownHostsFiles : defaultKnownHosts(),
    insecureIgnoreHostKey: false,
    credentials: {
      keyFiles: alias.keyFiles,
      ...(agentSocketPath === undefined ? {} : { agentSocketPath }),
      identitiesOnly: alias.identitiesOnly,
      useDefaults: true,
    },
    dialErrorLimit: DIAL_ERROR_LIMIT,
    perDialTimeoutMs: PER_DIAL_TIMEOUT * 1000,
    hops: alias.hops.map(resolveAlias),
    sudo: false,
  };
}

const DIAL_ERROR_LIMIT = 10;
const PER_DIAL_TIMEOUT = 15;

function where(host: string, port: number, user: string): Pick<Target, "host" | "port" | "user" | "label"> {
  return { host, port, user, label: `${user}@${host.includes(":") ? `[${host}]` : host}:${port}` };
}

function defaultKnownHosts(): string[] {
  const own = ["known_hosts", "known_hosts2"].map((name) => join(home(), ".ssh", name));
  const shared =
    process.platform === "win32" ? join(process.env["ProgramData"] ?? "C:\\ProgramData", "ssh") : "/etc/ssh";
  return [...own, join(shared, "ssh_known_hosts")];
}
