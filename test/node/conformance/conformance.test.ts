/**
 * What every resource must do on a real node, through the real engine. Each step of a stack's life is taken once, for all
 * resources together; then each resource is asked about each step.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Deployment,
  engineObstacle,
  type FrameRecord,
  type Outcome,
  type StateResource,
  type Step,
} from "../../harness/engine";
import { sandboxObstacle } from "../../harness/sandbox";
import { Bed, type Shape } from "./bed";
import { type Case, type CheckedInputs, canary } from "./case";
import { cases as everyCase } from "./cases";

const only = process.env["CONFORMANCE_CASES"]?.split(",");
const cases = everyCase.filter(({ name, stays }) => stays === true || only === undefined || only.includes(name));
const obstacle = sandboxObstacle() ?? engineObstacle();

/** A test that only some cases have; the others do not skip it. */
function when(applies: boolean): (name: string, test: () => void) => void {
  return applies ? it : () => undefined;
}

/** The step of the case's own resource. */
function stepsOf(outcome: Outcome, { name, stays }: Case): Step[] {
  return outcome.steps.filter((step) => (stays === true ? step.name === name : step.name.endsWith(`-${name}`)));
}

function ops(outcome: Outcome, each: Case): string[] {
  return stepsOf(outcome, each).map(({ op }) => op);
}

function errorOf(outcome: Outcome, { name, stays }: Case): string | undefined {
  for (const [resource, message] of outcome.errors)
    if (stays === true ? resource === name : resource.endsWith(`-${name}`)) return message;
  return undefined;
}

/** What the resources of a case sent; a replacement sends a delete and a create. */
function framesOf(outcome: Outcome, { spec }: Case): FrameRecord[] {
  return outcome.frames.filter(({ type }) => type === spec.type);
}

const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

describe.skipIf(obstacle)("the life of a stack", () => {
  let bed: Bed;
  /** What each step of the life did. */
  const life = {} as Record<
    | "previewed"
    | "created"
    | "read"
    | "upAgain"
    | "updatePreviewed"
    | "updated"
    | "readUpdated"
    | "replacePreviewed"
    | "replaced"
    | "replacedBack"
    | "removalShown"
    | "removalRepaired"
    | "changeShown"
    | "changeRepaired"
    | "componentRenamed"
    | "moved"
    | "stackRenamed"
    | "rotated"
    | "deleted"
    | "readDeleted"
    | "resumedLate"
    | "deletedAgain"
    | "resumedEarly"
    | "resumedAfterKill"
    | "destroyed"
    | "destroyedAgain"
    | "recreated"
    | "destroyedWhatWasGone",
    Outcome
  >;
  const looks: Record<string, Map<string, string>> = {};
  const states: Record<string, Deployment> = {};
  let storedText = "";
  const differences: Record<string, string[]> = {};
  const logins: Record<string, number> = {};

  beforeAll(async () => {
    bed = await Bed.make("life", cases);
    let shape: Shape = { variant: "initial" };
    const now = (more: Partial<Shape>): Shape => ({ ...shape, ...more });

    life.previewed = await bed.preview(shape);
    life.created = await bed.up(shape);
    looks["created"] = await bed.look();
    states["created"] = await bed.stack.export({ reveal: true });
    storedText = JSON.stringify(await bed.stack.export());
    life.read = await bed.refresh();
    states["read"] = await bed.stack.export({ reveal: true });
    logins["before"] = bed.logins();
    life.upAgain = await bed.up(shape);
    logins["after"] = bed.logins();

    life.updatePreviewed = await bed.preview(now({ variant: "updated" }));
    life.updated = await bed.up(now({ variant: "updated" }));
    looks["updated"] = await bed.look();
    life.readUpdated = await bed.refresh();
    life.replacePreviewed = await bed.preview(now({ variant: "replaced" }));
    life.replaced = await bed.up(now({ variant: "replaced" }));
    looks["replaced"] = await bed.look();
    life.replacedBack = await bed.up(shape);
    looks["replacedBack"] = await bed.look();

    await bed.somebody(({ remove }) => remove);
    looks["removed"] = await bed.look();
    life.removalShown = await bed.refresh();
    life.removalRepaired = await bed.up(shape);
    looks["removalRepaired"] = await bed.look();
    await bed.somebody(({ change }) => change);
    looks["changed"] = await bed.look();
    life.changeShown = await bed.refresh();
    life.changeRepaired = await bed.up(shape);
    looks["changeRepaired"] = await bed.look();

    shape = now({ group: "renamed", aliases: [{ name: "group" }] });
    life.componentRenamed = await bed.up(shape);
    shape = now({ moved: true, aliases: [{ parent: undefined as never }] });
    life.moved = await bed.up(shape);
    await bed.stack.rename("renamed");
    shape = now({ aliases: [] });
    life.stackRenamed = await bed.up(shape);
    await bed.rotateKey();
    life.rotated = await bed.up(shape);

    const beginCreates = async (steps: (all: number) => number) => {
      for (const each of cases.filter(({ stays }) => stays !== true)) {
        const planned = stepsOf(createPreviewed, each)[0]?.inputs ?? {};
        await bed.beginCreate(each, withSecrets(planned, resourceIn(everything, each)?.inputs), steps);
      }
    };
    const everything = await bed.stack.export({ reveal: true });
    life.deleted = await bed.up(now({ variant: "absent" }));
    looks["deleted"] = await bed.look();
    life.readDeleted = await bed.refresh();
    const createPreviewed = await bed.preview(shape);
    await beginCreates((all) => all);
    life.resumedLate = await bed.up(shape);
    looks["resumedLate"] = await bed.look();
    life.deletedAgain = await bed.up(now({ variant: "absent" }));
    await beginCreates((all) => all - 1);
    life.resumedEarly = await bed.up(shape);
    looks["resumedEarly"] = await bed.look();
    await bed.up(now({ variant: "absent" }));
    await bed.upUntilKilled(shape);
    life.resumedAfterKill = await bed.up(shape);
    looks["resumedAfterKill"] = await bed.look();

    const again = await bed.stack.export();
    life.destroyed = await bed.destroy();
    differences["destroyed"] = await bed.difference();
    await bed.stack.import(again);
    life.destroyedAgain = await bed.destroy();
    differences["destroyedAgain"] = await bed.difference();
    life.recreated = await bed.up(shape);
    await bed.somebody((each) => each.removeParent ?? each.remove);
    life.destroyedWhatWasGone = await bed.destroy();
    differences["destroyedWhatWasGone"] = await bed.difference();
    await bed.up(shape);
    await bed.somebody(({ remove }) => remove);
    await bed.refresh();
    await bed.destroy();
    differences["destroyed after a refresh that found nothing"] = await bed.difference();
  }, 900_000);

  afterAll(() => bed?.[Symbol.asyncDispose]());

  describe.each(cases.map((each) => [each.title, each] as const))("%s", (_, each) => {
    const look = (when: string) => looks[when]?.get(each.name);
    /** That the step went well, took the given operations, and what there is now is as in the beginning. */
    const converged = (when: keyof typeof life, expected: readonly string[], shows = "created") => {
      expect(errorOf(life[when], each)).toBeUndefined();
      expect(ops(life[when], each)).toEqual(expected);
      expect(look(when)).toBe(look(shows));
    };
    const stays = each.stays === true;

    it("is previewed as a create with every input known", () => {
      expect(ops(life.previewed, each)).toEqual(["create"]);
      expect(JSON.stringify(stepsOf(life.previewed, each)[0]?.inputs)).not.toContain(unknown);
    });

    it("is created", () => {
      expect(errorOf(life.created, each)).toBeUndefined();
      expect(ops(life.created, each)).toEqual(["create"]);
      expect(look("created")).not.toBe("");
    });

    it("takes one frame to create, update, read and delete", () => {
      const { create = 1, update = 1, read = 1, delete: remove = 1 } = each.frames ?? {};
      const counts = (outcome: Outcome, operation: string) => [
        ...new Set(framesOf(outcome, each).flatMap((sent) => (sent.operation === operation ? [sent.frames] : []))),
      ];
      expect(counts(life.created, "create")).toEqual([create]);
      expect(counts(life.read, "read")).toEqual([read]);
      if (each.inPlace !== undefined) expect(counts(life.updated, "update")).toEqual([update]);
      expect(counts(life.destroyed, "delete")).toEqual([remove]);
    });

    it("is read back as it was created, and a refresh shows no change", () => {
      expect(ops(life.read, each)).toEqual(["same"]);
      // Pulumi drops inputs of some names; progress messages need this one.
      expect(resourceIn(states["created"], each)?.inputs?.["resourceUrn"]).toBe(
        resourceIn(states["created"], each)?.urn,
      );
      const [made, read] = [resourceIn(states["created"], each), resourceIn(states["read"], each)];
      expect(read?.inputs).toEqual(made?.inputs);
      expect(read?.outputs).toEqual(made?.outputs);
    });

    it("is left alone by a second up, and no command runs", () => {
      expect(ops(life.upAgain, each)).toEqual(["same"]);
      expect(framesOf(life.upAgain, each)).toEqual([]);
    });

    when(each.inPlace !== undefined)("is updated in place, and the preview says so", () => {
      expect(ops(life.updatePreviewed, each)).toEqual(["update"]);
      expect(stepsOf(life.updatePreviewed, each)[0]?.changed).toEqual([...(each.inPlace ?? [])].sort());
      expect(errorOf(life.updated, each)).toBeUndefined();
      expect(ops(life.updated, each)).toEqual(["update"]);
      if (each.looksTheSame !== true) expect(look("updated")).not.toBe(look("created"));
      expect(ops(life.readUpdated, each)).toEqual(["same"]);
    });

    when(each.replace !== undefined)("is replaced where it cannot be changed, and the preview says so", () => {
      expect(ops(life.replacePreviewed, each)).toContain("replace");
      expect(stepsOf(life.replacePreviewed, each).flatMap(({ changed }) => changed)).toEqual(
        expect.arrayContaining([...(each.replace ?? [])]),
      );
      expect(errorOf(life.replaced, each)).toBeUndefined();
      expect(ops(life.replaced, each)).toContain("replace");
      expect(look("replaced")).not.toBe(look("updated"));
      expect(errorOf(life.replacedBack, each)).toBeUndefined();
      expect(look("replacedBack")).toBe(look("created"));
    });

    it("is removed out of band: a refresh shows it and up repairs it", () => {
      expect(look("removed")).not.toBe(look("created"));
      const shown = each.removed ?? "delete";
      expect(ops(life.removalShown, each)).toEqual([shown]);
      converged("removalRepaired", [shown === "delete" ? "create" : "update"]);
    });

    when(each.change !== undefined)("is changed out of band: a refresh shows it and up repairs it", () => {
      expect(look("changed")).not.toBe(look("created"));
      expect(ops(life.changeShown, each)).toEqual([each.repaired === "create" ? "delete" : "update"]);
      if (each.changed !== undefined)
        expect(stepsOf(life.changeShown, each)[0]?.changed).toEqual(expect.arrayContaining([...each.changed]));
      expect(errorOf(life.changeRepaired, each)).toBeUndefined();
      expect(ops(life.changeRepaired, each)).toContain(each.repaired ?? "update");
      expect(look("changeRepaired")).toBe(look("created"));
    });

    it.each([
      ["its component is renamed with an alias", "componentRenamed"],
      ["its component moves under another parent", "moved"],
      ["the stack is renamed", "stackRenamed"],
    ] as const)("does not change when %s", (_, step) => {
      expect(errorOf(life[step], each)).toBeUndefined();
      expect(ops(life[step], each)).toEqual(["same"]);
      expect(framesOf(life[step], each)).toEqual([]);
    });

    it("is updated without a command when the node's key is rotated", () => {
      expect(errorOf(life.rotated, each)).toBeUndefined();
      expect(ops(life.rotated, each)).toEqual(["update"]);
      // The node itself proves that the new key opens it.
      expect(framesOf(life.rotated, each).map(({ frames }) => frames)).toEqual(stays ? [1] : []);
    });

    when(!stays)("is deleted", () => {
      expect(errorOf(life.deleted, each)).toBeUndefined();
      expect(ops(life.deleted, each)).toEqual(["delete"]);
      expect(look("deleted")).toBe("");
    });

    when(stays)("does not change when everything on it is deleted", () => {
      expect(ops(life.readDeleted, each)).toEqual(["same"]);
    });

    when(!stays)("is created over a create that was cut off before its last command", () => {
      converged("resumedEarly", ["create"]);
    });

    when(!stays)("is created over a create that was cut off after its last command", () => {
      converged("resumedLate", ["create"]);
    });

    it("is there after an up that was killed and another one", () => {
      expect(errorOf(life.resumedAfterKill, each)).toBeUndefined();
      expect(look("resumedAfterKill")).toBe(look("created"));
    });

    it.each([
      ["destroyed", "is destroyed"],
      ["destroyedAgain", "is destroyed again: deleting what is deleted succeeds"],
      ["destroyedWhatWasGone", "is destroyed when it, or what it lies in, is already gone"],
    ] as const)("%s: %s", (step, _) => {
      expect(errorOf(life[step], each)).toBeUndefined();
      expect(ops(life[step], each)).toEqual(["delete"]);
    });
  });

  it("opens no SSH connection for an up without changes", () => {
    expect(logins["after"]).toBe(logins["before"]);
  });

  it.each(["destroyed", "destroyedAgain", "destroyedWhatWasGone", "destroyed after a refresh that found nothing"])(
    "leaves the node as it was: %s",
    (step) => {
      expect(differences[step]).toEqual([]);
    },
  );

  it("shows no secret in state, events or output", () => {
    expect(storedText).not.toContain(canary);
    expect(JSON.stringify(Object.values(life))).not.toContain(canary);
  });
});

describe.skipIf(obstacle)("somebody else's objects", () => {
  let bed: Bed;
  const taken = cases.filter(({ foreign }) => foreign !== undefined);
  const outcomes = {} as Record<"refused" | "adopted" | "destroyed", Outcome>;
  const looks: Record<string, Map<string, string>> = {};
  let difference: string[] = [];

  beforeAll(async () => {
    bed = await Bed.make("foreign", [...cases.filter(({ stays }) => stays), ...taken]);
    await bed.up({ variant: "absent" });
    await bed.somebody(({ foreign }) => foreign?.make);
    looks["foreign"] = await bed.look();
    outcomes.refused = await bed.up({ variant: "initial" });
    looks["refused"] = await bed.look();
    outcomes.adopted = await bed.up({ variant: "initial", adopt: true });
    looks["adopted"] = await bed.look();
    outcomes.destroyed = await bed.destroy();
    looks["destroyed"] = await bed.look();
    await bed.somebody(({ foreign }) => foreign?.clean);
    difference = await bed.difference();
  }, 300_000);

  afterAll(() => bed?.[Symbol.asyncDispose]());

  describe.each(taken.map((each) => [each.title, each] as const))("%s", (_, each) => {
    it("is refused by name, and left alone", () => {
      const message = errorOf(outcomes.refused, each) ?? "";
      expect(message).toContain(each.foreign?.named);
      expect(message).toContain("is there already and was not made by Barepod");
      expect(message).toContain("adopt: true");
      expect(looks["refused"]?.get(each.name)).toBe(looks["foreign"]?.get(each.name));
    });

    it("is taken over with adopt: true", () => {
      expect(errorOf(outcomes.adopted, each)).toBeUndefined();
      expect(ops(outcomes.adopted, each)).toEqual(["create"]);
      const [theirs, adopted] = [looks["foreign"]?.get(each.name), looks["adopted"]?.get(each.name)];
      if (each.foreign?.looksTheSame === true) expect(adopted).toBe(theirs);
      else expect(adopted).not.toBe(theirs);
    });

    it("is deleted with its resource", () => {
      expect(errorOf(outcomes.destroyed, each)).toBeUndefined();
      expect(looks["destroyed"]?.get(each.name)).toBe("");
    });
  });

  it("leaves the node as it was", () => {
    expect(difference).toEqual([]);
  });
});

function resourceIn(state: Deployment | undefined, { name, stays }: Case): StateResource | undefined {
  return state?.deployment.resources.find(({ urn }) => urn.endsWith(stays === true ? `::${name}` : `-${name}`));
}

/** The inputs of a preview, in which the secret ones are hidden. */
function withSecrets(planned: Step["inputs"], revealed: StateResource["inputs"]): CheckedInputs {
  const secret = (value: unknown) => JSON.stringify(value)?.includes("4dabf18193072939515e22adb298388d");
  return Object.fromEntries(
    Object.entries(planned).map(([key, value]) => [key, secret(value) ? revealed?.[key] : value]),
  ) as CheckedInputs;
}
