import { expect, test } from "vitest";
import { type Command, render } from "../../provider/command/command";
import type { NodeState } from "../../provider/facts/node";
import { nodeSpec } from "../../provider/resources/node";

const inputs = { node: "edge-1", connection: "root@edge-1", owner: "nonce/urn", nonce: "nonce" };
const ready: NodeState = {
  kernelVersion: "6.1.0",
  architecture: "x86_64",
  operatingSystem: "Debian GNU/Linux 12 (bookworm)",
  hostname: "edge",
  cgroup: "v2",
  memoryBytes: 2 ** 30,
  cpus: 1,
  address: "192.0.2.10",
  missing: [],
  swap: false,
  forwarding: true,
  systemd: false,
  knownAddress: "192.0.2.10",
  podCIDR: "10.244.0.0/24",
  rules: [
    "-A FORWARD -s 10.244.0.0/24 -m comment --comment barepod-node -j ACCEPT",
    "-A FORWARD -d 10.244.0.0/24 -m comment --comment barepod-node -j ACCEPT",
    "-A POSTROUTING -s 10.244.0.0/24 ! -d 10.244.0.0/24 -m comment --comment barepod-node -j MASQUERADE",
  ],
  boots: true,
};
const shown = (commands: Command[]) => commands.map((command) => render(command, { reveal: false }));
const bare = { ...ready, address: "", knownAddress: "", missing: ["ip", "iptables", "nsenter"] };

test("a node that is ready is left alone", () => {
  expect(nodeSpec.plan(inputs, ready)).toEqual([]);
});

test("what is missing is named, with the command that installs it", () => {
  expect(() => nodeSpec.plan(inputs, bare)).toThrow(
    'edge-1 lacks ip, iptables, nsenter\nset packages: "install", or install there, as its distribution has it:\n' +
      "  apt-get install -y --no-install-recommends iproute2 iptables util-linux\n",
  );
});

test("what is missing is installed first, and gets the time that this takes", () => {
  const install = { ...inputs, packages: "install" as const };
  const [first, ...rest] = shown(nodeSpec.plan(install, bare));
  expect(first).toBe("install ip, iptables, nsenter");
  // The address could not be seen without `ip`: it is not noted as it was seen.
  expect(rest).toEqual(["note the node's address: /var/lib/barepod/node"]);
  expect(nodeSpec.slow?.(install)).toMatchObject({ locked: true, deadlineMs: 900_000 });
  expect(nodeSpec.slow?.(inputs)).toBeUndefined();
});
