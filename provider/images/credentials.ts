/** Finds the logins for a repository: imagePullSecrets first, then what the operator's docker and podman know. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { InputError, messageOf } from "../errors";
import { askCredentialHelper } from "./credential-helper";
import { type Credential, type DockerConfig, matches, matching, parseDockerConfig } from "./docker-config";

/** What was found. */
export interface CredentialSearch {
  /** To be tried in this order. */
  readonly credentials: readonly Credential[];
  /** What could not be read or asked, for the message when no login works. */
  readonly problems: readonly string[];
}

/** The name under which docker's helpers know Docker Hub. */
const HUB = "https://index.docker.io/v1/";

/**
 * The logins for a repository of a registry.
 *
 * @param pullSecrets - Texts of `kubernetes.io/dockerconfigjson` Secrets, in the order of `imagePullSecrets`.
 * @throws InputError for a pull secret that cannot be read. The operator's own files only become `problems`.
 */
export async function findCredentials(
  registry: string,
  repository: string,
  pullSecrets: readonly string[] = [],
): Promise<CredentialSearch> {
  const credentials = pullSecrets.flatMap((text, index) =>
    fromFile(parsePullSecret(text, `imagePullSecrets[${index}]`), registry, repository, `imagePullSecrets[${index}]`),
  );
  const problems: string[] = [];
  for (const file of operatorFiles()) {
    try {
      const config = await read(file);
      if (config === undefined) continue;
      const helper = helperFor(config, registry, repository);
      if (helper !== undefined) {
        const kept = await askCredentialHelper(helper, registry === "docker.io" ? HUB : registry);
        if (kept !== undefined) credentials.push(kept);
      }
      credentials.push(...fromFile(config, registry, repository, file));
    } catch (error) {
      problems.push(`${file}: ${messageOf(error)}`);
    }
  }
  return { credentials, problems };
}

/**
 * Reads the text of a pull secret (its `.dockerconfigjson`).
 *
 * @throws InputError that names `path`.
 */
function parsePullSecret(text: string, path: string): DockerConfig {
  try {
    return parseDockerConfig(text);
  } catch (error) {
    throw new InputError(path, `must be the text of a kubernetes.io/dockerconfigjson Secret: it ${messageOf(error)}`);
  }
}

function fromFile(config: DockerConfig, registry: string, repository: string, origin: string): Credential[] {
  return matching(config.auths, registry, repository).map(({ credential }) => ({ ...credential, origin }));
}

function helperFor(config: DockerConfig, registry: string, repository: string): string | undefined {
  const key = Object.keys(config.credHelpers).find((each) => matches(each, registry, repository));
  return (key === undefined ? undefined : config.credHelpers[key]) ?? config.credsStore;
}

/** Docker's file, then podman's, as each looks for its own. */
function operatorFiles(): string[] {
  const variable = (name: string) => process.env[name] || undefined;
  const docker = join(variable("DOCKER_CONFIG") ?? join(homedir(), ".docker"), "config.json");
  const named = variable("REGISTRY_AUTH_FILE");
  if (named !== undefined) return [docker, named];
  const uid = process.getuid?.();
  const runtime = variable("XDG_RUNTIME_DIR") ?? (uid === undefined ? undefined : `/run/containers/${uid}`);
  const lasting = join(variable("XDG_CONFIG_HOME") ?? join(homedir(), ".config"), "containers", "auth.json");
  return [docker, ...(runtime === undefined ? [] : [join(runtime, "containers", "auth.json")]), lasting];
}

async function read(file: string): Promise<DockerConfig | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new Error(`cannot be read: ${code}`);
  }
  return parseDockerConfig(text);
}
