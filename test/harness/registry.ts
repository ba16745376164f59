/** Debian's docker-registry on a free port, filled by skopeo. Needs no root. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { makeCertificate } from "./certificate";
import { startTokenServer, type TokenServer } from "./token-server";

export interface RegistryOptions {
  /** `basic`: {@link login} for everything. `token`: what `token-server.ts` grants. Default: everybody may do all. */
  readonly auth?: "basic" | "token";
  /** With a certificate of its own. */
  readonly tls?: boolean;
  /** The address to listen on. @defaultValue `127.0.0.1` */
  readonly address?: string;
  /** Blobs are redirected to this address and their place below {@link TestRegistry.storage}, as cloud storage does. */
  readonly redirectTo?: string;
}

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  /** Where its blobs lie. */
  readonly storage: string;
  /** The authority of its certificate. */
  readonly caFile: string | undefined;
  readonly tokens: TokenServer | undefined;
  /** Copies an image to `repository:tag`; `source` and options as skopeo has them: `oci:/tmp/layout:tag`, `--format=v2s2`. */
  fill(source: string, image: string, ...options: string[]): Promise<void>;
  log(): string;
}

/** Whom registries with `basic` let in. */
export const login = { username: "operator", password: "open sesame" };

/** perl -e 'print crypt("open sesame", q($2y$05$abcdefghijklmnopqrstuu))' */
const htpasswd = "operator:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

const tools = ["docker-registry", "skopeo", "umoci", "openssl"];

/** Why there can be no registry here; undefined when there can. */
export function whyNoRegistry(...more: string[]): string | undefined {
  const folders = `${process.env["PATH"]}:/usr/sbin`.split(delimiter);
  const missing = [...tools, ...more].filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")}`;
}

export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), "barepod-registry-"));
  const storage = join(directory, "storage");
  mkdirSync(storage);
  const address = options.address ?? "127.0.0.1";
  const certificate = options.tls ? makeCertificate(directory, "ca", ["localhost", "registry.test"]) : undefined;
  const tokens = options.auth === "token" ? await startTokenServer(directory) : undefined;
  writeFileSync(join(directory, "htpasswd"), htpasswd);
  const config = {
    version: 0.1,
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage } },
    compatibility: { schema1: { enabled: true } },
    http: {
      addr: `${address}:0`,
      ...(certificate && { tls: { certificate: certificate.certFile, key: certificate.keyFile } }),
    },
    ...(options.auth === "basic" && { auth: { htpasswd: { realm: "tests", path: join(directory, "htpasswd") } } }),
    ...(tokens && { auth: { token: tokens.registryConfig } }),
    ...(options.redirectTo && {
      middleware: { storage: [{ name: "redirect", options: { baseurl: options.redirectTo } }] },
    }),
  };
  // JSON is YAML too.
  writeFileSync(join(directory, "config.yml"), JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", join(directory, "config.yml")], {
    stdio: ["ignore", "pipe", "pipe"],
    // It reads its settings from variables too, and REGISTRY_AUTH_FILE means another thing to podman.
    env: { PATH: process.env["PATH"] },
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (log += chunk));
  const port = await listening(child, () => log);
  const host = `${address}:${port}`;
  return {
    host,
    url: `${certificate ? "https" : "http"}://${host}`,
    storage,
    caFile: certificate?.certFile,
    tokens,
    log: () => log,
    fill: async (source, image, ...more) => {
      const auth = options.auth === undefined ? [] : [`--dest-creds=${login.username}:${login.password}`];
      const words = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", ...auth, ...more];
      // Not the synchronous one: a token server runs in this process.
      await promisify(execFile)("skopeo", [...words, source, `docker://${host}/${image}`]);
    },
    async [Symbol.asyncDispose]() {
      const ended = child.exitCode !== null || new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await ended;
      await tokens?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function listening(child: ChildProcess, log: () => string): Promise<number> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const [, port] = /listening on [^ "]*:(\d+)/.exec(log()) ?? [];
    if (port !== undefined) return Number(port);
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`docker-registry does not start: ${log()}`);
    await sleep(20);
  }
}

/** The manifest's digest and size as skopeo's file of it says, for an image of a layout. */
export function layoutEntries(layout: string): { digest: string; size: number; annotations: Record<string, string> }[] {
  return JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests;
}
