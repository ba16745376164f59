/** The words in which the table of `support.ts` is written. */

/** When a refused field may come. */
export type Release = "next" | "later" | "never";

/** One field of the table. */
export interface Field {
  readonly supported: boolean;
  readonly kind: "string" | "integer" | "integerOrString" | "boolean" | "object" | "map" | "quantities" | "any";
  /** A list of `kind`. */
  readonly list?: true;
  /** Supported: what it does on the node. Refused: why, and what to use instead. */
  readonly text: string;
  readonly required?: true;
  /** The value, or each element or entry, may be an Output. Everything else must be plain. */
  readonly output?: true;
  /**
   * Supported: the values that exist. Refused: the values that are accepted all the same, because they state what happens
   * anyway. `{}` stands for the empty object; an empty list or map is always accepted.
   */
  readonly values?: readonly (string | number | boolean)[];
  readonly release?: Release;
  /** The fields of an object, or of each element of a list of objects. */
  readonly fields?: Fields;
}

/** The fields of an object by name. */
export type Fields = Readonly<Record<string, Field>>;

type Extra = Pick<Field, "required" | "output" | "values" | "list">;

export const REQUIRED = { required: true } as const;
export const LIST = { list: true } as const;
export const OUTPUT = { output: true } as const;

const supported = (kind: Field["kind"], text: string, extra: Extra = {}): Field => ({
  supported: true,
  kind,
  text,
  ...extra,
});
export const string = (text: string, extra?: Extra): Field => supported("string", text, extra);
export const integer = (text: string, extra?: Extra): Field => supported("integer", text, extra);
export const integerOrString = (text: string, extra?: Extra): Field => supported("integerOrString", text, extra);
export const boolean = (text: string, extra?: Extra): Field => supported("boolean", text, extra);
export const quantities = (text: string): Field => supported("quantities", text);
export const map = (text: string, extra?: Extra): Field => supported("map", text, extra);
export const object = (text: string, fields: Fields, extra?: Extra): Field => ({
  ...supported("object", text, extra),
  fields,
});

/** A refused field; `below` lists its own fields in the notation of {@link parseShape}. */
export function refused(
  text: string,
  release: Release,
  rest: { below?: string | Fields; values?: Field["values"] } = {},
): Field {
  const { below, values } = rest;
  const field: Field = { supported: false, kind: below === undefined ? "any" : "object", text, release };
  const fields = typeof below === "string" ? parseShape(below, field) : below;
  return { ...field, ...(fields && { fields }), ...(values && { values }) };
}
export const refusedList = (text: string, release: Release, below?: string | Fields): Field => ({
  ...refused(text, release, below === undefined ? {} : { below }),
  list: true,
});
export const refusedMap = (text: string, release: Release): Field => ({ ...refused(text, release), kind: "map" });

/** Every field of `fields`, refused for one and the same reason. */
export function refusedAll(fields: Fields, reason: Field): Fields {
  const entries = Object.entries(fields).map(([name, f]): [string, Field] => [
    name,
    {
      supported: false,
      kind: f.kind,
      text: reason.text,
      ...(reason.release && { release: reason.release }),
      ...(f.list && { list: true }),
      ...(f.fields && { fields: refusedAll(f.fields, reason) }),
    },
  ]);
  return Object.fromEntries(entries);
}

/** Reads `name list[] map{} object{…} objects[]{…}`: the fields below a refused one, which share its reason. */
function parseShape(shape: string, reason: Field): Fields {
  const tokens = shape.match(/[\w]+|\[\]|\{\}|[{}]/g) ?? [];
  let at = 0;
  const read = (): Fields => {
    const fields: Record<string, Field> = {};
    while (at < tokens.length && tokens[at] !== "}") {
      const name = tokens[at++] as string;
      const list = tokens[at] === "[]" && at++ > 0;
      const isMap = tokens[at] === "{}" && at++ > 0;
      const below = tokens[at] === "{" && at++ > 0 ? read() : undefined;
      if (below) at++;
      const kind = below ? "object" : isMap ? "map" : "any";
      fields[name] = { ...reason, kind, ...(list && { list }), ...(below && { fields: below }) };
    }
    return fields;
  };
  return read();
}
