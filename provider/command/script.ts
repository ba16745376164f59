/** Programs for the node that need loops: files of their own, checked by shellcheck, sent with the frame that runs them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, raw, type Word } from "./command";
import { quote } from "./quote";

const folder = join(__dirname, "..", "node-scripts");
const texts = new Map<string, string>();

/**
 * Runs `provider/node-scripts/<name>.sh`; several names make one program, the earlier ones define functions.
 *
 * It runs as `sh -c`, in a process of its own: within a plan, whose commands are joined by `&&`, `set -e` would have no
 * effect. So `exit`, traps and variables are the script's own.
 *
 * @param label - what it does, for messages.
 */
export function script(label: string, names: string | readonly string[], ...words: readonly Word[]): Command {
  const parts = typeof names === "string" ? [names] : names;
  return raw(label, `sh -c ${quote(parts.map(read).join("\n"))} barepod "$@"`, ...words);
}

/**
 * The same, but another script is tried first, with the same words: for what is the usual case and can be done without a shell
 * of its own. It runs in a fork of the frame's, without `set -e`. Whatever it cannot do is left to the second, and not spoken of.
 */
export function quickScript(
  label: string,
  first: string,
  names: readonly string[],
  ...words: readonly Word[]
): Command {
  const text = `( ${read(first)} ) 2>/dev/null || sh -c ${quote(names.map(read).join("\n"))} barepod "$@"`;
  return raw(label, text, ...words);
}

/** A script's text without the lines that are comments: it travels with every frame. */
function read(name: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    text = readFileSync(join(folder, `${name}.sh`), "utf8").replace(/^\s*#.*\n/gm, "");
    texts.set(name, text);
  }
  return text;
}
