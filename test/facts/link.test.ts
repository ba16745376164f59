import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { linesFunction, vethPair } from "../../provider/facts/link";

const shells = [["dash"], ["bash"], ["busybox", "sh"]].filter(([name]) => existsSync(`/usr/bin/${name}`));

/** What `ip addr show dev X`, `ip route show dev X` printed, and what counts of it. */
const captured = [
  {
    name: "iproute2 6.1 (Debian 12)",
    side: "host",
    output: `4: bp1@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether e2:36:e6:0b:17:59 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    alias barepod VethPair.box-eth0.4f1c
    inet 10.244.0.1/32 scope global bp1
       valid_lft forever preferred_lft forever
10.244.0.2 scope host `,
    lines: ["ident 4", "host link up 1500", "host address 10.244.0.1/32", "host route 10.244.0.2 scope host"],
  },
  {
    name: "iproute2 5.x with a named namespace (the chapter's kind node)",
    side: "host",
    output: `3: vethf6e1facb@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 46:68:a9:a7:b6:c2 brd ff:ff:ff:ff:ff:ff link-netns cni-ac9a3988-a855-101b-de1b-4c48546e32ae
    inet 10.244.0.1/32 scope global vethf6e1facb
       valid_lft forever preferred_lft forever
10.244.0.2 scope host`,
    lines: ["ident 3", "host link up 1500", "host address 10.244.0.1/32", "host route 10.244.0.2 scope host"],
  },
  {
    name: "a pod of the chapter, with an address of its own kind and IPv6",
    side: "inner",
    output: `3: eth0@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 86:d4:53:ed:1c:e8 brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.2/24 brd 10.244.0.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 fe80::84d4:53ff:feed:1ce8/64 scope link
       valid_lft forever preferred_lft forever
default via 10.244.0.1
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
    inet6 ::1/128 scope host`,
    lines: [
      "inner link up 1500",
      "inner address 10.244.0.2/24",
      "inner route default via 10.244.0.1",
      "loopback link up 65536",
      "loopback address 127.0.0.1/8",
    ],
  },
  {
    name: "a peer that is down: carrier is no state",
    side: "inner",
    output: `2: eth0@if2: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1400 qdisc noqueue state DOWN group default qlen 1000
    link/ether 8e:7a:ee:eb:87:49 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.244.0.2/32 scope global eth0
       valid_lft forever preferred_lft forever
default via 10.244.0.1 linkdown
10.244.0.1 scope link linkdown
1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00`,
    lines: [
      "inner link up 1400",
      "inner address 10.244.0.2/32",
      "inner route default via 10.244.0.1",
      "inner route 10.244.0.1 scope link",
      "loopback link down 65536",
    ],
  },
  {
    name: "iproute2 6.x with address protocols, other names and an alias that looks like an address",
    side: "host",
    output: `7: bp1@if2: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default qlen 1000
    link/ether 0e:da:fe:af:c4:f1 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    alias inet 10.9.9.9/32
    altname enp1s0
    inet 10.244.0.1/32 scope global proto static bp1
       valid_lft forever preferred_lft forever`,
    lines: ["ident 7", "host link down 1500", "host address 10.244.0.1/32"],
  },
  { name: "nothing", side: "inner", output: "", lines: [] },
  {
    name: "the node's end and the other one",
    side: "host",
    output: `7: bp1@if2: <BROADCAST,UP> mtu 1500 qdisc noqueue
    inet 10.244.0.1/32 scope global bp1
inner
2: eth0@if7: <BROADCAST,UP> mtu 1400 qdisc noqueue
default via 10.244.0.1
1: lo: <LOOPBACK,UP> mtu 65536 qdisc noqueue`,
    lines: [
      ...["ident 7", "host link up 1500", "host address 10.244.0.1/32"],
      ...["inner link up 1400", "inner route default via 10.244.0.1", "loopback link up 65536"],
    ],
  },
];

describe.each(shells)("in %s", (...shell) => {
  const [program = "sh", ...args] = shell.filter((word) => word !== undefined);
  test.each(captured)("what counts of $name", ({ side, output, lines }) => {
    const printed = execFileSync(program, [...args, "-euc", `${linesFunction}\nveth_lines ${side}`], {
      input: output === "" ? "" : `${output}\n`,
      encoding: "utf8",
    });
    expect(printed.split("\n").filter(Boolean)).toEqual(lines);
  });
});

test("both ends, the address and the node's values make one state", () => {
  const fact = vethPair({ object: "o", link: "bp1", pin: "/n/net", interfaceName: "eth0", addressFile: "/a" });
  expect(
    fact.parse(
      `ident 4
host link up 1500
host address 10.244.0.1/32
host route 10.244.0.2 scope host
inner link down 1400
inner address 10.244.0.2/32
inner route default via 10.244.0.1
loopback link up 65536
reserved 10.244.0.2
node 10.244.0.0/24 9000`,
    ),
  ).toEqual({
    host: { up: true, mtu: 1500, addresses: ["10.244.0.1/32"], routes: ["10.244.0.2 scope host"] },
    inner: { up: false, mtu: 1400, addresses: ["10.244.0.2/32"], routes: ["default via 10.244.0.1"] },
    loopbackUp: true,
    reserved: "10.244.0.2",
    published: undefined,
    range: "10.244.0.0/24",
    nodeMtu: 9000,
  });
  expect(fact.parse("\nreserved 10.244.0.2\nnode 10.244.0.0/24 1500")).toMatchObject({
    host: undefined,
    inner: undefined,
    reserved: "10.244.0.2",
  });
});
