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
import { type Command, render } from "./command/command";
import { quote } from "./command/quote";

/**
 * Where the registry of owners lies: a file per object, with a line per owner (its id, the boot's, the kernel's identity of
 * the object, the owner's name) and a last line of a dot. What follows that is the rest of a longer text.
 */
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
  /** The digest of the owner's name. */
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

/** The shell text that observes only. The fact's text goes out as it comes: to keep it would cost a process. */
export function observationFrame(object: string, fact: Fact<unknown>): string {
  return `${functions(object, fact)}
barepod_claims
printf 'done %s\\n%s\\n' "$boot" "$claims"
barepod_fact || exit 3`;
}

/** The same, which waits for up to a second until the observation's text differs from this one. */
export function changeFrame(object: string, fact: Fact<unknown>, before: string): string {
  return `${preamble(object, fact)}
tries=0
while [ "$seen" = ${quote(before)} ] && [ "$tries" -lt 50 ]; do
sleep 0.02; tries=$((tries + 1)); fact=$(barepod_fact) || exit 3
barepod_claims
seen="$claims
$fact"
done
printf 'done %s\\n%s' "$boot" "$seen"`;
}

/** The shell text of a frame with plans. */
export function planFrame(object: string, fact: Fact<unknown>, alternatives: readonly Alternative[]): string {
  const branches = alternatives.map((each, index) => `${quote(each.expected)})\nplan=${index}\n${branch(each)}\n;;`);
  const [settle] = alternatives.map((each) => each.settle);
  const mine = settle === undefined ? "" : "claim" in settle ? settle.claim : settle.release;
  return `${preamble(object, fact, mine)}
${recording}
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
  const end = `${output}\n`.indexOf("\n");
  const [verdict, boot = "", plan, step, exitCode] = output.slice(0, end).split(" ");
  const seen = readObservation(boot, withoutLastNewlines(output.slice(end + 1)));
  if (verdict === "failed")
    return { kind: "failed", plan: Number(plan), step: Number(step), exitCode: Number(exitCode), seen };
  if (verdict === "done" || verdict === "stale") return { kind: verdict, seen };
  throw new Error("the node's answer is not one of a frame: something on the node writes into Barepod's shell");
}

/** What `$(…)` would have made of the fact's text. The newline between claims and fact stays. */
function withoutLastNewlines(text: string): string {
  const cut = text.replace(/\n+$/, "");
  return cut.split("\n").every((line) => line === "" || line.startsWith("owner ")) ? `${cut}\n` : cut;
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

/**
 * Sets `seen` (claims, newline, fact): the claims on the object and what is there; and `above` and `below`, the lines of
 * others around the claim `mine`.
 */
function preamble(object: string, fact: Fact<unknown>, mine = ""): string {
  return `${functions(object, fact, mine)}
fact=$(barepod_fact) || exit 3
barepod_claims
seen="$claims
$fact"`;
}

/** Sets `boot`, and how claims and fact are read. */
function functions(object: string, fact: Fact<unknown>, mine = ""): string {
  return `o=${quote(`${ownersFolder}/${object}`)} barepod_mine=${quote(mine)}
read -r boot < /proc/sys/kernel/random/boot_id
barepod_claims() {
claims= barepod_above= barepod_below= found=
[ ! -e "$o" ] || while read -r line && [ "$line" != . ]; do
claims="\${claims:+$claims
}owner $line"
if [ "\${line%% *}" = "$barepod_mine" ]; then found=y
elif [ -n "$found" ]; then barepod_below="$barepod_below$line
"
else barepod_above="$barepod_above$line
"; fi
done < "$o"
}
barepod_fact() {
${fact.script}
}`;
}

/**
 * What a plan needs of the shell. `<>` does not empty a file first: on a full disk what is there already would be lost.
 *
 * barepod_claim NAME IDENT    records the claim of ours
 * barepod_journal FILE TEXT   writes an entry of the boot journal. In one group: the shell runs nothing of a half
 */
const recording = `barepod_claim() {
[ -d ${ownersFolder} ] || mkdir -p -- ${ownersFolder} || return
printf '%s%s %s %s %s\\n%s.\\n' "$barepod_above" "$barepod_mine" "$boot" "$2" "$1" "$barepod_below" 1<> "$o" && return
[ -s "$o" ] || rm -f -- "$o"
rmdir -- ${ownersFolder} 2>/dev/null
return 1
}
barepod_journal() {
[ -d ${bootFolder} ] || mkdir -p -- ${bootFolder} || return
set -- ${bootFolder}/"$1" "$2"
new=$1
[ ! -e "$1" ] || { new=$1.new; rm -f -- "$new"; }
umask 177
printf '#!/bin/sh\\n{\\n%s\\n}\\n' "$2" > "$new"
status=$?
umask 022
if [ "$status" -ne 0 ]; then rm -f -- "$new"; return "$status"; fi
[ "$new" = "$1" ] || mv -fT -- "$new" "$1"
}`;

/** One branch: claim, plan, observe, settle. Leaves `fact`, `step` and `status`. */
function branch({ commands, settle }: Alternative): string {
  const claims = "claim" in settle;
  const steps = commands.map((command, index) => `step=${index} && ${body(command)}`);
  const before: string[] = [];
  if (claims) {
    const { journal } = settle;
    if (journal !== undefined) {
      // What is run and what is noted are the same texts more often than not: then they travel once.
      const texts = commands.map(body);
      const noted = journal.commands.map(body);
      const file = quote(journal.file);
      if (noted.length > 0 && texts.join("\n") === noted.join("\n")) {
        before.push(...texts.map((text, index) => `barepod_${index}=${quote(text)}`));
        texts.forEach((_, index) => {
          steps[index] = `step=${index} && eval "$barepod_${index}"`;
        });
        steps.push(`barepod_journal ${file} "${texts.map((_, index) => `$barepod_${index}`).join(" &&\n")}"`);
      } else steps.push(`barepod_journal ${file} ${quote(noted.length === 0 ? ":" : noted.join(" &&\n"))}`);
    }
    // The claim comes first: whatever a crash leaves behind is then known to be ours.
    const evict = settle.evict === true ? "barepod_above= barepod_below= && " : "";
    steps.unshift(`${evict}barepod_claim ${quote(settle.name)} -`);
  }
  const run = `${before.map((line) => `${line}\n`).join("")}step=-1; { ${steps.length === 0 ? ":" : steps.join(" && \\\n")}; } >&2; status=$?
fact=$(barepod_fact) || exit 3
if [ "$status" -eq 0 ]; then`;
  if (claims)
    return `${run}
  case $fact in "ident "*) ident=\${fact#ident }; ident=\${ident%%
*} ;; *) ident=- ;; esac
  barepod_claim ${quote(settle.name)} "$ident" >&2
fi`;
  const forget = settle.journal === undefined ? "" : ` ${quote(`${bootFolder}/${settle.journal}`)}`;
  return `${run}
  step=-1
  if [ -z "$fact" ]${settle.shared === true ? " || :" : ""}; then
    if [ -n "$barepod_above$barepod_below" ]; then printf '%s%s.\\n' "$barepod_above" "$barepod_below" 1<> "$o" && set --
    else set -- "$o"; fi
    rm -f -- "$@"${forget} && { rmdir -- ${ownersFolder} ${bootFolder} /var/lib/barepod 2>/dev/null || :; }
    status=$?
  fi
fi`;
}

function body(command: Command): string {
  const text = render(command, { reveal: true });
  return command.kind === "joined" ? `{ ${text}; }` : text;
}
