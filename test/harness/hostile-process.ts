/** What the trials of a Process have in common: its inputs, and how it looks on the node. */
import { expect } from "vitest";
import { type Container, containersOf, type ProcessInputs } from "../../provider/resources/process-args";
import type { HandlerNode } from "./handlers";
import type { Inputs, Odd } from "./hostile-trial";

/** By path, how a text in it is tried. */
export type Places = Readonly<Record<string, Odd | readonly Odd[]>>;

/** Makes the inputs of a Process from what one container has of its own. */
export type Within = (own: object) => object;

export const sleeper = {
  name: "bad",
  running: true,
  restartPolicy: "Never",
  terminationGracePeriodSeconds: 0,
  timeoutSeconds: 20,
};

/** Where `prepare` makes what is needed; emptied after each trial. */
export const source = (text: string) => `/srv/source/${text}`;
/** Below the root file system /srv/root; removed after each trial. */
export const inRoot = (text: string) => `/bad/${text}`;

/** A Process of one container, as /proc shows it. */
export class SeenProcess {
  constructor(readonly node: HandlerNode) {}

  readonly run = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await this.node.sandbox.exec(argv);
    expect({ argv, code, stderr }).toEqual({ argv, code: 0, stderr: "" });
    return stdout;
  };

  container(inputs: Inputs): Container {
    return containersOf(inputs as unknown as ProcessInputs)[0] ?? {};
  }

  /** A folder of /proc: the container's first process, as the kernel shows it. */
  async folder({ name }: Inputs): Promise<string> {
    return `/proc/${(await this.run("cut", "-f2", `/run/barepod/process/${name}/main/status`)).trim()}`;
  }

  async list(inputs: Inputs, file: "cmdline" | "environ"): Promise<string[]> {
    return (await this.run("cat", `${await this.folder(inputs)}/${file}`)).split("\0").slice(0, -1);
  }

  /** A file, as the container sees it. */
  async read(inputs: Inputs, path: string): Promise<string> {
    return this.run("cat", `${await this.folder(inputs)}/root${path}`);
  }

  readonly runs = async (inputs: Inputs): Promise<void> => {
    expect(await this.list(inputs, "cmdline")).toEqual(this.container(inputs).command);
  };

  async isSame(one: string, other: string): Promise<void> {
    const seen = await this.run("stat", "-L", "-c", "%d:%i", one, other);
    expect(new Set(seen.trim().split("\n")).size).toBe(1);
  }

  /** A folder {@link source} with the folder `inner` and the file `KEY`, and with what a FileSet has. */
  readonly makeSource = async (text: string): Promise<void> => {
    const script =
      'mkdir -p -- "$1/inner" "$1/..1" && printf value > "$1/KEY" && printf value > "$1/..1/KEY" && ln -s ..1 "$1/..data"';
    await this.node.sandbox.exec(["sh", "-c", script, "sh", source(text)]);
  };
}
