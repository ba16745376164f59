/** The node's lock, for what runs without it otherwise: slow work, which must not keep everybody else waiting. */
import { all, type Command, raw, render } from "./command";

/** Runs commands under the node's lock. Never within a frame that has the lock already: it would wait for itself. */
export function underLock(label: string, ...each: readonly Command[]): Command {
  return raw(label, `{ flock 8 && { ${render(all(...each), { reveal: true })}; }; } 8>> /run/barepod/lock`);
}
