import * as pulumi from "@pulumi/pulumi";
import { type NormalizedService, normalizeService } from "../kubernetes/normalize-service";
import type { ServiceManifest, ServiceSpec } from "../kubernetes/service-types";
import type { ObjectMeta } from "../kubernetes/types";
import type { Node } from "../resources/node";
import { ServiceProxy } from "../resources/service-proxy";
import { claimName, warnOfNoPods } from "./declared";
import { checked } from "./objects";

/** The arguments of a {@link Service}: a Kubernetes Service's, and on which node it is. */
export interface ServiceArgs extends ServiceManifest {
  /** The node whose pods it leads to. Changing this replaces it. */
  readonly on: Node;
}

/** What a Service tells about itself, as Kubernetes names it. */
export interface ServiceStatus {
  /** Of type LoadBalancer: the node's own address. */
  readonly loadBalancer: { readonly ingress?: readonly { readonly ip: string }[] };
}

/**
 * A Kubernetes Service for the pods of one node, declared as for `@pulumi/kubernetes`: an address that stays, and leads to those
 * of its pods that are ready. Pods come and go on the node without Pulumi; pods and Services may be declared in any order.
 *
 * It is reached from the node's pods and from the node itself, with the types `NodePort` and `LoadBalancer` from outside too. A
 * load balancer is the node itself: its address, and the ports of the Service.
 *
 * @example
 * ```ts
 * const web = new Service("web", { on: node, spec: { selector: { app: "web" }, ports: [{ port: 80 }] } });
 * export const address = web.spec.apply((spec) => spec.clusterIP);
 * ```
 */
export class Service extends pulumi.ComponentResource {
  readonly apiVersion: pulumi.Output<"v1">;
  readonly kind: pulumi.Output<"Service">;
  readonly metadata: pulumi.Output<ObjectMeta>;
  /** With the address and the ports of the node that it has got. */
  readonly spec: pulumi.Output<ServiceSpec>;
  readonly status: pulumi.Output<ServiceStatus>;

  constructor(name: string, args: ServiceArgs, options?: pulumi.ComponentResourceOptions) {
    super("barepod:index:Service", name, {}, options);
    const service = checked(this, `Service "${name}"`, args, () => {
      const normal = normalizeService(name, args);
      claimName("Service", name, args.on, normal);
      return normal;
    });
    const proxy = new ServiceProxy(
      `${name}-proxy`,
      { node: args.on, ...proxyArgs(service) },
      { parent: this, dependsOn: options?.dependsOn ?? [] },
    );
    warnOfNoPods(this, args.on, service);
    this.apiVersion = pulumi.output("v1" as const);
    this.kind = pulumi.output("Service" as const);
    const { namespace, labels, annotations } = service;
    this.metadata = pulumi.output({ name: service.name, namespace, labels, annotations }) as pulumi.Output<ObjectMeta>;
    this.spec = pulumi
      .all([proxy.assignedIP, proxy.assignedPorts])
      .apply(([clusterIP, ports]) => specOf(service, clusterIP, ports)) as pulumi.Output<ServiceSpec>;
    this.status = proxy.ingress.apply((ingress) => ({
      loadBalancer: ingress.length === 0 ? {} : { ingress: ingress.map((ip) => ({ ip })) },
    }));
    const { metadata, spec, status } = this;
    this.registerOutputs({ metadata, spec, status });
  }
}

/** Only what is not the default: one that a later release adds must not show in every stack. */
function proxyArgs(service: NormalizedService) {
  const { namespace, name, type, clusterIP, selector, externalIPs, loadBalancerSourceRanges, affinitySeconds } =
    service;
  return {
    namespace,
    name,
    ...(type !== "ClusterIP" && { type }),
    ...(clusterIP !== undefined && { clusterIP }),
    ...(Object.keys(selector).length > 0 && { selector: { ...selector } }),
    ports: service.ports.map(({ name, port, protocol, targetPort, nodePort }) => ({
      ...(name !== undefined && { name }),
      port,
      ...(protocol !== "TCP" && { protocol }),
      ...(targetPort !== port && { targetPort }),
      ...(nodePort !== undefined && { nodePort }),
    })),
    ...(externalIPs.length > 0 && { externalIPs: [...externalIPs] }),
    ...(loadBalancerSourceRanges.length > 0 && { loadBalancerSourceRanges: [...loadBalancerSourceRanges] }),
    ...(!service.allocateLoadBalancerNodePorts && { allocateLoadBalancerNodePorts: false }),
    ...(affinitySeconds !== undefined && { affinitySeconds }),
    ...(service.internalTrafficPolicy !== "Cluster" && { internalTrafficPolicy: service.internalTrafficPolicy }),
    ...(service.externalTrafficPolicy !== "Cluster" && { externalTrafficPolicy: service.externalTrafficPolicy }),
    ...(service.publishNotReadyAddresses && { publishNotReadyAddresses: true }),
  };
}

function specOf(
  service: NormalizedService,
  clusterIP: string,
  ports: pulumi.Unwrap<ServiceProxy["assignedPorts"]>,
): Record<string, unknown> {
  const { type, selector, externalIPs, loadBalancerSourceRanges, affinitySeconds } = service;
  return {
    type,
    clusterIP,
    clusterIPs: [clusterIP],
    selector,
    ports: service.ports.map((port) => {
      const found = ports.find((each) => each.protocol === port.protocol && each.port === port.port);
      return { ...port, ...((found?.nodePort ?? 0) !== 0 && { nodePort: found?.nodePort }) };
    }),
    ...(externalIPs.length > 0 && { externalIPs }),
    ...(loadBalancerSourceRanges.length > 0 && { loadBalancerSourceRanges }),
    sessionAffinity: affinitySeconds === undefined ? "None" : "ClientIP",
    ...(affinitySeconds !== undefined && {
      sessionAffinityConfig: { clientIP: { timeoutSeconds: affinitySeconds } },
    }),
    internalTrafficPolicy: service.internalTrafficPolicy,
    ...(type !== "ClusterIP" && { externalTrafficPolicy: service.externalTrafficPolicy }),
    ...(service.publishNotReadyAddresses && { publishNotReadyAddresses: true }),
  };
}
