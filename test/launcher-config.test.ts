import { describe, expect, test } from "vitest";
import {
  type ContainerConfig,
  defaultMaskedPaths,
  defaultReadonlyPaths,
  launcherConfig,
} from "../provider/launcher-config";

const plain: ContainerConfig = {
  rootFs: "/srv/box",
  command: ["sleep", "1"],
  env: { NAME: "x" },
  envDefaults: { PATH: "/bin" },
  addCapabilities: [],
  dropCapabilities: [],
  allowPrivilegeEscalation: true,
  privileged: false,
  readOnlyRootFilesystem: false,
  maskedPaths: defaultMaskedPaths,
  readonlyPaths: defaultReadonlyPaths,
  volumes: [],
  ownMounts: true,
  hostIpc: false,
  runAsNonRoot: false,
  strictGroups: false,
};
const lines = (more: Partial<ContainerConfig> = {}) => launcherConfig({ ...plain, ...more }).split("\n");
const withoutRoot = ({ rootFs: _, ...rest }: ContainerConfig): ContainerConfig => rest;

describe("the launcher's configuration", () => {
  test("of an ordinary container, whole", () => {
    expect(launcherConfig(plain)).toMatchInlineSnapshot(`
      "root	/srv/box
      mount	proc	/proc	proc	nosuid,noexec,nodev	-
      mount	tmpfs	/dev	tmpfs	nosuid,strictatime	mode=755,size=65536k
      mount	devpts	/dev/pts	devpts	nosuid,noexec	newinstance,ptmxmode=0666,mode=0620,gid=5
      mount	shm	/dev/shm	tmpfs	nosuid,noexec,nodev	mode=1777,size=65536k
      mount	mqueue	/dev/mqueue	mqueue	nosuid,noexec,nodev	-
      mount	sysfs	/sys	sysfs	nosuid,noexec,nodev,ro	-
      device	/dev/null	c	1	3	666
      device	/dev/zero	c	1	5	666
      device	/dev/full	c	1	7	666
      device	/dev/random	c	1	8	666
      device	/dev/urandom	c	1	9	666
      device	/dev/tty	c	5	0	666
      symlink	pts/ptmx	/dev/ptmx
      symlink	/proc/self/fd	/dev/fd
      symlink	/proc/self/fd/0	/dev/stdin
      symlink	/proc/self/fd/1	/dev/stdout
      symlink	/proc/self/fd/2	/dev/stderr
      mask	/proc/acpi
      mask	/proc/asound
      mask	/proc/kcore
      mask	/proc/keys
      mask	/proc/latency_stats
      mask	/proc/timer_list
      mask	/proc/timer_stats
      mask	/proc/sched_debug
      mask	/proc/scsi
      mask	/sys/firmware
      mask	/sys/devices/virtual/powercap
      ropath	/proc/bus
      ropath	/proc/fs
      ropath	/proc/irq
      ropath	/proc/sys
      ropath	/proc/sysrq-trigger
      user	0
      caps	00000000a00425fb	00000000a00425fb	0000000000000000	0000000000000000
      envdefault	PATH=/bin
      env	NAME=x
      arg	sleep
      arg	1
      "
    `);
  });

  test.each<[string, Partial<ContainerConfig>, string[], (string | RegExp)[]]>([
    ["read-only root", { readOnlyRootFilesystem: true }, ["readonly"], []],
    ["no more privileges", { allowPrivilegeEscalation: false }, ["nnp"], []],
    [
      "privileged: all capabilities, nothing hidden, a /dev of its own",
      { privileged: true },
      [
        "mount\ttmpfs\t/dev\ttmpfs\tnosuid,strictatime\tmode=755,size=65536k",
        "mount\tsysfs\t/sys\tsysfs\tnosuid,noexec,nodev\t-",
        "device\t/dev/null\tc\t1\t3\t666",
      ],
      [/^mask/, /^ropath/, "nnp"],
    ],
    ["root, with the groups of its own root only", {}, ["user\t0"], [/^groups/, /^[ug]id/, "nonroot", "strictgroups"]],
    [
      "a volume in place of /dev, in which nothing is made",
      { volumes: [{ source: "/a", target: "/dev" }] },
      ["mount\t/a\t/dev\tbind\trec,rprivate\t-"],
      [/^device/, /^symlink/],
    ],
    ["a user", { runAsUser: 5 }, ["user\t5"], [/^groups/]],
    ["a group", { runAsGroup: 6 }, ["user\t0:6"], []],
    ["no root", { runAsNonRoot: true }, ["nonroot"], []],
    [
      "what an image says of its user, but not root",
      { imageDefaults: "all", runAsNonRoot: true, strictGroups: true, supplementalGroups: [7] },
      ["nonroot", "strictgroups", "groups\t7"],
      [/^user/, /^[ug]id/],
    ],
    ["no groups but those given", { strictGroups: true, supplementalGroups: [7] }, ["strictgroups", "groups\t7"], []],
    ["an AppArmor profile", { apparmor: "a b" }, ["apparmor\ta b"], []],
    ["a filter of system calls", { seccomp: "/run/f" }, ["seccomp\t/run/f"], []],
    [
      "a volume in place of the shared memory",
      { volumes: [{ source: "/a", target: "/dev/shm" }] },
      ["mount\t/a\t/dev/shm\tbind\trec,rprivate\t-"],
      [/^mount\tshm/],
    ],
    [
      "the node's shared memory with the node's IPC",
      { hostIpc: true },
      ["mount\t/dev/shm\t/dev/shm\tbind\trec,rprivate\t-"],
      [/^mount\tshm/],
    ],
    ["further groups", { runAsUser: 5, supplementalGroups: [7, 8] }, ["groups\t7,8"], []],
    ["no masks", { maskedPaths: [], readonlyPaths: [] }, [], [/^mask/, /^ropath/]],
    ["a mask of its own", { maskedPaths: ["/proc/x"] }, ["mask\t/proc/x"], ["mask\t/proc/kcore"]],
    ["a working directory", { workingDir: "/srv" }, ["cwd\t/srv"], []],
    [
      "volumes",
      {
        volumes: [
          { source: "/a", target: "/b" },
          { source: "/c", target: "/d", readOnly: true },
        ],
      },
      ["mount\t/a\t/b\tbind\trec,rprivate\t-", "mount\t/c\t/d\tbind\trec,rprivate,ro\t-"],
      [],
    ],
    [
      "no mounts in the node's mount namespace",
      { ownMounts: false },
      ["root\t/srv/box"],
      [/^mount/, /^mask/, /^device/],
    ],
    [
      "odd values",
      { env: { "A B": "x\ty\n\\z" }, command: ["", "\n"] },
      ["env\tA B=x\\ty\\n\\\\z", "arg\t", "arg\t\\n"],
      [],
    ],
  ])("%s", (_name, more, there, absent) => {
    const text = lines(more);
    expect(text).toEqual(expect.arrayContaining(there));
    for (const each of absent)
      expect(text).not.toContainEqual(typeof each === "string" ? each : expect.stringMatching(each));
  });

  test("in the node's own root shows the process's own /proc, and hides only what is asked for", () => {
    const own = withoutRoot({ ...plain, maskedPaths: ["/etc/shadow"], readonlyPaths: [] });
    expect(
      launcherConfig(own)
        .split("\n")
        .filter((line) => /^(root|mount|mask|ropath|device|symlink)/.test(line)),
    ).toEqual(["mount\tproc\t/proc\tproc\tnosuid,noexec,nodev\t-", "mask\t/etc/shadow"]);
  });

  test("mounts outer volumes before those in them, whatever their order", () => {
    const volumes = ["/a/b/c", "/z", "/a/b", "/a"].map((target) => ({ source: "/srv", target }));
    const targets = lines({ volumes }).flatMap((line) => line.match(/^mount\t\/srv\t(\S+)/)?.[1] ?? []);
    expect(targets).toEqual(["/z", "/a", "/a/b", "/a/b/c"]);
  });

  test("mounts volumes after the folders that it makes, and hides last", () => {
    const kinds = lines({ volumes: [{ source: "/a", target: "/dev/x" }], readOnlyRootFilesystem: true });
    const at = (start: string) => kinds.findIndex((line) => line.startsWith(start));
    expect([
      at("mount\tproc"),
      at("mount\ttmpfs"),
      at("mount\t/a"),
      at("mask"),
      at("ropath"),
      at("readonly"),
      at("caps"),
    ]).toEqual(
      [
        at("mount\tproc"),
        at("mount\ttmpfs"),
        at("mount\t/a"),
        at("mask"),
        at("ropath"),
        at("readonly"),
        at("caps"),
      ].sort((a, b) => a - b),
    );
  });
});
