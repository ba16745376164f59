/** Which fields of a Service there are, and what becomes of each, in the words of `support.ts`. */
import {
  boolean,
  type Fields,
  integer,
  integerOrString,
  LIST,
  map,
  object,
  REQUIRED,
  refused,
  refusedList,
  refusedMap,
  string,
} from "./field";
import { METADATA } from "./support";

const policy = { values: ["Cluster", "Local"] } as const;

/** A Service, from the top of a manifest. */
export const SERVICE: Fields = {
  apiVersion: string("As in Kubernetes.", { values: ["v1"] }),
  kind: string("As in Kubernetes.", { values: ["Service"] }),
  metadata: object("Name, namespace, labels and annotations.", METADATA),
  spec: object(
    "Which pods it leads to, and from where it is reached.",
    {
      allocateLoadBalancerNodePorts: boolean("`false`: type LoadBalancer takes no ports of the node. Default `true`."),
      clusterIP: string("An IPv4 address of the node's service range, or `None`. Default: one that is free, and kept."),
      clusterIPs: string("The same as a list of one.", LIST),
      externalIPs: string("Further addresses that lead to it, when packets for them come to the node.", LIST),
      externalName: refused("there is no cluster DNS to give the name", "next"),
      externalTrafficPolicy: string("`Local` keeps the clients' addresses. Default `Cluster`.", policy),
      healthCheckNodePort: refused("there is no load balancer to ask for it", "never", { values: [0] }),
      internalTrafficPolicy: string("`Local`: pods of this node only. Default `Cluster`.", policy),
      ipFamilies: string("`IPv4`: pods have no other address.", { ...LIST, values: ["IPv4"] }),
      ipFamily: refused("Kubernetes itself has given it up; use ipFamilies", "never"),
      ipFamilyPolicy: string("`PreferDualStack` is the same where pods have IPv4 addresses only.", {
        values: ["SingleStack", "PreferDualStack"],
      }),
      loadBalancerClass: refused("the node itself is the load balancer", "never"),
      loadBalancerIP: refused("the node's own address is used; give others as externalIPs", "never"),
      loadBalancerSourceRanges: string("From where the load balancer's address is reached. Default: anywhere.", LIST),
      ports: object(
        "Its ports.",
        {
          appProtocol: string("Says what is spoken; without effect on the node."),
          name: string("A DNS label; needed where there are several ports."),
          nodePort: integer("The node's port, 30000 to 32767. Default: one that is free, and kept."),
          port: integer("1 to 65535.", REQUIRED),
          protocol: string("Default `TCP`.", { values: ["TCP", "UDP", "SCTP"] }),
          targetPort: integerOrString("The pods' port, or its name. Default: `port`."),
        },
        LIST,
      ),
      publishNotReadyAddresses: boolean("Leads to pods that are not ready, too. Default `false`."),
      selector: map("The labels of the pods, in the Service's namespace and on its node."),
      sessionAffinity: string("`ClientIP`: a client is led to the same pod again.", { values: ["None", "ClientIP"] }),
      sessionAffinityConfig: object("For how long.", {
        clientIP: object("For how long.", { timeoutSeconds: integer("1 to 86400. Default 10800.") }),
      }),
      topologyKeys: refusedList("Kubernetes itself has given it up", "never"),
      trafficDistribution: string("Without effect: on one node all pods are equally near."),
      type: string("From where it is reached. Default `ClusterIP`.", {
        values: ["ClusterIP", "NodePort", "LoadBalancer"],
      }),
    },
    REQUIRED,
  ),
};

/** An EndpointSlice, from the top of a manifest. */
export const ENDPOINT_SLICE: Fields = {
  addressType: string("`IPv4`: the node's pods have no other.", { ...REQUIRED, values: ["IPv4"] }),
  apiVersion: string("As in Kubernetes.", { values: ["discovery.k8s.io/v1"] }),
  endpoints: object(
    "Where the Service leads to.",
    {
      addresses: string("IPv4 addresses; the first counts.", { ...LIST, ...REQUIRED }),
      conditions: object("Whether connections go there.", {
        ready: boolean("Default `true`."),
        serving: boolean("Without effect: `ready` decides."),
        terminating: boolean("Without effect: `ready` decides."),
      }),
      deprecatedTopology: refusedMap("Kubernetes itself has given it up", "never"),
      hints: refused("there are no zones", "never", { below: "forNodes[]{name} forZones[]{name}" }),
      hostname: refused("there is no cluster DNS to give the name", "next"),
      nodeName: string("The Node's name where it is on this node: then it counts for the policies `Local`."),
      targetRef: refused("the pods of the node are selected by the Service's selector", "never", {
        below: "apiVersion fieldPath kind name namespace resourceVersion uid",
      }),
      zone: string("Without effect: on one node all are equally near."),
    },
    LIST,
  ),
  kind: string("As in Kubernetes.", { values: ["EndpointSlice"] }),
  metadata: object("The label `kubernetes.io/service-name` names the Service.", METADATA),
  ports: object(
    "The ports there.",
    {
      appProtocol: string("Says what is spoken; without effect on the node."),
      name: string("That of the Service's port."),
      port: integer("1 to 65535."),
      protocol: string("Default `TCP`.", { values: ["TCP", "UDP", "SCTP"] }),
    },
    LIST,
  ),
};
