/** A token service for docker-registry: https://distribution.github.io/distribution/spec/auth/token/ */
import { sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { makeCertificate } from "./certificate";
import { login } from "./registry";

export interface TokenServer extends AsyncDisposable {
  readonly url: string;
  /** The `auth.token` section of a registry's configuration. */
  readonly registryConfig: Readonly<Record<string, string>>;
  /** Every question so far; who was logged in, and what was granted. */
  readonly questions: {
    readonly method: string;
    readonly user: string;
    readonly scope: string;
    readonly granted: string;
  }[];
}

/** Exchanged for tokens of {@link login}. */
export const identityToken = "identity-of-the-operator";

/** The operator may do everything; others may pull what begins with `public/`. */
export async function startTokenServer(directory: string): Promise<TokenServer> {
  const certificate = makeCertificate(directory, "tokens");
  const key = readFileSync(certificate.keyFile);
  const names = { service: "tests", issuer: "token-server" };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const questions: TokenServer["questions"] = [];

  const server = createServer(async (request, response) => {
    const parameters = await read(request);
    const user = whoIs(request, parameters);
    const scope = parameters.get("scope") ?? "";
    const [, repository = "", actions = ""] = /^repository:(.*):([^:]*)$/.exec(scope) ?? [];
    const wanted = actions.split(",");
    const granted = user !== "" ? wanted : repository.startsWith("public/") ? wanted.filter((a) => a === "pull") : [];
    questions.push({ method: request.method ?? "", user, scope, granted: granted.join(",") });
    response.setHeader("content-type", "application/json");
    if (user === "?") {
      response.statusCode = 401;
      response.end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "incorrect username or password" }] }));
      return;
    }
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now - 600, nbf: now - 600, exp: now + 300 };
    const access = granted.length === 0 ? [] : [{ type: "repository", name: repository, actions: granted }];
    const claims = { iss: names.issuer, sub: user, aud: names.service, ...times, jti: `${questions.length}`, access };
    const text = `${part({ typ: "JWT", alg: "RS256", x5c: [certificate.der] })}.${part(claims)}`;
    const token = `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
    response.end(JSON.stringify(request.method === "POST" ? { access_token: token } : { token }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return {
    url,
    registryConfig: { realm: url, ...names, rootcertbundle: certificate.certFile },
    questions,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function read(request: IncomingMessage): Promise<URLSearchParams> {
  let body = "";
  for await (const chunk of request) body += chunk;
  return request.method === "POST"
    ? new URLSearchParams(body)
    : new URL(request.url ?? "", "http://localhost").searchParams;
}

/** A name, nothing for somebody without a login, `?` for a wrong one. */
function whoIs(request: IncomingMessage, parameters: URLSearchParams): string {
  if (request.method === "POST") return parameters.get("refresh_token") === identityToken ? login.username : "?";
  const { authorization } = request.headers;
  if (authorization === undefined) return "";
  const right = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
  return authorization === right ? login.username : "?";
}
