/** From sources to manifests: lists opened, transformed, of a known kind, checked, none twice. Pure but for the sources. */
import { InputError } from "../errors";
import type { Problem } from "../fields";
import { isPlainObject } from "../kubernetes/plain";
import { join } from "../kubernetes/walk";
import { readDocuments, type TextProblem } from "./documents";
import { KINDS, type Kind } from "./kinds";
import { type Place, placeOf } from "./place";
import type { Source, SourceProblem } from "./sources";

/** One Kubernetes object that is to be declared. */
export interface Manifest<Options = object> {
  readonly kind: (typeof KINDS)[number];
  /** With `apiVersion` and `kind`. */
  readonly object: Readonly<Record<string, unknown>>;
  readonly namespace: string;
  readonly name: string;
  /** What the transformations made of the resource's options. */
  readonly options: Options;
  /** Where it stands; absent for one that was given as an object. */
  readonly place?: Place;
}

/** What may change manifests before they are checked. */
export interface Transforming<Options> {
  // biome-ignore lint/suspicious/noExplicitAny: as in @pulumi/kubernetes; before its check a manifest may be anything
  readonly transformations?: readonly ((manifest: any, options: Options) => void)[];
  /** A fresh copy of the options for each manifest. */
  options(): Options;
}

/** Mistakes in manifests, each by its file, line, column and path. */
class ManifestError extends InputError {
  constructor(readonly mistakes: readonly string[]) {
    const more = mistakes.length > SHOWN ? `\n  and ${mistakes.length - SHOWN} more` : "";
    const list = mistakes.slice(0, SHOWN).map((mistake) => `\n  ${mistake.replaceAll("\n", "\n  ")}`);
    super("", mistakes.length === 1 ? mistakes.join() : `${mistakes.length} problems:${list.join("")}${more}`);
  }
}
const SHOWN = 25;

/** What unquoted words of YAML become, where a text was wanted: a version, a port, a `yes`. */
const UNQUOTED = /^must be a string, not a (number|fraction|boolean)$/;

interface Mistake {
  readonly source: string;
  readonly place?: Pick<Place, "line" | "column">;
  readonly path: string;
  readonly reason: string;
}

/** A value that should be a manifest or a list of them. */
interface Candidate {
  readonly source: string;
  readonly value: unknown;
  /** Which document of the text it is in, from 1; absent for an object. */
  readonly document?: number;
  readonly path: string;
  /** The place of the document, and the path in it. */
  readonly place?: Place;
}

/** Reads all manifests, in the order of their kinds. Throws a ManifestError with every mistake in any of them. */
export function readManifests<Options>(
  sources: readonly Source[],
  unreadable: readonly SourceProblem[],
  transforming: Transforming<Options>,
): Manifest<Options>[] {
  const reader = new ManifestReader(transforming);
  for (const { name, reason } of unreadable) reader.mistakes.push({ source: name, path: "", reason });
  for (const source of sources) reader.read(source);
  if (reader.mistakes.length > 0) throw new ManifestError(inOrder(reader.mistakes).map(rendered));
  return reader.manifests.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

class ManifestReader<Options> {
  readonly mistakes: Mistake[] = [];
  readonly manifests: Manifest<Options>[] = [];
  /** Where each object was seen first. */
  readonly #seen = new Map<string, string>();

  constructor(readonly transforming: Transforming<Options>) {}

  read(source: Source): void {
    const { name } = source;
    if ("object" in source) {
      this.#add({ source: name, value: source.object, path: "" });
      return;
    }
    const problems: TextProblem[] = [];
    const documents = readDocuments(source.text, problems);
    for (const { line, column, path, reason } of problems) {
      this.mistakes.push({ source: name, place: { line, column }, path, reason });
    }
    for (const { index, value, place } of documents) {
      this.#add({ source: name, value, document: index, path: "", place });
    }
  }

  #refuse({ source, place, path }: Candidate, { path: below, reason }: Problem): void {
    const whole =
      below === "" || path === "" ? path + below : below.startsWith("[") ? path + below : `${path}.${below}`;
    const hint = place !== undefined && UNQUOTED.test(reason) ? "; put it into quotes" : "";
    this.mistakes.push({ source, ...(place && { place: placeOf(place, whole) }), path: whole, reason: reason + hint });
  }

  #add(candidate: Candidate): void {
    const { value } = candidate;
    if (value === null || value === undefined) return;
    if (!isPlainObject(value)) {
      this.#refuse(candidate, { path: "", reason: "must be an object with apiVersion and kind" });
      return;
    }
    if (Object.keys(value).length === 0) return;
    const options = this.transforming.options();
    for (const transformation of this.transforming.transformations ?? []) transformation(value, options);
    const { apiVersion, kind } = value;
    for (const [path, text] of Object.entries({ apiVersion, kind })) {
      const reason = text === undefined || text === null ? "is required" : "must be a string";
      if (typeof text !== "string") this.#refuse(candidate, { path, reason });
    }
    if (typeof apiVersion !== "string" || typeof kind !== "string") return;
    const known = KINDS.find((each) => each.apiVersion === apiVersion && each.kind === kind);
    const listed = KINDS.find((each) => each.apiVersion === apiVersion && `${each.kind}List` === kind);
    if (known) this.#declare(candidate, value, known, options);
    else if (listed || (apiVersion === "v1" && kind === "List")) this.#open(candidate, value["items"], listed);
    else this.#refuse(candidate, { path: "", reason: unsupported(apiVersion, kind, candidate.document) });
  }

  /** The elements of a List, or of a list of one kind, where that need not be said again. */
  #open(candidate: Candidate, items: unknown, listed: Kind | undefined): void {
    if (items === undefined || items === null) return;
    if (!Array.isArray(items)) {
      this.#refuse(candidate, { path: "items", reason: "must be a list" });
      return;
    }
    items.forEach((item: unknown, i) => {
      const implied = listed && isPlainObject(item) && item["kind"] === undefined;
      const value = implied ? { apiVersion: listed.apiVersion, kind: listed.kind, ...item } : item;
      const path = join(candidate.path, "items");
      this.#add({ ...candidate, value, path: `${path}[${i}]` });
    });
  }

  #declare(
    candidate: Candidate,
    object: Record<string, unknown>,
    kind: (typeof KINDS)[number],
    options: Options,
  ): void {
    const before = this.mistakes.length;
    // It would pass for the component's own argument.
    if (Object.hasOwn(object, "on")) this.#refuse(candidate, { path: "on", reason: "no such field" });
    const metadata = isPlainObject(object["metadata"]) ? object["metadata"] : {};
    const { name, namespace } = metadata;
    if (name === undefined || name === null) this.#refuse(candidate, { path: "metadata.name", reason: "is required" });
    for (const problem of problemsOf(kind, object)) this.#refuse(candidate, problem);
    if (typeof name !== "string" || this.mistakes.length > before) return;
    const manifest = { kind, object, options, name, namespace: typeof namespace === "string" ? namespace : "default" };
    const key = `${kind.apiVersion}/${kind.kind} ${manifest.namespace}/${name}`;
    const first = this.#seen.get(key);
    if (first !== undefined) {
      this.#refuse(candidate, { path: "metadata.name", reason: `must be unique: ${first} is the same ${kind.kind}` });
      return;
    }
    const place = candidate.place && placeOf(candidate.place, candidate.path);
    this.#seen.set(key, placed(candidate.source, place));
    this.manifests.push({ ...manifest, ...(place && { place }) });
  }
}

/** What the kind itself finds. */
function problemsOf(kind: Kind, object: object): readonly Problem[] {
  try {
    kind.check("unnamed", object);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return "problems" in error ? (error.problems as readonly Problem[]) : [{ path: error.path, reason: error.reason }];
  }
}

function unsupported(apiVersion: string, kind: string, document: number | undefined): string {
  const where = document === undefined ? "" : ` in document ${document}`;
  const supported = KINDS.map((each) => `${each.apiVersion} ${each.kind}`).join(", ");
  return `${shortened(apiVersion)} ${shortened(kind)}${where} is not supported; supported kinds: ${supported}`;
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function placed(source: string, place: Mistake["place"]): string {
  return place === undefined ? source : `${source}:${place.line}:${place.column}`;
}

function rendered({ source, place, path, reason }: Mistake): string {
  return `${placed(source, place)}: ${path === "" ? "" : `${path}: `}${reason}`;
}

/** As somebody reads who goes through the files from the top. */
function inOrder(mistakes: readonly Mistake[]): Mistake[] {
  const sources = [...new Set(mistakes.map(({ source }) => source))];
  const rank = ({ source, place }: Mistake) => [sources.indexOf(source), place?.line ?? 0, place?.column ?? 0] as const;
  return [...mistakes].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  });
}
