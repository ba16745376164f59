import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import ts from "typescript";

/** The `barepod` command as its users run it, compiled from the sources of this very moment. */
export interface CompiledCommand {
  /** A folder that needs nothing outside of it but Node. */
  readonly directory: string;
  /** Runs it to its end. */
  run(args: readonly string[], options?: { readonly env?: Record<string, string> }): Promise<CommandResult>;
  /** Removes the folder. */
  remove(): void;
}

/** What the command left behind. */
interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const repository = path.join(__dirname, "..", "..");

/** Compiles it, without checking types, into a folder of its own. */
export function compileCommand(): CompiledCommand {
  const directory = mkdtempSync(path.join(tmpdir(), "barepod-command-"));
  const sources = [...readdirSync(path.join(repository, "cli"), { recursive: true, encoding: "utf8" })]
    .map((file) => path.join("cli", file))
    .concat(path.join("provider", "errors.ts"));
  for (const source of sources) {
    const target = path.join(directory, source);
    mkdirSync(path.dirname(target), { recursive: true });
    if (source.endsWith(".sh")) cpSync(path.join(repository, source), target);
    if (source.endsWith(".ts")) writeFileSync(target.replace(/\.ts$/, ".js"), transpile(path.join(repository, source)));
  }
  cpSync(path.join(repository, "package.json"), path.join(directory, "package.json"));
  const commander = path.dirname(require.resolve("commander"));
  cpSync(commander, path.join(directory, "node_modules", "commander"), { recursive: true });
  const main = path.join(directory, "cli", "main.js");
  return {
    directory,
    run: (args, { env } = {}) =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env } });
        let stdout = "";
        let stderr = "";
        child.stdout.on("data", (chunk) => {
          stdout += chunk;
        });
        child.stderr.on("data", (chunk) => {
          stderr += chunk;
        });
        child.stdin.end();
        child.on("error", reject);
        child.on("close", (code) => resolve({ code, stdout, stderr }));
      }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function transpile(file: string): string {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
  return ts.transpileModule(readFileSync(file, "utf8"), { compilerOptions }).outputText;
}
