/**
 * The files that hold logins for registries: docker's config.json, podman's auth.json and Secrets of the type
 * kubernetes.io/dockerconfigjson. A key is matched as the kubelet does:
 * https://kubernetes.io/docs/concepts/containers/images/#config-json
 */
import { hubNames } from "./reference";

/** How to log in. */
export interface Credential {
  /** Where it comes from, for messages: `imagePullSecrets[0]`. */
  readonly origin: string;
  readonly username?: string;
  readonly password?: string;
  /** Exchanged for tokens instead of a password (OAuth 2 refresh token). */
  readonly identityToken?: string;
  /** Sent to the registry as it is. */
  readonly registryToken?: string;
}

/** What one file says. */
export interface DockerConfig {
  readonly auths: readonly { readonly key: string; readonly credential: Omit<Credential, "origin"> }[];
  /** Registry → the end of the name of a `docker-credential-…` program. */
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a file.
 *
 * @throws Error that says what is wrong, and quotes nothing of it.
 */
export function parseDockerConfig(text: string): DockerConfig {
  const config = object(parseJson(text));
  if (config === undefined) throw new Error("is not a JSON object");
  const auths = config["auths"] === undefined ? {} : object(config["auths"]);
  if (auths === undefined) throw new Error("auths must be an object of registries");
  const helpers = object(config["credHelpers"]) ?? {};
  return {
    auths: Object.entries(auths).flatMap(([key, entry]) => {
      const credential = credentialOf(key, object(entry) ?? {});
      return credential === undefined ? [] : [{ key, credential }];
    }),
    credHelpers: Object.fromEntries(
      Object.entries(helpers).filter((pair): pair is [string, string] => isText(pair[1])),
    ),
    credsStore: optionalText(config["credsStore"]),
  };
}

/** The entries for a repository, the most telling key first. */
export function matching<Entry extends { readonly key: string }>(
  entries: readonly Entry[],
  registry: string,
  repository: string,
): Entry[] {
  const found = entries.filter(({ key }) => matches(key, registry, repository));
  const exact = ({ key }: Entry) => (/[*?[]/.test(key) ? 0 : 1);
  return found.sort((a, b) => split(b.key).path.length - split(a.key).path.length || exact(b) - exact(a));
}

/** Whether a key stands for a repository: `host`, `host:port`, `host/path`, `*.host`, `https://index.docker.io/v1/`. */
export function matches(key: string, registry: string, repository: string): boolean {
  const wanted = split(registry);
  const { host, port, path } = split(key);
  if (port !== wanted.port || !repository.startsWith(path)) return false;
  const [patterns, labels] = [host.split("."), wanted.host.split(".")];
  return patterns.length === labels.length && patterns.every((pattern, i) => globMatches(pattern, labels[i] ?? ""));
}

/** The key's path is a prefix of the repository: Kubernetes does not ask that it ends at a slash. */
function split(key: string): { host: string; port: string; path: string } {
  const [, address = "", rest = ""] = /^(?:https?:\/\/)?([^/]*)\/?(.*)$/s.exec(key) ?? [];
  const [, host = "", port = ""] = /^(\[.*\]|[^:]*)(?::(.*))?$/s.exec(address.toLowerCase()) ?? [];
  const path = rest.replace(/^v[12](?:\/|$)/, "").replace(/\/+$/, "");
  return { host: hubNames.includes(host) ? "docker.io" : host, port, path };
}

/** `*`, `?` and `[a-z]` within one part of a name. */
function globMatches(pattern: string, label: string): boolean {
  if (!/[*?[]/.test(pattern)) return pattern === label;
  if (pattern.startsWith("[") && pattern.includes(":")) return pattern === label;
  const source = pattern.replace(/\[[^\]]*\]|[\s\S]/g, (part) => {
    if (part === "*") return ".*";
    if (part === "?") return ".";
    return part.length > 1 ? part.replaceAll("\\", "\\\\") : part.replace(/[^\w-]/g, "\\$&");
  });
  try {
    return new RegExp(`^${source}$`).test(label);
  } catch {
    return false;
  }
}

function credentialOf(key: string, entry: Json): Omit<Credential, "origin"> | undefined {
  const [identityToken, registryToken] = [optionalText(entry["identitytoken"]), optionalText(entry["registrytoken"])];
  const tokens = { ...(identityToken && { identityToken }), ...(registryToken && { registryToken }) };
  const auth = optionalText(entry["auth"]);
  if (auth !== undefined) {
    const decoded = Buffer.from(auth, "base64").toString("utf8");
    const colon = decoded.indexOf(":");
    if (colon < 0) throw new Error(`auths[${JSON.stringify(key)}].auth must be base64 of name:password`);
    // docker pads passwords with NUL bytes.
    return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, ""), ...tokens };
  }
  const [username, password] = [optionalText(entry["username"]), optionalText(entry["password"])];
  if (username !== undefined && password !== undefined) return { username, password, ...tokens };
  return identityToken || registryToken ? { ...(username && { username }), ...tokens } : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and with it what is secret.
    throw new Error("is not JSON");
  }
}

function object(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function optionalText(value: unknown): string | undefined {
  return isText(value) ? value : undefined;
}
