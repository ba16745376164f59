/** The channels of one connection. An untouched sshd allows ten at once (`MaxSessions`); a careful one fewer. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ClientChannel } from "ssh2";

/** Two fewer than sshd's default: one for the end of a process group, one to spare. */
const LIMIT = 8;
const ANSWER_TIMEOUT_MS = 20_000;
const MAX_REFUSALS = 5;
const REFUSED_DELAY_MS = 50;

/** Opens channels as far as the server allows, and lets the rest wait. */
export class Channels {
  #open = 0;
  #limit = LIMIT;
  #waiting: (() => void)[] = [];

  /**
   * @param reclaim - closes an idle channel if there is one, because somebody waits.
   * @param onSilence - the server does not even answer.
   */
  constructor(
    private readonly client: Client,
    private readonly reclaim: () => void,
    private readonly onSilence: () => void,
  ) {}

  /**
   * Starts a command on a channel of its own.
   *
   * @param urgent - beyond the limit, for ending what hangs; where the server refuses it waits for no other channel.
   * @param attempt - how often the server has been asked.
   */
  async exec(command: string, urgent = false, attempt = 1): Promise<ClientChannel> {
    while (!urgent && this.#open >= this.#limit) await this.#turn();
    this.#open++;
    const timer = setTimeout(this.onSilence, ANSWER_TIMEOUT_MS);
    try {
      const channel = await start(this.client, command);
      channel.once("close", () => this.#release());
      return channel;
    } catch (error) {
      this.#release();
      if (typeof (error as { reason?: unknown }).reason !== "number") throw error;
      // The server's own limit is lower than ours: live with what is open. It counts a session that has just ended for a
      // moment longer than we do.
      if (this.#open === 0 && attempt >= MAX_REFUSALS) throw error;
      this.#limit = Math.max(1, this.#open);
      if (urgent) throw error;
      if (this.#open === 0) await sleep(REFUSED_DELAY_MS * attempt);
      return this.exec(command, urgent, attempt + 1);
    } finally {
      clearTimeout(timer);
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.reclaim();
    });
  }

  #release(): void {
    this.#open--;
    this.#waiting.shift()?.();
  }

  /** Whether somebody waits for a channel. */
  get contended(): boolean {
    return this.#waiting.length > 0;
  }
}

function start(client: Client, command: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    // "No response from server" for channels that are opened after the end; throws when there never was a connection.
    client.exec(command, (error, channel) => (error === undefined ? resolve(channel) : reject(error)));
  });
}

/** The command that becomes a POSIX shell, whatever the login shell: fish, csh and sh agree on this much. */
export function shellCommand(sudo: boolean, script?: string): string {
  const shell = script === undefined ? "/bin/sh" : `/bin/sh -c '${script}'`;
  return sudo ? `exec sudo -n -- ${shell}` : `exec ${shell}`;
}
