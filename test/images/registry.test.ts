import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { RegistrySettings } from "../../provider/images/endpoints";
import { parseReference } from "../../provider/images/reference";
import { Registry } from "../../provider/images/registry";
import { type Front, startFront } from "../harness/front";
import { makeImage } from "../harness/layout";
import { layoutEntries, startRegistry, type TestRegistry, whyNoRegistry } from "../harness/registry";
import { failureOf, readAll, usingNoLogins } from "./operator";

const obstacle = whyNoRegistry("curl");
if (obstacle !== undefined) console.warn(`the registry client is not tested: ${obstacle}`);

describe.skipIf(obstacle)("a registry", { timeout: 60_000 }, () => {
  let directory: string;
  let server: TestRegistry;
  let front: Front;
  let registry: Registry;
  /** The digest of the only layer, and its bytes. */
  let layer: string;
  let bytes: Buffer;

  const image = (host: string) => parseReference(`${host}/team/app:1`);
  const open = (settings: RegistrySettings = {}) => {
    registry = new Registry(settings);
    return registry;
  };

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "barepod-images-"));
    const layout = join(directory, "layout");
    makeImage(layout, "a", {
      layers: [{ "data/noise": createHash("sha512").update("a").digest().toString("hex").repeat(4000) }],
    });
    server = await startRegistry();
    await server.fill(`oci:${layout}:a`, "team/app:1");
    const manifest = JSON.parse(
      readFileSync(join(layout, "blobs", (layoutEntries(layout)[0]?.digest ?? "").replace(":", "/")), "utf8"),
    );
    layer = manifest.layers[0].digest;
    bytes = readFileSync(join(layout, "blobs", layer.replace(":", "/")));
  }, 60_000);
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    usingNoLogins(directory);
    front = await startFront(server.host);
  });
  afterEach(async () => {
    await registry?.close();
    await front[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
  });

  test("tells the digest of a tag by one HEAD, and of a digest without asking", async () => {
    const digest = await open().resolveDigest(image(front.host));
    expect(digest).toBe(layoutEntries(join(directory, "layout"))[0]?.digest);
    const asked = front.questions.filter(({ target }) => target.includes("/manifests/"));
    expect(asked.map(({ method, target }) => `${method} ${target}`)).toEqual(["HEAD /v2/team/app/manifests/1"]);
    front.questions.length = 0;
    expect(await registry.resolveDigest({ ...image(front.host), digest })).toBe(digest);
    expect(front.questions).toEqual([]);
  });

  test.each([
    ["has no HEAD", (answer: { status: number }) => ({ ...answer, status: 405 })],
    ["gives no digest with it", (answer: { headers: object }) => ({ ...answer, headers: {} })],
  ])("works the digest out of the manifest where the registry %s", async (_, spoil) => {
    front.change = ({ method }, answer) =>
      method === "HEAD"
        ? Object.assign(answer, spoil(answer))
        : { ...answer, headers: { "content-type": "text/plain" } };
    expect(await open().resolveDigest(image(front.host))).toBe(layoutEntries(join(directory, "layout"))[0]?.digest);
  });

  test("downloads a blob, from any offset", async () => {
    const ref = image(server.host);
    expect((await readAll(await open().openBlob(ref, layer))).equals(bytes)).toBe(true);
    for (const offset of [1, 1000, bytes.length - 1])
      expect((await readAll(await registry.openBlob(ref, layer, offset))).equals(bytes.subarray(offset))).toBe(true);
  });

  test("from an offset also where the registry knows no ranges", async () => {
    const unranged = await startFront(server.host);
    unranged.change = (_, answer) => ({ status: 200, headers: {}, body: answer.status === 206 ? bytes : answer.body });
    const rest = await readAll(await open().openBlob(image(unranged.host), layer, 777));
    expect(rest.equals(bytes.subarray(777))).toBe(true);
    await unranged[Symbol.asyncDispose]();
  });

  test("refuses a range that begins elsewhere", async () => {
    front.change = (_, answer) =>
      answer.status === 206 ? { ...answer, headers: { ...answer.headers, "content-range": "bytes 5-9/10" } } : answer;
    expect(await failureOf(open().openBlob(image(front.host), layer, 7))).toMatch("does not begin at byte 7");
  });

  test("a download that breaks off says so, and goes on where it ended", async () => {
    front.change = ({ method }, answer) => (method === "GET" ? { ...answer, cut: 2000 } : answer);
    const got: Uint8Array[] = [];
    const message = await failureOf(
      (async () => {
        for await (const piece of await open().openBlob(image(front.host), layer)) got.push(piece);
      })(),
    );
    expect(message).toMatch(/^could not get sha256:\w+ of 127.*\n {2}127\.0\.0\.1:\d+: it broke off: /);
    const begun = Buffer.concat(got);
    expect(begun.length).toBe(2000);
    front.change = (_, answer) => answer;
    const rest = await readAll(await registry.openBlob(image(front.host), layer, begun.length));
    expect(Buffer.concat([begun, rest]).equals(bytes)).toBe(true);
  });

  test("asks again while a registry is busy, as patiently as it says", async () => {
    let refusals = 0;
    front.change = (_, answer) =>
      refusals++ < 2
        ? { status: [429, 503][refusals - 1] ?? 500, headers: { "retry-after": "0" }, body: Buffer.of() }
        : answer;
    expect(await open().resolveDigest(image(front.host))).toMatch(/^sha256:/);
    expect(front.questions.filter(({ target }) => target.includes("/manifests/"))).toHaveLength(3);
  });

  test("gives up on one that stays busy, and tells it from one that has no such image", async () => {
    front.change = () => ({ status: 503, headers: { "retry-after": "0" }, body: Buffer.from("try later") });
    const error = await open()
      .resolveDigest(image(front.host))
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "ImageError", unreachable: true, status: 503 });
    front.change = (_, answer) => answer;
    const absent = await registry.resolveDigest(parseReference(`${front.host}/team/app:2`)).catch((reason) => reason);
    expect(absent).toMatchObject({ name: "ImageError", unreachable: false, status: 404 });
    expect(absent.message).toBe(
      `could not look up ${front.host}/team/app:2\n  http://${front.host}: status 404: MANIFEST_UNKNOWN: manifest unknown\n` +
        `not found or no permission: check the name, give imagePullSecrets, or log in with \`docker login ${front.host}\``,
    );
  });

  test("a registry that asks for more patience than a minute is not waited for", async () => {
    front.change = () => ({ status: 429, headers: { "retry-after": "3600" }, body: Buffer.of() });
    expect(await failureOf(open().resolveDigest(image(front.host)))).toContain("limits how often it is asked");
    // HEAD, and GET for what it says.
    expect(front.questions.filter(({ target }) => target.includes("/manifests/"))).toHaveLength(2);
  });

  test("nobody there: says where, and what the system said", async () => {
    await front[Symbol.asyncDispose]();
    const error = await open()
      .resolveDigest(image(front.host))
      .catch((reason) => reason);
    expect(error).toMatchObject({ unreachable: true, status: undefined });
    expect(error.message).toContain(`http://${front.host}: no answer: connect ECONNREFUSED ${front.host}`);
  });

  describe("behind mirrors", () => {
    const mirrored = (...mirrors: string[]) => ({ mirrors: { [server.host]: mirrors } });

    test("asks them in order, with the prefix of their path, and the registry at last", async () => {
      front.change = () => ({ status: 404, headers: {}, body: Buffer.of() });
      const second = await startFront(server.host);
      second.change = ({ target }, answer) => (target.includes("hub/") ? { ...answer, status: 500 } : answer);
      const ref = image(server.host);
      const settings = mirrored("127.0.0.1:1", front.host, `http://${second.host}/hub`);
      expect(await open(settings).resolveDigest(ref)).toMatch(/^sha256:/);
      expect(front.questions.every(({ target }) => target === "/v2/team/app/manifests/1")).toBe(true);
      expect(second.questions.at(-1)?.target).toBe("/v2/hub/team/app/manifests/1");
      await second[Symbol.asyncDispose]();
    });

    test("one that gives other bytes is passed by", async () => {
      front.change = ({ method }, answer) =>
        method === "GET" ? { ...answer, body: Buffer.from(String(answer.body).replace("layers", "Layers")) } : answer;
      const document = await open(mirrored(front.host)).manifest(image(server.host));
      expect(front.questions.some(({ method }) => method === "GET")).toBe(true);
      expect(String(document.bytes)).toContain('"layers"');
    });

    test("says of each why it was not the one", async () => {
      front.change = () => ({ status: 404, headers: {}, body: Buffer.of() });
      const ref = parseReference(`${server.host}/team/absent:1`);
      const message = await failureOf(open(mirrored("127.0.0.1:1", front.host)).manifest(ref));
      const lines = message.split("\n").map((line) => line.replace(/ECONN.*/, "ECONN"));
      expect(lines).toContain(`  http://${front.host}: status 404`);
      expect(lines).toContain("  http://127.0.0.1:1: no answer: connect ECONN");
      expect(lines).toContain(`  http://${server.host}: status 404: MANIFEST_UNKNOWN: manifest unknown`);
    });
  });

  test("content that was changed on the way is refused", async () => {
    front.change = ({ method, target }, answer) => {
      if (method === "HEAD" || !/manifests|blobs/.test(target)) return answer;
      const body = Buffer.from(answer.body);
      body[body.length - 5] = (body[body.length - 5] ?? 0) ^ 1;
      return { ...answer, body };
    };
    const ref = image(front.host);
    expect(await failureOf(open().manifest(ref))).toContain("it was changed on the way");
    expect(await failureOf(registry.blob(ref, layer, 1e7))).toContain("does not have that digest");
  });

  test("a manifest without end is not read to it", async () => {
    front.change = (_, answer) => ({ ...answer, headers: {}, body: Buffer.alloc(5e6, " ") });
    expect(await failureOf(open().manifest(image(front.host)))).toContain("has more than 4194304 bytes");
  });

  test("is reached through the proxy of the environment, and no_proxy is heeded", async () => {
    vi.stubEnv("http_proxy", `http://${front.host}`);
    const ref = parseReference("registry.test/team/app:1");
    const settings = { plainHttp: ["registry.test"] };
    expect(await open(settings).resolveDigest(ref)).toMatch(/^sha256:/);
    expect(front.questions.at(-1)).toMatchObject({ target: "http://registry.test/v2/team/app/manifests/1" });
    vi.stubEnv("no_proxy", "registry.test");
    expect(await failureOf(open(settings).resolveDigest(ref))).toMatch(/no answer: getaddrinfo/);
  });

  test("tells what curl needs on another machine; nothing of a registry on a loopback address", async () => {
    vi.stubEnv("http_proxy", `http://${front.host}`);
    const ref = parseReference("registry.test/team/app:1");
    const [request, ...more] = await open({ plainHttp: ["registry.test"] }).blobRequests(ref, layer);
    expect(more).toEqual([]);
    expect(request).toEqual({ url: `http://registry.test/v2/team/app/blobs/${layer}` });
    const file = join(directory, "by-curl");
    const words = ["-fsSL", "--proxy", `http://${front.host}`, "-o", file, request?.url ?? ""];
    await promisify(execFile)("curl", words);
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(await registry.blobRequests(image(server.host), layer)).toEqual([]);
  });

  test("a proxy that cannot be used is named without its password", async () => {
    vi.stubEnv("http_proxy", "socks5://me:swordfish@127.0.0.1:1");
    const ref = parseReference("registry.test/team/app:1");
    const message = await failureOf(open({ plainHttp: ["registry.test"] }).resolveDigest(ref));
    expect(message).toContain("is not an http:// or https:// address");
    vi.stubEnv("http_proxy", "http://me:swordfish@127.0.0.1:1");
    const refused = await failureOf(open({ plainHttp: ["registry.test"] }).resolveDigest(ref));
    expect(refused).toContain("through the proxy http://127.0.0.1:1");
    expect(message + refused).not.toContain("swordfish");
  });
});
