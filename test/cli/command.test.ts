import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, cpSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ExecOptions, type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";
import { type CompiledCommand, compileCommand } from "./compiled";

let command: CompiledCommand;
beforeAll(() => {
  command = compileCommand();
});
afterAll(() => command.remove());

describe("the barepod command", () => {
  test("explains itself", async () => {
    expect(await command.run(["--version"])).toMatchObject({ code: 0, stdout: "0.1.0\n" });
    const help = await command.run(["sandbox", "--help"]);
    expect(help.code).toBe(0);
    for (const word of ["create", "list", "connection", "exec", "restart", "delete"])
      expect(help.stdout).toContain(word);
  });

  test.each([
    { args: [], says: "Usage: barepod" },
    { args: ["sandbox"], says: "Usage: barepod sandbox" },
    { args: ["pod"], says: "unknown command 'pod'" },
    { args: ["convert"], says: "missing required argument 'file'" },
    { args: ["sandbox", "create"], says: "missing required argument 'name'" },
    { args: ["sandbox", "list", "--yaml"], says: "unknown option '--yaml'" },
    { args: ["sandbox", "exec", "web"], says: "missing required argument 'program'" },
  ])("answers $args with its usage", async ({ args, says }) => {
    const { code, stderr } = await command.run(args);
    expect(code).toBe(2);
    expect(stderr).toContain(says);
  });
});

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`barepod sandbox${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  test.each([
    { args: ["create", "Web_1"], says: 'NAME: "Web_1" must be 1 to 40 lower-case letters' },
    { args: ["create", "x".repeat(41)], says: "must be 1 to 40 lower-case letters" },
    { args: ["create", "../x"], says: "must be 1 to 40 lower-case letters" },
    { args: ["connection", "no-such"], says: 'no sandbox is called "no-such"' },
    { args: ["restart", "no-such"], says: "Make it with: barepod sandbox create no-such" },
    { args: ["delete", "no-such"], says: 'no sandbox is called "no-such"' },
    { args: ["delete"], says: "barepod sandbox delete --all" },
    { args: ["delete", "no-such", "--all"], says: "barepod sandbox delete --all" },
  ])("refuses $args in words", async ({ args, says }) => {
    const { code, stdout, stderr } = await command.run(["sandbox", ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^barepod: /);
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("deletes what is not there when told that it may be so", async () => {
    expect(await command.run(["sandbox", "delete", "no-such", "--if-exists"])).toMatchObject({ code: 0 });
  });

  test("says what to do without root", async () => {
    chmodSync(command.directory, 0o755);
    const main = path.join(command.directory, "cli", "main.js");
    const stderr = await new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, [main, "sandbox", "create", "web"], { uid: 65534, gid: 65534, cwd: "/" });
      let text = "";
      child.stderr.on("data", (chunk) => {
        text += chunk;
      });
      child.on("error", reject);
      child.on("close", () => resolve(text));
    });
    expect(stderr).toContain("Run it as root: sudo npx barepod sandbox create web\n");
  });

  /*
   * A sandbox is a machine too: the command runs in one, as it would in a container, and nobody else changes anything
   * there. So the listings before and after can be compared whole.
   */
  describe("on a machine of its own", () => {
    let host: SandboxNode;
    let node = process.execPath;
    beforeAll(async () => {
      host = await startSandbox();
      cpSync(command.directory, path.join(host.directory, "command"), { recursive: true });
      // The sandbox does not see what is in users' homes.
      if (/^\/(root|home)\//.test(node)) {
        copyFileSync(node, path.join(host.directory, "node"));
        node = "/var/lib/barepod/node";
      }
    });
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
    });

    const environment = ["env", "BAREPOD_SANDBOX_SUBNET=10.80.0.0/28"];
    const argvOf = (args: readonly string[]) => [
      ...environment,
      node,
      "/var/lib/barepod/command/cli/main.js",
      "sandbox",
      ...args,
    ];
    const sandbox = (args: readonly string[], options?: ExecOptions) => host.exec(argvOf(args), options);

    test("leaves nothing, whatever was made and however it ended", async () => {
      const before = await host.snapshot();

      const created = await Promise.all(["a", "b", "c", "d"].map((name) => sandbox(["create", name, "--json"])));
      expect(created.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
      const connections = created.map(({ stdout }) => JSON.parse(stdout));
      expect(new Set(connections.map(({ host }) => host)).size).toBe(4);

      const listed = JSON.parse((await sandbox(["list", "--json"])).stdout);
      expect(listed).toMatchObject(["a", "b", "c", "d"].map((name) => ({ name, status: "running" })));
      const { name, ...connection } = connections[0];
      expect(JSON.parse((await sandbox(["connection", "a", "--json"])).stdout)).toEqual(connection);
      expect(name).toBe("a");
      expect(Object.keys(connection)).toEqual(["host", "port", "user", "privateKeyPath", "hostKey"]);

      const line = (await sandbox(["connection", "a"])).stdout.trim();
      const loggedIn = await host.exec(["sh", "-c", `${line.replace(/^ssh /, "ssh -o BatchMode=yes ")} uname -n`]);
      expect(loggedIn).toMatchObject({ code: 0, stdout: "a\n" });

      expect(await sandbox(["create", "a"])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/exists already \(running, 10\.80\.0\.\d+\)\n.*barepod sandbox delete a/),
      });
      expect(await sandbox(["exec", "a", "--", "sh", "-c", "cat; exit 7"], { stdin: "through" })).toMatchObject({
        code: 7,
        stdout: "through",
      });
      expect(await sandbox(["exec", "a", "uname", "-n"])).toMatchObject({ code: 0, stdout: "a\n" });
      expect(await sandbox(["exec", "a", "--", "no-such-program"])).toMatchObject({ code: 127 });

      await sandbox(["exec", "b", "--", "sh", "-c", "echo kept >/etc/kept; kill -TERM 1"]);
      expect((await sandbox(["list"])).stdout).toMatch(/^b +10\.80\.0\.\d+ +stopped +- /m);
      expect(await sandbox(["exec", "b", "--", "true"])).toMatchObject({
        code: 125,
        stderr: expect.stringContaining("barepod sandbox restart b"),
      });
      expect(await sandbox(["restart", "b"])).toMatchObject({ code: 0 });
      expect(await sandbox(["exec", "b", "cat", "/etc/kept"])).toMatchObject({ stdout: "kept\n" });

      expect(await sandbox(["delete", "a", "b"])).toMatchObject({ code: 0 });
      expect(await sandbox(["delete", "--all"])).toMatchObject({
        code: 0,
        stdout: 'sandbox "c" is deleted\nsandbox "d" is deleted\n',
      });
      expect(await host.snapshot()).toEqual(before);
    });

    test("removes what it has made when it is told to stop", async () => {
      const before = await host.snapshot();
      for (const delay of ["0.1", "0.2", "0.3"]) {
        const { code, stderr } = await host.exec(["timeout", "-s", "INT", delay, ...argvOf(["create", "a"])]);
        // It may come before Node listens, while the sandbox is being made, or after that.
        if (code === 0) await sandbox(["delete", "a"]);
        else expect(["", "barepod: interrupted by SIGINT\n"]).toContain(stderr);
      }
      expect(await host.snapshot()).toEqual(before);
    });

    test("cleans up after a creation that was killed", async () => {
      const before = await host.snapshot();
      let incomplete = 0;
      for (const delay of ["0.1", "0.15", "0.2", "0.25", "0.3"]) {
        await host.exec(["timeout", "-s", "KILL", delay, ...argvOf(["create", "a"])]);
        const again = await sandbox(["create", "a"]);
        if (again.stderr.includes("is left over from a create that was interrupted\nRemove it with: ")) incomplete++;
        await sandbox(["delete", "a"]);
      }
      expect(incomplete).toBeGreaterThan(0);
      await expect.poll(() => host.snapshot(), { timeout: 10_000 }).toEqual(before);
    });

    test("does the same on a machine with cgroup v2 alone", async () => {
      await using v2 = await startSandbox();
      cpSync(host.directory, v2.directory, { recursive: true });
      await v2.exec(["sh", "-euc", "mount --bind /sys/fs/cgroup/unified /mnt; umount -R /sys/fs/cgroup"]);
      await v2.exec(["sh", "-euc", "mount --bind /mnt /sys/fs/cgroup; umount /mnt"]);
      const before = await v2.snapshot();
      expect(before.cgroups).toBe("/sys/fs/cgroup\n/sys/fs/cgroup/init.scope");

      const created = await v2.exec(argvOf(["create", "a"]));
      expect(created.code).toBe(0);
      // This one hands on no controller; one that does needs no warning.
      expect(created.stderr).toContain("echo '+cpu +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control");
      const inside = await v2.exec(
        argvOf([
          "exec",
          "a",
          "--",
          "sh",
          "-c",
          "findmnt -no FSTYPE /sys/fs/cgroup; cat /proc/self/cgroup /proc/1/cgroup",
        ]),
      );
      expect(inside.stdout.split("\n").filter((line) => line === "0::/init.scope")).toHaveLength(2);
      expect(inside.stdout).toMatch(/^cgroup2\n/);
      expect(await v2.exec(argvOf(["exec", "a", "mkdir", "-p", "/sys/fs/cgroup/pods/one"]))).toMatchObject({ code: 0 });
      expect(await v2.exec(argvOf(["delete", "a"]))).toMatchObject({ code: 0 });
      expect(await v2.snapshot()).toEqual(before);
    });

    test("says why when the machine cannot do it, and leaves nothing", async () => {
      const before = await host.snapshot();
      const inUse = await host.exec(["env", "-u", "BAREPOD_SANDBOX_SUBNET", ...argvOf(["create", "a"]).slice(2)]);
      expect(inUse).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/10\.79\.0\.0\/24 is in use .* dev eth0\n.*BAREPOD_SANDBOX_SUBNET=/),
      });
      // The kernel stacks two overlays, and refuses a third: the sandbox in the sandbox in the sandbox.
      await sandbox(["create", "a"]);
      const inner = "/var/lib/barepod-sandboxes/a/disk/var-lib-barepod/command";
      await host.exec(["cp", "-R", "/var/lib/barepod/command", inner]);
      const third = ["env", "BAREPOD_SANDBOX_SUBNET=10.81.0.0/28", node, "/var/lib/barepod/command/cli/main.js"];
      expect(await sandbox(["exec", "a", "--", ...third, "sandbox", "create", "b"])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/PID 1 of sandbox "b" ended while it was starting[\s\S]*mount/),
      });
      expect(await sandbox(["exec", "a", "--", ...third, "sandbox", "list", "--json"])).toMatchObject({
        stdout: "[]\n",
      });
      await sandbox(["delete", "a"]);
      expect(await host.snapshot()).toEqual(before);
    });
  });
});
