import { ServiceProxy } from "barepod";
import { serviceProxySpec } from "../../../../provider/resources/service-proxy";
import type { Case } from "../case";

/** A Service of no pods: its address refuses connections. */
export const serviceProxy: Case = {
  title: "ServiceProxy",
  name: "service",
  spec: serviceProxySpec,
  declare({ node, variant, name, options }) {
    if (variant === "absent") return;
    new ServiceProxy(
      name,
      {
        node,
        namespace: "conf",
        name: variant === "replaced" ? "svc-2" : "svc",
        clusterIP: "10.96.0.87",
        selector: { app: "nobody" },
        ports: [{ port: variant === "updated" ? 8087 : 8088 }],
      },
      options,
    );
  },
  look: "iptables-save | grep -- '-A KUBE-.*conf/svc' || :",
  inPlace: ["ports"],
  replace: ["name"],
  remove: `for folder in /var/lib/barepod/services/conf_svc*; do "$(cat "$folder/program")" remove "\${folder##*/}"; done`,
  change: "iptables-save | grep '^-A KUBE-SERVICES.*conf/svc' | sed 's/^-A/iptables -D/' | sh",
  changed: ["up"],
};
