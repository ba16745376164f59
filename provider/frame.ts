/**
 * One frame: the shell text that carries a plan and the observation that it was made for.
 *
 *   observe ──► equals what was expected? ──no──► print `stale` and what was seen
 *                      │ yes
 *                      ▼
 *             claim · run the plan (joined by &&) · settle the claim · observe again ──► print `done` or `failed`
 *
 * Several alternatives may be offered (what was last known, or nothing at all); the first that fits is taken.
 */
import { all, type Command, raw, render, write } from "./command/command";
import { quote } from "./command/quote";

/** Where the registry of owners lies: `<object>/<owner>`, one line each: boot id, kernel identity, the owner's name. */
export const ownersFolder = "/var/lib/barepod/owners";
/** Where the boot journal lies. */
export const bootFolder = "/var/lib/barepod/boot.d";

/** How to read something on the node: shell text, and the parser of what it prints. Empty output means absent. */
export interface Fact<S> {
  /** POSIX sh. Prints canonical text: equal text means equal state. An optional first line `ident X` is the kernel's identity. */
  readonly script: string;
  readonly parse: (text: string) => S;
}

/** Somebody's claim on an object. */
export interface Claim {
  /** The owner's file name. */
  readonly id: string;
  readonly boot: string;
  readonly ident: string;
  /** The owner's own name: nonce and first URN. */
  readonly name: string;
}

/** What a frame saw: the node's boot, the claims, and the object itself. */
export interface Observation {
  /** The canonical text: what another frame compares with. */
  readonly text: string;
  readonly boot: string;
  readonly claims: readonly Claim[];
  readonly ident: string | undefined;
  /** The fact's text; empty when the object is absent. */
  readonly fact: string;
}

/** What to do with the claim after the plan. */
export type Settlement =
  | { readonly claim: string; readonly name: string; readonly journal?: JournalEntry; readonly evict?: boolean }
  | {
      readonly release: string;
      readonly journal?: string;
      /** Others hold the object still: only the claim goes. */
      readonly shared?: boolean;
    };

/** An entry of the boot journal. */
export interface JournalEntry {
  readonly file: string;
  readonly commands: readonly Command[];
}

/** A plan, for one state of affairs. */
export interface Alternative {
  /** The observation's text that this plan is for. */
  readonly expected: string;
  readonly commands: readonly Command[];
  readonly settle: Settlement;
}

/** The shell text that observes only. */
export function observationFrame(
  object: string,
  fact: Fact<unknown>,
  /** Waits for up to a second until the text differs from this one. */
  options: { readonly changedFrom?: string } = {},
): string {
  const wait =
    options.changedFrom === undefined
      ? ""
      : `\ntries=0
while [ "$seen" = ${quote(options.changedFrom)} ] && [ "$tries" -lt 50 ]; do
sleep 0.02; tries=$((tries + 1)); fact=$(barepod_fact) || exit 3
barepod_claims
seen="$claims
$fact"
done`;
  return `${preamble(object, fact)}${wait}
printf 'done %s\\n%s' "$boot" "$seen"`;
}

/** The shell text of a frame with plans. */
export function planFrame(object: string, fact: Fact<unknown>, alternatives: readonly Alternative[]): string {
  const branches = alternatives.map((each, index) => `${quote(each.expected)})\nplan=${index}\n${branch(each)}\n;;`);
  return `${preamble(object, fact)}
case $seen in
${branches.join("\n")}
*) printf 'stale %s\\n%s' "$boot" "$seen"; exit 0 ;;
esac
barepod_claims
if [ "$status" -eq 0 ]; then verdict="done $boot"; else verdict="failed $boot $plan $step $status"; fi
printf '%s\\n%s\\n%s' "$verdict" "$claims" "$fact"`;
}

/** What came back from a frame. */
export type Outcome =
  | { readonly kind: "done" | "stale"; readonly seen: Observation }
  | {
      readonly kind: "failed";
      /** Which alternative was taken, and which of its commands failed; -1: recording the owner did. */
      readonly plan: number;
      readonly step: number;
      readonly exitCode: number;
      readonly seen: Observation;
      readonly stderr?: string;
      readonly node?: string;
    };

/** Reads a frame's output. */
export function parseOutcome(output: string): Outcome {
  const end = output.indexOf("\n");
  const [verdict, boot = "", plan, step, exitCode] = output.slice(0, end).split(" ");
  const seen = readObservation(boot, output.slice(end + 1));
  if (verdict === "failed")
    return { kind: "failed", plan: Number(plan), step: Number(step), exitCode: Number(exitCode), seen };
  if (verdict === "done" || verdict === "stale") return { kind: verdict, seen };
  throw new Error("the node's answer is not one of a frame: something on the node writes into Barepod's shell");
}

/** The observation's text of an object that is neither there nor claimed. */
export const absentText = "\n";

/** Reads an observation's text, seen in a boot of the node. */
export function readObservation(boot: string, text: string): Observation {
  const claims: Claim[] = [];
  const lines = text.split("\n");
  while (lines[0]?.startsWith("owner ") === true) {
    const [, id = "", at = "", ident = "", ...name] = (lines.shift() ?? "").split(" ");
    claims.push({ id, boot: at, ident: ident === "-" ? "" : ident, name: name.join(" ") });
  }
  if (claims.length === 0) lines.shift();
  const fact = lines.join("\n");
  const ident = /^ident (.*)/.exec(fact)?.[1];
  return { text, boot, claims, ident, fact };
}

/** Sets `seen` (claims, newline, fact): the claims on the object and what is there. */
function preamble(object: string, fact: Fact<unknown>): string {
  return `o=${quote(`${ownersFolder}/${object}`)}
read -r boot < /proc/sys/kernel/random/boot_id
barepod_claims() {
claims=
for f in "$o"/*; do if [ -e "$f" ] && read -r line < "$f"; then claims="\${claims:+$claims
}owner \${f##*/} $line"; fi; done
}
barepod_fact() {
${fact.script}
}
fact=$(barepod_fact) || exit 3
barepod_claims
seen="$claims
$fact"`;
}

/** One branch: claim, plan, observe, settle. Leaves `fact`, `step` and `status`. */
function branch({ commands, settle }: Alternative): string {
  const steps = commands.map((command, index) => `step=${index} && ${body(command)}`);
  const claims = "claim" in settle;
  const file = claims ? `"$o"/${quote(settle.claim)}` : `"$o"/${quote(settle.release)}`;
  if (claims) {
    // The claim comes first: whatever a crash leaves behind is then known to be ours. `<>` does not empty the file first:
    // on a full disk the claim that is there already would be lost. Only its first line counts.
    const evict = settle.evict === true ? 'rm -rf -- "$o" && ' : "";
    steps.unshift(
      `${evict}{ [ -d "$o" ] || mkdir -p -- "$o"; } && { printf '%s - %s\\n' "$boot" ${quote(settle.name)} 1<> ${file} ||
{ [ -s ${file} ] || rm -f -- ${file}; rmdir -- "$o" ${ownersFolder} 2>/dev/null; false; }; }`,
    );
    if (settle.journal !== undefined) steps.push(body(journal(settle.journal)));
  }
  const run = `step=-1; { ${steps.length === 0 ? ":" : steps.join(" && \\\n")}; } >&2; status=$?
fact=$(barepod_fact) || exit 3
if [ "$status" -eq 0 ]; then`;
  if (claims)
    return `${run}
  case $fact in "ident "*) ident=\${fact#ident }; ident=\${ident%%
*} ;; *) ident=- ;; esac
  printf '%s %s %s\\n' "$boot" "$ident" ${quote(settle.name)} 1<> ${file}
fi`;
  const forget = settle.journal === undefined ? "" : ` && rm -f -- ${quote(`${bootFolder}/${settle.journal}`)}`;
  return `${run}
  step=-1
  if [ -z "$fact" ]${settle.shared === true ? " || :" : ""}; then rm -f -- ${file}${forget} && { rmdir -- "$o" ${ownersFolder} ${bootFolder} /var/lib/barepod 2>/dev/null || :; }; status=$?; fi
fi`;
}

function body(command: Command): string {
  const text = render(command, { reveal: true });
  return command.kind === "joined" ? `{ ${text}; }` : text;
}

function journal(entry: JournalEntry): Command {
  const text = entry.commands.length === 0 ? ":" : render(all(...entry.commands), { reveal: true });
  return all(
    raw("make the boot journal's folder", '[ -d "$1" ] || mkdir -p -- "$1"', bootFolder),
    write(`${bootFolder}/${entry.file}`, `#!/bin/sh\n${text}\n`, { mode: 0o600 }),
  );
}
