/** Where a value stands in a file. */
export interface Place {
  /** From 1. */
  readonly line: number;
  /** From 1; a tab counts as one. */
  readonly column: number;
  /** What the lines of comment before it say, and the one behind it. */
  readonly comments: { readonly before?: string; readonly behind?: string; readonly end?: string };
  /** Of an object: where each key stands. */
  readonly entries?: ReadonlyMap<string, Place>;
  /** Of a list: where each element begins. */
  readonly items?: readonly Place[];
}

const STEP = /\.?([A-Za-z_$][\w$-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/gy;

/** Where the field of that path stands; of a field that is not there, where what should hold it begins. */
export function placeOf(root: Place, path: string): Place {
  let place = root;
  for (const [, name, index, quoted] of path.matchAll(STEP)) {
    const next =
      index === undefined ? place.entries?.get(name ?? (JSON.parse(quoted ?? '""') as string)) : place.items?.[+index];
    if (next === undefined) break;
    place = next;
  }
  return place;
}
