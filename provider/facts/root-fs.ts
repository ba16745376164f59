/** Whether a root file system is at a path, what it was made from, and which of its programs are gone. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { objectName } from "../naming";
import { escapeMountPath } from "./mount";

/** Where the folder of our own is, for each root file system. */
export const statesFolder = "/var/lib/barepod/rootfs";

/** What is kept of the root file system at `path`. */
export function stateFolder(path: string): string {
  return `${statesFolder}/${objectName("RootFs", [path])}`;
}

/** The file that says what it was made from, once it is whole. */
export function stampFile(path: string): string {
  return `${stateFolder(path)}/stamp`;
}

/** What the image of the root file system at `path` says of the process in it, as the launcher reads it: env, user, cmd and so on. */
export function imageFolder(path: string): string {
  return `${stateFolder(path)}/image`;
}

/** A root file system, or what stands in its place. */
export interface RootFsState {
  /**
   * `folder` and `overlay`: it is there. `gone`: the folder was removed. `unmounted`: the overlay is not mounted.
   * `covered`: the overlay is there, and something is mounted over it. `lost`: something else has taken its place.
   * `used`: a folder with something in it that was not begun here. `other`: something else is there.
   */
  readonly kind: "folder" | "overlay" | "gone" | "unmounted" | "covered" | "lost" | "used" | "other";
  /** What it was made from; empty until it is whole. */
  readonly stamp: string;
  /** The digest that its image's reference stood for then. */
  readonly imageDigest?: string;
  /** Programs that were asked for and are not there. */
  readonly missing: readonly string[];
}

/** What tells the two ways apart to look for a root file system. */
export interface RootFsPlace {
  readonly path: string;
  /** Its folder of our own, which remembers that something was begun: as long as somebody claims it. */
  readonly state: string;
  /** The file of the claims on it. */
  readonly claims: string;
  /** Programs to look for, by path or name. */
  readonly programs: readonly string[];
}

/** Sets `stamp`; `begun` when we have begun something; and `used` when something is in the folder. */
function begin({ path, state, claims }: RootFsPlace): string {
  return `p=${quote(path)} s=${quote(state)} stamp= begun= used=
if [ -e "$s" ] && [ -e ${quote(claims)} ]; then begun=yes; fi
[ ! -e "$s/stamp" ] || read -r stamp < "$s/stamp"
other() { if [ -n "$begun" ]; then echo "lost \${stamp:--}"; else stat -c 'ident %d:%i' -- "$p" && echo other -; fi; }
if [ -d "$p" ] && [ ! -L "$p" ]; then
for f in "$p"/* "$p"/.[!.]* "$p"/..?*; do if [ -e "$f" ] || [ -L "$f" ]; then used=yes; break; fi; done
elif [ -e "$p" ] || [ -L "$p" ]; then other; return
fi`;
}

/** The root file system in the folder `path` itself. An empty folder that nobody claims is none. */
export function folderAt(place: RootFsPlace): Fact<RootFsState> {
  const looks = place.programs.map((program) => `look ${quote(program)}`);
  return {
    script: `${begin(place)}
if [ ! -d "$p" ]; then [ -z "$begun" ] || echo "gone \${stamp:--}"; return; fi
[ -n "$used$begun" ] || return 0
stat -c 'ident %d:%i' -- "$p" || return 1
[ -n "$begun" ] || { echo used -; return; }
echo "folder \${stamp:--}"
look() {
case $1 in /*) ! { [ -e "$p$1" ] || [ -L "$p$1" ]; } || return 0 ;;
*) IFS=:; for d in $PATH; do if [ -e "$p$d/$1" ] || [ -L "$p$d/$1" ]; then unset IFS; return 0; fi; done; unset IFS ;; esac
printf 'missing %s\\n' "$1"
}
${looks.join("\n")}
:`,
    parse,
  };
}

/**
 * The root file system mounted at `path`: ours is known by its upper folder. Its programs are not looked for: what is in
 * an overlay is its container's business.
 */
export function overlayAt(place: RootFsPlace): Fact<RootFsState> {
  return {
    script: `${begin(place)}
found=
# Where not even the folder above is there, nothing is mounted.
[ -z "$begun" ] && [ ! -d "\${p%/*}" ] || found=$(barepod_target=${quote(escapeMountPath(place.path))} barepod_upper=",upperdir=$s/upper," awk '
$5 == ENVIRON["barepod_target"] {
  for (i = 7; $i != "-"; i++);
  line = $3 $4
  ours = index("," $(i + 3) ",", ENVIRON["barepod_upper"]) > 0
  if (ours) covered = 1
}
END { if (line != "") print ours ? "ours" : covered ? "covered" : line }' /proc/self/mountinfo) || return 1
case $found in
'')
  [ -z "$used" ] || { other; return; }
  [ -z "$begun" ] || {
    [ -d "$s/lower" ] || stamp=
    [ -L "$s/lower" ] || for f in "$s/lower"/*; do [ ! -L "$f" ] || [ -d "$f/" ] || stamp=; done
    echo "unmounted \${stamp:--}"
  } ;;
ours) printf 'ident overlay\\noverlay %s\\n' "\${stamp:--}" ;;
covered) printf 'ident overlay\\ncovered %s\\n' "\${stamp:--}" ;;
*) [ -z "$begun" ] || { other; return; }; printf 'ident %s\\nother -\\n' "$found" ;;
esac`,
    parse,
  };
}

function parse(text: string): RootFsState {
  const lines = text.split("\n").filter((line) => !line.startsWith("ident "));
  const [kind = "", stamp = "", imageDigest] = (lines[0] ?? "").split(" ");
  return {
    kind: kind as RootFsState["kind"],
    stamp: stamp === "-" ? "" : stamp,
    ...(imageDigest === undefined ? {} : { imageDigest }),
    missing: lines.flatMap((line) => (line.startsWith("missing ") ? [line.slice("missing ".length)] : [])),
  };
}
