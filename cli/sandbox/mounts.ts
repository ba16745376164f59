import { readFileSync } from "node:fs";

/** One line of mountinfo, as far as the sandbox needs it. */
export interface MountEntry {
  readonly target: string;
  readonly type: string;
}

/** This process's mounts, in the order in which they were made. */
export function readMounts(text = readFileSync("/proc/self/mountinfo", "utf8")): MountEntry[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [before = "", after = ""] = line.split(" - ");
      return { target: unquote(before.split(" ")[4] ?? ""), type: after.split(" ")[0] ?? "" };
    });
}

/** What is mounted on a path or below it, the last mounted first. */
export function mountsBelow(directory: string): string[] {
  return readMounts()
    .map(({ target }) => target)
    .filter((target) => `${target}/`.startsWith(`${directory}/`))
    .reverse();
}

/** The kernel writes blanks, tabs, newlines and backslashes of a path as three octal digits. */
function unquote(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
