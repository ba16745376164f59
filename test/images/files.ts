/** Files of an image on this machine: what a node's shell does for the product. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { digestOf } from "../../provider/images/digest";
import { UnusableImage } from "../../provider/images/image-error";
import type { ImageFiles } from "../../provider/images/image-files";

export function folderFiles(folder: string): ImageFiles {
  return fromMap(() => {
    const entries = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
    return new Map(
      entries.map((entry) => {
        const file = join(entry.parentPath, entry.name);
        return [relative(folder, file), { size: statSync(file).size, content: () => readFileSync(file) }];
      }),
    );
  });
}

export async function tarFiles(archive: string): Promise<ImageFiles> {
  const lines = execFileSync("tar", ["-tvf", archive], { encoding: "utf8" }).trim().split("\n");
  const folder = mkdtempSync(join(tmpdir(), "barepod-tar-"));
  execFileSync("tar", ["-xf", archive, "-C", folder, "--mode=u+rwX"]);
  const entries = new Map<string, { size: number; link?: string; content: () => Buffer }>();
  for (const line of lines) {
    const [, type, size, name = "", link] = /^(.)\S+ \S+ +(\d+) \S+ \S+ (.*?)(?: -> (.*))?$/.exec(line) ?? [];
    if (type === "d") continue;
    const content = link === undefined ? readFileSync(join(folder, name)) : Buffer.of();
    entries.set(name, { size: Number(size), ...(link !== undefined && { link }), content: () => content });
  }
  rmSync(folder, { recursive: true });
  return fromMap(() => entries);
}

/** Files that are only thought of. */
export function memoryFiles(texts: Readonly<Record<string, string | Buffer | { link: string }>>): ImageFiles {
  return fromMap(() => {
    const entries = Object.entries(texts).map(([name, value]) => {
      if (typeof value === "object" && "link" in value)
        return [name, { size: 0, link: value.link, content: () => Buffer.of() }] as const;
      const content = Buffer.from(value as string);
      return [name, { size: content.length, content: () => content }] as const;
    });
    return new Map(entries);
  });
}

function fromMap(list: () => Map<string, { size: number; link?: string; content: () => Buffer }>): ImageFiles {
  const read = (path: string) => {
    const entry = list().get(path);
    if (entry === undefined) throw new UnusableImage(`there is no ${path}`);
    return entry.content();
  };
  return {
    list: async () => list(),
    read: async (path, length) => read(path).subarray(0, length),
    digest: async (path) => digestOf(read(path)),
  };
}
