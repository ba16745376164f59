/** A secret in every field that can be refused, through the real engine: it shows nowhere. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import {
  CGroup,
  ConfigMap,
  File,
  FileSet,
  HostPorts,
  IptablesChain,
  IptablesRule,
  Mount,
  Namespace,
  Node,
  Pod,
  Process,
  RootFs,
  Secret,
  ServiceEndpoints,
  ServiceProxy,
  VethPair,
} from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Fields } from "../../provider/fields";
import type { Container } from "../../provider/kubernetes/container-types";
import { cgroupSpec } from "../../provider/resources/cgroup";
import { fileSpec } from "../../provider/resources/file";
import { fileSetSpec } from "../../provider/resources/file-set";
import { hostPortsSpec } from "../../provider/resources/host-ports";
import { iptablesChainSpec } from "../../provider/resources/iptables-chain";
import { iptablesRuleSpec } from "../../provider/resources/iptables-rule";
import { mountSpec } from "../../provider/resources/mount";
import { namespaceSpec } from "../../provider/resources/namespace";
import { processSpec } from "../../provider/resources/process";
import { rootFsSpec } from "../../provider/resources/root-fs";
import { serviceEndpointsSpec } from "../../provider/resources/service-endpoints";
import { serviceProxySpec } from "../../provider/resources/service-proxy";
import { vethPairSpec } from "../../provider/resources/veth-pair";
// @ts-expect-error: the tools are JavaScript without types
import { localDirectory } from "../../tools/lib/paths.mjs";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { textPlaces } from "../harness/hostile";
import { startRegistry, type TestRegistry } from "../harness/registry";
import { type SandboxNode, startSandbox } from "../harness/sandbox";
import { imageObstacle } from "../node/image-node";

const obstacle = imageObstacle();
const canary = "canary-7f4e1c";
/** Refused by every field: too odd for a name, no number, no path, no list. */
const refused = `../${canary}\n ${canary}`;

type Class = new (name: string, args: never) => pulumi.Resource;

/** The class makes the name of a rule itself. */
const { name: _, ...ruleFields } = iptablesRuleSpec.fields;

/** The primitives with inputs that are valid but for the one under test. */
const primitives: readonly { Type: Class; fields: Fields; valid: object }[] = [
  { Type: File, fields: fileSpec.fields, valid: { path: "/srv/file", content: "x" } },
  { Type: FileSet, fields: fileSetSpec.fields, valid: { path: "/srv/set" } },
  { Type: Mount, fields: mountSpec.fields, valid: { source: "tmpfs", target: "/srv/mount", fsType: "tmpfs" } },
  { Type: RootFs, fields: rootFsSpec.fields, valid: { path: "/srv/root", hostBinaries: ["true"] } },
  { Type: Namespace, fields: namespaceSpec.fields, valid: { types: ["uts"] } },
  { Type: CGroup, fields: cgroupSpec.fields, valid: { path: "group" } },
  { Type: VethPair, fields: vethPairSpec.fields, valid: { namespace: "/run/barepod/namespaces/x" } },
  {
    Type: HostPorts,
    fields: hostPortsSpec.fields,
    valid: { namespace: "/run/barepod/namespaces/x", interface: "x", ports: [{ hostPort: 8080, containerPort: 80 }] },
  },
  {
    Type: ServiceProxy,
    fields: serviceProxySpec.fields,
    valid: { namespace: "shop", name: "web", ports: [{ port: 80 }] },
  },
  {
    Type: ServiceEndpoints,
    fields: serviceEndpointsSpec.fields,
    valid: {
      namespace: "shop",
      name: "web",
      service: "web",
      ports: [{ port: 80 }],
      endpoints: [{ address: "192.0.2.7" }],
    },
  },
  { Type: IptablesRule, fields: ruleFields, valid: { chain: "INPUT", jump: "DROP" } },
  { Type: IptablesChain, fields: iptablesChainSpec.fields, valid: { name: "MINE" } },
  { Type: Process, fields: processSpec.fields, valid: { command: ["true"] } },
];
/** What a class fills in itself: the program cannot give it. */
const own = ["up", "whole", "running", "nonce"];
/** What a file contains, what a mount shows, what a program is given, and a login may be any text. */
const anyText =
  /^(content|source|files\.KEY|pullSecrets\[0\]|(.*\.)?command\[0\]|env\.KEY|variables\[0\]\.value|projections\[0\]\.files\[0\]\.text)$/;

describe.skipIf(obstacle)(`a secret${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  let registry: TestRegistry;
  beforeAll(async () => {
    [node, registry] = await Promise.all([startSandbox(), startRegistry({ auth: "basic" })]);
    stack = await openStack("canary", () => void on());
    await stack.up();
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  function on(more: object = {}): Node {
    const { connection } = node;
    return new Node("edge", {
      connection: { ...connection, password: pulumi.secret(`${canary}-password`) } as never,
      ...more,
    });
  }

  function hidden(outcome: Outcome): void {
    const { frames: _, errors, ...rest } = outcome;
    const shown = JSON.stringify({ ...rest, errors: [...errors] });
    // The message is in the way: what is looked for must not be printed by the test either.
    expect(
      shown
        .split(canary)
        .map((text) => text.slice(-150))
        .slice(0, -1),
    ).toEqual([]);
    const folder = join(localDirectory as string, "conformance");
    const states = readdirSync(folder)
      .filter((each) => each.startsWith("canary-"))
      .map((each) => readFileSync(join(folder, each, "state/.pulumi/stacks/conformance/canary.json"), "utf8"));
    expect(
      states
        .join()
        .split(canary)
        .map((text) => text.slice(-300))
        .slice(0, -1),
    ).toEqual([]);
  }

  // A preview ends with the first resource that is refused: all fields of one are wrong at once.
  test.each(primitives.map((each): [string, typeof each] => [each.Type.name, each]))(
    "is not printed when a %s refuses it",
    async (_, { Type, fields, valid }) => {
      const whole = Object.keys(fields).filter((field) => !own.includes(field));
      const args = Object.fromEntries(whole.map((field) => [field, pulumi.secret(refused)]));
      // No key of a map can be a secret.
      const places = textPlaces(fields).filter(({ path }) => !own.includes(path) && !path.endsWith("(a key)"));
      const deep = places.reduce<object>((inputs, { put }) => put(inputs, pulumi.secret(refused) as never), {});
      const isDeep = places.some(({ path }) => !whole.includes(path));
      const attempts: [string[], object][] = [[whole, args]];
      if (isDeep) attempts.push([places.map(({ path }) => path), deep]);
      for (const [paths, inputs] of attempts) {
        const program = () => void new Type("bad", { ...valid, ...inputs, node: on() } as never);
        const preview = await stack.preview({ program, mayFail: true });
        hidden(preview);
        const text = preview.errors.get("bad") ?? "";
        const said = text.split(/[\s,;]+/);
        // The key that a secret stands under here, KEY, is none for every map.
        const byKey = (path: string) => text.includes(`${path.replace(/\.KEY\b.*/, "")} (a key):`);
        const accepted = paths.filter(
          (path) =>
            !byKey(path) && !said.includes(`${path}:`) && !said.includes(`${path.slice(0, path.indexOf("["))}:`),
        );
        expect(accepted.filter((path) => !anyText.test(path.replace("containers[0].", "")))).toEqual([]);
      }
    },
  );

  test("is not printed when a Node refuses it", async () => {
    const preview = await stack.preview({ program: () => void on({ podCIDR: pulumi.secret(refused) }), mayFail: true });
    hidden(preview);
    expect(preview.errors.get("edge")).toContain("podCIDR");
  });

  test("is not printed when it stands where an address should", async () => {
    const wrong: Record<string, unknown> = {
      text: pulumi.secret(refused),
      password: `root:${canary}@192.0.2.1`,
      host: { host: pulumi.secret(refused) },
      pair: { host: `root:${canary}@192.0.2.1` },
      proxy: { host: "192.0.2.1", proxy: { host: pulumi.secret(refused) } },
      jump: { host: "192.0.2.1", proxy: pulumi.secret(refused) },
      port: { host: "192.0.2.1", port: pulumi.secret(refused) },
      sudo: { host: "192.0.2.1", sudo: pulumi.secret(refused) },
      limit: { host: "192.0.2.1", dialErrorLimit: pulumi.secret(refused) },
    };
    for (const [name, connection] of Object.entries(wrong)) {
      const program = () => void new Node(name, { connection: connection as never });
      const preview = await stack.preview({ program, mayFail: true });
      hidden(preview);
      expect(preview.errors.get(name)).toMatch(/connection[.\w]*: must be/);
    }
  });

  test("is not printed when a pod's field is refused", async () => {
    const container = (more: object) =>
      ({ name: "app", image: "host:sleep", command: ["sleep", "1"], ...more }) as Container;
    const secret = pulumi.secret(refused);
    const bad: Record<string, object> = {
      image: { containers: [container({ image: secret })] },
      memory: { containers: [container({ resources: { limits: { memory: secret } } })] },
      variable: { containers: [container({ env: [{ name: secret, value: "x" }] })] },
      spec: pulumi.secret({ containers: [container({ workingDir: refused })] }),
    };
    for (const [name, spec] of Object.entries(bad)) {
      const preview = await stack.preview({
        program: () => void new Pod(name, { on: on(), spec: spec as never }),
        mayFail: true,
      });
      hidden(preview);
      const said = [...preview.errors.values()].join("\n");
      expect({ name, said }).toEqual({ name, said: expect.stringMatching(/Pod "\w+": .*spec/s) });
      expect({ name, said }).toEqual({ name, said: expect.not.stringMatching(/^\s+at /m) });
    }
  });

  test("is not printed when a component's field is refused", async () => {
    const secret = (text: unknown = refused) => pulumi.secret(text) as never;
    const pod = (more: object, own: object = {}) => ({
      spec: { containers: [{ name: "app", image: "host:sleep", command: ["sleep", "1"], ...own }], ...more },
    });
    const bad: Record<string, [Type: Class, args: object]> = {
      "map-data": [ConfigMap, { data: secret({ KEY: refused }) }],
      "map-name": [ConfigMap, { metadata: { name: secret() } }],
      "map-immutable": [ConfigMap, { immutable: secret() }],
      "secret-data": [Secret, { data: { KEY: refused } }],
      "secret-whole": [Secret, { stringData: secret({ KEY: refused }) }],
      "secret-list": [Secret, { stringData: { KEY: [refused] } }],
      "secret-login": [
        Secret,
        { type: "kubernetes.io/dockerconfigjson", stringData: { ".dockerconfigjson": refused } },
      ],
      "secret-type": [Secret, { type: secret() }],
      "pod-login": [Pod, pod({ imagePullSecrets: [{ name: secret() }] })],
      "pod-volume": [Pod, pod({ volumes: [{ name: "v", secret: { secretName: secret() } }] })],
      "pod-nameserver": [Pod, pod({ dnsPolicy: "None", dnsConfig: { nameservers: [secret()] } })],
      "pod-alias": [Pod, pod({ hostAliases: [{ ip: secret(), hostnames: ["x"] }] })],
      "pod-hostname": [Pod, pod({ hostname: secret() })],
      "pod-sysctl": [Pod, pod({ securityContext: { sysctls: [{ name: secret(), value: "1" }] } })],
      "pod-probe": [Pod, pod({}, { livenessProbe: { httpGet: { port: 80, path: secret() } } })],
      "pod-header": [
        Pod,
        pod({}, { livenessProbe: { httpGet: { port: 80, httpHeaders: [{ name: secret(), value: secret() }] } } }),
      ],
      "pod-hook": [Pod, pod({}, { lifecycle: { preStop: { exec: { command: secret() } } } })],
      "pod-env": [Pod, pod({}, { env: [{ name: "A", value: secret(), valueFrom: secret() }] })],
      "pod-seccomp": [
        Pod,
        pod({}, { securityContext: { seccompProfile: { type: "Localhost", localhostProfile: secret() } } }),
      ],
      "pod-words": [Pod, pod({}, { terminationMessagePath: secret() })],
      "pod-port": [Pod, pod({}, { ports: [{ containerPort: 80, hostPort: secret() }] })],
    };
    const said = new Map<string, string>();
    const program = () => {
      const node = on();
      for (const [name, [Type, args]] of Object.entries(bad))
        try {
          new Type(name, { on: node, ...args } as never);
        } catch (error) {
          said.set(name, String(error));
        }
    };
    hidden(await stack.preview({ program, mayFail: true }));
    expect([...said.keys()]).toEqual(Object.keys(bad));
    expect([...said].filter(([, text]) => text.includes(canary)).map(([name]) => name)).toEqual([]);
  });

  test("is not printed when a value that comes later is refused", async () => {
    const later: Record<string, [Type: Class, args: object]> = {
      "later-data": [Secret, { data: { KEY: pulumi.secret(refused) } }],
      "later-login": [
        Secret,
        { type: "kubernetes.io/dockercfg", stringData: { ".dockercfg": pulumi.secret(refused) } },
      ],
      "later-binary": [ConfigMap, { binaryData: { KEY: pulumi.secret(refused) } }],
    };
    for (const [name, [Type, args]] of Object.entries(later)) {
      const program = () => void new Type(name, { on: on(), ...args } as never);
      const preview = await stack.preview({ program, mayFail: true });
      hidden(preview);
      expect({ name, said: [...preview.errors.values()].join() }).toEqual({
        name,
        said: expect.stringMatching(/\.KEY: must|must be JSON/),
      });
    }
  });

  test("is not printed, and lies in state encrypted, when the node refuses it", async () => {
    const secret = (text = canary) => pulumi.secret(text);
    const bytes = Buffer.from(`${canary} of bytes`).toString("base64");
    const program = () => {
      const node = on();
      new File("file", { node, path: secret(`/proc/${canary}/file`), content: secret() });
      new File("content", { node, path: "/proc/sys/nothing", content: secret(`first\n${canary}\nlast`) });
      new Mount("bind", { node, source: secret(`/srv/${canary}`), target: "/srv/bind", options: ["bind"] });
      new Mount("kept", { node, source: secret(), target: "/srv/kept", fsType: "tmpfs" });
      new RootFs("programs", { node, path: "/srv/programs", hostBinaries: [secret()] as never });
      new RootFs("archive", { node, path: "/srv/archive", archive: secret(`/srv/${canary}.tar`) });
      new Namespace("namespace", { node, types: ["uts"], hostname: secret(canary) });
      new CGroup("group", { node, path: secret(`canaries/${canary}`), memoryMax: 1 });
      new Process("missing", { node, command: [secret()], timeoutSeconds: 5 });
      new Process("folder", {
        node,
        command: ["sleep", "1000"],
        workingDir: secret(`/srv/${canary}`),
        timeoutSeconds: 5,
      });
      new Process("ends", {
        node,
        command: ["sh", "-c", 'echo "the password is $PASSWORD"; exit 3'],
        env: { PASSWORD: secret() },
        restartPolicy: "Never",
      });
      const asleep = { node, command: ["sleep", "1000"], timeoutSeconds: 5, terminationGracePeriodSeconds: 0 };
      new FileSet("set", { node, path: secret(`/proc/${canary}/set`), files: { key: secret() } });
      new RootFs("pulled", {
        node,
        path: "/srv/pulled",
        image: `${registry.host}/none:1`,
        pullSecrets: [JSON.stringify({ auths: { [registry.host]: { username: "operator", password: canary } } })],
      });
      new Process("profile", {
        ...asleep,
        seccompProfile: { type: "Localhost", localhostProfile: secret(`${canary}.json`) },
      } as never);
      new Process("probed", {
        ...asleep,
        readinessProbe: { exec: { command: ["sh", "-c", secret(`echo not yet ${canary}; exit 1`)] }, periodSeconds: 1 },
        lifecycle: { postStart: { exec: { command: ["true", secret()] } } },
      } as never);
      new Process("asked", {
        ...asleep,
        skipAwait: true,
        readinessProbe: { httpGet: { port: 9, httpHeaders: [{ name: "X-Token", value: secret() }] } },
        variables: [{ name: "KEY", value: secret() }],
        hosts: { aliases: [{ ip: "192.0.2.1", hostnames: [secret(canary)] }] },
        dns: { policy: "None", nameservers: ["192.0.2.1"], options: [], searches: [secret(`${canary}.example`)] },
        projections: [{ name: "v", files: [{ path: "key", mode: 0o600, text: secret() }] }],
      } as never);
      new Secret("vault", { on: node, stringData: { text: `${canary} of text` }, data: { bytes } });
      new ConfigMap("settings", { on: node, data: { setting: secret(`${canary} of a setting`) } });
      const from = (kind: string, name: string, key: string) => ({ name: key, valueFrom: { [kind]: { name, key } } });
      new Pod("reader", {
        on: node,
        metadata: { annotations: { note: secret(`${canary} of a note`) } },
        spec: {
          restartPolicy: "Never",
          containers: [
            {
              name: "reader",
              image: "host:busybox",
              command: [
                "busybox",
                "sh",
                "-c",
                'echo "$text|$bytes|$setting" | busybox tee /dev/termination-log; exit 5',
              ],
              env: [
                from("secretKeyRef", "vault", "text"),
                from("secretKeyRef", "vault", "bytes"),
                from("configMapKeyRef", "settings", "setting"),
              ],
            },
          ],
        },
      });
      new Pod("pod", {
        on: node,
        spec: {
          restartPolicy: "Never",
          containers: [
            {
              name: "canary-bird",
              image: "host:busybox",
              command: ["busybox", "sh", "-c", 'echo "$0 $KEY"; exit 4', secret()],
              env: [{ name: "KEY", value: secret(`it's "${canary}"`) }],
            },
          ],
        },
      });
    };
    const up = await stack.up({ program, mayFail: true, continueOnError: true });
    hidden(up);
    expect(up.errors.get("ends")).toContain("the password is [secret]");
    expect(up.errors.get("probed")).toContain("not yet [secret]");
    expect(up.errors.get("pulled")).toContain("tried the login of imagePullSecrets[0]");
    for (const name of ["file", "set", "content", "bind", "programs", "archive", "missing", "folder", "profile"])
      expect({ name, said: up.errors.get(name) }).toEqual({
        name,
        said: expect.stringMatching(/\[secret\]|\*\*\*|sys/),
      });
    const refreshed = await stack.refresh({ mayFail: true });
    hidden(refreshed);
    const again = await stack.up({ mayFail: true, continueOnError: true });
    hidden(again);
    // Only the secret is masked, not all that stands beside it. On a busy machine the container ends only after the first
    // `up` has seen it run.
    const said = [up, again].map(({ errors }) => errors.get("pod-process") ?? "").join("\n");
    expect(said).toContain("container canary-bird ended with exit code 4");
    const read = [up, again].map(({ errors }) => errors.get("reader-process") ?? "").join("\n");
    expect(read).toContain("[secret]|[secret]|[secret]");
    hidden(await stack.destroy({ mayFail: true }));
  });
});
