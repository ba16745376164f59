import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cgroupsOf } from "../../cli/sandbox/cgroups";
import { mountsBelow } from "../../cli/sandbox/mounts";
import { bridge, linkOf } from "../../cli/sandbox/network";
import { createSandbox, deleteSandbox } from "../../cli/sandbox/sandbox";
import { findSandbox, isAlive, listSandboxes, pathsOf, statusOf } from "../../cli/sandbox/state";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`a sandbox node${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  beforeAll(async () => {
    node = await startSandbox();
  });
  afterAll(async () => {
    await node[Symbol.asyncDispose]();
  });

  /** The output of a shell line on the node; fails the test when the line does. */
  const sh = async (line: string, on = node) => {
    const { code, stdout, stderr } = await on.exec(["sh", "-euc", line]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout.trim();
  };

  test("has process ids of its own, and PID 1 is its init", async () => {
    expect(await sh("cat /proc/1/cmdline | tr '\\0' ' '")).toMatch(/^\/bin\/sh \/etc\/barepod-sandbox\/init\.sh /);
    const names = (await sh("ps -eo comm=")).split("\n");
    expect(names).toContain("sshd");
    expect(names).not.toContain("node");
  });

  test("has its own host name, machine id and boot id", async () => {
    expect(await sh("uname -n; cat /etc/hostname")).toBe(`${node.name}\n${node.name}`);
    expect(await sh("cat /proc/sys/kernel/random/boot_id")).not.toBe(
      readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    );
    expect(await sh("cat /etc/machine-id")).toMatch(/^[0-9a-f]{32}$/);
  });

  test("shows none of this machine's keys, users' files, sandboxes or containers", async () => {
    expect(await sh("find /root /home -type f")).toBe("/root/.ssh/authorized_keys");
    expect(await sh("ls /etc/ssh")).toBe("ssh_host_ed25519_key\nssh_host_ed25519_key.pub\nsshd_config");
    expect(await sh("ls -A /var/lib/barepod /tmp")).toBe("/tmp:\n\n/var/lib/barepod:");
    expect(
      await sh("for d in /var/lib/barepod-sandboxes /var/log/pods /var/log/containers; do ! test -e $d; done"),
    ).toBe("");
  });

  test("has its own cgroups in every hierarchy that this machine has", async () => {
    const mounts = cgroupsOf(node.name).map(({ mount }) => mount);
    const inside = (await sh("awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts")).split("\n");
    expect(inside.map((target) => target.replace(/^\/sys\/fs\/cgroup\/?/, "") || ".").sort()).toEqual(mounts.sort());
    expect(await sh("grep -v :/$ /proc/self/cgroup || :")).toBe("0::/init.scope");
    // And processes can be put into groups below them, by name and by the rules of each version.
    await sh(`for group in ${inside.join(" ")}; do
      mkdir "$group/child"
      if [ -e "$group/child/cpuset.cpus" ] && [ ! -e "$group/cgroup.controllers" ]; then
        cat "$group/cpuset.cpus" >"$group/child/cpuset.cpus"
        cat "$group/cpuset.mems" >"$group/child/cpuset.mems"
      fi
      sh -c 'echo $$ >"$1/child/cgroup.procs" && grep -q ":/child$" /proc/self/cgroup' sh "$group"
      rmdir "$group/child"
    done`);
  });

  test("lets pods be made: rules, namespaces, overlays, links, sysctls, devices", async () => {
    await sh(
      "iptables -t nat -N TRY && iptables -t nat -A TRY -j RETURN && iptables -t nat -F TRY && iptables -t nat -X TRY",
    );
    expect(await sh("unshare --mount --net --pid --uts --ipc --cgroup --fork --mount-proc sh -c 'echo $$'")).toBe("1");
    await sh("ip link add try0 type veth peer name try1 && ip link delete try0");
    await sh("echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet");
    await sh("head -c 1 /dev/urandom >/dev/null; ! echo >/dev/full 2>/dev/null");
    await sh(`cd /var/lib/barepod && mkdir -p try/lower try/upper try/work try/root && echo hello >try/lower/file
      mount -t overlay overlay -o lowerdir=try/lower,upperdir=try/upper,workdir=try/work try/root
      echo world >>try/root/file && umount try/root && rm -r try`);
    expect(await sh("findmnt -no PROPAGATION /")).toBe("shared");
  });

  test("leaves this machine's own sysctls alone", async () => {
    await sh("echo 1 >/proc/sys/net/ipv4/conf/default/proxy_arp");
    expect(readFileSync("/proc/sys/net/ipv4/conf/default/proxy_arp", "utf8").trim()).toBe("0");
  });

  test("accepts its key over SSH, with the host key that it says it has", async () => {
    const { readHostKey, ssh } = clients(node);
    expect(await readHostKey()).toBe(node.hostKey);
    expect(await ssh("id -u; pwd; cat /proc/sys/kernel/hostname")).toBe(`0\n/root\n${node.name}`);
  });

  test("starts sshd again when it is killed", async () => {
    const listener = await sh("cat /run/sshd.pid");
    await sh(`kill -9 ${listener}`);
    await expect
      .poll(() => node.exec(["cat", "/run/sshd.pid"]), { timeout: 10_000 })
      .not.toMatchObject({ stdout: `${listener}\n` });
    await expect.poll(() => clients(node).ssh("echo back").catch(String), { timeout: 10_000 }).toBe("back");
  });

  test("reaps orphans", async () => {
    await sh("(sleep 0.05 &)");
    await expect.poll(() => sh("ps -eo comm= | grep -c sleep || :"), { timeout: 10_000 }).toBe("0");
  });

  test("is the same before and after work that cleans up, and not after work that does not", async () => {
    const before = await node.snapshot();
    await sh(`ip link add try0 type bridge && ip link delete try0 && mkdir /run/try && rmdir /run/try
      iptables -t mangle -A INPUT -j ACCEPT && iptables -t mangle -D INPUT -j ACCEPT`);
    expect(await node.snapshot()).toEqual(before);

    await sh(`ip link add try0 type bridge && ip route add 203.0.113.0/24 dev lo && iptables -A INPUT -s 203.0.113.1 -j DROP
      mkdir /run/try /sys/fs/cgroup/unified/try && mount -t tmpfs tmpfs /run/try && (setsid sleep 1000 >/dev/null 2>&1 &)`);
    const after = await node.snapshot();
    const changed = Object.keys(before).filter(
      (key) => before[key as keyof typeof before] !== after[key as keyof typeof after],
    );
    expect(changed).toEqual(
      expect.arrayContaining(["links", "routes", "iptables", "mounts", "cgroups", "processes", "files"]),
    );
    await sh(`ip link delete try0 && ip route del 203.0.113.0/24 && iptables -F INPUT && umount /run/try
      rmdir /run/try /sys/fs/cgroup/unified/try && pkill -x sleep`);
    await expect.poll(() => node.snapshot(), { timeout: 10_000 }).toEqual(before);
  });

  test("keeps its disk, address and keys when it restarts, and starts all else from nothing", async () => {
    await using rebooted = await startSandbox();
    await sh(
      `echo kept | tee /etc/kept >/var/lib/barepod/kept && touch /run/lost && mkdir /sys/fs/cgroup/unified/lost
      printf '#!/bin/sh\\necho replayed >/run/replayed\\n' >/var/lib/barepod/boot.sh && chmod +x /var/lib/barepod/boot.sh`,
      rebooted,
    );
    const boot = await sh("cat /proc/sys/kernel/random/boot_id", rebooted);
    await rebooted.restart();
    expect(await sh("cat /etc/kept /var/lib/barepod/kept /run/replayed", rebooted)).toBe("kept\nkept\nreplayed");
    expect(await sh("ls -d /run/lost /sys/fs/cgroup/unified/lost 2>/dev/null || :", rebooted)).toBe("");
    expect(await sh("cat /proc/sys/kernel/random/boot_id", rebooted)).not.toBe(boot);
    expect(await clients(rebooted).readHostKey()).toBe(rebooted.hostKey);
  });

  test("ends quickly when its PID 1 is told to, and is then shown as stopped", async () => {
    await using ended = await startSandbox();
    await sh("kill -TERM 1", ended).catch(() => undefined);
    await expect.poll(() => statusOf(sandboxNamed(ended.name)), { timeout: 10_000 }).toBe("stopped");
  });

  test("reaches others by address, several being made at once", async () => {
    const nodes = await Promise.all([startSandbox(), startSandbox(), startSandbox(), startSandbox()]);
    await using stack = new AsyncDisposableStackLike(nodes);
    expect(new Set(nodes.map(({ host }) => host)).size).toBe(stack.nodes.length);
    for (const [index, from] of nodes.entries()) {
      const to = nodes[(index + 1) % nodes.length] ?? from;
      expect(await sh(`ssh-keyscan -t ed25519 ${to.host} 2>/dev/null | cut -d ' ' -f 2,3`, from)).toBe(to.hostKey);
    }
  });

  test("leaves no link, mount, cgroup, process or file when it is deleted", async () => {
    const gone = await startSandbox();
    const { init } = sandboxNamed(gone.name);
    const cgroups = cgroupsOf(gone.name).map(({ directory }) => directory);
    // What pods leave: nested cgroups, a frozen process, pinned namespaces, links, mounts, files that cannot be read.
    await sh(
      `ip link add try0 type veth peer name try1 && mkdir -p /var/lib/barepod/a/b /sys/fs/cgroup/unified/a/b/c
      mount -t tmpfs tmpfs /var/lib/barepod/a/b && touch /run/net && unshare --net=/run/net true && chmod 0 /etc/shells
      (setsid unshare --pid --fork tail -f /dev/null >/dev/null 2>&1 &)
      until pgrep -x tail >/sys/fs/cgroup/unified/a/b/c/cgroup.procs; do :; done
      echo 1 >/sys/fs/cgroup/unified/a/cgroup.freeze`,
      gone,
    );
    expect(cgroups.every(existsSync)).toBe(true);
    await gone[Symbol.asyncDispose]();

    expect(init !== undefined && isAlive(init)).toBe(false);
    expect(cgroups.filter(existsSync)).toEqual([]);
    expect(readdirSync("/sys/class/net")).not.toContain(linkOf(gone.name));
    expect(mountsBelow(pathsOf(gone.name).directory)).toEqual([]);
    expect(existsSync(pathsOf(gone.name).directory)).toBe(false);
    // The bridge is shared: it stays for this suite's own node.
    expect(readdirSync("/sys/class/net")).toContain(bridge);
    expect(listSandboxes().map(({ name }) => name)).not.toContain(gone.name);
  });

  test("leaves nothing when its creation is interrupted", async () => {
    const name = `test-${process.pid}-0`;
    for (const milliseconds of [0, 10, 20, 40, 60]) {
      const controller = new AbortController();
      const creating = createSandbox(name, controller.signal).then(
        () => deleteSandbox(name),
        (error: Error) => expect(error.message).toBe("interrupted"),
      );
      await sleep(milliseconds);
      controller.abort(new Error("interrupted"));
      await creating;
      expect(findSandbox(name)).toBeUndefined();
      expect(cgroupsOf(name).filter(({ directory }) => existsSync(directory))).toEqual([]);
      expect(readdirSync("/sys/class/net")).not.toContain(linkOf(name));
    }
  });

  /** What reaches a node over the network. */
  function clients(target: SandboxNode) {
    const run = async (program: string, ...args: string[]) => {
      const { execFile } = await import("node:child_process");
      return new Promise<string>((resolve, reject) => {
        execFile(program, args, (error, stdout) => (error ? reject(error) : resolve(stdout.trim())));
      });
    };
    return {
      readHostKey: async () => {
        const line = await run("ssh-keyscan", "-t", "ed25519", target.host);
        return line.split(" ").slice(1, 3).join(" ");
      },
      ssh: (command: string) =>
        run(
          "ssh",
          ...["-i", target.privateKeyPath, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"],
          ...["-o", `UserKnownHostsFile=${pathsOf(target.name).knownHosts}`, "-o", "StrictHostKeyChecking=yes"],
          ...[`${target.user}@${target.host}`, command],
        ),
    };
  }

  function sandboxNamed(name: string) {
    const sandbox = findSandbox(name);
    if (sandbox === undefined) throw new Error(`no sandbox ${name}`);
    return sandbox;
  }
});

/** Disposes of several nodes at once; Node 20 has no AsyncDisposableStack. */
class AsyncDisposableStackLike implements AsyncDisposable {
  constructor(readonly nodes: readonly SandboxNode[]) {}
  async [Symbol.asyncDispose]() {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}
