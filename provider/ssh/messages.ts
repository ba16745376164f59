/** What a user reads when a node does not answer as it should: what, why, what next. */
import { ConnectionError } from "../errors";
import { deadlineOf, labelOf } from "./job";
import type { Request } from "./request";
import type { Target } from "./target";

/** @param alive - whether the node still answers, so that the process group was killed. */
export function missedDeadline(node: string, request: Request, alive: boolean): ConnectionError {
  const fate = alive
    ? "it was killed there, with its process group; look what kept it"
    : "the node does not answer at all, so it may still be running there; check the node and the network to it";
  const text = `no answer from ${node} within ${deadlineOf(request) / 1000} s: ${labelOf(request)}\n${fate}, then run the same again: it goes on from what is there`;
  return new ConnectionError(text, { timedOut: true, answers: alive });
}

/** @param mayHaveRun - whether the node may have begun with it. */
export function lostConnection(node: string, request: Request, mayHaveRun: boolean, cause: Error): ConnectionError {
  const state = mayHaveRun
    ? "whether it took effect is unknown; run the same again, it goes on from what is there"
    : "it did not run; run the same again";
  return new ConnectionError(`${node} was lost during ${labelOf(request)}: ${cause.message}\n${state}`, { cause });
}

/** @param holder - what the last one who took the lock wrote there. */
export function lockNotFree(node: string, waitSeconds: number, holder: string): ConnectionError {
  const last = holder === "" ? "" : `; the last to take it was ${holder}`;
  return new ConnectionError(
    `the lock of ${node} was not free for ${waitSeconds} s${last}\nwait until the other run has ended; "fuser -v /run/barepod/lock" on the node shows who holds it`,
    { timedOut: true, answers: true },
  );
}

export function lockNotTaken(node: string, said: string): ConnectionError {
  return new ConnectionError(
    `the lock of ${node} could not be taken: ${said}\nlog in as root, or set sudo: true in its connection`,
    { answers: true },
  );
}

/** @param said - what the shell that would not start printed. */
export function noShell(node: string, { sudo, user }: Target, said: string): ConnectionError {
  const command = sudo ? "sudo -n /bin/sh" : "/bin/sh";
  const next = sudo
    ? `let ${user} run it without a password, for example by a line in /etc/sudoers.d: ${user} ALL=(ALL) NOPASSWD: ALL`
    : `the login shell of ${user} must be able to run /bin/sh`;
  return new ConnectionError(`could not start ${command} on ${node}: ${said || "it ended without a word"}\n${next}`);
}

export function noChannel(node: string, cause: Error): ConnectionError {
  return new ConnectionError(
    `${node} opens no channel: ${cause.message}\nraise MaxSessions in its sshd_config, and see that its sshd allows this user to run commands`,
    { cause },
  );
}

export function notUploaded(node: string, request: Request, bytes: number, cause: Error): ConnectionError {
  return new ConnectionError(`could not send ${bytes} bytes to ${node} for ${labelOf(request)}: ${cause.message}`, {
    cause,
    timedOut: /nothing moved/.test(cause.message),
    answers: true,
  });
}
