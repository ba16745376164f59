/** Decides whether the machine that answers is the one that was meant. */
import { createHash } from "node:crypto";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { InputError } from "../errors";
import { type KnownKey, readKnownKeys } from "./known-hosts";
import type { Target } from "./target";

/** What is known of a host's keys. */
export interface HostKeys {
  readonly keys: readonly KnownKey[];
  /** Fingerprints that were given instead of keys; which algorithm they belong to is unknown. */
  readonly fingerprints: readonly string[];
  /** Known for the same host on port 22: will do, but another key is no proof of anything. */
  readonly elsewhere?: readonly KnownKey[];
}

const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
  "ssh-rsa",
];

/** Reads what is known of a target's keys, when it is about to be connected. */
export async function knownHostKeys(target: Target): Promise<HostKeys> {
  if (target.insecureIgnoreHostKey) return { keys: [], fingerprints: [] };
  if (target.hostKey !== undefined) return parseHostKey(target.hostKey);
  const keys = await readKnownKeys(target.knownHostsFiles, target.knownAs);
  const plain = /^\[(.+)\]:\d+$/.exec(target.knownAs)?.[1];
  const elsewhere = plain === undefined ? [] : await readKnownKeys(target.knownHostsFiles, plain);
  return { keys, fingerprints: [], elsewhere };
}

/**
 * Takes apart what stands in `hostKey`: lines of a `.pub` file or of known_hosts, or fingerprints.
 *
 * @throws InputError when a line is neither.
 */
export function parseHostKey(text: string): HostKeys {
  const keys: KnownKey[] = [];
  const fingerprints: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const match = /(?:^|\s)((?:ssh|ecdsa|sk)-[\w@.-]+)\s+([A-Za-z0-9+/]{32,}={0,2})(?:\s|$)/.exec(line);
    const fingerprint = /\bSHA256:[A-Za-z0-9+/]{43}/.exec(line)?.[0];
    if (match?.[1] !== undefined && match[2] !== undefined) {
      keys.push({ type: match[1], key: match[2], revoked: false, source: "connection.hostKey" });
    } else if (fingerprint !== undefined) fingerprints.push(fingerprint);
    else throw new InputError("connection.hostKey", `line ${index + 1} must be like "ssh-ed25519 AAAA…" or "SHA256:…"`);
  }
  return { keys, fingerprints };
}

/** The algorithms to offer: those of known keys first, or a server with several keys would show one that is not known. */
export function hostKeyAlgorithms({ keys, elsewhere = [] }: HostKeys): ServerHostKeyAlgorithm[] {
  const known = new Set([...keys, ...elsewhere].filter((key) => !key.revoked).map((key) => key.type));
  const isKnown = (algorithm: string) => known.has(keyTypeOf(algorithm));
  return [...ALGORITHMS.filter(isKnown), ...ALGORITHMS.filter((algorithm) => !isKnown(algorithm))];
}

/** The type of the key that an algorithm signs with. */
export function keyTypeOf(algorithm: string): string {
  return algorithm.startsWith("rsa-sha2-") ? "ssh-rsa" : algorithm;
}

/** Nothing when the key is the right one; otherwise the text of the refusal. */
export function refuseHostKey(target: Target, known: HostKeys, offered: Buffer): string | undefined {
  if (target.insecureIgnoreHostKey) return undefined;
  const key = offered.toString("base64");
  const type = keyType(offered);
  const print = fingerprint(offered);
  const line = `${type} ${key}`;
  const same = [...known.keys, ...(known.elsewhere ?? [])].filter((each) => each.key === key);
  const revoked = same.find((each) => each.revoked);
  if (revoked !== undefined) {
    return `${target.label} shows a host key that ${revoked.source} revokes: ${type} ${print}\ndo not connect; find out who answers at that address`;
  }
  if (same.length > 0 || known.fingerprints.includes(print)) return undefined;
  const expected = [
    ...known.keys.filter((each) => !each.revoked).map((each) => describeKnown(each)),
    ...known.fingerprints.map((each) => `${each} (connection.hostKey)`),
  ];
  const proof = `ssh-keygen -lf /etc/ssh/${hostKeyFile(type)} on its console`;
  if (expected.length > 0) {
    return [
      `the host key of ${target.label} has changed: somebody may be listening in, or the machine was made anew`,
      ...expected.map((each) => `  expected ${each}`),
      `  offered  ${type} ${print}`,
      `  ${line}`,
      `if the machine itself says so too (${proof}), put the new key where the old one stands`,
      'then run "pulumi up --refresh=false" first: a refresh expects the key of the last up',
    ].join("\n");
  }
  return [
    `the host key of ${target.label} is not known`,
    `  ${type} ${print}`,
    `compare with the machine's own (${proof}), then set hostKey in its connection:`,
    `  hostKey: "${line}"`,
    `or add this line to ${target.knownHostsFiles[0] ?? "~/.ssh/known_hosts"}:`,
    `  ${target.knownAs} ${line}`,
  ].join("\n");
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** A public key begins with the length and the name of its type. */
function keyType(key: Buffer): string {
  return key.length < 4 ? "unknown" : key.toString("latin1", 4, 4 + key.readUInt32BE(0));
}

function describeKnown(known: KnownKey): string {
  return `${known.type} ${fingerprint(Buffer.from(known.key, "base64"))} (${known.source})`;
}

function hostKeyFile(type: string): string {
  if (type.startsWith("ecdsa-")) return "ssh_host_ecdsa_key.pub";
  return type === "ssh-rsa" ? "ssh_host_rsa_key.pub" : "ssh_host_ed25519_key.pub";
}
