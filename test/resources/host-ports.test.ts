import { describe, expect, test } from "vitest";
import { render } from "../../provider/command/command";
import { type HostPortsState, hostPortsOf } from "../../provider/facts/host-ports";
import { unknownValue } from "../../provider/fields";
import { checkInputs, replacements } from "../../provider/resource";
import { type HostPortsInputs, hostPortsSpec } from "../../provider/resources/host-ports";

const inputs: HostPortsInputs = {
  node: "edge-1",
  connection: "root@edge-1",
  owner: "nonce/urn",
  namespace: "/run/barepod/namespaces/web",
  interface: "web-eth0",
  ports: [
    { hostPort: 8080, containerPort: 80 },
    { hostPort: 5353, containerPort: 53, protocol: "UDP", hostIP: "192.0.2.1" },
  ],
  up: true,
};
/** As `iptables -S` of 1.8 prints them. */
const lines = [
  "nat -N BAREPOD-PORTS-CHAIN",
  'nat -A PREROUTING ! -d 127.0.0.0/8 -m comment --comment "barepod/MARK" -m addrtype --dst-type LOCAL -j BAREPOD-PORTS-CHAIN',
  'nat -A OUTPUT -m comment --comment "barepod/MARK" -m addrtype --dst-type LOCAL -j BAREPOD-PORTS-CHAIN',
  'nat -A POSTROUTING -s 10.244.0.2/32 -d 10.244.0.2/32 -m comment --comment "barepod/MARK" -m conntrack --ctstate DNAT -j MASQUERADE',
  'nat -A POSTROUTING -s 127.0.0.0/8 -d 10.244.0.2/32 -m comment --comment "barepod/MARK" -m conntrack --ctstate DNAT -j MASQUERADE',
  'nat -A BAREPOD-PORTS-CHAIN -p tcp -m comment --comment "hostPort of web" -m tcp --dport 8080 -j DNAT --to-destination 10.244.0.2:80',
  'nat -A BAREPOD-PORTS-CHAIN -d 192.0.2.1/32 -p udp -m comment --comment "hostPort of web" -m udp --dport 5353 -j DNAT --to-destination 10.244.0.2:53',
  'filter -A INPUT -d 127.0.0.0/8 -i LINK -m comment --comment "barepod/MARK" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
];
const created = hostPortsSpec
  .plan(inputs, undefined)
  .map((command) => render(command, { reveal: true }))
  .join("\n");
const [chain = "", mark = "", link = ""] = [/BAREPOD-PORTS-\w+/, /barepod\/[0-9a-f]{16}/, /-i (bp\w+)/].map(
  (pattern) => {
    const found = pattern.exec(created);
    return found?.[1] ?? found?.[0];
  },
);
const seen = (kept: (line: string) => boolean = () => true, address = "10.244.0.2"): HostPortsState => {
  const own = lines
    .filter(kept)
    .map((line) => line.replaceAll("BAREPOD-PORTS-CHAIN", chain).replace("barepod/MARK", mark).replace("LINK", link));
  const fact = hostPortsOf({ chain, mark, link, addressFile: "/a" });
  return fact.parse([`address ${address}`, "localnet 1", ...own].join("\n"));
};
/** What a plan sends, without the quoting. */
const planned = (state: HostPortsState | undefined, more: Partial<HostPortsInputs> = {}) =>
  hostPortsSpec.plan({ ...inputs, ...more }, state).map((command) => render(command, { reveal: true }));

describe("HostPorts", () => {
  test("are made in one transaction for each table, what guards the node first", () => {
    const [look, change, ...rest] = planned(undefined);
    expect(look).toContain("tcp 8080 - 1F90 -\nudp 5353 192.0.2.1 14E9 010200C0");
    expect(change?.slice(change.indexOf("*filter"), change.lastIndexOf("COMMIT") + 6).split("\n")).toEqual([
      "*filter",
      `-I INPUT -d 127.0.0.0/8 -i ${link} -m comment --comment "${mark}" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
      "COMMIT",
      "*nat",
      `:${chain} - [0:0]`,
      `-A ${chain} -p tcp -m comment --comment "hostPort of web" -m tcp --dport 8080 -j DNAT --to-destination @:80`,
      `-A ${chain} -d 192.0.2.1/32 -p udp -m comment --comment "hostPort of web" -m udp --dport 5353 -j DNAT --to-destination @:53`,
      `-I PREROUTING ! -d 127.0.0.0/8 -m comment --comment "${mark}" -m addrtype --dst-type LOCAL -j ${chain}`,
      `-I OUTPUT -m comment --comment "${mark}" -m addrtype --dst-type LOCAL -j ${chain}`,
      `-I POSTROUTING -s 127.0.0.0/8 -d @/32 -m comment --comment "${mark}" -m conntrack --ctstate DNAT -j MASQUERADE`,
      `-I POSTROUTING -s @/32 -d @/32 -m comment --comment "${mark}" -m conntrack --ctstate DNAT -j MASQUERADE`,
      "COMMIT",
    ]);
    expect(rest).toEqual([expect.stringContaining("route_localnet"), expect.stringContaining("conntrack -D -p udp")]);
  });

  test("are left alone when all is as wanted", () => {
    expect(planned(seen())).toEqual([]);
    expect(hostPortsSpec.drift(inputs, seen())).toEqual({});
    expect(hostPortsSpec.warnings?.(inputs, seen())).toEqual([]);
  });

  test.each<[string, HostPortsState, string[]]>([
    ["a jump", seen((line) => !line.includes("OUTPUT")), ["-I OUTPUT"]],
    ["the guard of the node", seen((line) => !line.includes("INPUT")), ["-I INPUT"]],
    [
      "a port",
      seen((line) => !line.includes("8080")),
      [`:${chain}`, `-A ${chain} -p tcp`, `-A ${chain} -d 192.0.2.1/32`],
    ],
    [
      "the address, which is another one now",
      seen(undefined, "10.244.0.9"),
      [
        `:${chain}`,
        "--to-destination 10.244.0.9:80",
        "-D POSTROUTING -s 10.244.0.2/32",
        "-I POSTROUTING -s 10.244.0.9/32",
      ],
    ],
  ])("get back what they lack: %s", (_, state, expected) => {
    const text = planned(state).join("\n");
    for (const each of expected) expect(text).toContain(each);
    expect(hostPortsSpec.drift(inputs, state)).toEqual({ up: false });
  });

  test("look only whether new ports are free", () => {
    const ports = [...inputs.ports, { hostPort: 81, containerPort: 81 }];
    const [look] = planned(seen(), { ports });
    expect(look).toContain("tcp 81 - 0051 -");
    expect(look).not.toContain("8080");
    expect(planned(seen((line) => !line.includes("OUTPUT")))[0]).not.toContain("1F90");
  });

  test("say so where the kernel does not route 127.0.0.1", () => {
    const without = { ...seen(), localnet: false };
    expect(hostPortsSpec.warnings?.(inputs, without)).toEqual([expect.stringContaining("route_localnet")]);
    expect(planned(without)).toEqual([expect.stringContaining("route_localnet")]);
  });

  test("are taken away whole", () => {
    const text = hostPortsSpec
      .undo(inputs, seen())
      .map((command) => render(command, { reveal: true }))
      .join("\n");
    for (const each of [
      "-D PREROUTING",
      "-D OUTPUT",
      "-D POSTROUTING -s 127",
      "-D POSTROUTING -s 10",
      "-D INPUT",
      `:${chain} - [0:0]`,
      `-X ${chain}`,
    ])
      expect(text).toContain(each);
  });

  test("refuse what cannot be, and are replaced with their namespace or interface", () => {
    const problems = (ports: unknown[]) =>
      checkInputs(hostPortsSpec, { ...inputs, ports: ports as never }).map(({ path, reason }) => `${path}: ${reason}`);
    expect(problems([])).toEqual(["ports: needs at least 1 elements"]);
    expect(problems([{ hostPort: 70_000, containerPort: 0, protocol: "tcp", hostIP: "::1" }])).toHaveLength(4);
    expect(
      problems([
        { hostPort: 1, containerPort: 2 },
        { hostPort: 1, containerPort: 3, hostIP: "192.0.2.1" },
      ]),
    ).toEqual(["ports[1].hostPort: must be unique for its protocol and hostIP: ports[0] is the same"]);
    expect(replacements(hostPortsSpec, inputs, { ...inputs, interface: unknownValue })).toEqual(["interface"]);
    expect(replacements(hostPortsSpec, inputs, { ...inputs, namespace: "/other" })).toEqual(["namespace"]);
    expect(replacements(hostPortsSpec, inputs, { ...inputs, ports: [] })).toEqual([]);
  });
});
