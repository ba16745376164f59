import { mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { localDirectory } from "./paths.mjs";

/**
 * What a Pulumi process needs: the CLI and its companions on PATH, and a home, a state and a passphrase of this clone's own
 * wherever the user has not chosen theirs.
 */
export function pulumiEnvironment(pulumi, base = process.env, local = localDirectory) {
  const state = join(local, "state");
  mkdirSync(state, { recursive: true });
  return {
    PULUMI_HOME: join(local, "pulumi-home"),
    PULUMI_BACKEND_URL: String(pathToFileURL(state)),
    ...(base.PULUMI_CONFIG_PASSPHRASE_FILE ? {} : { PULUMI_CONFIG_PASSPHRASE: "" }),
    // A CLI that was built here has no published plugins to go with it: asking for them would only wait for the network.
    ...(pulumi.builtHere ? { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" } : {}),
    ...base,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PATH: [pulumi.directory, base.PATH].filter(Boolean).join(delimiter),
  };
}
