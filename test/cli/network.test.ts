import { describe, expect, test } from "vitest";
import { gatewayOf, linkOf, overlappingRoute, wantedSubnet } from "../../cli/sandbox/network";

describe("the sandboxes' subnet", () => {
  test("is written as a network", () => {
    expect(gatewayOf(wantedSubnet("10.79.0.0/24"))).toBe("10.79.0.1");
    expect(gatewayOf(wantedSubnet("192.168.255.248/29"))).toBe("192.168.255.249");
  });

  test.each([
    "x",
    "10.79.0.0",
    "10.79.0.1/24",
    "10.79.0.0/30",
    "10.0.0.0/7",
    "10.79.0.256/24",
    "fd00::/64",
    "10.79.0.0/24 ",
  ])("refuses %j", (text) => {
    expect(() => wantedSubnet(text)).toThrow("must be an IPv4 network of 8 to 29 bits");
  });

  test.each([
    { routes: [], clash: undefined },
    { routes: [{ dst: "default", dev: "eth0" }], clash: undefined },
    { routes: [{ dst: "10.78.0.0/16", dev: "eth0" }], clash: undefined },
    { routes: [{ dst: "10.79.1.0/24", dev: "eth0" }], clash: undefined },
    { routes: [{ dst: "0.0.0.0/0", dev: "eth0" }], clash: undefined },
    { routes: [{ dst: "10.79.0.0/24", dev: "bpsandbox0" }], clash: undefined },
    { routes: [{ dst: "10.79.0.0/24", dev: "eth0" }], clash: "10.79.0.0/24 dev eth0" },
    { routes: [{ dst: "10.0.0.0/8", dev: "tun0" }], clash: "10.0.0.0/8 dev tun0" },
    { routes: [{ dst: "10.79.0.200", dev: "eth1" }], clash: "10.79.0.200 dev eth1" },
    { routes: [{ dst: "10.79.0.0/16" }], clash: "10.79.0.0/16" },
  ])("beside $routes: $clash", ({ routes, clash }) => {
    expect(overlappingRoute(wantedSubnet("10.79.0.0/24"), JSON.stringify(routes))).toBe(clash);
  });
});

test("link names fit the kernel and differ", () => {
  const names = ["a", "b", "x".repeat(40)].map(linkOf);
  expect(new Set(names).size).toBe(3);
  for (const name of names) expect(name).toMatch(/^bps[0-9a-f]{10}$/);
});
