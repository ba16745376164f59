/** ConfigFile and ConfigGroup under mocks: what they declare, and what they refuse. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Node, Pod, yaml } from "barepod";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

let registered: string[] = [];
/** By the resource's name. */
let inputs = new Map<string, Record<string, unknown>>();
const folder = mkdtempSync(join(tmpdir(), "barepod-yaml-"));
const outside = process.cwd();

beforeAll(() => {
  process.chdir(folder);
  mkdirSync("manifests/deep", { recursive: true });
});
afterAll(() => {
  process.chdir(outside);
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  registered = [];
  inputs = new Map();
  void pulumi.runtime.setMocks({
    newResource: ({ type, name, inputs: given }) => {
      registered.push(`${type.replace("pulumi-nodejs:dynamic/barepod:", "")} ${name}`);
      inputs.set(name, given);
      return {
        id: `${name}-id`,
        state: { ...given, nonce: "1234", path: given.path ?? "/run/made", podIP: "10.244.0.2" },
      };
    },
    call: () => ({}),
  });
});

const on = () => new Node("edge", { connection: { host: "192.0.2.10" } });
const pod = (name: string, more = "") =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}${more}\nspec:\n  containers:\n    - name: main\n      image: host:sleep\n      command: [sleep, "1"]\n`;
const known = <T>(output: pulumi.Output<T>) => (output as unknown as { promise(): Promise<T> }).promise();

async function declared(made: yaml.ConfigFile | yaml.ConfigGroup): Promise<string[]> {
  const resources = await known(made.resources);
  await Promise.all(Object.values(resources).map((each) => known(each.urn)));
  return registered.filter((each) => each.startsWith("barepod:")).sort();
}

/** What an error says that is thrown by a program. */
function refusalOf(declare: () => unknown): string {
  try {
    declare();
  } catch (error) {
    expect(error).toBeInstanceOf(pulumi.ResourceError);
    expect((error as pulumi.ResourceError).hideStack).toBe(true);
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
}

describe("a ConfigFile", () => {
  test("declares each document", async () => {
    writeFileSync("pods.yaml", `# two\n${pod("web")}---\n${pod("api", "\n  namespace: shop")}`);
    const file = new yaml.ConfigFile("app", { on: on(), file: "pods.yaml" });
    expect(await declared(file)).toEqual([
      "barepod:index:Pod app-shop/api",
      "barepod:index:Pod app-web",
      "barepod:yaml:ConfigFile app",
    ]);
    expect(Object.keys(await known(file.resources))).toEqual(["v1/Pod::web", "v1/Pod::shop/api"]);
    expect(await known(file.getResource("v1/Pod", "web"))).toBeInstanceOf(Pod);
    expect(await known(file.getResource("v1/Pod", "default", "web").status.podIP)).toBe("10.244.0.2");
    const api: pulumi.Output<Pod> = file.getResource("v1/Pod", "shop", "api");
    expect(await known(api)).toBeInstanceOf(Pod);
    await vi.waitFor(() => expect(inputs.get("app-shop/api-process")).toMatchObject({ name: "shop_api" }));
    expect(refusalOf(() => file.getResource("v1/Pod", "api"))).toBe(
      "there is no v1/Pod::api in the manifests, which declare v1/Pod::web, v1/Pod::shop/api",
    );
  });

  test("declares what pods look up before them, whatever the order of the text", async () => {
    const secret = `apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: '{"auths": {}}'\n`;
    const text = `${pod("web")}  imagePullSecrets: [{name: login}]\n---\n${secret}`;
    const group = new yaml.ConfigGroup("pull", { on: on(), yaml: text });
    expect(Object.keys(await known(group.resources))).toEqual(["v1/Secret::login", "v1/Pod::web"]);
    expect(refusalOf(() => new yaml.ConfigGroup("none", { on: on(), yaml: text.split("---")[0] ?? "" }))).toContain(
      "spec.imagePullSecrets[0].name",
    );
  });

  test("is called as its file by default, and its prefix can be chosen", async () => {
    writeFileSync(
      "pod.json",
      JSON.stringify({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "web" },
        spec: { containers: [{ name: "a", image: "host:true", command: ["true"] }] },
      }),
    );
    expect(await declared(new yaml.ConfigFile("pod.json", { on: on(), resourcePrefix: "" }))).toEqual([
      "barepod:index:Pod web",
      "barepod:yaml:ConfigFile pod.json",
    ]);
    registered = [];
    expect(await declared(new yaml.ConfigFile("pod.json", { on: on(), resourcePrefix: "x" }))).toContain(
      "barepod:index:Pod x-web",
    );
  });

  test("hands its options on", async () => {
    writeFileSync("pod.yaml", pod("web"));
    const seen: pulumi.ResourceTransformationArgs[] = [];
    const first = new Node("first", { connection: { host: "192.0.2.11" } });
    const file = new yaml.ConfigFile(
      "app",
      { on: on(), file: "pod.yaml", skipAwait: true },
      {
        dependsOn: first,
        transformations: [(args) => void seen.push(args)],
      },
    );
    await declared(file);
    const own = seen.find(({ name }) => name === "app-web");
    expect(own?.opts).toMatchObject({ parent: file, dependsOn: first });
    await vi.waitFor(() => expect(inputs.get("app-web-process")).toMatchObject({ skipAwait: true }));
  });
});

describe("a ConfigGroup", () => {
  test("takes files, patterns, texts and objects", async () => {
    writeFileSync("manifests/b.yaml", pod("b"));
    writeFileSync("manifests/a.yaml", pod("a"));
    writeFileSync("manifests/deep/c.yaml", pod("c"));
    writeFileSync("manifests/[odd].yaml", pod("odd"));
    writeFileSync("manifests/note.txt", "no: manifest");
    const group = new yaml.ConfigGroup("app", {
      on: on(),
      files: ["manifests/b.yaml", "manifests/[a-c].yaml", "manifests/[odd].yaml", "manifests/**/c.yaml"],
      yaml: [pod("d"), `${pod("e")}---\n`],
      objs: {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "f" },
        spec: {
          containers: [
            {
              name: "a",
              image: "host:sleep",
              command: ["sleep", "1"],
              env: [{ name: "A", value: pulumi.output("later") }],
            },
          ],
        },
      },
    });
    const names = Object.keys(await known(group.resources)).map((each) => each.replace("v1/Pod::", ""));
    expect(names).toEqual(["b", "a", "odd", "c", "d", "e", "f"]);
    expect(await declared(group)).toContain("barepod:yaml:ConfigGroup app");
  });

  test("opens lists, of one kind and of any", async () => {
    const list = {
      apiVersion: "v1",
      kind: "List",
      items: [
        {
          apiVersion: "v1",
          kind: "PodList",
          items: [
            { metadata: { name: "a" }, spec: { containers: [{ name: "a", image: "host:true", command: ["true"] }] } },
          ],
        },
      ],
    };
    const group = new yaml.ConfigGroup("app", { on: on(), yaml: JSON.stringify(list) });
    expect(await declared(group)).toContain("barepod:index:Pod app-a");
  });

  test("transforms manifests before they are checked", async () => {
    const options: pulumi.ComponentResourceOptions[] = [];
    const group = new yaml.ConfigGroup("app", {
      on: on(),
      yaml: `${pod("web")}---\n${pod("gone")}---\n${pod("odd").replace("containers", "kontainers")}`,
      transformations: [
        (manifest, opts) => {
          if (manifest.metadata.name === "gone") Object.assign(manifest, { apiVersion: "v1", kind: "List" });
          manifest.metadata.namespace = "shop";
          opts.protect = true;
          options.push(opts);
        },
        (manifest) => {
          if (manifest.spec.kontainers) manifest.spec = { containers: manifest.spec.kontainers };
        },
      ],
    });
    expect(await declared(group)).toEqual([
      "barepod:index:Pod app-shop/odd",
      "barepod:index:Pod app-shop/web",
      "barepod:yaml:ConfigGroup app",
    ]);
    expect(new Set(options).size).toBe(3);
  });

  test("declares one text on two nodes", async () => {
    const [first, second] = ["first", "second"].map(
      (name) => new yaml.ConfigGroup(name, { on: new Node(name, { connection: { host: name } }), yaml: pod("web") }),
    );
    await declared(first as yaml.ConfigGroup);
    expect(await declared(second as yaml.ConfigGroup)).toEqual(
      expect.arrayContaining(["barepod:index:Pod first-web", "barepod:index:Pod second-web"]),
    );
  });
});

describe("mistakes", () => {
  test("of all documents are shown at once, by file, line, column and path, before anything is made", async () => {
    writeFileSync(
      "bad.yaml",
      `apiVersion: v1
kind: Pod
metadata: { name: Web }
spec:
  containers:
    - name: main
      imagee: host:sleep
      command: [sleep, 1]
      env:
        - {name: A, value: yes}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Pod
    metadata: {name: a}
    spec:
      containers: [{name: a, image: "host:true", command: ["true"], resources: {limits: {memory: lots}}}]
  - apiVersion: v1
    kind: Endpoints
  - just text
---
kind: Pod
on: x
`,
    );
    const refusal = refusalOf(() => new yaml.ConfigFile("app", { on: on(), file: "bad.yaml" }));
    expect(refusal).toMatchInlineSnapshot(`
      "ConfigFile "app": 10 problems:
        bad.yaml:3:13: metadata.name: must be a DNS subdomain: a-z, 0-9, - and ., each part beginning and ending with a letter or digit
        bad.yaml:6:7: spec.containers[0].image: is required
        bad.yaml:7:7: spec.containers[0].imagee: no such field; did you mean image?
        bad.yaml:8:24: spec.containers[0].command[1]: must be a string, not a number; put it into quotes
        bad.yaml:10:21: spec.containers[0].env[0].value: must be a string, not a boolean; put it into quotes
        bad.yaml:12:1: apps/v1 Deployment in document 2 is not supported; supported kinds: v1 ConfigMap, v1 Secret, v1 Service, discovery.k8s.io/v1 EndpointSlice, v1 Pod
        bad.yaml:23:90: items[0].spec.containers[0].resources.limits.memory: must be a quantity such as 500m, 1.5, 200Mi or 1e3
        bad.yaml:24:5: items[1]: v1 Endpoints in document 3 is not supported; supported kinds: v1 ConfigMap, v1 Secret, v1 Service, discovery.k8s.io/v1 EndpointSlice, v1 Pod
        bad.yaml:26:5: items[2]: must be an object with apiVersion and kind
        bad.yaml:28:1: apiVersion: is required"
    `);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(registered.filter((each) => !/Node|ConfigFile/.test(each))).toEqual([]);
  });

  test.each<[string, () => object, string]>([
    ["no node", () => ({ yaml: pod("web") }), 'on: must be a Node, for example new Node("edge-1", { connection: … })'],
    [
      "no such file",
      () => ({ on: on(), files: "absent.yaml" }),
      `absent.yaml: does not exist; it was looked for at ${join(folder, "absent.yaml")}`,
    ],
    ["an empty pattern", () => ({ on: on(), files: "absent/*.yaml" }), "absent/*.yaml: matches no file"],
    [
      "a folder",
      () => ({ on: on(), files: "manifests" }),
      "manifests: is a folder; give its files, for example with /*.yaml behind it",
    ],
    [
      "a URL",
      () => ({ on: on(), files: "https://example.com/pod.yaml" }),
      "https://example.com/pod.yaml: is a URL, and manifests are not fetched; download it and keep it with the program",
    ],
    [
      "bytes that are no text",
      () => {
        writeFileSync("latin.yaml", Buffer.from([0x61, 0x3a, 0xe4]));
        return { on: on(), files: "latin.yaml" };
      },
      "latin.yaml: is not UTF-8",
    ],
    [
      "a text that comes later",
      () => ({ on: on(), yaml: pulumi.output("x") }),
      "yaml: must be plain text or a list of such, not an Output: what is declared must be known",
    ],
    [
      "one pod twice",
      () => ({ on: on(), yaml: [pod("web"), `# again\n${pod("web", "\n  namespace: default")}`] }),
      "yaml[1]:5:3: metadata.name: must be unique: yaml[0]:1:1 is the same Pod",
    ],
    [
      "no name",
      () => ({ on: on(), yaml: pod("web").replace("name: web", "labels: {}") }),
      "yaml:3:1: metadata.name: is required",
    ],
    ["an object of no kind", () => ({ on: on(), objs: [{ apiVersion: "v1" }] }), "objs[0]: kind: is required"],
    ["a list", () => ({ on: on(), yaml: "- a\n" }), "yaml:1:1: must be an object with apiVersion and kind"],
    [
      "the component's own argument",
      () => ({ on: on(), yaml: `"on": x\n${pod("web")}` }),
      "yaml:1:1: on: no such field",
    ],
    [
      "items that are no list",
      () => ({ on: on(), yaml: "apiVersion: v1\nkind: PodList\nitems: 5\n" }),
      "yaml:3:1: items: must be a list",
    ],
    [
      "a misspelt kind",
      () => ({ on: on(), yaml: pod("web").replace("Pod", "pod") }),
      "yaml:1:1: v1 pod in document 1 is not supported; supported kinds: v1 ConfigMap, v1 Secret, v1 Service, discovery.k8s.io/v1 EndpointSlice, v1 Pod",
    ],
    [
      "no YAML",
      () => ({ on: on(), yaml: "a: [" }),
      "yaml:1:5: is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
    ],
    [
      "a version without quotes",
      () => ({ on: on(), yaml: pod("web", "\n  labels: {version: 1.10, debug: on}") }),
      '2 problems:\n  yaml:5:12: metadata.labels["version"]: must be a string, not a fraction; put it into quotes\n  yaml:5:27: metadata.labels["debug"]: must be a string, not a boolean; put it into quotes',
    ],
  ])("are refused: %s", (_, args, message) => {
    const given = args() as yaml.ConfigGroupArgs;
    expect(refusalOf(() => new yaml.ConfigGroup("app", given))).toBe(`ConfigGroup "app": ${message}`);
  });

  test("are counted when they are many", () => {
    const many = Array.from({ length: 30 }, (_, i) => `field${i}: 1`).join("\n");
    const refusal = refusalOf(() => new yaml.ConfigGroup("app", { on: on(), yaml: `${pod("web")}${many}` }));
    expect(refusal).toMatch(/^ConfigGroup "app": 30 problems:\n {2}yaml:10:1: field0: no such field/);
    expect(refusal).toMatch(/\n {2}and 5 more$/);
  });
});

test("what `kubectl run --dry-run=client -o yaml` prints is accepted but for what a node cannot do", () => {
  const text = `apiVersion: v1\nkind: Pod\nmetadata:\n  creationTimestamp: null\n  labels:\n    run: web\n  name: web\nspec:\n  containers:\n  - image: host:sleep\n    name: web\n    command: [sleep, "1"]\n    resources: {}\n  restartPolicy: Always\nstatus: {}\n`;
  expect(() => new yaml.ConfigGroup("app", { on: on(), yaml: text })).not.toThrow();
});
