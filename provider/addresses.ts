/** IPv4 addresses and ranges. */
import { isIPv4 } from "node:net";
import { type Field, parsed } from "./fields";

/** An IPv4 address, as an input. */
export const ipv4Address: Field = parsed((value) => {
  if (typeof value !== "string" || !isIPv4(value)) throw new Error("must be an IPv4 address");
});

/**
 * Checks a range such as `10.244.0.0/24`: a network address, with room for a gateway and pods.
 *
 * @throws Error for what is wrong with it.
 */
export function parseCidr(value: unknown): { readonly network: string; readonly prefix: number } {
  const [network = "", length = "", more] = typeof value === "string" ? value.split("/") : [];
  if (more !== undefined || !isIPv4(network) || !/^\d{1,2}$/.test(length))
    throw new Error("must be an IPv4 range such as 10.244.0.0/24");
  const prefix = Number(length);
  if (prefix < 8 || prefix > 30) throw new Error("must have a prefix length between 8 and 30");
  const bits = network.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  if (bits % 2 ** (32 - prefix) !== 0)
    throw new Error(`must be a network address: it has host bits set beyond /${prefix}`);
  return { network, prefix };
}
