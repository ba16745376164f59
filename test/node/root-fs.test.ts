import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { render } from "../../provider/command/command";
import { quote } from "../../provider/command/quote";
import { script } from "../../provider/command/script";
import { sandboxObstacle } from "../harness/sandbox";
import { type RootFsNode, startRootFsNode } from "./root-fs-node";

const obstacle = sandboxObstacle();
const path = "/srv/t/box";
const chapter = ["bash", "ip", "ls", "mount", "umount", "kill", "ps", "curl", "pidof", "expr", "rm"];

describe.skipIf(obstacle)(
  `a RootFs in a folder${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
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

    const inside = (line: string) => node.sh(`chroot ${path} /bin/bash -euc ${quote(line)}`);

    test("runs the chapter's programs after chroot, and leaves nothing when it is deleted", async () => {
      const here = await node.sh(`for p in ${chapter.join(" ")}; do [ ! -e /bin/$p ] || echo /bin/$p; done`);
      const hostBinaries = [...here.split("\n"), "/sbin/ip"];
      expect(hostBinaries).toEqual(expect.arrayContaining(["/bin/bash", "/bin/ls", "/bin/mount", "/bin/rm"]));
      const outs = await node.create({ path, hostBinaries });
      expect(await inside("/bin/ls /")).toMatch(/^bin\ndev\netc\nlib\n(.*\n)*proc\nsbin\nsys\ntmp\nusr$/);
      for (const each of hostBinaries)
        await inside(`${each} --version >/dev/null 2>&1 || { status=$?; [ $status != 126 ] && [ $status != 127 ]; }`);
      expect(await inside("/bin/expr 20 + 22; /usr/bin/bash -c 'echo from /usr'")).toBe("42\nfrom /usr");
      expect(await inside("mount -t proc none /proc; ps -o comm= -p 1; umount /proc")).toBe("sh");
      expect(await inside(": > /tmp/file; rm /tmp/file; ls /tmp")).toBe("");
      expect((await node.read(outs)).inputs.hostBinaries).toEqual(hostBinaries);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("keeps modes, but drops set-user-id bits, capabilities and owners", async () => {
      await node.sh("cp /bin/true /srv/private; chown 12:34 /srv/private; chmod 6710 /srv/private");
      await node.sh("setcap cap_net_raw+ep /srv/private 2>/dev/null || :; stat -c %a /bin/mount | grep -x 4755");
      const outs = await node.create({ path, hostBinaries: ["/srv/private", "/bin/mount"] });
      const listed = await node.sh(`stat -c '%a %u %g' ${path}/srv/private ${path}/bin/mount ${path}/tmp ${path}`);
      expect(listed).toBe("710 0 0\n755 0 0\n1777 0 0\n755 0 0");
      expect(await node.sh(`getcap ${path}/srv/private 2>/dev/null || :`)).toBe("");
      await node.remove(outs);
    });

    test("resolves names in the box: /etc/hosts first", async () => {
      const outs = await node.create({ path, hostBinaries: ["bash", "getent"] });
      await node.sh(`echo 192.0.2.7 box.example > ${path}/etc/hosts`);
      expect(await inside("getent hosts box.example")).toMatch(/^192\.0\.2\.7 /);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("brings the interpreters of scripts, static programs, links of links, and odd names", async () => {
      const odd = "/srv/a b/it's $(id) `id` ünï => \\x; .sh";
      await node.sh(`mkdir -p '/srv/a b'
      printf '#!/usr/bin/env -S FOO=bar bash\\necho $FOO\\n' > /srv/script; printf '#! /srv/script2\\n' > /srv/script3
      printf '#!/bin/sh -e\\necho two "$0"\\n' > /srv/script2; printf '#!/bin/sh\\necho odd\\n' > ${quote(odd)}
      chmod 755 /srv/script* ${quote(odd)}
      ln -sfn ../srv/script /srv/link1; ln -sfn /srv/link1 /srv/link2`);
      const outs = await node.create({ path, hostBinaries: ["/srv/link2", "/srv/script3", odd, "ldconfig", "bash"] });
      expect(await inside("/srv/link2")).toBe("bar");
      expect(await inside("/srv/script3")).toBe("two /srv/script2");
      expect(await inside(quote(odd))).toBe("odd");
      // Debian's ldconfig is static: it could not repair anything otherwise.
      expect(await inside("/sbin/ldconfig -p")).toMatch(/libs found/);
      expect(await node.sh(`readlink ${path}/srv/link2`)).toBe("/srv/link1");
      expect((await node.read(outs)).inputs.hostBinaries).toHaveLength(5);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test.each(["/srv/t/a b/it's", "/srv/t/$(touch /srv/t/pwned)`id`", '/srv/t/ünï"\\ *?', "/srv/t/-x; true"])(
      "takes the path %s as it is",
      async (odd) => {
        const outs = await node.create({ path: odd, hostBinaries: ["true"] });
        await node.sh(`chroot ${quote(odd)} /bin/true`);
        await node.sh(`mkdir ${quote(`${odd}/m`)}; mount -t tmpfs none ${quote(`${odd}/m`)}`);
        await expect(node.remove(outs)).rejects.toThrow(`${odd}/m`);
        await node.sh(`umount ${quote(`${odd}/m`)}`);
        await node.remove(outs);
        expect(await node.listing()).toBe(before);
      },
    );

    test("refuses a path with a newline, and folders of the system, before anything is sent", async () => {
      for (const wrong of ["/srv/t/a\nb", "/srv/../etc", "relative", "/usr", "/", "/var/lib/barepod"])
        expect((await node.check({ path: wrong, hostBinaries: ["true"] }))?.failures).toHaveLength(1);
      expect((await node.check({ path, hostBinaries: ["a/b"] }))?.failures?.[0]?.reason).toMatch(
        /^hostBinaries\[0\]: /,
      );
      expect((await node.check({ path }))?.failures?.[0]?.reason).toMatch(
        /exactly one of image, hostBinaries and archive/,
      );
    });

    test.each([
      // Once each folder, and in brackets what nobody can paste.
      [
        ["true", "no-such-program"],
        /the node has no program no-such-program in (?!.*(?:^|[ :])(\/[^:]*):(?:.*:)?\1(?::|$))\/usr\/local\/sbin:.*$/m,
      ],
      [["no-such"], / {2}\(find the programs: find no-such\) {3}exited 1\n/],
      [["/usr/bin/no such"], /the node has no program \/usr\/bin\/no such/],
      [["/etc/passwd"], /\/etc\/passwd is not a program/],
      [["/usr/bin"], /\/usr\/bin is not a program/],
      [["/srv/orphan"], /the node has no program \/opt\/none\/sh, which \/srv\/orphan starts with/],
    ])("names what is not there: %s", async (hostBinaries, message) => {
      await node.sh("printf '#!/opt/none/sh\\n' > /srv/orphan; chmod 755 /srv/orphan");
      const error = await node.failure({ path: "/srv/t/deep/box", hostBinaries });
      expect(error.message).toMatch(message);
      if (error.properties !== undefined) await node.remove(error.properties);
      expect(await node.listing()).toBe(before);
    });

    test("shows a removed program as drift, and puts it back in place", async () => {
      const outs = await node.create({ path, hostBinaries: ["/bin/bash", "ls"] });
      await node.sh(`echo data > ${path}/data; rm ${path}/bin/ls`);
      const { inputs, props } = await node.read(outs);
      expect(inputs.hostBinaries).toEqual(["/bin/bash"]);
      expect(await node.replaces(props, { hostBinaries: ["/bin/bash", "ls"] })).toEqual([]);
      const repaired = await node.update(props, { hostBinaries: ["/bin/bash", "ls"] });
      expect(await inside("ls /data")).toBe("/data");
      expect((await node.read(repaired)).inputs.hostBinaries).toEqual(["/bin/bash", "ls"]);
      await node.remove(repaired);
      expect(await node.listing()).toBe(before);
    });

    test("adds a program in place, while one of the others runs", async () => {
      const outs = await node.create({ path, hostBinaries: ["sleep"] });
      await node.sh(`setsid chroot ${path} /bin/sleep 100 </dev/null >/dev/null 2>&1 & echo $! > /srv/pid`);
      expect(await node.replaces(outs, { hostBinaries: ["true"] })).toEqual(["hostBinaries"]);
      expect(await node.replaces(outs, { hostBinaries: ["true", "sleep"] })).toEqual([]);
      const more = await node.update(outs, { hostBinaries: ["true", "sleep"] });
      await node.sh(`chroot ${path} /bin/true; kill "$(cat /srv/pid)"`);
      await node.remove(more);
      expect(await node.listing()).toBe(before);
    });

    test("comes back when its folder was removed", async () => {
      const outs = await node.create({ path, hostBinaries: ["true"] });
      await node.sh(`rm -rf ${path}`);
      const { inputs, props } = await node.read(outs);
      expect(inputs.whole).toBe(false);
      const repaired = await node.update(props, { whole: true });
      await node.sh(`chroot ${path} /bin/true`);
      await node.sh(`rm -rf ${path}`);
      await node.remove(repaired);
      expect(await node.listing()).toBe(before);
    });

    test("never writes through a link that a process in the box has made", async () => {
      const outs = await node.create({ path, hostBinaries: ["bash", "ls"] });
      await node.sh(`mkdir /srv/victim; rm -rf ${path}/usr/bin; ln -s /srv/victim ${path}/usr/bin`);
      await expect(node.update(outs)).rejects.toThrow(/a symbolic link is in the way/);
      await node.sh(`rm ${path}/usr/bin ${path}/etc/nsswitch.conf; ln -s /srv/victim/file ${path}/etc/nsswitch.conf`);
      await node.update(outs);
      expect(await node.sh("ls -A /srv/victim")).toBe("");
      await node.sh(`rm -rf ${path}/etc; ln -s /srv/victim ${path}/etc; touch /srv/victim/kept`);
      await node.remove(outs);
      expect(await node.sh("ls /srv/victim; rm -r /srv/victim")).toBe("kept");
      expect(await node.listing()).toBe(before);
    });

    test("refuses to be deleted while something is mounted below it, and nothing in /tmp is lost", async () => {
      const outs = await node.create({ path, hostBinaries: ["true"] });
      await node.sh(`echo precious > /tmp/precious; mkdir ${path}/data; mount --bind /tmp ${path}/data`);
      await expect(node.remove(outs)).rejects.toThrow(
        `mounted below ${path}, so nothing is removed; unmount it first: ${path}/data`,
      );
      await node.sh(`grep -x precious /tmp/precious; chroot ${path} /bin/true`);
      await node.sh(`umount ${path}/data; mkdir '${path}/a b'; mount --bind /srv '${path}/a b'`);
      await expect(node.remove(outs)).rejects.toThrow(`${path}/a b`);
      await node.sh(`umount '${path}/a b'`);
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });

    test("goes on after the disk was full, and clears up after it", async () => {
      await node.sh("mkdir /srv/t/small; mount -t tmpfs -o size=2m none /srv/t/small");
      const small = { path: "/srv/t/small/deep/box", hostBinaries: ["bash", "true"] };
      const { message, properties } = await node.failure(small);
      expect(message).toMatch(/No space left on device/);
      expect((await node.read(properties as never)).inputs.whole).toBe(false);
      await node.sh("mount -o remount,size=100m /srv/t/small");
      const whole = await node.update(properties as never);
      await node.sh(`chroot ${small.path} /bin/bash -c true`);
      await node.remove(whole);
      await node.sh("mount -o remount,size=2m /srv/t/small");
      const again = await node.failure(small);
      await node.remove(again.properties as never);
      expect(await node.sh("ls -A /srv/t/small; umount /srv/t/small; rmdir /srv/t/small")).toBe("");
      expect(await node.listing()).toBe(before);
    });

    test("makes nothing on a read-only file system", async () => {
      await node.sh("mkdir /srv/t/ro; mount -t tmpfs -o ro none /srv/t/ro");
      const { message, properties } = await node.failure({ path: "/srv/t/ro/box", hostBinaries: ["true"] });
      expect(message).toMatch(/Read-only file system/);
      expect(properties).toBeUndefined();
      await node.sh("umount /srv/t/ro; rmdir /srv/t/ro");
      expect(await node.listing()).toBe(before);
    });

    test("leaves what it did not make: refuses a folder in use, keeps an empty one, takes one over when told to", async () => {
      await node.sh(`mkdir ${path}; touch ${path}/foreign`);
      await expect(node.create({ path, hostBinaries: ["true"] })).rejects.toThrow(/was not made by Barepod/);
      await node.sh(`rm ${path}/foreign`);
      await node.remove(await node.create({ path, hostBinaries: ["true"] }));
      await node.sh(`[ -d ${path} ]; touch ${path}/foreign`);
      const outs = await node.create({ path, hostBinaries: ["true"], adopt: true });
      await node.sh(`chroot ${path} /bin/true; [ -e ${path}/foreign ]`);
      await node.remove(outs);
      await node.sh(`rmdir ${path}; touch ${path}`);
      await expect(node.create({ path, hostBinaries: ["true"], adopt: true })).rejects.toThrow(
        /something is there that is not a folder/,
      );
      await node.sh(`rm ${path}; ln -s /srv ${path}`);
      await expect(node.create({ path: `${path}/x`, hostBinaries: ["true"] })).rejects.toThrow(/symbolic link/);
      await node.sh(`rm ${path}`);
      expect(await node.listing()).toBe(before);
    });

    test("follows a layout with a /bin and /lib of their own, with busybox for all tools", async () => {
      // A node in a chroot: /bin, /lib and /lib64 are real folders there, and /bin/dynamic needs libraries of /lib.
      await node.sh(`mkdir -p /srv/split/bin /srv/split/usr/bin /srv/split/dev /srv/split/box; cp -a /dev/null /srv/split/dev
      cp -L "$(command -v busybox)" /srv/split/bin/busybox
      for f in $( (ldd /bin/uname; ldd "$(command -v busybox)" || :) 2>/dev/null | grep -o '/lib[^ ]*' | sort -u); do
        cp -L --parents "$f" /srv/split
      done
      chroot /srv/split /bin/busybox --install -s /bin; rm -f /srv/split/bin/uname; cp -L /bin/uname /srv/split/bin/dynamic
      printf '#!/usr/bin/env dynamic\\n' > /srv/split/usr/bin/script; chmod 755 /srv/split/usr/bin/script
      ln -s /bin/env /srv/split/usr/bin/env`);
      const text = render(
        script("copy", ["root-fs-image", "root-fs-host"], "copy", "/box", "script", "/bin/dynamic", "ls"),
        { reveal: true },
      );
      await node.sh(`chroot /srv/split /bin/sh -euc ${quote(`PATH=/bin:/usr/bin\n${text}`)}`);
      expect(await node.sh("chroot /srv/split/box /bin/dynamic")).toBe("Linux");
      expect(await node.sh("chroot /srv/split/box /bin/ls /bin")).toBe("busybox\ndynamic\nenv\nls");
      expect(await node.sh("cd /srv/split/box; find . -type l | sort; test -d lib -a ! -L lib; rm -r /srv/split")).toBe(
        "./bin/env\n./bin/ls\n./usr/bin/env",
      );
    });
  },
);
