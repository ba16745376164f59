/** A sandbox node with one RootFs provider on it: what the tests of RootFs share. */
import { expect } from "vitest";
import { handler } from "../../provider/handler";
import { type RootFsInputs, rootFsSpec } from "../../provider/resources/root-fs";
import { closeAllSessions } from "../../provider/ssh/pool";
import { type SandboxNode, startSandbox } from "../harness/sandbox";

export type Outs = RootFsInputs & { readonly _barepod: { readonly seen: string } };

/** What the provider throws when something is left to repair. */
export interface Failure extends Error {
  readonly properties?: Outs;
}

const provider = handler(rootFsSpec);

export async function startRootFsNode(): Promise<RootFsNode> {
  const sandbox = await startSandbox();
  const node = new RootFsNode(sandbox);
  await node.sh("mkdir /srv/t");
  return node;
}

export class RootFsNode implements AsyncDisposable {
  constructor(readonly sandbox: SandboxNode) {}

  /** Runs a line of bash on the node; it must succeed without a word on standard error. */
  async sh(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.sandbox.exec(["bash", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }

  async write(path: string, content: Uint8Array): Promise<void> {
    await this.sandbox.exec(["sh", "-c", 'cat > "$1"', "sh", path], { stdin: content });
  }

  /** All that a RootFs could leave behind: files, folders below /srv/t, mounts. */
  listing(): Promise<string> {
    return this.sh("find /var/lib/barepod -mindepth 1; find /srv/t; findmnt -rno TARGET");
  }

  check(more: object) {
    const { name: node, host, port, user, privateKeyPath, hostKey } = this.sandbox;
    const connection = { host, port, user, privateKeyPath, hostKey };
    return provider.check?.({}, { node, connection, owner: "nonce/urn:box", whole: true, ...more });
  }

  async create(more: object): Promise<Outs> {
    const checked = await this.check(more);
    expect(checked?.failures).toEqual([]);
    return (await provider.create(checked?.inputs)).outs as Outs;
  }

  /** The error of a create that fails. */
  async failure(more: object): Promise<Failure> {
    return this.create(more).then(
      () => expect.unreachable("it was made"),
      (error: Failure) => error,
    );
  }

  async update(outs: Outs, more: object = {}): Promise<Outs> {
    const { _barepod: _, ...old } = outs;
    return (await provider.update?.("id", outs, { ...old, ...more }))?.outs as Outs;
  }

  async read(outs: Outs): Promise<{ id: string; inputs: RootFsInputs; props: Outs }> {
    return (await provider.read?.("id", outs)) as { id: string; inputs: RootFsInputs; props: Outs };
  }

  async replaces(olds: Outs, more: object): Promise<readonly string[]> {
    const { _barepod: _, ...old } = olds;
    return (await provider.diff?.("id", olds, { ...old, ...more }))?.replaces ?? [];
  }

  async remove(outs: Outs): Promise<void> {
    await provider.delete?.("id", outs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAllSessions();
    await this.sandbox[Symbol.asyncDispose]();
  }
}
