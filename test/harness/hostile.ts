/** Texts that break what is careless with them, and the places in a resource's inputs where text stands. */
import type { Field, Fields } from "../../provider/fields";

/** What the texts try to touch, on the node or here. */
export const interpreted = "/tmp/interpreted";

/** Whoever interprets one of these makes {@link interpreted}, or touches what it should not. */
export const hostileTexts: Readonly<Record<string, string>> = {
  "300 characters": "x".repeat(300),
  "a space": "a b",
  quotes: `it's "quoted"`,
  "a newline": `one\ntouch ${interpreted}`,
  "a tab and a carriage return": "one\ttwo\rthree",
  "a command substitution": `$(touch ${interpreted})`,
  backquotes: `\`touch ${interpreted}\``,
  "a second command": `x; touch ${interpreted} #`,
  "a closing quote": `x'; touch ${interpreted}; echo '`,
  "a closing double quote": `x" -j ACCEPT "; touch ${interpreted}; echo "`,
  "a variable": "$HOME${IFS}x",
  "an option": "-rf",
  "a long option": "--help",
  "a pattern": "*?[a-z]{x,y}~",
  backslashes: "a\\nb\\",
  // Of the Cyrillic some bytes are those that dash marks quotes with inside.
  unicode: "ünï-日本-😀-тест",
  "half a character": "a\ud800",
  "a NUL byte": "a\0b",
  "an escape sequence": "\u001b[31mred",
  "a way up": `../..${interpreted}`,
  nothing: "",
  blanks: "   ",
  "a comma and a colon": "a,b:c=d",
};

/** A place in a resource's inputs where text stands. */
export interface TextPlace {
  /** As a refusal names it: `rules[0].comment`, `env.KEY`, `env (a key)`. */
  readonly path: string;
  /** The same inputs with a text in its place, and with all of the way there that is missing. */
  put(inputs: object, text: string): object;
  /** Whether a text stands there, or elsewhere in the same list. */
  holds(inputs: object, text: string): boolean;
}

/** The way to a place: a key, the first of a list, or whichever key of a map. */
type Step = string | 0 | typeof anyKey;
const anyKey = Symbol("any key");

/**
 * All places where text stands, found by asking the fields themselves: a field says of a wrong value what it wants
 * instead, and an object looks for each of its keys.
 */
export function textPlaces(fields: Fields): TextPlace[] {
  return Object.entries(fields).flatMap(([key, field]) => placesIn(field, key, []));
}

function placesIn(field: Field, key: string, steps: readonly Step[]): TextPlace[] {
  const path = `${key}${steps.map(shown).join("")}`;
  const ask = (value: unknown) => field(put(undefined, steps, value), key).filter((each) => each.path === path);
  const wants = (kind: RegExp) => ask("?").some(({ reason }) => kind.test(reason));
  const within = (step: Step) => placesIn(field, key, [...steps, step]);
  if (wants(/^must be (a whole number|a number|true or false)/)) return [];
  if (wants(/^must be a list/)) return within(0);
  if (wants(/^must be a map/)) return [...within(anyKey), ...within("KEY")];
  if (!wants(/^must be an object/)) {
    const way = [key, ...steps];
    return [
      {
        path,
        put: (inputs, text) => put(inputs, way, text) as object,
        holds: (inputs, text) => holds(inputs, way, text),
      },
    ];
  }
  const keys = new Set<string>();
  ask(new Proxy({}, { get: (_, each) => void keys.add(String(each)) }));
  return [...keys].flatMap(within);
}

function shown(step: Step): string {
  return step === 0 ? "[0]" : step === anyKey ? " (a key)" : `.${step}`;
}

function put(value: unknown, steps: readonly Step[], text: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return text;
  if (step === anyKey) return { [String(text)]: "value" };
  if (step === 0) {
    const [first, ...others] = (value ?? []) as unknown[];
    return [put(first, rest, text), ...others];
  }
  const outer = (value ?? {}) as Record<string, unknown>;
  return { ...outer, [step]: put(outer[step], rest, text) };
}

function holds(value: unknown, [step, ...rest]: readonly Step[], text: string): boolean {
  if (step === undefined) return value === text;
  if (typeof value !== "object" || value === null) return false;
  if (step === anyKey) return Object.hasOwn(value, text);
  if (step === 0) return (value as unknown[]).some((each) => holds(each, rest, text));
  return holds((value as Record<string, unknown>)[step], rest, text);
}
