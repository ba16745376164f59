import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Command } from "../../provider/command/command";
import { type CGroupState, cgroupAt } from "../../provider/facts/cgroup";
import { checkInputs } from "../../provider/resource";
import { type CGroupInputs, cgroupSpec } from "../../provider/resources/cgroup";

const base = { node: "edge-1", connection: { host: "192.0.2.1" }, owner: "nonce/urn", path: "chroot0" };
const hybrid = {
  version: "hybrid",
  missing: [],
  swapAccount: true,
  swappiness: 60,
  cpuShares: 1024,
  inherited: { cpus: "", mems: "" },
} satisfies CGroupState;
const v2 = {
  version: "v2",
  missing: [],
  swapAccount: true,
  cpuWeight: 100,
  cpusetCpus: "",
  cpusetMems: "",
  inherited: { cpus: "", mems: "" },
} satisfies CGroupState;

/** The words that a plan hands to its script, by name. */
function plan(inputs: Partial<CGroupInputs>, seen?: CGroupState) {
  const commands = cgroupSpec.plan({ ...base, ...inputs }, seen);
  expect(commands.length).toBeLessThan(2);
  const [command] = commands as (Command & { kind: "raw" })[];
  if (command === undefined) return undefined;
  const [path, memory, sum, swap, swappiness, quota, shares, weight, pids, cpus, mems, needed, together] =
    command.words;
  return { path, memory, sum, swap, swappiness, quota, shares, weight, pids, cpus, mems, needed, together };
}

const nothing = {
  path: "chroot0",
  memory: "max",
  sum: "max",
  swap: "max",
  swappiness: "",
  quota: "max",
  shares: 1024,
  weight: 100,
  pids: "max",
  cpus: "",
  mems: "",
  needed: "",
  together: 0,
};

describe("the plan", () => {
  test.each<[string, Partial<CGroupInputs>, object]>([
    ["no limits", {}, {}],
    [
      "all of the example's",
      { memoryMax: "200Mi", memorySwapMax: 0, pidsMax: 100, cpuMax: "500m" },
      { memory: 209_715_200, sum: 209_715_200, swap: 0, pids: 100, quota: 50_000, needed: "memory cpu pids" },
    ],
    [
      "swap on top of the memory",
      { memoryMax: 10, memorySwapMax: "1Ki" },
      { memory: 10, sum: 1034, swap: 1024, needed: "memory" },
    ],
    ["no swap, without a limit of memory", { memorySwapMax: 0 }, { swap: 0 }],
    ["no process at all is one", { pidsMax: 0 }, { pids: 1, needed: "pids" }],
    ["less time than the kernel can give", { cpuMax: "1m" }, { quota: 1000, needed: "cpu" }],
    ["several processors", { cpuMax: 2.5 }, { quota: 250_000, needed: "cpu" }],
    ["the least weight", { cpuWeight: 1 }, { shares: 2, weight: 1, needed: "cpu" }],
    ["the largest weight", { cpuWeight: 10_000 }, { shares: 262_144, weight: 10_000, needed: "cpu" }],
    ["shares as a kubelet computes them", { cpuShares: 102 }, { shares: 102, weight: 17, needed: "cpu" }],
    [
      "shares for v1, and another weight",
      { cpuShares: 1024, cpuWeight: 39 },
      { shares: 1024, weight: 39, needed: "cpu" },
    ],
    ["an end of all together", { memoryOomGroup: true }, { together: 1 }],
    ["processors", { cpusetCpus: "0-2,4", cpusetMems: "0" }, { cpus: "0-2,4", mems: "0", needed: "cpuset" }],
    ["swappiness", { memorySwappiness: 0 }, { swappiness: 0, needed: "memory" }],
  ])("%s", (_name, inputs, words) => {
    expect(plan(inputs)).toEqual({ ...nothing, ...words });
  });

  test.each<[string, Partial<CGroupInputs>, CGroupState]>([
    ["nothing is limited", {}, hybrid],
    ["nothing is limited, on v2", {}, v2],
    ["ten bytes are no page", { memoryMax: 10 }, { ...hybrid, memoryMax: 0 }],
    [
      "and with swap, no page either",
      { memoryMax: 10, memorySwapMax: 0 },
      { ...hybrid, memoryMax: 0, memoryAndSwapMax: 0 },
    ],
    ["ten bytes, on v2", { memoryMax: 10, memorySwapMax: 10 }, { ...v2, memoryMax: 0, swapMax: 0 }],
    ["pages of 64 KiB", { memoryMax: 200_000 }, { ...hybrid, memoryMax: 196_608 }],
    [
      "both parts of the sum round together",
      { memoryMax: 5000, memorySwapMax: 5000 },
      { ...hybrid, memoryMax: 4096, memoryAndSwapMax: 8192 },
    ],
    ["no swap, which v1 cannot do alone", { memorySwapMax: 0 }, hybrid],
    ["and v2 can", { memorySwapMax: 0 }, { ...v2, swapMax: 0 }],
    ["no account of swap", { memoryMax: 4096, memorySwapMax: 0 }, { ...hybrid, swapAccount: false, memoryMax: 4096 }],
    ["another period with the same share", { cpuMax: "500m" }, { ...v2, cpuMax: { quota: 5000, period: 10_000 } }],
    ["a weight that v1 has as shares", { cpuWeight: 10_000 }, { ...hybrid, cpuShares: 262_144 }],
    ["shares that v2 has as a weight", { cpuShares: 102 }, { ...v2, cpuWeight: 17 }],
    ["a weight that v1 does not go by", { cpuShares: 1024, cpuWeight: 39 }, hybrid],
    ["shares that v2 does not go by", { cpuShares: 1024, cpuWeight: 39 }, { ...v2, cpuWeight: 39 }],
    ["an end of all together that v1 cannot", { memoryOomGroup: true }, hybrid],
    ["and that v2 can", { memoryOomGroup: true }, { ...v2, oomGroup: true }],
    ["another way to say the same processors", { cpusetCpus: "0,1,2-3" }, { ...v2, cpusetCpus: "0-3" }],
    [
      "processors as above",
      {},
      { ...hybrid, cpusetCpus: "0-1", cpusetMems: "0", inherited: { cpus: "0-1", mems: "0" } },
    ],
  ])("is empty when all is as wanted: %s", (_name, inputs, seen) => {
    expect(plan(inputs, seen)).toBeUndefined();
    expect(cgroupSpec.drift({ ...base, ...inputs }, seen)).toEqual({});
  });

  test.each<[string, Partial<CGroupInputs>, CGroupState]>([
    ["a limit that is not declared any more", {}, { ...hybrid, memoryMax: 4096 }],
    ["a directory is missing", {}, { ...hybrid, missing: ["pids"] }],
    ["the cpuset directory is missing", { cpusetCpus: "0" }, hybrid],
    [
      "processors that are not declared any more",
      {},
      { ...hybrid, cpusetCpus: "0", inherited: { cpus: "0-1", mems: "" } },
    ],
    ["and on v2", {}, { ...v2, cpusetCpus: "0" }],
    ["a weight", {}, { ...v2, cpuWeight: 200 }],
    ["an end of all together", { memoryOomGroup: true }, { ...v2, oomGroup: false }],
    ["one that is not declared any more", {}, { ...v2, oomGroup: true }],
  ])("sets everything when something differs: %s", (_name, inputs, seen) => {
    expect(plan(inputs, seen)).toMatchObject({ path: "chroot0" });
  });
});

describe("drift", () => {
  test.each<[string, Partial<CGroupInputs>, CGroupState, Partial<CGroupInputs>]>([
    [
      "values as they are seen",
      { memoryMax: "1Gi", pidsMax: 5 },
      { ...v2, memoryMax: 4096, pidsMax: 6 },
      { memoryMax: 4096, pidsMax: 6 },
    ],
    ["a limit that is gone", { memoryMax: "1Gi" }, v2, { memoryMax: undefined }],
    [
      "swap from the sum",
      { memoryMax: 4096, memorySwapMax: 0 },
      { ...hybrid, memoryMax: 4096, memoryAndSwapMax: 12_288 },
      { memorySwapMax: 8192 },
    ],
    [
      "CPUs from a quota",
      { cpuMax: "500m" },
      { ...hybrid, cpuMax: { quota: 25_000, period: 100_000 } },
      { cpuMax: 0.25 },
    ],
    ["the weight behind shares", { cpuWeight: 50 }, hybrid, { cpuWeight: 100 }],
    ["the shares behind a weight", { cpuShares: 2 }, v2, { cpuShares: 1024 }],
    ["the weight, where v2 goes by it", { cpuShares: 1024, cpuWeight: 39 }, v2, { cpuWeight: 100 }],
    ["the shares, where v1 does", { cpuShares: 2, cpuWeight: 1 }, hybrid, { cpuShares: 1024 }],
    ["an end of one by one", { memoryOomGroup: true }, { ...v2, oomGroup: false }, { memoryOomGroup: false }],
    ["nothing that was not declared", {}, { ...v2, memoryMax: 4096, cpuWeight: 3 }, {}],
  ])("shows %s", (_name, inputs, seen, expected) => {
    expect(cgroupSpec.drift({ ...base, ...inputs }, seen)).toEqual(expected);
  });
});

describe("check", () => {
  const problems = (inputs: object) =>
    checkInputs(cgroupSpec, { ...base, ...inputs } as CGroupInputs).map(({ path, reason }) => `${path}: ${reason}`);

  test.each(["chroot0", "barepod/pod1/web", "-rf", "a b", "it's", "$(id)", "...", "memory", "x".repeat(255)])(
    "takes the path %j",
    (path) => {
      expect(problems({ path })).toEqual([]);
    },
  );

  test.each([
    "",
    "/chroot0",
    "a/",
    "a//b",
    "..",
    "a/../b",
    ".",
    "a\nb",
    "a\0b",
    "x".repeat(256),
    "tasks",
    "a/memory.max",
    "cgroup.procs",
    `${"x/".repeat(2000)}x`,
  ])("refuses the path %j", (path) => {
    expect(problems({ path })).toHaveLength(1);
  });

  test.each([
    [{ memoryMax: "lots" }, "memoryMax: must be a quantity"],
    [{ memoryMax: -1 }, "memoryMax: must not be negative"],
    [{ memorySwapMax: 1 }, "memorySwapMax: needs memoryMax"],
    [{ memorySwappiness: 201 }, "memorySwappiness: must be between 0 and 200"],
    [{ cpuMax: 0 }, "cpuMax: must be more than 0"],
    [{ cpuWeight: 0 }, "cpuWeight: must be between 1 and 10000"],
    [{ memoryOomGroup: 1 }, "memoryOomGroup: must be true or false"],
    [{ pidsMax: -1 }, "pidsMax: must be between 0"],
    [{ cpusetCpus: "" }, "cpusetCpus: must not be empty"],
    [{ cpusetCpus: "0-" }, "cpusetCpus: must be a list such as 0-2,4"],
    [{ memoryMin: 1 }, "memoryMin: is not a field that exists here"],
  ])("refuses %j", (inputs, reason) => {
    expect(problems(inputs)).toEqual([expect.stringContaining(reason)]);
  });
});

test("weights survive the way to v1's shares and back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), (cpuWeight) => {
      const shares = plan({ cpuWeight })?.shares as number;
      const back = cgroupSpec.drift({ ...base, cpuWeight: (cpuWeight % 10_000) + 1 }, { ...hybrid, cpuShares: shares });
      expect(Math.abs((back.cpuWeight ?? 0) - cpuWeight)).toBeLessThan(2 + cpuWeight / 50);
    }),
  );
});

test("parents come back before their children after a reboot", () => {
  const rank = (path: string) => cgroupSpec.boot?.rank({ ...base, path }) ?? "";
  expect(rank("a") < rank("a/b") && rank("a/b") < rank("a/b/c")).toBe(true);
});

test("the fact quotes the path", () => {
  expect(cgroupAt("a'; touch /boom; '").script).toContain(`p='a'\\''; touch /boom; '\\'''`);
});
