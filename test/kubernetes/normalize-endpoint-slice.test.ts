import { describe, expect, test } from "vitest";
import { normalizeEndpointSlice } from "../../provider/kubernetes/normalize-endpoint-slice";
import type {
  Endpoint,
  EndpointConditions,
  EndpointPort,
  EndpointSliceManifest,
} from "../../provider/kubernetes/service-types";
import { ENDPOINT_SLICE } from "../../provider/kubernetes/support-service";

const metadata = { labels: { "kubernetes.io/service-name": "db" } };
const endpoints = [{ addresses: ["192.0.2.20"] }];
const slice = (more: object) => normalizeEndpointSlice("db-1", { metadata, addressType: "IPv4", endpoints, ...more });

const fields: Record<keyof EndpointSliceManifest, true> = {
  addressType: true,
  apiVersion: true,
  endpoints: true,
  kind: true,
  metadata: true,
  ports: true,
};
const endpointFields: Record<keyof Endpoint, true> = {
  addresses: true,
  conditions: true,
  deprecatedTopology: true,
  hints: true,
  hostname: true,
  nodeName: true,
  targetRef: true,
  zone: true,
};
const conditions: Record<keyof EndpointConditions, true> = { ready: true, serving: true, terminating: true };
const portFields: Record<keyof EndpointPort, true> = { appProtocol: true, name: true, port: true, protocol: true };

describe("an EndpointSlice", () => {
  test("has each field of its types in the table", () => {
    const { endpoints: each, ports } = ENDPOINT_SLICE;
    expect(Object.keys(ENDPOINT_SLICE).sort()).toEqual(Object.keys(fields).sort());
    expect(Object.keys(each?.fields ?? {}).sort()).toEqual(Object.keys(endpointFields).sort());
    expect(Object.keys(each?.fields?.["conditions"]?.fields ?? {}).sort()).toEqual(Object.keys(conditions).sort());
    expect(Object.keys(ports?.fields ?? {}).sort()).toEqual(Object.keys(portFields).sort());
  });

  test("leads to the first address of each endpoint that is ready", () => {
    const given = {
      endpoints: [
        { addresses: ["192.0.2.20", "192.0.2.21"], nodeName: "edge" },
        { addresses: ["192.0.2.22"], conditions: { ready: false } },
        { addresses: ["192.0.2.23"], conditions: { ready: true } },
      ],
      ports: [{ port: 5432 }],
    };
    expect(slice(given)).toMatchObject({
      name: "db-1",
      namespace: "default",
      service: "db",
      ports: [{ port: 5432, protocol: "TCP" }],
      endpoints: [{ address: "192.0.2.20", nodeName: "edge" }, { address: "192.0.2.23" }],
    });
  });

  test.each([
    ["no Service", { metadata: {} }, 'metadata.labels["kubernetes.io/service-name"]: is required'],
    ["another family", { addressType: "IPv6" }, 'addressType: must be "IPv4"'],
    ["no address", { endpoints: [{ addresses: [] }] }, "endpoints[0].addresses: needs at least one address"],
    ["an address of IPv6", { endpoints: [{ addresses: ["fd00::1"] }] }, "endpoints[0].addresses[0]: must be an IPv4"],
    ["an address of loopback", { endpoints: [{ addresses: ["127.0.0.1"] }] }, "endpoints[0].addresses[0]: must be"],
    ["all ports", { ports: [{}] }, "ports[0].port: is required"],
    ["port 70000", { ports: [{ port: 70_000 }] }, "ports[0].port: must be between 1 and 65535"],
    ["two ports of one name", { ports: [{ port: 1 }, { port: 2 }] }, "ports[1].name: must be unique"],
    [
      "a reference",
      { endpoints: [{ addresses: ["192.0.2.1"], targetRef: { name: "x" } }] },
      "endpoints[0].targetRef: is not supported",
    ],
  ])("must not have %s", (_, more, message) => {
    expect(() => slice(more)).toThrow(message);
  });
});
