/**
 * What containers find in /etc/hosts, /etc/hostname and /etc/resolv.conf. The node makes the files, in the keeper's folder,
 * from what is said here and from what only it knows: the pod's address, its own resolver, its cluster's DNS. Pure.
 */
import { isIP } from "node:net";
import { addressFile } from "../facts/link";
import { processFolder } from "../facts/process";
import { boolean, type Field, type Fields, list, object, oneOf, optional, parsed, required, text } from "../fields";
import type { Volume } from "../launcher-config";

/** What /etc/hosts and /etc/hostname say. */
export interface Hosts {
  /**
   * The host name, beside the address of the VethPair in `namespace`.
   * @defaultValue none: the node's own name and file
   */
  readonly hostname?: string | undefined;
  /** What follows the host name in its full name. */
  readonly domain?: string | undefined;
  /**
   * What /etc/hostname says, and the variable HOSTNAME.
   * @defaultValue `hostname`
   */
  readonly kernelName?: string | undefined;
  /** Lines at the end of /etc/hosts. */
  readonly aliases?: readonly { readonly ip: string; readonly hostnames: readonly string[] }[] | undefined;
}

/** What /etc/resolv.conf is made from. */
export interface Dns {
  /**
   * What it begins with. `ClusterFirst`: the servers that the node's file `/var/lib/barepod/node/cluster-dns` lists, a line
   * `nameserver ADDRESS` for each, and `ndots:5`; without that file as `Default`. `Default`: the node's resolver, with
   * systemd-resolved the real servers. `None`: nothing.
   */
  readonly policy: "ClusterFirst" | "Default" | "None";
  /**
   * Whether falling back to `Default` is worth a warning.
   * @defaultValue false
   */
  readonly warnWithoutClusterDNS?: boolean | undefined;
  /** Domains to search before the node's, with `ClusterFirst`. */
  readonly clusterSearches?: readonly string[] | undefined;
  /** Added to those of the policy; the first three count. */
  readonly nameservers?: readonly string[] | undefined;
  /** Added to those of the policy; the first 32 count, and 2048 characters. */
  readonly searches?: readonly string[] | undefined;
  /** In place of those of the same name. */
  readonly options?: readonly { readonly name: string; readonly value?: string }[] | undefined;
}

/** What of a Process concerns this file. @internal */
export interface NetworkInputs {
  readonly name: string;
  readonly namespace?: string;
  readonly hosts?: Hosts;
  readonly dns?: Dns;
}

const word = (max: number): Field => text({ max, pattern: /^[!-~]+$/, form: "printable ASCII without blanks" });
const address = parsed((value) => {
  if (typeof value !== "string" || isIP(value) === 0) throw new Error("must be an IP address");
});

/** @internal */
export const networkFields: Fields = {
  hosts: optional(
    object({
      hostname: optional(word(64)),
      domain: optional(word(253)),
      kernelName: optional(word(64)),
      aliases: optional(list(object({ ip: required(address), hostnames: required(list(word(253))) }))),
    }),
  ),
  dns: optional(
    object({
      policy: required(oneOf("ClusterFirst", "Default", "None")),
      warnWithoutClusterDNS: optional(boolean()),
      clusterSearches: optional(list(word(253))),
      nameservers: optional(list(address)),
      searches: optional(list(word(254))),
      options: optional(
        list(
          object({
            name: required(word(255)),
            value: optional(text({ max: 255, empty: true, pattern: /^[!-~]*$/, form: "without blanks" })),
          }),
        ),
      ),
    }),
  ),
};

/** Whether the node makes anything before the containers start. @internal */
export function hasNetworkFiles({ hosts, dns }: NetworkInputs): boolean {
  return (hosts ?? dns ?? undefined) !== undefined;
}

/** The text of `network.spec`, which node-scripts/prepare-network.sh reads: no field is empty or holds a blank. @internal */
export function networkSpec({ namespace, hosts, dns }: NetworkInputs): string {
  const { hostname, domain, kernelName = hostname, aliases = [] } = hosts ?? {};
  const lines: readonly (readonly string[])[] = [
    ...(hosts === undefined || hosts === null ? [] : [["hosts"]]),
    ...(hostname === undefined
      ? []
      : [
          ["address", namespace === undefined ? "-" : addressFile(namespace)],
          ["hostname", hostname],
          ["kernel", kernelName ?? hostname],
        ]),
    ...(domain === undefined ? [] : [["domain", domain]]),
    ...aliases.map(({ ip, hostnames }) => ["alias", ip, ...hostnames]),
    ...(dns === undefined || dns === null ? [] : dnsLines(dns)),
  ];
  return `${lines.map((line) => line.join("\t")).join("\n")}\n`;
}

function dnsLines({ policy, warnWithoutClusterDNS, clusterSearches, nameservers, searches, options }: Dns): string[][] {
  return [
    ["policy", policy],
    ...(warnWithoutClusterDNS === true ? [["warn"]] : []),
    ...(clusterSearches ?? []).map((search) => ["cluster", search]),
    ...(nameservers ?? []).map((server) => ["nameserver", server]),
    ...(searches ?? []).map((search) => ["search", search]),
    ...(options ?? []).map(({ name, value }) => (value ? ["option", name, value] : ["option", name])),
  ];
}

/**
 * The files as a container mounts them. A volume in their place is meant; so is one of the whole folder. As with a kubelet
 * and containerd, /etc/hosts can be written even where the root file system cannot.
 *
 * @internal
 */
export function networkVolumes(
  inputs: NetworkInputs,
  { volumes = [], readOnlyRootFilesystem = false }: { volumes?: readonly Volume[]; readOnlyRootFilesystem?: boolean },
): Volume[] {
  const isCovered = (target: string) => volumes.some((volume) => ["/etc", target].includes(volume.target));
  const made = [
    ...((inputs.hosts ?? undefined) === undefined ? [] : ["hosts", "hostname"]),
    ...((inputs.dns ?? undefined) === undefined ? [] : ["resolv.conf"]),
  ];
  return made.flatMap((file) => {
    const target = `/etc/${file}`;
    const source = `${processFolder(inputs.name)}/etc.${file}`;
    const readOnly = readOnlyRootFilesystem && file !== "hosts";
    return isCovered(target) ? [] : [{ source, target, readOnly }];
  });
}
