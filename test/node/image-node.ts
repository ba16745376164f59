/** A sandbox node, and a registry that it can reach: what the tests of images share. */
import { mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import type { RootFsState } from "../../provider/facts/root-fs";
import { type RootFsInputs, rootFsSpec } from "../../provider/resources/root-fs";
import { HandlerNode } from "../harness/handlers";
import { type ImageOptions, makeImage } from "../harness/layout";
import { whyNoRegistry } from "../harness/registry";
import { sandboxObstacle } from "../harness/sandbox";

/** Why there can be no tests of images here, or undefined. */
export function imageObstacle(): string | undefined {
  return whyNoRegistry() ?? sandboxObstacle();
}

export class ImageNode extends HandlerNode {
  readonly #roots = this.resource<{ imageDigest: string }, RootFsInputs, RootFsState>(rootFsSpec, { whole: true });
  readonly complete = this.#roots.complete;
  readonly check = this.#roots.check;
  readonly reasons = this.#roots.reasons;
  readonly create = this.#roots.create;
  readonly failure = this.#roots.failure;
  readonly update = this.#roots.update;
  readonly replaces = this.#roots.replaces;
  readonly read = this.#roots.read;
  readonly remove = this.#roots.remove;
  /** Of this machine, for images. */
  readonly folder = mkdtempSync(join(tmpdir(), "barepod-images-"));

  /** This machine's address as the node sees it. */
  get operator(): string {
    const network = this.sandbox.host.replace(/\d+\.\d+$/, "");
    const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    return all.find(({ address }) => address.startsWith(network))?.address ?? "";
  }

  /** Makes an image on this machine: `oci:FOLDER:TAG`. */
  image(tag: string, options: ImageOptions): string {
    const layout = join(this.folder, "layout");
    makeImage(layout, tag, options);
    return `oci:${layout}:${tag}`;
  }

  /** All that images could leave behind. */
  listing(): Promise<string> {
    return this.sh(
      "cd /var/lib/barepod; find . -path ./bin -prune -o -path ./tmp -prune -o -mindepth 1 -print; find /srv/t; findmnt -rno TARGET",
    );
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
    await super[Symbol.asyncDispose]();
  }
}
