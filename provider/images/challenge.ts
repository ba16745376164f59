/** Reads the WWW-Authenticate header of a 401 (RFC 9110, section 11.6.1). */

/** How a registry wants to be logged in to. */
export interface Challenge {
  readonly scheme: "bearer" | "basic";
  /** Names in lower case: `realm`, `service`, `scope`. */
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /[\w!#$%&'*+.^`|~-]+/y;
const parameter = /([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y;
const separator = /[\s,]*/y;

/** The challenge to answer: Bearer where it is offered, else Basic; undefined where there is neither. */
export function readChallenge(header: string | readonly string[] | undefined): Challenge | undefined {
  const text = typeof header === "string" ? header : (header ?? []).join(", ");
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const next = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    next(separator);
    const pair = found.length > 0 ? next(parameter) : null;
    const last = found.at(-1);
    if (pair !== null && last !== undefined) {
      last.parameters[(pair[1] ?? "").toLowerCase()] = pair[2]?.replace(/\\(.)/g, "$1") ?? pair[3] ?? "";
      continue;
    }
    const scheme = next(token);
    if (scheme === null) break;
    found.push({ scheme: scheme[0].toLowerCase(), parameters: {} });
  }
  for (const scheme of ["bearer", "basic"] as const) {
    const challenge = found.find((each) => each.scheme === scheme);
    if (challenge !== undefined) return { scheme, parameters: challenge.parameters };
  }
  return undefined;
}
