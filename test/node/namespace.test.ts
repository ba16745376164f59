import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NamespaceInputs, namespaceSpec } from "../../provider/resources/namespace";
import { HandlerNode } from "../harness/handlers";
import { type SandboxNode, sandboxObstacle } from "../harness/sandbox";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`a Namespace${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  const bed = new HandlerNode();
  const namespaces = bed.resource(namespaceSpec, { types: ["net", "uts", "ipc"] });
  const { read, remove, update } = namespaces;
  const { sh } = bed;
  let node: SandboxNode;
  beforeAll(async () => {
    await bed.start();
    node = bed.sandbox;
    // The node's lock and programs stay, whatever comes first.
    await remove(await create("first", { types: ["pid"] }));
  });
  afterAll(() => bed[Symbol.asyncDispose]());

  const inputs = (name: string, more: Partial<NamespaceInputs> = {}) => namespaces.complete({ name, ...more });
  const checked = async (news: object) => (await namespaces.check(news)).inputs;
  const create = (name: string, more: Partial<NamespaceInputs> = {}) => namespaces.create({ name, ...more });
  const inside = (path: string, types: string, line: string) =>
    sh(`nsenter ${types.replace(/\w+/g, (type) => `--${type}=${path}/${type}`)} sh -euc '${line}'`);
  const alive = async (path: string) => (await node.exec(["test", "-e", `${path}/pause`])).code === 0;

  test("keeps network, host name and IPC without a process, and leaves nothing behind", async () => {
    const before = await node.snapshot();
    const made = await create("box", { hostname: "box.example" });
    expect(made.path).toBe("/run/barepod/namespaces/box");
    expect(await inside(made.path, "net uts", 'uname -n; ip -br link | tr -s "[:blank:]"')).toBe(
      "box.example\nlo UNKNOWN 00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>",
    );
    expect(await sh("uname -n")).toBe(node.name);
    expect(await inside(made.path, "ipc", "readlink /proc/self/ns/ipc")).not.toBe(
      await sh("readlink /proc/self/ns/ipc"),
    );
    expect((await node.snapshot()).processes).toBe(before.processes);
    expect(await sh("findmnt -no PROPAGATION /run/barepod/namespaces")).toBe("private");
    expect((await read(made)).inputs).toEqual(await checked(inputs("box", { hostname: "box.example" })));
    expect(await update(made)).toEqual(made);
    await remove(made);
    expect(await read(made)).toMatchObject({ id: "" });
    await remove(made);
    expect(await node.snapshot()).toEqual(before);
  });

  test("keeps every type, in each other's company, with the first process of the PID namespace", async () => {
    const before = await node.snapshot();
    const types = ["pid", "cgroup", "mnt", "ipc", "uts", "net"] as const;
    const [made, other] = await Promise.all([
      create("all", { types, hostname: "all" }),
      create("other", { types: ["net"] }),
    ]);
    const pause = await sh(`cat ${made.path}/pause`);
    expect(await sh(`grep NSpid /proc/${pause}/status; cat /proc/${pause}/comm`)).toBe(`NSpid:\t${pause}\t1\npause`);
    // A session of its own, none of the login's descriptors, and in the same namespaces.
    expect(await sh(`ps -o sid= -p ${pause}`)).toBe(pause);
    expect(await sh(`for f in /proc/${pause}/fd/*; do readlink $f; done | sort -u`)).toBe("/dev/null");
    for (const type of types)
      expect(await sh(`stat -Lc %i /proc/${pause}/ns/${type} ${made.path}/${type} | uniq | wc -l`)).toBe("1");
    expect(await sh(`cut -d: -f3 /proc/${pause}/cgroup | sort -u`)).toMatch(/^\/(\n\/init.scope)?$/);
    // No copy of the other one's pins, which would keep its links alive.
    expect(await sh(`grep -c /run/barepod/namespaces /proc/${pause}/mountinfo || :`)).toBe("0");
    await remove(other);
    await remove(made);
    expect(await sh(`test ! -d /proc/${pause}; echo gone`)).toBe("gone");
    expect(await node.snapshot()).toEqual(before);
  });

  test("changes the host name in place, and shows when somebody else did", async () => {
    const made = await create("name", { hostname: "one" });
    const inode = await sh(`stat -Lc %i ${made.path}/uts`);
    const renamed = await update(made, { hostname: "two" });
    expect(await inside(made.path, "uts", "uname -n")).toBe("two");
    await inside(made.path, "uts", "echo three > /proc/sys/kernel/hostname");
    expect((await read(renamed)).inputs.hostname).toBe("three");
    const again = await update(renamed);
    expect(await inside(made.path, "uts", "uname -n")).toBe("two");
    expect(await sh(`stat -Lc %i ${made.path}/uts`)).toBe(inode);
    await remove(again);
  });

  test("shows what was unpinned or killed, and makes it anew", async () => {
    const before = await node.snapshot();
    const made = await create("broken", { types: ["net", "ipc", "pid"] });
    await sh(`kill -9 $(cat ${made.path}/pause)`);
    expect((await read(made)).inputs.types).toEqual(["net", "ipc"]);
    const revived = await update(made);
    expect((await read(revived)).inputs.types).toEqual(["net", "ipc", "pid"]);
    await sh(`umount ${made.path}/net`);
    expect((await read(revived)).inputs.types).toEqual(["ipc", "pid"]);
    const pinned = await update(revived);
    expect((await read(pinned)).inputs.types).toEqual(["net", "ipc", "pid"]);
    await sh(`kill -9 $(cat ${made.path}/pause); umount ${made.path}/* 2>/dev/null || :`);
    expect(await read(pinned)).toMatchObject({ id: "" });
    // Plain files are left there; they count as absent.
    const anew = await create("broken", { types: ["net", "ipc", "pid"] });
    expect(await alive(anew.path)).toBe(true);
    await sh(`umount ${anew.path}/ipc`);
    await remove(anew);
    expect(await node.snapshot()).toEqual(before);
  });

  test("is removed while processes live in it, which go on", async () => {
    const before = await node.snapshot();
    const made = await create("busy");
    const pid = await sh(`nsenter --net=${made.path}/net sleep 1000 </dev/null >/dev/null 2>&1 & echo $!`);
    await remove(made);
    await sh(`kill ${pid}`);
    expect(await node.snapshot()).toEqual(before);
  });

  test("leaves nothing half made when it fails", async () => {
    const before = await node.snapshot();
    await sh('mount --bind "$(readlink -f /bin/false)" "$(readlink -f "$(command -v ip)")"');
    try {
      await expect(create("half", { types: ["net", "uts", "pid"] })).rejects.toThrow("make the namespaces");
    } finally {
      await sh('umount "$(readlink -f "$(command -v ip)")"');
    }
    expect(await node.snapshot()).toEqual(before);
  });

  test("refuses a namespace of somebody else's", async () => {
    const made = await create("foreign");
    const thief = { owner: "nonce/urn:thief" };
    await expect(create("foreign", thief)).rejects.toThrow("belongs to urn:Namespace:foreign: choose another name");
    await remove(made);
  });

  test("generates a name that stays, and refuses names that would lead elsewhere", async () => {
    const urn = "urn:pulumi:dev::shop::pulumi-nodejs:dynamic/barepod:Namespace::web/1 '";
    const { name: _, ...unnamed } = inputs("unused", { resourceUrn: urn });
    const first = await checked(unnamed);
    expect(first.name).toMatch(/^web-1--[0-9a-f]{8}$/);
    expect(first.path).toBe(`/run/barepod/namespaces/${first.name}`);
    const renamed = await namespaces.check({ ...unnamed, resourceUrn: urn.replace("web", "api") }, first);
    expect(renamed.inputs).toMatchObject({ name: first.name, path: first.path });
    const made = await namespaces.create(first);
    await remove(made);
    for (const name of ["..", "../etc", "-a", ".private", "a b", "a/b", "a'b", "$(id)", "x".repeat(64)])
      expect(await namespaces.reasons({ name })).not.toEqual([]);
  });
});
