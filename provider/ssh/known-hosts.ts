/**
 * Reads `known_hosts` as sshd(8) describes it: hashed names, `[host]:port`, patterns, `@revoked`. `@cert-authority` lines
 * are left out, because ssh2 does not speak host certificates.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";

/** A key that some file or the connection gives for a host. */
export interface KnownKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, … */
  readonly type: string;
  /** The key itself, base64. */
  readonly key: string;
  readonly revoked: boolean;
  /** Where it stands, for messages: `~/.ssh/known_hosts:12`. */
  readonly source: string;
}

/** The keys that stand in `text` for a host, by its {@link knownName}. */
export function keysIn(text: string, name: string, source: string): KnownKey[] {
  const keys: KnownKey[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const fields = line.trim().split(/[ \t]+/);
    const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
    const [names, type, key] = fields;
    if (names === undefined || names === "" || names.startsWith("#") || type === undefined || key === undefined)
      continue;
    if (marker !== undefined && marker !== "@revoked") continue;
    if (matches(names, name))
      keys.push({ type, key, revoked: marker === "@revoked", source: `${source}:${index + 1}` });
  }
  return keys;
}

/** The keys that several files give for a host; files that are not there are as good as empty. */
export async function readKnownKeys(files: readonly string[], name: string): Promise<KnownKey[]> {
  const found = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (["ENOENT", "ENOTDIR", "EACCES", "EPERM"].includes(error.code ?? "")) return "";
        throw error;
      });
      return keysIn(text, name, file);
    }),
  );
  return found.flat();
}

/** How a host is called in known_hosts. */
export function knownName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

function matches(names: string, name: string): boolean {
  if (names.startsWith("|")) return matchesHash(names, name);
  let matched = false;
  for (const entry of names.toLowerCase().split(",")) {
    const negated = entry.startsWith("!");
    if (!matchesPattern(negated ? entry.slice(1) : entry, name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** `|1|salt|HMAC-SHA1(salt, name)`, what `ssh-keygen -H` makes. */
function matchesHash(entry: string, name: string): boolean {
  const [, version, salt, hash] = entry.split("|");
  if (version !== "1" || salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, "base64");
  const actual = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** `*` and `?` are wildcards; brackets are not. */
function matchesPattern(pattern: string, name: string): boolean {
  if (!/[*?]/.test(pattern)) return pattern === name;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`).test(name);
}
