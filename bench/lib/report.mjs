/**
 * What was measured, in the order in which it was measured. A line is `{ name, value, unit, shown, target, met, note }`;
 * `value` is the number for JSON, `shown` the text for people.
 */
export class Report {
  sections = [];

  section(title, note = "") {
    this.sections.push({ title, note, lines: [], explanation: [] });
    console.error(`── ${title}`);
  }

  /** A measurement; with a target: whether it is met. */
  add(name, value, unit, shown, { atMost, atLeast, note = "" } = {}) {
    const met = atMost !== undefined ? value <= atMost : atLeast !== undefined ? value >= atLeast : undefined;
    const line = { name, value, unit, shown, note };
    if (met !== undefined) Object.assign(line, { target: targetText(atMost, atLeast, unit), met });
    this.sections.at(-1).lines.push(line);
    console.error(`   ${name}: ${shown}${met === undefined ? "" : met ? " (met)" : " (missed)"}`);
  }

  /** What could not be measured here, and why. */
  skip(name, reason) {
    this.add(name, null, "", "not measured", { note: reason });
  }

  /** What stands below the section's table. */
  explain(lines) {
    this.sections.at(-1).explanation.push(...lines);
  }

  toTable() {
    const texts = this.sections.map(({ title, note, lines, explanation }) =>
      [`\n${title}`, ...(note ? [note] : []), ...table(lines), ...explanation].join("\n"),
    );
    return texts.join("\n");
  }

  toJSON() {
    return this.sections;
  }
}

function targetText(atMost, atLeast, unit) {
  return atMost !== undefined ? `≤ ${atMost}${unit && ` ${unit}`}` : `≥ ${atLeast}${unit && ` ${unit}`}`;
}

function table(lines) {
  const rows = lines.map(({ name, shown, target = "", met, note }) => [
    name,
    shown,
    target,
    met === undefined ? "" : met ? "met" : "missed",
    note,
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd());
}
