/** Notices a connection that is dead without saying so. ssh2's own keep-alive would keep an idle process from ending. */
import type { Dialed } from "./dial";

const INTERVAL_MS = 10_000;
const MAX_MISSED = 3;

export class Heartbeat {
  #timer: NodeJS.Timeout | undefined;
  #missed = 0;
  #received = 0;

  constructor(
    private readonly dialed: Dialed,
    private readonly onDead: () => void,
  ) {}

  /** Beats only while somebody waits for an answer. */
  set enabled(enabled: boolean) {
    if (enabled === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#missed = 0;
    this.#timer = enabled ? setInterval(() => this.#beat(), INTERVAL_MS) : undefined;
  }

  #beat(): void {
    const received = this.dialed.socket.bytesRead;
    if (received !== this.#received) this.#missed = 0;
    this.#received = received;
    if (this.#missed++ >= MAX_MISSED) {
      this.enabled = false;
      this.onDead();
      return;
    }
    try {
      // A request that every server answers (with a refusal) and that changes nothing: nothing of the kind is forwarded.
      this.dialed.client.unforwardIn("127.0.0.1", 0, () => {});
    } catch {
      // "Not connected": the socket's end is reported by itself.
    }
  }
}
