/**
 * Logs in to one repository of one registry: Basic, or tokens as in
 * https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/
 */
import { readBody, readErrorText } from "./bodies";
import { type Challenge, readChallenge } from "./challenge";
import { type CredentialSearch, findCredentials } from "./credentials";
import type { Credential } from "./docker-config";
import { EndpointFailure } from "./endpoint-failure";
import { type Endpoint, isLoopback } from "./endpoints";
import { isTrouble, type Transport } from "./transport";

/** A token service's answer in bytes; tokens have some kilobytes. */
const LONGEST_TOKEN = 1024 * 1024;

/** Shorter texts are not masked: it would garble every message. */
const SHORTEST_SECRET = 4;

/** The login state of one endpoint. Requests that run at the same time share it. */
export class Login {
  #search: Promise<CredentialSearch> | undefined;
  #found: CredentialSearch = { credentials: [], problems: [] };
  #challenge: Challenge | undefined;
  /** Which credential is in use. */
  #index = 0;
  #authorization: string | undefined;
  /** The authorization has opened something: when it is refused later it is an old token rather than a wrong one. */
  #proven = false;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #refusals: string[] = [];
  readonly #secrets = new Set<string>();

  constructor(
    readonly transport: Transport,
    readonly endpoint: Endpoint,
    readonly pullSecrets: readonly string[],
  ) {}

  /** The value of the header to send now. */
  get authorization(): string | undefined {
    return this.#authorization;
  }

  /** Tells that a request with this authorization was let in. */
  accepted(used: string | undefined): void {
    if (used !== undefined && used === this.#authorization) this.#proven = true;
  }

  /** After a refusal: whether there is another authorization to try. */
  renew(used: string | undefined, header: string | string[] | undefined): Promise<boolean> {
    const result = this.#queue.then(() => this.#renew(used, header));
    this.#queue = result.catch(() => {});
    return result;
  }

  /** What was tried, for messages. */
  get story(): string[] {
    const { credentials, problems } = this.#found;
    const origins = [...new Set(credentials.map(({ origin }) => origin))].join(", ");
    const none = this.#search === undefined ? [] : [`no login for ${this.endpoint.host} was found`];
    return [...(origins === "" ? none : [`tried the login of ${origins}`]), ...this.#refusals, ...problems];
  }

  /** A text without the secrets that were used. */
  mask(text: string): string {
    return [...this.#secrets].reduce((masked, secret) => masked.replaceAll(secret, "[secret]"), text);
  }

  async #renew(used: string | undefined, header: string | string[] | undefined): Promise<boolean> {
    // Another request has renewed it in the meantime.
    if (this.#authorization !== used) return true;
    this.#challenge = readChallenge(header) ?? this.#challenge;
    if (this.#challenge === undefined) return false;
    this.#search ??= findCredentials(this.endpoint.host, this.endpoint.repository, this.pullSecrets);
    this.#found = await this.#search;
    const candidates = this.#found.credentials.length > 0 ? this.#found.credentials : [undefined];
    if (used !== undefined) {
      if (!this.#proven) this.#index += 1;
      this.#proven = false;
    }
    for (; this.#index < candidates.length; this.#index++) {
      const authorization = await this.#authorize(this.#challenge, candidates[this.#index]);
      if (authorization === undefined) continue;
      this.#authorization = authorization;
      return true;
    }
    return false;
  }

  async #authorize(challenge: Challenge, credential: Credential | undefined): Promise<string | undefined> {
    this.#keep(credential?.password, credential?.identityToken, credential?.registryToken);
    if (challenge.scheme === "basic") return basic(credential, (secret) => this.#keep(secret));
    if (credential?.registryToken !== undefined) return `Bearer ${credential.registryToken}`;
    const token = await this.#fetchToken(challenge, credential);
    if (token === undefined) return undefined;
    this.#keep(token);
    return `Bearer ${token}`;
  }

  async #fetchToken({ parameters }: Challenge, credential: Credential | undefined): Promise<string | undefined> {
    const url = this.#realm(parameters["realm"] ?? "", credential !== undefined);
    const asked = {
      ...(parameters["service"] && { service: parameters["service"] }),
      scope: parameters["scope"] || `repository:${this.endpoint.repository}:pull`,
    };
    const who = credential?.origin ?? "without a login";
    const answer = await this.transport.send({
      ...tokenQuestion(url, asked, credential, (s) => this.#keep(s)),
      tries: 4,
    });
    const { statusCode: status } = answer;
    if (status !== 200) {
      const text = `${url.host}, which gives tokens, answered ${status} ${this.mask(await readErrorText(answer, url))}`;
      if (isTrouble(status)) throw new EndpointFailure(text.trim(), { status, unreachable: true });
      this.#refusals.push(`${who}: ${text.trim()}`);
      return undefined;
    }
    const token = tokenOf(await readBody(answer, LONGEST_TOKEN, url));
    if (token === undefined) this.#refusals.push(`${who}: ${url.host} gave no token`);
    return token;
  }

  /** Where tokens come from. A login is not sent in plain text because a registry that has TLS says so. */
  #realm(realm: string, withLogin: boolean): URL {
    const base = this.endpoint.url;
    if (realm === "" || !URL.canParse(realm, base.href))
      throw new EndpointFailure("it names no address that gives tokens");
    const url = new URL(realm, base);
    if (!/^https?:$/.test(url.protocol)) throw new EndpointFailure(`tokens of ${url.protocol} cannot be asked for`);
    const plain = url.protocol === "http:" && base.protocol === "https:" && !isLoopback(url.hostname);
    if (plain && withLogin) throw new EndpointFailure(`it wants the login sent to ${url.host} without TLS`);
    return url;
  }

  #keep(...secrets: (string | undefined)[]): void {
    for (const secret of secrets)
      if (secret !== undefined && secret.length >= SHORTEST_SECRET) this.#secrets.add(secret);
  }
}

function basic(credential: Credential | undefined, keep: (secret: string) => void): string | undefined {
  if (credential?.username === undefined || credential.password === undefined) return undefined;
  const encoded = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
  keep(encoded);
  return `Basic ${encoded}`;
}

function tokenQuestion(
  realm: URL,
  asked: Readonly<Record<string, string>>,
  credential: Credential | undefined,
  keep: (secret: string) => void,
) {
  const accept = "application/json";
  if (credential?.identityToken !== undefined) {
    const form = {
      grant_type: "refresh_token",
      client_id: "barepod",
      refresh_token: credential.identityToken,
      ...asked,
    };
    const headers = { accept, "content-type": "application/x-www-form-urlencoded" };
    return { method: "POST", url: realm, headers, body: new URLSearchParams(form).toString() } as const;
  }
  const url = new URL(realm);
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  if (credential?.username) url.searchParams.set("account", credential.username);
  const authorization = basic(credential, keep);
  return { method: "GET", url, headers: { accept, ...(authorization && { authorization }) } } as const;
}

function tokenOf(body: Buffer): string | undefined {
  try {
    const { token, access_token } = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
    const found = [token, access_token].find((each) => typeof each === "string" && each !== "");
    // What cannot stand in a header is no token.
    return typeof found === "string" && /^[\x21-\x7e]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
