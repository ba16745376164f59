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
  /** Refused: Kubernetes itself has given it up. */
  topologyKeys?: Input<Input<string>[] | undefined>;
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

/** An EndpointSlice as in a manifest (discovery.k8s.io/v1). */
export interface EndpointSliceManifest {
  /** `IPv4`. */
  addressType: Input<string>;
  /** As in Kubernetes; may be left out. */
  apiVersion?: Input<"discovery.k8s.io/v1" | undefined>;
  /** Where the Service leads to. */
  endpoints?: Input<Input<Endpoint>[] | undefined>;
  /** As in Kubernetes; may be left out. */
  kind?: Input<"EndpointSlice" | undefined>;
  /** The label `kubernetes.io/service-name` names the Service, of the same namespace. */
  metadata?: Input<ObjectMeta | undefined>;
  /** The ports there; a port's name is that of the Service's port. */
  ports?: Input<Input<EndpointPort>[] | undefined>;
}

/** Addresses that a Service leads to. */
export interface Endpoint {
  /** IPv4 addresses; the first counts, as in Kubernetes. */
  addresses: Input<Input<string>[]>;
  /** Whether connections go there. */
  conditions?: Input<EndpointConditions | undefined>;
  /** Refused: Kubernetes itself has given it up. */
  deprecatedTopology?: Input<StringMap | undefined>;
  /** Refused: there are no zones. */
  hints?: Input<EndpointHints | undefined>;
  /** Refused: there is no cluster DNS yet to give the name. */
  hostname?: Input<string | undefined>;
  /** The Node's name where it is on this node: then it counts for the policies `Local`. */
  nodeName?: Input<string | undefined>;
  /** Refused: the pods of the node are selected by the Service's `selector`. */
  targetRef?: Input<EndpointTarget | undefined>;
  /** Accepted: on one node all are equally near. */
  zone?: Input<string | undefined>;
}

/** Whether connections go to an endpoint. */
export interface EndpointConditions {
  /** Default `true`. */
  ready?: Input<boolean | undefined>;
  /** Accepted: `ready` decides. */
  serving?: Input<boolean | undefined>;
  /** Accepted: `ready` decides. */
  terminating?: Input<boolean | undefined>;
}

/** Refused with `hints`. */
export interface EndpointHints {
  forNodes?: Input<Input<{ name: Input<string> }>[] | undefined>;
  forZones?: Input<Input<{ name: Input<string> }>[] | undefined>;
}

/** Refused with `targetRef`. */
export interface EndpointTarget {
  apiVersion?: Input<string | undefined>;
  fieldPath?: Input<string | undefined>;
  kind?: Input<string | undefined>;
  name?: Input<string | undefined>;
  namespace?: Input<string | undefined>;
  resourceVersion?: Input<string | undefined>;
  uid?: Input<string | undefined>;
}

/** A port of endpoints. */
export interface EndpointPort {
  /** Says what is spoken; without effect on the node. */
  appProtocol?: Input<string | undefined>;
  /** That of the Service's port. */
  name?: Input<string | undefined>;
  /** 1 to 65535. */
  port?: Input<number | undefined>;
  /** `TCP` (default), `UDP` or `SCTP`. */
  protocol?: Input<string | undefined>;
}
