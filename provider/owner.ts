/**
 * An owner's full name is `nonce/first URN`: on the node, in messages, and as the source of generated names. State holds
 * the nonce alone as long as the first URN is the `resourceUrn` beside it, which is so until a resource is renamed; each
 * byte of state is written some hundred times in an `up` of many resources.
 */
import { isUnknown } from "./fields";
import { absentText } from "./frame";
import { digest } from "./naming";

interface Owned {
  readonly owner: string;
  readonly resourceUrn?: string | undefined;
}

/** The owner's full name, whichever way state holds it; unknown as long as its node is. */
export function ownerName({ owner, resourceUrn }: Owned): string {
  // Inputs that are not checked yet may hold anything.
  const isNonce = typeof owner === "string" && !isUnknown(owner) && !owner.includes("/");
  return isNonce && resourceUrn !== undefined ? `${owner}/${resourceUrn}` : owner;
}

/** What `owner` becomes in the new inputs: the name that it has had from the first, however the resource is called now. */
export function stickyOwner(olds: Partial<Owned>, news: Owned): string {
  if (olds.owner === undefined) return news.owner;
  return olds.resourceUrn === news.resourceUrn ? olds.owner : ownerName(olds as Owned);
}

/** An observation's text as state keeps it: the line of the owner's own claim without what its name tells anyhow. */
export function packed(text: string, owner: string): string {
  const begin = `owner ${digest(owner)} `;
  const end = ` ${owner}`;
  const short = onClaims(text, (line) =>
    line.startsWith(begin) && line.endsWith(end) ? `${own}${line.slice(begin.length, -end.length)}` : line,
  );
  // What would not come back as it was is not kept.
  return unpacked(short, owner) === text ? short : absentText;
}

/** The text again, whole. One that an earlier release kept is whole already. */
export function unpacked(text: string, owner: string): string {
  return onClaims(text, (line) =>
    line.startsWith(own) ? `owner ${digest(owner)} ${line.slice(own.length)} ${owner}` : line,
  );
}

/** In place of `owner` and the digest of the name. */
const own = "owner . ";

function onClaims(text: string, change: (line: string) => string): string {
  const [claims = ""] = /^(?:owner .*\n)*/.exec(text) ?? [];
  return `${claims.replace(/.+/g, change)}${text.slice(claims.length)}`;
}
