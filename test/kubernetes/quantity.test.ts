import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../provider/errors";
import { formatQuantity, parseBytes, parseCpuMilli, parseQuantity } from "../../provider/kubernetes/quantity";

const canonical = (text: string) => formatQuantity(parseQuantity(text));

describe("parseQuantity", () => {
  it.each([
    // As it is written, and its canonical form.
    ["0", "0"],
    ["0n", "0"],
    ["-0", "0"],
    ["0Ki", "0"],
    ["1", "1"],
    ["+1", "1"],
    ["-1", "-1"],
    ["007", "7"],
    ["1.", "1"],
    [".5", "500m"],
    ["1.5", "1500m"],
    ["0.5Gi", "512Mi"],
    ["500m", "500m"],
    ["1000m", "1"],
    ["1500m", "1500m"],
    ["1000", "1k"],
    ["1000000", "1M"],
    ["12e3", "12e3"],
    ["1e3", "1e3"],
    ["1E3", "1e3"],
    ["1E-3", "1e-3"],
    ["100e-2", "1"],
    ["1e2", "100"],
    ["1e+2", "100"],
    ["1E", "1E"],
    ["1Ki", "1Ki"],
    ["1024", "1024"],
    ["1024Ki", "1Mi"],
    ["200Mi", "200Mi"],
    ["1536Mi", "1536Mi"],
    ["0.001Ki", "1024m"],
    ["1.0009765625Ki", "1025"],
    ["1n", "1n"],
    ["1u", "1u"],
    ["1000n", "1u"],
    // Finer than a billionth: up, away from zero.
    ["0.1n", "1n"],
    ["-0.1n", "-1n"],
    ["1.0000000001", "1000000001n"],
    ["1e-400", "1e-9"],
    // Beyond 2^63-1: that.
    ["8Ei", "9223372036854775807"],
    ["-8Ei", "-9223372036854775807"],
    ["100E", "9223372036854775807"],
    ["1e99999999999999", "9223372036854775807"],
    ["9223372036854775807", "9223372036854775807"],
  ])("%s is %s", (text, expected) => expect(canonical(text)).toBe(expected));

  it.each([
    "",
    " ",
    ".",
    "+",
    "-",
    "m",
    "1 ",
    " 1",
    "1 Mi",
    "1mi",
    "1KI",
    "1K",
    "1kB",
    "200MB",
    "1..1",
    "1.1.1",
    "--1",
    "1e",
    "1ee3",
    "1Ki3",
    "0x10",
    "1_000",
    "٣",
    "NaN",
    "Infinity",
    "1e3Mi",
    "1".repeat(201),
  ])("refuses %j", (text) => {
    // "1e" alone has no exponent, and e is no suffix.
    expect(() => parseQuantity(text, "limits.cpu")).toThrow(InputError);
    expect(() => parseQuantity(text, "limits.cpu")).toThrow(/^limits\.cpu: must be a quantity/);
  });

  const quantity = fc.record({
    nano: fc.bigInt({ min: -(2n ** 63n - 1n) * 10n ** 9n, max: (2n ** 63n - 1n) * 10n ** 9n }),
    form: fc.constantFrom("binary" as const, "decimal" as const, "exponent" as const),
  });
  it("reads what it writes", () => {
    fc.assert(fc.property(quantity, (q) => void expect(parseQuantity(formatQuantity(q)).nano).toBe(q.nano)));
  });
  it("has one canonical text", () => {
    fc.assert(fc.property(quantity, (q) => void expect(canonical(formatQuantity(q))).toBe(formatQuantity(q))));
  });
  it("never throws anything but the user's mistake", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^[+-]?[0-9.]{0,9}[eEinumkKMGTP]*[-+]?[0-9]{0,12}$/)),
        (text) => {
          try {
            formatQuantity(parseQuantity(text));
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        },
      ),
    );
  });
});

describe("parseCpuMilli", () => {
  it.each([
    ["500m", 500],
    ["2", 2000],
    [0.1, 100],
    ["0.0005", 1],
    ["1500u", 2],
    [0, 0],
    [1e21, Number.NaN],
  ])("%s is %d thousandths", (value, milli) => {
    if (Number.isNaN(milli)) expect(() => parseCpuMilli(value, "cpu")).toThrow(/^cpu: must be at most/);
    else expect(parseCpuMilli(value)).toBe(milli);
  });
  it("agrees with arithmetic", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (milli) => void expect(parseCpuMilli(`${milli}m`)).toBe(milli)),
    );
  });
});

describe("parseBytes", () => {
  it.each([
    ["200Mi", 209715200],
    ["1G", 1e9],
    ["1.5Gi", 1610612736],
    ["100m", 1],
    [4096, 4096],
    ["128974848000m", 128974848],
    ["123e6", 123e6],
  ])("%s is %d bytes", (value, bytes) => expect(parseBytes(value)).toBe(bytes));
  it("refuses less than nothing, more than can be counted, and numbers that are none", () => {
    expect(() => parseBytes("-1", "memory")).toThrow("memory: must not be negative");
    expect(() => parseBytes("8Pi", "memory")).toThrow("memory: must be at most 9007199254740991");
    for (const none of [Number.NaN, Number.POSITIVE_INFINITY]) expect(() => parseBytes(none)).toThrow(InputError);
  });
  it("never gives less than was asked for", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 999 }), (whole, thousandths) => {
        const text = `${whole}.${String(thousandths).padStart(3, "0")}Ki`;
        const exact = (whole * 1000 + thousandths) * 1024;
        expect(parseBytes(text)).toBe(Math.ceil(exact / 1000));
      }),
    );
  });
});
