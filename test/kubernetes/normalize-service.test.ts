import { describe, expect, test } from "vitest";
import { normalizeService } from "../../provider/kubernetes/normalize-service";
import type { ServicePort, ServiceSpec } from "../../provider/kubernetes/service-types";
import { SERVICE } from "../../provider/kubernetes/support-service";

const port = { port: 80 };
const service = (spec: object) => normalizeService("web", { spec });

/** Every field of the types: the compiler sees that none is missing. */
const specFields: Record<keyof ServiceSpec, true> = {
  allocateLoadBalancerNodePorts: true,
  clusterIP: true,
  clusterIPs: true,
  externalIPs: true,
  externalName: true,
  externalTrafficPolicy: true,
  healthCheckNodePort: true,
  internalTrafficPolicy: true,
  ipFamilies: true,
  ipFamily: true,
  ipFamilyPolicy: true,
  loadBalancerClass: true,
  loadBalancerIP: true,
  loadBalancerSourceRanges: true,
  ports: true,
  publishNotReadyAddresses: true,
  selector: true,
  sessionAffinity: true,
  sessionAffinityConfig: true,
  topologyKeys: true,
  trafficDistribution: true,
  type: true,
};
const portFields: Record<keyof ServicePort, true> = {
  appProtocol: true,
  name: true,
  nodePort: true,
  port: true,
  protocol: true,
  targetPort: true,
};

describe("a Service", () => {
  test("has each field of its types in the table", () => {
    const spec = SERVICE["spec"]?.fields ?? {};
    expect(Object.keys(spec).sort()).toEqual(Object.keys(specFields).sort());
    expect(Object.keys(spec["ports"]?.fields ?? {}).sort()).toEqual(Object.keys(portFields).sort());
  });

  test("has Kubernetes' defaults", () => {
    expect(service({ selector: { app: "web" }, ports: [port] })).toEqual({
      name: "web",
      namespace: "default",
      labels: {},
      annotations: {},
      type: "ClusterIP",
      selector: { app: "web" },
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
      externalIPs: [],
      loadBalancerSourceRanges: [],
      allocateLoadBalancerNodePorts: true,
      internalTrafficPolicy: "Cluster",
      externalTrafficPolicy: "Cluster",
      publishNotReadyAddresses: false,
    });
    expect(service({ sessionAffinity: "ClientIP", ports: [port] }).affinitySeconds).toBe(10_800);
    expect(service({ clusterIPs: ["None"] }).clusterIP).toBe("None");
    expect(service({ type: "NodePort", ports: [{ ...port, nodePort: 30080, targetPort: "http" }] }).ports).toEqual([
      { port: 80, protocol: "TCP", targetPort: "http", nodePort: 30080 },
    ]);
  });

  test.each([
    ["no ports", {}, "spec.ports: needs at least one port, unless clusterIP is None"],
    ["two ports without names", { ports: [port, { port: 81 }] }, "spec.ports[0].name: is required"],
    [
      "two ports of one name",
      {
        ports: [
          { ...port, name: "a" },
          { port: 81, name: "a" },
        ],
      },
      "spec.ports[1].name: must be unique",
    ],
    [
      "one port twice",
      {
        ports: [
          { ...port, name: "a" },
          { ...port, name: "b" },
        ],
      },
      "spec.ports[1].port: must be unique for its protocol",
    ],
    ["port 0", { ports: [{ port: 0 }] }, "spec.ports[0].port: must be between 1 and 65535"],
    [
      "a target port of no name",
      { ports: [{ ...port, targetPort: "A b" }] },
      /^spec\.ports\[0\]\.targetPort: must be a port name/,
    ],
    [
      "a node port without a type",
      { ports: [{ ...port, nodePort: 30080 }] },
      "spec.ports[0].nodePort: needs the type NodePort or LoadBalancer",
    ],
    [
      "an address that is none",
      { clusterIP: "10.96.0", ports: [port] },
      "spec.clusterIP: must be an IPv4 address, or None",
    ],
    ["two addresses", { clusterIPs: ["10.96.0.1", "fd00::1"], ports: [port] }, "spec.clusterIPs: must be one address"],
    [
      "addresses that disagree",
      { clusterIP: "10.96.0.1", clusterIPs: ["10.96.0.2"], ports: [port] },
      "spec.clusterIPs[0]: must be the same",
    ],
    [
      "a headless node port",
      { type: "NodePort", clusterIP: "None", ports: [port] },
      "spec.clusterIP: must not be None with type NodePort",
    ],
    [
      "an external address of loopback",
      { externalIPs: ["127.0.0.1"], ports: [port] },
      "spec.externalIPs[0]: must be an IPv4 address",
    ],
    [
      "ranges without a balancer",
      { loadBalancerSourceRanges: ["10.0.0.0/8"], ports: [port] },
      "needs the type LoadBalancer",
    ],
    [
      "a range with bits beyond its prefix",
      { type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.1/8"], ports: [port] },
      "spec.loadBalancerSourceRanges[0]: must be an IPv4 range",
    ],
    [
      "an affinity that is too long",
      { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } }, ports: [port] },
      "must be between 1 and 86400",
    ],
    [
      "an external policy without a way in",
      { externalTrafficPolicy: "Local", ports: [port] },
      "spec.externalTrafficPolicy: needs the type",
    ],
    [
      "ExternalName",
      { type: "ExternalName", externalName: "x.example" },
      'spec.type: must be "ClusterIP", "NodePort" or "LoadBalancer"',
    ],
    ["two families", { ipFamilyPolicy: "RequireDualStack", ports: [port] }, "spec.ipFamilyPolicy: must be"],
    [
      "a selector of no label",
      { selector: { "a b": "x" }, ports: [port] },
      /^spec\.selector\["a b"\]: must be a qualified name/,
    ],
    ["a misspelt field", { clusterIp: "x", ports: [port] }, "spec.clusterIp: no such field; did you mean clusterIP"],
  ])("must not have %s", (_, spec, message) => {
    expect(() => service(spec)).toThrow(message);
  });

  test("needs a name that begins with a letter", () => {
    expect(() => normalizeService("1web", { spec: { ports: [port] } })).toThrow(
      "metadata.name: must be a DNS label that begins",
    );
    expect(() => normalizeService("web.x", { spec: { ports: [port] } })).toThrow(
      "metadata.name: must be a DNS label that begins",
    );
  });
});
