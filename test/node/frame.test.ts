import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Command, raw, sh } from "../../provider/command/command";
import {
  type Alternative,
  absentText,
  changeFrame,
  type Fact,
  observationFrame,
  parseOutcome,
  planFrame,
} from "../../provider/frame";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
/** A thing: a file, whose content is its state. */
const thing: Fact<string> = {
  script: "[ ! -e /srv/thing ] || { echo ident 7; cat /srv/thing; }",
  parse: (text) => text,
};
const put = (content: string): Command => raw("put", 'printf %s "$1" > /srv/thing', content);
const mine = { claim: "me", name: "nonce/urn:a" };

describe.skipIf(obstacle)(`a frame${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  beforeAll(async () => {
    node = await startSandbox();
  });
  afterAll(() => node[Symbol.asyncDispose]());

  const run = async (script: string) => {
    const { code, stdout, stderr } = await node.exec(["sh"], { stdin: script });
    expect({ code, script }).toEqual({ code: 0, script });
    return { ...parseOutcome(stdout), stderr };
  };
  const plan = (...alternatives: Alternative[]) => run(planFrame("Thing.x", thing, alternatives));
  const observe = () => run(observationFrame("Thing.x", thing));
  const clean = () => node.exec(["sh", "-c", "rm -rf /srv/thing /var/lib/barepod/owners /var/lib/barepod/boot.d"]);

  test("runs the plan that was made for what is there, claims first and notes the kernel's identity", async () => {
    await clean();
    const made = await plan({ expected: absentText, commands: [put("a")], settle: mine });
    expect(made).toMatchObject({ kind: "done", seen: { fact: "ident 7\na", ident: "7" } });
    const { seen } = await observe();
    expect(seen.claims).toEqual([{ id: "me", boot: seen.boot, ident: "7", name: "nonce/urn:a" }]);
    expect(seen.boot).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("does nothing when something else is there, and says what", async () => {
    await clean();
    await node.exec(["sh", "-c", "echo other > /srv/thing"]);
    const stale = await plan({ expected: absentText, commands: [put("a")], settle: mine });
    expect(stale).toMatchObject({ kind: "stale", seen: { fact: "ident 7\nother", claims: [] } });
    expect((await node.exec(["cat", "/srv/thing"])).stdout).toBe("other\n");
  });

  test("names the plan and the command that failed, goes no further, and keeps the claim on what is left", async () => {
    await clean();
    const alternatives: Alternative[] = [
      { expected: "never", commands: [sh("true"), sh("true"), sh("true")], settle: mine },
      { expected: absentText, commands: [put("half"), sh("ls", "/nowhere"), put("whole")], settle: mine },
    ];
    const failed = await plan(...alternatives);
    expect(failed).toMatchObject({ kind: "failed", plan: 1, step: 1, exitCode: 2, seen: { fact: "ident 7\nhalf" } });
    expect(failed.stderr).toContain("/nowhere");
    // What the next attempt finds is known to be ours, though it is only half of it.
    expect((await observe()).seen.claims.map(({ id }) => id)).toEqual(["me"]);
  });

  test("releases the claim and the journal only once the thing is gone", async () => {
    await clean();
    const journal = { file: "50-thing.sh", commands: [put("a")] };
    const made = await plan({ expected: absentText, commands: [put("a")], settle: { ...mine, journal } });
    expect((await node.exec(["sh", "/var/lib/barepod/boot.d/50-thing.sh"])).code).toBe(0);
    const release = { release: "me", journal: "50-thing.sh" };
    const kept = await plan({ expected: made.seen.text, commands: [], settle: release });
    expect(kept).toMatchObject({ kind: "done", seen: { claims: [{ id: "me" }] } });
    const gone = await plan({ expected: kept.seen.text, commands: [sh("rm", "/srv/thing")], settle: release });
    expect(gone).toMatchObject({ kind: "done", seen: { text: absentText, claims: [], fact: "" } });
    expect((await node.exec(["find", "/var/lib/barepod", "-mindepth", "1"])).stdout).toBe("");
  });

  test("takes other owners' claims away when it adopts", async () => {
    await clean();
    const theirs = await plan({
      expected: absentText,
      commands: [put("a")],
      settle: { claim: "you", name: "n/urn:b" },
    });
    const adopted = await plan({ expected: theirs.seen.text, commands: [], settle: { ...mine, evict: true } });
    expect(adopted.seen.claims.map(({ id }) => id)).toEqual(["me"]);
  });

  test("keeps others' claims above and below its own, whatever was longer before", async () => {
    await clean();
    const settle = (claim: string) => ({ claim, name: `n/urn:${claim}` });
    let text = absentText;
    for (const claim of ["above", "me", "below"]) {
      const put = { expected: text, commands: [], settle: settle(claim) };
      text = (await plan({ ...put, ...(claim === "above" ? { commands: [sh("touch", "/srv/thing")] } : {}) })).seen
        .text;
    }
    // The identity is longer than the dash that stands for none meanwhile.
    expect((await observe()).seen.claims.map(({ id, ident }) => `${id} ${ident}`)).toEqual([
      "above 7",
      "me 7",
      "below 7",
    ]);
    await plan({ expected: text, commands: [], settle: { release: "me", shared: true } });
    const left = (await observe()).seen;
    expect(left.claims.map(({ id, name }) => `${id} ${name}`)).toEqual(["above n/urn:above", "below n/urn:below"]);
    for (const release of ["above", "below"])
      await plan({ expected: (await observe()).seen.text, commands: [], settle: { release, shared: true } });
    expect((await node.exec(["ls", "-A", "/var/lib/barepod"])).stdout).not.toContain("owners");
  });

  test("notes the boot journal's entry so that the shell runs nothing of a half, and all of the whole", async () => {
    await clean();
    const commands = [put("it's"), raw("add", 'printf %s "$1" >> /srv/thing', " 'whole'")];
    const file = "/var/lib/barepod/boot.d/50-thing.sh";
    const journal = { file: "50-thing.sh", commands };
    const made = await plan({ expected: absentText, commands, settle: { ...mine, journal } });
    expect(made.seen.fact).toBe("ident 7\nit's 'whole'");
    expect((await node.exec(["stat", "-c", "%a", file])).stdout).toBe("600\n");
    const replay = (bytes: string) => `rm /srv/thing; head -c ${bytes} ${file} | sh 2> /dev/null; cat /srv/thing`;
    expect((await node.exec(["sh", "-c", replay(`$(stat -c %s ${file})`)])).stdout).toBe("it's 'whole'");
    // The last byte only ends the line.
    const halves = `rm /srv/thing; size=$(($(stat -c %s ${file}) - 1))
while [ "$size" -gt 0 ]; do size=$((size - 1)); head -c "$size" ${file} | sh 2> /dev/null; done; ls /srv`;
    expect((await node.exec(["sh", "-c", halves])).stdout).toBe("");
    const shorter = { file: "50-thing.sh", commands: [put("b")] };
    await plan({ expected: (await observe()).seen.text, commands: [put("b")], settle: { ...mine, journal: shorter } });
    expect((await node.exec(["sh", "-c", replay("-0")])).stdout).toBe("b");
  });

  test("waits for a change, at most a second", async () => {
    await clean();
    const before = (await observe()).seen.text;
    const waiting = run(changeFrame("Thing.x", thing, before));
    await node.exec(["sh", "-c", "sleep 0.1; echo new > /srv/thing"]);
    expect((await waiting).seen.fact).toBe("ident 7\nnew");
  });
});
