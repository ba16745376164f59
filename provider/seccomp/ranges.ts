/** Numbers without sign, cut into ranges that lead to different places; and the binary tree that finds the range. */
import { type Assembler, IF_NOT_LESS, type Label } from "./assembler";

/** Each begins where it says and ends before the next; the first begins at 0. Neighbours lead to different places. */
export type Ranges = readonly { readonly from: bigint; readonly to: Label }[];

/** All numbers lead to one place. */
export function everywhere(to: Label): Ranges {
  return [{ from: 0n, to }];
}

/** The same, but `first` to `last` lead elsewhere. */
export function paint(ranges: Ranges, first: bigint, last: bigint, to: Label): Ranges {
  if (first > last) return ranges;
  const after = ranges.findLast(({ from }) => from <= last + 1n)?.to as Label;
  const painted = [
    ...ranges.filter(({ from }) => from < first),
    { from: first, to },
    { from: last + 1n, to: after },
    ...ranges.filter(({ from }) => from > last + 1n),
  ];
  return painted.filter((range, i) => range.to !== painted[i - 1]?.to);
}

/** Finds the range of the accumulator, which has 32 bits. */
export function search(assembler: Assembler, ranges: Ranges): Label {
  return searchWithin(
    assembler,
    ranges.filter(({ from }) => from <= 0xffff_ffffn),
  );
}

function searchWithin(assembler: Assembler, ranges: Ranges): Label {
  const middle = ranges.length >> 1;
  if (middle === 0) return ranges[0]?.to as Label;
  const above = searchWithin(assembler, ranges.slice(middle));
  const below = searchWithin(assembler, ranges.slice(0, middle));
  return assembler.branch(IF_NOT_LESS, Number(ranges[middle]?.from), above, below);
}
