/** Names of images in registries: the grammar of github.com/distribution/reference, with Docker's defaults. */
import { InputError } from "../errors";

/** Where an image is: `registry/repository:tag@digest`. */
export interface ImageReference {
  /** Host and, where it is not the usual one, port: `docker.io`, `registry.example:5000`. */
  readonly registry: string;
  /** `library/nginx` */
  readonly repository: string;
  /** `latest` where the text gives neither a tag nor a digest. */
  readonly tag?: string;
  /** `sha256:…` or `sha512:…`; it counts, a tag beside it is for people. */
  readonly digest?: string;
}

const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const registryForm = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::([0-9]+))?$`);
const componentForm = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const tagForm = /^\w[\w.-]{0,127}$/;
const hexLengths: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** The longest repository, in characters. */
const LONGEST = 255;

/** Names of Docker Hub that mean docker.io. */
export const hubNames: readonly string[] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/**
 * Reads an image reference. `nginx` means `docker.io/library/nginx:latest`.
 *
 * @throws InputError that names `path` and what is wrong.
 */
export function parseReference(text: string, path = ""): ImageReference {
  const refuse = (why: string): never => {
    throw new InputError(path, `must be an image reference, such as docker.io/library/nginx:1.27: ${why}`);
  };
  if (text === "") refuse("it is empty");
  if (/\s/.test(text)) refuse("it has a space in it");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) refuse(`leave out ${text.slice(0, text.indexOf("//") + 2)}`);
  if (/^[a-f0-9]{64}$/.test(text)) refuse("64 hexadecimal digits are an image's id, which no registry knows");

  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  const { registry, repository } = split(hasTag ? named.slice(0, colon) : named);

  const [matched, port] = registryForm.exec(registry) ?? [];
  if (matched === undefined) refuse(`"${registry}" is no name of a registry, such as registry.example:5000`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) refuse(`the port ${port} is not in 1-65535`);
  if (repository === "") refuse("the repository is missing");
  if (repository.length > LONGEST) refuse(`the repository has more than ${LONGEST} characters`);
  for (const component of repository.split("/")) if (!componentForm.test(component)) refuse(whyNot(component));
  if (tag !== undefined && !tagForm.test(tag))
    refuse(`the tag "${tag}" must be 1-128 letters, digits, "_", "." and "-", and begin with none of the last two`);
  if (digest !== undefined) {
    const problem = digestProblem(digest);
    if (problem !== undefined) refuse(problem);
  }
  return {
    registry,
    repository,
    ...(tag !== undefined ? { tag } : digest === undefined ? { tag: "latest" } : {}),
    ...(digest !== undefined && { digest }),
  };
}

/** The whole reference, nothing left to defaults: `docker.io/library/nginx:1.27`. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  const suffix = `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
  return `${registry}/${repository}${suffix}`;
}

/** Why a text is no digest, or undefined. */
export function digestProblem(text: string): string | undefined {
  const [, algorithm = "", hex = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  const length = Object.hasOwn(hexLengths, algorithm) ? hexLengths[algorithm] : undefined;
  if (length === undefined) return "its digest must be sha256: or sha512: and hexadecimal digits";
  if (hex.length !== length || !/^[a-f0-9]*$/.test(hex))
    return `a ${algorithm} digest has ${length} hexadecimal digits in lower case`;
  return undefined;
}

/** The first part is a registry when it can be nothing else: it has a dot, a port or a capital, or is localhost. */
function split(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  const isRegistry = slash >= 0 && (/[.:A-Z]/.test(first) || first === "localhost" || first === "");
  const registry = isRegistry ? first : "docker.io";
  const repository = isRegistry ? name.slice(slash + 1) : name;
  if (!hubNames.includes(registry)) return { registry, repository };
  return { registry: "docker.io", repository: repository.includes("/") ? repository : `library/${repository}` };
}

function whyNot(component: string): string {
  if (component === "") return 'a part between two "/" is empty';
  if (/[A-Z]/.test(component)) return `"${component}" must be in lower case`;
  return `"${component}" must be lower-case letters and digits, joined by one ".", one or two "_", or "-"`;
}
