/** One question to one endpoint: authorised, redirected, judged. */
import { readErrorText } from "./bodies";
import { EndpointFailure } from "./endpoint-failure";
import type { Endpoint } from "./endpoints";
import type { Login } from "./login";
import { type Answer, isTrouble, type Transport } from "./transport";

/** More redirections than this are a circle. */
const MOST_REDIRECTIONS = 5;

/** A mirror that is busy is not waited for as long as the registry itself. */
const TRIES = { mirror: 2, registry: 4 };

/** Where a question ended up. */
export interface Arrival {
  readonly answer: Answer;
  readonly url: URL;
  /** What was sent with it; undefined once it had been sent on to another host. */
  readonly authorization: string | undefined;
}

/** Endpoint, login and connections of one repository. */
export class Exchange {
  constructor(
    readonly transport: Transport,
    readonly endpoint: Endpoint,
    readonly login: Login,
  ) {}

  /**
   * Asks `/v2/<repository>/<path>` and follows redirections; the authorization goes to the registry's own host only.
   *
   * @throws EndpointFailure for every answer that is not 2xx.
   */
  async ask(method: "GET" | "HEAD", path: string, headers: Record<string, string> = {}): Promise<Arrival> {
    const arrival = await this.arrive(method, path, headers);
    if (arrival.answer.statusCode >= 300) throw await this.failure(arrival.answer, arrival.url);
    return arrival;
  }

  /** The same, whatever the answer is. */
  async arrive(method: "GET" | "HEAD", path: string, headers: Record<string, string> = {}): Promise<Arrival> {
    let arrival = await this.#askRegistry(method, path, headers);
    for (let count = 0; isRedirection(arrival.answer); count++) {
      if (count === MOST_REDIRECTIONS) throw new EndpointFailure("it redirects in a circle");
      arrival = await this.#sendOn(arrival, method, headers);
    }
    return arrival;
  }

  /** The failure for an answer; reads its body. */
  async failure(answer: Answer, url: URL): Promise<EndpointFailure> {
    const { statusCode: status } = answer;
    const said = this.login.mask(await readErrorText(answer, url));
    const elsewhere = url.host === this.endpoint.url.host ? "" : ` from ${url.host}`;
    return new EndpointFailure(`status ${status}${elsewhere}${said === "" ? "" : `: ${said}`}`, {
      status,
      unreachable: isTrouble(status),
      next: nextFor(status, this.endpoint.host),
    });
  }

  async #askRegistry(method: "GET" | "HEAD", path: string, headers: Record<string, string>): Promise<Arrival> {
    const { url: base, repository } = this.endpoint;
    const url = new URL(`/v2/${repository}/${path}`, base);
    for (;;) {
      const { authorization } = this.login;
      const answer = await this.#send(method, url, { ...headers, ...(authorization && { authorization }) });
      const { statusCode } = answer;
      if (statusCode !== 401 && statusCode !== 403) {
        if (statusCode < 400) this.login.accepted(authorization);
        return { answer, url, authorization };
      }
      if (!(await this.login.renew(authorization, answer.headers["www-authenticate"])))
        return { answer, url, authorization };
      await answer.body.dump();
    }
  }

  async #sendOn(from: Arrival, method: "GET" | "HEAD", headers: Record<string, string>): Promise<Arrival> {
    const { url, authorization } = nextHop(from);
    await from.answer.body.dump();
    const answer = await this.#send(method, url, { ...headers, ...(authorization && { authorization }) });
    return { answer, url, authorization };
  }

  #send(method: "GET" | "HEAD", url: URL, headers: Record<string, string>): Promise<Answer> {
    return this.transport.send({ method, url, headers, tries: this.endpoint.mirror ? TRIES.mirror : TRIES.registry });
  }
}

function isRedirection({ statusCode, headers }: Answer): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode) && headers.location !== undefined;
}

function nextHop({ answer, url: from, authorization }: Arrival): { url: URL; authorization: string | undefined } {
  const location = String(answer.headers.location);
  const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "")
    throw new EndpointFailure("it redirects to something that is not an http:// or https:// address");
  return { url, authorization: url.origin === from.origin ? authorization : undefined };
}

function nextFor(status: number, host: string): string | undefined {
  const login = host === "docker.io" ? "docker login" : `docker login ${host}`;
  if (status === 401 || status === 403 || status === 404)
    return `not found or no permission: check the name, give imagePullSecrets, or log in with \`${login}\``;
  if (status === 429) return `${host} limits how often it is asked: log in with \`${login}\`, use a mirror, or wait`;
  return undefined;
}
