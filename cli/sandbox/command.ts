import { constants } from "node:os";
import { Command } from "commander";
import { InputError } from "../../provider/errors";
import { pasteable } from "../run";
import { checkRequirements } from "./requirements";
import { connectionOf, createSandbox, deleteSandbox, execInSandbox, restartSandbox, warningsOf } from "./sandbox";
import {
  findSandbox,
  getCompleteSandbox,
  listSandboxes,
  type ProcessIdentity,
  pathsOf,
  type Sandbox,
  statusOf,
  untilReaped,
} from "./state";

interface JsonOption {
  readonly json?: true;
}

/** `barepod sandbox …`. */
export function sandboxCommand(): Command {
  const sandbox = new Command("sandbox")
    .description(
      "nodes to develop and test on, made of this machine's own kernel: namespaces, an overlay over /, cgroups, sshd",
    )
    .enablePositionalOptions()
    .hook("preAction", () => checkRequirements());

  sandbox
    .command("create")
    .description("make a sandbox node, ready for SSH")
    .argument("<name>", "lower-case letters, digits and dashes; also its host name")
    .option("--json", "print the connection as JSON")
    .action(async (name: string, options: JsonOption) => {
      const started = Date.now();
      const created = await untilSignalled((signal) => createSandbox(name, signal));
      for (const warning of await warningsOf(created)) process.stderr.write(`${warning}\n`);
      printReady(created, started, options);
    });

  sandbox
    .command("list")
    .description("show the sandboxes of this machine")
    .option("--json", "print them as JSON")
    .action((options: JsonOption) => {
      const rows = listSandboxes().map((each) => ({
        name: each.name,
        address: each.address,
        status: statusOf(each),
        pid: statusOf(each) === "running" ? (each.init?.pid ?? null) : null,
        created: each.created,
      }));
      if (options.json) return printJson(rows);
      if (rows.length === 0) return print("no sandboxes; make one: barepod sandbox create NAME");
      printTable([
        ["NAME", "ADDRESS", "STATUS", "PID", "CREATED"],
        ...rows.map((row) => [row.name, row.address || "-", row.status, `${row.pid ?? "-"}`, age(row.created)]),
      ]);
    });

  sandbox
    .command("connection")
    .description("print how to log in to a sandbox")
    .argument("<name>", "the sandbox")
    .option("--json", "print { host, port, user, privateKeyPath, hostKey }")
    .action((name: string, options: JsonOption) => {
      const found = getCompleteSandbox(name);
      if (options.json) printJson(connectionOf(found));
      else print(sshLine(found));
    });

  sandbox
    .command("exec")
    .description("run a program in a sandbox, without SSH; its exit code is passed on")
    .usage("<name> -- <program> [arguments...]")
    .argument("<name>", "the sandbox")
    .argument("<program...>", "the program and its arguments")
    .passThroughOptions()
    .action(async (name: string, argv: string[]) => {
      // In case it cannot be started; otherwise the program's own code.
      process.exitCode = 125;
      // Options are passed through, and with them the `--` before the program.
      process.exitCode = await execInSandbox(name, argv[0] === "--" ? argv.slice(1) : argv);
    });

  sandbox
    .command("restart")
    .description("reboot a sandbox: its files, address and keys stay, all else starts from nothing")
    .argument("<name>", "the sandbox")
    .option("--json", "print the connection as JSON")
    .action(async (name: string, options: JsonOption) => {
      const started = Date.now();
      printReady(await untilSignalled((signal) => restartSandbox(name, signal)), started, options);
    });

  sandbox
    .command("delete")
    .description("remove sandboxes and everything in them")
    .argument("[name...]", "the sandboxes")
    .option("--all", "all sandboxes of this machine")
    .option("--if-exists", "no error where there is none of that name")
    .action(async (names: string[], options: { readonly all?: true; readonly ifExists?: true }) => {
      if (options.all ? names.length > 0 : names.length === 0) {
        throw new InputError("", "name the sandboxes to delete, or all of them: barepod sandbox delete --all");
      }
      const ended: ProcessIdentity[] = [];
      for (const name of options.all ? listSandboxes().map((each) => each.name) : new Set(names)) {
        const found = findSandbox(name);
        if (options.ifExists && found === undefined) {
          print(`no sandbox is called "${name}"`);
          continue;
        }
        await deleteSandbox(name);
        if (found?.init !== undefined) ended.push(found.init);
        print(`sandbox "${name}" is deleted`);
      }
      await Promise.all(ended.map(untilReaped));
    });

  return sandbox;
}

/** Turns the first SIGINT or SIGTERM into an abort, after which the work cleans up and throws. */
async function untilSignalled<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (signal: NodeJS.Signals) => {
    process.exitCode = 128 + constants.signals[signal];
    controller.abort(new InputError("", `interrupted by ${signal}`));
  };
  process.on("SIGINT", abort).on("SIGTERM", abort);
  try {
    return await work(controller.signal);
  } catch (error) {
    // A program that was just being started may have got the signal too: its failure is not the reason.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.off("SIGINT", abort).off("SIGTERM", abort);
  }
}

function printReady(sandbox: Sandbox, started: number, options: JsonOption): void {
  if (options.json) {
    printJson({ name: sandbox.name, ...connectionOf(sandbox) });
    return;
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  print(
    [
      `sandbox "${sandbox.name}" is ready at ${sandbox.address} (${seconds} s)`,
      `  log in    ${sshLine(sandbox)}`,
      `  run       barepod sandbox exec ${sandbox.name} -- PROGRAM`,
      `  remove    barepod sandbox delete ${sandbox.name}`,
    ].join("\n"),
  );
}

function sshLine(sandbox: Sandbox): string {
  const { host, user, privateKeyPath } = connectionOf(sandbox);
  return pasteable([
    ...["ssh", "-i", privateKeyPath],
    ...["-o", "IdentitiesOnly=yes", "-o", `UserKnownHostsFile=${pathsOf(sandbox.name).knownHosts}`],
    `${user}@${host}`,
  ]);
}

function printTable(rows: readonly string[][]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd(),
    );
}

function age(created: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(created)) / 1000));
  if (Number.isNaN(seconds)) return "-";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
