import { spawn } from "node:child_process";

/** A command that failed, or that a signal ended. The entry scripts print the message without a stack. */
export class CommandError extends Error {
  constructor(message, exitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs a command on the user's terminal; returns its exit code. `stopSignal` is what it understands as a request to end. */
export async function runAttached(command, args, { stopSignal, ...options } = {}) {
  const child = spawn(command, args, { stdio: "inherit", ...options });
  return passSignals(child, stopSignal, () => ended(child, command));
}

/** Runs a command and returns what it said. A failure throws, with the end of the output, unless `mayFail`. */
export async function runCaptured(command, args, { timeoutMs, mayFail = false, onLine, stdin, ...options } = {}) {
  const stdio = [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"];
  const child = spawn(command, args, { stdio, ...options });
  child.stdin?.on("error", () => undefined).end(stdin);
  let stdout = "";
  let everything = "";
  const timer = timeoutMs && setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const listen = (chunk) => {
    everything += chunk;
    const line = String(chunk).trimEnd().split("\n").at(-1)?.trim();
    if (line) onLine?.(line);
  };
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    stdout += chunk;
    listen(chunk);
  });
  child.stderr.setEncoding("utf8").on("data", listen);
  try {
    const exitCode = await passSignals(child, undefined, () => ended(child, command));
    if (exitCode !== 0 && !mayFail) {
      throw new CommandError(
        `\`${[command, ...args].join(" ")}\` failed with exit code ${exitCode}:\n${ends(everything)}`,
        1,
      );
    }
    return { exitCode, stdout, output: everything };
  } finally {
    clearTimeout(timer);
  }
}

/** The beginning and the end of a long output: the cause stands in one of them. */
function ends(output) {
  const lines = output.trimEnd().split("\n");
  return lines.length > 60 ? [...lines.slice(0, 20), "…", ...lines.slice(-40)].join("\n") : lines.join("\n");
}

function ended(child, command) {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new CommandError(`cannot run ${command}: ${error.message}`, 127)));
    child.on("close", (code, signal) => resolve(code ?? (signal ? 128 + (signalNumbers[signal] ?? 0) : 1)));
  });
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/**
 * Keeps this process alive while the child ends by itself, and stops it afterwards. A terminal sends its Ctrl-C to the
 * child too, and npm sends every signal a second time; Pulumi takes a second one as "stop at once". So a signal is passed
 * on only where the terminal did not do it, and only once.
 */
async function passSignals(child, stopSignal, wait) {
  let received;
  const handlers = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => {
    const handler = () => {
      if (received) return;
      received = signal;
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(stopSignal ?? signal);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  try {
    const result = await wait();
    if (received) throw new CommandError(`\nInterrupted (${received}).`, 128 + signalNumbers[received]);
    return result;
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

/** Ends an entry script: its promise's value is the exit code, an expected error is printed without a stack. */
export async function main(work) {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    console.error(error instanceof CommandError ? error.message : error);
    process.exitCode = error.exitCode ?? 1;
  }
}
