import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ContainerResources,
  containerCgroup,
  cpuQuota,
  cpuShares,
  cpuWeight,
  oomScore,
  podCgroup,
  qosClass,
} from "../../provider/kubernetes/resources";

const MI = 1024 * 1024;
const full = { cpuLimitMilli: 500, cpuRequestMilli: 500, memoryLimitBytes: MI, memoryRequestBytes: MI };

describe("qosClass", () => {
  const table: [name: string, containers: ContainerResources[], qos: string][] = [
    ["nothing asked for", [{}, {}], "BestEffort"],
    ["zeros only", [{ cpuRequestMilli: 0, memoryRequestBytes: 0 }], "BestEffort"],
    ["limits equal to requests everywhere", [full, full], "Guaranteed"],
    ["one container without", [full, {}], "Burstable"],
    ["a limit of memory missing", [{ cpuLimitMilli: 1, cpuRequestMilli: 1 }], "Burstable"],
    ["requests below limits", [{ ...full, cpuRequestMilli: 100 }], "Burstable"],
    ["a request only", [{ memoryRequestBytes: MI }], "Burstable"],
  ];
  it.each(table)("%s", (_, containers, qos) => expect(qosClass(containers)).toBe(qos));
});

describe("the processor", () => {
  it.each([
    // Thousandths of a CPU, shares, weight by the old formula, weight by the new one.
    [0, 2, 1, 1],
    [1, 2, 1, 1],
    [100, 102, 4, 17],
    [500, 512, 20, 59],
    [1000, 1024, 39, 100],
    [2000, 2048, 79, 174],
    [256000, 262144, 10000, 10000],
    [1e9, 262144, 10000, 10000],
  ])("%d thousandths are %d shares, weight %d or %d", (milli, shares, old, now) => {
    expect(cpuShares(milli)).toBe(shares);
    expect(cpuWeight(shares, "old")).toBe(old);
    expect(cpuWeight(shares, "new")).toBe(now);
  });

  it("keeps weights within the kernel's range and in order", () => {
    const shares = fc.integer({ min: 2, max: 262144 });
    fc.assert(
      fc.property(shares, shares, fc.constantFrom("old" as const, "new" as const), (a, b, formula) => {
        const [low, high] = [cpuWeight(Math.min(a, b), formula), cpuWeight(Math.max(a, b), formula)];
        expect(low).toBeGreaterThanOrEqual(1);
        expect(high).toBeLessThanOrEqual(10000);
        expect(low).toBeLessThanOrEqual(high);
      }),
    );
  });

  it.each([
    [1, 1000],
    [5, 1000],
    [10, 1000],
    [15, 1500],
    [500, 50000],
    [2000, 200000],
  ])("%d thousandths are a quota of %d microseconds", (milli, quota) => expect(cpuQuota(milli)).toBe(quota));
});

describe("cgroups", () => {
  it("gives a container its own limits, and shares of the limit if it asks for nothing", () => {
    expect(containerCgroup({})).toEqual({ cpuShares: 2 });
    expect(containerCgroup({ cpuLimitMilli: 500, memoryLimitBytes: MI })).toEqual({
      cpuShares: 512,
      cpuQuota: 50000,
      memoryMax: MI,
    });
    expect(containerCgroup({ cpuLimitMilli: 500, cpuRequestMilli: 0 })).toEqual({ cpuShares: 2, cpuQuota: 50000 });
  });
  it("limits a pod only in what all its containers limit", () => {
    expect(podCgroup([full, full])).toEqual({ cpuShares: 1024, cpuQuota: 100000, memoryMax: 2 * MI });
    expect(podCgroup([full, { memoryLimitBytes: MI }])).toEqual({ cpuShares: 512, memoryMax: 2 * MI });
    expect(podCgroup([full, {}])).toEqual({ cpuShares: 512 });
  });
});

describe("what the kernel ends when memory runs out", () => {
  it("depends on the QoS class, and for a burstable container on what it asks for", () => {
    expect(oomScore(full, [full])).toEqual({ oomScoreAdj: -997 });
    expect(oomScore({}, [{}, {}])).toEqual({ oomScoreAdj: 1000 });
    expect(oomScore({}, [{}, full])).toEqual({ memoryRequest: 0 });
    expect(oomScore(full, [{}, full])).toEqual({ memoryRequest: MI });
  });
  it("gives each container a share of what the pod asks for beyond them", () => {
    const pod = { memoryRequestBytes: 5 * MI };
    expect([{}, full].map((each) => oomScore(each, [{}, full], [], pod))).toEqual([
      { memoryRequest: 2 * MI },
      { memoryRequest: 3 * MI },
    ]);
    expect(oomScore({}, [{}, full], [{ isSidecar: true }], { memoryRequestBytes: 4 * MI })).toEqual({
      memoryRequest: MI,
    });
  });
  it("ends a sidecar no sooner than all that it is for, and takes init containers as they are", () => {
    const sidecar = { memoryRequestBytes: MI, isSidecar: true };
    const init = { ...sidecar, isSidecar: false };
    const mains = [{ memoryRequestBytes: 4 * MI }, { memoryRequestBytes: 3 * MI }];
    expect(oomScore(sidecar, mains, [sidecar, init])).toEqual({ memoryRequest: 3 * MI });
    expect(oomScore(init, mains, [sidecar, init])).toEqual({ memoryRequest: MI });
    expect(oomScore({ ...sidecar, memoryRequestBytes: 9 * MI }, mains, [sidecar])).toEqual({ memoryRequest: 9 * MI });
    expect(oomScore(full, [full], [{ isSidecar: false }])).toEqual({ memoryRequest: MI });
  });
});

describe("resources of a whole pod", () => {
  const whole = { cpuLimitMilli: 2000, cpuRequestMilli: 2000, memoryLimitBytes: MI, memoryRequestBytes: MI };
  it("decide the QoS class alone", () => {
    expect(qosClass([{}, {}], whole)).toBe("Guaranteed");
    expect(qosClass([full], { cpuRequestMilli: 2000 })).toBe("Burstable");
    expect(qosClass([{}], {})).toBe("BestEffort");
  });
  it("set its cgroup, and leave the rest to the containers", () => {
    expect(podCgroup([{}, full], [{ isSidecar: true }], whole)).toEqual({
      cpuShares: 2048,
      cpuQuota: 200000,
      memoryMax: MI,
    });
    expect(podCgroup([full, full], [], { memoryLimitBytes: MI })).toEqual({
      cpuShares: 1024,
      cpuQuota: 100000,
      memoryMax: MI,
    });
  });
});
