/** Texts in what a container runs, and in what it sees of the node. */
import { expect } from "vitest";
import { inRoot, type Places, type SeenProcess, source, type Within } from "./hostile-process";

/** What is no probe and no hook of a container; `at` is where its fields stand. */
export function containerPlaces(seen: SeenProcess, within: Within, at: string): Places {
  const { run, runs, makeSource } = seen;
  const command = `${at}command[0]`;
  const volume = `${at}volumes[0].source`;
  const ofVariable = (own: object) => within({ variables: [own] });
  return {
    "command[0]": [
      { look: runs },
      {
        given: (text) =>
          within({
            command: ["perl", "-e", "sleep 1000", "--", text],
            env: { KEY: text },
            variables: [{ name: "OTHER", value: text }],
          }),
        look: async (inputs) => {
          await runs(inputs);
          const text = seen.container(inputs).env?.["KEY"];
          const environment = await seen.list(inputs, "environ");
          expect(environment).toEqual(expect.arrayContaining([`KEY=${text}`, `OTHER=${text}`]));
        },
      },
    ],
    "env.KEY": { with: command },
    "variables[0].value": { inputs: ofVariable({ name: "OTHER" }), with: command },
    // The later one of the same name counts: were they not the same, there would be two.
    "env (a key)": {
      given: (text) => within({ env: { [text]: "first" }, variables: [{ name: text, value: "second" }] }),
      look: async (inputs) => {
        const environment = await seen.list(inputs, "environ");
        expect(environment.filter((each) => /=(first|second)$/.test(each))).toEqual([
          `${seen.container(inputs).variables?.[0]?.name}=second`,
        ]);
      },
    },
    "variables[0].name": { inputs: ofVariable({ value: "value" }), with: `${at}env (a key)` },
    "variables[0].prefix": {
      inputs: ofVariable({ folder: source("a") }),
      prepare: () => makeSource("a"),
      look: async (inputs) =>
        expect(await seen.list(inputs, "environ")).toContain(
          `${seen.container(inputs).variables?.[0]?.prefix}KEY=value`,
        ),
    },
    cgroup: { around: (text) => `bad/${text}`, look: runs },
    rootFs: {
      around: source,
      prepare: (text) =>
        seen.node.sandbox.exec(["sh", "-c", 'mkdir -p -- "${1%/*}" && cp -al /srv/root "$1"', "sh", source(text)]),
      look: async (inputs) => seen.isSame(`${seen.container(inputs).rootFs}/.`, `${await seen.folder(inputs)}/root/.`),
    },
    "volumes[0].source": {
      around: source,
      inputs: within({ volumes: [{ target: "/srv" }] }),
      given: (text) =>
        within({
          rootFs: "/srv/root",
          volumes: [{ source: source(text), target: inRoot(text) }],
          workingDir: inRoot(text),
          maskedPaths: [inRoot(`${text}/KEY`)],
          readonlyPaths: [inRoot(`${text}/inner`)],
          terminationMessagePath: inRoot(`${text}/inner/words`),
          variables: [
            { name: "FILE", file: `${source(text)}/KEY` },
            { folder: source(text), prefix: "FOLDER_" },
          ],
        }),
      prepare: makeSource,
      look: async (inputs) => {
        const { volumes: [{ source: outside, target } = {}] = [] } = seen.container(inputs);
        const folder = await seen.folder(inputs);
        const inside = `${folder}/root${target}`;
        await seen.isSame(String(outside), inside);
        expect(await run("readlink", "-n", `${folder}/cwd`)).toBe(target);
        expect(await run("stat", "-c", "%F", `${inside}/KEY`)).toBe("character special file\n");
        expect((await seen.node.sandbox.exec(["touch", `${inside}/inner/file`])).stderr).toContain(
          "Read-only file system",
        );
        const [log = ""] = (await run("find", "/var/log/pods", "-name", "termination-log", "-print0")).split("\0");
        await seen.isSame(log, `${inside}/inner/words`);
        const environment = await seen.list(inputs, "environ");
        expect(environment).toEqual(expect.arrayContaining(["FILE=value", "FOLDER_KEY=value"]));
      },
    },
    "volumes[0].target": { around: inRoot, inputs: within({ volumes: [{ source: "/srv" }] }), with: volume },
    workingDir: { around: inRoot, with: volume },
    "maskedPaths[0]": { around: (text) => inRoot(`${text}/KEY`), with: volume },
    "readonlyPaths[0]": { around: (text) => inRoot(`${text}/inner`), with: volume },
    terminationMessagePath: {
      around: (text) => inRoot(`${text}/inner/words`),
      inputs: within({ rootFs: "/srv/root" }),
      with: volume,
    },
    "variables[0].file": {
      around: (text) => `${source(text)}/KEY`,
      inputs: ofVariable({ name: "FILE" }),
      with: volume,
    },
    "variables[0].folder": { around: source, with: volume },
    "volumes[0].subPath": {
      given: (text) =>
        within({ rootFs: "/srv/root", volumes: [{ source: source("a"), target: inRoot("sub"), subPath: text }] }),
      inputs: within({ rootFs: "/srv/root", volumes: [{ source: source("a"), target: inRoot("sub") }] }),
      prepare: () => makeSource("a"),
      look: async (inputs) => {
        const { volumes: [{ subPath } = {}] = [] } = seen.container(inputs);
        await seen.isSame(`${source("a")}/${subPath}`, `${await seen.folder(inputs)}/root${inRoot("sub")}`);
      },
    },
    "appArmorProfile.localhostProfile": { inputs: within({ appArmorProfile: { type: "Localhost" } }) },
    "seccompProfile.localhostProfile": {
      inputs: within({ seccompProfile: { type: "Localhost" } }),
      prepare: (text) =>
        seen.node.sandbox.exec(["sh", "-c", 'mkdir -p -- "${1%/*}" && cat > "$1"', "sh", source(text)], {
          stdin: '{"defaultAction":"SCMP_ACT_ALLOW"}',
        }),
      look: async (inputs) => expect(await run("cat", `${await seen.folder(inputs)}/status`)).toMatch(/^Seccomp:\t2$/m),
    },
  };
}
