/** From YAML or JSON text to plain values, each with its place in the text. */
import type { Alias, Document, Lexer, Node, Pair, Scalar, YAMLMap, YAMLSeq } from "yaml";
import { join } from "../kubernetes/walk";
import type { Place } from "./place";
import { readPlain } from "./scalar";

/** One document of a file. */
export interface YamlDocument {
  /** From 1; documents without content are counted. */
  readonly index: number;
  readonly value: unknown;
  readonly place: Place;
}

/** What is wrong with the text itself. */
export interface TextProblem {
  readonly line: number;
  readonly column: number;
  /** Empty for what concerns no field. */
  readonly path: string;
  readonly reason: string;
}

/** Beyond these a text is an attack, or an accident. */
const LIMITS = { characters: 4 << 20, depth: 100, copies: 10_000 };

const PREFIX = "tag:yaml.org,2002:";
const SCALAR_TAGS = ["str", "int", "float", "bool", "null"];

/** Reads every document of a text. What cannot be read has been added to `problems`. */
export function readDocuments(text: string, problems: TextProblem[]): YamlDocument[] {
  // Loaded with the first manifest: most programs have none.
  const yaml = require("yaml") as typeof import("yaml");
  const excess = excessOf(text, new yaml.Lexer());
  if (excess !== undefined) {
    problems.push({ line: 1, column: 1, path: "", reason: excess });
    return [];
  }
  const lines = new yaml.LineCounter();
  // The plainest schema, because the words are Kubernetes' (scalar.ts), and so are keys that are given twice and merges.
  const options = { schema: "failsafe", merge: false, uniqueKeys: false, prettyErrors: false } as const;
  const documents = yaml.parseAllDocuments(text, { ...options, lineCounter: lines }) as Document.Parsed[];
  return documents.flatMap((document, i) => {
    const before = problems.length;
    const at = (offset: number) => ({ line: lines.linePos(offset).line, column: lines.linePos(offset).col });
    for (const { message, pos } of document.errors) {
      problems.push({ ...at(pos[0]), path: "", reason: reasonOf(message) });
    }
    if (problems.length > before || document.contents === null) return [];
    const read = new DocumentReader(yaml, at, problems);
    const { value, place } = read.document(document);
    return value === null || problems.length > before ? [] : [{ index: i + 1, value, place }];
  });
}

/** The library's words without the text that they quote: it could be a secret. */
function reasonOf(message: string): string {
  if (message.includes("call stack")) return "is nested too deeply";
  const plain = message.replace(/(\w): .*$/s, "$1").replace(/"quote$/, "quote");
  return `is not valid YAML: ${plain}`;
}

/** Why a text is not even parsed, if it is not: the parser is recursive. */
function excessOf(text: string, lexer: Lexer): string | undefined {
  if (text.length > LIMITS.characters) return `must be at most ${LIMITS.characters} characters`;
  let flow = 0;
  let inLine = 0;
  let scalar = false;
  for (const token of lexer.lex(text)) {
    const isText = scalar;
    scalar = token === "\u001f";
    if (isText) continue;
    if (token === "{" || token === "[") flow++;
    else if (token === "}" || token === "]") flow--;
    else if (token === "-" || token === "?") inLine++;
    else if (token.endsWith("\n")) inLine = 0;
    if (flow > LIMITS.depth || inLine > LIMITS.depth) return "is nested too deeply";
  }
  return undefined;
}

interface Read {
  readonly value: unknown;
  readonly place: Place;
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Position = Pick<Place, "line" | "column">;

/** Stops reading a document whose aliases would fill the memory. */
class TooManyCopies extends Error {}

class DocumentReader {
  readonly #anchors = new Map<string, Node>();
  /** What is being read: an alias to it would never end. */
  readonly #open = new Set<Node>();
  #aliases = 0;
  #copies = 0;

  constructor(
    readonly yaml: typeof import("yaml"),
    readonly at: (offset: number) => Position,
    readonly problems: TextProblem[],
  ) {}

  document(document: Document.Parsed): Read {
    const node = document.contents as Node;
    try {
      const { value, place } = this.#read(node, this.#start(node), "", 0);
      const comments = { ...place.comments };
      if (document.commentBefore)
        comments.before = [document.commentBefore, comments.before].filter(Boolean).join("\n");
      if (document.comment) comments.end = [comments.end, document.comment].filter(Boolean).join("\n");
      return { value, place: { ...place, comments } };
    } catch (error) {
      if (!(error instanceof TooManyCopies)) throw error;
      const reason = `its aliases must stand for at most ${LIMITS.copies} values in all`;
      this.#refuse(this.#start(node), "", reason);
      return { value: null, place: { ...this.#start(node), comments: {} } };
    }
  }

  #start(node: Node | null | undefined): Position {
    return this.at(node?.range?.[0] ?? 0);
  }

  #refuse(position: Position, path: string, reason: string): null {
    this.problems.push({ ...position, path, reason });
    return null;
  }

  /** A node and all below it. `position` is that of its key, if it has one. */
  #read(node: Node | null, position: Position, path: string, depth: number): Read {
    const { yaml } = this;
    if (this.#aliases > 0 && ++this.#copies > LIMITS.copies) throw new TooManyCopies();
    if (node === null) return { value: null, place: { ...position, comments: {} } };
    if (depth > LIMITS.depth) {
      return { value: this.#refuse(position, path, "is nested too deeply"), place: { ...position, comments: {} } };
    }
    if (yaml.isAlias(node)) return this.#readAlias(node, position, path, depth);
    if ("anchor" in node && node.anchor !== undefined && this.#aliases === 0) this.#anchors.set(node.anchor, node);
    const place: Mutable<Place> = { ...position, comments: commentsOf(node, yaml.isCollection(node)) };
    this.#open.add(node);
    let value: unknown;
    if (yaml.isScalar(node)) value = this.#readScalar(node as Scalar<string>, position, path);
    else if (!this.#hasTag(node, yaml.isMap(node) ? "map" : "seq", position, path)) value = null;
    else if (yaml.isMap(node)) value = this.#readMap(node as YAMLMap, place, path, depth);
    else value = this.#readList(node as YAMLSeq, place, path, depth);
    this.#open.delete(node);
    return { value, place };
  }

  #readAlias(alias: Alias, position: Position, path: string, depth: number): Read {
    const node = this.#anchors.get(alias.source);
    const place = { ...position, comments: {} };
    const here = this.#start(alias);
    if (node === undefined) {
      return { value: this.#refuse(here, path, `there is no anchor &${alias.source} before this alias`), place };
    }
    if (this.#open.has(node)) return { value: this.#refuse(here, path, "is an alias for what it stands in"), place };
    this.#aliases++;
    const read = this.#read(node, position, path, depth);
    this.#aliases--;
    return read;
  }

  #readScalar(node: Scalar<string>, position: Position, path: string): unknown {
    const text = node.value;
    if (node.tag === undefined) return node.type === "PLAIN" ? readPlain(text) : text;
    const tag = SCALAR_TAGS.find((each) => node.tag === PREFIX + each);
    if (tag === undefined)
      return this.#refuse(position, path, `the tag ${node.tag.replace(PREFIX, "!!")} is not supported`);
    if (tag === "str") return text;
    const value = readPlain(text);
    const type = value === null ? "null" : typeof value;
    const fits = { null: ["null"], bool: ["boolean"], int: ["number"], float: ["number"] }[tag]?.includes(type);
    return fits ? value : this.#refuse(position, path, `is not what its tag !!${tag} says`);
  }

  #hasTag(node: Node, tag: string, position: Position, path: string): boolean {
    if (node.tag === undefined || node.tag === PREFIX + tag) return true;
    this.#refuse(position, path, `the tag ${node.tag.replace(PREFIX, "!!")} is not supported`);
    return false;
  }

  #readList(node: YAMLSeq, place: Mutable<Place>, path: string, depth: number): unknown[] {
    const items = (node.items as (Node | null)[]).map((item, i) => {
      const own = item === null ? place : this.#start(item);
      return this.#read(item, { line: own.line, column: own.column }, `${path}[${i}]`, depth + 1);
    });
    place.items = items.map((item) => item.place);
    return items.map(({ value }) => value);
  }

  #readMap(node: YAMLMap, place: Mutable<Place>, path: string, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const entries = new Map<string, Place>();
    const merges: Pair[] = [];
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      if (this.#isMerge(pair)) {
        merges.push(pair);
        continue;
      }
      const position = this.#start(pair.key);
      const key = this.#readKey(pair.key, position, path);
      if (key === undefined) continue;
      const before = entries.get(key);
      const below = join(path, key);
      if (before) this.#refuse(position, below, `is given twice: it stands in line ${before.line} already`);
      const read = this.#read(pair.value, position, below, depth + 1);
      const own = pair.key.commentBefore ?? undefined;
      const comments =
        own === undefined ? {} : { before: [own, read.place.comments.before].filter(Boolean).join("\n") };
      entries.set(key, { ...read.place, comments: { ...read.place.comments, ...comments } });
      set(value, key, read.value);
    }
    for (const pair of merges) this.#merge(pair as Pair<Node, Node | null>, value, entries, path, depth);
    place.entries = entries;
    return value;
  }

  #readKey(node: Node, position: Position, path: string): string | undefined {
    const key = this.yaml.isAlias(node) ? this.#anchors.get(node.source) : node;
    if (!this.yaml.isScalar(key)) {
      this.#refuse(position, path, "has a key that is not a word");
      return undefined;
    }
    if ("anchor" in node && node.anchor !== undefined && this.#aliases === 0) this.#anchors.set(node.anchor, node);
    const value = this.#readScalar(key as Scalar<string>, position, path);
    if (value !== null) return String(value);
    this.#refuse(position, path, "has an empty key");
    return undefined;
  }

  /** `<<`, unquoted: takes over the keys of other objects. */
  #isMerge({ key }: Pair<Node, Node | null>): boolean {
    return this.yaml.isScalar(key) && key.value === "<<" && key.type === "PLAIN" && key.tag === undefined;
  }

  /** Keys of the object itself come first, then those of the first merged object, and so on. */
  #merge(
    pair: Pair<Node, Node | null>,
    value: Record<string, unknown>,
    entries: Map<string, Place>,
    path: string,
    depth: number,
  ): void {
    const position = this.#start(pair.key);
    const merged = this.#read(pair.value, position, join(path, "<<"), depth + 1);
    const sources = Array.isArray(merged.value)
      ? merged.value.map((each, i): Read => ({ value: each, place: merged.place.items?.[i] ?? merged.place }))
      : [merged];
    for (const source of sources) {
      if (typeof source.value !== "object" || source.value === null || Array.isArray(source.value)) {
        this.#refuse(position, join(path, "<<"), "must be an object, or a list of objects");
        continue;
      }
      for (const [key, each] of Object.entries(source.value)) {
        if (entries.has(key)) continue;
        entries.set(key, source.place.entries?.get(key) ?? source.place);
        set(value, key, each);
      }
    }
  }
}

/** Also for a key that is called `__proto__`. */
function set(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** A comment behind a collection stands at its end, below the last element. */
function commentsOf({ commentBefore, comment }: Node, collection: boolean): Place["comments"] {
  return {
    ...(commentBefore && { before: commentBefore }),
    ...(comment && { [collection ? "end" : "behind"]: comment }),
  };
}
