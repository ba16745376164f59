/** Programs of a node that download. Addresses may be signed, headers hold tokens: neither may get into a process list. */
import { curlConfig, curlFailure } from "./curl";
import type { BlobRequest } from "./registry";
import { wgetConfig, wgetFailure } from "./wget";

/** What a failed download means for the next: the same may succeed later, with a new login, or only from elsewhere. */
export type FetchFailure = "again" | "expired" | "elsewhere";

/** One of them. */
export interface Downloader {
  /** As root-fs-fetch.sh calls it. */
  readonly name: "curl" | "wget" | "busybox";
  /** What goes to its standard input; undefined for what it cannot ask for without showing a secret. */
  request(request: BlobRequest): string | undefined;
  /** What its exit status says, and whether anything came. */
  failure(exitCode: number, grew: boolean): FetchFailure;
}

/** From the best. */
const downloaders: readonly Downloader[] = [
  { name: "curl", request: curlConfig, failure: curlFailure },
  { name: "wget", request: wgetConfig, failure: wgetFailure },
  // Its address stands in its arguments, and it knows one exit status only.
  {
    name: "busybox",
    request: ({ url, authorization }) => (authorization === undefined && !url.includes("?") ? `${url}\n` : undefined),
    failure: (_, grew) => (grew ? "again" : "elsewhere"),
  },
];

/** The best that a node has. */
export function downloaderOf(tools: ReadonlySet<string>): Downloader | undefined {
  return downloaders.find(({ name }) => tools.has(name));
}
