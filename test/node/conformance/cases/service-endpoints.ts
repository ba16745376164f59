import { ServiceEndpoints } from "barepod";
import { serviceEndpointsSpec } from "../../../../provider/resources/service-endpoints";
import type { Case } from "../case";

/** Endpoints of a Service that is not declared. */
export const serviceEndpoints: Case = {
  title: "ServiceEndpoints",
  name: "endpoints",
  spec: serviceEndpointsSpec,
  declare({ node, variant, name, options }) {
    if (variant === "absent") return;
    new ServiceEndpoints(
      name,
      {
        node,
        namespace: "conf",
        name: variant === "replaced" ? "ends-2" : "ends",
        service: "nobody",
        ports: [{ port: variant === "updated" ? 8087 : 8088 }],
        endpoints: [{ address: "192.0.2.7" }],
      },
      options,
    );
  },
  look: "cat /var/lib/barepod/services/.slices/* 2>/dev/null || :",
  inPlace: ["ports"],
  replace: ["name"],
  remove: "rm /var/lib/barepod/services/.slices/conf_ends*",
  change: "for file in /var/lib/barepod/services/.slices/conf_ends*; do sed -i s/192.0.2.7/192.0.2.8/ $file; done",
  changed: ["up"],
};
