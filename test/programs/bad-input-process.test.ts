/** Hostile texts in every place of a Process: of its one container, and of one of several. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { processSpec } from "../../provider/resources/process";
import { containersOf, type ProcessInputs } from "../../provider/resources/process-args";
import { rootFsSpec } from "../../provider/resources/root-fs";
import { HandlerNode } from "../harness/handlers";
import { type Inputs, type Odd, type Subject, tryHostileTexts } from "../harness/hostile-trial";
import { sandboxObstacle } from "../harness/sandbox";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`hostile texts${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  const node = new HandlerNode();
  beforeAll(async () => {
    await node.start();
    // The log folders are a Node's to make.
    await node.sh("mkdir -p /srv/source /var/log/pods /var/log/containers");
    await node.resource(rootFsSpec, { whole: true }).create({ path: "/srv/root", hostBinaries: ["sleep"] });
    // The lock and the programs stay, whatever comes first.
    const processes = node.resource(processSpec);
    await processes.remove(await processes.create({ ...sleeper, name: "first", command: ["sleep", "1000"] }));
    await node.sh("ln -s /srv/source /var/lib/barepod/seccomp");
  });
  afterAll(() => node[Symbol.asyncDispose]());

  const sleeper = { name: "bad", running: true, restartPolicy: "Never", terminationGracePeriodSeconds: 0 };
  const run = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await node.sandbox.exec(argv);
    expect({ argv, code, stderr }).toEqual({ argv, code: 0, stderr: "" });
    return stdout;
  };
  const container = (inputs: Inputs) => containersOf(inputs as unknown as ProcessInputs)[0] ?? {};
  /** A folder of /proc: the container's first process, as the kernel shows it. */
  const seenAs = async ({ name }: Inputs): Promise<string> =>
    `/proc/${(await run("cut", "-f2", `/run/barepod/process/${name}/main/status`)).trim()}`;
  const listIn = async (inputs: Inputs, file: string) =>
    (await run("cat", `${await seenAs(inputs)}/${file}`)).split("\0").slice(0, -1);
  const runs: Odd["look"] = async (inputs) =>
    expect(await listIn(inputs, "cmdline")).toEqual(container(inputs).command);
  const source = (text: string) => `/srv/source/${text}`;
  const makeSource = (text: string) => node.sandbox.exec(["mkdir", "-p", `/srv/source/${text}/inner`]);

  /** Of a container; `within` makes the inputs of a Process that it is in. */
  const ofContainer = (within: (own: object) => object): Record<string, Odd> => ({
    "command[0]": {
      given: (text) => within({ command: ["perl", "-e", "sleep 1000", "--", text] }),
      look: runs,
    },
    "env (a key)": {
      look: async (inputs) =>
        expect(await listIn(inputs, "environ")).toContain(`${Object.keys(container(inputs).env ?? {})[0]}=value`),
    },
    "env.KEY": {
      look: async (inputs) =>
        expect(await listIn(inputs, "environ")).toContain(`KEY=${container(inputs).env?.["KEY"]}`),
    },
    workingDir: {
      around: source,
      prepare: makeSource,
      look: async (inputs) =>
        expect(await run("readlink", "-n", `${await seenAs(inputs)}/cwd`)).toBe(container(inputs).workingDir),
    },
    rootFs: { around: source },
    cgroup: { around: (text) => `bad/${text}`, look: runs },
    "volumes[0].source": {
      given: (text) => within({ rootFs: "/srv/root", volumes: [{ source: source(text), target: `/bad/${text}` }] }),
      prepare: makeSource,
      look: async (inputs) => {
        const [volume] = container(inputs).volumes ?? [];
        const inside = `${await seenAs(inputs)}/root${volume?.target}`;
        const seen = await run("stat", "-c", "%d:%i", String(volume?.source), inside);
        expect(new Set(seen.trim().split("\n")).size).toBe(1);
      },
    },
    "seccompProfile.localhostProfile": {
      inputs: { seccompProfile: { type: "Localhost" } },
      prepare: (text) =>
        node.sandbox.exec(["sh", "-c", 'mkdir -p -- "${1%/*}" && cat > "$1"', "sh", `/srv/source/${text}`], {
          stdin: '{"defaultAction":"SCMP_ACT_ALLOW"}',
        }),
      look: async (inputs) => expect(await run("cat", `${await seenAs(inputs)}/status`)).toMatch(/^Seccomp:\t2$/m),
    },
    "appArmorProfile.localhostProfile": { inputs: { appArmorProfile: { type: "Localhost" } } },
    "maskedPaths[0]": {
      around: source,
      prepare: makeSource,
      look: async (inputs) =>
        expect(await run("ls", "-A", `${await seenAs(inputs)}/root${container(inputs).maskedPaths?.[0]}`)).toBe(""),
    },
    "readonlyPaths[0]": {
      around: source,
      prepare: makeSource,
      look: async (inputs) => {
        const file = `${await seenAs(inputs)}/root${container(inputs).readonlyPaths?.[0]}/inner/file`;
        expect((await node.sandbox.exec(["touch", file])).stderr).toContain("Read-only file system");
      },
    },
  });
  const asOne = (own: object) => ({ ...sleeper, command: ["sleep", "1000"], ...own });
  const asSeveral = (own: object) => ({
    ...sleeper,
    containers: [{ name: "main", command: ["sleep", "1000"], ...own }],
  });
  const several = Object.entries(ofContainer(asSeveral)).map(([path, odd]): [string, Odd] => [
    `containers[0].${path}`,
    { ...odd, inputs: { ...asSeveral(odd.inputs ?? {}), command: undefined } },
  ]);
  const subjects: Subject[] = [
    {
      spec: processSpec,
      valid: asOne({}),
      odd: {
        ...ofContainer(asOne),
        ...Object.fromEntries(several),
        namespace: { around: (text) => `/run/barepod/namespaces/${text}`, look: runs },
        "mounts[0]": { around: source, look: runs },
        "interfaces[0]": { look: runs },
        "pod.namespace": { inputs: { pod: { namespace: "default", name: "bad" } }, look: runs },
        "pod.name": { inputs: { pod: { namespace: "default", name: "bad" } }, look: runs },
      },
    },
  ];

  tryHostileTexts(node, subjects);
});
