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
  it("limits a container that has no limit by the pod's, and weighs it by that if it asks for nothing", () => {
    const pod = { cpuLimitMilli: 200, memoryLimitBytes: 4 * MI };
    expect(containerCgroup({}, pod)).toEqual({ cpuShares: 204, cpuQuota: 20000, memoryMax: 4 * MI });
    expect(containerCgroup({ cpuRequestMilli: 100 }, pod)).toMatchObject({ cpuShares: 102, cpuQuota: 20000 });
    expect(containerCgroup(full, pod)).toEqual(containerCgroup(full));
    expect(containerCgroup({}, { cpuRequestMilli: 500 })).toEqual({ cpuShares: 2 });
  });

  const init = (cpu: number, more: object = {}) => ({
    cpuRequestMilli: cpu,
    cpuLimitMilli: cpu,
    memoryRequestBytes: cpu * MI,
    memoryLimitBytes: cpu * MI,
    isSidecar: false,
    ...more,
  });
  const sidecar = (cpu: number) => init(cpu, { isSidecar: true });
  /** As ResourceConfigForPod has it, the weight as a kubelet makes it of the shares: a container's of 1024 is 100. */
  const table: [name: string, pod: Parameters<typeof podCgroup>, group: object][] = [
    ["nothing asked for", [[{}, {}]], { cpuShares: 2, cpuWeight: 1 }],
    ["a sum", [[full, full]], { cpuShares: 1024, cpuWeight: 39, cpuQuota: 100000, memoryMax: 2 * MI }],
    [
      "a limit of CPU missing",
      [[full, { memoryLimitBytes: MI }]],
      { cpuShares: 512, cpuWeight: 20, memoryMax: 2 * MI },
    ],
    ["both limits missing", [[full, {}]], { cpuShares: 512, cpuWeight: 20 }],
    [
      "less than the kernel's least",
      [[init(4), init(3)]],
      { cpuShares: 7, cpuWeight: 1, cpuQuota: 1000, memoryMax: 7 * MI },
    ],
    [
      "an init container that needs more",
      [[init(200)], [init(700)]],
      { cpuShares: 716, cpuWeight: 28, cpuQuota: 70000, memoryMax: 700 * MI },
    ],
    [
      "one that needs less",
      [[init(200)], [init(100)]],
      { cpuShares: 204, cpuWeight: 8, cpuQuota: 20000, memoryMax: 200 * MI },
    ],
    [
      "a sidecar beside them",
      [[init(200)], [sidecar(100)]],
      { cpuShares: 307, cpuWeight: 12, cpuQuota: 30000, memoryMax: 300 * MI },
    ],
    [
      "a sidecar before an init container",
      [[init(200)], [sidecar(100), init(300)]],
      { cpuShares: 409, cpuWeight: 16, cpuQuota: 40000, memoryMax: 400 * MI },
    ],
    [
      "a sidecar after it",
      [[init(200)], [init(250), sidecar(100)]],
      { cpuShares: 307, cpuWeight: 12, cpuQuota: 30000, memoryMax: 300 * MI },
    ],
    ["an init container without limits", [[init(200)], [{ isSidecar: false }]], { cpuShares: 204, cpuWeight: 8 }],
    [
      "all there is",
      [[init(300_000)]],
      { cpuShares: 262_144, cpuWeight: 10_000, cpuQuota: 30_000_000, memoryMax: 300_000 * MI },
    ],
  ];
  it.each(table)("around a pod: %s", (_, pod, group) => expect(podCgroup(...pod)).toEqual(group));
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
      cpuWeight: 79,
      cpuQuota: 200000,
      memoryMax: MI,
    });
    expect(podCgroup([full, full], [], { memoryLimitBytes: MI })).toEqual({
      cpuShares: 1024,
      cpuWeight: 39,
      cpuQuota: 100000,
      memoryMax: MI,
    });
    expect(podCgroup([{}], [], { cpuRequestMilli: 1500 })).toEqual({ cpuShares: 1536, cpuWeight: 59 });
  });
});
