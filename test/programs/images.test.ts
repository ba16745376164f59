/** Images of a registry in pods, through the real engine. */
import { readFileSync } from "node:fs";
import { type ConnectionArgs, Node, Pod, Secret } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../../provider/kubernetes/container-types";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { startFront } from "../harness/front";
import { login, startRegistry, type TestRegistry } from "../harness/registry";
import { ImageNode, imageObstacle } from "../node/image-node";

const obstacle = imageObstacle();
const busybox = "/bin/busybox";
const passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:1234:2345:web:/home/web:/bin/sh\n";
const group = "root:x:0:\nwebs:x:2345:\nmore:x:77:web\n";

const report = `echo "who=$(id -u):$(id -g):$(id -G)"; echo "pwd=$(pwd)"; env | sort | sed 's/^/env:/'
for each; do echo "argument=$each"; done; trap 'echo got-usr1; exit 0' USR1; echo done
while :; do sleep 0.1; done`;

describe.skipIf(obstacle)(`pods of images${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  const node = new ImageNode();
  let registry: TestRegistry;
  let stack: Stack;
  let containers: (Partial<Container> & { name: string })[] = [];
  let before: string;

  beforeAll(async () => {
    await node.start();
    await node.sh("mkdir -p /srv/t");
    registry = await startRegistry({ address: node.operator });
    await fill("app:1", "first");
    await fill("moving:1", "first");
    await fill("moving:latest", "first");
    before = await node.listing();
    stack = await openStack("images", program);
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  let images = 0;
  async function fill(image: string, version: string, ...options: string[]): Promise<void> {
    const source = node.image(`i${++images}`, {
      layers: [
        { "bin/busybox": readFileSync(busybox), "etc/passwd": passwd, "etc/group": group, "work/here": "" },
        { "bin/report": report, "etc/version": version },
      ],
      config: {
        "config.entrypoint": ["/bin/busybox", "sh", "/bin/report"],
        "config.cmd": ["from", "cmd"],
        "config.env": ["FROM=image", "BOTH=image"],
        "config.user": "web",
        "config.workingdir": "/work",
        "config.stopsignal": "SIGUSR1",
      },
    });
    await registry.fill(source, image, ...options);
  }

  function program(): void {
    const connection: ConnectionArgs = node.connection;
    const on = new Node("edge", { connection, registries: { plainHttp: [registry.host] } });
    for (const { name, ...more } of containers)
      new Pod(name, {
        on,
        spec: { terminationGracePeriodSeconds: 5, containers: [{ name: "c", ...more } as Container] },
      });
  }

  const of = (image: string) => `${registry.host}/${image}`;
  async function logged(name: string): Promise<string[]> {
    return (
      await node.sh(
        `until cat /var/log/pods/default_${name}_*/c/0.log 2>/dev/null | grep -q done; do sleep 0.05; done; cut -d' ' -f4- /var/log/pods/default_${name}_*/c/0.log`,
      )
    ).split("\n");
  }
  const ops = (outcome: Outcome, name: string) =>
    outcome.steps
      .filter((step) => step.name.startsWith(name) && step.op !== "same")
      .map(({ type, op }) => `${type} ${op}`);

  test("honours what the image says of its process", async () => {
    containers = [
      { name: "plain", image: of("app:1"), env: [{ name: "BOTH", value: "pod" }] },
      { name: "args", image: of("app:1"), args: ["mine"] },
      {
        name: "command",
        image: of("app:1"),
        command: ["busybox", "sh", "-c", report, "-", "x"],
        workingDir: "/",
        securityContext: { runAsUser: 5 },
      },
    ];
    await stack.up();
    expect(await logged("plain")).toEqual([
      "who=1234:2345:2345 77",
      "pwd=/work",
      "env:BOTH=pod",
      "env:FROM=image",
      "env:HOME=/home/web",
      "env:HOSTNAME=plain",
      "env:PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "env:PWD=/work",
      "env:SHLVL=1",
      "argument=from",
      "argument=cmd",
      "done",
    ]);
    expect(await logged("args")).toEqual(expect.arrayContaining(["argument=mine", "who=1234:2345:2345 77"]));
    expect(await logged("args")).not.toContain("argument=cmd");
    expect(await logged("command")).toEqual(expect.arrayContaining(["who=5:0:0", "pwd=/", "argument=x", "env:HOME=/"]));
    expect(await node.sh("ls /var/lib/barepod/images/layers | grep -c users")).toBe("2");
  });

  test("stops it with the image's signal", async () => {
    containers = containers.filter(({ name }) => name === "plain");
    const ended = node.sh(
      "file=$(echo /var/log/pods/default_plain_*/c/0.log); exec 3<$file; until grep -q got-usr1 /dev/fd/3 || [ ! -e $file ]; do sleep 0.05; done; grep -c got-usr1 /dev/fd/3 || :",
    );
    await stack.up({ program: () => program() });
    containers = [];
    await stack.up();
    expect(await ended).toMatch(/\d/);
    expect(await node.sh("ls /var/lib/barepod/images 2>/dev/null || :")).toBe("");
  });

  test("replaces what a tag stands for with Always, and only then; a registry that is silent changes nothing", async () => {
    const command = ["busybox", "sh", "-c", "cat /etc/version; echo; echo done; exec sleep 100000"];
    containers = [
      { name: "always", image: of("moving:1"), imagePullPolicy: "Always", command },
      { name: "latest", image: of("moving"), command },
      { name: "present", image: of("moving:1"), command },
    ];
    await stack.up();
    expect((await stack.preview()).steps.filter(({ op }) => op !== "same")).toEqual([]);
    for (const image of ["moving:1", "moving:latest"]) await fill(image, "second");
    const preview = await stack.preview();
    expect(ops(preview, "present")).toEqual([]);
    for (const name of ["always", "latest"])
      expect(ops(preview, name)).toEqual(expect.arrayContaining(["RootFs replace", "Process replace"]));
    await stack.up();
    for (const [name, version] of [
      ["always", "second"],
      ["latest", "second"],
      ["present", "first"],
    ] as const)
      expect(await logged(name)).toContain(version);
    expect((await stack.preview()).steps.filter(({ op }) => op !== "same")).toEqual([]);

    const { host } = registry;
    await registry[Symbol.asyncDispose]();
    const silent = await stack.preview();
    expect(silent.steps.filter(({ op }) => op !== "same")).toEqual([]);
    expect(silent.warnings.join()).toContain(`could not look up ${host}/moving:1`);
    containers = [];
    await stack.up();
    registry = await startRegistry({ address: node.operator });
    await fill("app:1", "first");
  });

  test("says once, in the preview, that an image is not there", async () => {
    containers = [{ name: "none", image: of("none"), command: ["x"] }];
    const preview = await stack.preview({ mayFail: true });
    expect([...preview.errors.values()].join("\n")).toMatch(/could not look up .*\/none:latest/);
    containers = [{ name: "none", image: of("none:1"), command: ["x"] }];
    const up = await stack.up({ mayFail: true });
    const message = up.errors.get("none-rootfs-c");
    expect(message).toMatch(/could not get the manifest of .*\/none:1/);
    expect(message).toMatch(/status 404: (MANIFEST|NAME)_UNKNOWN/);
    containers = [];
    await stack.up();
  });

  test("logs in with the Secrets that a pod names, in the preview and on the node", async () => {
    await using closed = await startRegistry({ address: node.operator, auth: "basic" });
    await closed.fill(node.image("closed", { layers: [{ "bin/busybox": readFileSync(busybox) }] }), "closed:latest");
    const image = `${closed.host}/closed`;
    const auths = { [closed.host]: login };
    const inNamespace = (namespace: string, known: boolean) => () => {
      const on = new Node("edge", { connection: node.connection, registries: { plainHttp: [closed.host] } });
      const type = "kubernetes.io/dockerconfigjson";
      const stringData = { ".dockerconfigjson": JSON.stringify({ auths }) };
      if (known) new Secret("login", { on, type, stringData });
      new Pod("closed", {
        on,
        metadata: { namespace },
        spec: {
          terminationGracePeriodSeconds: 0,
          imagePullSecrets: [{ name: "login" }],
          containers: [{ name: "c", image, command: ["/bin/busybox", "sleep", "100000"] }],
        },
      });
    };
    await using other = await openStack("images-closed", inNamespace("default", true));
    await other.up();
    expect((await other.preview()).steps.filter(({ op }) => op !== "same")).toEqual([]);
    // Neither a Secret of another namespace nor one that is not declared will do.
    for (const [namespace, known] of [
      ["shop", true],
      ["default", false],
    ] as const) {
      const refused = await other.preview({ program: inNamespace(namespace, known), mayFail: true });
      expect([...refused.errors.values()].join("\n")).toContain(
        `spec.imagePullSecrets[0].name: must be the name of a Secret of type kubernetes.io/dockerconfigjson that this program declares before the pod, in the namespace ${namespace}`,
      );
      expect(JSON.stringify([...refused.errors])).not.toContain(login.password);
    }
    await other.destroy();
  });

  test("comes in Docker's format from a mirror of the Node, and shows how far it is", async () => {
    await fill("mirrored/docker:1", "first", "--format=v2s2");
    await using mirror = await startFront(
      registry.host,
      ({ headers }, answer) => (/curl/.test(headers["user-agent"] ?? "") ? { ...answer, delay: 2500 } : answer),
      node.operator,
    );
    await using other = await openStack("images-mirror", () => {
      const mirrors = { "registry.invalid": [`http://${mirror.host}/mirrored`] };
      const on = new Node("edge", { connection: node.connection, registries: { mirrors } });
      const command = ["busybox", "sleep", "100000"];
      new Pod("mirrored", {
        on,
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "c", image: "registry.invalid/docker:1", command }],
        },
      });
    });
    const { statuses } = await other.up();
    expect(
      statuses.filter((each) => /^pulling docker:1: \d+ of \d+ (kB|MB), \d of 2 layers \(\d+ s\)/.test(each)),
    ).not.toEqual([]);
    expect(mirror.questions.map(({ target }) => target)).toContain("/v2/mirrored/docker/manifests/1");
    await other.destroy();
  });

  test("shares the layers of several stacks, and removes them with the last", async () => {
    containers = [{ name: "one", image: of("app:1") }];
    await stack.up();
    await using other = await openStack("images-other", () => {
      const on = new Node("edge", { connection: node.connection, registries: { plainHttp: [registry.host] } });
      new Pod("two", {
        on,
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "c", image: of("app:1") }] },
      });
    });
    await other.up();
    const layers = () => node.sh("ls /var/lib/barepod/images/layers 2>/dev/null | grep -vc users || :");
    expect(await layers()).toBe("2");
    await stack.destroy();
    expect(await layers()).toBe("2");
    await other.destroy();
    expect(await layers()).toBe("0");
    expect(await node.listing()).toBe(before);
  });
});
