/** A client of the OCI distribution API: https://github.com/opencontainers/distribution-spec/blob/main/spec.md */
import { readBody } from "./bodies";
import { digestOf, hasDigest } from "./digest";
import { EndpointFailure } from "./endpoint-failure";
import { type Endpoint, endpointsFor, isLoopback, type RegistrySettings } from "./endpoints";
import { Exchange } from "./exchange";
import { ImageError } from "./image-error";
import { Login } from "./login";
import { manifestTypes, schema1Types } from "./media-types";
import { digestProblem, formatReference, type ImageReference } from "./reference";
import { type ImageSource, LONGEST_MANIFEST, type ManifestDocument } from "./source";
import { noAnswer, Transport } from "./transport";

/** How somebody else downloads a blob. The address may be signed: treat it like the header, as a secret. */
export interface BlobRequest {
  /** After the registry's own redirections. It may redirect once more, to where `authorization` must not be sent. */
  readonly url: string;
  /** The value of the Authorization header, if one is needed: a password or a token. */
  readonly authorization?: string;
}

/** One pull: keeps connections and tokens, until `close`. */
export class Registry implements AsyncDisposable {
  readonly #transport = new Transport();
  readonly #exchanges = new Map<string, Exchange>();
  /** Hosts that gave no answer: they are asked last. */
  readonly #silent = new Set<string>();
  /** Hosts of this machine that turned out to have no TLS. */
  readonly #plain = new Set<string>();

  constructor(readonly settings: RegistrySettings = {}) {}

  /** The digest that the reference stands for now. A reference with a digest is not asked for. */
  async resolveDigest(ref: ImageReference): Promise<string> {
    if (ref.digest !== undefined) return ref.digest;
    return this.#each(ref, `could not look up ${formatReference(ref)}`, async (exchange) => {
      const { answer } = await exchange.arrive("HEAD", `manifests/${ref.tag}`, { accept: manifestTypes.join(", ") });
      await answer.body.dump();
      const digest = answer.headers["docker-content-digest"];
      const given = typeof digest === "string" && digestProblem(digest) === undefined;
      // The answer to HEAD has no text that could say why not.
      if (answer.statusCode < 300 && given) return digest;
      return (await this.#manifest(exchange, ref.tag ?? "latest")).digest;
    });
  }

  /** The manifest or index with a digest, else what the reference stands for. Its digest is verified. */
  manifest(ref: ImageReference, digest = ref.digest): Promise<ManifestDocument> {
    const which = digest === undefined || digest === ref.digest ? "" : ` (${digest})`;
    return this.#each(ref, `could not get the manifest of ${formatReference(ref)}${which}`, (exchange) =>
      this.#manifest(exchange, digest ?? ref.tag ?? "latest"),
    );
  }

  /** A blob of at most `limit` bytes. Its digest is verified. */
  blob(ref: ImageReference, digest: string, limit: number): Promise<Buffer> {
    return this.#each(ref, `could not get ${digest} of ${formatReference(ref)}`, async (exchange) => {
      const { answer, url } = await exchange.ask("GET", `blobs/${digest}`);
      const bytes = await readBody(answer, limit, url);
      if (!hasDigest(bytes, digest)) throw new EndpointFailure("the content does not have that digest");
      return bytes;
    });
  }

  /**
   * What another machine needs to download a blob, the endpoint to try first at the beginning. Tokens and signed addresses
   * live for minutes: ask right before the download, and again before it is resumed. Registries on this machine's
   * loopback addresses are left out, and an endpoint that gives no answer too: the list may be empty.
   */
  async blobRequests(ref: ImageReference, digest: string): Promise<BlobRequest[]> {
    const requests: BlobRequest[] = [];
    for (const exchange of this.#ordered(ref)) {
      const { endpoint } = exchange;
      if (isLoopback(endpoint.url.hostname) || this.#silent.has(endpoint.host)) continue;
      try {
        const { answer, url, authorization } = await exchange.ask("GET", `blobs/${digest}`, { range: "bytes=0-0" });
        answer.body.destroy();
        requests.push({ url: url.href, ...(authorization !== undefined && { authorization }) });
      } catch (error) {
        if (!(error instanceof EndpointFailure)) throw error;
        this.#note(endpoint, error.facts.silent === true);
      }
    }
    return requests;
  }

  /**
   * A blob from an offset in bytes, as it comes; not verified. Whoever asked reads it to its end or leaves the loop: both
   * end the request. Where it breaks off an ImageError is thrown, and it may be opened again at the offset reached.
   */
  openBlob(ref: ImageReference, digest: string, offset = 0): Promise<AsyncIterable<Uint8Array>> {
    const what = `could not get ${digest} of ${formatReference(ref)}`;
    return this.#each(ref, what, async (exchange) => {
      const range = offset > 0 ? { range: `bytes=${offset}-` } : undefined;
      const { answer, url } = await exchange.ask("GET", `blobs/${digest}`, range);
      const [, start] = /^bytes (\d+)-/.exec(String(answer.headers["content-range"])) ?? [];
      if (answer.statusCode === 206 && Number(start) !== offset) {
        answer.body.destroy();
        throw new EndpointFailure(`the answer does not begin at byte ${offset}`);
      }
      return pieces(answer.body, answer.statusCode === 206 ? 0 : offset, (error) => {
        const { message } = noAnswer(error, url);
        return new ImageError({ what, details: [`${url.host}: it broke off: ${message}`], unreachable: true });
      });
    });
  }

  /** The image as `resolveImage` takes it. */
  image(ref: ImageReference): ImageSource {
    return {
      description: formatReference(ref),
      manifest: (digest) => this.manifest(ref, digest),
      blob: (digest, limit) => this.blob(ref, digest, limit),
    };
  }

  /** Ends all connections. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #manifest(exchange: Exchange, name: string): Promise<ManifestDocument> {
    const headers = { accept: manifestTypes.join(", ") };
    const { answer, url } = await exchange.ask("GET", `manifests/${name}`, headers);
    const bytes = await readBody(answer, LONGEST_MANIFEST, url);
    const mediaType = String(answer.headers["content-type"] ?? "").replace(/\s*;.*$/s, "");
    const promised = digestProblem(name) === undefined ? name : String(answer.headers["docker-content-digest"] ?? "");
    const known = digestProblem(promised) === undefined;
    // The digest of a signed manifest of schema 1 is not that of its bytes; it is refused for what it is.
    if (known && !schema1Types.includes(mediaType) && !hasDigest(bytes, promised))
      throw new EndpointFailure(`the content does not have the digest ${promised}: it was changed on the way`);
    return { bytes, mediaType, digest: known ? promised : digestOf(bytes) };
  }

  /** The endpoints, those that gave no answer at the end. */
  #ordered(ref: ImageReference): Exchange[] {
    const silent = ({ host }: Endpoint) => (this.#silent.has(host) ? 1 : 0);
    return endpointsFor(ref, this.settings)
      .filter(({ host, url }) => !(this.#plain.has(host) && url.protocol === "https:"))
      .map((endpoint) => this.#exchange(endpoint))
      .sort((a, b) => silent(a.endpoint) - silent(b.endpoint));
  }

  #exchange(endpoint: Endpoint): Exchange {
    const key = `${endpoint.url.origin}/${endpoint.repository}`;
    const known = this.#exchanges.get(key);
    if (known !== undefined) return known;
    const login = new Login(this.#transport, endpoint, this.settings.pullSecrets ?? []);
    const exchange = new Exchange(this.#transport, endpoint, login);
    this.#exchanges.set(key, exchange);
    return exchange;
  }

  #note({ host, fallback }: Endpoint, silent: boolean): void {
    if (silent) this.#silent.add(host);
    else this.#silent.delete(host);
    if (fallback && !silent) this.#plain.add(host);
  }

  /** Asks one endpoint after the other, until one gives what is wanted. */
  async #each<T>(ref: ImageReference, what: string, use: (exchange: Exchange) => Promise<T>): Promise<T> {
    const failures: { endpoint: Endpoint; login: Login; failure: EndpointFailure }[] = [];
    for (const exchange of this.#ordered(ref)) {
      const { endpoint, login } = exchange;
      const before = failures.at(-1)?.failure.facts;
      if (endpoint.fallback && before !== undefined && (!before.silent || before.certificate)) continue;
      try {
        const result = await use(exchange);
        this.#note(endpoint, false);
        return result;
      } catch (error) {
        if (!(error instanceof EndpointFailure)) throw error;
        const silent = error.facts.silent === true;
        this.#note(endpoint, silent);
        // Once plain HTTP was answered, it says nothing that TLS was not.
        if (endpoint.fallback && !silent) failures.pop();
        failures.push({ endpoint, login, failure: error });
      }
    }
    const { status, unreachable } = failures.findLast(({ endpoint }) => !endpoint.mirror)?.failure.facts ?? {};
    throw new ImageError({
      what,
      details: failures.flatMap(({ endpoint, login, failure: { message, facts } }) => [
        `${endpoint.url.origin}: ${login.mask(message)}`,
        ...(facts.status === undefined || facts.unreachable ? [] : login.story),
      ]),
      next: failures.map(({ failure }) => failure.facts.next).findLast((next) => next !== undefined),
      status,
      unreachable: unreachable ?? false,
    });
  }
}

async function* pieces(
  body: AsyncIterable<Uint8Array>,
  skip: number,
  failure: (error: unknown) => ImageError,
): AsyncGenerator<Uint8Array> {
  let toSkip = skip;
  try {
    for await (const chunk of body) {
      const rest = toSkip === 0 ? chunk : chunk.subarray(Math.min(toSkip, chunk.length));
      toSkip -= chunk.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  } catch (error) {
    throw failure(error);
  }
}
