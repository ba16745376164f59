/** Hostile texts in every place of every primitive but Process, which has a file of its own. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addressFile } from "../../provider/facts/link";
import * as entry from "../../provider/provider";
import { cgroupSpec } from "../../provider/resources/cgroup";
import { fileSpec } from "../../provider/resources/file";
import { fileSetSpec } from "../../provider/resources/file-set";
import { hostPortsSpec } from "../../provider/resources/host-ports";
import { iptablesChainSpec } from "../../provider/resources/iptables-chain";
import { iptablesRuleSpec } from "../../provider/resources/iptables-rule";
import { mountSpec } from "../../provider/resources/mount";
import { namespaceSpec } from "../../provider/resources/namespace";
import { nodeSpec } from "../../provider/resources/node";
import { processSpec } from "../../provider/resources/process";
import { rootFsSpec } from "../../provider/resources/root-fs";
import { serviceEndpointsSpec } from "../../provider/resources/service-endpoints";
import { serviceProxySpec } from "../../provider/resources/service-proxy";
import { vethPairSpec } from "../../provider/resources/veth-pair";
import { HandlerNode } from "../harness/handlers";
import { hostileTexts } from "../harness/hostile";
import { type Odd, type Subject, tryHostileTexts } from "../harness/hostile-trial";
import { startRegistry, type TestRegistry } from "../harness/registry";
import { imageObstacle } from "../node/image-node";

const obstacle = imageObstacle();

describe.skipIf(obstacle)(`hostile texts${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  const node = new HandlerNode();
  let registry: TestRegistry;
  beforeAll(async () => {
    await node.start();
    registry = await startRegistry({ auth: "basic" });
    await node.sh("mkdir -p /srv/source; iptables -N BAD; ip6tables -N BAD");
    // Addresses in namespaces, as a VethPair writes them down.
    const texts = ["bad", ...Object.values(hostileTexts).filter((text) => !text.includes("\0"))];
    const files = texts.map((name) => addressFile(`/run/barepod/namespaces/${name}`));
    const write = 'mkdir -p /run/barepod/addresses; for file do echo 10.244.0.9 > "$file"; done';
    await node.sandbox.exec(["sh", "-c", write, "sh", ...files]);
    // The lock, the programs and the pool's folder stay, whatever comes first.
    const roots = node.resource(rootFsSpec, { whole: true });
    await roots.remove(await roots.create({ path: "/srv/first", hostBinaries: ["true"] }));
    await roots.failure({ path: "/srv/first", image: `${registry.host}/none:1` });
    await node.resource(vethPairSpec, { up: true }).failure({ namespace: "/nothing" });
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  const run = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await node.sandbox.exec(argv);
    expect({ argv, code, stderr }).toEqual({ argv, code: 0, stderr: "" });
    return stdout;
  };
  const below = (folder: string) => (text: string) => `${folder}/${text}`;
  const makeSource = (text: string) => node.sandbox.exec(["mkdir", "-p", `/srv/source/${text}`]);
  const runsThere: Odd["look"] = ({ path }) => run("chroot", String(path), "/usr/bin/true");

  /** The values of an option in the rules of a chain, as iptables quotes them. */
  async function valuesOf(option: string, tool: string, chain: string): Promise<string[]> {
    const words = (await run(tool, "-S", chain)).matchAll(
      new RegExp(`${option} (?:"((?:\\\\.|[^"\\\\])*)"|(\\S+))`, "g"),
    );
    return [...words].map(([, quoted, plain]) => plain ?? quoted?.replace(/\\(.)/g, "$1") ?? "");
  }
  const ruleShows = (option: string, key: "comment" | "logPrefix"): Odd["look"] => {
    return async ({ family, [key]: text }) => {
      const tool = family === "ipv6" ? "ip6tables" : "iptables";
      expect(await valuesOf(option, tool, "BAD")).toEqual(text === "" ? [] : [text]);
    };
  };
  const chainShows = (option: string, chain: string, list: "rules" | "jumpFrom", key: string): Odd["look"] => {
    return async (inputs) => {
      const [{ [key]: text } = {}] = inputs[list] as Record<string, string>[];
      expect(await valuesOf(option, "iptables", chain)).toEqual(text === "" ? [] : [text]);
    };
  };

  const selectorShows: Odd["look"] = async ({ selector }) => {
    const declared = (await run("cat", "/var/lib/barepod/services/bad_bad/spec")).split("\n");
    const labels = Object.entries(selector ?? {}).map(([key, value]) => `selector\t${key}=${value}`);
    expect(declared).toEqual(expect.arrayContaining(labels));
  };

  /** The files of the FileSet, by name. */
  const fileSetShows: Odd["look"] = async ({ path, files, filesBase64 }) => {
    for (const [name, content] of Object.entries(files ?? {}))
      expect(await run("cat", `${path}/${name}`)).toBe(content);
    for (const [name, content] of Object.entries(filesBase64 ?? {})) {
      const { stdout } = await node.sandbox.exec(["base64", "-w0", `${path}/${name}`]);
      expect(stdout.trim()).toBe(Buffer.from(String(content), "base64").toString("base64"));
    }
  };
  const portLeads: Odd["look"] = async () => {
    const rules = (await run("iptables", "-t", "nat", "-S")).match(/^-A BAREPOD-PORTS-.*$/gm);
    expect(rules).toEqual([expect.stringMatching(/ --dport 8080 .*--to-destination 10\.244\.0\.9:80$/)]);
  };

  const ofImage: Odd = {
    get inputs() {
      return { hostBinaries: undefined, image: `${registry.host}/none:1` };
    },
  };
  const reservedPorts = "/proc/sys/net/ipv4/ip_local_reserved_ports";

  const subjects: Subject[] = [
    {
      spec: fileSpec,
      valid: { path: "/srv/bad/file", content: "content" },
      odd: {
        path: {
          around: below("/srv/bad"),
          look: async ({ path }) => expect(await run("cat", String(path))).toBe("content"),
        },
        content: { look: async ({ content }) => expect(await run("cat", "/srv/bad/file")).toBe(content) },
        contentBase64: {
          inputs: { content: undefined },
          look: async ({ contentBase64 }) => {
            const { stdout } = await node.sandbox.exec(["base64", "-w0", "/srv/bad/file"]);
            expect(stdout.trim()).toBe(Buffer.from(String(contentBase64), "base64").toString("base64"));
          },
        },
      },
    },
    {
      spec: fileSetSpec,
      valid: { path: "/srv/bad/set", files: { plain: "text" } },
      odd: {
        path: { around: below("/srv/bad"), look: fileSetShows },
        "files (a key)": { look: fileSetShows },
        "files.KEY": { look: fileSetShows },
        "filesBase64 (a key)": {
          given: (text) => ({ path: "/srv/bad/set", filesBase64: { [text]: "dGV4dA==" } }),
          look: fileSetShows,
        },
        "filesBase64.KEY": { look: fileSetShows },
      },
    },
    {
      spec: mountSpec,
      valid: { source: "tmpfs", fsType: "tmpfs", target: "/srv/bad/target" },
      odd: {
        target: {
          around: below("/srv/bad"),
          look: async ({ target }) => expect(await run("stat", "-f", "-c", "%T", String(target))).toBe("tmpfs\n"),
        },
        source: [
          {
            look: async ({ source }) => {
              const { filesystems } = JSON.parse(await run("findmnt", "-J", "-o", "SOURCE", "/srv/bad/target"));
              expect(filesystems).toEqual([{ source }]);
            },
          },
          {
            inputs: { fsType: undefined, options: ["bind"] },
            around: below("/srv/source"),
            prepare: makeSource,
            look: async ({ source }) => {
              const seen = await run("stat", "-c", "%d:%i", String(source), "/srv/bad/target");
              expect(new Set(seen.trim().split("\n")).size).toBe(1);
            },
          },
        ],
      },
    },
    {
      spec: rootFsSpec,
      valid: { path: "/srv/bad/root", hostBinaries: ["true"], whole: true },
      odd: {
        path: [
          { around: below("/srv/bad"), look: runsThere },
          { inputs: { overlay: true }, around: below("/srv/bad"), look: runsThere },
        ],
        "hostBinaries[0]": { around: below("/usr/bin") },
        archive: { inputs: { hostBinaries: undefined }, around: below("/srv/source") },
        image: { inputs: { hostBinaries: undefined }, around: (text) => `Registry.example/${text}` },
        archiveSha256: { inputs: { hostBinaries: undefined, archive: "/srv/source/a.tar" } },
        // The registry asks who it is: the text is read then.
        "pullSecrets[0]": ofImage,
        "registries.mirrors (a key)": ofImage,
        "registries.mirrors.KEY[0]": ofImage,
        "registries.plainHttp[0]": ofImage,
      },
    },
    {
      spec: namespaceSpec,
      valid: { name: "bad", types: ["uts", "net"] },
      odd: {
        "sysctls.KEY": {
          given: (text) => ({ name: "bad", types: ["net"], sysctls: { "net.ipv4.ip_local_reserved_ports": text } }),
          look: () => run("nsenter", "--net=/run/barepod/namespaces/bad/net", "cat", reservedPorts),
        },
      },
      own: ["path"],
    },
    {
      spec: cgroupSpec,
      valid: { path: "bad", pidsMax: 10 },
      odd: {
        path: {
          around: below("bad"),
          look: async ({ path }) => {
            const files = [`/sys/fs/cgroup/pids/${path}/pids.max`, `/sys/fs/cgroup/${path}/pids.max`];
            const found = await Promise.all(files.map((file) => node.sandbox.exec(["cat", file])));
            expect(found.map(({ stdout }) => stdout)).toContain("10\n");
          },
        },
      },
    },
    {
      spec: vethPairSpec,
      valid: { namespace: "/run/barepod/namespaces/x", up: true },
      odd: { namespace: { around: below("/run/barepod/namespaces") } },
    },
    {
      spec: hostPortsSpec,
      valid: {
        namespace: "/run/barepod/namespaces/bad",
        interface: "bad-eth0",
        ports: [{ hostPort: 8080, containerPort: 80 }],
        up: true,
      },
      odd: {
        namespace: { around: below("/run/barepod/namespaces"), look: portLeads },
        interface: { look: portLeads },
      },
    },
    {
      spec: iptablesRuleSpec,
      valid: { family: "ipv4", table: "filter", chain: "BAD", jump: "RETURN" },
      odd: {
        comment: [
          { look: ruleShows("--comment", "comment") },
          { inputs: { family: "ipv6" }, around: (text) => text, look: ruleShows("--comment", "comment") },
        ],
        logPrefix: { inputs: { jump: "LOG" }, look: ruleShows("--log-prefix", "logPrefix") },
      },
      own: ["name"],
    },
    {
      spec: iptablesChainSpec,
      valid: {
        family: "ipv4",
        table: "filter",
        name: "BAD-OWN",
        rules: [{ jump: "RETURN" }],
        jumpFrom: [{ chain: "BAD" }],
      },
      odd: {
        "rules[0].comment": { look: chainShows("--comment", "BAD-OWN", "rules", "comment") },
        "rules[0].logPrefix": {
          inputs: { rules: [{ jump: "LOG" }] },
          look: chainShows("--log-prefix", "BAD-OWN", "rules", "logPrefix"),
        },
        "jumpFrom[0].comment": { look: chainShows("--comment", "BAD", "jumpFrom", "comment") },
      },
    },
    {
      spec: serviceProxySpec,
      valid: { namespace: "bad", name: "bad", ports: [{ port: 80 }], up: true },
      odd: { "selector (a key)": { look: selectorShows }, "selector.KEY": { look: selectorShows } },
    },
    {
      spec: serviceEndpointsSpec,
      valid: {
        namespace: "bad",
        name: "bad",
        service: "bad",
        ports: [{ port: 80 }],
        endpoints: [{ address: "192.0.2.7" }],
        up: true,
      },
      odd: {},
    },
    { spec: nodeSpec, valid: { nonce: "n" }, odd: {}, own: ["nonce"] },
  ];

  tryHostileTexts(node, subjects);

  test("are tried on every primitive that there is", () => {
    const types = [...subjects.map(({ spec }) => spec.type), processSpec.type];
    expect(types.sort()).toEqual(Object.keys(entry).sort());
  });

  test("name an owner exactly, or are refused", async () => {
    const files = node.resource(fileSpec);
    const file = { path: "/srv/owned", content: "" };
    for (const [title, text] of Object.entries(hostileTexts)) {
      const owned = { ...file, owner: `nonce/${text}` };
      const reasons = await files.reasons(owned);
      if (reasons.length > 0) {
        expect({ title, reasons }).toEqual({ title, reasons: [expect.stringMatching(/^owner: must /)] });
        continue;
      }
      const made = await files.create(owned);
      const { message } = await files.failure({ ...file, owner: "nonce/another" });
      expect({ title, message }).toEqual({ title, message: expect.stringContaining(`belongs to ${text.trim()}`) });
      await files.remove(made);
    }
  });
});
