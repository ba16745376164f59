/**
 * Files that change together, as a kubelet's AtomicWriter changes them: they lie in a folder of their own, the link
 * `..data` leads there, and each file's name in the set's folder is a link through it. Renaming another link over `..data`
 * changes all at once; whoever reads sees the old files or the new ones.
 */
import { type Command, raw, type Secret, secret } from "./command";

/** A file of the set. */
export interface SetContent {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Modes and owner of a set. */
export interface SetOwner {
  /** Permission bits of the folder. */
  readonly folderMode: number;
  /** Permission bits of each file. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Longer texts grow too much in quotes. */
const longestText = 64 * 1024;

/**
 * Writes the set at `path`, whose folder is there. Files that are no links of a set stay, and stop it unless `take` is true.
 */
export function writeFileSet(path: string, files: readonly SetContent[], owner: SetOwner, take: boolean): Command {
  const { folderMode, mode, uid, gid } = owner;
  return raw(
    "write the files, and put them in place together",
    `d=$1 take=$2 folder=$3 mode=$4 owner=$5
shift 5
names=/ new=
fail() { [ -z "$new" ] || rm -rf -- "$new"; return 1; }
chmod "$folder" -- "$d" && chown "$owner" -- "$d" || return
new=$(umask 077; mktemp -d "$d/..$(date +%Y_%m_%d_%H_%M_%S).XXXXXX") || return
while [ "$#" -gt 0 ]; do
names="$names$1/"
if { [ -e "$d/$1" ] || [ -L "$d/$1" ]; } && [ "$(readlink -- "$d/$1")" != "..data/$1" ] && [ "$take" != yes ]; then
echo "$d/$1 is there already and was not made by Barepod: remove it, or set adopt: true to take it over" >&2; fail; return 1; fi
case $2 in
text) (umask 077; printf %s "$3" > "$new/$1") || { fail; return 1; } ;;
*) (umask 077; printf %s "$3" | base64 -d > "$new/$1") || { fail; return 1; } ;;
esac
chmod "$mode" -- "$new/$1" && chown "$owner" -- "$new/$1" || { fail; return 1; }
shift 3
done
# The folder's owner may go into it whatever its mode.
chmod "$folder" -- "$new" && chown "$owner" -- "$new" || { fail; return 1; }
old=
[ ! -L "$d/..data" ] || old=$(readlink -- "$d/..data")
rm -rf -- "$d/..data_tmp" && ln -s -- "\${new##*/}" "$d/..data_tmp" || { fail; return 1; }
[ -L "$d/..data" ] || [ ! -e "$d/..data" ] || rm -rf -- "$d/..data"
mv -fT -- "$d/..data_tmp" "$d/..data" || { fail; return 1; }
rest=\${names#/}
while [ -n "$rest" ]; do
name=\${rest%%/*} rest=\${rest#*/}
[ "$d/$name" -ef "$d/..data/$name" ] && [ -L "$d/$name" ] && continue
rm -rf -- "$d/$name" && ln -s -- "..data/$name" "$d/$name" || return
done
for link in "$d"/* "$d"/.[!.]*; do
case $names in */"\${link##*/}"/*) continue ;; esac
if [ -L "$link" ] && [ "$(readlink -- "$link")" = "..data/\${link##*/}" ]; then rm -f -- "$link" || return; fi
done
case $old in ..*/* | '') ;; ..*) [ "$old" = "\${new##*/}" ] || rm -rf -- "$d/$old" ;; esac`,
    path,
    take ? "yes" : "no",
    folderMode.toString(8),
    mode.toString(8),
    `${uid}:${gid}`,
    ...files.flatMap(({ name, bytes }) => [name, ...encoded(bytes)]),
  );
}

/** As it is where it can be: decoding takes two processes on the node. */
function encoded(bytes: Buffer): [string, Secret] {
  const text = bytes.toString("utf8");
  const plain = bytes.length <= longestText && !text.includes("\0") && Buffer.from(text, "utf8").equals(bytes);
  return plain ? ["text", secret(text)] : ["base64", secret(bytes.toString("base64"))];
}

/** Removes the files of the set at `path`, whatever state they are in; others' in the same folder stay. */
export function removeFileSet(path: string): Command {
  return raw(
    "remove the files of the set",
    `[ -d "$1" ] && [ ! -L "$1" ] || return 0
for link in "$1"/* "$1"/.[!.]*; do
if [ -L "$link" ] && [ "$(readlink -- "$link")" = "..data/\${link##*/}" ]; then rm -f -- "$link" || return; fi
done
rm -rf -- "$1"/..data "$1"/..data_tmp "$1"/..[0-9]*.??????`,
    path,
  );
}
