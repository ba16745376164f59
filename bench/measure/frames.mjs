/** How many frames each operation of each kind of resource sends. */
export async function measureFrames({ engine, node, report }) {
  report.section("Frames per operation", "  One of each kind: created, changed in place, read by a refresh, deleted.");
  const project = await engine.open("kinds", "kinds", { BENCH_CONNECTION: JSON.stringify(node.connection) });
  const created = await project.framesOf(project.up);
  const updated = await project.with({ BENCH_VARIANT: "2" }, () => project.framesOf(project.up));
  const read = await project.framesOf(project.refresh);
  const deleted = await project.framesOf(project.destroy);
  const records = [...created, ...updated, ...read, ...deleted];
  for (const operation of ["create", "update", "read", "delete"]) {
    const mine = records.filter((record) => record.operation === operation);
    const ordinary = mine.filter(({ type }) => exceptions[operation]?.[type] === undefined);
    const more = mine.filter(({ frames }) => frames > 1).map(({ type, frames }) => `${type} ${frames}`);
    const most = Math.max(...ordinary.map(({ frames }) => frames));
    report.add(operation, most, "", String(most), {
      atMost: 1,
      note: more.length > 0 ? `more: ${more.join(", ")}` : `all ${new Set(mine.map(({ type }) => type)).size} kinds`,
    });
  }
  report.explain(reasons);
}

const exceptions = {
  create: {
    Node: "a machine is never absent, so the first frame has nothing to compare with: it tells what it saw, and the second acts on that",
  },
  update: {
    RootFs:
      "what is looked for are the programs that are asked for: once those change, what was seen last answers another question",
  },
};

const reasons = [
  "Where more than one frame is sent:",
  ...Object.entries(exceptions).flatMap(([operation, types]) =>
    Object.entries(types).map(([type, reason]) => `  - ${operation} of a ${type}: ${reason}.`),
  ),
  "  - Anything that is not as it was last seen: the first frame does nothing but tell what it saw.",
  "  - A container that does not run yet is waited for with a frame a second.",
  "  - Once in an engine operation that starts something: a look for the node's programs, and on a new node their upload.",
];
