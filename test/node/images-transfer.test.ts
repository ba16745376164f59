/** Layers on their way to the node: logins, harm done on the way, nodes that cannot reach the registry. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

/** The layers of a layout's only image, without `sha256:`. */
function layersOf(folder: string): string[] {
  const read = (path: string) => JSON.parse(readFileSync(join(folder, path), "utf8"));
  const [{ digest }] = read("index.json").manifests;
  return read(`blobs/${digest.replace(":", "/")}`).layers.map((layer: { digest: string }) => layer.digest.slice(7));
}

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
      "rm -f /var/lib/barepod/images/layers/*.part /var/lib/barepod/images/layers/*.sent; rmdir /var/lib/barepod/images/layers /var/lib/barepod/images 2>/dev/null || :";
    const fromNode = () =>
      front.questions.filter(
        ({ target, method, headers }) => method === "GET" && isBlob(target) && /curl/.test(headers["user-agent"] ?? ""),
      );

    const secrets = [basic, login.password, "Authorization"];
    /** Notes the arguments and the environment of all that runs on the node. */
    async function watch() {
      const loop = node.sh(
        `rm -f /srv/stop; while [ ! -e /srv/stop ]; do for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do tr '\\0' ' ' < $file || :; echo; done; done > /srv/watched 2> /dev/null`,
      );
      return {
        stop: async () => {
          await node.sh("touch /srv/stop");
          await loop;
        },
        found: async (text: string) => (await node.sh(`grep -c -e '${text}' /srv/watched || :`)) !== "0",
      };
    }
    const onDisk = () =>
      node.sh(
        `rm -f /srv/stop /srv/watched; grep -rlF ${secrets.map((each) => `-e '${each}'`).join(" ")} /var/lib/barepod /run /tmp /root /var/tmp /srv 2>/dev/null || :`,
      );

    test("come with a login that gets neither into a process list nor to a disk of the node", async () => {
      front.change = ({ headers }, answer) =>
        /curl/.test(headers["user-agent"] ?? "") ? { ...answer, delay: 700 } : answer;
      const { stop, found } = await watch();
      const outs = await node.create({ path, image, registries });
      await stop();
      expect(await found("^curl -q --config -")).toBe(true);
      for (const each of secrets) expect(await found(each)).toBe(false);
      expect(await onDisk()).toBe("");
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

    describe("on a node without curl", () => {
      const isWget = (agent = "") => /^Wget/i.test(agent);
      const asked = ({ questions }: Front) =>
        questions.filter(({ headers }) => isWget(headers["user-agent"])).map(({ headers }) => headers);
      const place = (program: string, as: string) => node.sh(`mount --bind ${program} $(command -v ${as})`);
      const listed = async () => {
        before = await node.listing();
      };
      beforeAll(() => place("/dev/null", "curl"));
      beforeEach(listed);
      afterAll(async () => {
        await node.sh("umount /usr/bin/curl");
        await listed();
      });

      test("come with GNU Wget, whose login gets neither into a process list nor to a disk", async () => {
        let cuts = 0;
        front.change = ({ headers }, answer) =>
          isWget(headers["user-agent"])
            ? { ...answer, ...(answer.body.length > 100_000 && cuts++ === 0 ? { cut: 200_000 } : { delay: 700 }) }
            : answer;
        const { stop, found } = await watch();
        const outs = await node.create({ path, image, registries });
        await stop();
        expect(await found("^wget --config")).toBe(true);
        for (const each of secrets) expect(await found(each)).toBe(false);
        expect(await onDisk()).toBe("");
        expect(asked(front).map(({ authorization }) => authorization)).toEqual(Array(3).fill(`Basic ${basic}`));
        expect(asked(front).flatMap(({ range = [] }) => range)).toEqual(["bytes=200000-"]);
        await expectWhole(outs);
      });

      test("are not redirected with a login", async () => {
        await using other = await startFront(registry.host, undefined, node.operator);
        front.change = ({ target, headers }, answer) =>
          isBlob(target) && isWget(headers["user-agent"])
            ? { status: 302, headers: { location: `http://${other.host}${target}` }, body: Buffer.of() }
            : answer;
        await expectWhole(await node.create({ path, image, registries }));
        expect(other.questions).toEqual([]);
      });

      test("come with busybox's wget where nothing is secret, else through the SSH connection", async () => {
        await place("$(command -v busybox)", "wget");
        await listed();
        await using open = await startRegistry();
        await open.fill(`oci:${join(node.folder, "noise")}`, "app:1");
        let cuts = 0;
        await using free = await startFront(
          open.host,
          ({ headers }, answer) =>
            isWget(headers["user-agent"]) && answer.body.length > 100_000 && cuts++ === 0
              ? { ...answer, cut: 200_000 }
              : answer,
          node.operator,
        );
        const outs = await node.create({ path, image: `${free.host}/app:1`, registries: { plainHttp: [free.host] } });
        expect(asked(free).flatMap(({ range = [] }) => range)).toEqual(["bytes=200000-"]);
        await expectWhole(outs);
        await expectWhole(await node.create({ path, image, registries }));
        expect(asked(front)).toEqual([]);
        await node.sh("umount /usr/bin/wget");
      });

      test("and without wget, come through the SSH connection", async () => {
        await place("/dev/null", "wget");
        await listed();
        await expectWhole(await node.create({ path, image, registries }));
        await node.sh("umount /usr/bin/wget");
        expect(asked(front)).toEqual([]);
      });
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

    test("are decompressed on the way to a node without zstd, verified before that", async () => {
      const layers = [tar([{ name: "noise", content: noise }]), tar([{ name: "small", content: "small" }])];
      const folder = join(node.folder, "zstd");
      await registry.fill(craftImage(folder, layers, { compression: "zstd" }), "zstd:1");
      const lying = await node.sandbox.exec(["tar", "-x", "-C", "/srv"], {
        stdin: execFileSync("tar", ["-c", "-C", node.folder, "zstd"], { maxBuffer: 1e8 }),
      });
      expect(lying.code).toBe(0);
      const listed = before;
      await node.sh("mount --bind /dev/null $(command -v zstd)");
      before = await node.listing();
      const other = `${front.host}/zstd:1`;
      let cuts = 0;
      front.change = ({ target }, answer) =>
        isBlob(target) && answer.body.length > 100_000 && cuts++ === 0 ? { ...answer, cut: 200_000 } : answer;
      await expectWhole(await node.create({ path, image: other, registries }));
      expect(fromNode()).toEqual([]);
      // Where exactly it goes on: what the connection still held when it ended may be lost.
      const ranges = front.questions.flatMap(({ headers }) => headers.range ?? []);
      expect(ranges.filter((range) => !/^bytes=0-/.test(range))).toEqual([expect.stringMatching(/^bytes=\d+-$/)]);
      await expectWhole(await node.create({ path, image: "oci:/srv/zstd" }));

      front.change = ({ target }, answer) =>
        isBlob(target) && answer.body.length > 100_000
          ? { ...answer, body: Buffer.concat([answer.body.subarray(0, -1), Buffer.of((answer.body.at(-1) ?? 0) ^ 1)]) }
          : answer;
      const { message } = await node.failure({ path, image: other, registries });
      expect(message).toMatch(/zstd:1 cannot be used.*the layer was changed on the way: it has the digest sha256:/s);
      await node.sh(`umount $(command -v -p zstd || echo /usr/bin/zstd); rm -r /srv/zstd; ${tidy}`);
      before = listed;
      expect(await node.listing()).toBe(before);
    });

    test("end with the first that fails; what came of the others is gone on with", async () => {
      const [large = "", small = ""] = layersOf(join(node.folder, "noise"));
      front.change = ({ target, headers }, answer) => {
        if (target.includes(small)) return { status: 403, headers: {}, body: Buffer.of() };
        return target.includes(large) && /curl/.test(headers["user-agent"] ?? "")
          ? { ...answer, delay: 600_000 }
          : answer;
      };
      const { message } = await node.failure({ path, image, registries });
      expect(message).toContain("403");
      expect(await node.sh("ps -e -o comm= | grep -cE 'curl|tee|tar' || :")).toBe("0");
      const kept = "cd /var/lib/barepod/images/layers && ls -A && stat -c %s *.part";
      const [name, size, ...more] = (await node.sh(kept)).split("\n");
      expect([name, more]).toEqual([`${large}.part`, []]);
      expect(Number(size)).toBeGreaterThan(0);
      front.change = (_, answer) => answer;
      front.questions.length = 0;
      const outs = await node.create({ path, image, registries });
      expect(fromNode().flatMap(({ headers }) => headers.range ?? [])).toEqual([`bytes=${size}-`]);
      await expectWhole(outs);
    });

    // Too little for what is downloaded, and for what is unpacked.
    test.each(["1m", "2500k"])("do not fit on a disk of %s: its room is what is spoken of", async (size) => {
      const images = "/var/lib/barepod/images";
      await node.sh(`mkdir -p ${images}; mount -t tmpfs -o size=${size} tmpfs ${images}`);
      const { message } = await node.failure({ path, image, registries });
      await node.sh(`umount ${images}; rmdir ${images}`);
      expect(message).toMatch(/No space left on device.*df -h \/var\/lib\/barepod/s);
      expect(message).not.toContain("cannot be used");
      expect(await node.listing()).toBe(before);
    });

    // What ends an unpacking tidies up by itself, in whichever moment.
    test.each([
      ["whose folder goes while it is counted out", 'mv() { rm -rf -- "$3"; command mv "$@"; }', "upper"],
      ["whose release was cut off", "", ""],
    ])("leave nothing behind: one %s", async (_, meanwhile, upper) => {
      const parts = ["root-fs-image", "root-fs-layers"].map((name) =>
        readFileSync(join(__dirname, `../../provider/node-scripts/${name}.sh`), "utf8"),
      );
      await node.sh(`cd /var/lib/barepod; layer=$PWD/images/layers/${"0".repeat(64)} state=$PWD/rootfs/RootFs.box
mkdir -p $state/lower $state/work $state/${upper} $layer.users $layer.new
ln -s $layer $state/lower/0; : > $layer.users/RootFs.box`);
      const program = [parts[0], meanwhile, parts[1]].join("\n");
      const { code, stderr } = await node.sandbox.exec(["sh", "-s", "release", "/var/lib/barepod/rootfs/RootFs.box"], {
        stdin: program,
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(await node.listing()).toBe(before);
    });

    test("are missing with one clear error", async () => {
      const { message } = await node.failure({ path, image: `${front.host}/none:1`, registries });
      expect(message).toMatch(/could not get the manifest of .*\/none:1\n.*404/s);
      expect(await node.listing()).toBe(before);
    });
  },
);
