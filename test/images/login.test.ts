import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { RegistrySettings } from "../../provider/images/endpoints";
import { parseReference } from "../../provider/images/reference";
import { Registry } from "../../provider/images/registry";
import { startFront } from "../harness/front";
import { makeImage } from "../harness/layout";
import { login, startRegistry, type TestRegistry, whyNoRegistry } from "../harness/registry";
import { identityToken } from "../harness/token-server";
import { failureOf, readAll, usingNoLogins } from "./operator";

const obstacle = whyNoRegistry();
if (obstacle !== undefined) console.warn(`logins are not tested: ${obstacle}`);

const encoded = Buffer.from(`${login.username}:${login.password}`).toString("base64");
const secretFor = (host: string, entry: object = { auth: encoded }) => JSON.stringify({ auths: { [host]: entry } });
const wrong = { auth: Buffer.from("operator:swordfish").toString("base64") };

describe.skipIf(obstacle)("logging in", { timeout: 60_000 }, () => {
  let directory: string;
  let registry: Registry;
  let layout: string;

  const image = (server: { host: string }, repository = "team/app") => parseReference(`${server.host}/${repository}:1`);
  const open = (settings: RegistrySettings = {}) => {
    registry = new Registry(settings);
    return registry;
  };

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "barepod-logins-"));
    layout = join(directory, "layout");
    makeImage(layout, "a", { layers: [{ hello: "hello" }, { world: "world" }] });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  beforeEach(() => usingNoLogins(directory));
  afterEach(async () => {
    await registry?.close();
    vi.unstubAllEnvs();
  });

  describe("with a name and a password", () => {
    let server: TestRegistry;
    beforeAll(async () => {
      server = await startRegistry({ auth: "basic" });
      await server.fill(`oci:${layout}:a`, "team/app:1");
    }, 60_000);
    afterAll(() => server[Symbol.asyncDispose]());

    test("of a pull secret", async () => {
      const pullSecrets = [secretFor("else.example", wrong), secretFor(server.host)];
      expect(await open({ pullSecrets }).resolveDigest(image(server))).toMatch(/^sha256:/);
    });

    test("the next one is tried where one is wrong", async () => {
      const pullSecrets = [secretFor(server.host, wrong), secretFor(server.host)];
      expect(await open({ pullSecrets }).resolveDigest(image(server))).toMatch(/^sha256:/);
    });

    test("without one: says that there is none, and what to do", async () => {
      expect(await failureOf(open().resolveDigest(image(server)))).toBe(
        `could not look up ${server.host}/team/app:1\n` +
          `  http://${server.host}: status 401: UNAUTHORIZED: authentication required\n` +
          `  no login for ${server.host} was found\n` +
          `not found or no permission: check the name, give imagePullSecrets, or log in with \`docker login ${server.host}\``,
      );
    });

    test("with a wrong one: says where it came from, and never the password", async () => {
      mkdirSync(join(directory, ".docker"), { recursive: true });
      writeFileSync(join(directory, ".docker/config.json"), secretFor(server.host, wrong));
      const message = await failureOf(
        open({ pullSecrets: [secretFor(server.host, wrong)] }).resolveDigest(image(server)),
      );
      expect(message).toContain(`tried the login of imagePullSecrets[0], ${directory}/.docker/config.json`);
      expect(message).not.toMatch(/swordfish|b3BlcmF0b3/);
      writeFileSync(join(directory, ".docker/config.json"), "{");
      const unreadable = await failureOf(open().resolveDigest(image(server)));
      expect(unreadable).toContain(`${directory}/.docker/config.json: is not JSON`);
      rmSync(join(directory, ".docker"), { recursive: true });
    });

    test("a registry that repeats what it was sent does not get it into the message", async () => {
      const front = await startFront(server.host);
      front.change = ({ headers }, answer) => ({
        ...answer,
        body: Buffer.from(JSON.stringify({ errors: [{ code: "DENIED", message: `no, ${headers.authorization}` }] })),
      });
      const settings = { pullSecrets: [secretFor(front.host, wrong)] };
      const message = await failureOf(open(settings).resolveDigest(image(front)));
      expect(message).toContain("DENIED: no, Basic [secret]");
      await front[Symbol.asyncDispose]();
    });
  });

  describe("with tokens", () => {
    let server: TestRegistry;
    beforeAll(async () => {
      server = await startRegistry({ auth: "token" });
      for (const repository of ["team/app", "public/app"]) await server.fill(`oci:${layout}:a`, `${repository}:1`);
    }, 60_000);
    afterAll(() => server[Symbol.asyncDispose]());
    beforeEach(() => {
      server.tokens?.questions.splice(0);
    });

    test("anonymous ones open what is public", async () => {
      expect(await open().resolveDigest(image(server, "public/app"))).toMatch(/^sha256:/);
      expect(server.tokens?.questions).toEqual([
        { method: "GET", user: "", scope: "repository:public/app:pull", granted: "pull" },
      ]);
      const message = await failureOf(open().resolveDigest(image(server)));
      expect(message).toMatch(/status 401: UNAUTHORIZED/);
      expect(message).toContain(`no login for ${server.host} was found`);
    });

    test("one serves for everything of a pull, also at the same time", async () => {
      const source = open({ pullSecrets: [secretFor(server.host)] }).image(image(server));
      const manifest = JSON.parse(String((await source.manifest()).bytes));
      const layers = manifest.layers as { digest: string; size: number }[];
      const blobs = await Promise.all(
        layers.map(({ digest }) => registry.openBlob(image(server), digest).then(readAll)),
      );
      expect(blobs.map(({ length }) => length)).toEqual(layers.map(({ size }) => size));
      const questions = server.tokens?.questions ?? [];
      expect(questions).toEqual([
        { method: "GET", user: "operator", scope: "repository:team/app:pull", granted: "pull" },
      ]);
    });

    test("first requests that come together ask for one token", async () => {
      open({ pullSecrets: [secretFor(server.host)] });
      await Promise.all([1, 2, 3].map(() => registry.resolveDigest(image(server))));
      expect(server.tokens?.questions).toHaveLength(1);
    });

    test("one that is over is renewed", async () => {
      await using front = await startFront(server.host);
      open({ pullSecrets: [secretFor(front.host)] });
      await registry.resolveDigest(image(front));
      const [challenge] = (await fetch(`http://${server.host}/v2/`)).headers.get("www-authenticate")?.split("\n") ?? [];
      let refused = false;
      front.change = (_, answer) => {
        if (refused) return answer;
        refused = true;
        return { status: 401, headers: { "www-authenticate": challenge }, body: Buffer.of() };
      };
      expect(await registry.resolveDigest(image(front))).toMatch(/^sha256:/);
      expect(server.tokens?.questions).toHaveLength(2);
    });

    test("an identity token is exchanged, and stands in no address", async () => {
      const pullSecrets = [secretFor(server.host, { auth: "Og==", identitytoken: identityToken })];
      expect(await open({ pullSecrets }).resolveDigest(image(server))).toMatch(/^sha256:/);
      expect(server.tokens?.questions).toEqual([
        { method: "POST", user: "operator", scope: "repository:team/app:pull", granted: "pull" },
      ]);
    });

    test("a wrong login: says what the token service said", async () => {
      const message = await failureOf(
        open({ pullSecrets: [secretFor(server.host, wrong)] }).resolveDigest(image(server)),
      );
      const service = new URL(server.tokens?.url ?? "").host;
      expect(message).toContain(
        `imagePullSecrets[0]: ${service}, which gives tokens, answered 401 UNAUTHORIZED: incorrect username or password`,
      );
      expect(message).not.toContain("swordfish");
    });
  });

  describe("with TLS", () => {
    let server: TestRegistry;
    beforeAll(async () => {
      server = await startRegistry({ auth: "basic", tls: true });
      await server.fill(`oci:${layout}:a`, "team/app:1");
    }, 60_000);
    afterAll(() => server[Symbol.asyncDispose]());
    const settings = () => ({ pullSecrets: [secretFor(server.host)] });

    test("an authority that is not known is refused, and plain HTTP is not tried", async () => {
      const message = await failureOf(open(settings()).resolveDigest(image(server)));
      expect(message).toContain(`https://${server.host}: no answer: self-signed certificate`);
      expect(message).toContain(`/etc/docker/certs.d/${server.host}/ca.crt, or name its file in SSL_CERT_FILE`);
      expect(message).not.toContain("http://");
    });

    test.each(["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])("one that %s names is trusted", async (variable) => {
      vi.stubEnv(variable, server.caFile);
      expect(await open(settings()).resolveDigest(image(server))).toMatch(/^sha256:/);
    });

    test("one that lies where docker keeps it is trusted for that registry", async () => {
      const folder = join(directory, ".docker", "certs.d", server.host);
      mkdirSync(folder, { recursive: true });
      copyFileSync(server.caFile ?? "", join(folder, "ca.crt"));
      expect(await open(settings()).resolveDigest(image(server))).toMatch(/^sha256:/);
      rmSync(join(directory, ".docker"), { recursive: true });
    });

    test("a file that is not there is named", async () => {
      vi.stubEnv("SSL_CERT_FILE", "/absent/ca.pem");
      expect(await failureOf(open(settings()).resolveDigest(image(server)))).toContain(
        "SSL_CERT_FILE names /absent/ca.pem, which cannot be read: ENOENT",
      );
    });

    test("goes through a proxy's tunnel", async () => {
      const proxy = await startFront(server.host);
      vi.stubEnv("https_proxy", `http://${proxy.host}`);
      vi.stubEnv("SSL_CERT_FILE", server.caFile);
      const pullSecrets = [secretFor("registry.test")];
      expect(await open({ pullSecrets }).resolveDigest(parseReference("registry.test/team/app:1"))).toMatch(/^sha256:/);
      expect(proxy.questions[0]).toMatchObject({ method: "CONNECT", target: "registry.test:443" });
      await registry.close();
      await proxy[Symbol.asyncDispose]();
    });
  });

  test("is not sent along to where blobs are redirected", async () => {
    await using target = await startRegistry();
    await using storage = await startFront(target.host, () => ({
      status: 200,
      headers: {},
      body: Buffer.from("from storage"),
    }));
    await using server = await startRegistry({ auth: "basic", redirectTo: `http://${storage.host}` });
    await server.fill(`oci:${layout}:a`, "team/app:1");
    await using proxy = await startFront(server.host);
    const blob = layoutLayer(String((await open(withLogin(server.host)).manifest(image(server))).bytes));
    expect(String(await readAll(await registry.openBlob(image(server), blob)))).toBe("from storage");
    expect(storage.questions.length).toBe(1);
    expect(storage.questions[0]?.headers.authorization).toBeUndefined();

    vi.stubEnv("http_proxy", `http://${proxy.host}`);
    const settings = { ...withLogin("registry.test"), plainHttp: ["registry.test"] };
    await registry.close();
    const [request] = await open(settings).blobRequests(parseReference("registry.test/team/app:1"), blob);
    expect(request?.url).toContain(`http://${storage.host}/docker/registry/v2/blobs/sha256/`);
    expect(request?.authorization).toBeUndefined();
  });

  test("comes with the address that another machine is given", async () => {
    await using server = await startRegistry({ auth: "basic" });
    await server.fill(`oci:${layout}:a`, "team/app:1");
    await using proxy = await startFront(server.host);
    vi.stubEnv("http_proxy", `http://${proxy.host}`);
    const ref = parseReference("registry.test/team/app:1");
    open({ ...withLogin("registry.test"), plainHttp: ["registry.test"] });
    const blob = layoutLayer(String((await registry.manifest(ref)).bytes));
    expect(await registry.blobRequests(ref, blob)).toEqual([
      { url: `http://registry.test/v2/team/app/blobs/${blob}`, authorization: `Basic ${encoded}` },
    ]);
  });

  const withLogin = (host: string) => ({ pullSecrets: [secretFor(host)] });
});

function layoutLayer(manifest: string): string {
  return JSON.parse(manifest).layers[0].digest;
}
