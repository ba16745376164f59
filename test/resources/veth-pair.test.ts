import { describe, expect, test } from "vitest";
import { render } from "../../provider/command/command";
import type { VethState } from "../../provider/facts/link";
import { unknownValue } from "../../provider/fields";
import { checkInputs, replacements } from "../../provider/resource";
import { type VethPairInputs, vethPairSpec } from "../../provider/resources/veth-pair";

const inputs: VethPairInputs = {
  node: "edge-1",
  connection: "root@edge-1",
  owner: "nonce/urn",
  namespace: "/run/barepod/namespaces/box",
  name: "box-eth0",
  up: true,
};
const whole: VethState = {
  host: { up: true, mtu: 1500, addresses: ["10.244.0.1/32"], routes: ["10.244.0.2 scope host"] },
  inner: {
    up: true,
    mtu: 1500,
    addresses: ["10.244.0.2/32"],
    routes: ["default via 10.244.0.1", "10.244.0.1 scope link"],
  },
  loopbackUp: true,
  reserved: "10.244.0.2",
  published: "10.244.0.2",
  range: "10.244.0.0/24",
  nodeMtu: 1500,
};
const host = whole.host as NonNullable<VethState["host"]>;
const inner = whole.inner as NonNullable<VethState["inner"]>;
const create = ["reserve an address", "make the pair", "set up the end in the namespace", "tell the address"];
const repair = ["reserve an address", "set up the node's end", "set up the end in the namespace", "tell the address"];

const table: {
  name: string;
  more?: Partial<VethPairInputs>;
  seen: VethState | undefined;
  commands: string[];
  drift: object;
}[] = [
  { name: "nothing", seen: undefined, commands: create, drift: {} },
  { name: "all as wanted", seen: whole, commands: [], drift: {} },
  {
    name: "only the reservation",
    seen: { ...whole, host: undefined, inner: undefined },
    commands: create,
    drift: { up: false },
  },
  {
    name: "an inner end in another namespace",
    seen: { ...whole, inner: undefined },
    commands: ["ip link delete dev", ...create],
    drift: { up: false },
  },
  {
    name: "the node's end down",
    seen: { ...whole, host: { ...host, up: false } },
    commands: repair,
    drift: { up: false },
  },
  { name: "no route to it", seen: { ...whole, host: { ...host, routes: [] } }, commands: repair, drift: { up: false } },
  {
    name: "no default route",
    seen: { ...whole, inner: { ...inner, routes: ["10.244.0.1 scope link"] } },
    commands: repair,
    drift: { up: false },
  },
  {
    name: "no address inside",
    seen: { ...whole, inner: { ...inner, addresses: [] } },
    commands: repair,
    drift: { up: false },
  },
  { name: "loopback down", seen: { ...whole, loopbackUp: false }, commands: repair, drift: { up: false } },
  {
    name: "an address that nobody can look up",
    seen: { ...whole, published: undefined },
    commands: repair,
    drift: { up: false },
  },
  { name: "no reservation", seen: { ...whole, reserved: undefined }, commands: repair, drift: { up: false } },
  {
    name: "another MTU than the one given",
    more: { mtu: 1400 },
    seen: whole,
    commands: ["reserve an address", "ip link set dev", "nsenter --net=", ...repair.slice(1)],
    drift: { mtu: 1500 },
  },
  {
    name: "another MTU than the node's, and none given",
    seen: { ...whole, nodeMtu: 9000 },
    commands: ["reserve an address", "ip link set dev", "nsenter --net=", ...repair.slice(1)],
    drift: {},
  },
  {
    name: "extra addresses and routes of somebody else",
    seen: {
      ...whole,
      inner: {
        ...inner,
        addresses: ["192.0.2.1/32", ...inner.addresses],
        routes: [...inner.routes, "192.0.2.9 scope link"],
      },
    },
    commands: [],
    drift: {},
  },
];

describe("with", () => {
  test.each(table)("$name", ({ more, seen, commands, drift }) => {
    const all = { ...inputs, ...more };
    const shown = vethPairSpec.plan(all, seen).map((command) => render(command, { reveal: false }));
    expect(shown).toEqual(commands.map((start) => expect.stringMatching(new RegExp(`^${start}`))));
    if (seen !== undefined) expect(vethPairSpec.drift(all, seen)).toEqual(drift);
  });
});

test("is undone as far as it is there", () => {
  const undo = (seen: VethState) =>
    vethPairSpec.undo(inputs, seen).map((command) => render(command, { reveal: false }));
  expect(undo(whole)).toEqual([
    expect.stringMatching(/^ip link delete dev bp[0-9a-f]{13}$/),
    "rm -f -- /var/lib/barepod/ipam/10.244.0.2 /run/barepod/addresses/box",
    expect.stringContaining("remove the folder if it is empty"),
  ]);
  expect(undo({ ...whole, host: undefined, inner: undefined, published: "10.244.0.9" })[0]).toBe(
    "rm -f -- /var/lib/barepod/ipam/10.244.0.2",
  );
});

test("gets a name that says where it is, and that no other namespace's has", () => {
  const name = (more: Partial<VethPairInputs>) => vethPairSpec.generate?.({ ...inputs, ...more }).name;
  expect(name({})).toBe("box-eth0");
  expect(name({ interfaceName: "net1" })).toBe("box-net1");
  expect(name({ namespace: "/run/netns/box" })).toMatch(/^run-netns-box-eth0-[0-9a-f]{8}$/);
  expect(name({ namespace: `/run/barepod/namespaces/${"x".repeat(250)}` })).toHaveLength(63);
  expect(name({ namespace: unknownValue })).toBe(unknownValue);
});

test("is replaced where it cannot change, and an allocated address is as good as any", () => {
  const olds = { ...inputs, address: "10.244.0.2" };
  expect(replacements(vethPairSpec, olds, inputs)).toEqual([]);
  expect(replacements(vethPairSpec, olds, { ...inputs, address: "10.244.0.2" })).toEqual([]);
  expect(replacements(vethPairSpec, olds, { ...inputs, address: "10.244.0.3" })).toEqual(["address"]);
  expect(replacements(vethPairSpec, olds, { ...inputs, address: unknownValue })).toEqual(["address"]);
  expect(replacements(vethPairSpec, olds, { ...inputs, interfaceName: "eth0" })).toEqual([]);
  expect(replacements(vethPairSpec, olds, { ...inputs, interfaceName: "eth1" })).toEqual(["interfaceName"]);
  expect(replacements(vethPairSpec, olds, { ...inputs, namespace: "/run/barepod/namespaces/b" })).toEqual([
    "namespace",
  ]);
  expect(replacements(vethPairSpec, olds, { ...inputs, mtu: 1400 })).toEqual([]);
});

test.each([
  ["namespace", "relative"],
  ["namespace", "/run/../etc"],
  ["namespace", "/run/a\nb"],
  ["interfaceName", "sixteen-bytes-00"],
  ["interfaceName", "lo"],
  ["interfaceName", "all"],
  ["interfaceName", "-x"],
  ["interfaceName", "a b"],
  ["interfaceName", 'e"$(id)'],
  ["address", "10.244.0"],
  ["address", "10.244.0.2/24"],
  ["address", "::1"],
  ["address", "010.1.1.1"],
  ["mtu", 575],
  ["mtu", 65_536],
  ["name", "a/b"],
  ["name", "$(id)"],
  ["name", "x".repeat(64)],
])("refuses %s: %j", (key, value) => {
  expect(checkInputs(vethPairSpec, { ...inputs, [key]: value }).map(({ path }) => path)).toEqual([key]);
});
