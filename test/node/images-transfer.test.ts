/** Layers on their way to the node: logins, harm done on the way, nodes that cannot reach the registry. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { craftImage } from "../harness/crafted-image";
import { type Front, startFront } from "../harness/front";
import { login, startRegistry, type TestRegistry } from "../harness/registry";
import { tar } from "../harness/tar";
import { usingNoLogins } from "../images/operator";
import { ImageNode, imageObstacle } from "./image-node";

const obstacle = imageObstacle();
const path = "/srv/t/box";
const isBlob = (target: string) => target.includes("/blobs/");

describe.skipIf(obstacle)(
  `layers on their way to a node${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  { timeout: 120_000 },
  () => {
    const node = new ImageNode();
    const noise = randomBytes(1_500_000).toString("hex");
    const sum = createHash("sha256").update(noise).digest("hex");
    let registry: TestRegistry;
    let front: Front;
    let image: string;
    let registries: object;
    let before: string;

    beforeAll(async () => {
      usingNoLogins(node.folder);
      await node.start();
      await node.sh("mkdir /srv/t");
      registry = await startRegistry({ auth: "basic" });
      const layers = [tar([{ name: "noise", content: noise }]), tar([{ name: "small", content: "small" }])];
      await registry.fill(craftImage(join(node.folder, "noise"), layers), "app:1");
      front = await startFront(registry.host, undefined, node.operator);
      image = `${front.host}/app:1`;
      registries = { plainHttp: [front.host] };
      before = await node.listing();
    });
    beforeEach(() => {
      front.change = (_, answer) => answer;
      front.questions.length = 0;
      logIn(front.host, registry.host);
    });
    afterAll(async () => {
      await front?.[Symbol.asyncDispose]();
      await registry?.[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
      vi.unstubAllEnvs();
    });

    const basic = Buffer.from(`${login.username}:${login.password}`).toString("base64");
    function logIn(...hosts: string[]): void {
      mkdirSync(join(node.folder, ".docker"), { recursive: true });
      const auths = Object.fromEntries(hosts.map((host) => [host, { auth: basic }]));
      writeFileSync(join(node.folder, ".docker", "config.json"), JSON.stringify({ auths }));
      vi.stubEnv("DOCKER_CONFIG", join(node.folder, ".docker"));
    }

    async function expectWhole(outs: object): Promise<void> {
      expect(await node.sh(`sha256sum < ${path}/noise; cat ${path}/small`)).toBe(`${sum}  -\nsmall`);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    }
    const tidy =
      "rm -f /var/lib/barepod/images/layers/*.part; rmdir /var/lib/barepod/images/layers /var/lib/barepod/images 2>/dev/null || :";
    const fromNode = () =>
      front.questions.filter(
        ({ target, method, headers }) => method === "GET" && isBlob(target) && /curl/.test(headers["user-agent"] ?? ""),
      );

    test("come with a login that gets neither into a process list nor to a disk of the node", async () => {
      front.change = ({ headers }, answer) =>
        /curl/.test(headers["user-agent"] ?? "") ? { ...answer, delay: 700 } : answer;
      const watch = node.sh(
        `while [ ! -e /srv/stop ]; do for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do tr '\\0' ' ' < $file || :; echo; done; done > /srv/watched 2> /dev/null`,
      );
      const outs = await node.create({ path, image, registries });
      await node.sh("touch /srv/stop");
      await watch;
      const secrets = [basic, login.password, "Authorization"];
      const found = `grep -rlF ${secrets.map((each) => `-e '${each}'`).join(" ")} /var/lib/barepod /run /tmp /root /var/tmp /srv 2>/dev/null || :`;
      expect(await node.sh("grep -c '^curl -q --config -' /srv/watched")).not.toBe("0");
      expect(
        await node.sh(`rm /srv/stop; grep -cF ${secrets.map((each) => `-e '${each}'`).join(" ")} /srv/watched || :`),
      ).toBe("0");
      await node.sh("rm /srv/watched");
      expect(await node.sh(found)).toBe("");
      expect(fromNode().map(({ headers }) => headers.authorization)).toEqual([`Basic ${basic}`, `Basic ${basic}`]);
      await expectWhole(outs);
    });

    test("come with the login of a pull secret", async () => {
      vi.stubEnv("DOCKER_CONFIG", "/nonexistent");
      const { message } = await node.failure({ path, image, registries });
      expect(message).toContain("401");
      expect(await node.listing()).toBe(before);
      const pullSecrets = [JSON.stringify({ auths: { [front.host]: { auth: basic } } })];
      const outs = await node.create({ path, image, registries, pullSecrets, secrets: ["pullSecrets/0"] });
      await expectWhole(outs);
    });

    test("are asked for again, once, where they were changed", async () => {
      let changed = 0;
      front.change = ({ target, headers }, answer) => {
        const large = isBlob(target) && answer.body.length > 100_000 && /curl/.test(headers["user-agent"] ?? "");
        if (large && changed++ === 0) answer.body = Buffer.from(answer.body.fill(0, 1000, 1010));
        return answer;
      };
      await expectWhole(await node.create({ path, image, registries }));
      expect(changed).toBe(2);
      front.change = ({ target }, answer) =>
        isBlob(target) && answer.body.length > 100_000
          ? { ...answer, body: Buffer.from(answer.body.fill(0, 1000, 1010)) }
          : answer;
      const { message } = await node.failure({ path, image, registries });
      expect(message).toMatch(/app:1 cannot be used.*the layer was changed on the way: it has the digest sha256:/s);
      await node.sh(tidy);
      expect(await node.listing()).toBe(before);
    });

    test("are refused where they are larger than they should be", async () => {
      front.change = ({ target }, answer) =>
        isBlob(target) && answer.body.length > 100_000
          ? { ...answer, headers: {}, body: Buffer.concat(Array(20).fill(answer.body)) }
          : answer;
      const { message } = await node.failure({ path, image, registries });
      expect(message).toMatch(/app:1 cannot be used.*the layer was changed on the way/s);
      await node.sh(tidy);
      expect(await node.listing()).toBe(before);
    });

    test("go on where the connection was cut, in the next try and in the next run", async () => {
      let cuts = 0;
      let most = 1;
      front.change = ({ target, headers }, answer) => {
        const large = isBlob(target) && answer.body.length > 100_000 && /curl/.test(headers["user-agent"] ?? "");
        return large && cuts++ < most ? { ...answer, cut: 200_000 } : answer;
      };
      await expectWhole(await node.create({ path, image, registries }));
      expect(
        fromNode()
          .map(({ headers }) => headers.range)
          .filter(Boolean),
      ).toEqual(["bytes=200000-"]);

      [cuts, most] = [0, 1];
      front.questions.length = 0;
      const change = front.change;
      front.change = (question, answer) => {
        const changed = change(question, answer);
        // After the first cut nothing works any more, but for one who knows where to go on.
        return cuts > 0 && changed.cut === undefined ? { status: 403, headers: {}, body: Buffer.of() } : changed;
      };
      await node.failure({ path, image, registries });
      expect(await node.sh("stat -c %s /var/lib/barepod/images/layers/*.part | sort -n | tail -n 1")).toBe("200000");
      front.change = (_, answer) => answer;
      front.questions.length = 0;
      const outs = await node.create({ path, image, registries });
      expect(fromNode().map(({ headers }) => headers.range)).toContain("bytes=200000-");
      await expectWhole(outs);
    });

    test("come through the SSH connection where the node cannot reach the registry", async () => {
      const local = `${registry.host}/app:1`;
      await expectWhole(await node.create({ path, image: local }));
      await node.sh(`iptables -I OUTPUT -p tcp -d ${node.operator} --dport ${front.host.split(":")[1]} -j REJECT`);
      await expectWhole(await node.create({ path, image, registries }));
      await node.sh("iptables -D OUTPUT 1");
      expect(fromNode()).toEqual([]);
    });

    test("come through the SSH connection where the node has no curl", async () => {
      await node.sh("mount --bind /dev/null $(command -v curl)");
      const outs = await node.create({ path, image, registries });
      await node.sh("umount $(command -v curl)");
      await expectWhole(outs);
      expect(fromNode()).toEqual([]);
    });

    test("go on through the SSH connection with what came before", async () => {
      let tries = 0;
      const cut = await startFront(registry.host, ({ target }, answer) =>
        isBlob(target) && answer.body.length > 100_000 && tries++ < 2 ? { ...answer, cut: 150_000 * tries } : answer,
      );
      logIn(cut.host, registry.host);
      await expectWhole(await node.create({ path, image: `${cut.host}/app:1` }));
      const ranges = cut.questions.filter(({ target }) => isBlob(target)).map(({ headers }) => headers.range);
      expect(ranges).toContain("bytes=150000-");
      await cut[Symbol.asyncDispose]();
    });

    test("are missing with one clear error", async () => {
      const { message } = await node.failure({ path, image: `${front.host}/none:1`, registries });
      expect(message).toMatch(/could not get the manifest of .*\/none:1\n.*404/s);
      expect(await node.listing()).toBe(before);
    });
  },
);
