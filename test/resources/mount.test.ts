import { expect, test } from "vitest";
import { render } from "../../provider/command/command";
import type { MountState } from "../../provider/facts/mount";
import { unknownValue } from "../../provider/fields";
import { checkInputs } from "../../provider/resource";
import { type MountInputs, mountSpec } from "../../provider/resources/mount";

const base = { node: "edge-1", connection: "root@edge-1", owner: "nonce/urn" };
const tmpfs = { ...base, source: "tmpfs", target: "/srv/t", fsType: "tmpfs" };
const bind = { ...base, source: "/srv/s", target: "/srv/t" };
const seen = (more: Partial<MountState>): MountState => ({
  fsType: "tmpfs",
  source: "tmpfs",
  flags: ["rw", "relatime"],
  superOptions: ["rw"],
  sameAsSource: true,
  sourceFlags: ["rw", "relatime"],
  ...more,
});

const table: {
  name: string;
  inputs: MountInputs;
  seen: MountState;
  commands: string[];
  drift: Partial<MountInputs>;
}[] = [
  {
    name: "a tmpfs of the size that is wanted is left alone",
    inputs: { ...tmpfs, options: ["size=1m"] },
    seen: seen({ superOptions: ["rw", "size=1024k"] }),
    commands: [],
    drift: {},
  },
  {
    name: "a tmpfs of another size is resized",
    inputs: { ...tmpfs, options: ["size=2m", "mode=0700"] },
    seen: seen({ superOptions: ["rw", "size=1024k", "mode=700"] }),
    commands: ["mount -o remount,size=2m,mode=0700,rw,suid,dev,exec,relatime -- /srv/t"],
    drift: { options: ["mode=0700", "size=1024k"] },
  },
  {
    name: "a tmpfs that is to have the default size again gets it",
    inputs: tmpfs,
    seen: seen({ superOptions: ["rw", "size=1024k"] }),
    commands: ["mount -o remount,size=50%,rw,suid,dev,exec,relatime -- /srv/t"],
    drift: { options: ["size=1024k"] },
  },
  {
    name: "a share of the memory is set again, and never counts as a difference",
    inputs: { ...tmpfs, options: ["size=10%"] },
    seen: seen({ superOptions: ["rw", "size=819200k"] }),
    commands: ["mount -o remount,size=10%,rw,suid,dev,exec,relatime -- /srv/t"],
    drift: {},
  },
  {
    name: "a flag that somebody set is cleared by name: mount(8) keeps what is not named",
    inputs: tmpfs,
    seen: seen({ flags: ["rw", "noexec", "relatime"] }),
    commands: ["mount -o remount,size=50%,rw,suid,dev,exec,relatime -- /srv/t"],
    drift: { options: ["noexec"] },
  },
  {
    name: "a bind mount keeps the flags of the mount that its source lies on",
    inputs: { ...bind, options: ["bind"] },
    seen: seen({ flags: ["rw", "nosuid", "nodev"], sourceFlags: ["rw", "nosuid", "nodev"] }),
    commands: [],
    drift: {},
  },
  {
    name: "a bind mount keeps them also while another flag is set",
    inputs: { ...bind, options: ["bind", "ro"] },
    seen: seen({ flags: ["rw", "nosuid"], sourceFlags: ["rw", "nosuid"] }),
    commands: ["mount -o remount,bind,ro,nosuid,dev,exec,relatime -- /srv/t"],
    drift: { options: ["bind"] },
  },
  {
    name: "a bind mount that refuses such a flag loses it",
    inputs: { ...bind, options: ["bind", "suid"] },
    seen: seen({ flags: ["rw", "nosuid"], sourceFlags: ["rw", "nosuid"] }),
    commands: ["mount -o remount,bind,rw,suid,dev,exec,relatime -- /srv/t"],
    drift: { options: ["bind", "nosuid"] },
  },
];

test.each(table)("$name", ({ inputs, seen: found, commands, drift }) => {
  expect(mountSpec.plan(inputs, found).map((command) => render(command, { reveal: false }))).toEqual(commands);
  expect(mountSpec.drift(inputs, found)).toEqual(drift);
});

test("a tmpfs's size changes in place, its mode does not", () => {
  const replaces = (olds: string[], news: string[]) =>
    mountSpec.cannotChange?.({ ...tmpfs, options: olds }, { ...tmpfs, options: news });
  expect(replaces(["size=1m", "mode=700"], ["size=2m", "mode=700", "ro"])).toEqual([]);
  expect(replaces(["mode=700"], ["mode=755"])).toEqual(["options"]);
});

test.each([
  [
    "a propagation, which a bind mount would not get",
    { ...bind, options: ["bind", "rslave"] },
    /^options\[1\]: has no effect on/,
  ],
  ["a file system's own option", { ...bind, options: ["mode=0700", "rbind"] }, /^options\[0\]: has no effect on/],
  ["two that contradict each other", { ...tmpfs, options: ["ro", "rw"] }, /^options\[0\]: contradicts rw/],
  [
    "an operation on what is there already",
    { ...tmpfs, options: ["remount", "ro"] },
    /^options\[0\]: must not be remount/,
  ],
])("refuses %s", (_name, inputs, problem) => {
  expect(checkInputs(mountSpec, inputs).map(({ path, reason }) => `${path}: ${reason}`)).toEqual([
    expect.stringMatching(problem),
  ]);
});

test("takes every option that has an effect, and what a preview does not know", () => {
  const options = ["rbind", "ro", "suid", "nodev", "exec", "noatime", unknownValue];
  expect(checkInputs(mountSpec, { ...bind, options })).toEqual([]);
  expect(checkInputs(mountSpec, { ...tmpfs, options: ["mode=0700", "size=1m", "ro"] })).toEqual([]);
});

test("takes no secret among the options, which everybody on the node can read", () => {
  const cifs = { ...tmpfs, source: "//server/share", fsType: "cifs", options: ["username=ann", "password=canary"] };
  expect(checkInputs(mountSpec, cifs)).toEqual([]);
  const [problem, ...more] = checkInputs(mountSpec, { ...cifs, secrets: ["options/1"] });
  expect(more).toEqual([]);
  expect(problem?.path).toBe("options");
  expect(problem?.reason).toMatch(/credentials=PATH/);
  expect(problem?.reason).not.toContain("canary");
});
