import { describe, expect, test } from "vitest";
import { ConnectionError } from "../../provider/errors";
import { archiveSource } from "../../provider/images/archive";
import { digestOf } from "../../provider/images/digest";
import { layoutSource, parseLayoutReference } from "../../provider/images/layout";
import { resolveImage } from "../../provider/images/resolve";
import type { ImageSource } from "../../provider/images/source";
import { memoryFiles } from "./files";
import { failureOf } from "./operator";

type Json = Record<string, unknown>;

const amd64 = { architecture: "amd64" };
const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};
const diffId = digestOf(Buffer.from("diff"));

/** An image that is right but for what a test changes. */
function image(change: { manifest?: Json; config?: Json; layer?: Json; type?: string; spoil?: boolean } = {}) {
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { diff_ids: [diffId] }, ...change.config }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: types.config, digest: digestOf(config), size: config.length },
      layers: [{ mediaType: types.layer, digest: digestOf(Buffer.from("layer")), size: 5, ...change.layer }],
      ...change.manifest,
    }),
  );
  const documents = new Map([[digestOf(manifest), manifest]]);
  const source: ImageSource = {
    description: "a.example/app:1",
    manifest: async (digest = digestOf(manifest)) => ({
      bytes: documents.get(digest) ?? Buffer.of(),
      digest,
      mediaType: change.type ?? types.manifest,
    }),
    blob: async () => (change.spoil ? Buffer.from(String(config).replace("amd64", "arm64")) : config),
  };
  return source;
}

test("an image with nothing but what it must have", async () => {
  const { config, layers } = await resolveImage(image(), amd64);
  expect(config).toEqual({ entrypoint: [], cmd: [], env: [], user: "", workingDir: "" });
  expect(layers).toEqual([{ digest: digestOf(Buffer.from("layer")), size: 5, compression: "gzip", diffId }]);
});

test.each<[string, Parameters<typeof image>[0], string]>([
  ["a configuration that was changed", { spoil: true }, "its configuration does not have the digest sha256:"],
  ["schema 1 by its type", { type: "application/vnd.docker.distribution.manifest.v1+prettyjws" }, "(schema 1)"],
  ["schema 1 by its version", { manifest: { schemaVersion: 1 } }, "(schema 1)"],
  ["layers and manifests in one", { manifest: { manifests: [] } }, "lists both layers and manifests"],
  ["no config", { manifest: { config: undefined }, type: "text/x" }, 'of the media type "text/x" and has no config'],
  [
    "an artifact",
    { manifest: { config: { mediaType: "application/vnd.cncf.helm.config.v1+json", digest: diffId, size: 1 } } },
    'no image but an artifact of the type "application/vnd.cncf.helm.config.v1+json"',
  ],
  [
    "a layer that nobody may distribute",
    { layer: { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" } },
    "layer 1 (sha256:",
  ],
  ["an encrypted layer", { layer: { mediaType: `${types.layer}+encrypted` } }, "it is encrypted"],
  ["a layer of another kind", { layer: { mediaType: "text/html" } }, 'its media type "text/html" is none'],
  ["a layer that is named like a method", { layer: { mediaType: "constructor" } }, 'its media type "constructor"'],
  ["a digest that leads elsewhere", { layer: { digest: "sha256:../../etc/passwd" } }, "layers[0].digest is no sha256"],
  ["a size below nothing", { layer: { size: -1 } }, "layers[0].size is no number of bytes"],
  ["a size that is no number", { layer: { size: "5" } }, "layers[0].size is no number of bytes"],
  ["layers that are no list", { manifest: { layers: {} } }, "layers is not a list"],
  [
    "other layers in its configuration",
    { config: { rootfs: { diff_ids: [] } } },
    "1 layers, its configuration names 0",
  ],
  ["a diff id that is none", { config: { rootfs: { diff_ids: ["x"] } } }, "rootfs.diff_ids[0] is no sha256"],
  ["a command that is no list", { config: { config: { Cmd: "sh" } } }, "config.Cmd is not a list"],
  ["a variable that is no text", { config: { config: { Env: [1] } } }, "config.Env[0] is not a text"],
  ["Windows", { config: { os: "windows" } }, "it is made for windows/amd64, the node is linux/amd64"],
  [
    "an endless configuration",
    { manifest: { config: { mediaType: types.config, digest: diffId, size: 1e9 } } },
    "more than",
  ],
])("refuses %s", async (_, change, why) => {
  const message = await failureOf(resolveImage(image(change), amd64));
  expect(message).toMatch(/^a\.example\/app:1 cannot be used: /);
  expect(message).toContain(why);
});

test("refuses indexes that lead in a circle, or to something with another digest", async () => {
  const text = (digest: string) => Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ digest, size: 1 }] }));
  let count = 0;
  const deep: ImageSource = {
    ...image(),
    manifest: async (digest) => {
      const bytes = text(digestOf(Buffer.from(`${count++}`)));
      return { bytes, digest: digest ?? digestOf(bytes), mediaType: types.index };
    },
  };
  expect(await failureOf(resolveImage(deep, amd64))).toContain("its manifest does not have the digest sha256:");
  const chain = [diffId];
  const documents = new Map<string, Buffer>();
  for (let i = 0; i < 6; i++) {
    const bytes = text(chain.at(-1) ?? "");
    documents.set(digestOf(bytes), bytes);
    chain.push(digestOf(bytes));
  }
  const nested: ImageSource = {
    ...image(),
    manifest: async (digest = chain.at(-1) ?? "") => ({
      bytes: documents.get(digest) ?? Buffer.of(),
      digest,
      mediaType: types.index,
    }),
  };
  expect(await failureOf(resolveImage(nested, amd64))).toContain("nested more than 3 deep");
});

test("what is no fault of the image goes through as it is", async () => {
  const lost = new ConnectionError("edge-1 does not answer");
  await expect(resolveImage({ ...image(), blob: () => Promise.reject(lost) }, amd64)).rejects.toBe(lost);
});

describe("on the node", () => {
  test("the platform decides in a layout whose images differ in nothing else", async () => {
    const source = image();
    const { bytes, digest } = await source.manifest();
    const config = await source.blob("", 1e6);
    const entry = (architecture: string, of: string) => ({
      digest: of,
      size: 1,
      platform: { os: "linux", architecture },
    });
    const files = memoryFiles({
      "index.json": JSON.stringify({ manifests: [entry("arm64", diffId), entry("amd64", digest)] }),
      [`blobs/${digest.replace(":", "/")}`]: bytes,
      [`blobs/${digestOf(config).replace(":", "/")}`]: config,
    });
    const found = await resolveImage(layoutSource(files, "oci:/x"), amd64);
    expect(found.manifestDigest).toBe(digest);
    expect(found.digest).toBe(await files.digest("index.json"));
  });

  test.each([
    ["/srv/nginx", { path: "/srv/nginx" }],
    ["/srv/nginx:1.27", { path: "/srv/nginx", tag: "1.27" }],
    ["/srv:x/nginx", { path: "/srv:x/nginx" }],
    [`/srv/nginx@${diffId}`, { path: "/srv/nginx", digest: diffId }],
  ])("%s", (text, reference) => {
    expect(parseLayoutReference(text)).toEqual(reference);
  });

  test.each([
    ["srv/nginx", "must name an absolute path after oci:"],
    ["/srv/nginx:", 'the tag "" is no name of an image'],
    ["/srv/nginx@sha256:1", "a sha256 digest has 64 hexadecimal digits"],
  ])("refuses %s", (text, why) => {
    expect(() => parseLayoutReference(text, "spec.image")).toThrow(`spec.image: `);
    expect(() => parseLayoutReference(text, "spec.image")).toThrow(why);
  });

  test.each([
    [{ "index.json": "[]" }, "its manifest is not a JSON object"],
    [{ "index.json": '{"manifests":[]}' }, "there is no image in it"],
    [{}, "there is no index.json"],
  ])("refuses the layout %j", async (files, why) => {
    const failing = resolveImage(layoutSource(memoryFiles(files), "oci:/x"), amd64);
    expect(await failureOf(failing)).toMatch(/^oci:\/x cannot be used: /);
    expect(await failureOf(failing)).toContain(why.replace("its manifest", "index.json"));
  });

  const config = JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { diff_ids: [diffId] } });
  const save = (list: unknown, more = {}) =>
    memoryFiles({ "manifest.json": JSON.stringify(list), "config.json": config, "a/layer.tar": "tar", ...more });

  test.each([
    ["a layer that is a link", [{ Config: "config.json", Layers: ["b/layer.tar"] }], "none", diffId],
    ["a layer that is compressed", [{ Config: "config.json", Layers: ["packed"] }], "gzip", undefined],
  ])("docker save: %s", async (_, list, compression, digest) => {
    const packed = Buffer.from([0x1f, 0x8b, 8, 0]);
    const files = save(list, { "b/layer.tar": { link: "../a/layer.tar" }, packed });
    const source = await archiveSource(files, "archive:/x");
    if (source === undefined) throw new Error("is not taken for docker save's");
    const { layers } = await resolveImage(source, amd64);
    expect(layers).toMatchObject([{ compression, digest: digest ?? digestOf(packed), diffId }]);
    expect(source.fileOf(layers[0]?.digest ?? "")).toBe(compression === "gzip" ? "packed" : "a/layer.tar");
  });

  test.each([
    ["several images", [{}, {}], "there are 2 images in it"],
    ["a layer that is not there", [{ Config: "config.json", Layers: ["c"] }], "there is no c in it"],
    ["a link in a circle", [{ Config: "config.json", Layers: ["loop"] }], "loop is a link that leads in a circle"],
    ["a list of nothing", "text", "manifest.json is not a list"],
    ["a layer list of numbers", [{ Config: "config.json", Layers: [1] }], "Layers[0] is not a text"],
  ])("docker save: refuses %s", async (_, list, why) => {
    const source = await archiveSource(save(list, { loop: { link: "loop" } }), "archive:/x");
    if (source === undefined) throw new Error("is not taken for docker save's");
    expect(await failureOf(resolveImage(source, amd64))).toBe(
      `archive:/x cannot be used: ${why}${why.includes("images") ? "; save one per archive" : ""}`,
    );
  });
});
