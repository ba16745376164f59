/** Amounts as primitives take them: Kubernetes' quantities, or plain numbers. */
import { parseBytes, parseCpuMilli } from "./kubernetes/quantity";

/** An amount of memory: bytes as a number, or a quantity such as `200Mi`. */
export type Memory = number | string;

/** An amount of processor time: CPUs as a number, or a quantity such as `500m`. */
export type Cpu = number | string;

/** Bytes, rounded up. An error names `path`, never the value. */
export function memoryBytes(value: Memory, path: string): number {
  return parseBytes(value, path);
}

/** Thousandths of a CPU, rounded up. An error names `path`, never the value. */
export function cpuMilli(value: Cpu, path: string): number {
  return parseCpuMilli(value, path);
}
