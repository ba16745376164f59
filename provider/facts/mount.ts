/** What is mounted at a path, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */
import { quote } from "../command/quote";
import type { Fact } from "../frame";

/** A mount, as the kernel tells it. */
export interface MountState {
  readonly fsType: string;
  readonly source: string;
  /** Flags of this mount: `ro`, `nosuid`, … */
  readonly flags: readonly string[];
  /** Options of the file system. */
  readonly superOptions: readonly string[];
  /** Whether the mount point and the path asked about are the same file: tells a bind mount of that path. */
  readonly sameAsSource: boolean;
  /** Flags of the mount that the path asked about lies on: a bind mount begins with them. */
  readonly sourceFlags: readonly string[];
}

/**
 * The topmost mount at `target`; with `source`, also whether that path is the same file as the target, and how it is mounted.
 *
 * The identity is the device and the root inside it: mount ids are reused at once.
 */
export function mountAt(target: string, source?: string): Fact<MountState> {
  const same =
    source === undefined
      ? "echo same no"
      : `if [ ${quote(source)} -ef ${quote(target)} ]; then echo same yes; else echo same no; fi
real=$(readlink -f -- ${quote(source)} | sed 's/\\\\/\\\\134/g; s/ /\\\\040/g; s/\t/\\\\011/g')
barepod_real=$real awk '
{ path = ENVIRON["barepod_real"]; prefix = $5 == "/" ? "/" : $5 "/" }
index(path "/", prefix) == 1 && length($5) >= longest { longest = length($5); flags = $6 }
END { print "on " flags }' /proc/self/mountinfo`;
  return {
    script: `found=$(barepod_target=${quote(escapeMountPath(target))} awk '
$5 == ENVIRON["barepod_target"] {
  for (i = 7; $i != "-"; i++);
  line = "ident " $3 $4 "\\n" $(i + 1) " " $(i + 2) " " $6 " " $(i + 3)
}
END { if (line != "") print line }' /proc/self/mountinfo) || return 1
[ -z "$found" ] || { printf '%s\\n' "$found"; ${same}; }`,
    parse: parseMount,
  };
}

function parseMount(text: string): MountState {
  const [, mount = "", same, on = ""] = text.split("\n");
  const [fsType = "", source = "", flags = "", superOptions = ""] = mount.split(" ");
  return {
    fsType: unescapeMountPath(fsType),
    source: unescapeMountPath(source),
    flags: flags.split(","),
    superOptions: superOptions.split(",").map(unescapeMountPath),
    sameAsSource: same === "same yes",
    sourceFlags: on.replace(/^on /, "").split(","),
  };
}

/** A path as mountinfo writes it: space, tab, newline and backslash as octal escapes. */
export function escapeMountPath(path: string): string {
  return path.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** The path behind mountinfo's escapes. */
function unescapeMountPath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
