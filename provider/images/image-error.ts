/** How it fails to get an image. */

/** What an {@link ImageError} carries. */
export interface ImageFailure {
  /** What was being done, with the image: `could not get the manifest of docker.io/library/nginx:1.27`. */
  readonly what: string;
  /** What each place that was asked said. */
  readonly details?: readonly string[];
  /** What to do about it, where that is known. */
  readonly next?: string | undefined;
  /** The registry's HTTP status, where it answered. */
  readonly status?: number | undefined;
  /** No answer came, or one that says nothing of the image (429, 5xx). */
  readonly unreachable?: boolean;
}

/** An image cannot be got. The message never holds a credential, nor the query of an address. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  /** The registry's HTTP status, where it answered. */
  readonly status: number | undefined;
  /** Nothing was learnt of the image: the registry did not answer, or is in trouble (429, 5xx). It may still be there. */
  readonly unreachable: boolean;
  constructor(failure: ImageFailure, options?: { cause?: unknown }) {
    const { what, details = [], next, status, unreachable = false } = failure;
    super([what, ...details.map((line) => `  ${line}`), ...(next === undefined ? [] : [next])].join("\n"), options);
    this.status = status;
    this.unreachable = unreachable;
  }
}

/** What is wrong with an image itself, in the words of whoever reads it; `resolveImage` adds which image it is. */
export class UnusableImage extends Error {
  override readonly name = "UnusableImage";
}

/** A text of somebody else on one line of ours: no control characters, not endless. */
export function quoted(text: string, longest = 300): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = text.replace(/[\x00-\x1f\x7f-\x9f\s]+/g, " ").trim();
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}
