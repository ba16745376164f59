/** What is in the layers of an image, and what lies on the node of them. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { craftImage } from "../harness/crafted-image";
import { startRegistry, type TestRegistry } from "../harness/registry";
import { type Member, tar } from "../harness/tar";
import { usingNoLogins } from "../images/operator";
import { ImageNode, imageObstacle } from "./image-node";

const obstacle = imageObstacle();
const path = "/srv/t/box";

describe.skipIf(obstacle)(
  `the layers of an image${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  { timeout: 120_000 },
  () => {
    const node = new ImageNode();
    let registry: TestRegistry;
    let registries: object;
    let before: string;
    let count = 0;

    beforeAll(async () => {
      usingNoLogins(node.folder);
      await node.start();
      await node.sh("mkdir /srv/t /srv/victim; echo secret > /srv/victim/secret");
      registry = await startRegistry({ address: node.operator });
      registries = { plainHttp: [registry.host] };
      await node.sh("rm -f /srv/t/x");
    });
    beforeEach(async () => {
      before = await node.listing();
    });
    afterAll(async () => {
      await registry?.[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
      vi.unstubAllEnvs();
    });

    /** An image of these layers in the registry. */
    async function push(layers: readonly (readonly Member[])[], compression?: "zstd"): Promise<string> {
      const name = `crafted${++count}`;
      await registry.fill(craftImage(join(node.folder, name), layers.map(tar), { compression }), `${name}:1`);
      return `${registry.host}/${name}:1`;
    }
    const create = (image: string, more: object = {}) => node.create({ path, image, registries, ...more });
    const file = (name: string, content = "x"): Member => ({ name, content, mode: 0o644 });

    test("keep owners, modes, set-user-id bits, capabilities and links", async () => {
      const layer: Member[] = [
        { name: "bin/", type: "5" },
        { name: "bin/su", mode: 0o4755, content: "program" },
        { name: "bin/owned", mode: 0o640, uid: 1234 },
        { name: "etc/", type: "5", mode: 0o555 },
        { name: "etc/absolute", type: "2", link: "/srv/victim" },
        { name: "etc/hard", type: "1", link: "bin/su" },
        { name: "dev/null", type: "3", mode: 0o666 },
      ];
      const outs = await create(await push([layer]));
      expect(
        await node.sh(
          `cd ${path}; stat -c '%n %A %u' bin/* etc; readlink etc/absolute; ls -d dev/* 2>/dev/null || :; [ etc/hard -ef bin/su ] && cat etc/hard`,
        ),
      ).toBe("bin/owned -rw-r----- 1234\nbin/su -rwsr-xr-x 0\netc dr-xr-xr-x 0\n/srv/victim\nprogram");
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("hide what whiteouts and opaque folders take away", async () => {
      const image = await push([
        [file("a/one"), file("a/two"), file("b/one"), file("gone"), { name: "tree/", type: "5" }, file("tree/leaf")],
        [file("a/.wh.one", ""), file("b/.wh..wh..opq", ""), file("b/new"), file(".wh.gone", ""), file(".wh.tree", "")],
        [file("tree/other")],
      ]);
      const outs = await create(image);
      expect(await node.sh(`cd ${path} && find . -mindepth 1 | sort`)).toBe(
        "./a\n./a/two\n./b\n./b/new\n./tree\n./tree/other",
      );
      await node.remove(outs);
    });

    test("are put together from a hundred and fifty, and from one that comes twice", async () => {
      const many = Array.from({ length: 150 }, (_, i) => [file(`f${i}`, `${i}`), file("last", `${i}`)]);
      const outs = await create(
        await push([...many, [file("twice", "1")], [file(".wh.twice", "")], [file("twice", "1")]]),
      );
      expect(await node.sh(`cd ${path}; ls | wc -l; cat last f0 f149 twice`)).toBe("152\n14901491");
      await node.sh(`umount ${path}`);
      expect((await node.read(outs)).inputs).toMatchObject({ whole: false });
      await node.update(outs, { whole: true });
      expect(await node.sh(`cat ${path}/last`)).toBe("149");
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("are none: an empty image is an empty root", async () => {
      const outs = await create(await push([]));
      expect(await node.sh(`touch ${path}/x; ls ${path}`)).toBe("x");
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("come compressed with zstd too", async () => {
      const image = await push([[file("hello", "zstd")]], "zstd");
      const outs = await create(image);
      expect(await node.sh(`cat ${path}/hello`)).toBe("zstd");
      await node.remove(outs);
    });

    test("lie on the node once, as long as something is made of them", async () => {
      const [base, own]: Member[][] = [[file("base")], [file("own")]];
      const one = await push([base as Member[]]);
      const two = await push([base as Member[], own as Member[]]);
      const all = await Promise.all(
        [one, two, two, one].map((image, i) => node.create({ path: `${path}${i}`, image, registries })),
      );
      const kept = () => node.sh("ls /var/lib/barepod/images/layers | grep -vc users || :");
      expect(await kept()).toBe("2");
      await node.sh(`echo changed > ${path}1/base`);
      expect(await node.sh(`cat ${path}0/base ${path}1/base ${path}2/base`)).toBe("xchanged\nx");
      await node.remove(all[1] as object);
      expect(await kept()).toBe("2");
      await node.remove(all[2] as object);
      expect(await kept()).toBe("1");
      await Promise.all([all[0], all[3]].map((each) => node.remove(each as object)));
      expect(await node.listing()).toBe(before);
    });

    test("are not asked for again where they are, unless the tag is, or has to be", async () => {
      const image = await push([[file("v", "1")]]);
      const first = await create(image);
      const name = image.split("/")[1] ?? "";
      await registry.fill(craftImage(join(node.folder, "other"), [tar([file("v", "2")])]), name);
      const same = await node.create({ path: `${path}2`, image, registries });
      expect(same.imageDigest).toBe(first.imageDigest);
      const fresh = await node.create({ path: `${path}3`, image, registries, pullPolicy: "Always" });
      expect(await node.sh(`cat ${path}2/v ${path}3/v`)).toBe("12");
      const never = await node.create({ path: `${path}4`, image, registries, pullPolicy: "Never" });
      for (const each of [first, same, fresh, never]) await node.remove(each);
      const { message } = await node.failure({ path, image, registries, pullPolicy: "Never" });
      expect(message).toMatch(/is not on .*, and imagePullPolicy is Never/);
      expect(await node.listing()).toBe(before);
    });

    test("are those of a digest that is given; another one replaces them, none keeps them", async () => {
      const image = await push([[file("v", "1")]]);
      const outs = await create(image);
      expect(await node.replaces(outs, { digest: outs.imageDigest })).toEqual([]);
      expect(await node.replaces(outs, { digest: `sha256:${"0".repeat(64)}` })).toEqual(["digest"]);
      const pinned = await node.update(outs, { digest: outs.imageDigest });
      const { _barepod, imageDigest, ...given } = pinned;
      const { digest, ...without } = given;
      expect((await node.check(without, given)).inputs).toMatchObject({ digest });
      expect((await node.check({ ...without, image: `${image}0` }, given)).inputs).not.toHaveProperty("digest");
      await node.remove(pinned);
      const { message } = await node.failure({ path, image, registries, digest: `sha256:${"0".repeat(64)}` });
      expect(message).toMatch(/could not get the manifest of .* \(sha256:0+\)|@sha256:0+/);
      expect(await node.listing()).toBe(before);
    });

    const hostile: { name: string; layers: Member[][] }[] = [
      { name: "a name that leads up", layers: [[file("../../victim/written")]] },
      { name: "a name that leads up later", layers: [[file("bin/../../../victim/written")]] },
      { name: "an absolute name", layers: [[file("/srv/victim/written")]] },
      {
        name: "an absolute link that a member goes through",
        layers: [[{ name: "out", type: "2", link: "/srv/victim" }, file("out/written")]],
      },
      {
        name: "a relative link that a member goes through",
        layers: [[{ name: "out", type: "2", link: "../../../../../../srv/victim" }, file("out/written")]],
      },
      {
        name: "a link that a member of another layer goes through",
        layers: [[{ name: "out", type: "2", link: "/srv/victim" }], [file("out/written")]],
      },
      {
        name: "a link that a whiteout of another layer goes through",
        layers: [[{ name: "out", type: "2", link: "/srv/victim" }], [file("out/.wh.secret", "")]],
      },
      {
        name: "a link that a whiteout goes through",
        layers: [[{ name: "out", type: "2", link: "/srv/victim" }, file("out/.wh.secret", "")]],
      },
      { name: "a whiteout of the folder above", layers: [[file(".wh...", "")]] },
      { name: "a whiteout of itself", layers: [[file(".wh..", "")]] },
      { name: "a hard link to the node", layers: [[{ name: "out", type: "1", link: "/srv/victim/secret" }]] },
      {
        name: "a hard link that leads up",
        layers: [[{ name: "out", type: "1", link: "../../../../../../srv/victim/secret" }]],
      },
      {
        name: "a hard link to a link, written through",
        layers: [
          [{ name: "a", type: "2", link: "/srv/victim/secret" }, { name: "b", type: "1", link: "a" }, file("b", "y")],
        ],
      },
      {
        name: "a folder over a link, whose mode would change",
        layers: [
          [
            { name: "out", type: "2", link: "/srv/victim" },
            { name: "out/", type: "5", mode: 0o777, uid: 1234 },
          ],
        ],
      },
      {
        name: "a disk and a whiteout made as a device",
        layers: [
          [
            { name: "disk", type: "4", mode: 0o666 },
            { name: "zero", type: "3" },
          ],
        ],
      },
      { name: "its own programs, changed", layers: [[{ name: "usr", type: "2", link: "/usr" }, file("usr/bin/tar")]] },
    ];
    test.each(hostile)("do no harm by $name", async ({ layers }) => {
      const look =
        "stat -c '%a %u %h' /srv/victim /srv/victim/secret; cat /srv/victim/*; stat -c %s /usr/bin/tar /bin/tar";
      const untouched = await node.sh(look);
      const outs = await create(await push(layers)).catch((error: Error) => {
        expect(error.message).toMatch(/cannot be used: its layer/);
        return undefined;
      });
      expect(await node.sh(look)).toBe(untouched);
      // A whiteout in a folder that is not merged is listed, and cannot be looked at: the kernel's way.
      const found = `{ find -P ${path} /var/lib/barepod/images -xdev '(' -type b -o -samefile /srv/victim/secret ')'; find -P ${path} -type c -exec test -e '{}' ';' -print; } 2> /dev/null || :`;
      const harm = outs === undefined ? "" : await node.sh(found);
      if (outs !== undefined) await node.remove(outs);
      expect(harm).toBe("");
      await node.sh(
        "rm -f /var/lib/barepod/images/layers/*.part; rmdir /var/lib/barepod/images/layers /var/lib/barepod/images 2>/dev/null || :",
      );
      expect(await node.listing()).toBe(before);
    });

    describe("that lie on the node", () => {
      let layout: string;
      beforeAll(async () => {
        layout = join(node.folder, "lying");
        craftImage(
          layout,
          [tar([file("hello", "lower"), file("gone")]), tar([file("hello", "upper"), file(".wh.gone", "")])],
          {
            config: { Cmd: ["/hello"] },
          },
        );
        const copy = (...words: string[]) =>
          execFileSync("skopeo", ["--insecure-policy", "copy", "--quiet", ...words], { stdio: "pipe" });
        copy(`oci:${layout}`, `docker-archive:${join(node.folder, "saved.tar")}:a:1`);
        copy(`oci:${layout}`, `oci-archive:${join(node.folder, "oci.tar")}`);
        execFileSync("gzip", ["-k", join(node.folder, "saved.tar")]);
        const all = execFileSync("tar", ["-c", "-C", node.folder, "lying", "saved.tar", "saved.tar.gz", "oci.tar"], {
          maxBuffer: 1e8,
        });
        await node.sandbox.exec(["tar", "-x", "-C", "/srv"], { stdin: all });
        await node.sandbox.exec(["sh", "-c", "cat > /srv/plain.tar"], { stdin: tar([file("hello", "upper")]) });
        await node.sh(
          "gzip -k /srv/plain.tar; xz -k /srv/plain.tar 2>/dev/null || cp /srv/plain.tar /srv/plain.tar.xz",
        );
      });
      test.each([
        "oci:/srv/lying",
        "archive:/srv/saved.tar",
        "archive:/srv/saved.tar.gz",
        "archive:/srv/oci.tar",
        "archive:/srv/plain.tar",
        "archive:/srv/plain.tar.gz",
        "archive:/srv/plain.tar.xz",
      ])("%s", async (image) => {
        const outs = await node.create({ path, image });
        expect(await node.sh(`cat ${path}/hello; ls ${path}`)).toBe("upperhello");
        const again = await node.create({ path: `${path}2`, image });
        expect(again.imageDigest).toBe(outs.imageDigest);
        expect((await node.read(outs)).inputs).toMatchObject({ whole: true });
        await node.remove(again);
        await node.remove(outs);
        expect(await node.listing()).toBe(before);
      });
      test("are missing with one clear error", async () => {
        for (const [image, message] of [
          ["oci:/srv/none", /there is no image layout at \/srv\/none on/],
          ["oci:/srv/lying:tag", /no image in it is named "tag"/],
          ["archive:/srv/none.tar", /has no archive \/srv\/none.tar/],
          ["archive:/srv/lying", /has no archive \/srv\/lying/],
        ] as const) {
          expect((await node.failure({ path, image })).message).toMatch(message);
          expect(await node.listing()).toBe(before);
        }
      });
    });
  },
);
