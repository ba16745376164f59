import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startRegistry, type TestRegistry } from "../harness/registry";
import { ImageNode, imageObstacle } from "./image-node";

const obstacle = imageObstacle();
const path = "/srv/t/box";

describe.skipIf(obstacle)(
  `a RootFs of an image in a registry${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  () => {
    const node = new ImageNode();
    let registry: TestRegistry;
    let image: string;
    let registries: object;
    let before: string;

    beforeAll(async () => {
      await node.start();
      await node.sh("mkdir /srv/t");
      registry = await startRegistry({ address: node.operator });
      registries = { plainHttp: [registry.host] };
      const source = node.image("one", {
        layers: [
          { "bin/tool": "lower", "etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/gone": "x" },
          { "bin/tool": "upper", large: Buffer.alloc(3_000_000, "x") },
        ],
        config: {
          "config.entrypoint": ["/bin/tool", "with space"],
          "config.cmd": "x",
          "config.env": "A=b\tc",
          "config.user": "web",
        },
      });
      await registry.fill(source, "app:1");
      image = `${registry.host}/app:1`;
    }, 120_000);
    beforeEach(async () => {
      before = await node.listing();
    });
    afterAll(async () => {
      await registry?.[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
    });

    test("pulls it, mounts it, and leaves nothing when it goes", async () => {
      const outs = await node.create({ path, image, registries });
      expect(outs.imageDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await node.sh(`cat ${path}/bin/tool; stat -c %s ${path}/large`)).toBe("upper3000000");
      const state = await node.sh("echo /var/lib/barepod/rootfs/*");
      expect(await node.sh(`cd ${state}/image; tail -n +1 all entrypoint none`)).toMatchInlineSnapshot(`
        "==> all <==
        env	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        env	A=b\\tc
        user	web
        arg	/bin/tool
        arg	with space
        arg	x

        ==> entrypoint <==
        env	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        env	A=b\\tc
        user	web
        arg	/bin/tool
        arg	with space

        ==> none <==
        env	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        env	A=b\\tc
        user	web"
      `);
      expect((await node.read(outs)).inputs).toMatchObject({ whole: true });
      await node.sh(`umount ${path}; sh /var/lib/barepod/boot.d/20-*.sh`);
      expect(await node.sh(`cat ${path}/bin/tool`)).toBe("upper");
      await node.remove(outs);
      expect(await node.listing()).toBe(before);
    });
  },
);
