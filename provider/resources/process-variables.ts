/** The variables of a container, which may come from files of the node: what may stand in them. Pure. */
import { boolean, list, object, optional, type Problem, path, text } from "../fields";
import type { Variable } from "../launcher-config";
import type { Container } from "./process-args";

export const variableName = text({ max: 1000, pattern: /^[^=]+$/, form: "a variable's name, without =" });

const word = text({ max: 131_071, empty: true, controls: true });

export const variablesField = list(
  object({
    name: optional(variableName),
    value: optional(word),
    file: optional(path()),
    folder: optional(path()),
    prefix: optional(text({ max: 1000, empty: true, pattern: /^[ -<>-~]*$/, form: "printable ASCII without =" })),
    optional: optional(boolean()),
    line: optional(boolean()),
  }),
);

/** What contradicts itself in a container's variables. */
export function variableProblems({ variables }: Container): Problem[] {
  return (variables ?? []).flatMap((each, index) =>
    problemsOf(each).map(({ path, reason }) => ({ path: `variables[${index}]${path}`, reason })),
  );
}

/** A variable has a name and at most one source, or else a folder and perhaps a prefix. */
function problemsOf(variable: Variable): Problem[] {
  const has = (key: keyof Variable) => (variable[key] ?? undefined) !== undefined;
  if ((["value", "file", "folder"] as const).filter(has).length > 1)
    return [{ path: "", reason: "must have only one of value, file and folder" }];
  if (has("folder")) return has("name") ? [{ path: ".name", reason: "belongs to a value or a file only" }] : [];
  return [
    ...(has("name") ? [] : [{ path: ".name", reason: "is required, but not with folder" }]),
    ...(has("prefix") ? [{ path: ".prefix", reason: "belongs to a folder only" }] : []),
  ];
}
