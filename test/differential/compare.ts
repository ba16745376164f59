/** What two containers say of themselves, side by side. */
import { CAPABILITIES } from "../../provider/kubernetes/capabilities";
import type { Difference } from "./differences";

export type Facts = ReadonlyMap<string, string>;

/** The lines that inspect.sh prints; each capability of a set is a fact of its own. */
export function factsOf(text: string): Facts {
  const lines = text.split("\n").filter((line) => line.includes("\t"));
  const facts = lines.map((line): [string, string] => [
    line.slice(0, line.indexOf("\t")),
    line.slice(line.indexOf("\t") + 1),
  ]);
  return new Map(
    facts.flatMap(([fact, value]): [string, string][] => {
      const [, set] = /^status (Cap\w+)$/.exec(fact) ?? [];
      return set === undefined
        ? [[fact, value]]
        : capabilitiesIn(value).map((name) => [`capability ${name}: ${set}`, "yes"]);
    }),
  );
}

/** The names in a mask, without `CAP_`. */
export function capabilitiesIn(mask: string): string[] {
  return CAPABILITIES.filter((_, bit) => ((BigInt(`0x${mask}`) >> BigInt(bit)) & 1n) === 1n);
}

/** What differs and is not explained, and which explanations explain nothing, by variant. */
export function judge(
  seen: Readonly<Record<string, { readonly runc: Facts; readonly barepod: Facts }>>,
  differences: readonly Difference[],
): { readonly unexplained: readonly string[]; readonly stale: readonly string[] } {
  const used = new Set<string>();
  const unexplained: string[] = [];
  for (const [variant, { runc, barepod }] of Object.entries(seen))
    for (const fact of new Set([...runc.keys(), ...barepod.keys()])) {
      const [theirs, ours] = [runc.get(fact) ?? "absent", barepod.get(fact) ?? "absent"];
      if (theirs === ours) continue;
      const explanations = differences.filter(
        (each) =>
          (each.variants?.includes(variant) ?? true) &&
          each.facts.some((pattern) => fits(pattern, fact)) &&
          fits(each.runc, theirs) &&
          fits(each.barepod, ours),
      );
      if (explanations.length === 0) unexplained.push(`${variant}: ${fact}: runc ${theirs}, Barepod ${ours}`);
      for (const { facts } of explanations)
        for (const pattern of facts) if (fits(pattern, fact)) used.add(`${variant}: ${pattern}`);
    }
  const stale = differences.flatMap(({ facts, variants }) =>
    facts.filter((pattern) =>
      variants === undefined
        ? !Object.keys(seen).some((variant) => used.has(`${variant}: ${pattern}`))
        : variants.some((variant) => !used.has(`${variant}: ${pattern}`)),
    ),
  );
  return { unexplained, stale };
}

/** `*` stands for anything. */
function fits(pattern: string, text: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`).test(text);
}
