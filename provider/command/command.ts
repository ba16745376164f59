/**
 * Commands are values. {@link sh} makes one from words, {@link all}, {@link pipe}, {@link either} and {@link write}
 * compose them, and {@link render} is the only place where they become shell text. Every word is quoted on the way;
 * {@link raw} is the one door for shell text of our own (a loop, a test), with parameters given as words.
 */
import { quote, quoteForDisplay } from "./quote";

/** A word that must never be shown: `String(word)`, JSON and `console.log` give `***`. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The value itself, for the shell text that travels to the node on standard input. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return "***";
  }
  toJSON(): string {
    return "***";
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "***";
  }
}

/** Marks a word as secret. */
export function secret(value: string): Secret {
  return new Secret(value);
}

export type Word = string | number | Secret;

export type Command =
  | { readonly kind: "words"; readonly words: readonly Word[] }
  | { readonly kind: "joined"; readonly by: "&&" | "|" | "||"; readonly commands: readonly Command[] }
  | { readonly kind: "write"; readonly path: string; readonly content: Word; readonly options: WriteOptions }
  | { readonly kind: "raw"; readonly script: string; readonly words: readonly Word[]; readonly label: string };

/** How {@link write} makes a file. */
export interface WriteOptions {
  /** Permission bits; 0o644 unless given. */
  readonly mode?: number;
  /** The owner; root unless given. */
  readonly uid?: number;
  readonly gid?: number;
  /** The content is base64 and is decoded on the node. */
  readonly base64?: boolean;
}

/** One program with its arguments; every word is quoted. */
export function sh(...words: readonly Word[]): Command {
  return { kind: "words", words };
}

/** Runs each command if the one before succeeded. */
export function all(...commands: readonly Command[]): Command {
  return { kind: "joined", by: "&&", commands };
}

/** Connects each command's output to the next one's input. */
export function pipe(...commands: readonly Command[]): Command {
  return { kind: "joined", by: "|", commands };
}

/** Runs each command only if the one before failed. */
export function either(...commands: readonly Command[]): Command {
  return { kind: "joined", by: "||", commands };
}

/**
 * Writes a file whole: a temporary file beside it, with its mode from the start, then a rename.
 *
 * The content is part of the shell text, which travels on standard input; it never becomes a process's argument.
 */
export function write(path: string, content: string | Secret, options: WriteOptions = {}): Command {
  return { kind: "write", path, content, options };
}

/**
 * Shell text of our own, for what needs a loop or a test. `words` arrive as `$1`, `$2`, …; nothing else is interpolated.
 *
 * @param label - what to show instead of the text in messages, for example `remove the files below`.
 */
export function raw(label: string, script: string, ...words: readonly Word[]): Command {
  return { kind: "raw", script, words, label };
}

/** The shell text of a command. With `reveal: false` secrets are `***`, and the text is meant for people. */
export function render(command: Command, options: { reveal: boolean }): string {
  switch (command.kind) {
    case "words":
      return command.words.map((word) => renderWord(word, options.reveal)).join(" ");
    case "joined":
      return command.commands.map((part) => group(part, options)).join(` ${command.by} `);
    case "write":
      return options.reveal ? renderWrite(command) : `write ${quoteForDisplay(command.path)}`;
    case "raw": {
      const words = command.words.map((word) => renderWord(word, options.reveal)).join(" ");
      if (!options.reveal) return `${command.label}${words === "" ? "" : `: ${words}`}`;
      // A function has positional parameters of its own, and `set --` would leave them in the frame.
      return `{ barepod_raw() {\n${command.script}\n}\nbarepod_raw ${words}\n}`;
    }
  }
}

function group(command: Command, options: { reveal: boolean }): string {
  const text = render(command, options);
  return command.kind === "joined" ? `{ ${text}; }` : text;
}

function renderWord(word: Word, reveal: boolean): string {
  if (word instanceof Secret) return reveal ? quote(word.reveal()) : "***";
  return reveal ? quote(String(word)) : quoteForDisplay(String(word));
}

function renderWrite({ path, content, options }: Extract<Command, { kind: "write" }>): string {
  const { mode = 0o644, uid = 0, gid = 0, base64 = false } = options;
  const temporary = quote(`${path}.barepod-new`);
  const umask = (~mode & 0o777).toString(8).padStart(3, "0");
  const decode = base64 ? " | base64 -d" : "";
  const steps = [
    // What a crash left there is the exception: looking costs nothing, another process does.
    `{ { [ ! -e ${temporary} ] && [ ! -L ${temporary} ]; } || rm -f ${temporary}; }`,
    `( umask ${umask} && set -C && printf %s ${renderWord(content, true)}${decode} > ${temporary} )`,
  ];
  if (uid !== 0 || gid !== 0) steps.push(`chown ${uid}:${gid} ${temporary}`);
  // A redirection creates files without execute bits, and chown clears set-user-id: then the mode needs a program of its own.
  if ((mode & 0o7111) !== 0) steps.push(`chmod ${mode.toString(8)} ${temporary}`);
  steps.push(`mv -fT ${temporary} ${quote(path)}`);
  // On a full disk, or where a folder is in the way, what was written so far must not stay.
  return `{ ${steps.join(" && ")} || { rm -f ${temporary}; false; }; }`;
}
