/** Where manifests come from: files, patterns of files, texts and objects. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../errors";

/** A text with manifests, or one of the objects given as such. */
export type Source = { readonly name: string } & ({ readonly text: string } | { readonly object: unknown });

/** A source that cannot be used. */
export interface SourceProblem {
  readonly name: string;
  readonly reason: string;
}

/** Reads one file; `name` is how messages call it. */
export function readSource(name: string, problems: SourceProblem[]): Source[] {
  const refuse = (reason: string): Source[] => {
    problems.push({ name, reason });
    return [];
  };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(name)) {
    return refuse("is a URL, and manifests are not fetched; download it and keep it with the program");
  }
  try {
    // Without a byte order mark, if it has one.
    return [{ name, text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(name)) }];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return refuse(`does not exist; it was looked for at ${resolve(name)}`);
    if (code === "EISDIR") return refuse("is a folder; give its files, for example with /*.yaml behind it");
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA") return refuse("is not UTF-8");
    return refuse(`cannot be read: ${messageOf(error)}`);
  }
}

/** The files of a list of paths and patterns: in the list's order, each pattern's in that of their names, none twice. */
export function readSources(patterns: readonly string[], problems: SourceProblem[]): Source[] {
  const names = new Set<string>();
  for (const pattern of patterns) {
    const found = filesOf(pattern);
    if (found.length === 0) problems.push({ name: pattern, reason: "matches no file" });
    for (const name of found) names.add(name);
  }
  return [...names].flatMap((name) => readSource(name, problems));
}

function filesOf(pattern: string): string[] {
  // Loaded with the first pattern.
  const { globSync, isDynamicPattern } = require("tinyglobby") as typeof import("tinyglobby");
  // A file may be called `[a].yaml`.
  if (!isDynamicPattern(pattern) || statSync(pattern, { throwIfNoEntry: false })?.isFile()) return [pattern];
  return globSync(pattern, { expandDirectories: false }).sort();
}
