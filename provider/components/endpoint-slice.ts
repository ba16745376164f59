import * as pulumi from "@pulumi/pulumi";
import { normalizeEndpointSlice } from "../kubernetes/normalize-endpoint-slice";
import type { EndpointSliceManifest } from "../kubernetes/service-types";
import type { ObjectMeta } from "../kubernetes/types";
import type { Node } from "../resources/node";
import { ServiceEndpoints } from "../resources/service-endpoints";
import { claimName } from "./declared";
import { checked } from "./objects";

/** The arguments of an {@link EndpointSlice}: a Kubernetes EndpointSlice's, and on which node its Service is. */
export interface EndpointSliceArgs extends EndpointSliceManifest {
  /** The node of its Service. Changing this replaces it. */
  readonly on: Node;
}

/**
 * A Kubernetes EndpointSlice, declared as for `@pulumi/kubernetes`: where the Service that its label `kubernetes.io/service-name`
 * names leads to, beside the pods that it selects.
 *
 * @example
 * ```ts
 * new EndpointSlice("db-1", {
 *   on: node,
 *   metadata: { labels: { "kubernetes.io/service-name": "db" } },
 *   addressType: "IPv4",
 *   endpoints: [{ addresses: ["192.0.2.20"] }],
 *   ports: [{ port: 5432 }],
 * });
 * ```
 */
export class EndpointSlice extends pulumi.ComponentResource {
  readonly apiVersion: pulumi.Output<"discovery.k8s.io/v1">;
  readonly kind: pulumi.Output<"EndpointSlice">;
  readonly metadata: pulumi.Output<ObjectMeta>;

  constructor(name: string, args: EndpointSliceArgs, options?: pulumi.ComponentResourceOptions) {
    super("barepod:index:EndpointSlice", name, {}, options);
    const slice = checked(this, `EndpointSlice "${name}"`, args, () => {
      const normal = normalizeEndpointSlice(name, args);
      claimName("EndpointSlice", name, args.on, normal);
      return normal;
    });
    const { namespace, labels, annotations } = slice;
    const node = args.on;
    new ServiceEndpoints(
      `${name}-endpoints`,
      {
        node,
        namespace,
        name: slice.name,
        service: slice.service,
        ports: slice.ports.map(({ name: title, port, protocol }) => ({
          ...(title !== undefined && { name: title }),
          port,
          ...(protocol !== "TCP" && { protocol }),
        })),
        endpoints: node.reference.key.apply((key) =>
          slice.endpoints.map(({ address, nodeName }) => ({ address, ...(nodeName === key && { local: true }) })),
        ),
      },
      { parent: this, dependsOn: options?.dependsOn ?? [] },
    );
    this.apiVersion = pulumi.output("discovery.k8s.io/v1" as const);
    this.kind = pulumi.output("EndpointSlice" as const);
    this.metadata = pulumi.output({ name: slice.name, namespace, labels, annotations }) as pulumi.Output<ObjectMeta>;
    const { metadata } = this;
    this.registerOutputs({ metadata });
  }
}
