/**
 * Kubernetes' resource quantities, exactly: `500m`, `1.5`, `200Mi`, `1e3`.
 *
 * A value is kept in billionths, the finest step that Kubernetes has; what is finer rounds up, away from zero, and
 * what is beyond 2^63-1 becomes 2^63-1.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
import { InputError } from "../errors";

/** A quantity; `form` is how it was written and how {@link formatQuantity} writes it. */
export interface Quantity {
  readonly nano: bigint;
  readonly form: "binary" | "decimal" | "exponent";
}

const NANO = 1_000_000_000n;
const MAX = (2n ** 63n - 1n) * NANO;
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/** Suffixes by power of 1000, from 10^-9 on. */
const DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const FORM = "a quantity such as 500m, 1.5, 200Mi or 1e3";
/** Longer texts are no quantities that anybody wrote, and would take long to compute. */
const LONGEST = 200;

/** Reads a quantity; an error names `path`, never the value. */
export function parseQuantity(text: string, path = ""): Quantity {
  const parts = text.length > LONGEST ? null : /^([+-]?)(\d*)(?:\.(\d*))?([a-zA-Z]*)([+-]?\d*)$/.exec(text);
  const [, sign, whole = "", fraction = "", suffix = "", exponent = ""] = parts ?? [];
  if (!parts || whole + fraction === "") throw new InputError(path, `must be ${FORM}`);
  const digits = BigInt(whole + fraction);
  const scaled = (form: Quantity["form"], factor: bigint, power: number): Quantity => {
    const nano = times(digits * factor, power - fraction.length + 9);
    return { form, nano: sign === "-" ? -nano : nano };
  };
  if ((suffix === "e" || suffix === "E") && /\d/.test(exponent)) return scaled("exponent", 1n, Number(exponent));
  const binary = BINARY.indexOf(suffix);
  const decimal = DECIMAL.indexOf(suffix);
  if (exponent !== "" || (binary < 0 && decimal < 0)) {
    throw new InputError(path, `must be ${FORM}; suffixes are ${[...DECIMAL, ...BINARY].filter(Boolean).join(", ")}`);
  }
  return binary > 0 ? scaled("binary", 1024n ** BigInt(binary), 0) : scaled("decimal", 1n, (decimal - 3) * 3);
}

/** `digits` · 10^`power`, rounded up and capped. */
function times(digits: bigint, power: number): bigint {
  if (digits === 0n) return 0n;
  // Beyond these bounds the answer is known, and 10n ** power would take for ever.
  if (power > 40) return MAX;
  if (power < -(LONGEST + 40)) return 1n;
  const value = power >= 0 ? digits * 10n ** BigInt(power) : divideUp(digits, 10n ** BigInt(-power));
  return value > MAX ? MAX : value;
}

function divideUp(value: bigint, by: bigint): bigint {
  const down = value / by;
  return down * by === value ? down : value > 0n ? down + 1n : down - 1n;
}

/** The canonical text: no fraction, the largest suffix that loses nothing. */
export function formatQuantity({ nano, form }: Quantity): string {
  if (nano === 0n) return "0";
  const magnitude = nano < 0n ? -nano : nano;
  const sign = nano < 0n ? "-" : "";
  if (form === "binary" && magnitude % NANO === 0n && magnitude >= 1024n * NANO) {
    return sign + shorten(magnitude / NANO, 1024n, BINARY, 0);
  }
  if (form === "exponent") {
    return sign + shorten(magnitude, 1000n, ["e-9", "e-6", "e-3", "", "e3", "e6", "e9", "e12", "e15", "e18"], 0);
  }
  return sign + shorten(magnitude, 1000n, DECIMAL, 0);
}

function shorten(value: bigint, step: bigint, suffixes: readonly string[], at: number): string {
  const more = value % step === 0n && at + 1 < suffixes.length;
  return more ? shorten(value / step, step, suffixes, at + 1) : `${value}${suffixes[at]}`;
}

/** A number of CPUs in thousandths, rounded up: `0.5` and `500m` are 500. */
export function parseCpuMilli(value: string | number, path = ""): number {
  return parseUnits(value, NANO / 1000n, path);
}

/** An amount of memory in bytes, rounded up: `200Mi` is 209715200. */
export function parseBytes(value: string | number, path = ""): number {
  return parseUnits(value, NANO, path);
}

function parseUnits(value: string | number, unit: bigint, path: string): number {
  const { nano } = parseQuantity(String(value), path);
  if (nano < 0n) throw new InputError(path, "must not be negative");
  const units = divideUp(nano, unit);
  if (units > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InputError(
      path,
      `must be at most ${formatQuantity({ nano: BigInt(Number.MAX_SAFE_INTEGER) * unit, form: "decimal" })}`,
    );
  }
  return Number(units);
}
