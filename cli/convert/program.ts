import { readFileSync } from "node:fs";
import { type Manifest, readManifests } from "../../provider/yaml/manifests";
import type { Place } from "../../provider/yaml/place";
import { readSource, type Source, type SourceProblem } from "../../provider/yaml/sources";
import { Code, commentLines, literal } from "./literal";

/** The program that declares what the files do; `-` is standard input. Mistakes are thrown, all at once. */
export function convertFiles(files: readonly string[]): string {
  const problems: SourceProblem[] = [];
  const sources = files.flatMap((file): Source[] =>
    file === "-" ? [{ name: "stdin", text: readFileSync(0, "utf8") }] : readSource(file, problems),
  );
  const manifests = readManifests(sources, problems, { options: () => ({}) });
  return programOf(
    manifests,
    sources.map(({ name }) => name),
  );
}

function programOf(manifests: readonly Manifest[], files: readonly string[]): string {
  const classes = ["Node", ...new Set(manifests.map(({ kind }) => kind.kind as string))];
  const names = ["type ConnectionArgs", ...classes.sort((a, b) => a.localeCompare(b))];
  return `// Converted from ${files.join(", ")} by \`barepod convert\`.
import * as pulumi from "@pulumi/pulumi";
import { ${names.join(", ")} } from "barepod";

// Which machine: pulumi config set --path node.host 192.0.2.10, and likewise node.user, node.privateKeyPath and so on.
const node = new Node("node", { connection: new pulumi.Config().requireObject<ConnectionArgs>("node") });
${manifests.map(declarationOf).join("")}`;
}

function declarationOf({ kind, object, namespace, name, place }: Manifest): string {
  const id = namespace === "default" ? name : `${namespace}/${name}`;
  const given = Object.entries(object).filter(([key]) => !SAID_OTHERWISE.includes(key));
  const value = { on: new Code("node"), ...Object.fromEntries(given) };
  const body = literal({ value, place, fields: kind.fields }, "");
  return `\n${leadOf(place)}new ${kind.kind}(${JSON.stringify(id)}, ${body});\n`;
}

/** The class says the first two, and there is nothing in the third. */
const SAID_OTHERWISE = ["apiVersion", "kind", "status"];

/** What stands above a manifest, or beside what the program does not repeat of it. */
function leadOf(place: Place | undefined): string {
  const dropped = SAID_OTHERWISE.map((key) => place?.entries?.get(key)?.comments);
  return [place?.comments, ...dropped].map((each) => commentLines(each?.before) + commentLines(each?.behind)).join("");
}
