/**
 * The network of all sandboxes: one bridge with the gateway's address, one veth for each sandbox.
 *
 *   this machine                    sandbox
 *   bpsandbox0 10.79.0.1/24
 *     └ bps1a2b3c4d ─────────────── eth0 10.79.0.2/24, default via 10.79.0.1
 *
 * Nothing is masqueraded and nothing forwarded: the machine's firewall and its sysctls stay as they are.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { InputError } from "../../provider/errors";
import { must, run } from "../run";
import { listSandboxes } from "./state";

/** The one bridge. */
export const bridge = "bpsandbox0";

/** An IPv4 network. */
export interface Subnet {
  /** As it is written, `10.79.0.0/24`. */
  readonly text: string;
  readonly first: number;
  readonly prefixLength: number;
}

/** The subnet that the environment asks for, or the default one. */
export function wantedSubnet(text = process.env["BAREPOD_SANDBOX_SUBNET"] || "10.79.0.0/24"): Subnet {
  const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(text);
  const prefixLength = Number(match?.[2]);
  const first = parseAddress(match?.[1] ?? "");
  if (first === undefined || !(prefixLength >= 8 && prefixLength <= 29) || first % 2 ** (32 - prefixLength) !== 0) {
    throw new InputError(
      "BAREPOD_SANDBOX_SUBNET",
      `"${text}" must be an IPv4 network of 8 to 29 bits, for example 10.79.0.0/24`,
    );
  }
  return { text, first, prefixLength };
}

/** The address of the bridge. */
export function gatewayOf(subnet: Subnet): string {
  return formatAddress(subnet.first + 1);
}

/** The lowest address that no sandbox has. Call it under the lock. */
export function freeAddress(subnet: Subnet): string {
  const taken = new Set(listSandboxes().map((sandbox) => sandbox.address));
  const last = subnet.first + 2 ** (32 - subnet.prefixLength) - 2;
  for (let address = subnet.first + 2; address <= last; address++) {
    if (!taken.has(formatAddress(address))) return formatAddress(address);
  }
  throw new InputError(
    "",
    `all addresses of ${subnet.text} are taken by the ${taken.size} sandboxes there are\nDelete one (barepod sandbox list), or set BAREPOD_SANDBOX_SUBNET to a larger network once all are deleted`,
  );
}

/** Makes the bridge unless it is there. Call it under the lock. */
export async function ensureBridge(subnet: Subnet): Promise<void> {
  const gateway = gatewayOf(subnet);
  const present = await bridgeAddress();
  if (present === `${gateway}/${subnet.prefixLength}`) return;
  if (present !== undefined && listSandboxes().length > 0) {
    throw new InputError(
      "",
      `the sandboxes of this machine are on ${present}, not on ${subnet.text}\nUnset BAREPOD_SANDBOX_SUBNET, or delete them first: barepod sandbox delete --all`,
    );
  }
  if (present !== undefined) await removeBridge();
  const clash = overlappingRoute(
    subnet,
    await must("could not list routes", ["ip", "-j", "-4", "route", "show", "table", "all"]),
  );
  if (clash !== undefined) {
    throw new InputError(
      "",
      `the sandboxes' network ${subnet.text} is in use on this machine already: route to ${clash}\nChoose a free one, for example: BAREPOD_SANDBOX_SUBNET=10.211.0.0/24`,
    );
  }
  await must("could not make the sandboxes' bridge", ["ip", "-batch", "-"], {
    stdin: [
      // A fixed address: otherwise the bridge takes that of its lowest port, and changes it under everybody's ARP entries.
      `link add ${bridge} address ${macOf(gateway)} type bridge`,
      `address add ${gateway}/${subnet.prefixLength} dev ${bridge}`,
      `link set ${bridge} up`,
      "",
    ].join("\n"),
  });
}

/** Removes the bridge; absent: nothing. Call it under the lock. */
export async function removeBridge(): Promise<void> {
  await removeLink(bridge);
}

/** The name of the veth end on this machine: deterministic, at most 15 bytes. */
export function linkOf(name: string): string {
  return `bps${createHash("sha256").update(name).digest("hex").slice(0, 10)}`;
}

/** Gives the network namespace of a process its eth0. */
export async function attach(
  link: string,
  pid: number,
  address: string,
  prefixLength: number,
  gateway: string,
): Promise<void> {
  await must("could not make the sandbox's link", ["ip", "-batch", "-"], {
    stdin: [
      `link add ${link} type veth peer name eth0 address ${macOf(address)} netns ${pid}`,
      `link set ${link} master ${bridge} up`,
      "",
    ].join("\n"),
  });
  await must("could not configure the sandbox's eth0", [
    ...["nsenter", "--target", `${pid}`, "--net"],
    ...["sh", path.join(__dirname, "eth0.sh"), `${address}/${prefixLength}`, gateway],
  ]);
}

/** Removes a link; absent: nothing. */
export async function removeLink(link: string): Promise<void> {
  if (link === "" || (await run(["ip", "link", "show", link])).exitCode !== 0) return;
  const removed = await run(["ip", "link", "delete", link]);
  // It goes by itself when the last process of its namespace ends: then there is nothing left to delete.
  if (removed.exitCode !== 0 && (await run(["ip", "link", "show", link])).exitCode === 0) {
    await must(`could not delete the link ${link}`, ["ip", "link", "delete", link]);
  }
}

/** The destination of a route, among `ip -j route`, that shares addresses with the subnet. */
export function overlappingRoute(subnet: Subnet, routes: string): string | undefined {
  const size = 2 ** (32 - subnet.prefixLength);
  for (const route of JSON.parse(routes === "" ? "[]" : routes) as { dst: string; dev?: string }[]) {
    const [text = "", bits = "32"] = route.dst.split("/");
    const first = parseAddress(text);
    if (first === undefined || bits === "0" || route.dev === bridge) continue;
    if (first < subnet.first + size && subnet.first < first + 2 ** (32 - Number(bits))) {
      return route.dev === undefined ? route.dst : `${route.dst} dev ${route.dev}`;
    }
  }
  return undefined;
}

/** Whether this machine's forwarding rules apply to frames that a bridge only passes on, as Docker has it. */
export async function filtersBridge(): Promise<boolean> {
  const file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
  if (!existsSync(file) || readFileSync(file, "utf8").trim() !== "1") return false;
  // Without iptables there are none of its rules.
  const saved = await run(["iptables-save", "-t", "filter"]).catch(() => undefined);
  return /^(:FORWARD DROP|-A FORWARD) /m.test(saved?.stdout ?? "");
}

async function bridgeAddress(): Promise<string | undefined> {
  const { exitCode, stdout } = await run(["ip", "-j", "-4", "address", "show", "dev", bridge]);
  if (exitCode !== 0) return undefined;
  const [link] = JSON.parse(stdout) as { addr_info: { local: string; prefixlen: number }[] }[];
  const address = link?.addr_info[0];
  return address === undefined ? "no address" : `${address.local}/${address.prefixlen}`;
}

/** Locally administered, and the same after a reboot of the sandbox: its neighbours' ARP entries stay right. */
function macOf(address: string): string {
  return ["02", "62", ...address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

function parseAddress(text: string): number | undefined {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || !parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}
