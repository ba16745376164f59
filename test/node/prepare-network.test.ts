/** What the node makes of /etc/hosts, /etc/hostname and /etc/resolv.conf, by the rules of a kubelet and containerd. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Dns, type Hosts, networkSpec } from "../../provider/resources/process-network";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
const folder = "/run/barepod/process/box";
const scripts = join(__dirname, "../../provider/node-scripts");

describe.skipIf(obstacle)(
  `the files of a pod's network${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  () => {
    let node: SandboxNode;
    beforeAll(async () => {
      node = await startSandbox();
      await sh(`mkdir -p ${folder} /run/bin /run/barepod/addresses /run/systemd/resolve /var/lib/barepod/node`);
      await sh("echo 10.244.0.2 > /run/barepod/addresses/box");
      for (const name of ["prepare.sh", "prepare-network.sh", "volumes.sh", "tokens.sh"])
        await sh(`cat > /run/bin/${name}; chmod 755 /run/bin/${name}`, readFileSync(join(scripts, name)));
    });
    afterAll(async () => node?.[Symbol.asyncDispose]());

    async function sh(line: string, stdin?: string | Uint8Array): Promise<string> {
      const { code, stdout, stderr } = await node.exec(["sh", "-euc", line], stdin === undefined ? {} : { stdin });
      expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
      return stdout;
    }
    const read = (name: string) => sh(`cat ${folder}/${name}`);
    const put = (file: string, text: string | undefined) =>
      text === undefined ? sh(`rm -f ${file}`) : sh(`cat > ${file}`, text);

    async function prepare(inputs: { hosts?: Hosts; dns?: Dns }, shell = "sh"): Promise<void> {
      await put(
        `${folder}/network.spec`,
        networkSpec({ name: "box", namespace: "/run/barepod/namespaces/box", ...inputs }),
      );
      await sh(`${shell} /run/bin/prepare.sh ${folder} main`);
    }

    interface Surroundings {
      readonly resolvConf?: string;
      /** What systemd-resolved keeps beside its stub. */
      readonly servers?: string;
      readonly clusterDns?: string;
    }
    /** What comes out, and what is warned of. */
    async function resolver(dns: Dns, { resolvConf, servers, clusterDns }: Surroundings = {}): Promise<string[]> {
      await put("/etc/resolv.conf", resolvConf ?? "nameserver 192.0.2.53\nsearch example.com\n");
      await put("/run/systemd/resolve/resolv.conf", servers);
      await put("/var/lib/barepod/node/cluster-dns", clusterDns);
      await prepare({ dns });
      const lines = await sh(`cat ${folder}/etc.resolv.conf; sed 's/^/! /' ${folder}/network.warnings`);
      return lines.split("\n").filter((line) => line !== "");
    }

    const clusterSearches = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];
    const clusterDns = "nameserver 10.96.0.10\n";
    const many = (count: number, what: (i: number) => string) => Array.from({ length: count }, (_, i) => what(i));
    const long = (i: number) => `${many(3, () => "d".repeat(60)).join(".")}.d${i}`;

    const table: [string, Dns, Surroundings, string[]][] = [
      [
        "Default is the node's",
        { policy: "Default" },
        {
          resolvConf:
            "# made by hand\nnameserver 192.0.2.53 \nnameserver\t2001:db8::53\nsearch a. b\nsearch example.com. .\noptions rotate timeout:1\noptions timeout:3",
        },
        ["search example.com .", "nameserver 192.0.2.53", "nameserver 2001:db8::53", "options rotate timeout:3"],
      ],
      [
        "Default is not the stub of systemd-resolved",
        { policy: "Default" },
        { resolvConf: "nameserver 127.0.0.53\n", servers: "nameserver 192.0.2.9\nsearch .\n" },
        ["search .", "nameserver 192.0.2.9"],
      ],
      ["Default of a node without a resolver is empty", { policy: "Default" }, { resolvConf: "" }, []],
      [
        "ClusterFirst is the cluster's, with the node's searches",
        { policy: "ClusterFirst", clusterSearches, warnWithoutClusterDNS: true },
        { clusterDns, resolvConf: "nameserver 192.0.2.53\nsearch example.com cluster.local\noptions rotate\n" },
        [
          "search shop.svc.cluster.local svc.cluster.local cluster.local example.com",
          "nameserver 10.96.0.10",
          "options ndots:5",
        ],
      ],
      [
        "ClusterFirst without a cluster's is the node's",
        { policy: "ClusterFirst", clusterSearches },
        {},
        ["search example.com", "nameserver 192.0.2.53"],
      ],
      [
        "the same, asked for",
        { policy: "ClusterFirst", clusterSearches, warnWithoutClusterDNS: true },
        {},
        [
          "search example.com",
          "nameserver 192.0.2.53",
          "! MissingClusterDNS: the node has no cluster DNS, so dnsPolicy ClusterFirst falls back to Default",
        ],
      ],
      [
        "None is what is given",
        { policy: "None", nameservers: ["192.0.2.1"], options: [{ name: "ndots", value: "2" }, { name: "debug" }] },
        { clusterDns },
        ["nameserver 192.0.2.1", "options ndots:2 debug"],
      ],
      [
        "what is given comes last, once, and its options count",
        {
          policy: "ClusterFirst",
          clusterSearches,
          nameservers: ["192.0.2.1", "10.96.0.10"],
          searches: ["mine.example", "svc.cluster.local"],
          options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
        },
        { clusterDns },
        [
          "search shop.svc.cluster.local svc.cluster.local cluster.local example.com mine.example",
          "nameserver 10.96.0.10",
          "nameserver 192.0.2.1",
          "options ndots:2 edns0",
        ],
      ],
      [
        "three servers are what a resolver asks",
        { policy: "Default", nameservers: ["192.0.2.54", "192.0.2.55", "192.0.2.56"] },
        {},
        [
          "search example.com",
          "nameserver 192.0.2.53",
          "nameserver 192.0.2.54",
          "nameserver 192.0.2.55",
          "! DNSConfigForming: of 4 nameservers the first 3 are used: 192.0.2.53 192.0.2.54 192.0.2.55",
        ],
      ],
      [
        "32 domains are what is searched",
        { policy: "Default", searches: many(32, (i) => `d${i}`) },
        {},
        [
          `search example.com ${many(31, (i) => `d${i}`).join(" ")}`,
          "nameserver 192.0.2.53",
          `! DNSConfigForming: not all domains to search fit; these are used: example.com ${many(31, (i) => `d${i}`).join(" ")}`,
        ],
      ],
      [
        "and 2048 characters",
        { policy: "None", nameservers: ["192.0.2.1"], searches: many(12, long) },
        {},
        [
          `search ${many(11, long).join(" ")}`,
          "nameserver 192.0.2.1",
          `! DNSConfigForming: not all domains to search fit; these are used: ${many(11, long).join(" ")}`,
        ],
      ],
      [
        "a star is a word, not a pattern",
        { policy: "Default" },
        { resolvConf: "nameserver 192.0.2.53\nsearch * /etc/*\n" },
        ["search * /etc/*", "nameserver 192.0.2.53"],
      ],
    ];
    test.each(table)("resolv.conf: %s", async (_, dns, surroundings, lines) => {
      expect(await resolver(dns, surroundings)).toEqual(lines);
    });

    const managed = `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;
    const aliases = [
      { ip: "192.0.2.7", hostnames: ["db", "db.example"] },
      { ip: "2001:db8::7", hostnames: ["six"] },
    ];
    const added = "\n# Entries added by HostAliases.\n192.0.2.7\tdb\tdb.example\n2001:db8::7\tsix\n";

    test("hosts and hostname are as a kubelet and containerd write them", async () => {
      await prepare({ hosts: { hostname: "web" } });
      expect(await read("etc.hosts")).toBe(`${managed}10.244.0.2\tweb\n`);
      expect(await read("etc.hostname")).toBe("web\n");
      const domain = "sites.shop.svc.cluster.local";
      await prepare({ hosts: { hostname: "web", kernelName: `web.${domain}`, domain, aliases } });
      expect(await read("etc.hosts")).toBe(`${managed}10.244.0.2\tweb.${domain}\tweb\n${added}`);
      expect(await read("etc.hostname")).toBe(`web.${domain}\n`);
      expect((await sh(`stat -c '%a %U' ${folder}/etc.hosts ${folder}/etc.hostname`)).trim()).toBe(
        "644 root\n644 root",
      );
    });

    test("with the node's network it is the node's, and what is added", async () => {
      const own = await sh("cat /etc/hosts");
      await prepare({ hosts: {} });
      expect(await read("etc.hosts")).toBe(`# Kubernetes-managed hosts file (host network).\n${own}`);
      expect(await read("etc.hostname")).toBe(await sh("hostname"));
      await prepare({ hosts: { aliases } });
      expect(await read("etc.hosts")).toBe(`# Kubernetes-managed hosts file (host network).\n${own}${added}`);
    });

    test("what a container has written is gone after the next start, in the same file", async () => {
      await prepare({ hosts: { hostname: "web" } });
      const inode = await sh(`stat -c %i ${folder}/etc.hosts; head -c 3000000 /dev/zero >> ${folder}/etc.hosts`);
      for (const shell of ["bash", "busybox sh"]) {
        await prepare({ hosts: { hostname: "web" } }, shell);
        expect(await read("etc.hosts")).toBe(`${managed}10.244.0.2\tweb\n`);
        expect(await sh(`stat -c %i ${folder}/etc.hosts`)).toBe(inode);
      }
      // Who reads meanwhile sees no change where there is none.
      const before = await sh(`stat -c %y ${folder}/etc.hosts`);
      await prepare({ hosts: { hostname: "web" } });
      expect(await sh(`stat -c %y ${folder}/etc.hosts`)).toBe(before);
    });

    test("fails for a pod without an address", async () => {
      await put(
        `${folder}/network.spec`,
        networkSpec({ name: "box", namespace: "/run/barepod/namespaces/none", hosts: { hostname: "web" } }),
      );
      const { code, stderr } = await node.exec(["sh", "/run/bin/prepare.sh", folder, "main"]);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: "the pod has no address: /run/barepod/addresses/none is not there\n",
      });
    });
  },
);
