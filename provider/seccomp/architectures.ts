/** The machines that a filter is made for, and the kinds of system calls that each of them takes. */
import { syscallTables } from "./syscall-tables";

/** A kind of system calls: one machine takes several, for programs of other word sizes. */
export interface Architecture {
  /** As profiles name it. */
  readonly token: string;
  /** What the kernel reports with each call (include/uapi/linux/audit.h). x32 shares x86_64's, and marks its numbers. */
  readonly audit: number;
  /** Arguments have 32 bits; the upper half of what the kernel reports says nothing. */
  readonly narrow: boolean;
  readonly numbers: ReadonlyMap<string, number>;
}

/** A machine: its own calls come first. */
export interface Machine {
  /** As `includes.arches` and `excludes.arches` of a profile name it, which is Go's way. */
  readonly goName: string;
  readonly architectures: readonly [Architecture, ...Architecture[]];
}

/** Marks the numbers of x32, within the audit architecture of x86_64. */
export const X32_BIT = 0x4000_0000n;

function architecture(token: string, audit: number, narrow: boolean, table: string): Architecture {
  const numbers = new Map<string, number>();
  let next = 0;
  for (const word of table.split(/\s+/).filter(Boolean)) {
    if (/^\d/.test(word)) next = Number(word);
    else numbers.set(word, next++);
  }
  return { token, audit, narrow, numbers };
}

const AUDIT_X86_64 = 0xc000_003e;

const x86_64 = architecture("SCMP_ARCH_X86_64", AUDIT_X86_64, false, syscallTables.x86_64);
const x86 = architecture("SCMP_ARCH_X86", 0x4000_0003, true, syscallTables.x86);
const x32 = architecture("SCMP_ARCH_X32", AUDIT_X86_64, true, syscallTables.x32);
const aarch64 = architecture("SCMP_ARCH_AARCH64", 0xc000_00b7, false, syscallTables.aarch64);
const arm = architecture("SCMP_ARCH_ARM", 0x4000_0028, true, syscallTables.arm);

/** The machines that there is a launcher for. One filter serves them all: the kernel says with each call which it is. */
export const machines: readonly Machine[] = [
  { goName: "amd64", architectures: [x86_64, x86, x32] },
  { goName: "arm64", architectures: [aarch64, arm] },
];
