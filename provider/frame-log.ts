/** For tests and benchmarks: what each operation sent, one JSON line each, in the file that BAREPOD_FRAMES_FILE names. */
import { appendFileSync } from "node:fs";

/** What one operation on one object sent. */
export interface FrameRecord {
  readonly type: string;
  readonly operation: string;
  /** For people: `Mount /srv/box/proc`. */
  readonly object: string;
  readonly frames: number;
}

export function recordFrames(record: FrameRecord): void {
  const file = process.env["BAREPOD_FRAMES_FILE"];
  if (file !== undefined && file !== "") appendFileSync(file, `${JSON.stringify(record)}\n`);
}
