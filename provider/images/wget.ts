/**
 * A download by the node's own GNU Wget. It sends a header to whatever address it is redirected to, so it follows no
 * redirection: those of the registry were followed by whoever asks.
 */
import type { FetchFailure } from "./downloader";
import type { BlobRequest } from "./registry";

/** The address, and the text of a wgetrc with what else is needed. Undefined where a line cannot hold it. */
export function wgetConfig({ url, authorization }: BlobRequest): string | undefined {
  if (/[\r\n]/.test(`${url}${authorization ?? ""}`)) return undefined;
  return `${url}\n${authorization === undefined ? "" : `header = Authorization: ${authorization}\n`}`;
}

/** What its exit status says: https://www.gnu.org/software/wget/manual/html_node/Exit-Status.html */
export function wgetFailure(exitCode: number, grew: boolean): FetchFailure {
  // Cut, or never reached.
  if (exitCode === 4 && grew) return "again";
  // A refusal of the server's, whatever it was.
  return [6, 8].includes(exitCode) ? "expired" : "elsewhere";
}
