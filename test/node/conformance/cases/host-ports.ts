import { HostPorts, Namespace, VethPair } from "barepod";
import { hostPortsSpec } from "../../../../provider/resources/host-ports";
import type { Case } from "../case";

/** Ports of the node that lead to a namespace. */
export const hostPorts: Case = {
  title: "HostPorts",
  name: "ports",
  spec: hostPortsSpec,
  declare({ node, variant, name, options }) {
    const types = ["net" as const];
    const one = new Namespace(`${name}-ns`, { node, name: "conf-ports", types }, options);
    const two = new Namespace(`${name}-ns-2`, { node, name: "conf-ports-2", types }, options);
    const eth = (namespace: Namespace, address: string) =>
      new VethPair(`${name}-${address}`, { node, namespace: namespace.path, address }, options);
    const [first, second] = [eth(one, "10.244.0.87"), eth(two, "10.244.0.88")];
    if (variant === "absent") return;
    const [namespace, end] = variant === "replaced" ? [two, second] : [one, first];
    new HostPorts(
      name,
      {
        node,
        namespace: namespace.path,
        interface: end.name,
        ports: [{ hostPort: variant === "updated" ? 8787 : 8788, containerPort: 80 }],
      },
      options,
    );
  },
  look: `iptables-save | grep -- '-A BAREPOD-PORTS-.*--dport 87\\|-j BAREPOD-PORTS\\|-d 10.244.0.8[78]/32\\|-A INPUT -d 127.0.0.0/8' |
sed 's/barepod.[0-9a-f]*//; s/PORTS-[0-9a-f]*/PORTS/; s/ bp[0-9a-f]*//' || :`,
  inPlace: ["ports"],
  replace: ["interface", "namespace"],
  remove: `iptables-save | grep '^-A .* -j BAREPOD-PORTS' | sed 's/^-A/iptables -t nat -D/' | sh
iptables-save -t nat | grep '^-A POSTROUTING.*barepod/' | sed 's/^-A/iptables -t nat -D/' | sh
iptables-save -t filter | grep '^-A INPUT -d 127.0.0.0/8.*barepod/' | sed 's/^-A/iptables -D/' | sh
for chain in $(iptables -t nat -S | sed -n 's/^-N \\(BAREPOD-PORTS\\)/\\1/p'); do iptables -t nat -F $chain; iptables -t nat -X $chain; done`,
  change: "iptables -t nat -F $(iptables -t nat -S | sed -n 's/^-N \\(BAREPOD-PORTS.*\\)/\\1/p')",
  changed: ["up"],
};
