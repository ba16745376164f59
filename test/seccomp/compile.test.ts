import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "../../provider/kubernetes/capabilities";
import { type Architecture, type Machine, machines } from "../../provider/seccomp/architectures";
import { compile, encode } from "../../provider/seccomp/compile";
import { defaultProfile } from "../../provider/seccomp/default-profile";
import { readProfile } from "../../provider/seccomp/profile";
import { meaning, run } from "./interpreter";

const nothing = { capabilities: [], kernel: "6.1" };
const ALLOW = 0x7fff_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;
const kinds = machines.flatMap((machine) =>
  machine.architectures.map((architecture): [Machine, Architecture] => [machine, architecture]),
);
const [x86_64, x86, x32, aarch64, arm] = kinds.map(([, architecture]) => architecture) as [
  Architecture,
  Architecture,
  Architecture,
  Architecture,
  Architecture,
];

// Few names and values, so that rules meet: x86 and arm have calls of their own, and no number is everywhere the same.
const names = fc.constantFrom(
  "read",
  "write",
  "open",
  "clone",
  "personality",
  "mmap2",
  "socketpair",
  "set_tls",
  "none",
);
const value = fc.oneof(
  fc.constantFrom(0n, 1n, 7n, 8n, 0xffff_fffen, 0xffff_ffffn, 0x1_0000_0000n, 0x1_0000_0001n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const condition = fc.record({
  index: fc.constantFrom(0, 0, 1, 5),
  op: fc.constantFrom("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ").map((name) => `SCMP_CMP_${name}`),
  value: value.map(String),
  valueTwo: value.map(String),
});
const action = fc
  .constantFrom("ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "LOG", "TRAP", "TRACE")
  .map((n) => `SCMP_ACT_${n}`);
const profile = fc
  .record(
    {
      defaultAction: action,
      defaultErrnoRet: fc.constantFrom(1, 38),
      architectures: fc.subarray(kinds.map(([, { token }]) => token)),
      syscalls: fc.array(
        fc.record({
          names: fc.uniqueArray(names, { minLength: 1, maxLength: 3 }),
          action,
          errnoRet: fc.constantFrom(1, 13, 38),
          args: fc.array(condition, { maxLength: 3 }),
        }),
        { maxLength: 12 },
      ),
    },
    { requiredKeys: ["defaultAction", "syscalls"] },
  )
  .map((json) => readProfile(json, "test"));
const near = fc.tuple(value, fc.constantFrom(-1n, 0n, 1n)).map(([v, step]) => BigInt.asUintN(64, v + step));

describe("a compiled filter", () => {
  it("answers every call as the profile says", () => {
    const called = fc.tuple(
      fc.constantFrom(...kinds),
      fc.oneof(
        names,
        fc.integer({ min: 0, max: 600 }),
        fc.constantFrom(0x3fff_ffff, 0x4000_0000, 0x4000_ffff, 0xffff_ffff),
      ),
      fc.array(near, { minLength: 6, maxLength: 6 }),
    );
    fc.assert(
      fc.property(profile, fc.array(called, { minLength: 1, maxLength: 30 }), (rules, calls) => {
        const program = compile(rules, nothing, "test");
        for (const [[machine, kind], which, args] of calls) {
          const found = typeof which === "string" ? kind.numbers.get(which) : which;
          if (found === undefined) continue;
          // The number says of which of the two kinds a call of x86_64 is.
          const isMarked = kind.audit === x86_64.audit && found >= 0x4000_0000 && found !== 0xffff_ffff;
          const real = kind.audit !== x86_64.audit ? kind : isMarked ? x32 : x86_64;
          if (found === 0xffff_ffff && kind.audit === x86_64.audit) continue;
          const call = { number: found, audit: kind.audit, args };
          expect([call, run(program, call)]).toEqual([call, meaning(rules, machine, real, call)]);
        }
      }),
      { numRuns: 1500 },
    );
  });

  it("ends a program of another machine", () => {
    const program = compile(defaultProfile, nothing, "test");
    expect(run(program, { number: 0, audit: 0x8000_0016, args: [] })).toBe(0);
  });

  it("lets a tracer cancel a call where x32 is not allowed", () => {
    const program = compile(readProfile({ defaultAction: "SCMP_ACT_ALLOW" }, "test"), nothing, "test");
    const of = (number: number) => run(program, { number, audit: x86_64.audit, args: [] });
    expect([of(0xffff_ffff), of(0x4000_0000), of(0xffff_fffe)]).toEqual([ALLOW, 0, 0]);
  });

  it("reaches what x86 has behind socketcall and ipc, as far as no argument is compared", () => {
    const syscalls = [
      { names: ["connect", "shmget"], action: "SCMP_ACT_ERRNO", errnoRet: 13 },
      { names: ["socket"], action: "SCMP_ACT_ERRNO", errnoRet: 14, args: [{ index: 0, value: 2, op: "SCMP_CMP_EQ" }] },
    ];
    const json = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86"], syscalls };
    const program = compile(readProfile(json, "test"), nothing, "test");
    const of = (name: string, arg: bigint) =>
      run(program, { number: x86.numbers.get(name) as number, audit: x86.audit, args: [arg, 0n, 0n, 0n, 0n, 0n] });
    expect([of("socketcall", 3n), of("ipc", 23n), of("connect", 0n)]).toEqual([0x5000d, 0x5000d, 0x5000d]);
    expect([of("socketcall", 1n), of("ipc", 1n), of("socket", 2n)]).toEqual([ALLOW, ALLOW, 0x5000e]);
  });

  it("is what the kernel takes in memory", () => {
    const bytes = encode(compile(readProfile({ defaultAction: "SCMP_ACT_KILL_PROCESS" }, "test"), nothing, "test"));
    expect(bytes.length % 8).toBe(0);
    expect(bytes.subarray(0, 8).toString("hex")).toBe("2000000004000000");
  });

  it("refuses a profile that is longer than the kernel takes", () => {
    const args = (i: number) =>
      [0, 1, 2, 3, 4, 5].map((index) => ({ index, value: `${i + (1 << 30)}`, op: "SCMP_CMP_EQ" }));
    const syscalls = Array.from({ length: 400 }, (_, i) => ({
      names: ["read"],
      action: "SCMP_ACT_ALLOW",
      args: args(i),
    }));
    const long = readProfile({ defaultAction: "SCMP_ACT_ERRNO", syscalls }, "test");
    expect(() => compile(long, nothing, "the profile")).toThrow(
      /^the profile: the filter has \d+ instructions; the kernel takes 4096/,
    );
  });
});

describe("RuntimeDefault", () => {
  const withAll = (capabilities: readonly string[]) =>
    compile(
      defaultProfile,
      { capabilities: capabilities.map((name) => `CAP_${name}`), kernel: "6.1" },
      "RuntimeDefault",
    );
  const answer = (capabilities: readonly string[], kind: Architecture, name: string, ...args: bigint[]) =>
    run(withAll(capabilities), {
      number: kind.numbers.get(name) as number,
      audit: kind.audit,
      args: [...args, ...Array<bigint>(6).fill(0n)].slice(0, 6),
    });

  it("fits well into what the kernel takes", () => {
    const sizes = [[], DEFAULT_CAPABILITIES, CAPABILITIES].map((each) => withAll(each).length);
    expect(Math.max(...sizes)).toBeLessThan(1000);
  });

  it.each([
    "unshare",
    "mount",
    "keyctl",
    "add_key",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "init_module",
    "io_uring_setup",
  ])("refuses %s on both machines", (name) => {
    for (const kind of [x86_64, aarch64, x86, arm, x32]) expect(answer(DEFAULT_CAPABILITIES, kind, name)).toBe(EPERM);
  });

  it("knows sockets by their families, and new namespaces in clone", () => {
    const socket = (family: bigint) => answer(DEFAULT_CAPABILITIES, x86_64, "socket", family);
    expect([2n, 11n, 13n, 45n].map(socket)).toEqual([ALLOW, ALLOW, ALLOW, ALLOW]);
    expect([12n, 38n, 40n, 46n, 1n << 32n].map(socket)).toEqual([EPERM, EPERM, EPERM, EPERM, EPERM]);
    const clone = (kind: Architecture, flags: bigint) => answer(DEFAULT_CAPABILITIES, kind, "clone", flags);
    expect([clone(x86_64, 0x11n), clone(x86_64, 0x1000_0011n), clone(aarch64, 0x2000_0000n)]).toEqual([
      ALLOW,
      EPERM,
      EPERM,
    ]);
    expect(answer(DEFAULT_CAPABILITIES, x86_64, "clone3")).toBe(ENOSYS);
  });

  it("allows more with a capability", () => {
    expect(answer(["SYS_ADMIN"], x86_64, "mount")).toBe(ALLOW);
    expect(answer(["SYS_ADMIN"], aarch64, "clone", 0x1000_0011n)).toBe(ALLOW);
    expect(answer(["SYS_ADMIN"], x86_64, "clone3")).toBe(ALLOW);
    expect(answer(["SYS_TIME"], x86_64, "clock_settime")).toBe(ALLOW);
    expect(answer([], x86_64, "chroot")).toBe(EPERM);
    expect(answer(DEFAULT_CAPABILITIES, x86_64, "chroot")).toBe(ALLOW);
  });

  it("answers a call that is newer than it as a kernel that lacks it", () => {
    for (const { audit } of [x86_64, aarch64, x86, arm])
      expect(run(withAll([]), { number: 999, audit, args: [] })).toBe(ENOSYS);
    expect(run(withAll([]), { number: 0x4000_0fff, audit: x86_64.audit, args: [] })).toBe(ENOSYS);
  });
});
