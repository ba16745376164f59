import { describe, expect, it } from "vitest";
import { InputError } from "../../provider/errors";
import type { Problem } from "../../provider/fields";
import { normalizePod, PodInputError } from "../../provider/kubernetes/normalize";
import { isSameHostPort } from "../../provider/kubernetes/normalize-port";

const pod = (spec: object, ports: readonly object[] = []) => ({
  metadata: { namespace: "shop" },
  spec: { containers: [{ name: "box", image: "host:sleep", command: ["sleep", "1"], ports }], ...spec },
});

function problemsOf(args: unknown, domain?: string): string[] {
  try {
    normalizePod("web", args, domain);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const problems: readonly Problem[] = error instanceof PodInputError ? error.problems : [error];
    return problems.map(({ path, reason }) => `${path}: ${reason}`);
  }
}

describe("how a pod is called", () => {
  const table: [string, object, string, object][] = [
    ["by its name", {}, "web", { hostname: "web" }],
    ["by hostname", { hostname: "front" }, "front", { hostname: "front" }],
    [
      "with a subdomain",
      { hostname: "front", subdomain: "sites" },
      "front",
      { hostname: "front", domain: "sites.shop.svc.example.org" },
    ],
    [
      "by the whole of it",
      { subdomain: "sites", setHostnameAsFQDN: true },
      "web.sites.shop.svc.example.org",
      { hostname: "web", domain: "sites.shop.svc.example.org" },
    ],
    ["by its name when there is no whole of it", { setHostnameAsFQDN: true }, "web", { hostname: "web" }],
    [
      "by hostnameOverride before all others",
      { hostname: "front", subdomain: "sites", hostnameOverride: "db.example.com" },
      "db.example.com",
      { hostname: "db.example.com" },
    ],
    ["by the node's", { hostNetwork: true }, "web", {}],
  ];
  it.each(table)("%s", (_, spec, hostname, hosts) => {
    expect(normalizePod("web", pod(spec), "example.org")).toMatchObject({ hostname, hosts: { ...hosts, aliases: [] } });
    expect(Object.keys(normalizePod("web", pod(spec), "example.org").hosts).sort()).toEqual(
      ["aliases", ...Object.keys(hosts)].sort(),
    );
  });

  it("in 64 characters at most", () => {
    const whole = (length: number) => ({
      hostname: "h".repeat(length - ".s.shop.svc.cluster.local".length),
      subdomain: "s",
      setHostnameAsFQDN: true,
    });
    expect(normalizePod("web", pod(whole(64))).hostname).toHaveLength(64);
    expect(problemsOf(pod(whole(65)))).toEqual([
      expect.stringMatching(
        /^spec\.setHostnameAsFQDN: makes a host name of 65 characters, "h+\.s\.shop\.svc\.cluster\.local"; the kernel takes 64$/,
      ),
    ]);
    expect(problemsOf(pod({ ...whole(65), setHostnameAsFQDN: false }))).toEqual([]);
    expect(problemsOf(pod({ hostnameOverride: "a".repeat(65) }))).toEqual([
      expect.stringMatching(/^spec\.hostnameOverride: makes a host name of 65 characters/),
    ]);
  });

  const label = "must be a DNS label: a-z, 0-9 and -, beginning and ending with a letter or digit";
  const subdomain = "must be a DNS subdomain: a-z, 0-9, - and ., each part beginning and ending with a letter or digit";
  const network = "a pod with hostNetwork keeps the node's host name; leave it out";
  const refused: [object, string[]][] = [
    [{ hostname: "a.b" }, [`spec.hostname: ${label}`]],
    [{ subdomain: "a.b" }, [`spec.subdomain: ${label}`]],
    [{ hostnameOverride: "" }, [`spec.hostnameOverride: ${subdomain}`]],
    [
      { hostnameOverride: "a", setHostnameAsFQDN: true },
      ["spec.setHostnameAsFQDN: must not be true with hostnameOverride"],
    ],
    [
      { hostNetwork: true, hostname: "a", subdomain: "b", setHostnameAsFQDN: true, hostnameOverride: "c" },
      [
        `spec.hostname: ${network}`,
        `spec.subdomain: ${network}`,
        `spec.setHostnameAsFQDN: ${network}`,
        `spec.hostnameOverride: ${network}`,
      ],
    ],
    [
      { hostAliases: [{ ip: "1.2.3", hostnames: ["a", "B"] }, { hostnames: ["a"] }, { ip: "fe80::1%eth0" }] },
      [
        "spec.hostAliases[1].ip: is required",
        "spec.hostAliases[0].ip: must be an IP address, such as 192.0.2.53 or 2001:db8::53",
        `spec.hostAliases[0].hostnames[1]: ${subdomain}`,
        "spec.hostAliases[2].ip: must be an IP address, such as 192.0.2.53 or 2001:db8::53",
      ],
    ],
  ];
  it.each(refused)("and not by %j", (spec, problems) => {
    expect(problemsOf(pod(spec))).toEqual(problems);
  });

  it("beside others", () => {
    const hostAliases = [{ ip: "192.0.2.1", hostnames: ["a", "b.example"] }, { ip: "2001:db8::1" }];
    expect(normalizePod("web", pod({ hostAliases })).hosts.aliases).toEqual([
      { ip: "192.0.2.1", hostnames: ["a", "b.example"] },
      { ip: "2001:db8::1", hostnames: [] },
    ]);
  });
});

describe("whom a pod asks for names", () => {
  const cluster = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];
  const table: [object, object][] = [
    [{}, { policy: "ClusterFirst", warnWithoutClusterDNS: false, clusterSearches: cluster }],
    [{ dnsPolicy: "ClusterFirst" }, { policy: "ClusterFirst", warnWithoutClusterDNS: true, clusterSearches: cluster }],
    [
      { dnsPolicy: "ClusterFirst", hostNetwork: true },
      { policy: "Default", warnWithoutClusterDNS: false, clusterSearches: [] },
    ],
    [{ hostNetwork: true }, { policy: "Default", warnWithoutClusterDNS: false }],
    [
      { dnsPolicy: "ClusterFirstWithHostNet", hostNetwork: true },
      { policy: "ClusterFirst", warnWithoutClusterDNS: true },
    ],
    [{ dnsPolicy: "Default" }, { policy: "Default", clusterSearches: [] }],
    [
      {
        dnsPolicy: "None",
        dnsConfig: {
          nameservers: ["192.0.2.53", "2001:db8::53"],
          searches: ["example.com", "_tcp.example.com.", "."],
          options: [{ name: "ndots", value: "2" }, { name: "rotate" }],
        },
      },
      {
        policy: "None",
        nameservers: ["192.0.2.53", "2001:db8::53"],
        searches: ["example.com", "_tcp.example.com.", "."],
        options: [{ name: "ndots", value: "2" }, { name: "rotate" }],
      },
    ],
  ];
  it.each(table)("with %j", (spec, dns) => {
    expect(normalizePod("web", pod(spec)).dns).toMatchObject(dns);
  });

  const many = (count: number, what: (i: number) => string) => Array.from({ length: count }, (_, i) => what(i));
  const path = "spec.dnsConfig";
  const refused: [string, object, string[]][] = [
    [
      "no server",
      { dnsPolicy: "None" },
      [`${path}.nameservers: is required with dnsPolicy None: nobody else names a server`],
    ],
    [
      "too many servers",
      { dnsConfig: { nameservers: many(4, (i) => `192.0.2.${i}`) } },
      [`${path}.nameservers: must be at most 3`],
    ],
    [
      "a server's name",
      { dnsConfig: { nameservers: ["dns.example"] } },
      [`${path}.nameservers[0]: must be an IP address, such as 192.0.2.53 or 2001:db8::53`],
    ],
    [
      "too many domains",
      { dnsConfig: { searches: many(33, (i) => `d${i}`) } },
      [`${path}.searches: must be at most 32`],
    ],
    [
      "too long domains",
      { dnsConfig: { searches: many(9, (i) => many(4, () => `${"d".repeat(59)}${i}`).join(".")) } },
      [`${path}.searches: must be at most 2048 characters in all, with a space between two`],
    ],
    [
      "what is no domain",
      { dnsConfig: { searches: ["a b"] } },
      [
        `${path}.searches[0]: must be a DNS subdomain: a-z, 0-9, - and ., each part beginning and ending with a letter or digit`,
      ],
    ],
    [
      "what would be another option, or another line",
      {
        dnsConfig: { options: [{ name: "a b" }, { name: "ndots", value: "1\nnameserver 192.0.2.66" }, { value: "1" }] },
      },
      [
        `${path}.options[0].name: must be printable ASCII without blanks`,
        `${path}.options[1].value: must be printable ASCII without blanks`,
        `${path}.options[2].name: is required`,
      ],
    ],
    [
      "another policy",
      { dnsPolicy: "Cluster" },
      [expect.stringMatching(/^spec\.dnsPolicy: must be "ClusterFirst", /) as never],
    ],
  ];
  it.each(refused)("not %s", (_, spec, problems) => {
    expect(problemsOf(pod(spec))).toEqual(problems);
  });
});

describe("ports of the node", () => {
  it("lead to those of a container", () => {
    const ports = [
      { containerPort: 80, hostPort: 8080 },
      { containerPort: 80, hostPort: 8080, protocol: "UDP", hostIP: "" },
      { containerPort: 81, hostPort: 8081, hostIP: "127.0.0.1" },
      { containerPort: 81, hostPort: 8082, hostIP: "0.0.0.0" },
      { containerPort: 82, hostPort: 0 },
    ];
    expect(normalizePod("web", pod({}, ports)).containers[0]?.ports).toEqual([
      { containerPort: 80, protocol: "TCP", hostPort: 8080 },
      { containerPort: 80, protocol: "UDP", hostPort: 8080 },
      { containerPort: 81, protocol: "TCP", hostPort: 8081, hostIP: "127.0.0.1" },
      { containerPort: 81, protocol: "TCP", hostPort: 8082 },
      { containerPort: 82, protocol: "TCP" },
    ]);
    expect(normalizePod("web", pod({ hostNetwork: true }, [{ containerPort: 80 }])).containers[0]?.ports).toEqual([
      { containerPort: 80, protocol: "TCP", hostPort: 80 },
    ]);
  });

  const at = "spec.containers[0].ports";
  const twice = `must be unique for its protocol and hostIP: ${at}[0].hostPort is the same`;
  const refused: [object, object[], string[]][] = [
    [{}, [{ containerPort: 80, hostPort: 65536 }], [`${at}[0].hostPort: must be between 1 and 65535`]],
    [{}, [{ containerPort: 80, hostPort: -1 }], [`${at}[0].hostPort: must be between 1 and 65535`]],
    [{}, [{ containerPort: 80, hostIP: "192.0.2.1" }], [`${at}[0].hostIP: needs a hostPort`]],
    [
      {},
      [{ containerPort: 80, hostPort: 80, hostIP: "::1" }],
      [`${at}[0].hostIP: must be an IPv4 address: pods have no other`],
    ],
    [
      {},
      [{ containerPort: 80, hostPort: 80, hostIP: "node" }],
      [`${at}[0].hostIP: must be an IP address, such as 192.0.2.53 or 2001:db8::53`],
    ],
    [
      {},
      [
        { containerPort: 80, hostPort: 80 },
        { containerPort: 81, hostPort: 80 },
      ],
      [`${at}[1].hostPort: ${twice}`],
    ],
    [
      {},
      [
        { containerPort: 80, hostPort: 80, hostIP: "192.0.2.1" },
        { containerPort: 81, hostPort: 80 },
      ],
      [`${at}[1].hostPort: ${twice}`],
    ],
    [
      { hostNetwork: true },
      [{ containerPort: 80, hostPort: 8080 }],
      [`${at}[0].hostPort: must be the containerPort with hostNetwork: the container listens on the node itself`],
    ],
  ];
  it.each(refused)("are refused with %j %j", (spec, ports, problems) => {
    expect(problemsOf(pod(spec, ports))).toEqual(problems);
  });

  it("are the same only where protocol and address meet", () => {
    const port = (protocol: "TCP" | "UDP", hostPort: number, hostIP?: string) => ({
      protocol,
      hostPort,
      ...(hostIP !== undefined && { hostIP }),
    });
    expect(isSameHostPort(port("TCP", 80), port("TCP", 80, "192.0.2.1"))).toBe(true);
    expect(isSameHostPort(port("TCP", 80, "192.0.2.1"), port("TCP", 80, "192.0.2.1"))).toBe(true);
    expect(isSameHostPort(port("TCP", 80, "192.0.2.1"), port("TCP", 80, "192.0.2.2"))).toBe(false);
    expect(isSameHostPort(port("TCP", 80), port("UDP", 80))).toBe(false);
    expect(isSameHostPort(port("TCP", 80), port("TCP", 81))).toBe(false);
  });
});
