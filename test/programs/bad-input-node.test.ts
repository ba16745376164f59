/** Nodes that are full, read-only, incomplete, not root's, taken or not there yet: what the user reads, and what is left. */

import { existsSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, File, Mount, Namespace, Node, Pod, Process, RootFs } from "barepod";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Outcome, openStack, type Program, type Stack } from "../harness/engine";
import { hostileTexts, interpreted } from "../harness/hostile";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import { snapshotDifference } from "../harness/snapshot";

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
    return new Node(name, { connection: { ...node.connection, ...more } }, options);
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
    expect(snapshotDifference(before, await node.snapshot())).toEqual([]);
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

  describe("whose user is not root", () => {
    const hasSudo = existsSync("/usr/bin/sudo");
    const told = /sudo: .*\nlet ann run it without a password/;
    const password = "echo 'ann ALL=(ALL) ALL' >/etc/sudoers.d/ann; chmod 440 /etc/sudoers.d/ann";
    beforeAll(async () => {
      await sh(`echo 'ann:x:4242:4242::/home/ann:/bin/sh' >>/etc/passwd
echo 'ann:x:4242:' >>/etc/group
echo 'ann:*:20000:0:99999:7:::' >>/etc/shadow
mkdir -p /home/ann/.ssh; cp /root/.ssh/authorized_keys /home/ann/.ssh/; chown -R 4242:4242 /home/ann`);
    });

    async function isRefused(more: Partial<ConnectionArgs>, saying: RegExp): Promise<void> {
      const before = await node.snapshot();
      const program: Program = () => {
        const edge = on({ user: "ann", ...more });
        new File("file", { node: edge, path: "/tmp/ann", content: "x" });
        new Process("process", { node: edge, command: ["sleep", "1000"] });
      };
      const failed = await stack.up({ program, mayFail: true });
      readable(failed);
      expect([...failed.errors.keys()].filter((name) => name !== "")).toEqual(["edge"]);
      expect(failed.errors.get("edge")).toMatch(saying);
      // sudo notes whom it has refused.
      const touched = snapshotDifference(before, await node.snapshot());
      expect(touched.filter((line) => !line.includes("/run/sudo"))).toEqual([]);
      await attempt(nothing);
    }

    test("says that, and what to do", () => isRefused({}, /log in as root, or set sudo: true in its connection/));

    const withSudo = hasSudo ? "" : " (this machine has no sudo)";
    test.skipIf(!hasSudo)(`says that sudo asks for a password, or knows no such user${withSudo}`, async () => {
      await isRefused({ sudo: true }, told);
      await sh(password);
      await isRefused({ sudo: true }, told);
      await sh("rm /etc/sudoers.d/ann");
    });

    test("says that there is no sudo", async () => {
      await sh("[ ! -e /usr/bin/sudo ] || mv /usr/bin/sudo /usr/bin/sudo.hidden");
      await isRefused({ sudo: true }, /could not start sudo -n \/bin\/sh on edge .*not found/);
      await sh("[ ! -e /usr/bin/sudo.hidden ] || mv /usr/bin/sudo.hidden /usr/bin/sudo");
    });
  });

  test("takes resources of any name, or refuses the name", async () => {
    const before = await node.snapshot();
    const texts = Object.values(hostileTexts).filter((text) => text !== "" && !/[\0\ud800]/.test(text));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    const [refused, taken] = [true, false].map((has) => texts.filter((text) => /[\u0001-\u001f]/.test(text) === has));
    const all = (names: string[]): Program => {
      return () => {
        const name = "edge's $(touch /tmp/interpreted) `touch /tmp/interpreted` \"; ünï";
        const edge = new Node(name, { connection: node.connection });
        for (const [index, text] of names.entries()) {
          new File(text, { node: edge, path: `/srv/named/${index}`, content: text });
          new Namespace(text, { node: edge, types: ["uts"] });
          new Process(text, { node: edge, command: ["sleep", "1000"], terminationGracePeriodSeconds: 0 });
        }
      };
    };
    for (const text of refused ?? []) {
      const preview = await stack.preview({ program: all([text]), mayFail: true });
      expect(errors(preview)).toContain("owner: must not contain control characters");
    }
    expect(errors(await attempt(all(taken ?? [])))).toBe("");
    for (const [index, text] of (taken ?? []).entries())
      expect((await node.exec(["cat", `/srv/named/${index}`])).stdout).toBe(text);
    expect(await sh("pgrep -cx sleep; ls /run/barepod/namespaces | wc -l")).toBe(`${taken?.length}\n${taken?.length}`);
    expect(await sh(`[ ! -e ${interpreted} ] && echo untouched`)).toBe("untouched");
    expect(errors(await attempt(nothing))).toBe("");
    expect(snapshotDifference(before, await node.snapshot())).toEqual([]);
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

  test("with a folder where a file is declared keeps it, whatever the stack does", async () => {
    const file =
      (more: object): Program =>
      () =>
        void new File("file", { node: on(), path: "/srv/place", content: "x", ...more });
    await sh("mkdir /srv/place && echo theirs > /srv/place/file");
    const adopting = await attempt(file({ adopt: true }));
    readable(adopting);
    expect(errors(adopting)).toMatch(/\/srv\/place on edge is a folder, .*: choose another path, or remove it/);
    expect(errors(await attempt(nothing))).toBe("");
    await sh("mv /srv/place /srv/kept");
    expect(errors(await attempt(file({})))).toBe("");
    // Somebody puts it in the place of a file that was ours.
    await sh("rm /srv/place && mv /srv/kept /srv/place");
    const refresh = await stack.refresh({ mayFail: true });
    expect(refresh.steps.filter(({ name }) => name === "file").map(({ op }) => op)).toEqual(["delete"]);
    expect(errors(await attempt(file({})))).toMatch(/something else has taken its place since/);
    expect(errors(await attempt(nothing))).toBe("");
    expect(await sh("cat /srv/place/file; rm -r /srv/place")).toBe("theirs");
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
    await using gone = await startSandbox();
    await using ours = await openStack("gone", () => {
      const connection = { ...gone.connection, dialErrorLimit: 1, perDialTimeout: 2 };
      const edge = new Node("gone", { connection });
      new File("file", { node: edge, path: "/srv/file", content: "x" });
    });
    await ours.up();
    // Nobody answers; its address stays its own, so that no other test's node does.
    await gone.exec(["ip", "link", "set", "dev", "eth0", "down"]);
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
