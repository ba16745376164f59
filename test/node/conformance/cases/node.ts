import { nodeSpec } from "../../../../provider/resources/node";
import type { Case } from "../case";

const rules = "{ iptables -S FORWARD; iptables -t nat -S POSTROUTING; } | grep barepod-node";

/** The node itself: the scenario declares it. It cannot vanish, only be otherwise. */
export const node: Case = {
  title: "Node",
  name: "edge",
  spec: nodeSpec,
  declare: () => undefined,
  look: `if [ -e /var/lib/barepod/node ]; then ${rules} || :; cat /proc/sys/net/ipv4/ip_forward; ls /var/lib/barepod/node; fi`,
  // The pod range cannot change while pods hold addresses of it.
  inPlace: ["packages"],
  looksTheSame: true,
  remove: `${rules} | while read -r _ chain rule; do
table=filter; [ "$chain" = FORWARD ] || table=nat
iptables -t "$table" -D "$chain" $rule
done
echo 0 > /proc/sys/net/ipv4/ip_forward`,
  removed: "update",
  change: "iptables -t nat -F POSTROUTING",
  changed: ["podCIDR"],
  stays: true,
  // A machine is never absent, so the first frame's guess is wrong.
  frames: { create: 2 },
};
