/**
 * Docker's credential helpers: programs of the operator's machine that keep logins in a keychain or get them from a cloud.
 * https://github.com/docker/docker-credential-helpers
 */
import { spawn } from "node:child_process";
import { messageOf } from "../errors";
import type { Credential } from "./docker-config";
import { quoted } from "./image-error";

/** Milliseconds: somebody may have to unlock their keychain. */
const DEADLINE = 60_000;

/** More output than this is no login, in bytes. */
const LONGEST = 1024 * 1024;

/** What the protocol says instead of a name when the secret is an identity token. */
const TOKEN_NAME = "<token>";

/**
 * Asks `docker-credential-<name> get` for a registry; undefined when it knows none.
 *
 * @throws Error that names the program and what went wrong.
 */
export async function askCredentialHelper(name: string, registry: string): Promise<Credential | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[\w.-]+$/.test(name)) throw new Error(`${JSON.stringify(program)} is no name of a program`);
  const { exitCode, stdout } = await run(program, registry);
  // The protocol has no exit code for "not there".
  if (/credentials not found/i.test(stdout)) return undefined;
  if (exitCode !== 0)
    throw new Error(`${program} get failed with status ${exitCode}: ${quoted(stdout) || "no message"}`);
  let answer: { Username?: unknown; Secret?: unknown };
  try {
    answer = JSON.parse(stdout) as typeof answer;
  } catch {
    throw new Error(`${program} get did not answer with JSON`);
  }
  const { Username: username, Secret: secret } = answer ?? {};
  if (typeof username !== "string" || typeof secret !== "string") throw new Error(`${program} get gave no login`);
  if (secret === "") return undefined;
  if (username === TOKEN_NAME) return { origin: program, identityToken: secret };
  return { origin: program, username, password: secret };
}

function run(program: string, input: string): Promise<{ exitCode: number | string; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "ignore"], timeout: DEADLINE, windowsHide: true });
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (stdout.length > LONGEST) child.kill();
    });
    child.on("error", (error) => {
      const { code } = error as NodeJS.ErrnoException;
      reject(new Error(code === "ENOENT" ? `${program} is not on PATH` : `${program}: ${messageOf(error)}`));
    });
    child.on("close", (code, signal) => resolve({ exitCode: code ?? signal ?? "?", stdout }));
    // A helper that ends without reading is judged by its exit status.
    child.stdin.on("error", () => {});
    child.stdin.end(`${input}\n`);
  });
}
