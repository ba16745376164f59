/** Texts in what concerns a Process as a whole: names, volumes with files from elsewhere, paths of the node. */
import { expect } from "vitest";
import { processAt } from "../../provider/facts/process";
import { namespaceSpec } from "../../provider/resources/namespace";
import type { ProcessInputs } from "../../provider/resources/process-args";
import { vethPairSpec } from "../../provider/resources/veth-pair";
import { type Places, type SeenProcess, source, type Within } from "./hostile-process";
import type { Inputs, Odd } from "./hostile-trial";

const namespace = "/run/barepod/namespaces/named";
const address = "10.244.0.77";

/** Makes what a pod with a name needs: its namespace with an address, and the node's cluster DNS. */
export async function makeSurroundings({ node }: SeenProcess): Promise<void> {
  await node.sh("mkdir -p /var/lib/barepod/node; echo nameserver 10.96.0.10 > /var/lib/barepod/node/cluster-dns");
  await node.resource(namespaceSpec).create({ name: "named", types: ["net"], path: namespace });
  await node.resource(vethPairSpec, { up: true }).create({ namespace, name: "named", address });
}

export function podPlaces(seen: SeenProcess, within: Within): Places {
  const { run, runs, makeSource } = seen;
  const whole = (inputs: Inputs) => inputs as unknown as ProcessInputs;
  const inOwnRoot = within({ rootFs: "/srv/root" });
  const projected = (...files: object[]) => ({ projections: [{ name: "volume", files }] });
  const readVolume = (path: string) => run("cat", `/run/barepod/volumes/bad/volume/${path}`);
  const token = { path: "token", mode: 0o600, token: { audience: "a", expirationSeconds: 600 } };
  const claims = async () =>
    JSON.parse(Buffer.from((await readVolume("token")).split(".")[1] ?? "", "base64url").toString());
  const hosts = (own: object) => ({ ...inOwnRoot, namespace, hosts: { hostname: "a", ...own } });
  const dns = (own: object) => ({ ...inOwnRoot, dns: { policy: "ClusterFirst", ...own } });
  const named = { with: "hosts.hostname" };
  const pod = { namespace: "default", name: "bad" };
  const labelled: Odd = {
    inputs: { pod },
    look: async (inputs) => {
      const said = (await run("cat", "/run/barepod/process/bad/pod.spec")).split("\n");
      const labels = Object.entries(whole(inputs).labels ?? {});
      expect(said).toEqual(expect.arrayContaining(labels.map(([key, value]) => `label\t${key}=${value}`)));
    },
  };
  return {
    namespace: { around: (text) => `/run/barepod/namespaces/${text}`, look: runs },
    "mounts[0]": { around: source, with: "hostPaths[0].path" },
    "interfaces[0]": { with: "pod.namespace" },
    "pod.namespace": {
      inputs: { pod: { namespace: "default", name: "bad" } },
      given: (text) => ({
        ...within({}),
        pod: { namespace: text, name: text },
        interfaces: [text],
        ...projected(token),
      }),
      look: async (inputs) => {
        await runs(inputs);
        const { namespace, name } = whole(inputs).pod ?? {};
        expect(await claims()).toMatchObject({
          aud: ["a"],
          sub: `system:serviceaccount:${namespace}:default`,
          "kubernetes.io": { namespace, pod: { name } },
        });
      },
    },
    "labels (a key)": labelled,
    "labels.KEY": labelled,
    "namedPorts[0].name": { inputs: { pod, namedPorts: [{ port: 80, protocol: "TCP" }] } },
    "pod.name": { inputs: { pod: { namespace: "default", name: "bad" } }, with: "pod.namespace" },

    "hosts.hostname": {
      inputs: hosts({}),
      given: (text) => ({
        ...hosts({
          hostname: text,
          domain: text,
          kernelName: text,
          aliases: [{ ip: "192.0.2.1", hostnames: [text] }],
        }),
        dns: { policy: "ClusterFirst", clusterSearches: [text], searches: ["b", text], options: [{ name: text }] },
      }),
      look: async (inputs) => {
        const text = whole(inputs).hosts?.hostname;
        const lines = (await seen.read(inputs, "/etc/hosts")).split("\n");
        expect(lines).toEqual(expect.arrayContaining([`${address}\t${text}.${text}\t${text}`, `192.0.2.1\t${text}`]));
        expect(await seen.read(inputs, "/etc/hostname")).toBe(`${text}\n`);
        const resolver = (await seen.read(inputs, "/etc/resolv.conf")).split("\n");
        expect(resolver).toContain(`options ndots:5 ${text}`);
        expect(resolver.find((line) => line.startsWith("search "))?.split(" ")).toEqual(
          expect.arrayContaining([text, "b"]),
        );
      },
    },
    "hosts.domain": { inputs: hosts({}), ...named },
    "hosts.kernelName": { inputs: hosts({}), ...named },
    "hosts.aliases[0].hostnames[0]": { inputs: hosts({ aliases: [{ ip: "192.0.2.1" }] }), ...named },
    "dns.clusterSearches[0]": { inputs: dns({}), ...named },
    "dns.searches[0]": [
      { inputs: dns({}), ...named },
      {
        // One that is longer than a name can be is left out, with a warning that lists the others.
        given: (text) => dns({ policy: "None", searches: [text, "x".repeat(254)] }),
        look: async (inputs) => {
          const { script, parse } = processAt("bad", undefined);
          const { warnings } = parse(await run("sh", "-c", `look() { ${script}\n}\nlook`));
          expect(warnings).toEqual([expect.stringContaining(`: ${whole(inputs).dns?.searches?.[0]}`)]);
        },
      },
    ],
    "dns.options[0].name": { inputs: dns({}), ...named },
    "dns.options[0].value": {
      inputs: dns({ policy: "None", options: [{ name: "a" }] }),
      look: async (inputs) => {
        const value = whole(inputs).dns?.options?.[0]?.value;
        expect(await seen.read(inputs, "/etc/resolv.conf")).toBe(`options a${value ? `:${value}` : ""}\n`);
      },
    },

    "projections[0].files[0].text": {
      inputs: projected({ path: "file", mode: 0o644 }),
      look: async (inputs) => expect(await readVolume("file")).toBe(whole(inputs).projections?.[0]?.files[0]?.text),
    },
    "projections[0].files[0].path": {
      inputs: projected({ text: "value", mode: 0o644 }),
      around: (text) => `inner/${text}`,
      given: (text) => ({
        ...within({}),
        ...projected({ path: text, text: "value", mode: 0o644 }, { path: `inner/${text}`, text: "inner", mode: 0o644 }),
      }),
      look: async (inputs) => {
        const files = whole(inputs).projections?.[0]?.files ?? [];
        for (const { path = "", text } of files) expect(await readVolume(path)).toBe(text);
      },
    },
    "projections[0].files[0].token.audience": {
      inputs: projected({ ...token, token: { expirationSeconds: 600 } }),
      look: async (inputs) => {
        const audience = whole(inputs).projections?.[0]?.files[0]?.token?.audience;
        expect((await claims()).aud).toEqual([audience === "" ? expect.stringMatching(/^urn:barepod:/) : audience]);
      },
    },
    "projections[0].files[0].folder": {
      around: source,
      inputs: projected({ mode: 0o644 }),
      given: (text) => ({
        ...within({}),
        ...projected({ folder: source(text), mode: 0o644 }, { file: `${source(text)}/KEY`, path: "file", mode: 0o644 }),
      }),
      prepare: makeSource,
      look: async () => expect([await readVolume("KEY"), await readVolume("file")]).toEqual(["value", "value"]),
    },
    "projections[0].files[0].file": {
      around: (text) => `${source(text)}/KEY`,
      inputs: projected({ path: "file", mode: 0o644 }),
      with: "projections[0].files[0].folder",
    },
    "hostPaths[0].path": {
      around: source,
      inputs: { hostPaths: [{ type: "DirectoryOrCreate" }] },
      given: (text) => ({
        ...within({}),
        mounts: [source(text)],
        hostPaths: [
          { path: source(text), type: "DirectoryOrCreate" },
          { path: `${source(text)}/file`, type: "FileOrCreate" },
        ],
      }),
      look: async (inputs) =>
        expect(await run("stat", "-c", "%F", ...(whole(inputs).hostPaths ?? []).map(({ path }) => path))).toBe(
          "directory\nregular empty file\n",
        ),
    },
  };
}
