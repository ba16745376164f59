/**
 * A Service as `@pulumi/kubernetes` types it, assignable both ways; see `types.ts`. Its structure must be plain when a program
 * runs. See https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/
 */
import type { Input } from "@pulumi/pulumi";
import type { StringMap } from "./container-types";
import type { ObjectMeta } from "./types";

/** A Service as in a manifest. */
export interface ServiceManifest {
  /** As in Kubernetes; may be left out. */
  apiVersion?: Input<"v1" | undefined>;
  /** As in Kubernetes; may be left out. */
  kind?: Input<"Service" | undefined>;
  /** Name, namespace, labels and annotations. */
  metadata?: Input<ObjectMeta | undefined>;
  /** Which pods it leads to, and from where it is reached. */
  spec?: Input<ServiceSpec | undefined>;
}

/** Which pods a Service leads to, and from where it is reached. */
export interface ServiceSpec {
  /** `false`: type LoadBalancer takes no ports of the node. Default `true`. */
  allocateLoadBalancerNodePorts?: Input<boolean | undefined>;
  /** An IPv4 address of the node's service range, or `None` (headless). Default: one that is free, and kept. */
  clusterIP?: Input<string | undefined>;
  /** The same as a list of one. */
  clusterIPs?: Input<Input<string>[] | undefined>;
  /** Further addresses that lead to it, when packets for them come to the node. */
  externalIPs?: Input<Input<string>[] | undefined>;
  /** Refused: there is no cluster DNS yet to give the name. */
  externalName?: Input<string | undefined>;
  /** `Local`: clients from outside are led to pods of this node only, which see their addresses. Default `Cluster`. */
  externalTrafficPolicy?: Input<string | undefined>;
  /** Refused: there is no load balancer to ask for it. */
  healthCheckNodePort?: Input<number | undefined>;
  /** `Local`: clients in the node are led to pods of this node only. Default `Cluster`. */
  internalTrafficPolicy?: Input<string | undefined>;
  /** `IPv4`. */
  ipFamilies?: Input<Input<string>[] | undefined>;
  /** Refused: Kubernetes itself has given it up; use ipFamilies. */
  ipFamily?: Input<string | undefined>;
  /** `SingleStack`, or `PreferDualStack`, which is the same where pods have IPv4 addresses only. */
  ipFamilyPolicy?: Input<string | undefined>;
  /** Refused: the node itself is the load balancer. */
  loadBalancerClass?: Input<string | undefined>;
  /** Refused: the node's own address is used; give others as externalIPs. */
  loadBalancerIP?: Input<string | undefined>;
  /** From where the address of the load balancer is reached. Default: from anywhere. */
  loadBalancerSourceRanges?: Input<Input<string>[] | undefined>;
  /** Its ports. */
  ports?: Input<Input<ServicePort>[] | undefined>;
  /** Leads to pods that are not ready, too. Default `false`. */
  publishNotReadyAddresses?: Input<boolean | undefined>;
  /** The labels of the pods, in the Service's namespace and on its node. */
  selector?: Input<StringMap | undefined>;
  /** `ClientIP`: a client is led to the same pod again. Default `None`. */
  sessionAffinity?: Input<string | undefined>;
  /** For how long. */
  sessionAffinityConfig?: Input<SessionAffinityConfig | undefined>;
  /** Accepted: on one node all pods are equally near. */
  trafficDistribution?: Input<string | undefined>;
  /** `ClusterIP` (default), `NodePort` or `LoadBalancer`. */
  type?: Input<string | undefined>;
}

/** A port of a Service. */
export interface ServicePort {
  /** Says what is spoken; without effect on the node. */
  appProtocol?: Input<string | undefined>;
  /** A DNS label; needed where there are several ports. */
  name?: Input<string | undefined>;
  /** The node's port, 30000 to 32767. Default: one that is free, and kept. */
  nodePort?: Input<number | undefined>;
  /** 1 to 65535. */
  port: Input<number>;
  /** `TCP` (default), `UDP`, or `SCTP` where the node's kernel tracks it. */
  protocol?: Input<string | undefined>;
  /** The pods' port, or its name. Default: `port`. */
  targetPort?: Input<number | string | undefined>;
}

/** For how long a client is led to the same pod. */
export interface SessionAffinityConfig {
  clientIP?: Input<ClientIPConfig | undefined>;
}

/** For how long a client is led to the same pod. */
export interface ClientIPConfig {
  /** 1 to 86400. Default 10800, three hours. */
  timeoutSeconds?: Input<number | undefined>;
}
