/** Addresses and networks as the kernel writes them. */
import { isIPv4, isIPv6 } from "node:net";

/**
 * `10.1.2.3` becomes `10.1.2.3/32`, `10.1.2.3/8` becomes `10.0.0.0/8`, `FE80:0::1` becomes `fe80::1/128`; undefined when it
 * is none of the family.
 *
 * @internal
 */
export function canonicalNetwork(value: string, family: "ipv4" | "ipv6"): string | undefined {
  const [address = "", length, more] = value.split("/");
  const bits = family === "ipv4" ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (more !== undefined || !Number.isInteger(prefix) || prefix > bits) return undefined;
  if (family === "ipv4" ? !isIPv4(address) : !isIPv6(address) || address.includes("%")) return undefined;
  const width = family === "ipv4" ? 8 : 16;
  const parts = family === "ipv4" ? address.split(".").map(Number) : groupsOf(address);
  const masked = parts.map((part, index) => {
    const kept = Math.min(width, Math.max(0, prefix - index * width));
    return part & ~(2 ** (width - kept) - 1);
  });
  return `${family === "ipv4" ? masked.join(".") : printedGroups(masked)}/${prefix}`;
}

/** As inet_ntop(3) prints it: the last four bytes of an embedded IPv4 address with dots. */
function printedGroups(groups: readonly number[]): string {
  const head = groups.slice(0, 6).join(",");
  const [high = 0, low = 0] = groups.slice(6);
  const dotted = `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  if (head === "0,0,0,0,0,0" && high !== 0) return `::${dotted}`;
  if (head === "0,0,0,0,0,65535") return `::ffff:${dotted}`;
  return compressed(groups.map((group) => group.toString(16)).join(":"));
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = compressed(address).split("::");
  const numbers = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const first = numbers(head);
  const last = numbers(tail ?? "");
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}

/** The shortest form of an IPv6 address (RFC 5952). */
function compressed(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
