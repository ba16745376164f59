import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const repository = join(__dirname, "..", "..");

/** Compiles the transport as it is shipped, without checking types, and gives the path of its pool. */
export function compileTransport(directory: string): string {
  const sources = readdirSync(join(repository, "provider", "ssh")).map((name) => join("ssh", name));
  mkdirSync(join(directory, "ssh"), { recursive: true });
  for (const source of [...sources, "errors.ts"]) {
    const text = readFileSync(join(repository, "provider", source), "utf8");
    const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
    writeFileSync(
      join(directory, source.replace(/\.ts$/, ".js")),
      ts.transpileModule(text, { compilerOptions }).outputText,
    );
  }
  symlinkSync(join(repository, "node_modules"), join(directory, "node_modules"));
  return join(directory, "ssh", "pool.js");
}
