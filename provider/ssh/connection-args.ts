/** How a node is reached: the types, and what can be checked offline. Loads no SSH code. */
import { isIPv6 } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { InputError } from "../errors";

/** How one machine is reached. The names are those of `remote.ConnectionArgs` in `@pulumi/command`. */
export interface HostArgs {
  /** Name or address. `~/.ssh/config` is not consulted: give the connection as a string for that. */
  readonly host: string;
  /** @defaultValue 22 */
  readonly port?: number;
  /** @defaultValue root */
  readonly user?: string;
  /** Also answers a password prompt of the server (keyboard-interactive). */
  readonly password?: string;
  /**
   * The text of a private key. It lives in the state (encrypted when it is a secret): `privateKeyPath` or an agent is
   * cheaper and never stale.
   */
  readonly privateKey?: string;
  /** For an encrypted `privateKey` or `privateKeyPath`. */
  readonly privateKeyPassword?: string;
  /** A private key on the operator's machine; `~` is the home directory. Read whenever a connection is made. */
  readonly privateKeyPath?: string;
  /** The socket (on Windows: the pipe, or `pageant`) of an SSH agent. */
  readonly agentSocketPath?: string;
  /**
   * The host key to expect, as in a `.pub` file (`ssh-ed25519 AAAA…`), or its fingerprint (`SHA256:…`). Several stand on
   * lines of their own. Without it `known_hosts` decides.
   */
  readonly hostKey?: string;
  /** Takes any host key: whoever answers at that address gets the secrets. */
  readonly insecureIgnoreHostKey?: boolean;
  /**
   * How often connecting may fail before giving up; 0 or less: never. A refused login or a wrong host key is final at once.
   *
   * @defaultValue 10
   */
  readonly dialErrorLimit?: number;
  /**
   * Seconds that one attempt may take; 0: no limit.
   *
   * @defaultValue 15
   */
  readonly perDialTimeout?: number;
}

/** {@link HostArgs} of the node itself. */
export interface ConnectionArgs extends HostArgs {
  /** The jump host through which the node is reached. */
  readonly proxy?: HostArgs;
  /** Works through `sudo -n`; the user must be allowed to run `/bin/sh` without a password. */
  readonly sudo?: boolean;
}

/** `root@192.0.2.10:22`, an alias of `~/.ssh/config`, or {@link ConnectionArgs}. */
export type Connection = string | ConnectionArgs;

/** The parts of a connection given as a string. */
export interface Address {
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
}

const hostFields = {
  host: "string",
  port: "number",
  user: "string",
  password: "string",
  privateKey: "string",
  privateKeyPassword: "string",
  privateKeyPath: "string",
  agentSocketPath: "string",
  hostKey: "string",
  insecureIgnoreHostKey: "boolean",
  dialErrorLimit: "number",
  perDialTimeout: "number",
} as const;

/**
 * Finds mistakes in a connection, offline.
 *
 * @throws InputError that names the path of the field, and never its value: any of them may be secret.
 */
export function checkConnection(connection: Connection, path = "connection"): void {
  if (typeof connection === "string") parseAddress(connection, path);
  else checkFields(connection, path, { ...hostFields, sudo: "boolean", proxy: "object" });
}

function checkFields(args: object, path: string, fields: Readonly<Record<string, string>>): void {
  if (typeof args !== "object" || args === null) throw new InputError(path, "must be a string or an object");
  const given = new Map(Object.entries(args).filter(([, value]) => value !== undefined && value !== null));
  for (const [key, value] of given) {
    const type = fields[key];
    if (type === undefined) {
      if (key.startsWith("__")) continue;
      throw new InputError(
        `${path}.${key}`,
        `is not a field of a connection; there are ${Object.keys(fields).join(", ")}`,
      );
    }
    if (typeof value !== type) throw new InputError(`${path}.${key}`, `must be a ${type}, not a ${typeof value}`);
  }
  const host = given.get("host");
  if (host === undefined) throw new InputError(`${path}.host`, "is required: the name or address of the machine");
  if (!isHost(host)) throw new InputError(`${path}.host`, "must be a name or an address");
  const port = given.get("port");
  if (port !== undefined && !isPort(port)) throw new InputError(`${path}.port`, "must be between 1 and 65535");
  for (const key of ["dialErrorLimit", "perDialTimeout"]) {
    if (Number.isNaN(given.get(key))) throw new InputError(`${path}.${key}`, "must be a number");
  }
  const proxy = given.get("proxy");
  if (proxy !== undefined) checkFields(proxy as object, `${path}.proxy`, hostFields);
}

/**
 * Takes `user@host:port` apart; the brackets of an IPv6 address may be left out where no port follows.
 *
 * @throws InputError when it is no address. It does not show the text: a password may stand in it, or instead of it.
 */
export function parseAddress(text: string, path = "connection"): Address {
  const match = /^(?:ssh:\/\/)?(?:([^@\s:]+)@)?(.+?)\/?$/.exec(text.trim());
  const rest = match?.[2] ?? "";
  // The address of IPv6 has colons of its own.
  const [, bracketed, plain, digits] = isIPv6(rest)
    ? [null, rest]
    : (/^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(rest) ?? []);
  const host = bracketed ?? plain;
  const port = digits === undefined ? undefined : Number(digits);
  if (match === null || !isHost(host) || (port !== undefined && !isPort(port)))
    throw new InputError(path, "must be of the form user@host:port, or an alias of ~/.ssh/config");
  const user = match[1];
  return { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}

function isHost(host: unknown): host is string {
  return typeof host === "string" && /^[^\s@/[\]]+$/.test(host) && !host.startsWith("-");
}

function isPort(port: unknown): port is number {
  return Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65535;
}

/** `host`, or `host:port` where the port is not 22. */
export function hostAndPort(host: string, port: number): string {
  if (port === 22) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The operator's home directory. */
export function home(): string {
  // os.homedir() ignores a HOME that was set within this process's own threads; on Windows HOME belongs to other programs.
  return process.platform === "win32" ? homedir() : process.env["HOME"] || homedir();
}

/** Replaces a leading `~`. */
export function expandHome(path: string): string {
  return /^~(?=$|[/\\])/.test(path) ? join(home(), path.slice(1)) : path;
}
