import { Namespace, VethPair } from "barepod";
import { interfaceName } from "../../../../provider/naming";
import { vethPairSpec } from "../../../../provider/resources/veth-pair";
import type { Case } from "../case";
import { removeNamespace } from "./namespace";

const link = interfaceName("bp", "conf");
const inside = "nsenter --net=/run/barepod/namespaces/conf-veth/net ip";

/** An interface in a namespace. */
export const vethPair: Case = {
  title: "VethPair",
  name: "veth",
  spec: vethPairSpec,
  declare({ node, variant, name, options, adopt }) {
    const namespace = new Namespace(`${name}-ns`, { node, name: "conf-veth", types: ["net"] }, options);
    if (variant === "absent") return;
    new VethPair(
      name,
      {
        node,
        namespace: namespace.path,
        name: "conf",
        mtu: variant === "updated" ? 1300 : 1400,
        address: variant === "replaced" ? "10.244.0.78" : "10.244.0.77",
        ...adopt,
      },
      options,
    );
  },
  look: `ip -o link show dev ${link} 2>/dev/null | grep -o ' mtu [0-9]*\\|state [A-Z]*' || :
if [ -e /run/barepod/namespaces/conf-veth/net ]; then
${inside} -o -4 address show dev eth0 2>/dev/null | grep -o 'inet [0-9./]*' || :
${inside} route; ip route | grep ${link} || :
fi`,
  inPlace: ["mtu"],
  replace: ["address"],
  remove: `ip link delete dev ${link}`,
  // The address stays reserved for it.
  removed: "update",
  change: `${inside} link set dev eth0 down`,
  changed: ["up"],
  foreign: {
    make: `ip link add name ${link} type veth peer name conf-peer`,
    named: "conf",
  },
  removeParent: removeNamespace("conf-veth"),
};
