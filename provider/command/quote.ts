/**
 * Quotes a word for a POSIX shell, always in single quotes, in the one place where the product quotes.
 *
 * @throws TypeError for a NUL byte: no argument of a Unix program can hold one.
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02_02
 */
export function quote(word: string): string {
  if (word.includes("\0")) throw new TypeError("a NUL byte cannot be part of a shell word");
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Quotes for people: words that need no quotes stay as they are, so that a printed command reads well when pasted. */
export function quoteForDisplay(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : quote(word);
}
