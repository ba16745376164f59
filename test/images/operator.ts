/** What the tests of provider/images share: an operator without logins, and what they read. */
import { join } from "node:path";
import { expect, vi } from "vitest";
import { ImageError } from "../../provider/images/image-error";

const variables = [
  ...[
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
  ],
  ...["http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"],
];

/** An environment in which this machine's own logins, proxies and authorities do not show. */
export function usingNoLogins(home: string): void {
  for (const name of variables) vi.stubEnv(name, "");
  vi.stubEnv("HOME", home);
  vi.stubEnv("XDG_RUNTIME_DIR", join(home, "run"));
}

/** What a user reads. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((reason: unknown) => reason);
  expect(error, String((error as Error)?.stack)).toBeInstanceOf(ImageError);
  return (error as Error).message;
}

export async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
