/** One session per node and process, shared by every resource. */
import { createHash } from "node:crypto";
import type { Connection } from "./connection-args";
import type { Session } from "./request";
import { NodeSession } from "./session";

export type { Connection } from "./connection-args";
export type { Reply, Request, Runner, Session } from "./request";

interface Entry {
  /** Of the connection that it was made for; the connection itself is not kept. */
  readonly fingerprint: string;
  readonly session: Promise<NodeSession>;
}

const sessions = new Map<string, Entry>();
const remembered = new Map<string, Connection>();

/**
 * Notes the newest connection of a node. From then on {@link openSession} takes it for every call of that node: a delete
 * arrives with the one that its state was written with, which a rotated key has made useless.
 */
export function rememberConnection(node: string, connection: Connection): void {
  remembered.set(node, connection);
}

/**
 * The pooled session of a node, connected. Concurrent calls share one dial; a different connection for the same node
 * replaces the session for later calls, and the old one closes when its last request has ended.
 *
 * @param node - the node's name, the key of the pool.
 * @param options - `onWait` hears why connecting takes long: `waiting for sshd on root@192.0.2.10:22 (3rd try, connection refused)`.
 * @throws ConnectionError when the node cannot be reached or refuses; InputError when the connection is malformed.
 */
export async function openSession(
  node: string,
  connection: Connection,
  options: { onWait?(message: string): void } = {},
): Promise<Session> {
  const wanted = remembered.get(node) ?? connection;
  const key = fingerprintOf(wanted);
  let entry = sessions.get(node);
  if (entry?.fingerprint !== key) {
    if (entry !== undefined) void retire(entry);
    entry = { fingerprint: key, session: NodeSession.make(node, wanted) };
    sessions.set(node, entry);
  }
  try {
    const session = await entry.session;
    await session.connect(options.onWait?.bind(options));
    return session;
  } catch (error) {
    if (sessions.get(node) === entry) giveUp(node, entry, error);
    throw error;
  }
}

/** A key may be repaired, a machine started: the next call reads everything anew, unless it would only be forgotten. */
function giveUp(node: string, { fingerprint }: Entry, error: unknown): void {
  sessions.delete(node);
  // Minutes of attempts for each thing that was on a node that is gone.
  if (process.env["BAREPOD_UNREACHABLE"] !== "forget") return;
  const session = Promise.reject<NodeSession>(error);
  session.catch(() => {});
  sessions.set(node, { fingerprint, session });
}

/** Closes every session once its requests have ended, and forgets all connections. */
export async function closeAllSessions(): Promise<void> {
  const entries = [...sessions.values()];
  sessions.clear();
  remembered.clear();
  await Promise.all(entries.map(retire));
}

async function retire({ session }: Entry): Promise<void> {
  try {
    await (await session).close();
  } catch {
    // It never opened: whoever asked for it has heard of that.
  }
}

function fingerprintOf(connection: Connection): string {
  const text = JSON.stringify(connection, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash("sha256").update(text).digest("base64");
}
