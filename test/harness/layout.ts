/** Images made by umoci, in an image layout. Needs no root. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface ImageOptions {
  /** One layer each: paths in the image and what is in them. */
  readonly layers?: readonly Readonly<Record<string, string | Buffer>>[];
  /** Options of `umoci config` without dashes: `{ "config.user": "1000" }`; a list is given one by one. */
  readonly config?: Readonly<Record<string, string | readonly string[]>>;
}

/** Makes `layout:tag`; the layout is made too when it is missing. */
export function makeImage(layout: string, tag: string, { layers = [], config = {} }: ImageOptions = {}): void {
  const umoci = (...words: string[]) => execFileSync("umoci", words, { stdio: "pipe" });
  const image = `${layout}:${tag}`;
  try {
    umoci("init", "--layout", layout);
  } catch (error) {
    if (!String(error).includes("exists")) throw error;
  }
  umoci("new", "--image", image);
  for (const [i, files] of layers.entries()) {
    const folder = join(dirname(layout), `${tag}-layer-${i}`);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content, { mode: /^s?bin\//.test(path) ? 0o755 : 0o644 });
    }
    umoci("insert", "--rootless", "--image", image, folder, "/");
  }
  const words = Object.entries(config).flatMap(([name, value]) => [value].flat().map((each) => `--${name}=${each}`));
  if (words.length > 0) umoci("config", "--image", image, ...words);
}
