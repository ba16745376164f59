/**
 * Folders that are made on the way to something, and taken away with the last thing in them. Which ones are ours stands
 * in one list on the node, a path a line, so that a folder shared by several resources goes with the last of them.
 */
import { all, type Command, either, raw, sh } from "./command";

const list = "/var/lib/barepod/made";

/**
 * Refuses a path that leads through a symbolic link: its object would be made somewhere else than its name says, and the
 * kernel would list it under another name. Nothing is touched.
 */
export function refuseLinks(path: string): Command {
  return raw(
    "refuse a path through a symbolic link",
    `path=$1
if [ -L "$path" ]; then echo "$path is a symbolic link; give the path that it leads to" >&2; return 1; fi
while [ ! -d "$path" ]; do path=\${path%/*}; [ -n "$path" ] || path=/; done
cd -P -- "$path" || return 1
real=$PWD
cd /
[ "$real" = "$path" ] || { echo "$path leads through a symbolic link; give the real path, $real" >&2; return 1; }`,
    path,
  );
}

/**
 * Makes a folder with its missing parents and remembers which of them it made. Those that lie with Barepod's own are for
 * root only: in a pod's volume a container may have put a set-user-id program.
 */
export function makeFolder(path: string): Command {
  return raw(
    "make the folder",
    `path=$1 missing=
while [ -n "$path" ] && [ ! -d "$path" ]; do missing="$path
$missing"; path=\${path%/*}; done
[ -z "$missing" ] || { { [ -d "\${2%/*}" ] || mkdir -p -- "\${2%/*}"; } && (case $1 in /var/lib/barepod/*) umask 077 ;; esac; mkdir -p -- "$1") && printf %s "$missing" >> "$2"; }`,
    path,
    list,
  );
}

/**
 * Refuses to go on while something is mounted on a folder or below it: what is removed there would be removed in what is
 * mounted, and `rm --one-file-system` goes into a bind mount of the same file system.
 */
function refuseMounts(path: string): Command {
  return raw(
    "refuse to remove what is mounted",
    `below=$(barepod_path=$1 awk '
{ gsub(/\\\\040/, " ", $5); gsub(/\\\\011/, "\\t", $5); gsub(/\\\\012/, "\\n", $5); gsub(/\\\\134/, "\\\\", $5) }
index($5 "/", ENVIRON["barepod_path"] "/") == 1 { print $5 }' /proc/self/mountinfo) || return 1
[ -z "$below" ] || { echo "mounted in $1, so nothing is removed; unmount it first: $below" >&2; return 1; }`,
    path,
  );
}

/** Removes a folder with all that is in it, but what {@link refuseMounts} refuses; busybox has no option to stay out of mounts. */
export function removeTree(path: string): Command[] {
  const script = `stay=; case $(rm --version 2>/dev/null) in *coreutils*) stay=--one-file-system ;; esac
rm -rf $stay -- "$1"`;
  return [refuseMounts(path), raw("remove the folder with what is in it", script, path)];
}

/** Makes a mount point for a bind mount: a folder, or an empty file for a file. */
export function makeMountPoint(source: string, target: string): Command {
  const file = raw(
    "make an empty file to mount on",
    '[ -e "$1" ] || { mkdir -p -- "${2%/*}" && : > "$1" && printf "%s\\n" "$1" >> "$2"; }',
    target,
    list,
  );
  return either(
    all(sh("test", "-d", source), makeFolder(target)),
    all(sh("test", "!", "-d", source), makeFolder(parentOf(target)), file),
  );
}

/** Removes a folder or an empty file that {@link makeFolder} or {@link makeMountPoint} made, and then its parents likewise, as far as they are empty. */
export function removeFolder(path: string): Command {
  return raw(
    "remove the folder, if it was made here and is empty",
    `path=$1
while [ -n "$path" ] && grep -Fxq -- "$path" "$2" 2>/dev/null; do
if [ -d "$path" ]; then rmdir -- "$path" 2>/dev/null || break
elif [ -e "$path" ]; then [ ! -s "$path" ] && rm -f -- "$path" || break; fi
grep -Fxv -- "$path" "$2" > "$2.new"
case $? in
0) mv -f -- "$2.new" "$2" ;;
1) rm -f -- "$2" "$2.new" ;;
*) rm -f -- "$2.new"; break ;;
esac
path=\${path%/*}
done`,
    path,
    list,
  );
}

/** Removes all that {@link makeFolder} and {@link makeMountPoint} made and that is empty, and forgets the rest. */
export function removeAllFolders(): Command {
  return raw(
    "remove the folders that were made here and are empty",
    `[ -e "$1" ] || return 0
sort -r -- "$1" | while IFS= read -r path; do
if [ -d "$path" ]; then rmdir -- "$path" 2>/dev/null
elif [ -f "$path" ] && [ ! -s "$path" ]; then rm -f -- "$path"; fi
done
rm -f -- "$1"`,
    list,
  );
}

/** The folder that a path lies in. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
