/** What a Service and its endpoints have in common: an id on the node, and the way there. */
import { type Command, raw } from "../command/command";
import { servicesPath } from "../node-programs";

/** Neither part holds a `_`. */
export function idOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}_${name}`;
}

/** Hands lines over to node-scripts/services-declare.sh, by one of its words. */
export function declare(label: string, word: "put" | "slice", lines: string, id: string): Command {
  return raw(label, `printf '%s\\n' "$1" | "$2" "$3" "$4"`, lines, servicesPath(), word, id);
}

/** Lines of fields, as the node's scripts read them. */
export function textOf(lines: readonly (readonly (string | number)[])[]): string {
  return lines.map((line) => line.join("\t")).join("\n");
}
