import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { namespaceSpec } from "../../provider/resources/namespace";
import { HandlerNode } from "../harness/handlers";
import { sandboxObstacle } from "../harness/sandbox";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(
  `a Namespace's settings${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  () => {
    const bed = new HandlerNode();
    const namespaces = bed.resource(namespaceSpec, { types: ["net", "uts", "ipc"] });
    const { read, remove, update, create } = namespaces;
    const { sh } = bed;
    beforeAll(() => bed.start());
    afterAll(() => bed[Symbol.asyncDispose]());

    const files =
      "/proc/sys/net/ipv4/tcp_keepalive_time /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shmmni";
    const inside = (path: string) => sh(`nsenter --net=${path}/net --ipc=${path}/ipc cat ${files} | tr '\\t' ' '`);
    const sysctls = {
      "net.ipv4.tcp_keepalive_time": "1234",
      "net/ipv4/ip_local_port_range": "20000  30000",
      "kernel.shmmni": "77",
    };

    test("are set in it and nowhere else, change in place, and drift shows", async () => {
      const before = await sh(`cat ${files}`);
      const plain = await create({ name: "plain" });
      const usual = await inside(plain.path);
      expect(usual).not.toMatch(/^1234/);
      const made = await create({ name: "box", sysctls });
      expect(await inside(made.path)).toBe("1234\n20000 30000\n77");
      expect(await inside(plain.path)).toBe(usual);
      expect(await sh(`cat ${files}`)).toBe(before);

      const changed = await update(made, { sysctls: { ...sysctls, "kernel.shmmni": "78" } });
      expect(await inside(made.path)).toBe("1234\n20000 30000\n78");
      await sh(`nsenter --net=${made.path}/net sh -c 'echo 99 > /proc/sys/net/ipv4/tcp_keepalive_time'`);
      expect((await read(changed)).inputs?.sysctls).toMatchObject({
        "net.ipv4.tcp_keepalive_time": "99",
        "net/ipv4/ip_local_port_range": "20000  30000",
      });
      await update(changed);
      expect(await inside(made.path)).toBe("1234\n20000 30000\n78");
      await Promise.all([remove(changed), remove(plain)]);
    });

    test("that the kernel refuses, or has for the whole node only, are an error", async () => {
      const before = await bed.sandbox.snapshot();
      const failure = async (setting: Record<string, string>) => {
        const error = await create({ name: "bad", sysctls: setting }).then(
          () => undefined,
          (thrown: Error & { properties?: object }) => thrown,
        );
        if (error?.properties !== undefined) await remove(error.properties as never);
        return error?.message ?? "";
      };
      expect(await failure({ "net.ipv4.tcp_keepalive_time": "soon" })).toMatch(
        /refuses to write this value into .*keepalive/,
      );
      expect(await failure({ "net.ipv4.no_such_thing": "1" })).toMatch(/there is no .*no_such_thing in a namespace/);
      expect(await bed.sandbox.snapshot()).toEqual(before);
    });
  },
);
