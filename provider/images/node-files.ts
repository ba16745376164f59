/** Files of an image that lie on a node: a folder, or the members of a tar archive, read through the session. */
import { quote } from "../command/quote";
import type { Runner } from "../ssh/pool";
import { UnusableImage } from "./image-error";
import type { ImageFiles } from "./image-files";

/** What an image in an archive consists of. A root file system has none of these names at its top. */
const imageNames = "oci-layout|index\\.json|manifest\\.json|repositories|blobs/.*|.*\\.json|.*\\.tar|[0-9a-f]{64}.*";

/** More names are not those of an image. */
const MOST_NAMES = 20_000;

/** The files below a folder of the node. */
export function folderFiles(session: Runner, folder: string): ImageFiles {
  const at = (path: string) => quote(`${folder}/${path}`);
  return {
    list: async () => {
      const text = await ask(session, `cd -- ${quote(folder)} && find . -type f -exec stat -c '- %s %n' -- {} +`);
      return entriesOf(text);
    },
    read: (path, length) => bytes(session, `head -c ${length} -- ${at(path)}`),
    digest: async (path) => digestIn(await ask(session, `sha256sum <${at(path)}`)),
  };
}

/** The members of a tar archive on the node, compressed or not. Empty for the tar of a root file system. */
export function archiveFiles(session: Runner, archive: string): ImageFiles {
  const file = quote(archive);
  let names: Promise<Map<string, { size: number; link?: string; name: string }>> | undefined;
  const list = () => {
    names ??= ask(
      session,
      `tar -tv --numeric-owner -f ${file} | awk '{ name = $0; sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ /, "", name); sub(/^\\.\\//, "", name) }
name ~ /^(usr|bin)(\\/|$| ->)/ { root = 1; exit }
name ~ /^(${imageNames.replaceAll("/", "\\/")})( -> .*)?$/ { if (++count > ${MOST_NAMES}) exit; line[count] = $0 }
END { if (!root) for (i = 1; i <= count; i++) print line[i] }'`,
    ).then(membersOf);
    return names;
  };
  const member = async (path: string) => {
    const found = (await list()).get(path);
    if (found === undefined) throw new UnusableImage(`there is no ${path} in it`);
    return quote(found.name);
  };
  const first = "case $(tar --version 2>/dev/null) in *'GNU tar'*) set -- --occurrence=1 ;; *) set -- ;; esac";
  const extract = async (path: string) => `${first}; tar -xOf ${file} "$@" -- ${await member(path)}`;
  return {
    list,
    read: async (path, length) => bytes(session, `{ ${await extract(path)} 2>/dev/null; } | head -c ${length}`),
    digest: async (path) => digestIn(await ask(session, `{ ${await extract(path)}; } | sha256sum`)),
  };
}

/** The name under which a member stands in an archive. */
export async function memberName(files: ImageFiles, path: string): Promise<string> {
  const entry = (await files.list()).get(path) as { name?: string } | undefined;
  return entry?.name ?? path;
}

async function bytes(session: Runner, script: string): Promise<Buffer> {
  const reply = await session.run({ script, repeatable: true, deadlineMs: 600_000, label: "read the image's files" });
  if (reply.exitCode !== 0) throw new UnusableImage(reply.stderr.toString("utf8").trim() || "it cannot be read");
  return reply.stdout;
}

async function ask(session: Runner, script: string): Promise<string> {
  return (await bytes(session, script)).toString("utf8");
}

function digestIn(text: string): string {
  return `sha256:${text.split(" ")[0]}`;
}

function entriesOf(text: string): Map<string, { size: number }> {
  return new Map(
    [...text.matchAll(/^- (\d+) \.\/(.*)$/gm)].map(([, size, name = ""]) => [name, { size: Number(size) }]),
  );
}

/** Both GNU tar and busybox: mode, owner, size, date, time, name. */
function membersOf(text: string): Map<string, { size: number; link?: string; name: string }> {
  const entries = new Map<string, { size: number; link?: string; name: string }>();
  for (const line of text.split("\n")) {
    const [, type, size, name = ""] = /^(.)\S* +\S+ +(\d+) +\S+ +\S+ (.*)$/.exec(line) ?? [];
    const [own = "", link] = type === "l" ? name.split(" -> ") : [name];
    if (type === undefined || type === "d") continue;
    const entry = { size: Number(size), name: own, ...(link === undefined ? {} : { link }) };
    entries.set(own.replace(/^\.\//, ""), entry);
  }
  return entries;
}
