/**
 * `$(NAME)` in a container's command, arguments and environment, by Kubernetes' rules: `$$` is a plain `$`, a name that is
 * not defined stays as it was written, and what was put in is not looked at again.
 * @see https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */
import type { Input } from "@pulumi/pulumi";
import { isEventual, isOutput } from "./plain";

/** A piece of a text: literal, or the name of a variable. */
type Piece = { readonly text: string } | { readonly name: string };

/** Replaces the references of `text`. */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return pieces(text)
    .map((piece) => ("text" in piece ? piece.text : (lookup(piece.name) ?? `$(${piece.name})`)))
    .join("");
}

/** The names that a text refers to. */
export function namesIn(text: string): string[] {
  return pieces(text).flatMap((piece) => ("name" in piece ? [piece.name] : []));
}

/** Splits a text at its references. An unclosed `$(` is literal, and so is a `$` before anything else. */
function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  const literal = (to: number, more: string, next: number) => {
    found.push({ text: text.slice(from, to) + more });
    from = next;
  };
  for (let at = text.indexOf("$"); at >= 0; at = text.indexOf("$", Math.max(at + 1, from))) {
    if (text[at + 1] === "$") literal(at, "$", at + 2);
    else if (text[at + 1] === "(") {
      const end = text.indexOf(")", at + 2);
      if (end < 0) {
        literal(at, "$(", at + 2);
        continue;
      }
      literal(at, "", end + 1);
      found.push({ name: text.slice(at + 2, end) });
    }
  }
  found.push({ text: text.slice(from) });
  return found;
}

/** The parts of a container in which references may stand. */
export interface Expandable {
  readonly command: readonly Input<string>[];
  readonly args: readonly Input<string>[];
  readonly env: readonly { readonly name: string; readonly value: Input<string> }[];
}

/**
 * Replaces the references of a container. A value of `env` sees the variables before it; where a name is given twice the
 * later one counts, at the place of the first. What involves an Output becomes an Output; everything else stays plain, so
 * that one secret does not mask the rest.
 */
export function expandContainer(container: Expandable): {
  command: Input<string>[];
  args: Input<string>[];
  env: { name: string; value: Input<string> }[];
} {
  const known = new Map<string, Input<string>>();
  for (const { name, value } of container.env) known.set(name, expandInput(value, new Map(known)));
  return {
    command: container.command.map((text) => expandInput(text, known)),
    args: container.args.map((text) => expandInput(text, known)),
    env: [...known].map(([name, value]) => ({ name, value })),
  };
}

/**
 * Replaces the references of a probe's command. A kubelet knows only what the manifest says there: values as they are
 * written, references in them left alone.
 */
export function expandStatic(
  command: readonly string[],
  env: readonly { readonly name: string; readonly value: Input<string> }[],
): Input<string>[] {
  const known = new Map(env.map(({ name, value }) => [name, value]));
  return command.map((text) => expandInput(text, known));
}

function expandInput(text: Input<string>, known: ReadonlyMap<string, Input<string>>): Input<string> {
  if (isEventual(text)) return lift(text, (plain) => expandInput(plain, known));
  // Types do not bind what an Output brings; whatever else it is, the provider's own check names it.
  if (typeof text !== "string") return text;
  const named = pieces(text).flatMap((piece) => ("name" in piece && known.has(piece.name) ? [piece.name] : []));
  // Outputs before promises: the result of an Output's apply is an Output whatever comes out of it.
  const eventual = [...new Set(named)]
    .map((name) => ({ name, value: known.get(name) as Input<string> }))
    .filter(({ value }) => isEventual(value))
    .sort((a, b) => Number(isOutput(b.value)) - Number(isOutput(a.value)));
  return resolveAll(eventual, new Map(), (resolved) =>
    expand(text, (name) => resolved.get(name) ?? (known.get(name) as string | undefined)),
  );
}

function resolveAll(
  waiting: readonly { name: string; value: Input<string> }[],
  resolved: ReadonlyMap<string, string>,
  then: (resolved: ReadonlyMap<string, string>) => string,
): Input<string> {
  const [first, ...rest] = waiting;
  if (!first) return then(resolved);
  return lift(first.value, (plain) => resolveAll(rest, new Map(resolved).set(first.name, plain), then));
}

/** Goes on with what an Output or a promise brings, without loading Pulumi's runtime: both flatten what they are given. */
function lift(value: Input<string>, next: (plain: string) => Input<string>): Input<string> {
  const flattened = next as (plain: string) => string;
  return isOutput<string>(value)
    ? value.apply(flattened)
    : Promise.resolve(value as PromiseLike<string>).then(flattened);
}
