/** A download by the node's own curl: all that it is told goes to its standard input. */
import type { FetchFailure } from "./downloader";
import type { BlobRequest } from "./registry";

/** The text of curl's configuration file for a request. */
export function curlConfig({ url, authorization }: BlobRequest): string {
  // What is asked for by TLS must not be redirected to somewhere without.
  const protocols = url.startsWith("https:") ? "=https" : "=http,https";
  return [
    `url = ${quoted(url)}`,
    `proto = ${quoted(protocols)}`,
    `proto-redir = ${quoted(protocols)}`,
    ...(authorization === undefined ? [] : [`header = ${quoted(`Authorization: ${authorization}`)}`]),
    "",
  ].join("\n");
}

/** What curl's exit status says: https://curl.se/docs/manpage.html#EXIT */
export function curlFailure(exitCode: number): FetchFailure {
  // The connection was cut, or stalled.
  if ([18, 28, 52, 55, 56, 92].includes(exitCode)) return "again";
  return exitCode === 22 ? "expired" : "elsewhere";
}

function quoted(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n").replaceAll("\r", "\\r")}"`;
}
