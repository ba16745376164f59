import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sh } from "../provider/command/command";
import { ConnectionError } from "../provider/errors";
import { optional, path, required, text, unknownValue } from "../provider/fields";
import { absentText } from "../provider/frame";
import { handler } from "../provider/handler";
import { digest } from "../provider/naming";
import { defineSpec, type NodeInputs } from "../provider/resource";

/** What the node was sent, and what it answers. */
const node = vi.hoisted(() => ({
  sent: [] as string[],
  answer: "",
  stderr: "",
  failure: undefined as Error | undefined,
  /** How many frames it answers. */
  limit: Number.POSITIVE_INFINITY,
  remembered: [] as unknown[],
  /** What the session has sent, for this operation and for others. */
  frames: 0,
}));
vi.mock("../provider/ssh/pool", () => ({
  rememberConnection: (_: string, connection: unknown) => node.remembered.push(connection),
  openSession: async () => ({
    description: "edge (192.0.2.10)",
    get frames() {
      return node.frames;
    },
    run: async ({ script }: { script: string }) => {
      node.frames += 1;
      node.sent.push(script);
      if (node.failure !== undefined) throw node.failure;
      if (node.sent.length > node.limit) throw new Error("it never ends");
      return { exitCode: 0, stdout: Buffer.from(node.answer), stderr: Buffer.from(node.stderr), durationMs: 1 };
    },
  }),
}));

interface ThingInputs extends NodeInputs {
  readonly path: string;
  readonly size?: string;
}

const thing = handler(
  defineSpec<ThingInputs, { size: string }>({
    type: "Thing",
    identity: ["path"],
    fields: { path: required(path()), size: optional(text({ max: 9 })) },
    observe: ({ size }) => ({ script: `look ${size}`, parse: (size) => ({ size }) }),
    plan: ({ path: at }, seen) => (seen === undefined ? [sh("make", at)] : []),
    cannotBeOurs: ({ size }) => size === "folder",
    undo: ({ path: at }) => [sh("remove", at)],
    drift: (inputs, seen) => (inputs.size === seen.size ? {} : { size: seen.size }),
  }),
);

const inputs = {
  path: "/srv/thing",
  size: "7",
  node: "edge",
  connection: "root@192.0.2.10",
  owner: "1234/urn:pulumi:a",
  resourceUrn: "urn:pulumi:a",
  __provider: "text",
};
const rotated = { ...inputs, connection: "root@192.0.2.11" };
const seen = `owner ${digest(inputs.owner)} boot - ${inputs.owner}\n7`;
const given = ["path", "size", "node", "connection", "owner", "resourceUrn"];
const state = (more = {}) => ({ ...inputs, answered: 1, _barepod: { version: 1, given, seen, ...more } });

beforeEach(() => {
  node.sent = [];
  node.remembered = [];
  node.failure = undefined;
  node.stderr = "";
  node.limit = Number.POSITIVE_INFINITY;
  node.answer = `done boot\n${seen}`;
});

it("sends nothing when only the way to the node has changed, and keeps what was known", async () => {
  const update = await thing.update?.("edge:/srv/thing", state(), rotated);
  expect(node.sent).toEqual([]);
  expect(update?.outs).toEqual({
    ...state(),
    connection: rotated.connection,
    _barepod: { version: 2, computed: ["answered"], seen },
  });
});

it("goes to the node when something else has changed with the connection", async () => {
  await thing.update?.("edge:/srv/thing", state(), { ...rotated, size: "8" });
  expect(node.sent).toHaveLength(1);
});

it("goes to the node when the last operation failed half-way, though only the connection has changed", async () => {
  await thing.update?.("edge:/srv/thing", state({ unfinished: true }), rotated);
  expect(node.sent).toHaveLength(1);
});

it("goes to the node when a refresh found a difference that is still wanted otherwise", async () => {
  await thing.update?.("edge:/srv/thing", { ...state({ drifted: { size: "7" } }), size: "6" }, rotated);
  expect(node.sent).toHaveLength(1);
});

it("goes to the node when nothing has changed at all: the engine knows of an error", async () => {
  await thing.update?.("edge:/srv/thing", { ...state(), _barepod: { version: 1, given, seen: absentText } }, inputs);
  expect(node.sent).toHaveLength(1);
});

it("keeps no observation and no id that holds a secret: both lie in state in plain text", async () => {
  const secret = { ...inputs, path: "/srv/canary", size: "canary", secrets: ["path", "size"] };
  node.answer = `done boot\nowner ${digest(inputs.owner)} boot - ${inputs.owner}\ncanary`;
  const made = await thing.create(secret);
  expect(made.id).toBe("edge:[secret]");
  expect((made.outs as typeof secret & { _barepod: { seen: string } })._barepod.seen).toBe(absentText);
});

it("looks at and deletes an object as it was made, not as a refresh found it", async () => {
  node.answer = `done boot\n${seen.replace(/7$/, "6")}`;
  const first = await thing.read?.("edge:/srv/thing", state());
  expect(first?.inputs).toMatchObject({ size: "6" });
  expect(first?.props).toMatchObject({ size: "6", _barepod: { drifted: { size: "7" } } });
  const second = await thing.read?.("edge:/srv/thing", first?.props);
  expect(second).toEqual(first);
  node.answer = "done boot\n\n";
  await thing.delete?.("edge:/srv/thing", second?.props);
  expect(node.sent).toHaveLength(3);
  for (const script of node.sent) expect(script).toContain("look 7");
});

it("keeps no secret value of a drifted input beside it", async () => {
  node.answer = `done boot\n${seen.replace(/7$/, "6")}`;
  for (const path of ["size", "size/0"]) {
    const read = await thing.read?.("edge:/srv/thing", { ...state(), secrets: [path] });
    expect(JSON.stringify(read?.props?.["_barepod"])).not.toContain('"7"');
  }
});

it("waits no longer than the inputs allow, says what it waited for, and keeps what exists", async () => {
  const slow = handler(
    defineSpec<ThingInputs, { size: string }>({
      type: "Slow",
      identity: ["path"],
      fields: { path: required(path()), size: optional(text({ max: 9 })) },
      observe: () => ({ script: "look", parse: (size) => ({ size }) }),
      plan: () => [],
      undo: () => [],
      drift: () => ({}),
      ready: () => ({ kind: "waiting", message: "waiting for web to start" }),
      readyTimeoutMs: () => 40,
    }),
  );
  const failure = await slow.create(inputs).catch((error: unknown) => error);
  const message = "not ready after 0.04 s: waiting for web to start";
  expect(failure).toMatchObject({
    message,
    reasons: [message],
    id: "edge:/srv/thing",
    properties: { path: "/srv/thing" },
  });
});

it("says of a thing only that its node failed, when that is why it knows no owner", async () => {
  const { owner: _, ...orphan } = inputs;
  const { failures, inputs: checked } = (await thing.check?.({}, orphan)) ?? {};
  expect(failures).toEqual([{ property: "", reason: "its node could not be made" }]);
  expect(checked).not.toHaveProperty("owner");
});

it("takes what a refresh has dropped and nobody else has claimed, under another name of the same stack", async () => {
  const renamed = { ...inputs, owner: "1234/urn:pulumi:b", resourceUrn: "urn:pulumi:b" };
  const dropped = `owner ${digest(inputs.owner)} boot - ${inputs.owner}\n`;
  node.answer = `stale boot\n${dropped}`;
  await expect(thing.create(renamed)).rejects.toThrow("keeps changing");
  expect(node.sent.at(-1)).toContain("barepod_above= barepod_below= && barepod_claim");
  // What is still there, or of another stack, is refused by name.
  node.answer = `stale boot\n${dropped}7`;
  await expect(thing.create(renamed)).rejects.toThrow("belongs to urn:pulumi:a: ");
  node.answer = `stale boot\n${dropped}`;
  await expect(thing.create({ ...renamed, owner: "5678/urn:pulumi:b" })).rejects.toThrow("belongs to urn:pulumi:a: ");
  await expect(thing.create({ ...inputs, owner: "5678/urn:pulumi:a" })).rejects.toThrow("before its state was lost");
});

it("keeps an owner by its first URN when only the name and the way to the node change", async () => {
  const made = { ...inputs, owner: "1234" };
  const outs = { ...state(), owner: "1234", _barepod: { version: 2, computed: ["answered"], seen } };
  const renamed = { ...made, resourceUrn: "urn:pulumi:b" };
  const checked = ((await thing.check?.(made, renamed))?.inputs ?? {}) as typeof inputs;
  expect(checked).toMatchObject({ owner: inputs.owner, resourceUrn: "urn:pulumi:b" });
  expect(await thing.diff?.("edge:/srv/thing", outs, checked)).toEqual({ changes: false });
  const moved = await thing.update?.("edge:/srv/thing", outs, { ...checked, connection: rotated.connection });
  expect(node.sent).toEqual([]);
  expect(moved?.outs).toMatchObject({ owner: inputs.owner, resourceUrn: "urn:pulumi:b" });
  // The engine keeps the outputs of what is the same: there the name is the nonce with the first URN.
  for (const each of [outs, moved?.outs])
    expect(await thing.read?.("edge:/srv/thing", each)).toMatchObject({ id: "edge:/srv/thing" });
});

it("reads exactly the inputs that were given, whichever way state names them", async () => {
  const { __provider: _, ...own } = inputs;
  const short = { ...state(), _barepod: { version: 2, computed: ["answered"], seen } };
  for (const each of [state(), short]) expect((await thing.read?.("edge:/srv/thing", each))?.inputs).toEqual(own);
  // One that was found gone is a given one still, and one that was found is none.
  const { size: __, ...unsized } = inputs;
  const made = (await thing.create(unsized)).outs as typeof inputs;
  const found = (await thing.read?.("edge:/srv/thing", made))?.props as ReturnType<typeof state>;
  expect(found).toMatchObject({ size: "7", _barepod: { computed: ["size"], drifted: { size: null } } });
  expect(await thing.diff?.("edge:/srv/thing", found, { ...unsized, size: "7" })).toEqual({});
  expect((await thing.read?.("edge:/srv/thing", found))?.props).toEqual(found);
});

it("says once why a delete failed, though nothing of the object is left", async () => {
  // The registry of owners on a file system that became read-only.
  node.answer = `failed boot 0 0 1\n${seen.replace(/7$/, "")}`;
  node.limit = 3;
  await expect(thing.delete?.("edge:/srv/thing", state())).rejects.toThrow("Thing /srv/thing: a command failed");
  expect(node.sent).toHaveLength(1);
});

it("leaves alone what cannot be ours, though the registry says that it is", async () => {
  const folder = `${seen.replace(/7$/, "folder")}`;
  node.answer = `done boot\n${folder}`;
  expect(await thing.read?.("edge:/srv/thing", state())).toEqual({ id: "", props: {} });
  await thing.delete?.("edge:/srv/thing", state({ seen: folder }));
  expect(node.sent.at(-1)).not.toContain("'remove'");
  node.answer = `stale boot\n${folder}`;
  await expect(thing.create(inputs)).rejects.toThrow("something else has taken its place since");
});

it("prints no secret in the stack of an error that nobody expected", async () => {
  const secret = { ...state(), path: "/srv/canary", secrets: ["path"] };
  const error: unknown = await thing.delete?.("edge:[secret]", secret).catch((each: unknown) => each);
  expect(error).toMatchObject({ message: "Thing [secret] is still there after it was removed" });
  expect((error as Error).stack).not.toContain("canary");
});

it("prints no half of a secret where a long line is cut", async () => {
  const path = `/srv/${"canary".repeat(20)}`;
  node.answer = `failed boot 0 0 1\n${seen}`;
  for (let before = 380; before < 500; before += 10) {
    node.stderr = `${"x".repeat(before)}${path}${"x".repeat(500)}`;
    const error: unknown = await thing.delete?.("id", { ...state(), path, secrets: ["path"] }).catch((each) => each);
    expect(String(error)).toMatch(/x… \(\d+ characters\)|\[secret\]/);
    expect(String(error)).not.toContain("canary");
  }
});

it("remembers no connection of which a part is unknown", async () => {
  await thing.check?.({}, { ...inputs, connection: { host: unknownValue, user: "root" } });
  expect(node.remembered).toEqual([]);
});

it("refuses to read what is not in state: nothing can be imported", async () => {
  await expect(thing.read?.("edge:/srv/thing", {})).rejects.toThrow(/adopt: true/);
  expect(node.sent).toEqual([]);
});

describe("the count of an operation's frames", () => {
  const file = join(mkdtempSync(join(tmpdir(), "frames-")), "frames");
  const counted = async (asks: number) => {
    vi.stubEnv("BAREPOD_FRAMES_FILE", file);
    const asking = handler(
      defineSpec<ThingInputs, { size: string }>({
        type: "Thing",
        identity: ["path"],
        fields: { path: required(path()) },
        observe: () => ({ script: "look", parse: (size) => ({ size }) }),
        plan: () => [],
        undo: () => [],
        drift: () => ({}),
        prepare: async (its, { session }) => {
          for (let done = 0; done < asks; done += 1) await session.run({ script: "ask", label: "a question" });
          // Another operation on the same connection.
          node.frames += 1;
          return its;
        },
      }),
    );
    await asking.create(inputs);
    return JSON.parse(readFileSync(file, "utf8").trim().split("\n").at(-1) ?? "") as unknown;
  };
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(() => {
    rmSync(dirname(file), { recursive: true });
  });

  it("has what its preparation asks, and nothing that others send meanwhile", async () => {
    expect(await counted(0)).toMatchObject({ operation: "create", frames: 1 });
    expect(await counted(2)).toMatchObject({ operation: "create", frames: 3 });
  });
});

describe("a node that cannot be reached", () => {
  beforeEach(() => {
    node.failure = new ConnectionError("could not connect to edge");
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it("is an error, which names the way out", async () => {
    const message = /^could not connect to edge\n.*BAREPOD_UNREACHABLE=forget/;
    await expect(thing.read?.("edge:/srv/thing", state())).rejects.toThrow(message);
    await expect(thing.delete?.("edge:/srv/thing", state())).rejects.toThrow(message);
  });

  it("is forgotten with what was on it only if the user says so", async () => {
    vi.stubEnv("BAREPOD_UNREACHABLE", "forget");
    expect(await thing.read?.("edge:/srv/thing", state())).toEqual({ id: "", props: {} });
    await thing.delete?.("edge:/srv/thing", state());
    await expect(thing.create(inputs)).rejects.toThrow("could not connect to edge");
  });

  it("is not one whose lock is taken, or that is slow: nothing on it is forgotten", async () => {
    node.failure = new ConnectionError("the lock of edge was not free", { timedOut: true, answers: true });
    await expect(thing.delete?.("edge:/srv/thing", state())).rejects.toThrow(/^the lock of edge was not free$/);
    vi.stubEnv("BAREPOD_UNREACHABLE", "forget");
    await expect(thing.delete?.("edge:/srv/thing", state())).rejects.toThrow("the lock of edge was not free");
    await expect(thing.read?.("edge:/srv/thing", state())).rejects.toThrow("the lock of edge was not free");
  });
});
