import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { handler } from "../../provider/handler";
import type { NodeInputs, Spec } from "../../provider/resource";
import { cgroupSpec } from "../../provider/resources/cgroup";
import { fileSpec } from "../../provider/resources/file";
import { mountSpec } from "../../provider/resources/mount";
import { namespaceSpec } from "../../provider/resources/namespace";
import { nodeSpec } from "../../provider/resources/node";
import { processSpec } from "../../provider/resources/process";
import { rootFsSpec } from "../../provider/resources/root-fs";
import { vethPairSpec } from "../../provider/resources/veth-pair";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();

/** Whoever interprets one of these makes /tmp/interpreted, or touches what it should not. */
const hostile: Readonly<Record<string, string>> = {
  "300 characters": "x".repeat(300),
  "a space": "a b",
  quotes: `it's "quoted"`,
  "a newline": "one\ntouch /tmp/interpreted",
  "a tab and a carriage return": "one\ttwo\rthree",
  "a command substitution": "$(touch /tmp/interpreted)",
  backquotes: "`touch /tmp/interpreted`",
  "a second command": "x; touch /tmp/interpreted #",
  "a closing quote": "x'; touch /tmp/interpreted; echo '",
  "a variable": "$HOME${IFS}x",
  "an option": "-rf",
  "a long option": "--help",
  "a pattern": "*?[a-z]{x,y}~",
  backslashes: "a\\nb\\",
  unicode: "ünï-日本-😀",
  "half a character": "a\ud800",
  "a NUL byte": "a\0b",
  "an escape sequence": "\u001b[31mred",
  "a way up": "../../tmp/interpreted",
  nothing: "",
  blanks: "   ",
  "a comma and a colon": "a,b:c=d",
};

// biome-ignore lint/suspicious/noExplicitAny: whatever the spec's own inputs are
type AnySpec = Spec<any, any>;
type Inputs = NodeInputs & Record<string, unknown>;

interface Subject {
  readonly spec: AnySpec;
  /** Which input the value goes into. */
  readonly field: string;
  /** Valid inputs, with the value in its place. */
  inputs(value: string): object;
  /** Looks at the object on the node without a shell, and without Barepod: throws unless it is exactly what was asked for. */
  look?(inputs: Inputs): Promise<void>;
  /** Makes what has to be there first. */
  prepare?(value: string): Promise<void>;
}

describe.skipIf(obstacle)(`bad input${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  const connection = () => {
    const { host, port, user, privateKeyPath, hostKey } = node;
    return { host, port, user, privateKeyPath, hostKey };
  };

  beforeAll(async () => {
    node = await startSandbox();
    // The log folders are a Node's to make.
    await run("mkdir", "-p", "/srv/source", "/var/log/pods", "/var/log/containers");
    await make(rootFsSpec, { path: "/srv/root", hostBinaries: ["sleep"] });
    // The lock and the programs stay, whatever comes first.
    const first = await make(processSpec, {
      name: "first",
      command: ["true"],
      running: true,
      restartPolicy: "Never",
      skipAwait: true,
    });
    await handler(processSpec).delete?.("", first as never);
    await make(vethPairSpec, { namespace: "/nothing", up: true }).catch(() => undefined);
  });
  afterEach(async () => {
    expect((await node.exec(["test", "-e", "/tmp/interpreted"])).code).toBe(1);
  });
  afterAll(async () => {
    await closeAllSessions();
    await node?.[Symbol.asyncDispose]();
  });

  async function run(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await node.exec(argv);
    expect({ argv, code, stderr }).toEqual({ argv, code: 0, stderr: "" });
    return stdout;
  }

  function complete(inputs: object): Inputs {
    return {
      node: "edge",
      connection: connection(),
      owner: "nonce/urn:bad",
      resourceUrn: "urn:pulumi:bad",
      ...inputs,
    } as unknown as Inputs;
  }

  async function make(spec: AnySpec, inputs: object): Promise<Inputs> {
    const checked = (await handler(spec).check?.({}, complete(inputs))) as { inputs: Inputs; failures: unknown[] };
    expect(checked.failures).toEqual([]);
    return (await handler(spec).create(checked.inputs)).outs as Inputs;
  }

  /** The first process of the container of a Process, as the kernel shows it. */
  async function processOf(inputs: Inputs): Promise<string> {
    return (await run("cut", "-f2", `/run/barepod/process/${inputs["name"]}/main/status`)).trim();
  }
  const kernelSays = async (pid: string, file: string) =>
    (await run("cat", `/proc/${pid}/${file}`)).split("\0").slice(0, -1);

  const sleeper = {
    command: ["sleep", "1000"],
    running: true,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 0,
  };
  const subjects: Subject[] = [
    {
      spec: fileSpec,
      field: "path",
      inputs: (value) => ({ path: `/srv/bad/${value}`, content: "content" }),
      look: async ({ path }) => expect(await run("cat", String(path))).toBe("content"),
    },
    {
      spec: fileSpec,
      field: "content",
      inputs: (content) => ({ path: "/srv/bad/file", content }),
      look: async ({ content }) => expect(await run("cat", "/srv/bad/file")).toBe(content),
    },
    {
      spec: fileSpec,
      field: "contentBase64",
      inputs: (value) => ({ path: "/srv/bad/file", contentBase64: value }),
      look: async ({ contentBase64 }) =>
        expect((await run("base64", "-w0", "/srv/bad/file")).trim()).toBe(
          Buffer.from(String(contentBase64), "base64").toString("base64"),
        ),
    },
    {
      spec: mountSpec,
      field: "target",
      inputs: (value) => ({ source: "tmpfs", fsType: "tmpfs", target: `/srv/bad/${value}` }),
      look: async ({ target }) => expect(await run("stat", "-f", "-c", "%T", String(target))).toBe("tmpfs\n"),
    },
    {
      spec: mountSpec,
      field: "source of a bind mount",
      prepare: async (value) => void (await node.exec(["mkdir", "-p", `/srv/source/${value}`])),
      inputs: (value) => ({ source: `/srv/source/${value}`, options: ["bind"], target: "/srv/bad/target" }),
      look: async ({ source }) => {
        const [a, b] = (await run("stat", "-c", "%d:%i", String(source), "/srv/bad/target")).trim().split("\n");
        expect(a).toBe(b);
      },
    },
    {
      spec: mountSpec,
      field: "source of a file system",
      inputs: (source) => ({ source, fsType: "tmpfs", target: "/srv/bad/target" }),
      look: async ({ source }) =>
        expect(
          (JSON.parse(await run("findmnt", "-J", "-o", "SOURCE", "/srv/bad/target")) as { filesystems: unknown[] })
            .filesystems,
        ).toEqual([{ source }]),
    },
    { spec: mountSpec, field: "fsType", inputs: (fsType) => ({ source: "x", fsType, target: "/srv/bad/target" }) },
    {
      spec: mountSpec,
      field: "options",
      inputs: (option) => ({ source: "x", fsType: "tmpfs", options: [option], target: "/srv/bad/target" }),
    },
    {
      spec: rootFsSpec,
      field: "path",
      inputs: (value) => ({ path: `/srv/bad/${value}`, hostBinaries: ["true"] }),
      look: async ({ path }) => void (await run("chroot", String(path), "/usr/bin/true")),
    },
    {
      spec: rootFsSpec,
      field: "path of an overlay",
      inputs: (value) => ({ path: `/srv/bad/${value}`, hostBinaries: ["true"], overlay: true }),
      look: async ({ path }) => void (await run("chroot", String(path), "/usr/bin/true")),
    },
    { spec: rootFsSpec, field: "hostBinaries", inputs: (value) => ({ path: "/srv/bad/root", hostBinaries: [value] }) },
    {
      spec: rootFsSpec,
      field: "hostBinaries by path",
      inputs: (value) => ({ path: "/srv/bad/root", hostBinaries: [`/usr/bin/${value}`] }),
    },
    {
      spec: rootFsSpec,
      field: "archive",
      inputs: (value) => ({ path: "/srv/bad/root", archive: `/srv/source/${value}` }),
    },
    {
      spec: rootFsSpec,
      field: "archiveSha256",
      inputs: (value) => ({ path: "/srv/bad/root", archive: "/srv/source/a.tar", archiveSha256: value }),
    },
    { spec: namespaceSpec, field: "name", inputs: (name) => ({ name, types: ["uts"] }) },
    { spec: namespaceSpec, field: "hostname", inputs: (hostname) => ({ name: "bad", types: ["uts"], hostname }) },
    { spec: namespaceSpec, field: "types", inputs: (type) => ({ name: "bad", types: [type] }) },
    {
      spec: cgroupSpec,
      field: "path",
      inputs: (value) => ({ path: `bad/${value}`, pidsMax: 10 }),
      look: async ({ path }) => {
        const at = [`/sys/fs/cgroup/pids/${path}/pids.max`, `/sys/fs/cgroup/${path}/pids.max`];
        const found = await Promise.all(at.map((file) => node.exec(["cat", file])));
        expect(found.map(({ stdout }) => stdout)).toContain("10\n");
      },
    },
    { spec: cgroupSpec, field: "memoryMax", inputs: (memoryMax) => ({ path: "bad", memoryMax }) },
    { spec: cgroupSpec, field: "cpuMax", inputs: (cpuMax) => ({ path: "bad", cpuMax }) },
    { spec: cgroupSpec, field: "cpusetCpus", inputs: (cpusetCpus) => ({ path: "bad", cpusetCpus }) },
    { spec: cgroupSpec, field: "cpusetMems", inputs: (cpusetMems) => ({ path: "bad", cpusetMems }) },
    {
      spec: vethPairSpec,
      field: "namespace",
      inputs: (value) => ({ namespace: `/run/barepod/namespaces/${value}`, up: true }),
    },
    {
      spec: vethPairSpec,
      field: "interfaceName",
      inputs: (interfaceName) => ({ namespace: "/run/barepod/namespaces/x", interfaceName, up: true }),
    },
    {
      spec: vethPairSpec,
      field: "address",
      inputs: (address) => ({ namespace: "/run/barepod/namespaces/x", address, up: true }),
    },
    {
      spec: vethPairSpec,
      field: "name",
      inputs: (name) => ({ namespace: "/run/barepod/namespaces/x", name, up: true }),
    },
    { spec: processSpec, field: "name", inputs: (name) => ({ ...sleeper, name }) },
    {
      spec: processSpec,
      field: "command",
      inputs: (value) => ({ ...sleeper, name: "bad", command: ["perl", "-e", "sleep 1000", "--", value] }),
      look: async (inputs) => expect(await kernelSays(await processOf(inputs), "cmdline")).toEqual(inputs["command"]),
    },
    {
      spec: processSpec,
      field: "a variable's value",
      inputs: (value) => ({ ...sleeper, name: "bad", env: { GIVEN: value } }),
      look: async (inputs) =>
        expect(await kernelSays(await processOf(inputs), "environ")).toContain(
          `GIVEN=${(inputs["env"] as { GIVEN: string }).GIVEN}`,
        ),
    },
    {
      spec: processSpec,
      field: "a variable's name",
      inputs: (value) => ({ ...sleeper, name: "bad", env: { [value]: "value" } }),
      look: async (inputs) =>
        expect(await kernelSays(await processOf(inputs), "environ")).toContain(
          `${Object.keys(inputs["env"] as object)[0]}=value`,
        ),
    },
    {
      spec: processSpec,
      field: "workingDir",
      prepare: async (value) => void (await node.exec(["mkdir", "-p", `/srv/source/${value}`])),
      inputs: (value) => ({ ...sleeper, name: "bad", workingDir: `/srv/source/${value}` }),
      look: async (inputs) =>
        expect(await run("readlink", "-n", `/proc/${await processOf(inputs)}/cwd`)).toBe(inputs["workingDir"]),
    },
    {
      spec: processSpec,
      field: "a volume's source and target",
      prepare: async (value) => void (await node.exec(["mkdir", "-p", `/srv/source/${value}`])),
      inputs: (value) => ({
        ...sleeper,
        name: "bad",
        rootFs: "/srv/root",
        volumes: [{ source: `/srv/source/${value}`, target: `/bad/${value}` }],
      }),
      look: async (inputs) => {
        const [{ source, target }] = inputs["volumes"] as [{ source: string; target: string }];
        const seen = await run("stat", "-c", "%d:%i", source, `/proc/${await processOf(inputs)}/root${target}`);
        expect(new Set(seen.trim().split("\n")).size).toBe(1);
      },
    },
    {
      spec: processSpec,
      field: "cgroup",
      inputs: (value) => ({ ...sleeper, name: "bad", cgroup: `bad/${value}` }),
      look: async (inputs) => expect(await kernelSays(await processOf(inputs), "cmdline")).toEqual(["sleep", "1000"]),
    },
    {
      spec: processSpec,
      field: "namespace",
      inputs: (value) => ({ ...sleeper, name: "bad", namespace: `/run/barepod/namespaces/${value}` }),
      look: async (inputs) => expect(await kernelSays(await processOf(inputs), "cmdline")).toEqual(["sleep", "1000"]),
    },
    {
      spec: processSpec,
      field: "rootFs",
      inputs: (value) => ({ ...sleeper, name: "bad", rootFs: `/srv/source/${value}` }),
    },
    {
      spec: processSpec,
      field: "pod.name",
      inputs: (value) => ({ ...sleeper, name: "bad", pod: { namespace: "default", name: value } }),
      look: async (inputs) => expect(await kernelSays(await processOf(inputs), "cmdline")).toEqual(["sleep", "1000"]),
    },
    {
      spec: processSpec,
      field: "a container's name",
      inputs: (name) => ({
        ...sleeper,
        command: undefined,
        name: "bad",
        containers: [{ name, command: ["sleep", "1000"] }],
      }),
    },
    {
      spec: processSpec,
      field: "capabilities",
      inputs: (value) => ({ ...sleeper, name: "bad", capabilities: { add: [value] } }),
    },
    { spec: nodeSpec, field: "podCIDR", inputs: (podCIDR) => ({ podCIDR, nonce: "n" }) },
  ];

  test.each(subjects.map((subject): [string, string, Subject] => [subject.spec.type, subject.field, subject]))(
    "%s takes hostile values of %s exactly, or refuses them",
    async (_type, _field, { spec, inputs, look, prepare }) => {
      const before = await node.snapshot();
      const outcomes: Record<string, string> = {};
      for (const [title, value] of Object.entries(hostile)) {
        const provider = handler(spec);
        const { inputs: checked, failures } = ((await provider.check?.({}, complete(inputs(value)))) ?? {}) as {
          inputs: Inputs;
          failures: { property: string; reason: string }[];
        };
        if (failures.length > 0) {
          for (const { property, reason } of failures) {
            expect(property).toBe("");
            if (value.length > 4) expect(reason).not.toContain(value);
            expect(reason).toMatch(/^[^:]+: ./);
          }
          outcomes[title] = "refused in the preview";
          continue;
        }
        if (!/\0|\ud800|\.\./.test(value)) await prepare?.(value);
        let state: Inputs | undefined;
        try {
          state = (await provider.create(checked)).outs as Inputs;
        } catch (error) {
          const { properties, message } = error as Error & { properties?: Inputs };
          expect(message).not.toMatch(/syntax error|unexpected|not found: .*touch/i);
          state = properties;
          outcomes[title] = `refused by the node: ${message.split("\n").at(-1)}`;
        }
        if (state === undefined) continue;
        if (outcomes[title] === undefined) {
          expect(look, `${title} was accepted, and nothing says how to look at it`).toBeDefined();
          await look?.(checked);
          outcomes[title] = "made exactly";
        }
        await provider.delete?.("", state as never);
      }
      if (process.env["SHOW_OUTCOMES"] !== undefined) console.log(outcomes);
      // Mount points inside a root file system go with that.
      await node.exec(["find", "/srv/source", "/srv/root/bad", "-mindepth", "1", "-delete"]);
      await node.exec(["rm", "-rf", "/srv/root/bad"]);
      // Which address comes next is remembered, whatever became of the last.
      const left = difference(before, await node.snapshot()).filter((line) => !line.endsWith("/last-address"));
      expect(left).toEqual([]);
    },
  );

  test("a path through a symbolic link is refused, and nothing is made where it leads", async () => {
    await run("mkdir", "-p", "/srv/tree", "/srv/elsewhere");
    await run("ln", "-s", "/srv/elsewhere", "/srv/tree/link");
    const before = await node.snapshot();
    const attempts: [AnySpec, object][] = [
      [fileSpec, { path: "/srv/tree/link/file", content: "x" }],
      [fileSpec, { path: "/srv/tree/link/deeper/file", content: "x" }],
      [mountSpec, { source: "tmpfs", fsType: "tmpfs", target: "/srv/tree/link/mount" }],
      [mountSpec, { source: "tmpfs", fsType: "tmpfs", target: "/srv/tree/link" }],
      [mountSpec, { source: "/srv/source", options: ["bind"], target: "/srv/tree/link/deeper/mount" }],
      [rootFsSpec, { path: "/srv/tree/link/root", hostBinaries: ["true"] }],
      [rootFsSpec, { path: "/srv/tree/link", hostBinaries: ["true"], overlay: true }],
    ];
    for (const [spec, inputs] of attempts)
      await expect(make(spec, inputs), JSON.stringify(inputs)).rejects.toThrow(/symbolic link|was not made by Barepod/);
    expect(difference(before, await node.snapshot())).toEqual([]);
  });

  test("a path of a volume does not lead out of the container through its symbolic links", async () => {
    await run("mkdir", "-p", "/srv/root/inside");
    await run("ln", "-s", "/srv/elsewhere", "/srv/root/inside/absolute");
    await run("ln", "-s", "../../../../srv/elsewhere", "/srv/root/inside/relative");
    for (const target of ["/inside/absolute/volume", "/inside/relative/volume"]) {
      const state = await make(processSpec, {
        ...sleeper,
        name: "bad",
        rootFs: "/srv/root",
        volumes: [{ source: "/srv/source", target }],
      }).catch((error: { properties?: Inputs }) => error.properties);
      expect(await run("ls", "-A", "/srv/elsewhere")).toBe("");
      if (state !== undefined) await handler(processSpec).delete?.("", state as never);
    }
    await run("rm", "-r", "/srv/root/inside");
  });

  test.each<[string, AnySpec, object]>([
    ["memoryMax", cgroupSpec, { memoryMax: "200MB" }],
    ["memoryMax", cgroupSpec, { memoryMax: "200mi" }],
    ["memoryMax", cgroupSpec, { memoryMax: "-1" }],
    ["memoryMax", cgroupSpec, { memoryMax: -1 }],
    ["memoryMax", cgroupSpec, { memoryMax: Number.NaN }],
    ["memoryMax", cgroupSpec, { memoryMax: "9999999Ei" }],
    ["memoryMax", cgroupSpec, { memoryMax: "" }],
    ["memorySwapMax", cgroupSpec, { memorySwapMax: "1Mi" }],
    ["cpuMax", cgroupSpec, { cpuMax: 0 }],
    ["cpuMax", cgroupSpec, { cpuMax: "500Mi00" }],
    ["cpuMax", cgroupSpec, { cpuMax: "-1" }],
    ["cpuMax", cgroupSpec, { cpuMax: 1e9 }],
    ["cpuShares", cgroupSpec, { cpuShares: 1 }],
    ["cpuWeight", cgroupSpec, { cpuWeight: 10_001 }],
    ["pidsMax", cgroupSpec, { pidsMax: -1 }],
    ["pidsMax", cgroupSpec, { pidsMax: 1.5 }],
    ["pidsMax", cgroupSpec, { pidsMax: "10" }],
    ["mode", fileSpec, { path: "/srv/f", content: "", mode: 0o10000 }],
    ["uid", fileSpec, { path: "/srv/f", content: "", uid: 2 ** 32 }],
    ["mtu", vethPairSpec, { namespace: "/n", mtu: 575 }],
    ["runAsUser", processSpec, { command: ["x"], running: true, runAsUser: 2 ** 31 }],
    [
      "terminationGracePeriodSeconds",
      processSpec,
      { command: ["x"], running: true, terminationGracePeriodSeconds: -1 },
    ],
    ["timeoutSeconds", processSpec, { command: ["x"], running: true, timeoutSeconds: 0 }],
    ["podCIDR", nodeSpec, { podCIDR: "10.0.0.0/31", nonce: "n" }],
    ["podCIDR", nodeSpec, { podCIDR: "10.0.0.1/24", nonce: "n" }],
    ["podCIDR", nodeSpec, { podCIDR: "300.0.0.0/24", nonce: "n" }],
  ])("%s out of range or of the wrong form is refused in the preview", async (field, spec, inputs) => {
    const base = spec === (cgroupSpec as unknown) ? { path: "g", ...inputs } : inputs;
    const { failures } = (await handler(spec).check?.({}, complete(base) as never)) ?? {};
    expect(failures?.map(({ reason }) => reason)).toEqual([expect.stringMatching(new RegExp(`^${field}: `))]);
  });
});

/** What came and what went, a line each. */
function difference(before: object, after: object): string[] {
  return Object.entries(before).flatMap(([section, text]) => {
    const [old, now] = [text as string, (after as Record<string, string>)[section] ?? ""].map((each) =>
      each.split("\n"),
    );
    const minus = (a: string[] = [], b: string[] = []) => a.filter((line) => !b.includes(line));
    return [
      ...minus(old, now).map((line) => `- ${section}: ${line}`),
      ...minus(now, old).map((line) => `+ ${section}: ${line}`),
    ];
  });
}
