/** Brings what is too large for a frame to the node, through a channel of its own. */
import { randomBytes } from "node:crypto";
import { type Channels, shellCommand } from "./channels";

/** Long payloads take as long as they take; this long without any progress is too long. */
const STALL_MS = 60_000;
const CHUNK_BYTES = 256 * 1024;

/** Leftovers of an operator's process that died on the way are older than this. */
export const STALE_MINUTES = 60;

/** The folder that uploads of root go to: on disk, where room is. */
export const UPLOAD_DIRECTORY = "/var/lib/barepod/tmp";

/**
 * Writes bytes into a new file that only its owner can read.
 *
 * @returns its path on the node.
 * @throws Error when it does not fit, or nothing moves for a minute.
 */
export async function upload(
  channels: Channels,
  bytes: Uint8Array,
  options: { root: boolean; sudo: boolean },
): Promise<string> {
  const name = randomBytes(16).toString("hex");
  const file = options.root ? `${UPLOAD_DIRECTORY}/${name}` : `/tmp/barepod-${name}`;
  const prepare = options.root ? `mkdir -p ${UPLOAD_DIRECTORY} && ` : "";
  // A part of a file is worth nothing: no bytes, no file.
  const script = `umask 077; ${prepare}cat >${file} || { rm -f ${file}; exit 1; }`;
  const channel = await channels.exec(shellCommand(options.sudo, script));
  return new Promise((resolve, reject) => {
    let said = "";
    let code: number | undefined;
    let timer: NodeJS.Timeout | undefined;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        channel.close();
        reject(new Error(`nothing moved for ${STALL_MS / 1000} s`));
      }, STALL_MS);
    };
    channel.resume();
    channel.stderr.on("data", (chunk: Buffer) => {
      if (said.length < 500) said += chunk.toString();
    });
    // A write to a channel that is going: "close" says it better.
    channel.on("error", () => {});
    channel.on("exit", (status: number | null) => {
      code = status ?? undefined;
    });
    channel.once("close", () => {
      clearTimeout(timer);
      if (code === 0) resolve(file);
      else reject(code === undefined ? new BrokenUploadError("the channel closed") : new Error(said.trim()));
    });
    const send = (from: number) => {
      watch();
      if (from >= bytes.length) return channel.end();
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset + from, Math.min(CHUNK_BYTES, bytes.length - from));
      channel.write(chunk, () => send(from + CHUNK_BYTES));
    };
    send(0);
  });
}

/** It ended with the connection, so it may be tried on the next one. */
export class BrokenUploadError extends Error {}
