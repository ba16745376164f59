import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What a clone keeps to itself (git-ignored): Pulumi's state and home, build stamps. */
export const localDirectory = join(repositoryRoot, ".barepod");

/** What clones share, by version: the Pulumi CLI. */
export const cacheDirectory = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "barepod");
