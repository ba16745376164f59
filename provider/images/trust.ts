/**
 * Which certificate authorities a registry's certificate may come from: those that Node.js brings and NODE_EXTRA_CA_CERTS,
 * the system's (SSL_CERT_FILE, else the usual bundle), and what docker and podman keep for this registry in `certs.d`.
 */
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { EndpointFailure } from "./endpoint-failure";

/** Where distributions keep the bundle of the system's authorities; the first one there counts. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * The trust in a registry.
 *
 * @param host - Host and port, as `certs.d` names its folders.
 * @throws EndpointFailure where a file that the environment names cannot be read.
 */
export async function trustFor(host: string): Promise<SecureContext> {
  const given = await Promise.all(["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"].map(fromVariable));
  const system = process.env["SSL_CERT_FILE"] ? [] : await firstOf(bundles);
  const own = await Promise.all(registryFolders(host).map(certificatesIn));
  const ca = [...rootCertificates, ...given.flat(), ...system, ...own.flat()];
  try {
    return createSecureContext({ ca });
  } catch {
    throw new EndpointFailure("a file of certificate authorities has no certificates in it", {
      next: `look at SSL_CERT_FILE, NODE_EXTRA_CA_CERTS and ${registryFolders(host)[0]}/*.crt`,
    });
  }
}

/** Where docker and podman keep the authorities of one registry. */
function registryFolders(host: string): string[] {
  const config = process.env["XDG_CONFIG_HOME"] || join(homedir(), ".config");
  const parents = ["/etc/docker", "/etc/containers", join(homedir(), ".docker"), join(config, "containers")];
  return parents.map((parent) => join(parent, "certs.d", host));
}

async function fromVariable(name: string): Promise<string[]> {
  const file = process.env[name];
  if (!file) return [];
  try {
    return [await readFile(file, "utf8")];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new EndpointFailure(`${name} names ${file}, which cannot be read: ${code}`);
  }
}

async function firstOf(files: readonly string[]): Promise<string[]> {
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text !== undefined) return [text];
  }
  return [];
}

async function certificatesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const wanted = names.filter((name) => name.endsWith(".crt"));
  const texts = wanted.map((name) => readFile(join(folder, name), "utf8").catch(() => undefined));
  return (await Promise.all(texts)).filter((text) => text !== undefined);
}
