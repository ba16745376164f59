/** What every state file holds, and so can never change: provider texts, type tokens, and the names behind them. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, expect, it, vi } from "vitest";

/** What each class registered, by its resource's name. */
const registered = new Map<string, { type: string; inputs: Record<string, unknown> }>();

void pulumi.runtime.setMocks({
  newResource: ({ type, name, inputs }) => {
    registered.set(name, { type, inputs });
    return { id: `${name}-id`, state: { ...inputs, nonce: "1234", path: inputs.path ?? "/run/made" } };
  },
  call: ({ inputs }) => inputs,
});

let barepod: typeof import("barepod");
let providers: Record<string, unknown>;

beforeAll(async () => {
  barepod = await import("barepod");
  providers = (await import("barepod/provider")) as unknown as Record<string, unknown>;
  const {
    CGroup,
    ConfigMap,
    EndpointSlice,
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
    Service,
    ServiceEndpoints,
    ServiceProxy,
    VethPair,
  } = barepod;
  const node = new Node("Node", { connection: "root@192.0.2.10" });
  new CGroup("CGroup", { node, path: "box" });
  new File("File", { node, path: "/srv/f", content: "" });
  new FileSet("FileSet", { node, path: "/srv/set" });
  const namespace = "/run/barepod/namespaces/box";
  new HostPorts("HostPorts", { node, namespace, interface: "box-eth0", ports: [{ hostPort: 80, containerPort: 80 }] });
  new IptablesChain("IptablesChain", { node, name: "WEB" });
  new IptablesRule("IptablesRule", { node, chain: "INPUT", jump: "DROP" });
  new Mount("Mount", { node, source: "proc", target: "/srv/proc", fsType: "proc" });
  new Namespace("Namespace", { node, types: ["net"] });
  new Process("Process", { node, command: ["sleep", "1"] });
  new RootFs("RootFs", { node, path: "/srv/box", hostBinaries: ["sh"] });
  const endpoints = [{ address: "192.0.2.7" }];
  new ServiceEndpoints("ServiceEndpoints", {
    node,
    namespace: "shop",
    name: "web",
    service: "web",
    ports: [],
    endpoints,
  });
  new ServiceProxy("ServiceProxy", { node, namespace: "shop", name: "web", ports: [{ port: 80 }] });
  new EndpointSlice("slice", {
    on: node,
    metadata: { labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["192.0.2.7"] }],
    ports: [{ port: 80 }],
  });
  new Service("service", { on: node, spec: { selector: { app: "web" }, ports: [{ port: 80 }] } });
  new VethPair("VethPair", { node, namespace: "/run/barepod/namespaces/box" });
  new Pod("pod", {
    on: node,
    spec: {
      containers: [
        {
          name: "main",
          image: "host:sleep",
          command: ["sleep", "1"],
          volumeMounts: [{ name: "data", mountPath: "/data" }],
          resources: { limits: { memory: "10Mi" } },
          ports: [{ containerPort: 80, hostPort: 8080 }],
        },
      ],
      volumes: [{ name: "data", emptyDir: { medium: "Memory" } }],
    },
  });
  const { yaml } = barepod;
  const spec = { containers: [{ name: "main", image: "host:sleep", command: ["sleep", "1"] }] };
  const manifest = { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "shop" }, spec };
  new yaml.ConfigGroup("group", { on: node, objs: [manifest, { ...manifest, metadata: { name: "web" } }] });
  const other = new Node("other", { connection: "root@192.0.2.11" });
  new yaml.ConfigFile(join(__dirname, "../examples/yaml/pods.yaml"), { on: other, resourcePrefix: "file" });
  await vi.waitFor(() => expect([...registered.keys()]).toContain("file-core-k8s-process"));
  new ConfigMap("map", { on: node, data: { a: "b" } });
  new Secret("secret", { on: node, stringData: { a: "b" } });
  await vi.waitFor(() => expect([...registered.keys()]).toContain("secret-data"));
  await vi.waitFor(() => expect([...registered.keys()]).toContain("pod-process"));
});

/** Every type that a state file may name. One more is fine; one less strands what it made. */
const types = [
  "CGroup",
  "File",
  "FileSet",
  "HostPorts",
  "IptablesChain",
  "IptablesRule",
  "Mount",
  "Namespace",
  "Node",
  "Process",
  "RootFs",
  "ServiceEndpoints",
  "ServiceProxy",
  "VethPair",
];

it("offers a class and a provider for each type, and no other", () => {
  const classes = Object.entries(barepod).filter(
    ([, value]) => typeof value === "function" && value.prototype instanceof pulumi.CustomResource,
  );
  expect(classes.map(([name]) => name).sort()).toEqual(types);
  expect(Object.keys(providers).sort()).toEqual(types);
});

it.each(types)("%s registers the constant provider text under its type", (type) => {
  expect(registered.get(type)).toMatchObject({
    type: `pulumi-nodejs:dynamic/barepod:${type}`,
    inputs: { __provider: `exports.handler = () => require("barepod/provider").${type};` },
  });
});

it.each(types)("%s has all callbacks of a dynamic provider", (type) => {
  const callbacks = ["check", "create", "delete", "diff", "read", "update"];
  expect(Object.keys(providers[type] as object).sort()).toEqual(callbacks);
});

it.each(types)("%s hands over its URN under a name that Pulumi does not drop", (type) => {
  expect(registered.get(type)?.inputs).toHaveProperty("resourceUrn");
});

it("keeps a pod's type and the names of its children", () => {
  const pod = [...registered].filter(([name]) => name.startsWith("pod"));
  expect(
    pod.map(([name, { type }]) => `${type.replace("pulumi-nodejs:dynamic/", "")} ${name}`).sort(),
  ).toMatchInlineSnapshot(`
    [
      "barepod:CGroup pod-cgroup",
      "barepod:CGroup pod-cgroup-main",
      "barepod:HostPorts pod-ports",
      "barepod:Mount pod-volume-data",
      "barepod:Namespace pod-namespace",
      "barepod:Process pod-process",
      "barepod:RootFs pod-rootfs-main",
      "barepod:VethPair pod-eth0",
      "barepod:index:Pod pod",
    ]
  `);
});

it("keeps the types of manifests' collections, and the names of what they declare", () => {
  const made = [...registered].filter(([, { type }]) => /^barepod:(yaml:|index:Pod)/.test(type));
  const names = made.map(([name, { type }]) => `${type} ${name.replace(/^.*\/examples/, "…")}`);
  expect(names.sort()).toMatchInlineSnapshot(`
    [
      "barepod:index:Pod file-core-k8s",
      "barepod:index:Pod file-shop/web",
      "barepod:index:Pod group-shop/web",
      "barepod:index:Pod group-web",
      "barepod:index:Pod pod",
      "barepod:yaml:ConfigFile …/yaml/pods.yaml",
      "barepod:yaml:ConfigGroup group",
    ]
  `);
});

it("keeps the types of a Service and of an EndpointSlice, and the names of their children", () => {
  const service = [...registered].filter(([name]) => /^(service|slice)/.test(name));
  expect(service.map(([name, { type }]) => `${type.replace("pulumi-nodejs:dynamic/", "")} ${name}`).sort()).toEqual([
    "barepod:ServiceEndpoints slice-endpoints",
    "barepod:ServiceProxy service-proxy",
    "barepod:index:EndpointSlice slice",
    "barepod:index:Service service",
  ]);
});

it("keeps the types of a ConfigMap and a Secret, and the names of their children", () => {
  const objects = [...registered].filter(([name]) => /^(map|secret)/.test(name));
  expect(objects.map(([name, { type }]) => `${type.replace("pulumi-nodejs:dynamic/", "")} ${name}`).sort()).toEqual([
    "barepod:FileSet map-data",
    "barepod:FileSet secret-data",
    "barepod:index:ConfigMap map",
    "barepod:index:Secret secret",
  ]);
});
