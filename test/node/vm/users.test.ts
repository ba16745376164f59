/** Who logs in, and what the machine lacks: users with and without sudo, and packages that are installed. */
import { File, Node, type NodeArgs, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConnectionArgs } from "../../../provider/ssh/connection-args";
import { type Outcome, openStack, type Program, type Stack } from "../../harness/engine";
import { Machine, minutes } from "./machine";

describe("a machine with systemd and cgroup v2", { timeout: 20 * minutes }, () => {
  let machine: Machine;
  let stack: Stack;
  const sh = (line: string) => machine.sh(line);
  const changes = ({ steps }: Outcome) => steps.filter(({ op }) => op !== "same");

  beforeAll(async () => {
    machine = await Machine.start("users");
    await sh(`set -e
for user in ops plain; do
useradd -m -s /bin/bash $user && mkdir -m 700 /home/$user/.ssh && cp /root/.ssh/authorized_keys /home/$user/.ssh/
chown -R $user: /home/$user/.ssh
done
echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops`);
    stack = await openStack("vm-users", () => undefined);
  }, 30 * minutes);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
  }, minutes);

  const program =
    (connection: Partial<ConnectionArgs>, packages?: NodeArgs["packages"]): Program =>
    () => {
      const on = new Node("edge", { connection: { ...machine.connection, ...connection }, packages });
      new File("file", { node: on, path: "/srv/file", content: "x".repeat(300_000) });
      new Pod("web", {
        on,
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: "web",
              image: "host:busybox",
              command: [
                "busybox",
                "sh",
                "-c",
                "mkdir /www; echo hello > /www/index.html; exec busybox httpd -f -h /www",
              ],
              resources: { limits: { memory: "16Mi", cpu: "500m" } },
            },
          ],
        },
      });
    };
  const page = "curl -sSf --max-time 20 http://10.244.0.2/";
  const refused = async (connection: Partial<ConnectionArgs>, packages?: NodeArgs["packages"]): Promise<string> => {
    const { errors, output } = await stack.up({ program: program(connection, packages), mayFail: true });
    expect(output).not.toMatch(/^\s+at .*\.[jt]s:\d+/m);
    return [...errors.values()].join("\n");
  };

  test("says what a user without sudo lacks, and is left alone", async () => {
    const before = await machine.snapshot();
    expect(await refused({ user: "plain" })).toMatch(
      /Permission denied.*log in as root, or set sudo: true in its connection/s,
    );
    expect(await refused({ user: "plain", sudo: true })).toMatch(
      /could not start sudo -n \/bin\/sh .*let plain run it without a password, .*: plain ALL=\(ALL\) NOPASSWD: ALL/s,
    );
    await stack.destroy();
    expect(await machine.snapshot()).toEqual(before);
  });

  test("takes a user with sudo for root", async () => {
    const before = await machine.snapshot();
    await stack.up({ program: program({ user: "ops", sudo: true }) });
    expect(await machine.eventually(page)).toBe("hello");
    expect(await sh("stat -c '%U %s' /srv/file")).toBe("root 300000");
    expect(changes(await stack.refresh())).toEqual([]);
    expect(changes(await stack.up())).toEqual([]);
    await stack.destroy();
    expect(await machine.snapshot()).toEqual(before);
  });

  test("gets the packages that it lacks", async () => {
    await sh("dpkg --purge --force-depends iptables iproute2");
    expect(await refused({})).toMatch(
      /edge lacks ip, iptables, iptables-restore.*set packages: "install".*apt-get install -y --no-install-recommends iproute2 iptables$/ms,
    );
    await stack.up({ program: program({}, "install") });
    expect(await machine.eventually(page)).toBe("hello");
    expect(await sh("cat /var/lib/barepod/node/address")).toBe("10.0.2.15");
    expect(changes(await stack.up())).toEqual([]);
    await stack.destroy();
    expect(
      await sh(
        "dpkg-query -W -f '${db:Status-Status} ' iptables iproute2; ls -A /var/lib/barepod /run/barepod 2>&1 || :",
      ),
    ).toMatch(/^installed installed .*No such file.*No such file/s);
  });
});
