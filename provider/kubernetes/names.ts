/** Kubernetes' rules for names (apimachinery pkg/util/validation). Each returns the broken rule, or undefined. */

/** A check of a text. */
export type Rule = (text: string) => string | undefined;

function rule(pattern: RegExp, max: number, text: string): Rule {
  return (value) => {
    if (value.length > max) return `must be at most ${max} characters long`;
    return pattern.test(value) ? undefined : text;
  };
}

const LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?";
const NAME = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)$/;

/** RFC 1123 label: containers, volumes, namespaces, host names. */
export const dnsLabel = rule(
  new RegExp(`^${LABEL}$`),
  63,
  "must be a DNS label: a-z, 0-9 and -, beginning and ending with a letter or digit",
);

/** RFC 1123 subdomain: pods. */
export const dnsSubdomain = rule(
  new RegExp(`^${LABEL}(?:\\.${LABEL})*$`),
  253,
  "must be a DNS subdomain: a-z, 0-9, - and ., each part beginning and ending with a letter or digit",
);

/** A service name as IANA assigns them: ports. */
export const portName: Rule = (value) =>
  /^[a-z0-9-]{1,15}$/.test(value) && /[a-z]/.test(value) && !/^-|-$|--/.test(value)
    ? undefined
    : "must be a port name: at most 15 of a-z, 0-9 and single -, not at the ends, with at least one letter";

/** Keys of labels and annotations: an optional DNS subdomain and `/`, then a name. */
export const qualifiedName: Rule = (value) => {
  const [prefix, name] = value.includes("/") ? splitOnce(value) : [undefined, value];
  if (prefix !== undefined && dnsSubdomain(prefix)) return "the part before / must be a DNS subdomain";
  if (name.length <= 63 && NAME.test(name)) return undefined;
  return "must be a qualified name: at most 63 of letters, digits, -, _ and ., beginning and ending with a letter or digit";
};

function splitOnce(value: string): [string, string] {
  const at = value.indexOf("/");
  return [value.slice(0, at), value.slice(at + 1)];
}

/** Values of labels. */
export const labelValue: Rule = (value) =>
  value === "" || (value.length <= 63 && NAME.test(value))
    ? undefined
    : "must be empty or at most 63 of letters, digits, -, _ and ., beginning and ending with a letter or digit";

/** Names of environment variables, as Kubernetes has them since 1.30. */
export const envName: Rule = (value) =>
  /^[ -<>-~]+$/.test(value) ? undefined : "must be printable ASCII characters other than =, at least one";
