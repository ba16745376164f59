/** Who a container's process is and what it may do, seen from inside; and the same without the setting. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sandboxObstacle } from "../harness/sandbox";
import { ProcessNode, type ProcessState, pidOf } from "./process-node";

const obstacle = sandboxObstacle();
const shell = (line: string) => ["sh", "-c", line];
const PROFILES = "/var/lib/barepod/seccomp";

/** Makes one system call, and says how it ends: python is no part of the node, so perl does it by number. */
const call = (name: string, number: number, ...args: number[]) =>
  shell(
    `perl -e '$! = 0; my $r = syscall(${[number, ...args].join(", ")}); print "${name} ", ($r == -1 ? $!+0 : "works"), "\\n"'`,
  );
const EPERM = 1;
const ENOSYS = 38;

describe.skipIf(obstacle)(
  `a container's security${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`,
  () => {
    let at: ProcessNode;
    beforeAll(async () => {
      at = await ProcessNode.start();
    });
    afterAll(async () => {
      await at[Symbol.asyncDispose]();
    });
    let count = 0;
    /** Runs a program to its end and gives its log. */
    const output = async (more: object): Promise<string[]> => {
      const name = `secure${++count}`;
      const made = await at.create(name, { restartPolicy: "Never", ...more });
      await at.until(`grep -q ^terminated /run/barepod/process/${name}/main/state`);
      const lines = await at.log(made);
      await at.remove(made);
      return lines.map((line) => line.replace(/^stdout F /, ""));
    };
    const status = (field: string) => shell(`sed -n 's/^${field}:\\t*//p' /proc/self/status`);

    describe("seccompProfile", () => {
      const runtimeDefault = { seccompProfile: { type: "RuntimeDefault" } };

      test("RuntimeDefault loads a filter; without it, and with Unconfined, there is none", async () => {
        expect(await output({ command: status("Seccomp") })).toEqual(["0"]);
        expect(await output({ command: status("Seccomp"), seccompProfile: { type: "Unconfined" } })).toEqual(["0"]);
        expect(await output({ command: status("Seccomp"), ...runtimeDefault })).toEqual(["2"]);
        expect(await output({ command: status("NoNewPrivs"), ...runtimeDefault })).toEqual(["0"]);
      });

      // x86_64's numbers; KEYCTL_GET_KEYRING_ID of the session, CLONE_NEWUSER, AF_VSOCK.
      test.skipIf(process.arch !== "x64").each<[string, string[], string, string]>([
        ["unshare(CLONE_NEWUSER)", call("unshare", 272, 0x10000000), "unshare works", `unshare ${EPERM}`],
        ["keyctl", call("keyctl", 250, 0, -3, 0), "keyctl works", `keyctl ${EPERM}`],
        ["socket(AF_VSOCK)", call("socket", 41, 40, 1, 0), "socket (works|97)", `socket ${EPERM}`],
        ["socket(AF_UNIX)", call("socket", 41, 1, 1, 0), "socket works", "socket works"],
        ["clone(CLONE_NEWUSER)", call("clone", 56, 0x10000011, 0, 0, 0, 0), "clone works", `clone ${EPERM}`],
        ["clone()", call("clone", 56, 0x11, 0, 0, 0, 0), "clone works", "clone works"],
        ["clone3", call("clone3", 435, 0, 0), "clone3 (22|14)", `clone3 ${ENOSYS}`],
        ["a call that does not exist yet", call("new", 999), `new ${ENOSYS}`, `new ${ENOSYS}`],
      ])("RuntimeDefault decides over %s", async (_name, command, without, withIt) => {
        const user = { runAsUser: 65534, runAsGroup: 65534 };
        expect((await output({ command, ...user }))[0]).toMatch(new RegExp(`^${without}$`));
        expect((await output({ command, ...user, ...runtimeDefault }))[0]).toMatch(new RegExp(`^${withIt}$`));
      });

      test("RuntimeDefault allows what a capability needs", async () => {
        const command = shell(
          "mkdir -p /tmp/mnt && mount -t tmpfs none /tmp/mnt 2>/dev/null && echo mounted || echo refused",
        );
        const capabilities = { add: ["SYS_ADMIN"] };
        expect((await output({ command, capabilities, ...runtimeDefault })).at(-1)).toBe("mounted");
        expect((await output({ command, ...runtimeDefault })).at(-1)).toBe("refused");
      });

      test("RuntimeDefault lets ordinary programs work", async () => {
        const command = shell("ls -l / > /dev/null && date > /dev/null && perl -e 'print 6*7, \"\\n\"' | cat; id -u");
        expect(await output({ command, ...runtimeDefault })).toEqual(["42", "0"]);
      });

      test("a privileged container is not confined, and one that asks for it is refused", async () => {
        expect(await at.check("privileged", { command: ["true"], privileged: true, ...runtimeDefault })).toEqual([
          { property: "", reason: expect.stringMatching(/^seccompProfile: a privileged container is not confined/) },
        ]);
      });

      test("Localhost loads the profile that lies on the node", async () => {
        const profile = {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [
            { names: ["chmod", "fchmod", "fchmodat", "fchmodat2"], action: "SCMP_ACT_ERRNO", errnoRet: 13 },
            { names: ["uname"], action: "SCMP_ACT_KILL_PROCESS", includes: { minKernel: "99.0" } },
          ],
        };
        await at.sh(`mkdir -p ${PROFILES}/team && cat > ${PROFILES}/team/x.json <<'E'\n${JSON.stringify(profile)}\nE`);
        const command = shell(
          "touch /tmp/s-file; chmod 600 /tmp/s-file 2>&1 | sed 's/.*: //'; uname > /dev/null; echo \"uname $?\"",
        );
        const localhost = { seccompProfile: { type: "Localhost", localhostProfile: "team/x.json" } };
        expect(await output({ command, ...localhost })).toEqual(["Permission denied", "uname 0"]);
        expect(await output({ command })).toEqual(["uname 0"]);
        await at.sh(`rm -rf ${PROFILES} /tmp/s-file`);
      });

      test("Localhost is an error where there is no profile, or it is none; nothing is left", async () => {
        const before = await at.node.snapshot();
        const wanted = (localhostProfile: string) =>
          at.create("localhost", { command: ["true"], seccompProfile: { type: "Localhost", localhostProfile } }).then(
            () => "made",
            (error: Error) => error.message,
          );
        expect(await wanted("none.json")).toMatch(/could not read the seccomp profile "none\.json"[\s\S]*put it there/);
        await at.sh(`mkdir -p ${PROFILES} && echo '{"defaultAction":"SCMP_ACT_NOTIFY"}' > ${PROFILES}/bad.json`);
        expect(await wanted("bad.json")).toMatch(/bad\.json\.defaultAction: nobody listens/);
        await at.sh(`rm -r ${PROFILES}`);
        expect(await at.node.snapshot()).toEqual(before);
      });
    });

    test("appArmorProfile is an error where there is no AppArmor, before anything is made; Unconfined and none are not", async () => {
      // What a profile does is seen on a machine that has it: test/node/vm/apparmor.test.ts.
      const wanted = (appArmorProfile: object) =>
        at.create("apparmor", { command: ["true"], appArmorProfile }).then(
          () => "made",
          (error: Error) => error.message,
        );
      const enabled = (await at.sh("cat /sys/module/apparmor/parameters/enabled 2>/dev/null || :")).startsWith("Y");
      const reason = enabled
        ? /no profile "none such" is loaded|cannot be read/
        : /AppArmor is not enabled in the kernel/;
      const before = await at.node.snapshot();
      expect(await wanted({ type: "Localhost", localhostProfile: "none such" })).toMatch(reason);
      if (!enabled) expect(await wanted({ type: "RuntimeDefault" })).toMatch(reason);
      expect(await at.node.snapshot()).toEqual(before);
      const command = shell("cat /proc/self/attr/current 2>/dev/null || :; echo end");
      expect(await output({ command, appArmorProfile: { type: "Unconfined" } })).toEqual(await output({ command }));
    });

    describe("users and groups", () => {
      const root = "/tmp/secure-root";
      const accounts = "root:x:0:0::/root:/bin/sh\\napp:x:1000:1000::/home/app:/bin/sh\\n";
      const groups = "root:x:0:\\napp:x:1000:\\ndata:x:2000:app\\n";
      let rootFs: Awaited<ReturnType<typeof at.rootFses.create>>;
      beforeAll(async () => {
        rootFs = await at.rootFses.create({
          path: root,
          hostBinaries: ["sh", "sed", "id", "stat", "touch", "ls", "env"],
        });
        await at.sh(`printf '${accounts}' > ${root}/etc/passwd; printf '${groups}' > ${root}/etc/group`);
      });
      afterAll(() => at.rootFses.remove(rootFs));
      const id = (more: object) => output({ rootFs: root, command: shell("id -u; id -g; id -G"), ...more });

      test("a user has the groups of its root file system, those given, and with Strict only those", async () => {
        expect(await id({})).toEqual(["0", "0", "0"]);
        expect(await id({ runAsUser: 1000 })).toEqual(["1000", "1000", "1000 2000"]);
        expect(await id({ runAsUser: 1000, supplementalGroups: [3000] })).toEqual(["1000", "1000", "1000 2000 3000"]);
        expect(await id({ runAsUser: 1000, supplementalGroups: [3000], supplementalGroupsPolicy: "Strict" })).toEqual([
          "1000",
          "1000",
          "1000 3000",
        ]);
        expect(await id({ runAsUser: 1000, runAsGroup: 5 })).toEqual(["1000", "5", "5 2000"]);
        expect(await id({ runAsUser: 4242 })).toEqual(["4242", "0", "0"]);
        expect(await id({ runAsGroup: 7 })).toEqual(["0", "7", "7"]);
        expect(await output({ rootFs: root, runAsUser: 1000, command: shell("echo $HOME") })).toEqual(["/home/app"]);
      });

      test("runAsNonRoot lets no root start", async () => {
        expect(await id({ runAsNonRoot: true, runAsUser: 1000 })).toEqual(["1000", "1000", "1000 2000"]);
        expect(
          await at.fail("nonroot", { rootFs: root, runAsNonRoot: true, command: ["id"], restartPolicy: "Never" }),
        ).toMatch(/could not be started: user: .*root/);
        expect(await at.check("nonroot", { command: ["id"], runAsNonRoot: true, runAsUser: 0 })).toEqual([
          { property: "", reason: "runAsUser: must not be 0 when runAsNonRoot is true" },
        ]);
      });

      test("an ephemeral folder with a group is that group's, with what is made in it", async () => {
        const command = shell("stat -c '%a %u %g' /data; touch /data/file && stat -c '%g' /data/file");
        const volume = { source: "/var/lib/barepod/volumes/secure/data", target: "/data", ephemeral: true };
        const user = { runAsUser: 1000, supplementalGroups: [3000] };
        expect(await output({ rootFs: root, command, ...user, volumes: [{ ...volume, group: 3000 }] })).toEqual([
          "2777 0 3000",
          "3000",
        ]);
        expect(await output({ rootFs: root, command, ...user, volumes: [volume] })).toEqual(["777 0 0", "1000"]);
      });

      test("with the IPC of the node it sees the node's shared memory", async () => {
        await at.sh("touch /dev/shm/secure-marker");
        const command = shell("ls /dev/shm; echo end");
        expect(await output({ rootFs: root, command, hostNamespaces: ["ipc"] })).toContain("secure-marker");
        expect(await output({ rootFs: root, command })).toEqual(["end"]);
        await at.sh("rm /dev/shm/secure-marker");
      });
    });

    describe("when the node runs out of memory", () => {
      const score = (state: ProcessState) => at.sh(`cat /proc/${pidOf(state)}/oom_score_adj`);
      const forever = { command: ["sleep", "1000000"], terminationGracePeriodSeconds: 0 };

      test("oomScoreAdj counts, and changes for the next start without touching what runs", async () => {
        const made = await at.create("oom", { ...forever, oomScoreAdj: 1000 });
        expect(await score(made)).toBe("1000");
        const changed = await at.update(made, { oomScoreAdj: 500 });
        expect(pidOf(changed)).toBe(pidOf(made));
        expect(await score(changed)).toBe("1000");
        await at.sh(`kill -KILL ${pidOf(changed)}`);
        await at.until(
          `p=$(cut -f 2 /run/barepod/process/oom/main/status) && [ "$p" != ${pidOf(made)} ] && [ "$(cat /proc/$p/oom_score_adj)" = 500 ]`,
        );
        const { inputs } = await at.read(changed);
        expect(inputs).toMatchObject({ oomScoreAdj: 500 });
        await at.remove(changed);
      });

      test("memoryRequest counts by the node's memory", async () => {
        const total = 1024 * Number(await at.sh("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"));
        for (const [memoryRequest, expected] of [
          [Math.floor(total / 4), 750],
          [0, 999],
          [total * 2, 3],
        ]) {
          const made = await at.create("share", { ...forever, memoryRequest });
          expect(Math.abs(Number(await score(made)) - (expected as number))).toBeLessThanOrEqual(1);
          await at.remove(made);
        }
        const made = await at.create("share", forever);
        expect(await score(made)).toBe(await at.sh("cat /proc/self/oom_score_adj"));
        await at.remove(made);
      });

      test("a negative one is set where the node permits it", async () => {
        const made = await at.create("negative", { ...forever, oomScoreAdj: -997 });
        const permitted =
          (await at.sh("(echo -997 > /proc/self/oom_score_adj) 2>/dev/null && echo yes || echo no")) === "yes";
        expect(await score(made)).toBe(permitted ? "-997" : await at.sh("cat /proc/self/oom_score_adj"));
        await at.remove(made);
      });
    });
  },
);
