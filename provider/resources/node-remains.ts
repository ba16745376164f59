/**
 * What stays of a resource whose object was gone when a refresh looked for it: the engine forgets it, and nobody deletes
 * it. Its claim, its entry in the boot journal and the folders made for it go with the Node.
 */
import { all, type Command, either, raw } from "../command/command";
import { removeAllFolders } from "../command/folders";
import { bootFolder, ownersFolder } from "../frame";
import { removeAllParentsScript } from "./cgroup-commands";
import { removeNamespacesFolder } from "./namespace";

/** Forgets what the stack with this nonce claimed on the node, but for the Node itself. */
export function forgetRemains(nonce: string): Command[] {
  return [
    raw(
      "forget what the stack claims",
      `for object in "$2"/*; do
case $object in "$2"/Node.*|"$2/*") continue ;; esac
left='' found=''
while read -r line && [ "$line" != . ]; do
case $line in *" $1/"*) found=y ;; *) left="$left$line
" ;; esac
done < "$object"
[ -n "$found" ] || continue
if [ -n "$left" ]; then printf '%s.\\n' "$left" 1<> "$object"
else rm -f -- "$object" "$3"/*-"\${object##*/}".sh; fi
done
rmdir -- "$3" 2>/dev/null
:`,
      nonce,
      ownersFolder,
      bootFolder,
    ),
    either(
      raw(
        "see whether anything is claimed still",
        'for object in "$1"/*; do case $object in "$1"/Node.*|"$1/*") ;; *) return 0 ;; esac; done; return 1',
        ownersFolder,
      ),
      all(
        raw(
          "remove the rules of Services that are gone",
          'if [ -d /run/barepod/services ]; then for each in "$1"/*/services.sh; do [ ! -x "$each" ] || { "$each" tidy; break; }; done; fi',
          "/var/lib/barepod/bin",
        ),
        removeAllFolders(),
        removeNamespacesFolder(),
        raw("remove the control groups that were made on the way", removeAllParentsScript),
      ),
    ),
  ];
}
