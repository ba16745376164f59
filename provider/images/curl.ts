/** A download by the node's own curl. Addresses may be signed, headers hold tokens: all of it goes to curl's standard input. */
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

/** Whether a program of the node failed so that the same download may succeed later, or from somewhere else. */
export type FetchFailure = "again" | "expired" | "elsewhere" | "fatal";

/** What curl's exit status says: https://curl.se/docs/manpage.html#EXIT */
export function fetchFailure(exitCode: number): FetchFailure {
  // The connection was cut, or stalled; 33: no ranges there, 153: more than it should be (SIGXFSZ), begin again.
  if ([18, 28, 52, 55, 56, 92].includes(exitCode)) return "again";
  if (exitCode === 22) return "expired";
  // A full disk.
  if (exitCode === 23) return "fatal";
  return "elsewhere";
}

function quoted(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n").replaceAll("\r", "\\r")}"`;
}
