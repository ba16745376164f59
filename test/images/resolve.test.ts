import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { archiveSource } from "../../provider/images/archive";
import { layoutSource } from "../../provider/images/layout";
import { parseReference } from "../../provider/images/reference";
import { Registry } from "../../provider/images/registry";
import { resolveImage } from "../../provider/images/resolve";
import { makeImage } from "../harness/layout";
import { layoutEntries, startRegistry, type TestRegistry, whyNoRegistry } from "../harness/registry";
import { folderFiles, tarFiles } from "./files";
import { failureOf, usingNoLogins } from "./operator";

const obstacle = whyNoRegistry();
if (obstacle !== undefined) console.warn(`images of real tools are not tested: ${obstacle}`);
const asRoot = process.getuid?.() === 0;

const amd64 = { architecture: "amd64" };
const arm64 = { architecture: "arm64", variant: "v8" };
const config = {
  entrypoint: ["/bin/app"],
  cmd: ["serve", "--all"],
  env: ["A=b", "C=d=e"],
  user: "1000:100",
  workingDir: "/data",
  stopSignal: "SIGQUIT",
};

describe.skipIf(obstacle)("an image", { timeout: 60_000 }, () => {
  let directory: string;
  let layout: string;
  let server: TestRegistry;
  let registry: Registry;

  const pull = (tag: string, platform = amd64) =>
    resolveImage(registry.image(parseReference(`${server.host}/team/app:${tag}`)), platform);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "barepod-resolve-"));
    layout = join(directory, "layout");
    const layers = [{ "bin/app": "app" }, { "data/x": "x".repeat(1000) }];
    makeImage(layout, "amd", {
      layers,
      config: {
        architecture: "amd64",
        "config.entrypoint": config.entrypoint,
        "config.cmd": config.cmd,
        "config.env": config.env,
        "config.user": config.user,
        "config.workingdir": config.workingDir,
        "config.stopsignal": config.stopSignal,
      },
    });
    makeImage(layout, "arm", { layers: [{ "bin/app": "for arm" }], config: { architecture: "arm64" } });
    usingNoLogins(directory);
    server = await startRegistry();
    registry = new Registry();
    await server.fill(`oci:${layout}:amd`, "team/app:oci");
    await server.fill(`oci:${layout}:amd`, "team/app:v2s2", "--format=v2s2");
    await server.fill(`oci:${layout}:amd`, "team/app:v2s1", "--format=v2s1");
    await server.fill(`oci:${layout}:arm`, "team/app:arm");
    const skopeo = (...words: string[]) => execFileSync("skopeo", ["--insecure-policy", "copy", "-q", ...words]);
    // Layers that no registry has seen: skopeo pushes what it knows as it knows it.
    makeImage(layout, "fresh", { layers: [{ noise: `${process.pid} ${Date.now()}`.repeat(500) }] });
    skopeo("--dest-decompress", `oci:${layout}:fresh`, `dir:${directory}/plain`);
    await server.fill(`dir:${directory}/plain`, "team/zstd:1", "--dest-compress-format=zstd");
    skopeo(`oci:${layout}:amd`, `docker-archive:${directory}/save.tar:team/app:1`);
    skopeo(`oci:${layout}:amd`, `oci-archive:${directory}/oci.tar`);
  }, 120_000);
  afterAll(async () => {
    await registry.close();
    await server[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true, force: true });
  });

  test("in OCI's format", async () => {
    const found = await pull("oci");
    expect(found.config).toEqual(config);
    expect(found.digest).toBe(layoutEntries(layout)[0]?.digest);
    expect(found.manifestDigest).toBe(found.digest);
    expect(found.layers.map(({ compression }) => compression)).toEqual(["gzip", "gzip"]);
    for (const { digest, size, diffId } of found.layers) {
      expect(digest).toMatch(/^sha256:\w{64}$/);
      expect(diffId).not.toBe(digest);
      expect(size).toBeGreaterThan(0);
    }
  });

  test("in Docker's (schema 2): the same layers and configuration", async () => {
    const [docker, oci] = await Promise.all([pull("v2s2"), pull("oci")]);
    expect(docker.layers).toEqual(oci.layers);
    expect(docker.config).toEqual(oci.config);
    expect(docker.digest).not.toBe(oci.digest);
  });

  test("in Docker's old one (schema 1): refused, with what to do", async () => {
    expect(await failureOf(pull("v2s1"))).toMatch(
      /^127.*team\/app:v2s1 cannot be used: it is in Docker's old format \(schema 1\).*push it again/,
    );
  });

  test("with zstd layers", async () => {
    const source = registry.image(parseReference(`${server.host}/team/zstd:1`));
    expect((await resolveImage(source, amd64)).layers.map(({ compression }) => compression)).toEqual(["zstd"]);
  });

  test("for another architecture: refused", async () => {
    expect(await failureOf(pull("arm"))).toContain("it is made for linux/arm64, the node is linux/amd64");
    expect((await pull("arm", arm64)).layers).toHaveLength(1);
  });

  // buildah wants root, or user namespaces.
  test.skipIf(!asRoot || whyNoRegistry("buildah"))(
    "for several architectures, as buildah puts them together",
    async () => {
      const store = ["--storage-driver=vfs", `--root=${directory}/store`, `--runroot=${directory}/run`];
      const buildah = (...words: string[]) => execFileSync("buildah", [...store, ...words], { stdio: "pipe" });
      buildah("manifest", "create", "several");
      buildah("manifest", "add", "several", `oci:${layout}:amd`);
      buildah("manifest", "add", "--arch=arm64", "--variant=v8", "several", `oci:${layout}:arm`);
      for (const [tag, format] of [
        ["index", "oci"],
        ["list", "v2s2"],
      ] as const) {
        const to = `docker://${server.host}/team/app:${tag}`;
        buildah("manifest", "push", "--all", "--tls-verify=false", `--format=${format}`, "several", to);
        const [amd, arm] = [await pull(tag), await pull(tag, arm64)];
        expect(amd.digest).toBe(arm.digest);
        expect(amd.digest).toBe(await registry.resolveDigest(parseReference(`${server.host}/team/app:${tag}`)));
        expect(amd.layers).toEqual((await pull("oci")).layers);
        expect(arm.layers).toEqual((await pull("arm", arm64)).layers);
        expect(await failureOf(pull(tag, { architecture: "riscv64" }))).toContain(
          "it is not made for the node's linux/riscv64; it is made for linux/amd64, linux/arm64/v8",
        );
      }
    },
  );

  test("of a layout: by tag, by digest; the only one; never a guess", async () => {
    const open = (wanted = {}) => layoutSource(folderFiles(layout), `oci:${layout}`, wanted);
    const byTag = await resolveImage(open({ tag: "amd" }), amd64);
    expect(byTag).toEqual(await pull("oci"));
    expect(await resolveImage(open({ digest: byTag.digest }), amd64)).toEqual(byTag);
    expect(await failureOf(resolveImage(open({ tag: "none" }), amd64))).toBe(
      `oci:${layout} cannot be used: no image in it is named "none", but amd, arm, fresh`,
    );
    expect(await failureOf(resolveImage(open(), amd64))).toContain(
      "there are 3 images in it: say which, by :TAG or @DIGEST; named are amd, arm, fresh",
    );
  });

  test("of an OCI archive, and of what docker save writes", async () => {
    const oci = await archiveSource(await tarFiles(join(directory, "oci.tar")), "archive:oci.tar");
    expect(oci && (await resolveImage(oci, amd64))).toEqual(await pull("oci"));
    const saved = await archiveSource(await tarFiles(join(directory, "save.tar")), "archive:save.tar");
    if (saved === undefined) throw new Error("is not taken for docker save's");
    const found = await resolveImage(saved, amd64);
    const pulled = await pull("oci");
    expect(found.config).toEqual(pulled.config);
    expect(found.layers.map(({ diffId }) => diffId)).toEqual(pulled.layers.map(({ diffId }) => diffId));
    for (const { digest, diffId, compression } of found.layers) {
      expect({ digest, compression }).toEqual({ digest: diffId, compression: "none" });
      const files = await tarFiles(join(directory, "save.tar"));
      expect(await files.digest(saved.fileOf(digest))).toBe(diffId);
    }
    expect((await resolveImage(saved, amd64)).digest).toBe(found.digest);
  });

  test("a plain tar of a root file system is none", async () => {
    execFileSync("tar", ["-cf", join(directory, "root.tar"), "-C", directory, "amd-layer-0"]);
    expect(await archiveSource(await tarFiles(join(directory, "root.tar")), "archive:root.tar")).toBeUndefined();
  });
});
