/** Tries every hostile text in every place of a resource's inputs: made exactly as given, or refused; never interpreted. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { all, render } from "../../provider/command/command";
import type { NodeInputs, Spec } from "../../provider/resource";
import type { HandlerNode, Resource } from "./handlers";
import { hostileTexts, interpreted, type TextPlace, textPlaces } from "./hostile";
import { snapshotDifference } from "./snapshot";

// biome-ignore lint/suspicious/noExplicitAny: whatever the spec's own inputs are
export type AnySpec = Spec<any, any>;
export type Inputs = NodeInputs & Record<string, unknown>;

/** How a place that takes odd texts is tried. */
export interface Odd {
  /** What stands around the text, such as `/srv/` before it. The text alone is tried, too. */
  readonly around?: ((text: string) => string) | undefined;
  /** Inputs in place of the valid ones. */
  readonly inputs?: object | undefined;
  /** All inputs, where putting the text in its place does not do. It may stand in other places as well: see {@link Odd.with}. */
  readonly given?: ((text: string) => object) | undefined;
  /** The place whose `given` puts the text here, too: what is taken here is tried there. */
  readonly with?: string | undefined;
  /** The same object as another place's trials make it: the commands are the same, and not run again. */
  readonly as?: ((inputs: Inputs) => Inputs) | undefined;
  /** Makes what has to be there first. */
  readonly prepare?: ((text: string) => Promise<unknown>) | undefined;
  /** Looks at the object on the node without a shell, and without Barepod: throws unless it is exactly what was asked for. */
  readonly look?: ((inputs: Inputs) => Promise<unknown>) | undefined;
  /** Looks at what its removal has done. */
  readonly lookAfter?: ((inputs: Inputs) => Promise<unknown>) | undefined;
}

/** A resource with inputs that are valid, into which the texts are put one at a time. */
export interface Subject {
  readonly spec: AnySpec;
  readonly valid: object;
  /** By path, for the places that take odd texts. Where nothing is said a text that is taken is a mistake of the test. */
  readonly odd: Readonly<Record<string, Odd | readonly Odd[]>>;
  /** Inputs that a class fills in, or makes a name for: no program gives them. */
  readonly own?: readonly string[];
  /** What `prepare` finds on the node, for plans that are only compared. */
  readonly found?: object;
}

interface Trial {
  readonly place: TextPlace;
  readonly odd: Odd;
  inputs(text: string): object;
  /** The trial that makes what this one takes, and where the text stands in it. */
  readonly elsewhere?:
    | { readonly given: (text: string) => object; readonly around: (text: string) => string }
    | undefined;
}

/** The tests of some resources. */
export function tryHostileTexts(node: HandlerNode, subjects: readonly Subject[]): void {
  test.each(subjects.map((each): [string, Subject] => [each.spec.type, each]))(
    "%s: the inputs that the texts are put into are valid, and what is said of places is of ones that exist",
    async (_, { spec, valid, odd, own = [] }) => {
      expect(await node.resource(spec).reasons(valid)).toEqual([]);
      const paths = textPlaces(spec.fields).map(({ path }) => path);
      expect(paths).toEqual(expect.arrayContaining([...Object.keys(odd), ...own]));
    },
  );
  const trials = subjects.flatMap((subject) =>
    trialsOf(subject).map((trial): [string, string, Subject, Trial] => [
      subject.spec.type,
      trial.place.path,
      subject,
      trial,
    ]),
  );
  test.each(trials)("%s takes hostile texts in %s exactly, or refuses them", async (_, __, { spec, found }, trial) => {
    const resource = node.resource(spec);
    const taken: [string, string, Inputs][] = [];
    for (const [title, text] of Object.entries(hostileTexts)) {
      const { inputs, failures } = await resource.check(trial.inputs(text));
      if (failures.length === 0) taken.push([title, text, inputs as Inputs]);
      else expectRefusal(failures, text, trial.place.path);
    }
    const { as } = trial.odd;
    const { elsewhere } = trial;
    if (as !== undefined)
      for (const [title, , inputs] of taken)
        expect({ title, plan: planOf(spec, { ...inputs, ...found }) }).toEqual({
          title,
          plan: planOf(spec, { ...as(inputs), ...found }),
        });
    else if (elsewhere !== undefined)
      for (const [title, text] of taken) {
        const inputs = elsewhere.given(text);
        const tried = trial.place.holds(inputs, elsewhere.around(text));
        expect({ title, tried, reasons: await resource.reasons(inputs) }).toEqual({ title, tried: true, reasons: [] });
      }
    else if (taken.length > 0) await makeAll(node, spec, trial, taken);
  });
}

function planOf(spec: AnySpec, inputs: Inputs): string {
  return render(all(...spec.plan(inputs, undefined)), { reveal: true });
}

function trialsOf({ spec, valid, odd, own = [] }: Subject): Trial[] {
  return textPlaces(spec.fields)
    .filter(({ path }) => !own.includes(path))
    .flatMap((place) => {
      const special = [odd[place.path] ?? {}].flat();
      const base = (each: Odd) => ({ ...valid, ...each.inputs });
      const [first = {}] = special;
      const given = first.given ?? [odd[first.with ?? ""] ?? {}].flat().find((each) => each.given)?.given;
      if (first.with !== undefined && given === undefined)
        throw new Error(`${place.path}: nothing is given for ${first.with}`);
      const trial = (each: Odd, around: (text: string) => string): Trial => ({
        place,
        odd: each,
        inputs: (text) => place.put(base(each), around(text)),
        ...(given !== undefined && { elsewhere: { given, around } }),
      });
      return [
        trial(first, (text) => text),
        ...special.flatMap((each) => [
          ...(each.given === undefined ? [] : [{ place, odd: each, inputs: each.given }]),
          ...(each.around === undefined ? [] : [trial(each, each.around)]),
        ]),
      ];
    });
}

/** In the preview: where and why, and never the value. */
function expectRefusal(failures: readonly { property: string; reason: string }[], text: string, path: string): void {
  const [, map] = /^(.*)(?:\.KEY\b| \(a key\))/.exec(path) ?? [];
  for (const { property, reason } of failures) {
    expect(property).toBe("");
    // A key that is taken may be named as the place of its value.
    if (text.length > 4) expect(reason.replace(`${map}.${text}: `, "")).not.toContain(text);
    expect(reason).toMatch(/^[^:]+: ./);
  }
  const places = failures.map(({ reason }) => reason.slice(0, reason.indexOf(": ")).replace(/\[\d+\]/g, "[0]"));
  // A map that does not take every key may refuse the one that the text stands under, or needs another one.
  const isThere = (each: string) =>
    path.startsWith(each) || (map !== undefined && (each === `${map} (a key)` || each.startsWith(`${map}.`)));
  expect(places.filter(isThere)).not.toEqual([]);
}

/** What was not refused is made and looked at, or the node refuses it; and it goes without a trace. */
async function makeAll(
  node: HandlerNode,
  spec: AnySpec,
  { odd, place }: Trial,
  taken: readonly [title: string, text: string, inputs: Inputs][],
): Promise<void> {
  const resource = node.resource(spec);
  const before = await node.sandbox.snapshot();
  const outcomes: Record<string, string> = {};
  try {
    for (const [title, text, inputs] of taken) outcomes[title] = await makeOne(resource, odd, { title, text, inputs });
  } finally {
    // What prepare made, and mount points inside a root file system, which go with that.
    await node.sandbox.exec(["find", "/srv/source", "/srv/root/bad", "-mindepth", "1", "-delete"]);
    await node.sandbox.exec(["rm", "-rf", "/srv/root/bad"]);
  }
  if (process.env["SHOW_OUTCOMES"] !== undefined) console.log(place.path, outcomes);
  expect((await node.sandbox.exec(["test", "-e", interpreted])).code).toBe(1);
  expect(existsSync(interpreted)).toBe(false);
  // Which address comes next is remembered, whatever became of the last.
  const left = snapshotDifference(before, await node.sandbox.snapshot());
  expect(left.filter((line) => !line.endsWith("/last-address"))).toEqual([]);
}

async function makeOne(
  resource: Resource<NodeInputs>,
  odd: Odd,
  { title, text, inputs }: { title: string; text: string; inputs: Inputs },
): Promise<string> {
  if (!/\0|\ud800|\.\./.test(text)) await odd.prepare?.(text);
  let outcome = "made exactly";
  const state = await resource.create(inputs).catch((error: Error & { properties?: object }) => {
    outcome = `refused by the node: ${error.message}`;
    return error.properties;
  });
  try {
    // What the node goes on trying is neither taken nor refused.
    expect(outcome).not.toMatch(/syntax error|unexpected|not found: .*touch|not ready after/i);
    if (outcome === "made exactly") {
      expect(odd.look, `${title} was taken, and nothing says how to look at it`).toBeDefined();
      await odd.look?.(inputs);
    }
  } finally {
    if (state !== undefined) await resource.remove(state);
  }
  if (outcome === "made exactly") await odd.lookAfter?.(inputs);
  return outcome;
}
