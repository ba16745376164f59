/** How a pod is called, and whom it knows by name: checked by Kubernetes' rules, complete. Pure. */
import { isIP } from "node:net";
import type { Problem } from "../fields";
import { dnsLabel, dnsSubdomain } from "./names";
import { check } from "./rules";

/** The last part of the names of a cluster's Services and pods, as a kubelet's clusterDomain. */
export const DEFAULT_CLUSTER_DOMAIN = "cluster.local";

/** The pod's names and its resolver's settings. */
export interface NormalizedNetwork {
  /** What the pod's UTS namespace is called; with hostNetwork there is none, and the node's name stays. */
  readonly hostname: string;
  readonly hosts: NormalizedHosts;
  readonly dns: NormalizedDns;
}

/** What /etc/hosts says besides the name for localhost. */
export interface NormalizedHosts {
  /** The pod's own name; absent with hostNetwork: the node's file is shown. */
  readonly hostname?: string;
  /** With a subdomain: `sub.namespace.svc.cluster.local`. */
  readonly domain?: string;
  readonly aliases: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
}

/** What /etc/resolv.conf is made from. */
export interface NormalizedDns {
  /** What it begins with: the cluster's DNS, the node's resolver, nothing. */
  readonly policy: "ClusterFirst" | "Default" | "None";
  /** The policy was asked for: falling back to `Default` is worth a warning. */
  readonly warnWithoutClusterDNS: boolean;
  /** Searched first with `ClusterFirst`. */
  readonly clusterSearches: readonly string[];
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly { readonly name: string; readonly value?: string }[];
}

type DnsPolicy = "ClusterFirst" | "ClusterFirstWithHostNet" | "Default" | "None";
type Texts = (string | undefined)[];

/** The fields as the walk leaves them. */
export interface UsableNetwork {
  hostname?: string;
  hostnameOverride?: string;
  subdomain?: string;
  setHostnameAsFQDN?: boolean;
  hostNetwork?: boolean;
  hostAliases?: ({ ip?: string; hostnames?: Texts } | undefined)[];
  dnsPolicy?: DnsPolicy;
  dnsConfig?: {
    nameservers?: Texts;
    searches?: Texts;
    options?: ({ name?: string; value?: string } | undefined)[];
  };
}

/** Checks what concerns names. `pod` and `namespace` are those of the metadata. */
export function normalizeNetwork(
  given: UsableNetwork,
  { pod, namespace, clusterDomain }: { pod: string; namespace: string; clusterDomain: string },
  problems: Problem[],
): NormalizedNetwork {
  checkNames(given, problems);
  const { hostNetwork = false, hostnameOverride, subdomain = "" } = given;
  const hostname = hostnameOverride ?? given.hostname ?? cut(pod);
  const hasDomain = subdomain !== "" && hostnameOverride === undefined;
  const domain = hasDomain ? `${subdomain}.${namespace}.svc.${clusterDomain}` : undefined;
  const kernelName = domain !== undefined && given.setHostnameAsFQDN ? `${hostname}.${domain}` : hostname;
  if (kernelName.length > LONGEST_KERNEL_NAME) {
    const long = kernelName === hostname ? "hostnameOverride" : "setHostnameAsFQDN";
    const reason = `makes a host name of ${kernelName.length} characters, ${JSON.stringify(kernelName)}; the kernel takes ${LONGEST_KERNEL_NAME}`;
    problems.push({ path: `spec.${long}`, reason });
  }
  const own = hostNetwork ? {} : { hostname, ...(domain !== undefined && { domain }) };
  return {
    hostname: kernelName,
    hosts: { ...own, aliases: normalizeAliases(given.hostAliases ?? [], problems) },
    dns: normalizeDns(given, [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain], problems),
  };
}

/** uname(2): the nodename is 64 bytes long. */
const LONGEST_KERNEL_NAME = 64;

/** A host name has at most 63 characters; cut as a kubelet cuts it. */
function cut(podName: string): string {
  return podName.slice(0, 63).replace(/[-.]+$/, "");
}

function checkNames(given: UsableNetwork, problems: Problem[]): void {
  const { hostname, subdomain = "", hostnameOverride, setHostnameAsFQDN = false, hostNetwork = false } = given;
  const asked = {
    hostname: hostname !== undefined,
    subdomain: subdomain !== "",
    setHostnameAsFQDN,
    hostnameOverride: hostnameOverride !== undefined,
  };
  for (const [key, isGiven] of Object.entries(asked)) {
    if (!isGiven || !hostNetwork) continue;
    problems.push({
      path: `spec.${key}`,
      reason: "a pod with hostNetwork keeps the node's host name; leave it out",
    });
  }
  if (hostNetwork) return;
  if (hostname !== undefined) check(dnsLabel, hostname, "spec.hostname", problems);
  if (subdomain !== "") check(dnsLabel, subdomain, "spec.subdomain", problems);
  if (hostnameOverride === undefined) return;
  check(dnsSubdomain, hostnameOverride, "spec.hostnameOverride", problems);
  if (setHostnameAsFQDN) {
    problems.push({ path: "spec.setHostnameAsFQDN", reason: "must not be true with hostnameOverride" });
  }
}

function normalizeAliases(
  aliases: NonNullable<UsableNetwork["hostAliases"]>,
  problems: Problem[],
): NormalizedHosts["aliases"] {
  return aliases.map((alias, i) => {
    const { ip, hostnames = [] } = alias ?? {};
    const path = `spec.hostAliases[${i}]`;
    if (ip !== undefined) checkAddress(ip, `${path}.ip`, problems);
    const names = hostnames.flatMap((name) => name ?? []);
    names.forEach((name, j) => {
      check(dnsSubdomain, name, `${path}.hostnames[${j}]`, problems);
    });
    return { ip: ip ?? "", hostnames: names };
  });
}

/** An IPv4 or IPv6 address without a zone. */
export function checkAddress(value: string, path: string, problems: Problem[]): void {
  if (isIP(value) !== 0 && !value.includes("%")) return;
  problems.push({ path, reason: "must be an IP address, such as 192.0.2.53 or 2001:db8::53" });
}

/** Kubernetes' limits, which are glibc's (pkg/apis/core/validation). */
const MOST_NAMESERVERS = 3;
const MOST_SEARCHES = 32;
const LONGEST_SEARCH_LIST = 2048;

function normalizeDns(given: UsableNetwork, clusterSearches: readonly string[], problems: Problem[]): NormalizedDns {
  const { dnsPolicy = "ClusterFirst", dnsConfig, hostNetwork = false } = given;
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {};
  const path = "spec.dnsConfig";
  if (dnsPolicy === "None" && nameservers.length === 0) {
    const reason = "is required with dnsPolicy None: nobody else names a server";
    problems.push({ path: `${path}.nameservers`, reason });
  }
  if (nameservers.length > MOST_NAMESERVERS) {
    problems.push({ path: `${path}.nameservers`, reason: `must be at most ${MOST_NAMESERVERS}` });
  }
  nameservers.forEach((address, i) => {
    if (address !== undefined) checkAddress(address, `${path}.nameservers[${i}]`, problems);
  });
  checkSearches(searches, `${path}.searches`, problems);
  options.forEach((option, i) => {
    if (option !== undefined) checkOption(option, `${path}.options[${i}]`, problems);
  });
  // On the node's own network the default policy means the node's resolver.
  const isCluster = dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && !hostNetwork);
  return {
    policy: isCluster ? "ClusterFirst" : dnsPolicy === "None" ? "None" : "Default",
    warnWithoutClusterDNS: isCluster && given.dnsPolicy !== undefined,
    clusterSearches: isCluster ? clusterSearches : [],
    nameservers: nameservers.flatMap((address) => address ?? []),
    searches: searches.flatMap((search) => search ?? []),
    options: options.flatMap((option) =>
      option?.name === undefined
        ? []
        : [{ name: option.name, ...(option.value !== undefined && { value: option.value }) }],
    ),
  };
}

function checkSearches(searches: Texts, path: string, problems: Problem[]): void {
  if (searches.length > MOST_SEARCHES) problems.push({ path, reason: `must be at most ${MOST_SEARCHES}` });
  if (searches.join(" ").length > LONGEST_SEARCH_LIST) {
    problems.push({
      path,
      reason: `must be at most ${LONGEST_SEARCH_LIST} characters in all, with a space between two`,
    });
  }
  searches.forEach((search, i) => {
    if (search === undefined || search === ".") return;
    // What resolvers search may hold underscores (_tcp), and end with the root's dot.
    const plain = search.replace(/\.$/, "").replaceAll("_", "a");
    check(dnsSubdomain, plain, `${path}[${i}]`, problems);
  });
}

/** A blank in one would begin another option, and a line break another line. */
function checkOption({ name, value }: { name?: string; value?: string }, path: string, problems: Problem[]): void {
  if (name === undefined) problems.push({ path: `${path}.name`, reason: "is required" });
  else if (!/^[!-~]+$/.test(name))
    problems.push({ path: `${path}.name`, reason: "must be printable ASCII without blanks" });
  if (value !== undefined && !/^[!-~]*$/.test(value)) {
    problems.push({ path: `${path}.value`, reason: "must be printable ASCII without blanks" });
  }
}
