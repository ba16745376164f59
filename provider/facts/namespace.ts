/** Namespaces that are kept by pins: files on which nsfs is mounted (namespaces(7)). */
import { quote } from "../command/quote";
import type { Fact } from "../frame";
import { inodeFunction } from "./inode";

/** The kinds of namespaces that can be kept, by the names that they have in /proc/PID/ns. */
export const namespaceTypes = ["net", "uts", "ipc", "mnt", "cgroup", "pid"] as const;

/** A kind of namespace. */
export type NamespaceType = (typeof namespaceTypes)[number];

/** What is kept. */
export interface NamespaceState {
  /** Those that are pinned; a PID namespace only while its first process lives. */
  readonly types: readonly NamespaceType[];
  /** The host name in the UTS namespace, if it was asked for. */
  readonly hostname?: string;
  /** The kernel settings that were asked for, by their files below /proc/sys; `?` for one that is not there. */
  readonly sysctls?: Readonly<Record<string, string>>;
}

/**
 * The pins in the folder `path`. A file on which nothing is mounted is no pin: whatever a crash or a reboot left behind
 * counts as absent. The identity is the namespaces' inodes; where a wanted one is missing there is none.
 */
export function namespaceAt(
  path: string,
  types: readonly NamespaceType[],
  hostname: boolean,
  sysctls: readonly string[] = [],
): Fact<NamespaceState> {
  const asked = hostname
    ? `[ -z "$found" ] || [ ! -e uts ] || printf 'hostname %s\\n' "$(nsenter --uts=uts uname -n 2>/dev/null)"`
    : ":";
  const settings =
    sysctls.length === 0
      ? ":"
      : `set --
for t in net ipc; do [ ! -e "$t" ] || set -- "$@" "--$t=$t"; done
[ $# -eq 0 ] || nsenter "$@" sh -c 'for file do
value=$(cat "/proc/sys/$file" 2>/dev/null) || value=?
printf "sysctl %s %s\\n" "$file" "$value"
done' sh ${sysctls.map(quote).join(" ")}`;
  return {
    script: `{ cd ${quote(path)}; } 2>/dev/null || return 0
pause='' found='' complete=ident
[ ! -e pause ] || read -r pause < pause
set --
for t in ${namespaceTypes.join(" ")}; do [ ! -e "$t" ] || set -- "$@" "$t"; done
[ $# -gt 0 ] || return 0
${inodeFunction}
inode_of .
folder=$mounted pins=''
if [ -n "$inode" ]; then
# A pin is seen through a mount of its own, and nsfs numbers its files from 4026531832 to 4294967295.
for t do
[ -f "$t" ] && inode_of "$t" && [ "$mounted" != "$folder" ] || continue
case $inode in 4[0-2]????????) pins="\${pins}nsfs $inode $t
" ;; esac
done
nsfs=nsfs
else
# All of nsfs has one device number.
pins=$(stat -Lc '%d %i %n' -- /proc/self/ns/net "$@") || return 1
nsfs=\${pins%% *} pins="\${pins#*
}
"
fi
while [ -n "$pins" ]; do
t=\${pins%%
*} pins=\${pins#*
}
[ "\${t%% *}" = "$nsfs" ] || continue
t=\${t#* }
case $t in *' pid') [ -n "$pause" ] && [ "/proc/$pause/ns/pid" -ef pid ] || continue ;; esac
found="$found,\${t#* }=\${t% *}"
done
[ -n "$found" ] || return 0
for t in ${types.join(" ")}; do case $found in *",$t="*) ;; *) complete=partial ;; esac; done
echo "$complete \${found#,}"
${asked}
${settings}`,
    parse,
  };
}

function parse(text: string): NamespaceState {
  const [pins = "", ...more] = text.split("\n");
  const hostname = more.find((line) => line.startsWith("hostname "));
  const settings = more.filter((line) => line.startsWith("sysctl ")).map((line) => line.slice("sysctl ".length));
  const types = pins
    .slice(pins.indexOf(" ") + 1)
    .split(",")
    .map((pin) => pin.slice(0, pin.indexOf("=")) as NamespaceType);
  return {
    types,
    ...(hostname === undefined ? {} : { hostname: hostname.slice("hostname ".length) }),
    ...(settings.length === 0 ? {} : { sysctls: Object.fromEntries(settings.map(splitSetting)) }),
  };
}

function splitSetting(line: string): [string, string] {
  const space = line.indexOf(" ");
  return [line.slice(0, space), line.slice(space + 1)];
}
