/** Chooses among the manifests of an index. */

/** What a node runs, in Go's words: `amd64`, `arm64` with the variant `v8`. */
export interface Platform {
  readonly architecture: string;
  readonly variant?: string;
}

/** One manifest of an index. */
export interface IndexEntry {
  readonly digest: string;
  readonly mediaType: string;
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
  readonly annotations: Readonly<Record<string, unknown>>;
}

/** The variant that is meant where none is given. */
const usualVariants: Readonly<Record<string, number>> = { amd64: 1, arm: 7, arm64: 8 };

/** The best entry that the node can run; undefined when there is none. One without a platform is taken last. */
export function choose(entries: readonly IndexEntry[], platform: Platform): IndexEntry | undefined {
  const own = level(platform.architecture, platform.variant);
  const rank = ({ architecture, variant }: IndexEntry) => (architecture === "" ? -1 : level(architecture, variant));
  const runnable = entries.filter((entry) => isImage(entry) && runsOn(entry, platform) && rank(entry) <= own);
  // The sort keeps the order of equals: the first one counts, as everywhere.
  return [...runnable].sort((a, b) => rank(b) - rank(a))[0];
}

/** Whether an image for this system runs on the node, its variant left aside. */
export function runsOn(image: { os: string; architecture: string }, { architecture }: Platform): boolean {
  return ["", "linux"].includes(image.os) && ["", architecture].includes(image.architecture);
}

/** For messages: `linux/arm64/v8`. */
export function describePlatform(entry: { os?: string; architecture: string; variant?: string }): string {
  return [entry.os ?? "linux", entry.architecture, entry.variant].filter(Boolean).join("/");
}

/** Not what goes with an image: buildx lists provenance and SBOMs as manifests for `unknown/unknown`. */
export function isImage({ os, architecture, annotations }: IndexEntry): boolean {
  return os !== "unknown" && architecture !== "unknown" && annotations["vnd.docker.reference.type"] === undefined;
}

/** `v8` → 8. A variant of another form fits no node. */
function level(architecture: string, variant: string | undefined): number {
  if (variant === undefined || variant === "") return usualVariants[architecture] ?? 0;
  return /^v\d+(\.\d+)?$/.test(variant) ? Number(variant.slice(1)) : Number.POSITIVE_INFINITY;
}
