import { expect, it } from "vitest";
import { cpuMilli, memoryBytes } from "../provider/units";

it("reads memory and processor time, and names the property of a mistake", () => {
  expect(memoryBytes("200Mi", "memoryMax")).toBe(209715200);
  expect(memoryBytes(100, "memoryMax")).toBe(100);
  expect(cpuMilli("500m", "cpuMax")).toBe(500);
  expect(cpuMilli(1.5, "cpuMax")).toBe(1500);
  expect(() => memoryBytes("lots", "memoryMax")).toThrow(/^memoryMax: must be a quantity/);
  expect(() => cpuMilli("-1", "cpuMax")).toThrow("cpuMax: must not be negative");
});
