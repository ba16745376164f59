/** A folder of files that change together: its mode and owner, and for each file those and its content's checksum. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";

/** One file of the set. */
export interface SetFile {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** SHA-256 of the content, in hexadecimal; empty for what is no regular file. */
  readonly sha256: string;
  /** Whether it is found under its name in the folder itself. */
  readonly linked: boolean;
}

/** A set of files at a path. */
export interface FileSetState {
  /** `set`, or `other` for what is no folder. */
  readonly kind: string;
  /** Permission bits of the folder. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly files: Readonly<Record<string, SetFile>>;
}

/**
 * The set at `path`: what the symbolic link `..data` in it leads to. A folder without one is none: files of a set may lie
 * beside others'.
 */
export function fileSetAt(path: string): Fact<FileSetState> {
  return {
    script: `d=${quote(path)}
if [ ! -d "$d" ] || [ -L "$d" ]; then
if [ -e "$d" ] || [ -L "$d" ]; then echo other 0 0 0; fi
return 0
fi
[ -L "$d/..data" ] || return 0
stat -c 'set %a %u %g' -- "$d"
cd -- "$d/..data/" 2>/dev/null || return 0
set --
for f in * .[!.]*; do [ ! -e "$f" ] && [ ! -L "$f" ] || set -- "$@" "$f"; done
[ "$#" -gt 0 ] || return 0
stat -c 'file %a %u %g %n' -- "$@"
for f do
[ "$d/$f" -ef "./$f" ] || echo "unlinked $f"
if [ -f "$f" ] && [ ! -L "$f" ]; then set -- "$@" "$f"; fi
shift
done
[ "$#" -eq 0 ] || sha256sum -- "$@"`,
    parse: (text) => {
      const lines = text.split("\n");
      const [kind = "", mode = "0", uid = "0", gid = "0"] = (lines[0] ?? "").split(" ");
      const files: Record<string, SetFile> = {};
      for (const line of lines.slice(1)) {
        const file = /^file (\d+) (\d+) (\d+) (.*)$/.exec(line);
        const [, fileMode = "0", owner, group, name = ""] = file ?? [];
        const bits = Number.parseInt(fileMode, 8);
        if (file) files[name] = { mode: bits, uid: Number(owner), gid: Number(group), sha256: "", linked: true };
        const unlinked = /^unlinked (.*)$/.exec(line)?.[1];
        const lonely = unlinked === undefined ? undefined : files[unlinked];
        if (unlinked !== undefined && lonely) files[unlinked] = { ...lonely, linked: false };
        const [, sha256, summed = ""] = /^([0-9a-f]{64}) [ *](.*)$/.exec(line) ?? [];
        const found = files[summed];
        if (sha256 !== undefined && found) files[summed] = { ...found, sha256 };
      }
      return { kind, mode: Number.parseInt(mode, 8), uid: Number(uid), gid: Number(gid), files };
    },
  };
}
