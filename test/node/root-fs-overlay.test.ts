import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { closeAllSessions } from "../../provider/ssh/pool";
import { sandboxObstacle } from "../harness/sandbox";
import { type RootFsNode, startRootFsNode } from "./root-fs-node";

const obstacle = sandboxObstacle();
const images = "/var/lib/barepod/images";
const hostBinaries = ["bash", "ls"];
const one = { path: "/srv/t/one", overlay: true, hostBinaries };
const two = { path: "/srv/t/two", overlay: true, hostBinaries: ["ls", "bash"], owner: "nonce/urn:two" };

describe.skipIf(obstacle)(
  `a RootFs as an overlay${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  () => {
    let node: RootFsNode;
    let before: string;
    beforeAll(async () => {
      node = await startRootFsNode();
    });
    beforeEach(async () => {
      before = await node.listing();
    });
    afterAll(() => node[Symbol.asyncDispose]());

    const imagesThere = async () =>
      (await node.sh(`ls ${images}`)).split("\n").filter((name) => !name.endsWith(".users"));

    test("shares one image with another of the same programs; the last one takes it along", async () => {
      const first = await node.create(one);
      const second = await node.create(two);
      expect(await imagesThere()).toHaveLength(1);
      await node.sh(`echo mine > ${one.path}/tmp/mine; rm ${one.path}/bin/ls; chroot ${two.path} /bin/ls /tmp`);
      expect(await node.sh(`chroot ${two.path} /bin/ls /tmp; echo .`)).toBe(".");
      expect((await node.read(first)).inputs.whole).toBe(true);
      await node.remove(first);
      expect(await imagesThere()).toHaveLength(1);
      await node.sh(`chroot ${two.path} /bin/ls /`);
      await node.remove(second);
      expect(await node.listing()).toBe(before);
    });

    test("finds an image that is there by what its overlays have noted, or else by its checksum", async () => {
      const first = await node.create(one);
      await node.sh("printf '#!/bin/sh\\nexit 1\\n' > /usr/local/sbin/sha256sum; chmod 755 /usr/local/sbin/sha256sum");
      const second = await node.create(two);
      await node.sh("rm /usr/local/sbin/sha256sum");
      expect(await imagesThere()).toHaveLength(1);
      await node.remove(second);
      // As an earlier release has left it.
      await node.sh(`for user in ${images}/*.users/*; do : > "$user"; done`);
      const third = await node.create(two);
      expect(await imagesThere()).toHaveLength(1);
      await Promise.all([node.remove(first), node.remove(third)]);
      expect(await node.listing()).toBe(before);
    });

    test("makes the image once when twenty ask for it at the same time", async () => {
      const paths = Array.from({ length: 20 }, (_, index) => `/srv/t/pod${index}`);
      const all = await Promise.all(paths.map((path) => node.create({ ...one, path, owner: `nonce/urn:${path}` })));
      expect(await imagesThere()).toHaveLength(1);
      for (const path of paths) await node.sh(`chroot ${path} /bin/bash -c true`);
      await Promise.all(all.map((outs) => node.remove(outs)));
      expect(await node.listing()).toBe(before);
    });

    test("makes another image when a program of the node has changed", async () => {
      await node.sh("cp /bin/true /srv/changing");
      const mine = { ...one, hostBinaries: ["/srv/changing"] };
      const first = await node.create(mine);
      await node.sh("cp /bin/false /srv/changing; touch -d 2001-01-01 /srv/changing");
      const second = await node.create({ ...mine, path: two.path, owner: two.owner });
      await node.sh(`chroot ${one.path} /srv/changing; ! chroot ${two.path} /srv/changing`);
      await Promise.all([node.remove(first), node.remove(second)]);
      expect(await node.listing()).toBe(before);
    });

    test("is mounted again after a reboot, with what was written to it", async () => {
      const outs = await node.create(one);
      await node.sh(`echo kept > ${one.path}/kept`);
      await closeAllSessions();
      await node.sandbox.restart();
      expect((await node.read(outs)).inputs.whole).toBe(false);
      await node.sh("sh /var/lib/barepod/boot.d/20-RootFs.*");
      expect(await node.sh(`cat ${one.path}/kept; chroot ${one.path} /bin/bash -c 'echo runs'`)).toBe("kept\nruns");
      expect((await node.read(outs)).inputs.whole).toBe(true);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("shows a lost mount as drift, and mounts it again with what was written to it", async () => {
      const outs = await node.create(one);
      await node.sh(`echo kept > ${one.path}/kept; umount ${one.path}`);
      const { inputs, props } = await node.read(outs);
      expect(inputs.whole).toBe(false);
      expect(await node.replaces(props, { whole: true })).toEqual([]);
      const repaired = await node.update(props, { whole: true });
      expect(await node.sh(`cat ${one.path}/kept; umount ${one.path}`)).toBe("kept");
      await node.remove(repaired);
      expect(await node.listing()).toBe(before);
    });

    test.each([
      ["mounted", "mount -t tmpfs none $P; touch $P/foreign; mkdir $P/below; mount -t tmpfs none $P/below"],
      ["put", "touch $P/foreign"],
    ])("leaves alone what somebody else %s in its place, and takes what it had kept along", async (_, foreign) => {
      await node.sh(`mkdir ${one.path}`);
      const outs = await node.create(one);
      await node.sh(`P=${one.path}; touch $P/mine; umount $P; ${foreign}`);
      const { inputs, props } = await node.read(outs);
      expect(inputs.whole).toBe(false);
      await expect(node.update(props, { whole: true })).rejects.toThrow(
        /something is there that is not an empty folder/,
      );
      await node.remove(outs);
      await node.sh(`P=${one.path}; [ -e $P/foreign ]; ! mountpoint -q $P || umount -R $P; rm -rf $P`);
      expect(await node.listing()).toBe(before);
    });

    test("keeps what was written to it while something is mounted over it, and says what to do", async () => {
      const outs = await node.create(one);
      await node.sh(`touch ${one.path}/mine; mount -t tmpfs none ${one.path}; touch ${one.path}/foreign`);
      const { inputs, props } = await node.read(outs);
      expect(inputs.whole).toBe(false);
      const saying = `something is mounted over ${one.path}; unmount it first`;
      await expect(node.update(props, { whole: true })).rejects.toThrow(saying);
      await expect(node.remove(outs)).rejects.toThrow(saying);
      expect(await node.sh(`ls ${one.path}; umount ${one.path}; ls ${one.path}/mine`)).toBe(
        `foreign\n${one.path}/mine`,
      );
      expect((await node.read(props)).inputs.whole).toBe(true);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("refuses to be deleted while something is mounted below it", async () => {
      const outs = await node.create(one);
      await node.sh(`echo precious > /tmp/precious; mkdir ${one.path}/data; mount --bind /tmp ${one.path}/data`);
      await expect(node.remove(outs)).rejects.toThrow(`mounted below ${one.path}`);
      await node.sh(`grep -x precious /tmp/precious; chroot ${one.path} /bin/bash -c true; umount ${one.path}/data`);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("leaves nothing when the image cannot be built", async () => {
      await node.sh(`mkdir -p ${images}; mount -t tmpfs -o size=1m none ${images}`);
      const { message, properties } = await node.failure(one);
      expect(message).toMatch(/No space left on device/);
      expect(properties).toBeUndefined();
      await node.sh(`[ -z "$(ls -A ${images})" ]; umount ${images}; rmdir ${images}`);
      expect(await node.listing()).toBe(before);
    });

    test("goes on after the program died while it built the image", async () => {
      // What a kill leaves behind: the state folder, its claim on the image, and half an image under its other name.
      const outs = await node.create(one);
      await node.sh(`umount ${one.path}; rm /var/lib/barepod/rootfs/*/stamp
      image=$(ls -d ${images}/*[!s]); mv "$image" "$image.new"; rm "$image.new/bin"`);
      const { inputs } = await node.read(outs);
      expect(inputs.whole).toBe(false);
      const repaired = await node.update(outs);
      await node.sh(`chroot ${one.path} /bin/bash -c true`);
      await node.remove(repaired);
      expect(await node.listing()).toBe(before);
    });

    test("names a missing program before anything is made", async () => {
      const { message } = await node.failure({ ...one, hostBinaries: ["bash", "no-such-program"] });
      expect(message).toMatch(/the node has no program no-such-program/);
      expect(await node.listing()).toBe(before);
    });
  },
);
