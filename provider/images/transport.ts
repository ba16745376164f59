/** HTTP to registries and what they lead to: proxies of the environment, trust, time-outs, and tries. */
import { setTimeout as sleep } from "node:timers/promises";
import { getProxyForUrl } from "proxy-from-env";
import { Agent, type Dispatcher, ProxyAgent, request } from "undici";
import { EndpointFailure } from "./endpoint-failure";
import { isLoopback } from "./endpoints";
import { quoted } from "./image-error";
import { trustFor } from "./trust";

/** What came back; the body is read, or dumped, by whoever asked. */
export type Answer = Dispatcher.ResponseData;

/** What is asked. */
export interface Question {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How often at most, where the server is busy or the connection breaks before an answer. */
  readonly tries: number;
}

/** Milliseconds. */
const CONNECT_TIMEOUT = 15_000;
const HEADERS_TIMEOUT = 60_000;
/** Milliseconds without a byte. */
const BODY_TIMEOUT = 60_000;
/** Milliseconds before the second try; doubled for each one after it. */
const FIRST_WAIT = 500;
/** Milliseconds: a server that wants more patience is not waited for. */
const LONGEST_WAIT = 60_000;

const busy = new Set([429, 500, 502, 503, 504]);
const passing = new Set(["ECONNRESET", "EPIPE", "EAI_AGAIN", "UND_ERR_SOCKET"]);

/** Whether a status tells that the server is in trouble, and nothing of what it was asked for. */
export function isTrouble(status: number): boolean {
  return status === 429 || status >= 500;
}

/** The connections of one pull. */
export class Transport {
  readonly #agents = new Map<string, Promise<Dispatcher>>();

  /**
   * Sends a question, and again while the server is busy. Follows no redirection.
   *
   * @throws EndpointFailure where no answer came.
   */
  async send({ method, url, headers, body, tries }: Question): Promise<Answer> {
    const dispatcher = await this.#agent(url);
    for (let attempt = 1; ; attempt++) {
      let wait = FIRST_WAIT * 2 ** (attempt - 1) * (1 + Math.random() / 2);
      try {
        const answer = await request(url, {
          dispatcher,
          method,
          headers: { "user-agent": "barepod", ...headers },
          body: body ?? null,
          headersTimeout: HEADERS_TIMEOUT,
          bodyTimeout: BODY_TIMEOUT,
        });
        // A body that nobody reads any more ends with an error, which would end the process.
        answer.body.on("error", () => {});
        if (!busy.has(answer.statusCode) || attempt >= tries) return answer;
        wait = retryAfter(answer.headers["retry-after"]) ?? wait;
        if (wait > LONGEST_WAIT) return answer;
        await answer.body.dump();
      } catch (error) {
        if (attempt >= tries || !passing.has((error as NodeJS.ErrnoException).code ?? "")) throw noAnswer(error, url);
      }
      await sleep(wait);
    }
  }

  /** Ends all connections, and the bodies that are being read. */
  async close(): Promise<void> {
    const agents = await Promise.allSettled(this.#agents.values());
    this.#agents.clear();
    await Promise.all(agents.map((agent) => (agent.status === "fulfilled" ? agent.value.destroy() : undefined)));
  }

  #agent(url: URL): Promise<Dispatcher> {
    let agent = this.#agents.get(url.origin);
    if (agent === undefined) {
      agent = makeAgent(url);
      this.#agents.set(url.origin, agent);
    }
    return agent;
  }
}

/** Where the requests for an address go through; undefined: nothing. */
function proxyFor(url: URL): URL | undefined {
  const proxy = isLoopback(url.hostname) ? "" : getProxyForUrl(url.href);
  if (proxy === "") return undefined;
  const parsed = URL.canParse(proxy) ? new URL(proxy) : undefined;
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol)) return parsed;
  throw new EndpointFailure("the proxy that the environment names is not an http:// or https:// address", {
    next: `set ${url.protocol}//'s variable (${url.protocol.slice(0, -1)}_proxy), or no_proxy`,
  });
}

async function makeAgent(url: URL): Promise<Dispatcher> {
  const timeout = CONNECT_TIMEOUT;
  const tls = url.protocol === "https:" ? { timeout, secureContext: await trustFor(url.host) } : { timeout };
  const proxy = proxyFor(url);
  if (proxy === undefined) return new Agent({ connect: tls });
  const proxyTls = proxy.protocol === "https:" ? { timeout, secureContext: await trustFor(proxy.host) } : { timeout };
  // Many proxies tunnel to port 443 only: plain HTTP is asked of the proxy itself.
  return new ProxyAgent({ uri: proxy.href, requestTls: tls, proxyTls, proxyTunnel: false });
}

/** Milliseconds that a server asks to wait: its header has seconds, or a date. */
function retryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== "string") return undefined;
  const milliseconds = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}

const untrusted =
  /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)/;

/** The failure for an error of the connection. */
export function noAnswer(error: unknown, url: URL): EndpointFailure {
  if (error instanceof EndpointFailure) return error;
  const { code = "", message, errors } = error as NodeJS.ErrnoException & { errors?: Error[] };
  const text = quoted(message || (errors ?? []).map((each) => each.message).join(", ") || code);
  const proxy = proxyFor(url);
  const through = proxy === undefined ? "" : ` (through the proxy ${proxy.origin})`;
  const certificate = untrusted.test(code);
  const next = certificate
    ? `if that certificate is to be trusted: put its authority's into /etc/docker/certs.d/${url.host}/ca.crt, or name its file in SSL_CERT_FILE`
    : code === "EPROTO" || code === "ERR_SSL_WRONG_VERSION_NUMBER"
      ? `if ${url.host} speaks plain HTTP: list it in plainHttp`
      : undefined;
  return new EndpointFailure(`no answer${through}: ${text}`, { unreachable: true, silent: true, certificate, next });
}
