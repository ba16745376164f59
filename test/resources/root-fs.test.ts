import { describe, expect, test } from "vitest";
import { type Command, render } from "../../provider/command/command";
import type { RootFsState } from "../../provider/facts/root-fs";
import { checkInputs, replacements } from "../../provider/resource";
import { type RootFsInputs, rootFsSpec } from "../../provider/resources/root-fs";

const base = { node: "edge-1", connection: "root@edge-1", owner: "nonce/urn" };
const host: RootFsInputs = { ...base, path: "/srv/box", hostBinaries: ["ls", "/bin/bash", "ls"] };
const archive: RootFsInputs = { ...base, path: "/srv/box", archive: "/srv/a.tar" };
const overlay = (inputs: RootFsInputs): RootFsInputs => ({ ...inputs, overlay: true });

const state = "/var/lib/barepod/rootfs/RootFs.-srv-box.965c84157a5cb71a";
const shown = (commands: readonly Command[]) =>
  commands.map((command) => render(command, { reveal: false }).replaceAll(state, "STATE"));
const whole = (inputs: RootFsInputs, kind: RootFsState["kind"], missing: string[] = []): RootFsState => {
  const stamp = shown(rootFsSpec.plan(inputs, undefined)).at(-1)?.split(" ").at(-2) ?? "";
  return { kind, stamp, missing };
};

const forget = "test '!' -e STATE || remove the root file system: nothing /srv/box STATE";
const folder = [
  "refuse a path through a symbolic link: /srv/box",
  forget,
  "make the folder: /srv/box /var/lib/barepod/made",
  "mkdir -p -m 700 -- /var/lib/barepod/rootfs STATE",
];
const copy = [
  "find the programs: find /bin/bash ls",
  ...folder,
  "copy the programs: copy /srv/box /bin/bash ls",
  "note that it is whole: host-38c0f3f1a1ca1b1b STATE/stamp",
];
const again = copy.filter((command) => command !== forget);
const unpack = [
  "find the archive: find /srv/a.tar",
  "refuse a path through a symbolic link: /srv/box",
  // Without the node's lock, but for this.
  `{ ${forget}; } && ${folder.slice(2).join(" && ")}`,
  "unpack the archive: unpack /srv/box /srv/a.tar '' STATE",
  "note that it is whole: archive-0f1a1ca1b1b STATE/stamp",
];
const mount = [
  "make the folder: /srv/box /var/lib/barepod/made",
  "mount -t overlay -o lowerdir=STATE/lower,upperdir=STATE/upper,workdir=STATE/work -- overlay /srv/box",
];

describe("the plan of a RootFs", () => {
  const cases: { name: string; inputs: RootFsInputs; observed: RootFsState | undefined; commands: string[] }[] = [
    { name: "copies programs into a missing folder", inputs: host, observed: undefined, commands: copy },
    { name: "has nothing to do when all are there", inputs: host, observed: whole(host, "folder"), commands: [] },
    {
      name: "copies again when one is missing",
      inputs: host,
      observed: whole(host, "folder", ["ls"]),
      commands: again,
    },
    {
      name: "copies again when it was interrupted",
      inputs: host,
      observed: { kind: "folder", stamp: "", missing: ["ls"] },
      commands: again,
    },
    { name: "copies again when the folder is gone", inputs: host, observed: whole(host, "gone"), commands: again },
    { name: "unpacks an archive", inputs: archive, observed: undefined, commands: unpack },
    { name: "leaves an unpacked archive alone", inputs: archive, observed: whole(archive, "folder"), commands: [] },
    {
      name: "mounts an overlay of the programs",
      inputs: overlay(host),
      observed: undefined,
      commands: [
        "refuse a path through a symbolic link: /srv/box",
        forget,
        "make the image: image STATE /bin/bash ls",
        ...mount,
        "note that it is whole: host-38c0f3f1a1ca1b1b STATE/stamp",
      ],
    },
    {
      name: "mounts an overlay of an archive",
      inputs: overlay({ ...archive, archiveSha256: "a".repeat(64) }),
      observed: undefined,
      commands: [
        "refuse a path through a symbolic link: /srv/box",
        `{ ${forget}; }`,
        `make the image: image STATE /srv/a.tar ${"a".repeat(64)}`,
        ...mount,
        "note that it is whole: archive-1 STATE/stamp",
      ],
    },
    {
      name: "leaves a mounted overlay alone, whatever was removed in it",
      inputs: overlay(host),
      observed: whole(overlay(host), "overlay"),
      commands: [],
    },
    {
      name: "mounts an overlay again, with what was written to it",
      inputs: overlay(host),
      observed: whole(overlay(host), "unmounted"),
      commands: ["refuse a path through a symbolic link: /srv/box", ...mount],
    },
    {
      name: "completes an overlay that was mounted last",
      inputs: overlay(host),
      observed: { kind: "overlay", stamp: "", missing: [] },
      commands: ["note that it is whole: host-38c0f3f1a1ca1b1b STATE/stamp"],
    },
  ];
  const unhashed = (commands: readonly string[]) =>
    commands.map((text) => text.replace(/(host|archive)-[0-9a-f]+ /, "$1 "));
  test.each(cases)("$name", ({ inputs, observed, commands }) => {
    expect(unhashed(shown(rootFsSpec.plan(inputs, observed)))).toEqual(unhashed(commands));
  });

  test("refuses what is no folder, even to take it over", () => {
    const other: RootFsState = { kind: "other", stamp: "", missing: [] };
    expect(() => rootFsSpec.plan({ ...host, adopt: true }, other)).toThrow(/something is there that is not a folder/);
    const used: RootFsState = { kind: "used", stamp: "", missing: [] };
    for (const inputs of [archive, overlay(host)])
      expect(() => rootFsSpec.plan({ ...inputs, adopt: true }, used)).toThrow(/that is not an empty folder/);
    expect(shown(rootFsSpec.plan({ ...host, adopt: true }, used))).toHaveLength(again.length);
  });

  test("tells other programs and another archive from these", () => {
    const stamps = [host, { ...host, hostBinaries: ["ls"] }, archive, { ...archive, archiveSha256: "a".repeat(64) }];
    expect(new Set(stamps.map((inputs) => whole(inputs, "folder").stamp)).size).toBe(4);
    expect(whole({ ...host, hostBinaries: ["/bin/bash", "ls"] }, "folder").stamp).toBe(whole(host, "folder").stamp);
  });
});

describe("the undoing of a RootFs", () => {
  test.each([
    ["folder", "folder"],
    ["overlay", "overlay"],
    ["gone", "nothing"],
    ["unmounted", "nothing"],
  ] as const)("of kind %s removes %s", (kind, removed) => {
    expect(shown(rootFsSpec.undo(host, { kind, stamp: "", missing: [] }))).toEqual([
      `remove the root file system: ${removed} /srv/box STATE`,
      "remove the folder, if it was made here and is empty: /srv/box /var/lib/barepod/made",
    ]);
  });
});

describe("the drift of a RootFs", () => {
  test.each([
    ["none when it is whole", host, whole(host, "folder"), {}],
    ["a missing program", host, whole(host, "folder", ["ls"]), { hostBinaries: ["/bin/bash"] }],
    ["a removed folder", host, whole(host, "gone"), { whole: false }],
    ["an unfinished folder", host, { kind: "folder", stamp: "", missing: ["ls"] } as const, { whole: false }],
    ["a lost mount", overlay(host), whole(overlay(host), "unmounted"), { whole: false }],
    ["none when it is mounted", overlay(host), whole(overlay(host), "overlay"), {}],
  ])("is %s", (_, inputs, seen, drift) => {
    expect(rootFsSpec.drift(inputs, seen)).toEqual(drift);
  });
});

describe("a change of a RootFs", () => {
  test.each([
    ["of the path", host, { path: "/srv/other" }, ["path"]],
    ["that adds a program to a folder", host, { hostBinaries: ["ls", "/bin/bash", "ps"] }, []],
    ["that removes a program", host, { hostBinaries: ["ls"] }, ["hostBinaries"]],
    ["that adds a program to an overlay", overlay(host), { hostBinaries: ["ls", "/bin/bash", "ps"] }, ["hostBinaries"]],
    ["of the order only", overlay(host), { hostBinaries: ["/bin/bash", "ls"] }, []],
    ["of the archive", archive, { archive: "/srv/b.tar" }, ["archive"]],
    ["to an archive", host, { hostBinaries: undefined, archive: "/srv/b.tar" }, ["archive"]],
    ["to programs", archive, { archive: undefined, hostBinaries: ["ls"] }, ["archive"]],
    ["to an overlay", host, { overlay: true }, ["overlay"]],
    ["that repairs it", { ...host, whole: false }, { whole: true }, []],
  ])("%s", (_, olds, more, replaced) => {
    expect(replacements(rootFsSpec, olds, { ...olds, ...more } as RootFsInputs)).toEqual(replaced);
  });
});

describe("the check of a RootFs", () => {
  const reasons = (more: object) =>
    checkInputs(rootFsSpec, { ...base, path: "/srv/box", ...more } as RootFsInputs).map(
      ({ path, reason }) => `${path}: ${reason}`,
    );
  test.each([
    [{ hostBinaries: ["/bin/bash", "ls"] }, []],
    [{ archive: "/srv/a.tar", archiveSha256: "0".repeat(64), overlay: true }, []],
    [{}, ["hostBinaries: give exactly one of image, hostBinaries and archive"]],
    [{ hostBinaries: ["ls"], archive: "/a" }, ["hostBinaries: give exactly one of image, hostBinaries and archive"]],
    [{ hostBinaries: ["ls"], archiveSha256: "0".repeat(64) }, ["archiveSha256: needs an archive"]],
    [{ archive: "a.tar" }, ["archive: must be an absolute path (start with /)"]],
    [{ hostBinaries: [] }, ["hostBinaries: needs at least 1 elements"]],
    [{ hostBinaries: ["a/b"] }, ["hostBinaries[0]: must be an absolute path, or a name without a slash"]],
    [{ hostBinaries: ["ls"], path: "/etc" }, ["path: must not be a folder of the node's own system"]],
    [{ hostBinaries: ["ls"], path: "/usr/lib" }, ["path: must not be a folder of the node's own system"]],
  ])("of %j finds %j", (more, found) => {
    expect(reasons(more)).toEqual(found);
  });
});
