import { expect, test } from "vitest";
import { cgroupAt } from "../../provider/facts/cgroup";

const read = (...lines: string[]) => cgroupAt("chroot0").parse(lines.join("\n"));
const inherited = { cpus: "", mems: "" };

test("a group without limits, on a hybrid node", () => {
  const text = [
    "ident 41635",
    "version hybrid",
    "missing",
    "memory.limit_in_bytes 9223372036854771712",
    "memory.memsw.limit_in_bytes 9223372036854771712",
    "memory.swappiness 60",
    "cpu.cfs_quota_us -1",
    "cpu.cfs_period_us 100000",
    "cpu.shares 1024",
    "pids.max max",
  ];
  const state = { version: "hybrid", missing: [], swapAccount: true, swappiness: 60, cpuShares: 1024, inherited };
  expect(read(...text)).toEqual(state);
});

test("a limited group on a hybrid node, one of whose directories was removed", () => {
  const text = [
    "ident 41635",
    "version hybrid",
    "missing pids unified",
    "memory.limit_in_bytes 209715200",
    "memory.memsw.limit_in_bytes 209715200",
    "memory.swappiness 0",
    "cpu.cfs_quota_us 50000",
    "cpu.cfs_period_us 100000",
    "cpu.shares 2",
    "cpuset.cpus 0",
    "above.cpuset.cpus 0-1",
    "cpuset.mems 0",
    "above.cpuset.mems 0",
  ];
  expect(read(...text)).toEqual({
    version: "hybrid",
    missing: ["pids", "unified"],
    memoryMax: 209_715_200,
    memoryAndSwapMax: 209_715_200,
    swapAccount: true,
    swappiness: 0,
    cpuMax: { quota: 50_000, period: 100_000 },
    cpuShares: 2,
    cpusetCpus: "0",
    cpusetMems: "0",
    inherited: { cpus: "0-1", mems: "0" },
  });
});

test("cgroup v1 alone, with pages of 64 KiB and without an account of swap", () => {
  const text = [
    "ident 7",
    "version v1",
    "missing",
    "memory.limit_in_bytes 9223372036854710272",
    "memory.swappiness 60",
  ];
  expect(read(...text)).toEqual({ version: "v1", missing: [], swapAccount: false, swappiness: 60, inherited });
});

test("a group without limits on cgroup v2", () => {
  const text = [
    "ident 3210",
    "version v2",
    "missing",
    "memory.max max",
    "memory.swap.max max",
    "cpu.max max 100000",
    "cpu.weight 100",
    "pids.max max",
    "cpuset.cpus ",
    "cpuset.mems ",
  ];
  expect(read(...text)).toEqual({
    version: "v2",
    missing: [],
    swapAccount: true,
    cpuWeight: 100,
    cpusetCpus: "",
    cpusetMems: "",
    inherited,
  });
});

test("a limited group on cgroup v2, as Linux 6.1 prints it", () => {
  const text = [
    "ident 40",
    "version v2",
    "missing",
    "memory.max 209715200",
    "memory.swap.max 0",
    "cpu.max 50000 100000",
    "cpu.weight 17",
    "pids.max 9",
    "cpuset.cpus 0",
    "above.cpuset.cpus 0-1",
    "cpuset.mems ",
    "above.cpuset.mems 0",
  ];
  expect(read(...text)).toEqual({
    version: "v2",
    missing: [],
    memoryMax: 209_715_200,
    swapMax: 0,
    swapAccount: true,
    cpuMax: { quota: 50_000, period: 100_000 },
    cpuWeight: 17,
    pidsMax: 9,
    cpusetCpus: "0",
    cpusetMems: "",
    inherited: { cpus: "0-1", mems: "0" },
  });
});

test("cgroup v2 whose groups above hand no controllers on", () => {
  const state = { version: "v2", missing: [], swapAccount: false, inherited };
  expect(read("ident 30121", "version v2", "missing")).toEqual(state);
});

test("what only one directory is left of has no identity", () => {
  expect(read("version hybrid", "missing memory cpu cpuacct pids")).toMatchObject({
    missing: ["memory", "cpu", "cpuacct", "pids"],
  });
});
