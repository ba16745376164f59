/** Makes the one SSH connection of a node, jump hosts first, and waits for a machine that is not there yet. */
import { connect as connectTcp, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type ServerHostKeyAlgorithm } from "ssh2";
import { ConnectionError, InputError } from "../errors";
import { type Credentials, readCredentials, tryEach } from "./credentials";
import { type HostKeys, hostKeyAlgorithms, keyTypeOf, knownHostKeys, refuseHostKey } from "./host-key";
import { KEY_OVERRIDE, type Target } from "./target";

/** A connection that is logged in. */
export interface Dialed {
  readonly client: Client;
  /** The only socket of it, the first jump host's where there is one. */
  readonly socket: Socket;
  /** Closes everything, jump hosts included, without waiting. */
  destroy(): void;
}

/** A failure that another attempt may not have. */
class DialError extends Error {}

/** The reason code of RFC 4254, 5.1. */
const ADMINISTRATIVELY_PROHIBITED = 1;

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5000;

/**
 * Dials until the machine answers.
 *
 * @param onWait - hears why it takes long.
 * @throws ConnectionError for a wrong host key or a refused login at once, for anything else after `dialErrorLimit` attempts.
 */
export async function dial(target: Target, onWait: (message: string) => void = () => {}): Promise<Dialed> {
  const began = Date.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await dialOnce(target);
    } catch (error) {
      if (!(error instanceof DialError)) throw error;
      if (target.dialErrorLimit > 0 && attempt >= target.dialErrorLimit) {
        const seconds = Math.round((Date.now() - began) / 1000);
        throw new ConnectionError(
          [
            `could not connect to ${target.label}: ${error.message}, ${times(attempt)} in ${seconds} s`,
            "check its address, that it is up and that sshd listens there; dialErrorLimit in its connection says how often to try",
          ].join("\n"),
          { cause: error, timedOut: /no answer/.test(error.message) },
        );
      }
      onWait(`waiting for sshd on ${target.label} (${ordinal(attempt + 1)} try, ${error.message})`);
      await sleep(Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS));
    }
  }
}

async function dialOnce(target: Target): Promise<Dialed> {
  const clients: Client[] = [];
  let socket: Socket | undefined;
  const destroy = () => {
    for (const client of clients.toReversed()) client.destroy();
    socket?.destroy();
  };
  try {
    // Read before there is a connection: what happens to it in the meantime would be missed.
    const logins = await Promise.all([...target.hops, target].map(prepare));
    const [first, ...rest] = logins as [Login, ...Login[]];
    socket = await openSocket(first.target);
    let client = await logIn(first, socket, clients);
    for (const [index, hop] of rest.entries()) {
      const via = target.hops[index] as Target;
      const stream = await atHop(via, throughJump(client, via, hop.target));
      client = await atHop(via, logIn(hop, stream, clients));
    }
    return { client, socket, destroy };
  } catch (error) {
    destroy();
    if (error instanceof OtherKeyError) return dialOnce(error.narrowed(target));
    throw error;
  }
}

/** Says where on the way it happened, when there is a way. */
async function atHop<T>(via: Target, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw error instanceof DialError ? new DialError(`${error.message} (through ${via.label})`) : error;
  }
}

function openSocket(target: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: target.host, port: target.port });
    const timer = startTimer(target, () => socket.destroy(new DialError(noAnswer(target))));
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.setNoDelay(true);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(error instanceof DialError ? error : new DialError(explain(error), { cause: error }));
    });
  });
}

function throughJump(client: Client, via: Target, next: Target): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const timer = startTimer(next, () => reject(new DialError(noAnswer(next))));
    client.forwardOut("127.0.0.1", 0, next.host, next.port, (error, stream) => {
      clearTimeout(timer);
      if (error === undefined) return resolve(stream);
      if ((error as { reason?: unknown }).reason === ADMINISTRATIVELY_PROHIBITED) {
        const text = `${via.label} does not forward to ${next.label}: ${error.message}\nallow it there with AllowTcpForwarding in sshd_config`;
        return reject(new ConnectionError(text, { cause: error }));
      }
      reject(new DialError(`${next.label} cannot be reached`, { cause: error }));
    });
  });
}

/** What a log-in needs besides the connection. */
interface Login {
  readonly target: Target;
  readonly known: HostKeys;
  readonly credentials: Credentials;
}

async function prepare(target: Target): Promise<Login> {
  const [known, credentials] = await Promise.all([
    knownHostKeys(target),
    readCredentials(target.user, target.credentials),
  ]);
  return { target, known, credentials };
}

/** Handshake, host key, log-in. */
function logIn({ target, known, credentials }: Login, socket: Socket | Duplex, clients: Client[]): Promise<Client> {
  const client = new Client();
  clients.push(client);
  let refusal: Error | undefined;
  let sawKey = false;
  const tried: string[] = [];
  const offered = new Set<string>();
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(refusal ?? classify(target, error, sawKey));
    // Stays for good: an error after log-in is followed by "close", which the session listens to.
    client.on("error", (error: Error & { level?: string }) => {
      // An agent that fails is one way less; ssh2 goes on with the next.
      if (error.level === "agent") return;
      if (error.level === "client-authentication" || /authentication fail/i.test(error.message)) {
        refusal ??= refusedLogin(target, tried, [...offered], credentials.unusable);
      }
      fail(error);
    });
    client.once("ready", () => {
      client.removeListener("close", onClose);
      resolve(client);
    });
    const onClose = () => fail(new Error("connection closed"));
    client.once("close", onClose);
    client.connect({
      sock: socket as Socket,
      username: target.user,
      readyTimeout: target.perDialTimeoutMs,
      // The pool has its own keep-alive: this one's timer would keep the process alive.
      keepaliveInterval: 0,
      algorithms: { serverHostKey: [...(target.hostKeyAlgorithms ?? hostKeyAlgorithms(known))] },
      hostVerifier: (key: Buffer) => {
        sawKey = true;
        const reason = refuseHostKey(target, known, key);
        if (reason === undefined) return true;
        const others = otherAlgorithms(target, key);
        const retry = known.fingerprints.length > 0 && others.length > 0;
        refusal = retry ? new OtherKeyError(target, others) : new ConnectionError(reason);
        return false;
      },
      authHandler: tryEach(credentials, tried, offered),
    });
  });
}

/** A fingerprint does not say which of the server's keys it is of, so the next one is asked for. */
class OtherKeyError extends Error {
  constructor(
    readonly hop: Target,
    readonly algorithms: readonly ServerHostKeyAlgorithm[],
  ) {
    super("another host key");
  }
  narrowed(target: Target): Target {
    if (target === this.hop) return { ...target, hostKeyAlgorithms: this.algorithms };
    return { ...target, hops: target.hops.map((hop) => this.narrowed(hop)) };
  }
}

function otherAlgorithms(target: Target, key: Buffer): ServerHostKeyAlgorithm[] {
  const seen = key.toString("latin1", 4, 4 + key.readUInt32BE(0));
  const asked = target.hostKeyAlgorithms ?? hostKeyAlgorithms({ keys: [], fingerprints: [] });
  return asked.filter((algorithm) => keyTypeOf(algorithm) !== seen);
}

function classify(target: Target, error: Error & { level?: string; code?: unknown }, sawKey: boolean): Error {
  if (error instanceof InputError || error instanceof ConnectionError) return error;
  if (error.level === "client-timeout") return new DialError(noAnswer(target), { cause: error });
  const broken = error.level === "client-socket" || /connection (?:lost|closed)|ECONNRESET|EPIPE/i.test(error.message);
  if (broken) {
    const reason = sawKey ? "connection closed while logging in" : "connection closed before sshd's greeting";
    return new DialError(reason, { cause: error });
  }
  if (/no matching .*host key/i.test(error.message) && target.hostKeyAlgorithms !== undefined) {
    return new ConnectionError(
      `no host key of ${target.label} has the fingerprint in connection.hostKey: somebody may be listening in, or the machine was made anew`,
      { cause: error },
    );
  }
  return new ConnectionError(`could not talk SSH to ${target.label}: ${error.message}`, { cause: error });
}

function refusedLogin(
  target: Target,
  tried: string[],
  offered: string[],
  unusable: readonly string[],
): ConnectionError {
  const lines = [`${target.label} refused the login`];
  lines.push(tried.length > 0 ? `  tried: ${tried.join(", ")}` : "  nothing to log in with was found");
  if (unusable.length > 0) lines.push(`  not usable: ${unusable.join("; ")}`);
  if (offered.length > 0) lines.push(`  the server accepts: ${offered.join(", ")}`);
  lines.push(
    "set privateKeyPath, agentSocketPath, privateKey or password in its connection, or let the key in there (~/.ssh/authorized_keys)",
    `if the key was changed since the last up, run "pulumi up --refresh=false" first: a refresh logs in as the last up did`,
    `or give the new one for this run: ${KEY_OVERRIDE}=~/.ssh/id_ed25519`,
  );
  return new ConnectionError(lines.join("\n"));
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "no answer",
  ENOTFOUND: "name not known",
  EAI_AGAIN: "name not resolved",
};

function explain(error: NodeJS.ErrnoException): string {
  // A name with several addresses fails with all their errors.
  const inner = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  const code = inner.code ?? error.code ?? "";
  return REASONS[code] ?? (inner.message || code);
}

function noAnswer(target: Target): string {
  return `no answer within ${target.perDialTimeoutMs / 1000} s`;
}

function startTimer(target: Target, action: () => void): NodeJS.Timeout | undefined {
  return target.perDialTimeoutMs > 0 ? setTimeout(action, target.perDialTimeoutMs) : undefined;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function ordinal(count: number): string {
  const teen = count % 100 > 10 && count % 100 < 14;
  return `${count}${teen ? "th" : (["th", "st", "nd", "rd"][count % 10] ?? "th")}`;
}
