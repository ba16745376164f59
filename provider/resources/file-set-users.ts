/** Who sees a FileSet's files: pods whose volumes have them are told once they have changed. */
import { type Command, raw } from "../command/command";
import { objectsFolder } from "../naming";

/**
 * Puts the new files into the volumes of the pods that run. One that cannot be filled, for a key that is gone for example,
 * keeps what it has, as a kubelet leaves it.
 */
export function refreshVolumes(path: string): Command[] {
  if (!path.startsWith(`${objectsFolder}/`)) return [];
  return [
    raw(
      "renew the volumes that show it",
      `for volume in /run/barepod/process/*/volumes.d/*; do
[ -e "$volume" ] && grep -Fq -e "	$1	" -e "	$1/" "$volume" || continue
read -r _ program < "$volume"
folder=\${volume%/volumes.d/*}
[ ! -x "$program" ] || (flock 9 && "$program" "$folder" -) 9>> "$folder/keeper.prepare.lock" 2> /dev/null || :
done`,
      path,
    ),
  ];
}
