/** The Pod component under mocks: what it declares, in previews and otherwise. */
import * as pulumi from "@pulumi/pulumi";
import { ConfigMap, type ConnectionArgs, Node, Pod, type PodArgs } from "barepod";
import { beforeEach, describe, expect, test } from "vitest";
import type { Container } from "../../provider/kubernetes/container-types";
import type { PodSpec } from "../../provider/kubernetes/types";

interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

/** What only an `up` knows. */
const computed: Readonly<Record<string, object>> = {
  Node: { nonce: "1234", facts: { address: "192.0.2.10" } },
  Process: {
    phase: "Running",
    podIP: "10.244.0.2",
    hostIP: "192.0.2.10",
    uid: "uid",
    containerStatuses: [{ name: "web", state: "running" }],
  },
};

let registered: Registered[] = [];
/** The children of a Pod as its transformations see them. */
let children: pulumi.ResourceTransformationArgs[] = [];

function useMocks(preview: boolean): void {
  registered = [];
  children = [];
  void pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const short = type.replace(/^.*barepod:/, "").replace(/^index:/, "");
        registered.push({ type: short, name, inputs });
        return { id: preview ? undefined : `${name}-id`, state: { ...inputs, ...(preview ? {} : computed[short]) } };
      },
      call: () => ({}),
    },
    "project",
    "stack",
    preview,
  );
}

const container = (more: Partial<Container> = {}): Container => ({
  name: "web",
  image: "host:bash,sleep",
  command: ["sleep", "10000"],
  ...more,
});
const node = (connection: pulumi.Input<ConnectionArgs> = { host: "192.0.2.10" }) => new Node("edge", { connection });
const pod = (spec: Partial<PodSpec> = {}, options: pulumi.ComponentResourceOptions = {}, args: Partial<PodArgs> = {}) =>
  new Pod(
    "site",
    { on: node(), spec: { containers: [container()], ...spec }, ...args },
    { ...options, transformations: [...(options.transformations ?? []), see] },
  );
function see(args: pulumi.ResourceTransformationArgs): undefined {
  if (!(args.resource instanceof Pod)) children.push(args);
}

/** Waits until all has been registered. */
async function settled(made: Pod): Promise<void> {
  const process = (made as unknown as { urn: pulumi.Output<string> }).urn;
  await (process as unknown as { promise(): Promise<string> }).promise();
  for (let calm = 0, seen = -1; calm < 3; calm += registered.length === seen ? 1 : 0) {
    seen = registered.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
const tree = () => registered.map(({ type, name }) => `${type} ${name}`).sort();
const inputsOf = (name: string) => registered.find((each) => each.name === name)?.inputs;
/** An Output's value, `undefined` when this preview cannot know it. */
const known = <T>(output: pulumi.Output<T>) => (output as unknown as { promise(): Promise<T | undefined> }).promise();

describe.each([
  ["in a preview", true],
  ["in an up", false],
])("a Pod %s", (_, preview) => {
  beforeEach(async () => {
    // What an earlier test only refused registers its node all the same.
    await new Promise((resolve) => setTimeout(resolve, 30));
    useMocks(preview);
  });

  test("has its tokens for whom it says, and the node's CA unless the program has declared one", async () => {
    const on = node();
    const spec = (securityContext: PodSpec["securityContext"], user?: number): PodSpec => ({
      automountServiceAccountToken: true,
      serviceAccountName: "robot",
      securityContext,
      containers: [
        container(user === undefined ? {} : { securityContext: { runAsUser: user } }),
        container({ name: "b" }),
      ],
    });
    const tokenAndCa = async (name: string, of: PodSpec) => {
      await settled(new Pod(name, { on, spec: of }));
      type Files = [{ mode: number; user?: number }, { file: string }];
      const { projections = [] } = inputsOf(`${name}-process`) as { projections?: { group?: number; files: Files }[] };
      expect(projections).toHaveLength(1);
      return projections.flatMap(({ group, files: [{ mode, user }, { file }] }) => [mode, user, group, file]);
    };
    const own = "/var/lib/barepod/issuer/configmaps/default/kube-root-ca.crt/data/ca.crt";
    expect(await tokenAndCa("any", spec({}))).toEqual([0o644, undefined, undefined, own]);
    expect(await tokenAndCa("one", spec({ runAsUser: 7 }))).toEqual([0o600, 7, undefined, own]);
    expect(await tokenAndCa("two", spec({ runAsUser: 7 }, 8))).toEqual([0o644, undefined, undefined, own]);
    expect(await tokenAndCa("group", spec({ fsGroup: 5 }))).toEqual([0o600, undefined, 5, own]);
    new ConfigMap("ca", { on, metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": "mine" } });
    const declared = "/var/lib/barepod/objects/configmaps/default/kube-root-ca.crt/data/ca.crt";
    expect((await tokenAndCa("after", spec({})))[3]).toBe(declared);
  });

  test("declares exactly these children", async () => {
    const made = pod({
      containers: [container(), container({ name: "side-car" })],
      volumes: [
        { name: "disk", emptyDir: {} },
        { name: "memory", emptyDir: { medium: "Memory" } },
        { name: "host", hostPath: { path: "/srv" } },
      ],
    });
    await settled(made);
    expect(tree()).toEqual([
      "CGroup site-cgroup",
      "CGroup site-cgroup-side-car",
      "CGroup site-cgroup-web",
      "Mount site-shm",
      "Mount site-volume-memory",
      "Namespace site-namespace",
      "Node edge",
      "Pod site",
      "Process site-process",
      "RootFs site-rootfs-side-car",
      "RootFs site-rootfs-web",
      "VethPair site-eth0",
    ]);
    expect(children).toHaveLength(10);
    expect(children.filter(({ opts }) => opts.parent !== made)).toEqual([]);
  });

  test("names its children so that another pod's cannot have the same", async () => {
    const on = node();
    const first = new Pod("web", { on, spec: { containers: [container({ name: "api" })] } });
    const second = new Pod("web-api", { on, spec: { containers: [container({ name: "web" })] } });
    await Promise.all([settled(first), settled(second)]);
    const names = registered.map(({ type, name }) => `${type} ${name}`);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test("refuses a second one of its name in a namespace of a node", async () => {
    const on = node();
    const spec = { containers: [container()] };
    await settled(new Pod("one", { on, metadata: { name: "web" }, spec }));
    expect(() => new Pod("two", { on, metadata: { name: "web" }, spec })).toThrow(
      'Pod "two": metadata.name: must be unique in its namespace on a node: the Pod "one" is "web" in the namespace "default" too',
    );
    await settled(new Pod("three", { on, metadata: { name: "web", namespace: "other" }, spec }));
    await settled(new Pod("four", { on: new Node("far", { connection: "far" }), metadata: { name: "web" }, spec }));
  });

  test("refuses a port of the node that another has", async () => {
    const on = node();
    const ports = (hostIP?: string) => [{ containerPort: 80, hostPort: 8080, ...(hostIP !== undefined && { hostIP }) }];
    const spec = (list: object[], more: Partial<PodSpec> = {}) => ({
      containers: [container({ ports: list as never })],
      ...more,
    });
    await settled(new Pod("one", { on, spec: spec(ports("192.0.2.1")) }));
    await settled(new Pod("two", { on, spec: spec(ports("192.0.2.2")) }));
    expect(() => new Pod("three", { on, spec: spec(ports()) })).toThrow(
      'Pod "three": spec.containers[0].ports[0].hostPort: the Pod "one" has TCP port 8080 of the node already',
    );
    expect(() => new Pod("four", { on, spec: spec([{ containerPort: 8080 }], { hostNetwork: true }) })).toThrow(
      'Pod "four": spec.containers[0].ports[0].containerPort: the Pod "one" has TCP port 8080 of the node already',
    );
    await settled(new Pod("five", { on: new Node("far", { connection: "far" }), spec: spec(ports()) }));
    expect(tree().filter((each) => each.startsWith("HostPorts"))).toEqual([
      "HostPorts five-ports",
      "HostPorts one-ports",
      "HostPorts two-ports",
    ]);
    expect(inputsOf("one-ports")).toMatchObject({
      namespace: "/run/barepod/namespaces/default_one",
      ports: [{ hostPort: 8080, containerPort: 80, protocol: "TCP", hostIP: "192.0.2.1" }],
      up: true,
    });
  });

  test("has names in the domain of its node", async () => {
    expect(() => new Node("odd", { connection: "odd", clusterDomain: "Edge" })).toThrow(
      'Node "odd": clusterDomain: must be a DNS subdomain',
    );
    const on = new Node("own", { connection: "own", clusterDomain: "edge.test" });
    expect([on.clusterDomain, node().clusterDomain]).toEqual(["edge.test", "cluster.local"]);
    const spec = { subdomain: "sites", setHostnameAsFQDN: true, containers: [container()] };
    await settled(new Pod("site", { on, spec }));
    const hostname = "site.sites.default.svc.edge.test";
    expect(inputsOf("site-namespace")).toMatchObject({ hostname });
    expect(inputsOf("own")).not.toHaveProperty("clusterDomain");
    expect(inputsOf("site-process")).toMatchObject({
      hosts: { hostname: "site", domain: "sites.default.svc.edge.test", kernelName: hostname, aliases: [] },
      dns: { policy: "ClusterFirst", clusterSearches: ["default.svc.edge.test", "svc.edge.test", "edge.test"] },
      containers: [{ env: {} }],
    });
  });

  test("gives each child its part", async () => {
    const made = pod(
      {
        hostname: "front",
        restartPolicy: "OnFailure",
        terminationGracePeriodSeconds: 7,
        volumes: [
          { name: "disk", emptyDir: {} },
          { name: "memory", emptyDir: { medium: "Memory" } },
          { name: "host", hostPath: { path: "/srv//data/" } },
        ],
        containers: [
          container({
            args: ["$(A)", "$$(A)"],
            env: [
              { name: "A", value: "1" },
              { name: "A", value: "2" },
            ],
            workingDir: "/tmp/",
            resources: { limits: { cpu: "500m", memory: "64Mi" }, requests: { cpu: "100m" } },
            volumeMounts: [
              { name: "disk", mountPath: "disk" },
              { name: "memory", mountPath: "/memory" },
              { name: "host", mountPath: "/host", readOnly: true },
            ],
            securityContext: { runAsUser: 1000, capabilities: { drop: ["ALL"], add: ["net_admin"] } },
          }),
        ],
      },
      {},
      { metadata: { name: "front-end", namespace: "shop" } },
    );
    await settled(made);
    expect(inputsOf("site-namespace")).toMatchObject({
      name: "shop_front-end",
      types: ["net", "uts", "ipc"],
      hostname: "front",
    });
    expect(inputsOf("site-eth0")).toMatchObject({
      namespace: "/run/barepod/namespaces/shop_front-end",
      interfaceName: "eth0",
    });
    expect(inputsOf("site-cgroup")).toMatchObject({
      path: "barepod.pods/shop_front-end",
      memoryMax: 67_108_864,
      memorySwapMax: 0,
      cpuMax: 0.5,
      cpuShares: 102,
    });
    expect(inputsOf("site-cgroup-web")).toMatchObject({
      path: "barepod.pods/shop_front-end/web",
      memoryMax: 67_108_864,
      cpuMax: 0.5,
    });
    expect(inputsOf("site-volume-memory")).toMatchObject({
      source: "tmpfs",
      target: "/var/lib/barepod/volumes/shop_front-end/memory",
      fsType: "tmpfs",
    });
    expect(inputsOf("site-rootfs-web")).toMatchObject({
      path: "/run/barepod/pods/shop_front-end/web/rootfs",
      hostBinaries: ["bash", "sleep"],
      overlay: true,
    });
    expect(inputsOf("site-process")).toMatchObject({
      name: "shop_front-end",
      pod: { namespace: "shop", name: "front-end" },
      namespace: "/run/barepod/namespaces/shop_front-end",
      mounts: ["/var/lib/barepod/volumes/shop_front-end/memory"],
      restartPolicy: "OnFailure",
      terminationGracePeriodSeconds: 7,
      running: true,
      containers: [
        {
          name: "web",
          command: ["sleep", "10000", "2", "$(A)"],
          env: { A: "2" },
          workingDir: "/tmp",
          rootFs: "/run/barepod/pods/shop_front-end/web/rootfs",
          cgroup: "barepod.pods/shop_front-end/web",
          runAsUser: 1000,
          allowPrivilegeEscalation: true,
          privileged: false,
          readOnlyRootFilesystem: false,
          capabilities: { add: ["NET_ADMIN"], drop: ["ALL"] },
          volumes: [
            {
              source: "/var/lib/barepod/volumes/shop_front-end/disk",
              target: "/disk",
              ephemeral: true,
              readOnly: false,
            },
            { source: "/var/lib/barepod/volumes/shop_front-end/memory", target: "/memory", readOnly: false },
            { source: "/srv/data", target: "/host", readOnly: true },
          ],
        },
      ],
    });
    expect(inputsOf("site-process")).not.toHaveProperty("skipAwait");
    expect(inputsOf("site-process")).not.toHaveProperty("timeoutSeconds");
  });

  test("leaves the network alone with hostNetwork, and shares processes when asked", async () => {
    await settled(pod({ hostNetwork: true, shareProcessNamespace: true }));
    expect(registered.some(({ type }) => type === "VethPair")).toBe(false);
    expect(inputsOf("site-namespace")).toMatchObject({ types: ["ipc", "pid"] });
    expect(inputsOf("site-namespace")).not.toHaveProperty("hostname");
    expect(inputsOf("site-process")).toMatchObject({ hostNamespaces: ["net", "uts"], interfaces: [] });
    const [first] = (inputsOf("site-process")?.["containers"] ?? []) as { env: object }[];
    expect(first?.env).toEqual({});
  });

  test("hands on the annotations of waiting", async () => {
    const annotations = { "pulumi.com/skipAwait": "true", "pulumi.com/timeoutSeconds": "90" };
    await settled(pod({}, {}, { metadata: { annotations } }));
    expect(inputsOf("site-process")).toMatchObject({ skipAwait: true, timeoutSeconds: 90 });
  });

  test("tells its status like Kubernetes", async () => {
    const made = pod({}, {}, { metadata: { labels: { app: "web" } } });
    const host = new Pod("host", { on: node(), spec: { hostNetwork: true, containers: [container()] } });
    await settled(made);
    expect(await known(made.status)).toEqual(
      preview
        ? undefined
        : {
            qosClass: "BestEffort",
            phase: "Running",
            podIP: "10.244.0.2",
            hostIP: "192.0.2.10",
            containerStatuses: [{ name: "web", state: "running" }],
          },
    );
    expect((await known(host.status))?.podIP).toBe(preview ? undefined : "192.0.2.10");
    if (!preview)
      expect(await known(made.metadata)).toMatchObject({
        name: "site",
        namespace: "default",
        labels: { app: "web" },
      });
  });

  test("keeps secret values secret, and the rest of it readable", async () => {
    const made = pod({
      containers: [
        container({
          env: [
            { name: "PASSWORD", value: pulumi.secret("hunter2") },
            { name: "PLAIN", value: pulumi.output("visible") },
          ],
        }),
      ],
    });
    await settled(made);
    expect(inputsOf("site-process")?.["secrets"]).toEqual(["containers/0/env/PASSWORD"]);
    expect(inputsOf("site-rootfs-web")).not.toHaveProperty("secrets");
    expect(await pulumi.isSecret(made.spec)).toBe(true);
    expect(await pulumi.isSecret(made.status)).toBe(false);
    expect(await pulumi.isSecret(made.metadata)).toBe(false);
  });

  test("can be declared for a node whose address is not known yet", async () => {
    class Machine extends pulumi.CustomResource {
      declare readonly address: pulumi.Output<string>;
      constructor(name: string) {
        super("cloud:index:Machine", name, { address: undefined });
      }
    }
    const { address } = new Machine("machine");
    const on = new Node("late", { connection: address.apply((host) => ({ host })) });
    await settled(new Pod("site", { on, spec: { containers: [container()] } }));
    expect(tree()).toHaveLength(9);
    expect(inputsOf("site-process")).toMatchObject({ node: "late", name: "default_site" });
  });

  test("hands protect, dependsOn and transformations down", async () => {
    const other = new pulumi.ComponentResource("test:index:Other", "other", {});
    const first = new Node("other-node", { connection: "root@192.0.2.11" }, { parent: other });
    const transformations = [
      ({ type, props, opts }: pulumi.ResourceTransformationArgs) =>
        type.endsWith(":CGroup") ? { props: { ...props, pidsMax: 7 }, opts } : undefined,
    ];
    await settled(pod({}, { protect: true, dependsOn: [first], transformations }));
    expect(children).toHaveLength(6);
    const isProtected = ({ resource }: pulumi.ResourceTransformationArgs) =>
      (resource as unknown as { __protect: boolean }).__protect;
    expect(children.filter((child) => !isProtected(child))).toEqual([]);
    expect(children.filter(({ opts }) => ![opts.dependsOn].flat(2).includes(first))).toEqual([]);
    expect(inputsOf("site-cgroup")).toMatchObject({ pidsMax: 7 });
  });

  test.each<[string, object, RegExp]>([
    [
      "a field that is not done yet",
      { spec: { containers: [container({ volumeDevices: [{ name: "a", devicePath: "/dev/a" }] })] } },
      /spec\.containers\[0\]\.volumeDevices/,
    ],
    [
      "a field that nobody knows",
      { spec: { containers: [container({ volumeMount: [] } as never)] } },
      /spec\.containers\[0\]\.volumeMount/,
    ],
    ["structure that is not plain", { spec: pulumi.output({ containers: [container()] }) }, /spec/],
    ["a secret structure", { spec: pulumi.secret({ containers: [container()] }) }, /spec/],
    [
      "a name that is an Output",
      { spec: { containers: [container({ name: pulumi.output("web") })] } },
      /spec\.containers\[0\]\.name/,
    ],
    ["no containers", { spec: { containers: [] } }, /spec\.containers/],
    ["nothing at all", {}, /spec/],
    ["two containers of one name", { spec: { containers: [container(), container()] } }, /spec\.containers\[1\]\.name/],
    ["no node", { on: undefined, spec: { containers: [container()] } }, /on: must be a Node/],
    ["no image reference", { spec: { containers: [container({ image: "Nginx" })] } }, /spec\.containers\[0\]\.image/],
  ])("refuses %s by its path, without a stack", (_title, args, message) => {
    let thrown: unknown;
    try {
      new Pod("site", { on: node(), ...args } as never);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(pulumi.ResourceError);
    expect((thrown as pulumi.ResourceError).hideStack).toBe(true);
    expect((thrown as Error).message).toMatch(/^Pod "site": /);
    expect((thrown as Error).message).toMatch(message);
  });

  test("names all mistakes at once, and no value", () => {
    const canary = "canary-7f4e1c";
    const spec = {
      hostname: `${canary}!`,
      containers: [
        container({
          name: `${canary}!`,
          workingDir: canary,
          env: [{ name: `${canary}=`, value: "x" }],
          resources: { limits: { memory: canary } },
          volumeMounts: [{ name: canary, mountPath: `/${canary}:` }],
          securityContext: { capabilities: { add: [canary] } },
        }),
      ],
    };
    let message = "";
    try {
      pod(spec as never);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).not.toContain(canary);
    for (const path of ["hostname", "name", "workingDir", "env[0].name", "memory", "mountPath", "capabilities.add[0]"])
      expect(message).toContain(path);
  });
});
