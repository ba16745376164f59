/** Nodes that are full, read-only, incomplete, not root's, taken or not there yet: what the user reads, and what is left. */
import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, File, Mount, Node, Pod, Process, RootFs } from "barepod";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Outcome, openStack, type Program, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`a node${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  beforeAll(async () => {
    node = await startSandbox();
    stack = await openStack("bad-node", () => undefined);
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  const on = (more: Partial<ConnectionArgs> = {}, name = "edge", options: pulumi.CustomResourceOptions = {}): Node => {
    const { host, port, user, privateKeyPath, hostKey } = node;
    return new Node(name, { connection: { host, port, user, privateKeyPath, hostKey, ...more } }, options);
  };
  const sh = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await node.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  };
  const errors = (outcome: Outcome) => [...outcome.errors.values()].join("\n");
  const readable = (outcome: Outcome) => {
    expect(outcome.output).not.toMatch(/^\s+at .*\.[jt]s:\d+/m);
    expect(outcome.errors.has("edge") || errors(outcome).includes("edge")).toBe(true);
    expect(errors(outcome)).not.toContain("struct");
  };
  const everything: Program = () => {
    const edge = on();
    new File("file", { node: edge, path: "/var/lib/barepod/volumes/file", content: "x".repeat(100_000) });
    new RootFs("root", { node: edge, path: "/srv/root", hostBinaries: ["busybox"], overlay: true });
    new Process("process", { node: edge, command: ["sleep", "1000"], terminationGracePeriodSeconds: 0 });
  };
  const attempt = (program: Program) => stack.up({ program, mayFail: true, continueOnError: true });
  const nothing: Program = () => undefined;

  /** Fails in a way, and then works: nothing of the failure stays in the way, nor on the node. */
  async function fails(breakIt: string, mend: string, saying: RegExp): Promise<void> {
    const before = await node.snapshot();
    await sh(breakIt);
    const failed = await attempt(everything);
    await sh(mend);
    readable(failed);
    expect(errors(failed)).toMatch(saying);
    const works = await attempt(everything);
    expect(errors(works)).toBe("");
    expect(errors(await attempt(nothing))).toBe("");
    expect(difference(before, await node.snapshot())).toEqual([]);
  }

  test("that is full says so, and is used when there is room again", async () => {
    const small = "/tmp/small";
    await sh(`mkdir ${small} && mount -t tmpfs -o size=8m none ${small} && cp -a /var/lib/barepod/. ${small}
mount --bind ${small} /var/lib/barepod`);
    await fails(
      "dd if=/dev/zero of=/var/lib/barepod/filler bs=64k 2>/dev/null || :",
      "rm /var/lib/barepod/filler",
      /No space left on device|see how much room the node has/,
    );
    await sh(`umount /var/lib/barepod && umount ${small} && rmdir ${small}`);
  });

  test("that is read-only says so, and is used when it can be written", async () => {
    await fails(
      "mount --bind /var/lib/barepod /var/lib/barepod && mount -o remount,bind,ro /var/lib/barepod",
      "umount /var/lib/barepod",
      /Read-only file system/,
    );
  });

  test("that lacks a tool names it, and how to install it", async () => {
    const hide = ["iptables", "ip"].map((tool) => `t=$(command -v ${tool}); mv $t $t.hidden`).join("; ");
    await fails(
      hide,
      "for t in /usr/sbin/iptables /usr/sbin/ip /usr/bin/ip /sbin/ip; do [ ! -e $t.hidden ] || mv $t.hidden $t; done",
      / lacks .*iptables.*apt-get install.*iptables/s,
    );
  });

  test("on which two resources claim one object is refused in the preview, by the other's name", async () => {
    const twice: Program = () => {
      const edge = on();
      new File("one", { node: edge, path: "/srv/claimed", content: "1" });
      new File("two", { node: edge, path: "/srv/claimed", content: "2" });
    };
    const preview = await stack.preview({ program: twice, mayFail: true });
    expect(errors(preview)).toMatch(/path: .*File::(one|two) claims the same object/);
  });

  test("whose name another one has, though under another parent, is refused in the preview", async () => {
    const twins: Program = () => {
      on();
      on({ port: 1 }, "edge", { parent: new pulumi.ComponentResource("test:index:Rack", "rack") });
    };
    const preview = await stack.preview({ program: twins, mayFail: true });
    expect(errors(preview)).toMatch(/name: urn:.*Node::edge claims the same object/);
  });

  test("on which another stack holds an object is refused by that stack's name, and left alone", async () => {
    const claim =
      (content: string): Program =>
      () => {
        new File("file", { node: on(), path: "/srv/claimed", content });
      };
    await using other = await openStack("other-stack", claim("theirs"));
    await other.up();
    const failed = await attempt(claim("ours"));
    readable(failed);
    expect(errors(failed)).toMatch(
      /File \/srv\/claimed on edge belongs to .*other-stack.*File::file: choose another path/,
    );
    expect(await sh("cat /srv/claimed")).toBe("theirs");
    await attempt(nothing);
    expect(await sh("cat /srv/claimed")).toBe("theirs");
    await other.destroy();
  });

  test("that is gone for ever is an error, until the user says so: then what was on it is forgotten", async () => {
    const gone = await startSandbox();
    const { host, port, user, privateKeyPath, hostKey } = gone;
    await using ours = await openStack("gone", () => {
      const connection = { host, port, user, privateKeyPath, hostKey, dialErrorLimit: 1, perDialTimeout: 2 };
      const edge = new Node("gone", { connection });
      new File("file", { node: edge, path: "/srv/file", content: "x" });
    });
    await ours.up();
    await gone[Symbol.asyncDispose]();
    for (const failed of [await ours.refresh({ mayFail: true }), await ours.destroy({ mayFail: true })]) {
      expect(errors(failed)).toMatch(/could not connect to .*BAREPOD_UNREACHABLE=forget/s);
      expect(errors(failed)).not.toMatch(/^\s+at .*\.[jt]s:\d+/m);
    }
    const { resources } = (await ours.export()).deployment;
    expect(resources.map(({ urn }) => urn.split("::").at(-1))).toEqual(expect.arrayContaining(["gone", "file"]));
    vi.stubEnv("BAREPOD_UNREACHABLE", "forget");
    try {
      const { steps, errors: none } = await ours.destroy();
      expect(none).toEqual(new Map());
      expect(
        steps
          .filter(({ op }) => op === "delete")
          .map(({ name }) => name)
          .slice(0, 2),
      ).toEqual(["file", "gone"]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("that refuses the password does not make anybody wait", async () => {
    const failed = await attempt(() => void on({ privateKeyPath: "/nowhere/key", password: "wrong" }));
    readable(failed);
    expect(failed.durationMs).toBeLessThan(15_000);
  });

  test("that does not exist yet previews well, and is waited for", async () => {
    // The second node's address is only known once the first exists, and nobody listens there yet.
    const program: Program = () => {
      const edge = on({}, "first");
      const late = new Node("edge", {
        connection: edge.facts.apply(({ address }) => {
          const { user, privateKeyPath, hostKey } = node;
          return { host: address, port: 2222, user, privateKeyPath, hostKey };
        }),
      });
      new Mount("mount", { node: late, source: "none", target: "/srv/late", fsType: "tmpfs" });
      new Pod("pod", {
        on: late,
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "app", image: "host:sleep", command: ["sleep", "1000"] }],
        },
      });
    };
    const preview = await stack.preview({ program });
    expect(
      preview.steps.filter(({ type }) => type === "Node" || type === "Mount").map(({ op, name }) => `${op} ${name}`),
    ).toEqual(["create first", "create edge", "create mount"]);
    const up = stack.up({ program });
    await new Promise((resolve) => setTimeout(resolve, 8000));
    await sh("mkdir -p /run/sshd; (setsid /usr/sbin/sshd -D -p 2222 </dev/null >/dev/null 2>&1 &)");
    expect((await up).durationMs).toBeGreaterThan(8000);
    expect(await sh("findmnt -no FSTYPE /srv/late")).toBe("tmpfs");
    await stack.destroy();
    await sh("pkill -f '[s]shd -D -p 2222' || :");
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
