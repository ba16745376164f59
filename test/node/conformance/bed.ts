/** One node and one stack with all cases on it, and what somebody else may do to the node meanwhile. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, Node } from "barepod";
import { pathsOf } from "../../../cli/sandbox/state";
import { all, render } from "../../../provider/command/command";
import { ownersFolder } from "../../../provider/frame";
import { digest } from "../../../provider/naming";
import { ownerName } from "../../../provider/owner";
import { objectOf } from "../../../provider/resource";
import { type Outcome, openStack, type Program, type Stack } from "../../harness/engine";
import { type SandboxNode, startSandbox } from "../../harness/sandbox";
import type { NodeSnapshot } from "../../harness/snapshot";
import { makeKey } from "../../harness/sshd";
import type { Case, CheckedInputs, Variant } from "./case";

/** What the program declares. */
export interface Shape {
  readonly variant: Variant;
  readonly adopt?: boolean;
  /** The component that all cases lie in; `group` by default. */
  readonly group?: string;
  /** The component's earlier names and places. */
  readonly aliases?: pulumi.Alias[];
  /** Puts it below another component. */
  readonly moved?: boolean;
}

class Group extends pulumi.ComponentResource {
  constructor(name: string, options?: pulumi.ComponentResourceOptions) {
    super("test:index:Group", name, {}, options);
  }
}

export class Bed implements AsyncDisposable {
  /** What the cases print about their objects, by name. */
  readonly wanted = new Map<string, string>();

  private constructor(
    readonly cases: readonly Case[],
    readonly box: SandboxNode,
    readonly stack: Stack,
    /** The node before anything of Barepod was on it. */
    readonly before: NodeSnapshot,
    readonly connection: { current: ConnectionArgs },
    readonly keys: string,
  ) {}

  static async make(name: string, cases: readonly Case[]): Promise<Bed> {
    const box = await startSandbox();
    const keys = mkdtempSync(join(tmpdir(), "barepod-conformance-"));
    const stack = await openStack(name, () => undefined);
    const connection = { current: box.connection };
    await shell(box, "mkdir -p /srv/conf");
    for (const { prepare } of cases) if (prepare !== undefined) await shell(box, prepare);
    return new Bed(cases, box, stack, await box.snapshot(), connection, keys);
  }

  program(shape: Shape): Program {
    const { variant, adopt, group = "group", aliases = [], moved = false } = shape;
    return () => {
      const parent = moved ? { parent: new Group("outer") } : {};
      const component = new Group(group, { ...parent, aliases });
      const packages = variant === "updated" ? ("install" as const) : undefined;
      const node = new Node("edge", { connection: this.connection.current, packages }, { parent: component });
      for (const each of this.cases) {
        each.declare({
          node,
          variant,
          name: `${group}-${each.name}`,
          options: { parent: component },
          adopt: adopt === true ? { adopt } : {},
        });
      }
    };
  }

  /** Goes on after failures: they belong to the cases that they name. */
  up(shape: Shape): Promise<Outcome> {
    return this.stack.up({ program: this.program(shape), mayFail: true, continueOnError: true });
  }

  preview(shape: Shape): Promise<Outcome> {
    return this.stack.preview({ program: this.program(shape), mayFail: true });
  }

  refresh(): Promise<Outcome> {
    return this.stack.refresh({ mayFail: true });
  }

  destroy(): Promise<Outcome> {
    return this.stack.destroy({ mayFail: true, continueOnError: true });
  }

  /** Runs one of the cases' scripts for each case that has it. */
  async somebody(script: (each: Case) => string | undefined): Promise<void> {
    for (const each of this.cases) {
      const text = script(each);
      if (text !== undefined) await shell(this.box, text, each.title);
    }
  }

  /** What the node shows of each case's object. */
  async look(): Promise<Map<string, string>> {
    const script = this.cases.map(({ name, look }) => `printf '\\037%s\\n' ${name}\n( ${look}\n)`).join("\n");
    const sections = (await shell(this.box, script)).split("\x1f").slice(1);
    return new Map(
      sections.map((section): [string, string] => {
        const end = section.indexOf("\n");
        return [section.slice(0, end), section.slice(end + 1).trimEnd()];
      }),
    );
  }

  /** What is on the node that was not, and the other way round; but for the rotated key, the test's own doing. */
  async difference(): Promise<string[]> {
    const now = await this.box.snapshot();
    return Object.entries(this.before).flatMap(([section, text]) => {
      const [old, current] = [text, now[section as keyof NodeSnapshot]].map((each) => new Set(each.split("\n")));
      const gone = [...(old ?? [])].filter((line) => current?.has(line) === false);
      const more = [...(current ?? [])].filter((line) => old?.has(line) === false);
      const lines = [...gone.map((line) => `- ${section}: ${line}`), ...more.map((line) => `+ ${section}: ${line}`)];
      return lines.filter((line) => !line.endsWith("/root/.ssh/authorized_keys"));
    });
  }

  /** How often somebody has logged in on the node since it was made. */
  logins(): number {
    return readFileSync(pathsOf(this.box.name).console, "utf8").split("Accepted publickey for").length - 1;
  }

  /** Puts a new key in the old one's place. */
  async rotateKey(): Promise<void> {
    const file = join(this.keys, "rotated");
    makeKey(file, "ed25519");
    await this.box.exec(["sh", "-c", "cat > /root/.ssh/authorized_keys"], { stdin: readFileSync(`${file}.pub`) });
    this.connection.current = { ...this.connection.current, privateKeyPath: file };
  }

  /** Leaves what a create leaves that is cut off by a power failure: the claim, and the first steps done. */
  async beginCreate(each: Case, inputs: CheckedInputs, steps: (all: number) => number): Promise<void> {
    const commands = each.spec.plan(inputs, undefined);
    const done = commands.slice(0, steps(commands.length));
    const claims = `${ownersFolder}/${objectOf(each.spec, inputs)}`;
    const owner = ownerName(inputs);
    await shell(
      this.box,
      `mkdir -p '${ownersFolder}'
read -r boot < /proc/sys/kernel/random/boot_id
printf '%s %s - %s\\n.\\n' '${digest(owner)}' "$boot" '${owner}' > '${claims}'
set +eu
${done.length === 0 ? "" : render(all(...done), { reveal: true })}`,
      each.title,
    );
  }

  /** Cuts the power in the middle of an `up`: of the engine, and of what it runs on the node. */
  async upUntilKilled(shape: Shape): Promise<void> {
    const folder = join(this.box.directory, "owners");
    const before = readdirSync(folder).length;
    const kill = new AbortController();
    const up = this.stack.up({ program: this.program(shape), kill: kill.signal, mayFail: true });
    const ended = { yet: false };
    void up.finally(() => {
      ended.yet = true;
    });
    while (!ended.yet && readdirSync(folder).length <= before) await sleep(2);
    kill.abort();
    await shell(
      this.box,
      `for process in /proc/[0-9]*; do
  read -r _ name _ parent _ < "$process/stat" 2>/dev/null || continue
  read -r above 2>/dev/null < "/proc/$parent/comm" || continue
  if [ "$name" = "(sshd)" ] && [ "$above" = sshd ]; then
    for child in $(cat "$process/task/"*/children) "\${process##*/}"; do kill -KILL "$child" || :; done
  fi
done`,
    );
    await up;
    await this.stack.recover();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
    await this.box[Symbol.asyncDispose]();
    rmSync(this.keys, { recursive: true, force: true });
  }
}

async function shell(box: SandboxNode, script: string, title = ""): Promise<string> {
  const { code, stdout, stderr } = await box.exec(["sh", "-euc", script]);
  if (code !== 0) throw new Error(`${title}: a script of the test ended with ${code}: ${stderr}\n${script}`);
  return stdout;
}
