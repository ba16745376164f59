/** A sandbox node with RootFs resources on it: what the tests of RootFs share. */
import { rootFsSpec } from "../../provider/resources/root-fs";
import { HandlerNode } from "../harness/handlers";

export async function startRootFsNode(): Promise<RootFsNode> {
  const node = new RootFsNode();
  await node.start();
  await node.sh("mkdir /srv/t");
  return node;
}

export class RootFsNode extends HandlerNode {
  readonly #roots = this.resource(rootFsSpec, { owner: "nonce/urn:box", whole: true });
  readonly check = this.#roots.check;
  readonly create = this.#roots.create;
  readonly failure = this.#roots.failure;
  readonly update = this.#roots.update;
  readonly replaces = this.#roots.replaces;
  readonly read = this.#roots.read;
  readonly remove = this.#roots.remove;

  async write(path: string, content: Uint8Array): Promise<void> {
    await this.sandbox.exec(["sh", "-c", 'cat > "$1"', "sh", path], { stdin: content });
  }

  /** All that a RootFs could leave behind: files, folders below /srv/t, mounts. */
  listing(): Promise<string> {
    return this.sh("find /var/lib/barepod -mindepth 1; find /srv/t; findmnt -rno TARGET");
  }
}
