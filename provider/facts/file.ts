/** What is at a path, and for a regular file its mode, owner and content. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";

/** Something at a path. */
export interface FileState {
  /** `regular`, `directory`, `link`, … */
  readonly kind: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** SHA-256 of a regular file's content, in hexadecimal. */
  readonly sha256: string;
}

/** The file at `path`, not followed if it is a link. */
export function fileAt(path: string): Fact<FileState> {
  const p = quote(path);
  return {
    script: `if [ -f ${p} ] && [ ! -L ${p} ]; then
stat -c 'regular %a %u %g' -- ${p} && sum=$(sha256sum < ${p}) && echo "\${sum%% *}"
elif [ -L ${p} ]; then echo link 0 0 0
elif [ -d ${p} ]; then echo directory 0 0 0
elif [ -e ${p} ]; then echo special 0 0 0
fi`,
    parse: (text) => {
      const [kind = "", mode = "0", uid = "0", gid = "0", sha256 = ""] = text.split(/\s/);
      return { kind, mode: Number.parseInt(mode, 8), uid: Number(uid), gid: Number(gid), sha256 };
    },
  };
}
