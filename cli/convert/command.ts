import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { InputError } from "../../provider/errors";

/** `barepod convert …`. */
export function convertCommand(): Command {
  return new Command("convert")
    .description("print the TypeScript program that declares what Kubernetes manifests declare")
    .argument("<file...>", "files of YAML or JSON; - is standard input")
    .option("-o, --output <file>", "write the program there; an existing file stays as it is")
    .action(async (files: string[], options: { readonly output?: string }) => {
      // Loads what a program loads: the other commands do without.
      const { convertFiles } = await import("./program.js");
      const program = convertFiles(files);
      if (options.output === undefined) process.stdout.write(program);
      else write(options.output, program);
    });
}

function write(file: string, program: string): void {
  try {
    writeFileSync(file, program, { flag: "wx" });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new InputError("", `${file} exists already; remove it first, or choose another name`);
    throw new InputError("", `${file} cannot be written: ${(error as Error).message}`);
  }
}
