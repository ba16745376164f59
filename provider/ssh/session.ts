/** A node's session: counts, dials when needed, and sends again what may be sent again. */
import { ConnectionError, InputError } from "../errors";
import { type Connection, hostAndPort } from "./connection-args";
import { dial } from "./dial";
import { type Job, labelOf } from "./job";
import { Link } from "./link";
import { lostConnection } from "./messages";
import type { Reply, Request, Session } from "./request";
import { resolveTarget, type Target } from "./target";

/** Resends of a request that certainly did not run; a loop would mean that the node drops every connection. */
const MAX_UNSTARTED = 5;

export class NodeSession implements Session {
  frames = 0;
  machine = "";
  #roundTrips = 0;
  #link: Link | undefined;
  #connecting: Promise<Link> | undefined;
  #underWay = 0;
  #retired = false;
  #onIdle: (() => void)[] = [];
  readonly #listeners = new Set<(message: string) => void>();

  private constructor(
    readonly description: string,
    private readonly target: Target,
  ) {}

  /** Resolves the connection; dials nothing yet. */
  static async make(node: string, connection: Connection): Promise<NodeSession> {
    const target = await resolveTarget(connection);
    return new NodeSession(`${node} (${hostAndPort(target.host, target.port)})`, target);
  }

  get roundTrips(): number {
    return this.#roundTrips + (this.#link?.roundTrips ?? 0);
  }

  /** Connects unless connected. Several callers share one attempt, and each hears why it takes long. */
  async connect(onWait?: (message: string) => void): Promise<void> {
    if (onWait !== undefined) this.#listeners.add(onWait);
    try {
      await this.#connected();
    } finally {
      if (onWait !== undefined) this.#listeners.delete(onWait);
    }
  }

  run(request: Request): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (request.script.includes("\0")) throw new Error(`the script of ${labelOf(request)} has a NUL byte`);
      this.#begin();
      const end = <T>(done: (value: T) => void) => {
        return (value: T) => {
          this.#end();
          done(value);
        };
      };
      let unstarted = 0;
      let repeated = false;
      const job: Job = {
        request,
        settle: end(resolve),
        fail: end(reject),
        giveBack: (mayHaveRun, cause) => {
          const again = mayHaveRun ? request.repeatable === true && !repeated : ++unstarted < MAX_UNSTARTED;
          if (mayHaveRun) repeated = true;
          if (again) void this.#send(job);
          else job.fail(lostConnection(this.description, request, mayHaveRun, cause));
        },
      };
      void this.#send(job);
    });
  }

  async close(): Promise<void> {
    this.#retired = true;
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    else this.#disconnect();
  }

  async #send(job: Job): Promise<void> {
    try {
      const link = await this.#connected();
      this.frames++;
      link.submit(job);
    } catch (error) {
      job.fail(error as Error);
    }
  }

  #connected(): Promise<Link> {
    if (this.#link !== undefined && this.#link.broken === undefined) return Promise.resolve(this.#link);
    this.#connecting ??= this.#dial().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #dial(): Promise<Link> {
    this.#disconnect();
    const onWait = (message: string) => {
      for (const listener of this.#listeners) listener(message);
    };
    const open = async () => Link.open(await dial(this.target, onWait), this.target, this.description);
    // A machine that is just starting may take the login and end it again; a second time is no accident.
    const link = await open()
      .catch((error: Error) => {
        if (error instanceof ConnectionError || error instanceof InputError) throw error;
        return open();
      })
      .catch((error: Error) => {
        if (error instanceof ConnectionError || error instanceof InputError) throw error;
        throw lostConnection(this.description, { script: "", label: "the start of a shell" }, false, error);
      });
    this.#link = link;
    this.machine = link.machine;
    link.busy = this.#underWay > 0;
    return link;
  }

  #begin(): void {
    this.#underWay++;
    if (this.#underWay === 1 && this.#link !== undefined) this.#link.busy = true;
  }

  #end(): void {
    this.#underWay--;
    if (this.#underWay > 0) return;
    if (this.#retired) this.#disconnect();
    else if (this.#link !== undefined) this.#link.busy = false;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #disconnect(): void {
    const link = this.#link;
    this.#link = undefined;
    if (link === undefined) return;
    this.#roundTrips += link.roundTrips;
    link.close();
  }
}
