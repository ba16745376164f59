#!/usr/bin/env node
import { readFileSync } from "node:fs";
import path from "node:path";
import { Command, CommanderError } from "commander";
import { CommandError, ConnectionError, InputError, OwnershipError } from "../provider/errors";
import { convertCommand } from "./convert/command";
import { sandboxCommand } from "./sandbox/command";

/** The exit code for a command line that is not understood. */
const usageExitCode = 2;

/** The whole command; its parts are in a folder each. */
function barepod(): Command {
  const program = new Command("barepod")
    .description("Kubernetes-shaped pods on any Linux box you can SSH into")
    .version(version(), "--version", "print the version")
    .enablePositionalOptions()
    .showHelpAfterError()
    .addCommand(convertCommand())
    .addCommand(sandboxCommand());
  const quitThrowing = (command: Command): void => {
    command.exitOverride().showHelpAfterError();
    for (const part of command.commands) quitThrowing(part);
  };
  quitThrowing(program);
  return program;
}

function version(): string {
  // From the sources it is one folder up, from dist/cli two.
  for (const up of ["..", "../.."]) {
    try {
      return (JSON.parse(readFileSync(path.join(__dirname, up, "package.json"), "utf8")) as { version: string })
        .version;
    } catch {
      // The other place.
    }
  }
  return "unknown";
}

async function main(): Promise<void> {
  // sudo and cron leave out the folders where ip, sshd and iptables are.
  process.env["PATH"] = `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;
  try {
    await barepod().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : usageExitCode;
      return;
    }
    const expected = [InputError, CommandError, ConnectionError, OwnershipError].some((kind) => error instanceof kind);
    const text = error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
    process.stderr.write(`barepod: ${text}\n`);
    process.exitCode ??= 1;
  }
}

void main();
