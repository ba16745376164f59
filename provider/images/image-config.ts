/** What an image says of the process in it. https://github.com/opencontainers/image-spec/blob/main/config.md */
import { asObject, asText, asTexts, type Json } from "./json";

/** The defaults that an image gives to its containers. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `NAME=value` */
  readonly env: readonly string[];
  /** `user`, `uid`, `user:group`, `uid:gid` and mixtures; names as in the image's passwd and group. Empty: root. */
  readonly user: string;
  /** Empty: `/`. */
  readonly workingDir: string;
  /** `SIGTERM`, `TERM` or a number, as it was written. */
  readonly stopSignal?: string;
}

/** A configuration blob. */
export interface ConfigBlob {
  readonly config: ImageConfig;
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
  /** The digests of the layers as they are when decompressed, from the lowest. */
  readonly diffIds: readonly string[];
}

/** @throws Error that says what is wrong with it. */
export function readConfig(json: Json): ConfigBlob {
  const config = asObject(json["config"] ?? {}, "config");
  const rootfs = asObject(json["rootfs"] ?? {}, "rootfs");
  const stopSignal = asText(config["StopSignal"], "config.StopSignal");
  return {
    config: {
      entrypoint: asTexts(config["Entrypoint"], "config.Entrypoint"),
      cmd: asTexts(config["Cmd"], "config.Cmd"),
      env: asTexts(config["Env"], "config.Env"),
      user: asText(config["User"], "config.User"),
      workingDir: asText(config["WorkingDir"], "config.WorkingDir"),
      ...(stopSignal !== "" && { stopSignal }),
    },
    os: asText(json["os"], "os"),
    architecture: asText(json["architecture"], "architecture"),
    variant: asText(json["variant"], "variant"),
    diffIds: asTexts(rootfs["diff_ids"], "rootfs.diff_ids"),
  };
}
