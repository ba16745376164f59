/** What to log in with, in the order in which it is tried. Everything is read when a connection is made, and kept nowhere. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type AnyAuthMethod,
  type AuthHandlerMiddleware,
  BaseAgent,
  createAgent,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
  utils,
} from "ssh2";
import { home } from "./connection-args";
import type { CredentialArgs } from "./target";

/** One way to log in. */
interface Credential {
  /** For messages: `key ~/.ssh/id_ed25519`, `agent (2 keys)`. Never a secret. */
  readonly label: string;
  readonly method: AnyAuthMethod;
}

/** What there is to log in with. */
export interface Credentials {
  readonly ways: readonly Credential[];
  /** What was asked for and cannot be used, with the reason. */
  readonly unusable: readonly string[];
}

/** Keys with the usual names, as OpenSSH has them. */
const DEFAULT_KEYS = ["id_ed25519", "id_ecdsa", "id_rsa"];

/** Reads keys and asks the agent. */
export async function readCredentials(user: string, args: CredentialArgs): Promise<Credentials> {
  const ways: Credential[] = [];
  const unusable: string[] = [];
  const add = (label: string, key: ParsedKey) =>
    ways.push({ label, method: { type: "publickey", username: user, key } });

  if (args.privateKey !== undefined) {
    const key = parseKey(args.privateKey, args.privateKeyPassword);
    if (key instanceof Error) unusable.push(`privateKey (${key.message})`);
    else add("privateKey", key);
  }
  const named = args.keyFiles.length > 0;
  const files = named ? args.keyFiles : args.useDefaults ? DEFAULT_KEYS.map((name) => join(home(), ".ssh", name)) : [];
  const locked: string[] = [];
  const fromFiles: [string, ParsedKey][] = [];
  for (const file of files) {
    if (!named && !existsSync(file)) continue;
    const key = await readKey(file, args.privateKeyPassword);
    if (!(key instanceof Error)) fromFiles.push([`key ${file}`, key]);
    else if (key instanceof EncryptedKeyError) locked.push(file);
    else unusable.push(`key ${file} (${key.message})`);
  }
  const publicKeys = await Promise.all(files.map(readPublicKey));
  const wanted = publicKeys.filter((key) => key !== undefined);
  const agentPath = args.agentSocketPath ?? (args.useDefaults || locked.length > 0 ? defaultAgent() : undefined);
  if (agentPath !== undefined && agentPath !== "") {
    const onlyNamed =
      args.identitiesOnly || (!args.useDefaults && args.agentSocketPath === undefined && wanted.length > 0);
    const agent = await openAgent(agentPath, onlyNamed ? wanted : undefined);
    if (agent instanceof Error) unusable.push(`agent at ${agentPath} (${agent.message})`);
    else if (agent.keys.length === 0) unusable.push(`agent at ${agentPath} (has no ${onlyNamed ? "such " : ""}key)`);
    else {
      const label = `agent (${agent.keys.length} ${agent.keys.length === 1 ? "key" : "keys"})`;
      ways.push({ label, method: { type: "agent", username: user, agent: agent as unknown as BaseAgent } });
    }
  }
  for (const [label, key] of fromFiles) add(label, key);
  for (const file of locked)
    unusable.push(`key ${file} (is encrypted: set privateKeyPassword, or add it to the agent)`);
  const { password } = args;
  if (password !== undefined) {
    ways.push({ label: "password", method: { type: "password", username: user, password } });
    ways.push({
      label: "keyboard-interactive",
      method: { type: "keyboard-interactive", username: user, prompt: answerWith(password) },
    });
  }
  return { ways, unusable };
}

/** Hands the ways to ssh2 one by one, leaving out what the server does not take. */
export function tryEach({ ways }: Credentials, tried: string[], offered: Set<string>): AuthHandlerMiddleware {
  const rest = [...ways];
  return (methodsLeft, _partialSuccess, next) => {
    const allowed = (methodsLeft as readonly string[] | null) ?? undefined;
    for (const method of allowed ?? []) offered.add(method);
    for (let way = rest.shift(); way !== undefined; way = rest.shift()) {
      const name = way.method.type === "agent" ? "publickey" : way.method.type;
      if (allowed !== undefined && !allowed.includes(name)) continue;
      tried.push(way.label);
      next(way.method);
      return;
    }
    // "false" ends the attempt; the types know only methods.
    next(false as unknown as AnyAuthMethod);
  };
}

class EncryptedKeyError extends Error {}

async function readKey(file: string, password: string | undefined): Promise<ParsedKey | Error> {
  try {
    return parseKey(await readFile(file, "utf8"), password);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return new Error(code === "ENOENT" ? "is not there" : code === "EACCES" ? "may not be read" : message);
  }
}

function parseKey(text: string, password: string | undefined): ParsedKey | Error {
  const parsed: ParsedKey | readonly ParsedKey[] | Error = utils.parseKey(text, password);
  if (parsed instanceof Error) {
    if (/encrypted/i.test(parsed.message) && password === undefined) return new EncryptedKeyError("is encrypted");
    // ssh2's texts speak of formats and passphrases and hold nothing of the key.
    return new Error(parsed.message);
  }
  const key = ([parsed].flat() as ParsedKey[])[0];
  if (key === undefined || !key.isPrivateKey()) return new Error("is not a private key");
  return key;
}

async function readPublicKey(file: string): Promise<Buffer | undefined> {
  // Most keys have a .pub beside them; without it the agent is asked for all of its keys.
  const text = await readFile(`${file}.pub`, "utf8").catch(() => undefined);
  const base64 = text?.trim().split(/\s+/)[1];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64");
}

function defaultAgent(): string | undefined {
  const socket = process.env["SSH_AUTH_SOCK"];
  if (socket !== undefined && socket !== "") return socket;
  const pipe = "\\\\.\\pipe\\openssh-ssh-agent";
  return process.platform === "win32" && existsSync(pipe) ? pipe : undefined;
}

/** An agent whose keys were asked for already, and chosen from. */
class ChosenAgent extends BaseAgent<ParsedKey> {
  constructor(
    readonly agent: BaseAgent,
    readonly keys: ParsedKey[],
  ) {
    super();
  }
  override getIdentities(done: (error?: Error, keys?: ParsedKey[]) => void): void {
    done(undefined, this.keys);
  }
  override sign(key: ParsedKey, text: Buffer, options: SigningRequestOptions, done?: SignCallback): void;
  override sign(key: ParsedKey, text: Buffer, done: SignCallback): void;
  override sign(
    key: ParsedKey,
    text: Buffer,
    options: SigningRequestOptions | SignCallback,
    done?: SignCallback,
  ): void {
    if (typeof options === "function") this.agent.sign(key, text, options);
    else this.agent.sign(key, text, options, done);
  }
}

async function openAgent(path: string, wanted: readonly Buffer[] | undefined): Promise<ChosenAgent | Error> {
  try {
    const agent = createAgent(path);
    const keys = await new Promise<unknown[]>((resolve, reject) => {
      agent.getIdentities((error, found) => (error ? reject(error) : resolve(found ?? [])));
    });
    const usable = keys.flatMap((key) => utils.parseKey(key as Buffer)) as (ParsedKey | Error)[];
    const chosen = usable.filter((key): key is ParsedKey => {
      if (key instanceof Error) return false;
      return wanted === undefined || wanted.some((each) => each.equals(key.getPublicSSH()));
    });
    return new ChosenAgent(agent, chosen);
  } catch (error) {
    return new Error((error as NodeJS.ErrnoException).code ?? (error as Error).message);
  }
}

function answerWith(password: string) {
  return (_name: string, _text: string, _language: string, prompts: unknown, finish: (answers: string[]) => void) => {
    finish((prompts as readonly unknown[]).map(() => password));
  };
}
