/**
 * How requests are written to a long-lived `sh`, and how its answer is cut into replies. Pure.
 *
 *     worker's stdin:   ( eval 'script' ) </dev/null     marker     ( eval 'script' ) </dev/null     marker     end marker
 *     stdout, stderr:   bytes of the first      marker     bytes of the second      marker     end marker
 *
 * A marker is a random nonce, the request's number and its exit code, always {@link MARKER_LENGTH} bytes; the shell prints
 * it itself on both streams. The output before it is taken as it is, so nothing is escaped, no temporary file is needed
 * and no process runs but the script's own.
 *
 * A terse frame answers on standard output alone, text and marker in one write; a batch that ends with one ends with it.
 */
import { randomBytes } from "node:crypto";

/** One script within a batch. */
export interface Frame {
  /** Counts up on each worker; the marker bears it. */
  readonly sequence: number;
  readonly script: string;
  /** Bytes that travel with the script, or a file on the node that is removed once it is open. */
  readonly stdin?: Uint8Array | { readonly file: string };
  /** Its output is text, of which newlines at the end do not count, nor does standard error. Has no `stdin`. */
  readonly terse?: boolean;
}

/** How a batch takes the node's lock. */
export interface Lock {
  /** The directory of `lock` and `holder`. */
  readonly directory: string;
  /** Who we are, for the one who waits in vain: `alice@laptop, process 4711`. */
  readonly holder: string;
  /** How long to wait until it is free. */
  readonly waitSeconds: number;
}

/** What stands where the exit code would, in markers that end no script. */
export const STATUS = { batchEnd: "end", locked: "got", notLocked: "not" } as const;

const NONCE_LENGTH = 32;
const SEQUENCE_LENGTH = 8;
const STATUS_LENGTH = 3;
const MARKER_LENGTH = NONCE_LENGTH + SEQUENCE_LENGTH + STATUS_LENGTH;

/**
 * A text that no output contains by chance; it reaches the node on standard input only. Its first letter does not come
 * again, so output that ends with a part of it cannot make a match together with the marker's own.
 */
export function makeNonce(): string {
  return `m${randomBytes(NONCE_LENGTH / 2)
    .toString("hex")
    .slice(1)}`;
}

/** The text of a batch: its frames in order, then the marker of its end, unless that is the number of the last, a terse one. */
export function batchText(nonce: string, frames: readonly Frame[], end: number, lock?: Lock): string {
  const body = frames.map((frame) => frameText(nonce, frame, lock !== undefined)).join("");
  if (frames.at(-1)?.sequence === end) return body;
  return (lock === undefined ? body : lockedText(nonce, body, end, lock)) + markerText(nonce, end, STATUS.batchEnd);
}

/** Prints a marker on both streams. Without a status it is the exit code of the command before. */
export function markerText(nonce: string, sequence: number, status?: string): string {
  const marker = markerOf(nonce, sequence);
  if (status !== undefined) return `printf %s ${marker}${status} >&2; printf %s ${marker}${status}\n`;
  return `set -- $?; printf '${marker}%03d' "$1" >&2; printf '${marker}%03d' "$1"\n`;
}

function markerOf(nonce: string, sequence: number): string {
  return nonce + sequence.toString(16).padStart(SEQUENCE_LENGTH, "0");
}

/**
 * `eval` of a quoted text, so that a syntax error or an `exit` ends the subshell and not the worker. Descriptor 9 is
 * closed, or a child that stays would hold the lock for as long as it lives.
 */
function frameText(nonce: string, { sequence, script, stdin, terse }: Frame, locked: boolean): string {
  const unlock = locked ? " 9>&-" : "";
  const text = quote(script);
  if (terse === true)
    return `barepod_text=$( { set --; eval ${text}; } </dev/null 2>/dev/null${unlock} ); set -- $?
printf '%s${markerOf(nonce, sequence)}%03d' "$barepod_text" "$1"\n`;
  const subshell = `( set --; eval ${text} )`;
  let command: string;
  if (stdin === undefined) command = `${subshell} </dev/null${unlock}`;
  else if (stdin instanceof Uint8Array) {
    // printf rather than a here-document, which several shells put into a file under /tmp.
    const base64 = Buffer.from(stdin.buffer, stdin.byteOffset, stdin.byteLength).toString("base64");
    command = `printf %s '${base64}'${unlock} | base64 -d${unlock} | ${subshell}${unlock}`;
  } else {
    const file = quote(stdin.file);
    command = `( rm -f -- ${file}; set --; eval ${text} ) <${file}${unlock}`;
  }
  return `${command}\n${markerText(nonce, sequence)}`;
}

/** What takes the lock away with the last stack does so while others wait for it; they hold a file without a name then. */
const LOCK_ATTEMPTS = 5;

/**
 * A braced group with its redirection: where the lock cannot even be opened the group is skipped, and only the end marker
 * comes. `flock -n` first, because neither busybox's flock nor every old one knows `-w`.
 */
function lockedText(nonce: string, body: string, end: number, { directory, holder, waitSeconds }: Lock): string {
  const lock = quote(`${directory}/lock`);
  const note = quote(`${directory}/holder`);
  return [
    `barepod_left=${LOCK_ATTEMPTS}`,
    'while [ "$barepod_left" -gt 0 ]; do barepod_left=$((barepod_left - 1))',
    `[ -d ${quote(directory)} ] || mkdir -p -m 700 ${quote(directory)} </dev/null`,
    `{ if flock -n 9 </dev/null || timeout ${waitSeconds} flock 9 </dev/null; then`,
    `if [ /proc/self/fd/9 -ef ${lock} ]; then barepod_left=0`,
    `{ printf '%s\\n' ${quote(holder)} >${note}; } 2>/dev/null`,
    `${markerText(nonce, end, STATUS.locked)}`,
    `${body}fi; else barepod_left=0`,
    `{ cat ${note} </dev/null; } 2>/dev/null`,
    `${markerText(nonce, end, STATUS.notLocked)}fi; } 9>>${lock}`,
    "done\n",
  ].join("\n");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The bytes up to a marker, and what the marker says. */
export interface Segment {
  readonly sequence: number;
  readonly status: string;
  readonly body: Buffer;
}

/** Cuts a stream at its markers. Each byte is looked at once, whatever the size of chunks and bodies. */
export class SegmentScanner {
  readonly #nonce: Buffer;
  #body: Buffer[] = [];
  /** The end of what was read: it may be the beginning of a marker. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(nonce: string) {
    this.#nonce = Buffer.from(nonce, "latin1");
  }

  /** The segments that this chunk completes. */
  push(chunk: Buffer): Segment[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const segments: Segment[] = [];
    for (;;) {
      const at = bytes.indexOf(this.#nonce);
      if (at < 0 || bytes.length < at + MARKER_LENGTH) {
        const keep = at < 0 ? Math.max(0, bytes.length - NONCE_LENGTH + 1) : at;
        if (keep > 0) this.#body.push(bytes.subarray(0, keep));
        this.#rest = bytes.subarray(keep);
        return segments;
      }
      this.#body.push(bytes.subarray(0, at));
      const marker = bytes.toString("latin1", at + NONCE_LENGTH, at + MARKER_LENGTH);
      segments.push({
        sequence: Number.parseInt(marker.slice(0, SEQUENCE_LENGTH), 16),
        status: marker.slice(SEQUENCE_LENGTH),
        body: Buffer.concat(this.#body),
      });
      this.#body = [];
      bytes = bytes.subarray(at + MARKER_LENGTH);
    }
  }

  /** What came after the last marker. */
  get unfinished(): Buffer {
    return Buffer.concat([...this.#body, this.#rest]);
  }
}
