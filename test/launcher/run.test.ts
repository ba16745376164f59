import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Box, type Directive, launcher, reasonToSkip, until } from "./box";

describe.skipIf(reasonToSkip())("launcher run", () => {
  let box: Box;
  beforeEach(() => {
    box = new Box();
  });
  afterEach(() => box.close());

  /** A seccomp filter that answers some system calls with an error and lets all else pass. */
  function deny(...rules: { errno: number; calls: number[] }[]): string {
    const calls = rules.flatMap((rule) => rule.calls.map((call) => [call, rule.errno] as const));
    // Load the number; per call: if it is this one, return the error, else skip over that.
    const instructions: (readonly [code: number, yes: number, no: number, value: number])[] = [
      [0x20, 0, 0, 0],
      ...calls.flatMap(([call, errno]) => [[0x15, 0, 1, call] as const, [0x06, 0, 0, 0x00050000 | errno] as const]),
      [0x06, 0, 0, 0x7fff0000],
    ];
    const bytes = Buffer.alloc(instructions.length * 8);
    instructions.forEach(([code, yes, no, value], index) => {
      bytes.writeUInt16LE(code, index * 8);
      bytes.writeUInt8(yes, index * 8 + 2);
      bytes.writeUInt8(no, index * 8 + 3);
      bytes.writeUInt32LE(value, index * 8 + 4);
    });
    const file = join(box.folder, "filter");
    writeFileSync(file, bytes);
    return file;
  }

  const field = (status: string, name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1];

  describe("each directive, seen from inside", () => {
    const table: { name: string; directives: Directive[]; script: string; sees: string | RegExp }[] = [
      { name: "root", directives: [], script: "ls /", sees: "bin\ndev\netc\nproc\nsys\ntmp\n" },
      { name: "new pid", directives: [], script: "echo $$; ps | wc -l", sees: "1\n4\n" },
      { name: "new net", directives: [["new", "net"]], script: "ip -o link | wc -l", sees: /^1\n/ },
      {
        name: "hostname",
        directives: [
          ["new", "uts"],
          ["hostname", "box-1"],
        ],
        script: "hostname",
        sees: "box-1\n",
      },
      {
        name: "mount tmpfs with data",
        directives: [["mount", "x", "/a/b", "tmpfs", "nosuid,nodev,noexec,noatime", "size=64k,mode=700"]],
        script: "stat -c %a /a/b; grep ' /a/b ' /proc/mounts",
        sees: "700\nx /a/b tmpfs rw,nosuid,nodev,noexec,noatime,size=64k,mode=700 0 0\n",
      },
      {
        name: "mount ro",
        directives: [["mount", "x", "/a", "tmpfs", "ro", "-"]],
        script: "touch /a/b 2>/dev/null || echo refused",
        sees: "refused\n",
      },
      {
        name: "mask of a file, a directory and nothing",
        directives: [
          ["mask", "/proc/version"],
          ["mask", "/proc/sys"],
          ["mask", "/nothing/here"],
        ],
        script: "wc -c < /proc/version; ls -A /proc/sys | wc -l; touch /proc/sys/x 2>/dev/null || echo refused",
        sees: "0\n0\nrefused\n",
      },
      {
        name: "ropath",
        directives: [
          ["ropath", "/proc/sys"],
          ["ropath", "/tmp"],
          ["ropath", "/nothing"],
        ],
        script:
          "touch /tmp/x 2>/dev/null || echo refused; (echo x > /proc/sys/kernel/domainname) 2>/dev/null || echo refused",
        sees: "refused\nrefused\n",
      },
      {
        name: "readonly, which leaves mounts writable",
        directives: [["readonly"], ["mount", "x", "/tmp", "tmpfs", "-", "-"]],
        script: "touch /x 2>/tmp/e || echo refused; touch /tmp/x && echo written",
        sees: "refused\nwritten\n",
      },
      {
        name: "device",
        directives: [
          ["mount", "x", "/dev", "tmpfs", "nosuid", "-"],
          ["device", "/dev/zero", "c", 1, 5, "640"],
        ],
        script: "stat -c '%F %t:%T %a %u' /dev/zero; head -c 3 /dev/zero | wc -c",
        sees: "character special file 1:5 640 0\n3\n",
      },
      {
        name: "symlink",
        directives: [["symlink", "/proc/self/fd", "/dev/fd"]],
        script: "readlink /dev/fd",
        sees: "/proc/self/fd\n",
      },
      { name: "cwd", directives: [["cwd", "/tmp"]], script: "pwd", sees: "/tmp\n" },
      { name: "umask", directives: [["umask", "0077"]], script: "umask", sees: "0077\n" },
      { name: "the default umask", directives: [], script: "umask", sees: "0022\n" },
      {
        name: "uid and gid, without supplementary groups",
        directives: [
          ["uid", 1234],
          ["gid", 99],
        ],
        script: "id -u; id -g; id -G",
        sees: "1234\n99\n99\n",
      },
      {
        name: "groups",
        directives: [
          ["uid", 1],
          ["gid", 2],
          ["groups", "7,5"],
        ],
        script: "id -G",
        sees: "2 5 7\n",
      },
      {
        name: "rlimit",
        directives: [
          ["rlimit", "nofile", 100, 200],
          ["rlimit", "core", 0, 0],
        ],
        script: "ulimit -n; ulimit -Hn; ulimit -c",
        sees: "100\n200\n0\n",
      },
      {
        name: "oom_score_adj",
        directives: [["oom_score_adj", 321]],
        script: "cat /proc/self/oom_score_adj",
        sees: "321\n",
      },
      { name: "nnp", directives: [["nnp"]], script: "grep NoNewPrivs /proc/self/status", sees: "NoNewPrivs:\t1\n" },
      {
        name: "no leaked descriptor, and an empty standard input",
        directives: [],
        script: "ls /proc/$$/fd; cat",
        sees: "0\n1\n2\n",
      },
    ];
    it.each(table)("$name", ({ directives, script, sees }) => {
      const result = box.sh(script, [...box.isolated, ...directives]);
      expect(result).toMatchObject({ code: 0, stderr: "", said: "" });
      if (typeof sees === "string") expect(result.stdout).toBe(sees);
      else expect(result.stdout).toMatch(sees);
    });

    it("starts with a session of its own, no signal blocked and none ignored", () => {
      const result = box.run(
        [...box.isolated, ["arg", "grep"], ["arg", "-E"], ["arg", "SigBlk|SigIgn|NSsid"], ["arg", "/proc/self/status"]],
        { prefix: ["nohup"] },
      );
      expect(result.stdout).toBe(`NSsid:\t1\nSigBlk:\t${"0".repeat(16)}\nSigIgn:\t${"0".repeat(16)}\n`);
    });

    it("takes the launcher's own supplementary groups from root, as from a user", () => {
      const ask: Directive[] = [
        ["arg", "grep"],
        ["arg", "Groups"],
        ["arg", "/proc/self/status"],
      ];
      const prefix = ["setpriv", "--groups", "4,27"];
      const groups = (...more: Directive[]) =>
        box
          .run([...box.isolated, ...more, ...ask], { prefix })
          .stdout.replace("Groups:\t", "")
          .trim();
      expect(groups()).toBe("4 27");
      expect(groups(["uid", 0])).toBe("");
      expect(groups(["gid", 0])).toBe("");
      expect(groups(["uid", 0], ["gid", 0], ["groups", "7"])).toBe("7");
    });

    const keyrings = existsSync("/proc/keys") && existsSync("/usr/bin/perl");
    if (!keyrings) console.warn("SKIPPED keyring of the launcher: it needs a kernel with keyrings, and perl");
    it.skipIf(!keyrings)("holds no key of the session that has started it, once it has a root", () => {
      // keyctl(KEYCTL_JOIN_SESSION_KEYRING), then add_key() to that session's: who possesses it sees it in /proc/keys.
      const [keyctl, add] = process.arch === "arm64" ? [219, 217] : [250, 248];
      const script = `my ($type, $name, $key) = ("user", "canary", "x"); syscall(${keyctl}, 1, 0) > 0 && syscall(${add}, $type, $name, $key, 1, -3) > 0 or die $!; exec @ARGV`;
      const prefix = ["perl", "-e", script];
      const ask: Directive[] = [
        ["uid", 1000],
        ["arg", "/bin/cat"],
        ["arg", "/proc/keys"],
      ];
      expect(box.run(ask, { prefix }).stdout).toContain("canary");
      const inside = box.run([...box.isolated, ...ask], { prefix });
      expect(inside).toMatchObject({ code: 0, stderr: "" });
      expect(inside.stdout).not.toContain("canary");
    });

    it("has exactly the environment that was given, and no PATH of its own", () => {
      expect(box.run([...box.isolated, ["env", "A=1 2"], ["env", "B="], ["arg", "env"]]).stdout).toBe(
        "PATH=/bin\nA=1 2\nB=\n",
      );
      expect(
        box.run([
          ["root", box.root],
          ["arg", "env"],
        ]).stdout,
      ).toBe("");
    });

    it("binds a directory, read-only with its other flags, and a file, making the targets", () => {
      const volume = join(box.folder, "volume");
      mkdirSync(volume);
      writeFileSync(join(volume, "file"), "hello\n");
      const result = box.sh(
        "cat /v/file /etc/one; touch /v/x 2>/dev/null || echo refused; grep ' /v ' /proc/mounts | cut -d' ' -f4; touch /w/y",
        [
          ...box.isolated,
          ["mount", volume, "/v", "bind", "ro,nosuid,nodev,noexec", "-"],
          ["mount", volume, "/w", "bind", "-", "-"],
          ["mount", join(volume, "file"), "/etc/one", "bind", "-", "-"],
        ],
      );
      expect(result.stdout).toMatch(/^hello\nhello\nrefused\nro,nosuid,nodev,noexec,/);
      expect(existsSync(join(volume, "y"))).toBe(true);
      expect(existsSync(join(volume, "x"))).toBe(false);
    });

    it("binds a place below the source, made when missing, never through a link out of it", () => {
      const volume = join(box.folder, "below");
      mkdirSync(join(volume, "deep"), { recursive: true });
      chmodSync(volume, 0o1777);
      writeFileSync(join(volume, "deep/file"), "hello\n");
      symlinkSync("deep/file", join(volume, "inner"));
      symlinkSync("/etc", join(volume, "absolute"));
      symlinkSync("../..", join(volume, "upwards"));
      const bind = (below: string, target: string): Directive => ["mount", volume, target, "bind", "-", below];
      const cat = (below: string) => box.sh("cat /f", [...box.isolated, bind(below, "/f")]);
      expect([cat("deep/file").stdout, cat("inner").stdout]).toEqual(["hello\n", "hello\n"]);
      const made = box.sh("stat -c %a /d && touch /d/x", [...box.isolated, bind("new/folder", "/d")]);
      expect(made).toMatchObject({ code: 0, stdout: "1777\n" });
      expect(existsSync(join(volume, "new/folder/x"))).toBe(true);
      for (const below of ["absolute", "absolute/made", "upwards/made", "../made"]) {
        const refused = box.sh("true", [...box.isolated, bind(below, "/d")]);
        expect(refused.code).toBe(125);
        expect(refused.said).toContain(`${below} leads out of the volume`);
      }
      expect([existsSync("/etc/made"), existsSync(join(box.folder, "made"))]).toEqual([false, false]);
      expect(cat("deep/file/x").said).toContain("not a directory");
    });

    it("makes mounts below a read-only one read-only with rro and tryrro only", () => {
      const volume = join(box.folder, "nested");
      mkdirSync(join(volume, "sub"), { recursive: true });
      const prefix = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs below "$0"/sub && exec "$@"', volume];
      const touch = (flags: string) =>
        box.run(
          [
            ...box.isolated,
            ["mount", volume, "/v", "bind", flags, "-"],
            ["arg", "sh"],
            ["arg", "-c"],
            ["arg", "for at in /v /v/sub; do touch $at/x 2>/dev/null && echo $at; done; true"],
          ],
          { prefix },
        ).stdout;
      expect(touch("rec,ro")).toBe("/v/sub\n");
      expect(touch("rec,rro")).toBe("");
      expect(touch("rec,tryrro")).toBe("");
      expect(touch("rec")).toBe("/v\n/v/sub\n");
    });

    it("binds submounts with rec only, and carries a mount back to the node with rshared only", () => {
      const volume = join(box.folder, "volume");
      mkdirSync(join(volume, "sub"), { recursive: true });
      // In a mount namespace of the test's own, whose volume is shared as a node's is.
      const config = (flags: string) =>
        box.write([
          ...box.isolated,
          ["stdio", "inherit"],
          ["mount", volume, "/v", "bind", flags, "-"],
          ["arg", "sh"],
          ["arg", "-c"],
          ["arg", "ls /v/sub; mkdir -p /v/new; mount -t tmpfs made-inside /v/new"],
        ]);
      const seen = (flags: string) =>
        execFileSync(
          "unshare",
          [
            "-m",
            "--propagation",
            "private",
            "sh",
            "-c",
            `mount -t tmpfs v ${volume}; mount --make-shared ${volume}; mkdir ${volume}/sub; mount -t tmpfs s ${volume}/sub; touch ${volume}/sub/deep; ${launcher} run ${config(flags)}; grep -c made-inside /proc/self/mountinfo || true`,
          ],
          { encoding: "utf8" },
        );
      expect(seen("-")).toBe("0\n");
      expect(seen("rec")).toBe("deep\n0\n");
      expect(seen("rec,rslave")).toBe("deep\n0\n");
      expect(seen("rec,rshared")).toBe("deep\n1\n");
    });

    it("joins namespaces by their pins, and starts in them", async () => {
      const held = await box.start([
        ...box.isolated,
        ["new", "net"],
        ["new", "ipc"],
        ["new", "uts"],
        ["new", "cgroup"],
        ["hostname", "held"],
        ["arg", "sleep"],
        ["arg", "60"],
      ]);
      const other = new Box();
      try {
        const ns = (name: string) => readlinkSync(`/proc/${held.pid}/ns/${name}`);
        const joins = ["net", "uts", "ipc", "pid", "mnt", "cgroup"].map((name) => [
          "join",
          name,
          `/proc/${held.pid}/ns/${name}`,
        ]);
        const result = other.sh(
          "hostname; for n in net uts ipc pid mnt cgroup; do readlink /proc/self/ns/$n; done; ls /; ps",
          [...joins, ["env", "PATH=/bin"]],
        );
        expect(result.stdout).toContain(
          ["held", ns("net"), ns("uts"), ns("ipc"), ns("pid"), ns("mnt"), ns("cgroup"), "bin\n"].join("\n"),
        );
        expect(result.stdout).toContain("sleep 60");
      } finally {
        process.kill(held.pid, "SIGKILL");
        await held.ended;
        other.close();
      }
    });

    it("is chroot without a mount namespace of its own", () => {
      const result = box.sh("ls /", [
        ["root", box.root],
        ["env", "PATH=/bin"],
      ]);
      expect(result.stdout).toBe("bin\ndev\netc\nproc\nsys\ntmp\n");
    });

    it("makes mounts in a copy of the node's own tree when there is no root", () => {
      const place = join(box.folder, "place");
      const result = box.run([
        ["new", "mnt"],
        ["new", "pid"],
        ["mount", "proc", "/proc", "proc", "-", "-"],
        ["mount", "here", place, "tmpfs", "-", "-"],
        ["arg", "/bin/sh"],
        ["arg", "-c"],
        ["arg", `echo $$; grep -c '^here ' /proc/self/mounts`],
      ]);
      expect(result.stdout).toBe("1\n1\n");
      expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(place);
    });
  });

  describe("capabilities and seccomp", () => {
    const DEFAULT = "a80425fb";
    const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
    it("gives root exactly the sets that were asked for", () => {
      const { stdout } = box.sh("cat /proc/self/status", [...box.isolated, ["caps", DEFAULT, DEFAULT, 0, 0], ["nnp"]]);
      for (const name of ["CapPrm", "CapEff", "CapBnd"]) expect(field(stdout, name)).toBe(`00000000${DEFAULT}`);
      for (const name of ["CapInh", "CapAmb"]) expect(field(stdout, name)).toBe("0000000000000000");
    });
    it("leaves a user none but the ambient ones", () => {
      const directives: Directive[] = [...box.isolated, ["uid", 1000], ["gid", 1000]];
      const none = box.sh("cat /proc/self/status", [...directives, ["caps", DEFAULT, DEFAULT, 0, 0]]).stdout;
      expect([field(none, "CapEff"), field(none, "CapPrm"), field(none, "CapBnd")]).toEqual([
        "0".repeat(16),
        "0".repeat(16),
        `00000000${DEFAULT}`,
      ]);
      const bind = box.sh("cat /proc/self/status", [...directives, ["caps", DEFAULT, "400", "400", "400"]]).stdout;
      expect([field(bind, "CapEff"), field(bind, "CapAmb"), field(bind, "Uid")]).toEqual([
        "0000000000000400",
        "0000000000000400",
        "1000\t1000\t1000\t1000",
      ]);
      const bare = box.sh("cat /proc/self/status", directives).stdout;
      expect([field(bare, "CapEff"), field(bare, "CapPrm")]).toEqual(["0".repeat(16), "0".repeat(16)]);
    });
    it("gives what the launcher holds when all are asked for", () => {
      const { stdout, code } = box.sh("cat /proc/self/status", [
        ...box.isolated,
        ["caps", "f".repeat(16), "f".repeat(16), 0, 0],
      ]);
      expect(code).toBe(0);
      expect(field(stdout, "CapEff")).toBe(field(readFileSync("/proc/self/status", "utf8"), "CapEff"));
      expect(last).toBeGreaterThan(30);
    });

    const filter = () => deny({ errno: 13, calls: process.arch === "arm64" ? [34] : [83, 258] });
    it.each([
      { name: "with no_new_privs", extra: [["nnp"]] as Directive[] },
      {
        name: "without, for root with the default capabilities",
        extra: [["caps", DEFAULT, DEFAULT, 0, 0]] as Directive[],
      },
      {
        name: "without, for a user",
        extra: [
          ["uid", 1000],
          ["caps", DEFAULT, DEFAULT, 0, 0],
        ] as Directive[],
      },
    ])("loads a filter $name", ({ extra }) => {
      chmodSync(join(box.root, "tmp"), 0o777);
      const { stdout, stderr } = box.sh("mkdir /tmp/x; cat /proc/self/status", [
        ...box.isolated,
        ...extra,
        ["seccomp", filter()],
      ]);
      expect(stderr).toContain("Permission denied");
      expect(field(stdout, "Seccomp")).toBe("2");
      expect(existsSync(join(box.root, "tmp/x"))).toBe(false);
      // CAP_SYS_ADMIN, which loading took, is gone.
      if (extra.some(([name]) => name === "caps"))
        expect(Number.parseInt(field(stdout, "CapPrm")?.slice(-8) ?? "", 16) & (1 << 21)).toBe(0);
    });
    it("refuses a filter of half an instruction", () => {
      const file = join(box.folder, "half");
      writeFileSync(file, "1234");
      expect(box.sh("true", [...box.isolated, ["seccomp", file]])).toMatchObject({
        code: 125,
        status: ["failed", "seccomp", expect.anything(), expect.anything()],
      });
    });
  });

  describe("AppArmor", () => {
    const file = "/sys/module/apparmor/parameters/enabled";
    const enabled = existsSync(file) && readFileSync(file, "utf8").startsWith("Y");
    // What a profile does is seen on a machine that has it: test/node/vm/apparmor.test.ts.
    it("starts nothing without the profile that was asked for", () => {
      const reason = enabled ? 'the profile "no such one" is not loaded' : "AppArmor is not enabled in the kernel";
      expect(box.sh("echo started", [...box.isolated, ["apparmor", "no such one"]])).toMatchObject({
        code: 125,
        stdout: "",
        status: ["failed", "apparmor", reason, expect.anything()],
      });
    });
  });

  describe("hostile root file systems", () => {
    const outside = () => {
      const folder = join(box.folder, "outside");
      mkdirSync(folder);
      return folder;
    };
    const marker = (path: string) =>
      box.sh("true", [
        ...box.isolated,
        ["mount", "tmpfs", path, "tmpfs", "-", "-"],
        ["device", `${path}/made`, "c", 1, 3, "666"],
        ["symlink", "x", `${path}/link`],
      ]);

    it.each([
      { name: "an absolute symlink", content: (folder: string) => folder },
      { name: "a relative symlink", content: () => "../outside" },
      { name: "a symlink far up", content: () => "../../../../../../../../etc" },
    ])("resolves $name inside the root", ({ content }) => {
      const folder = outside();
      symlinkSync(content(folder), join(box.root, "evil"));
      const result = box.sh("true", [
        ...box.isolated,
        ["device", "/evil/sub/made", "c", 1, 3, "666"],
        ["symlink", "x", "/evil/sub/link"],
        ["mount", "t", "/evil/sub/mount", "tmpfs", "-", "-"],
      ]);
      // Whether it dangles or not, it is followed inside; nothing of that touches the node.
      expect(result.code).toBe(0);
      expect(readdirSync(folder)).toEqual([]);
      expect(existsSync("/etc/sub")).toBe(false);
    });

    it("makes a missing target's parents inside, and where dangling links lead", () => {
      const folder = outside();
      mkdirSync(join(box.root, folder), { recursive: true });
      symlinkSync(folder, join(box.root, "evil"));
      expect(marker("/evil/deep").code).toBe(0);
      expect(lstatSync(join(box.root, folder, "deep")).isDirectory()).toBe(true);
      expect(readdirSync(folder)).toEqual([]);
      // Images hold links that lead nowhere until a system boots; to refuse them would be to refuse Debian's.
      symlinkSync("/nowhere", join(box.root, "dangling"));
      expect(marker("/dangling/deep").code).toBe(0);
      expect(lstatSync(join(box.root, "nowhere/deep")).isDirectory()).toBe(true);
      expect(existsSync("/nowhere")).toBe(false);
    });

    it.each([
      { name: "relative", link: "../run/systemd/resolve/stub-resolv.conf" },
      { name: "absolute", link: "/run/systemd/resolve/stub-resolv.conf" },
      { name: "too far up", link: "../../../../../run/systemd/resolve/stub-resolv.conf" },
      { name: "over another one", link: "../var/run/systemd/resolve/stub-resolv.conf" },
      { name: "to another one", link: "other.conf" },
    ])("binds a file where a dangling link leads: $name", ({ link }) => {
      mkdirSync(join(box.root, "var"));
      symlinkSync("/run", join(box.root, "var/run"));
      symlinkSync("../run/systemd/resolve/stub-resolv.conf", join(box.root, "etc/other.conf"));
      symlinkSync(link, join(box.root, "etc/resolv.conf"));
      const source = join(box.folder, "resolv.conf");
      writeFileSync(source, "nameserver 192.0.2.53\n");
      const node = existsSync("/run/systemd/resolve");
      const directives: Directive[] = [...box.isolated, ["mount", source, "/etc/resolv.conf", "bind", "ro", "-"]];
      for (const _ of ["first", "again"]) {
        expect(box.sh("cat /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf", directives)).toMatchObject({
          code: 0,
          stdout: "nameserver 192.0.2.53\n".repeat(2),
        });
      }
      expect(readlinkSync(join(box.root, "etc/resolv.conf"))).toBe(link);
      expect(readFileSync(join(box.root, "run/systemd/resolve/stub-resolv.conf"), "utf8")).toBe("");
      expect(existsSync("/run/systemd/resolve")).toBe(node);
    });

    it("refuses links in a circle, and ones longer than a path", () => {
      symlinkSync("hosts", join(box.root, "etc/hosts"));
      mkdirSync(join(box.root, "a-folder-of-some-length"));
      symlinkSync(`../${"x/".repeat(2045)}x`, join(box.root, "a-folder-of-some-length/long"));
      for (const [target, message] of [
        ["/etc/hosts", "too many levels of symbolic links"],
        ["/a-folder-of-some-length/long", "file name too long"],
      ] as const)
        expect(box.sh("true", [...box.isolated, ["mount", "/etc/hostname", target, "bind", "-", "-"]])).toMatchObject({
          code: 125,
          status: ["failed", "mount", expect.stringContaining(message), expect.anything()],
        });
    });

    it("binds over a symlinked file inside the root only", () => {
      const folder = outside();
      writeFileSync(join(folder, "secret"), "secret\n");
      symlinkSync(join(folder, "secret"), join(box.root, "etc/hosts"));
      const result = box.sh("cat /etc/hosts", [
        ...box.isolated,
        ["mount", "/etc/hostname", "/etc/hosts", "bind", "-", "-"],
      ]);
      expect(result.stdout).toBe(readFileSync("/etc/hostname", "utf8"));
      expect(readFileSync(join(folder, "secret"), "utf8")).toBe("secret\n");
      expect(readFileSync(join(box.root, folder, "secret"), "utf8")).toBe("");
    });

    it("refuses to mask, or to mount proc and sysfs, behind a symlink", () => {
      symlinkSync("/bin", join(box.root, "alias"));
      expect(box.sh("true", [...box.isolated, ["mask", "/alias/busybox"]])).toMatchObject({
        code: 125,
        status: ["failed", "mask", expect.stringContaining("symlink"), expect.anything()],
      });
      expect(box.sh("true", [...box.isolated, ["ropath", "/alias"]])).toMatchObject({
        code: 125,
        status: ["failed", "ropath", expect.stringContaining("symlink"), expect.anything()],
      });
      expect(box.sh("true", [...box.isolated, ["mount", "sysfs", "/alias", "sysfs", "ro", "-"]])).toMatchObject({
        code: 125,
        status: ["failed", "mount", expect.stringContaining("symlink"), expect.anything()],
      });
    });

    it("refuses a device or a symlink where something else is", () => {
      symlinkSync("/etc/passwd", join(box.root, "dev/null"));
      expect(box.sh("true", [...box.isolated, ["device", "/dev/null", "c", 1, 3, "666"]])).toMatchObject({
        code: 125,
        status: ["failed", "device", "/dev/null exists and is something else", expect.anything()],
      });
      writeFileSync(join(box.root, "dev/fd"), "");
      expect(box.sh("true", [...box.isolated, ["symlink", "x", "/dev/fd"]])).toMatchObject({
        code: 125,
        status: ["failed", "symlink", expect.anything(), expect.anything()],
      });
    });

    it("can be started twice in the same root", () => {
      const directives: Directive[] = [
        ...box.isolated,
        ["device", "/dev/null", "c", 1, 3, "666"],
        ["symlink", "x", "/dev/l"],
      ];
      expect(box.sh("true", directives).code).toBe(0);
      expect(box.sh("true", directives).code).toBe(0);
    });

    it("offers no way out through a working directory among its descriptors", () => {
      for (const cwd of [3, 4, 5, 6, 7, 8, 9, 10].map((fd) => `/proc/self/fd/${fd}`)) {
        const result = box.sh("ls ..", [...box.isolated, ["cwd", cwd]]);
        expect(result).toMatchObject({
          code: 125,
          stdout: "",
          status: ["failed", "cwd", expect.anything(), expect.anything()],
        });
      }
    });

    it("masks with a null device whose mode is not the node's", () => {
      const before = statSync("/dev/null").mode;
      box.sh("chmod 000 /proc/version; chmod 000 /dev/null", [...box.isolated, ["mask", "/proc/version"]]);
      expect(statSync("/dev/null").mode).toBe(before);
    });

    it("never shows the program on the node: it runs from a sealed copy", async () => {
      const held = await box.start([...box.isolated, ["arg", "sleep"], ["arg", "60"]]);
      expect(readlinkSync(`/proc/${held.launcherPid}/exe`)).toContain("memfd:launcher");
      process.kill(held.pid, "SIGKILL");
      expect(await held.ended).toBe(137);
    });
  });

  describe("kernels that lack a call, played by a seccomp filter around the launcher", () => {
    const MOUNT_SETATTR = 442;
    const CLOSE_RANGE = 436;
    const OPENAT2 = 437;
    const MKNODAT = process.arch === "arm64" ? 33 : 259;
    /** The prefix that runs a command under the filter: the launcher itself, in the node's own root. */
    function under(filter: string, directives: readonly Directive[], script: string) {
      const inner = box.write([...directives, ["stdio", "inherit"], ["arg", "sh"], ["arg", "-c"], ["arg", script]]);
      return box.run([
        ["seccomp", filter],
        ["stdio", "inherit"],
        ["status", join(box.folder, "outer")],
        ["arg", launcher],
        ["arg", "run"],
        ["arg", inner],
      ]);
    }

    it("remounts where mount_setattr is missing, and closes one by one where close_range is", () => {
      const volume = join(box.folder, "volume");
      mkdirSync(volume);
      const result = under(
        deny({ errno: 38, calls: [MOUNT_SETATTR, CLOSE_RANGE] }),
        [
          ...box.isolated,
          ["readonly"],
          ["mount", volume, "/v", "bind", "ro,nosuid,noexec", "-"],
          ["ropath", "/proc/sys"],
          ["mask", "/proc/version"],
        ],
        "ls /proc/$$/fd; for d in / /v /proc/sys; do grep \" $d \" /proc/mounts | grep -o ' [a-z]*,[a-z,]*' | head -n 1; done; wc -c < /proc/version",
      );
      expect(result.said).toBe("");
      const [, , , root, bind, ropath, masked] = result.inherited.split("\n");
      expect(result.inherited).toMatch(/^0\n1\n2\n/);
      expect(root).toMatch(/^ ro,/);
      expect(bind).toMatch(/^ ro,nosuid,noexec,/);
      expect(ropath).toMatch(/^ ro,nosuid,nodev,noexec,/);
      expect(masked).toBe("0");
    });

    it("binds the node's device where mknod is forbidden", () => {
      const directives: Directive[] = [...box.isolated, ["mount", "x", "/dev", "tmpfs", "nosuid", "-"]];
      const made = under(
        deny({ errno: 1, calls: [MKNODAT] }),
        [...directives, ["device", "/dev/zero", "c", 1, 5, "666"]],
        "stat -c '%F %t:%T' /dev/zero; head -c 3 /dev/zero | wc -c",
      );
      expect(made).toMatchObject({ code: 0, inherited: "character special file 1:5\n3\n" });
      const other = under(
        deny({ errno: 1, calls: [MKNODAT] }),
        [...directives, ["device", "/dev/zero", "c", 1, 3, "666"]],
        "true",
      );
      expect(other.said).toContain("cannot make /dev/zero, and the node's /dev/zero is not that device");
    });

    it("says which kernel it needs where openat2 is missing", () => {
      const result = under(deny({ errno: 38, calls: [OPENAT2] }), box.isolated, "true");
      expect(result).toMatchObject({
        code: 125,
        said: "launcher: root: this kernel has no openat2: Linux 5.6 or later is needed\n",
      });
    });
  });

  describe("cgroups", () => {
    const hierarchies = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"].filter((path) =>
      existsSync(join(path, "cgroup.procs")),
    );
    it.skipIf(!hierarchies.length)("is in every cgroup from its first instruction, and the pump in none", async () => {
      const folders = hierarchies.map((path) => join(path, `barepod-test-launcher-${process.pid}`));
      for (const folder of folders) mkdirSync(folder, { recursive: true });
      try {
        const held = await box.start([
          ...box.isolated,
          ["new", "cgroup"],
          ...folders.map((folder) => ["cgroup", folder]),
          ["arg", "sh"],
          ["arg", "-c"],
          ["arg", "cat /proc/self/cgroup; sleep 60"],
        ]);
        await until(() => box.result(0).stdout.includes("::"));
        for (const folder of folders) {
          const pids = readFileSync(join(folder, "cgroup.procs"), "utf8").trim().split("\n").map(Number);
          expect(pids).toContain(held.pid);
          expect(pids).not.toContain(held.launcherPid);
        }
        // The fresh cgroup namespace has the container's own cgroup as its root.
        for (const line of box.result(0).stdout.trim().split("\n")) expect(line).not.toContain("barepod-test");
        process.kill(held.pid, "SIGKILL");
        expect(await held.ended).toBe(137);
      } finally {
        await until(() => folders.every((folder) => !readFileSync(join(folder, "cgroup.procs"), "utf8")));
        for (const folder of folders) rmdirSync(folder);
      }
    });
    it("names a cgroup that is not there", () => {
      expect(box.sh("true", [...box.isolated, ["cgroup", "/nowhere"]])).toMatchObject({
        code: 125,
        status: ["failed", "cgroup", "/nowhere/cgroup.procs: no such file or directory", expect.anything()],
      });
    });
  });

  describe("how it ends", () => {
    const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    it("passes an exit code on", () => {
      expect(box.sh("exit 7")).toMatchObject({ code: 7, status: ["exited", "7", TIME] });
      expect(box.sh("true")).toMatchObject({ code: 0, status: ["exited", "0", TIME] });
    });
    it("says 128 + signal, and which", () => {
      expect(
        box.sh("kill -9 $$", [
          ["root", box.root],
          ["env", "PATH=/bin"],
        ]),
      ).toMatchObject({ code: 137, status: ["killed", "9", TIME] });
      expect(
        box.sh("kill -15 $$", [
          ["root", box.root],
          ["env", "PATH=/bin"],
        ]),
      ).toMatchObject({ code: 143, status: ["killed", "15", TIME] });
    });
    it("says who runs, with the start time that tells a number's reuse", async () => {
      const held = await box.start([...box.isolated, ["arg", "sleep"], ["arg", "60"]]);
      const [word, pid, started] = box.result(0).status;
      const stat = readFileSync(`/proc/${held.pid}/stat`, "utf8");
      expect([word, Number(pid)]).toEqual(["running", held.pid]);
      expect(started).toBe(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
      process.kill(held.pid, "SIGKILL");
      expect(await held.ended).toBe(137);
    });
    it.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const)("forwards %s", async (signal) => {
      const name = signal.slice(3);
      for (const stdio of ["log", "inherit"]) {
        const held = await box.start([
          ...box.isolated,
          ["stdio", stdio],
          ["log", box.log],
          ["arg", "sh"],
          ["arg", "-c"],
          ["arg", `trap 'exit 9' ${name}; touch /tmp/ready; for i in $(seq 1000); do sleep 0.02; done`],
        ]);
        await until(() => existsSync(join(box.root, "tmp/ready")));
        rmSync(join(box.root, "tmp/ready"));
        process.kill(held.launcherPid, signal);
        expect(await held.ended).toBe(9);
      }
    });
    it("gives 127 for a program that is not there, and says where it looked", () => {
      expect(box.run([...box.isolated, ["arg", "foo"]])).toMatchObject({
        code: 127,
        status: ["failed", "exec", '"foo": not found in PATH', TIME],
        said: 'launcher: exec: "foo": not found in PATH\n',
      });
      expect(box.run([...box.isolated, ["arg", "/bin/foo"]])).toMatchObject({
        code: 127,
        status: ["failed", "exec", '"/bin/foo": no such file or directory', TIME],
      });
    });
    it("gives 126 for one that cannot be executed", () => {
      writeFileSync(join(box.root, "bin/plain"), "no program", { mode: 0o644 });
      writeFileSync(join(box.root, "bin/odd"), "no program", { mode: 0o755 });
      mkdirSync(join(box.root, "closed"), { mode: 0o700 });
      writeFileSync(join(box.root, "closed/x"), "#!/bin/sh\n", { mode: 0o755 });
      expect(box.run([...box.isolated, ["arg", "plain"]])).toMatchObject({
        code: 126,
        status: ["failed", "exec", '"plain": permission denied', TIME],
      });
      expect(box.run([...box.isolated, ["arg", "odd"]])).toMatchObject({
        code: 126,
        status: ["failed", "exec", '"/bin/odd": exec format error', TIME],
      });
      expect(box.run([...box.isolated, ["uid", 1000], ["arg", "/closed/x"]])).toMatchObject({ code: 126 });
    });
    it("searches PATH in order, as the process's user", () => {
      for (const name of ["one", "two"]) {
        mkdirSync(join(box.root, name), { mode: name === "one" ? 0o700 : 0o755 });
        writeFileSync(join(box.root, name, "which"), `#!/bin/sh\necho ${name}\n`, { mode: 0o755 });
      }
      const directives = box.isolated.filter(([name]) => name !== "env");
      expect(box.run([...directives, ["env", "PATH=/none:/one:/two"], ["arg", "which"]]).stdout).toBe("one\n");
      expect(box.run([...directives, ["env", "PATH=/none:/one:/two"], ["uid", 5], ["arg", "which"]]).stdout).toBe(
        "two\n",
      );
    });
    it.each([
      { stage: "cwd", extra: ["cwd", "/none"], message: "/none: no such file or directory" },
      {
        stage: "mount",
        extra: ["mount", "/none", "/x", "bind", "-", "-"],
        message: "source /none: no such file or directory",
      },
      {
        stage: "mount",
        extra: ["mount", "x", "/x", "nofs", "-", "-"],
        message: "cannot mount nofs on /x: no such device",
      },
      { stage: "namespace", extra: ["join", "net", "/none"], message: "join net /none: no such file or directory" },
      { stage: "log", extra: ["log", "/none/log"], message: "/none/log: no such file or directory" },
    ])("gives 125 and names the stage: $stage", ({ stage, extra, message }) => {
      expect(box.run([...box.isolated, extra, ["arg", "true"]])).toMatchObject({
        code: 125,
        status: ["failed", stage, message, TIME],
        said: `launcher: ${stage}: ${message}\n`,
      });
    });
    it("names a limit that may not be raised", () => {
      const raise: Directive[] = [...box.isolated, ["rlimit", "nofile", 2000000, 2000000], ["arg", "true"]];
      const result = box.run(raise, { prefix: ["setpriv", "--bounding-set=-sys_resource"] });
      expect(result.code).toBe(125);
      expect(result.status.slice(0, 2)).toEqual(["failed", "rlimit"]);
      expect(result.status[2]).toContain("nofile 2000000 2000000: operation not permitted");
    });
    it("is deaf to an ignored SIGCHLD and to closed standard descriptors", () => {
      const config = box.write([...box.isolated, ["arg", "sh"], ["arg", "-c"], ["arg", "ls /proc/$$/fd; exit 3"]]);
      const done = spawnSync("sh", [
        "-c",
        `trap '' CHLD HUP PIPE; exec ${launcher} run ${config} <&- >&- 2>&- 7</etc/passwd`,
      ]);
      expect(done.status).toBe(3);
      expect(box.result(3).stdout).toBe("0\n1\n2\n");
    });
    it("leaves no mount and no process on the node", () => {
      const before = readFileSync("/proc/self/mountinfo", "utf8").includes(box.root);
      box.sh("sleep 100 & sleep 100 & exit 0");
      expect(before).toBe(false);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(box.root);
    });
  });

  it("pauses as PID 1: reaps, and ends on TERM and INT", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const child = spawn("unshare", ["--pid", "--fork", "--kill-child", launcher, "pause"], { stdio: "ignore" });
      const ended = new Promise((resolve) => child.on("exit", (code) => resolve(code)));
      let pause = 0;
      await until(() => {
        pause = Number(
          execFileSync("sh", ["-c", `cat /proc/${child.pid}/task/${child.pid}/children`], { encoding: "utf8" }).trim(),
        );
        return pause > 0 && readFileSync(`/proc/${pause}/comm`, "utf8") === "pause\n";
      });
      // An orphan that ends inside becomes the pause's child, and must not stay a zombie.
      execFileSync("nsenter", [`--pid=/proc/${pause}/ns/pid`, "sh", "-c", "(sleep 0.05 &) ; exit 0"]);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(readFileSync(`/proc/${pause}/task/${pause}/children`, "utf8")).toBe("");
      process.kill(pause, signal);
      expect(await ended).toBe(0);
    }
  });
});
