/** Where the images of a registry are asked for: its mirrors in their order, then itself. */
import { InputError } from "../errors";
import type { ImageReference } from "./reference";

/** How registries are reached. */
export interface RegistrySettings {
  /**
   * Endpoints that are asked first, in order, by registry: `{ "docker.io": ["mirror.example", "http://10.0.0.5:5000"] }`.
   * A path becomes the beginning of the repository's name: `harbor.example/hub` is asked for `hub/library/nginx`.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Registries (and mirrors without a scheme) that are spoken to without TLS: `registry.example:5000`. */
  readonly plainHttp?: readonly string[];
  /** Texts of `kubernetes.io/dockerconfigjson` Secrets; their logins are tried before the operator's own. */
  readonly pullSecrets?: readonly string[];
}

/** One place to ask. */
export interface Endpoint {
  /** Scheme, host and port. */
  readonly url: URL;
  /** As logins name it: `docker.io`, `registry.example:5000`. */
  readonly host: string;
  /** The repository's name there. */
  readonly repository: string;
  readonly mirror: boolean;
  /** Asked only where the one before it has no TLS: plain HTTP on this machine, as docker does it. */
  readonly fallback: boolean;
}

/** Docker Hub's API has another name than its images. */
const apiHosts: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** The endpoints for an image, in the order in which they are asked. */
export function endpointsFor({ registry, repository }: ImageReference, settings: RegistrySettings): Endpoint[] {
  const mirrors = Object.hasOwn(settings.mirrors ?? {}, registry) ? (settings.mirrors?.[registry] ?? []) : [];
  const parsed = mirrors.map((text, i) => parseMirror(text, `mirrors[${JSON.stringify(registry)}][${i}]`));
  return [
    ...parsed.flatMap(({ scheme, host, prefix }) =>
      at(host, `${prefix}${repository}`, true, scheme ?? schemeFor(host, settings)),
    ),
    ...at(registry, repository, false, schemeFor(registry, settings)),
  ];
}

/**
 * Reads a mirror's endpoint.
 *
 * @throws InputError that names `path`.
 */
export function parseMirror(text: string, path: string): { scheme?: "http" | "https"; host: string; prefix: string } {
  const [, scheme, host = "", rest = ""] = /^(?:(https?):\/\/)?([^/]+)\/?(.*?)\/?$/s.exec(text) ?? [];
  const url = `https://${host}`;
  const plain = URL.canParse(url) && !/[\s@?#\\%]/.test(text) && !/(^|\/)(\.{0,2})(\/|$)/.test(rest || "x");
  if (!plain || new URL(url).hostname === "")
    throw new InputError(path, "must be like mirror.example, mirror.example:5000/prefix or http://mirror.example:5000");
  // "https://host/v2/prefix" is how some servers write their address.
  const prefix = rest.replace(/^v2(?:\/|$)/, "");
  return {
    ...(scheme === "http" || scheme === "https" ? { scheme } : {}),
    host,
    prefix: prefix === "" ? "" : `${prefix}/`,
  };
}

function schemeFor(host: string, { plainHttp = [] }: RegistrySettings): "http" | undefined {
  return plainHttp.includes(host) ? "http" : undefined;
}

function at(host: string, repository: string, mirror: boolean, scheme: "http" | "https" | undefined): Endpoint[] {
  const url = new URL(`${scheme ?? "https"}://${apiHosts[host] ?? host}`);
  const endpoint = { url, host, repository, mirror, fallback: false };
  if (scheme !== undefined || !isLoopback(url.hostname)) return [endpoint];
  return [endpoint, { ...endpoint, url: new URL(`http://${host}`), fallback: true }];
}

/** `localhost`, 127.0.0.0/8 and ::1: never behind a proxy, and docker speaks plain HTTP with them. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|.*\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i.test(hostname);
}
