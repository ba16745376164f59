/**
 * What an unquoted word of YAML means to Kubernetes.
 *
 * kubectl and the API server read manifests with sigs.k8s.io/yaml: YAML 1.1 as go-yaml 2 understands it. So `yes`, `on` and
 * `y` are booleans and `0644` is octal, and a manifest means here what it means there. Unlike in full YAML 1.1 there are no
 * numbers to the base of 60 (`12:30` is text) and no dates.
 */

const WORDS: ReadonlyMap<string, boolean | null | number> = new Map<string, boolean | null | number>([
  ...cased(["true", "yes", "on", "y"], true),
  ...cased(["false", "no", "off", "n"], false),
  ...cased(["null"], null),
  ["", null],
  ["~", null],
  ...[".nan", ".NaN", ".NAN"].map((word): [string, number] => [word, Number.NaN]),
  ...cased([".inf", "+.inf"], Number.POSITIVE_INFINITY),
  ...cased(["-.inf"], Number.NEGATIVE_INFINITY),
]);

/** `yes`, `Yes` and `YES`; never `yEs`. */
function cased<T>(words: string[], value: T): [string, T][] {
  return words.flatMap((word) => {
    const capital = word.replace(/[a-z]/, (letter) => letter.toUpperCase());
    return [word, capital, word.toUpperCase()].map((each): [string, T] => [each, value]);
  });
}

const RADIX: readonly [RegExp, number][] = [
  [/^0[xX]([0-9a-fA-F]+)$/, 16],
  [/^0[bB]([01]+)$/, 2],
  [/^0[oO]?([0-7]+)$/, 8],
  [/^(0|[1-9][0-9]*)$/, 10],
];

/** The value of a plain (unquoted) scalar: a boolean, null, a number, or else the text itself. */
export function readPlain(text: string): string | number | boolean | null {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (/^\.\d+([eE][-+]?\d+)?$/.test(text)) return Number(text);
  if (!/^[-+0-9]/.test(text)) return text;
  const plain = text.replaceAll("_", "");
  const [, sign, digits = ""] = /^([-+]?)(.*)$/s.exec(plain) ?? [];
  for (const [pattern, radix] of RADIX) {
    const found = pattern.exec(digits)?.[1];
    if (found !== undefined) return Number.parseInt(found, radix) * (sign === "-" ? -1 : 1);
  }
  return /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(plain) ? Number(plain) : text;
}
