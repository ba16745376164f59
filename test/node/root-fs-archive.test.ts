import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sandboxObstacle } from "../harness/sandbox";
import { type RootFsNode, startRootFsNode } from "./root-fs-node";

const obstacle = sandboxObstacle();
const path = "/srv/t/box";
const archive = "/srv/it's an: archive.tar";

interface Member {
  readonly name: string;
  /** As in ustar: `0` file, `1` hard link, `2` symbolic link, `3` character device, `5` folder. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly link?: string;
  readonly content?: string;
}

describe.skipIf(obstacle)(
  `a RootFs of an archive${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  () => {
    let node: RootFsNode;
    let before: string;
    beforeAll(async () => {
      node = await startRootFsNode();
      await node.sh("mkdir /srv/victim; echo secret > /srv/victim/secret");
    });
    beforeEach(async () => {
      before = await node.listing();
    });
    afterAll(() => node[Symbol.asyncDispose]());

    const good: Member[] = [
      { name: "./", type: "5", mode: 0o700 },
      { name: "./bin/", type: "5" },
      { name: "./bin/su", mode: 0o4755, content: "program" },
      { name: "./bin/ünï 'x' $(id)", uid: 1234, mode: 0o640 },
      { name: "./sbin", type: "2", link: "bin" },
      { name: "./etc/", type: "5", mode: 0o555 },
      { name: "./etc/absolute", type: "2", link: "/srv/victim" },
      { name: "./etc/hard", type: "1", link: "./bin/su" },
      { name: "./dev/null", type: "3", mode: 0o666 },
    ];

    for (const overlay of [false, true])
      test(`keeps owners, modes and links${overlay ? " in an overlay" : ""}, but no device`, async () => {
        await node.write(archive, gzipSync(tar(good)));
        const outs = await node.create({ path, archive, overlay });
        const listed = await node.sh(
          `cd ${path}; stat -c '%n %A %u' bin/* etc . tmp dev; readlink sbin etc/absolute; ls dev`,
        );
        expect(listed.split("\n")).toEqual([
          "bin/su -rwsr-xr-x 0",
          "bin/ünï 'x' $(id) -rw-r----- 1234",
          "etc dr-xr-xr-x 0",
          ". drwxr-xr-x 0",
          "tmp drwxrwxrwt 0",
          "dev drwxr-xr-x 0",
          "bin",
          "/srv/victim",
        ]);
        expect(await node.sh(`[ ${path}/etc/hard -ef ${path}/bin/su ] && cat ${path}/etc/hard`)).toBe("program");
        expect((await node.read(outs)).inputs.whole).toBe(true);
        await node.remove(outs);
        expect(await node.listing()).toBe(before);
      });

    test("shares one image among overlays", async () => {
      await node.write(archive, tar(good));
      const first = await node.create({ path, archive, overlay: true });
      const second = await node.create({ path: `${path}2`, archive, overlay: true, owner: "nonce/urn:2" });
      expect(await node.sh("ls /var/lib/barepod/images | grep -vc users")).toBe("1");
      await node.remove(first);
      expect(await node.sh(`cat ${path}2/bin/su`)).toBe("program");
      await node.remove(second);
      expect(await node.listing()).toBe(before);
    });

    const hostile: { name: string; members: Member[] }[] = [
      { name: "a name that leads up", members: [{ name: "../../victim/written", content: "x" }] },
      { name: "a name that leads up later", members: [{ name: "bin/../../../victim/written", content: "x" }] },
      { name: "an absolute name", members: [{ name: "/srv/victim/written", content: "x" }] },
      {
        name: "an absolute link that a member goes through",
        members: [
          { name: "out", type: "2", link: "/srv/victim" },
          { name: "out/written", content: "x" },
        ],
      },
      {
        name: "a relative link that a member goes through",
        members: [
          { name: "out", type: "2", link: "../../victim" },
          { name: "out/written", content: "x" },
        ],
      },
      {
        name: "a link through a link",
        members: [
          { name: "a/", type: "5" },
          { name: "a/up", type: "2", link: ".." },
          { name: "up", type: "2", link: "a/up/../.." },
          { name: "up/victim/written", content: "x" },
        ],
      },
      {
        name: "a link to a file that a member overwrites",
        members: [
          { name: "out", type: "2", link: "/srv/victim/secret" },
          { name: "out", content: "x" },
        ],
      },
      {
        name: "a folder over a link, whose mode would change",
        members: [
          { name: "out", type: "2", link: "/srv/victim" },
          { name: "out/", type: "5", mode: 0o777, uid: 1234 },
        ],
      },
      { name: "a hard link to the node", members: [{ name: "out", type: "1", link: "/srv/victim/secret" }] },
      { name: "a hard link that leads up", members: [{ name: "out", type: "1", link: "../../victim/secret" }] },
      {
        name: "a hard link to a link, written through",
        members: [
          { name: "a", type: "2", link: "/srv/victim/secret" },
          { name: "b", type: "1", link: "a" },
          { name: "b", content: "x" },
        ],
      },
      { name: "a disk", members: [{ name: "disk", type: "4", mode: 0o666 }] },
    ];
    for (const overlay of [false, true])
      test.each(hostile)(`lets $name do no harm${overlay ? " in an overlay" : ""}`, async ({ members }) => {
        const untouched = await node.sh("stat -c '%a %u %h' /srv/victim /srv/victim/secret; cat /srv/victim/*");
        await node.write(archive, tar(members));
        const outs = await node.create({ path, archive, overlay }).catch((error) => error.properties);
        expect(await node.sh("stat -c '%a %u %h' /srv/victim /srv/victim/secret; cat /srv/victim/*")).toBe(untouched);
        if (outs !== undefined) {
          // A link may point where it likes; what lies in the root file system itself is no way out.
          expect(
            await node.sh(
              `find -P ${path} $(ls -d /var/lib/barepod/images 2>/dev/null) '(' -type b -o -type c -o -samefile /srv/victim/secret ')'`,
            ),
          ).toBe("");
          await node.remove(outs);
        }
        expect(await node.listing()).toBe(before);
      });

    test("would be harmed by these archives if tar were told to trust them", async () => {
      for (const name of [
        "an absolute link that a member goes through",
        "a relative link that a member goes through",
      ]) {
        await node.write(archive, tar(hostile.find((each) => each.name === name)?.members ?? []));
        await node.sh(`mkdir ${path}; tar -xPf ${JSON.stringify(archive)} --force-local -C ${path} 2>/dev/null || :`);
        expect(await node.sh("cat /srv/victim/written; rm -r /srv/victim/written /srv/t/box")).toBe("x");
      }
    });

    test("compares the checksum before anything is unpacked", async () => {
      const content = tar(good);
      await node.write(archive, content);
      const archiveSha256 = createHash("sha256").update(content).digest("hex");
      for (const overlay of [false, true]) {
        const error = await node.failure({ path, archive, overlay, archiveSha256: "0".repeat(64) });
        expect(error.message).toContain(`has the SHA-256 ${archiveSha256}, not 0000`);
        if (error.properties !== undefined) await node.remove(error.properties);
        expect(await node.listing()).toBe(before);
        await node.remove(await node.create({ path, archive, overlay, archiveSha256 }));
      }
      expect(await node.listing()).toBe(before);
    });

    test("goes on after an archive that was cut off", async () => {
      const content = gzipSync(tar([...good, { name: "large", content: "x".repeat(100_000) }]));
      await node.write(archive, content.subarray(0, content.length - 100));
      const { message, properties } = await node.failure({ path, archive });
      expect(message).toMatch(/cannot unpack/);
      await node.sh(`ln -sfn /srv/victim ${path}/bin2; rm -rf ${path}/etc; ln -s /srv/victim ${path}/etc`);
      await node.write(archive, content);
      const whole = await node.update(properties as never);
      expect(await node.sh(`stat -c %s ${path}/large; ls ${path}; ls /srv/victim`)).toBe(
        "100000\nbin\ndev\netc\nlarge\nproc\nsbin\nsys\ntmp\nsecret",
      );
      await node.remove(whole);
      expect(await node.listing()).toBe(before);
    });

    test("unpacks into an empty folder only, even to take it over", async () => {
      await node.write(archive, tar(good));
      await node.sh(`mkdir ${path}; ln -s /srv/victim ${path}/bin`);
      const { message } = await node.failure({ path, archive, adopt: true });
      expect(message).toMatch(/something is there that is not an empty folder/);
      expect(await node.sh("ls /srv/victim")).toBe("secret");
      await node.sh(`rm -r ${path}`);
      expect(await node.listing()).toBe(before);
    });

    test.each([
      ["/srv/none.tar", /the node has no archive \/srv\/none.tar/],
      ["/srv", /\/srv is not a file/],
    ])("names what is no archive: %s", async (wrong, message) => {
      for (const overlay of [false, true]) {
        expect((await node.failure({ path, archive: wrong, overlay })).message).toMatch(message);
        expect(await node.listing()).toBe(before);
      }
    });

    test("tells an image with layers from a root file system", async () => {
      await node.write(
        archive,
        tar([
          { name: "oci-layout", content: "{}" },
          { name: "blobs/", type: "5" },
        ]),
      );
      const { message } = await node.failure({ path, archive, overlay: true });
      expect(message).toMatch(/is an image with layers, not the tar of a root file system/);
      expect(await node.listing()).toBe(before);
    });

    test("keeps nobody waiting but those who want the same archive", async () => {
      const bytes = tar(good);
      await node.write(archive, bytes);
      const archiveSha256 = createHash("sha256").update(bytes).digest("hex");
      const users = `/var/lib/barepod/images/archive-${archiveSha256.slice(0, 32)}.users`;
      // As if somebody were unpacking it at this moment.
      await node.sh(`mkdir -p ${users}; exec 9<${users}; flock 9; sleep 600 >&- 2>&- & echo $! >/run/unpacking`);
      const made = [
        { path, archive, archiveSha256, overlay: true },
        { path: "/srv/t/other", archive, archiveSha256, overlay: true, owner: "nonce/urn:other" },
      ].map((inputs) => node.create(inputs));
      let settled = 0;
      for (const each of made) void each.finally(() => settled++);
      await node.sh(`while [ "$(ls ${users} | wc -l)" -lt 2 ]; do sleep 0.05; done`);
      const host = await node.create({ path: "/srv/t/host", hostBinaries: ["ls"], owner: "nonce/urn:host" });
      expect(settled).toBe(0);
      await node.sh("kill $(cat /run/unpacking); rm /run/unpacking");
      const outs = await Promise.all(made);
      expect(await node.sh(`cat ${path}/bin/su /srv/t/other/bin/su; ls /var/lib/barepod/images`)).toBe(
        [`programprogramarchive-${archiveSha256.slice(0, 32)}`, `archive-${archiveSha256.slice(0, 32)}.users`].join(
          "\n",
        ),
      );
      for (const each of [host, ...outs]) await node.remove(each);
      expect(await node.listing()).toBe(before);
    });

    test("reads what the node's tar can decompress", async () => {
      await node.write("/srv/plain.tar", tar(good));
      await node.sh("command -v zstd; zstd -qf /srv/plain.tar -o /srv/plain.tar.zst");
      const outs = await node.create({ path, archive: "/srv/plain.tar.zst", overlay: true });
      expect(await node.sh(`cat ${path}/bin/su`)).toBe("program");
      await node.remove(outs);
    });
  },
);

/** A tar archive of exactly these members, however hostile. */
function tar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ name, type = "0", mode = 0o755, uid = 0, link = "", content = "" }) => {
    const header = Buffer.alloc(512);
    const octal = (value: number, at: number, length: number) =>
      header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
    const body = Buffer.from(content);
    header.write(name, 0, 100, "utf8");
    octal(mode, 100, 8);
    octal(uid, 108, 8);
    octal(uid, 116, 8);
    octal(body.length, 124, 12);
    octal(0, 136, 12);
    header.write("        ", 148, "latin1");
    header.write(type, 156, "latin1");
    header.write(link, 157, 100, "utf8");
    header.write("ustar\x0000", 257, "latin1");
    octal(1, 329, 8);
    octal(3, 337, 8);
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
