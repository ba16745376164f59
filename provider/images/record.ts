/** What the node keeps of an image as long as a root file system is made of it: a line of JSON beside that. */
import { asList, asObject, asText, asTexts, readJson } from "./json";
import type { Layer, ResolvedImage } from "./resolve";

/** An image, as it was pulled. */
export interface ImageRecord extends ResolvedImage {
  /** The whole reference, or `oci:` or `archive:` and a path. */
  readonly reference: string;
  /** What told one state of the file from another, for an image that lies on the node. */
  readonly source: string;
}

/** One line, which {@link referenceMark} finds. */
export function writeRecord(record: ImageRecord): string {
  const { reference, source, digest, manifestDigest, config, layers } = record;
  return `${JSON.stringify({ version: 1, reference, source, digest, manifestDigest, config, layers })}\n`;
}

/** What stands in the record of an image, and of no other's. */
export function referenceMark(reference: string): string {
  return `{"version":1,"reference":${JSON.stringify(reference)},`;
}

/** The name of a layer on the node. */
export function layerName(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** The layers of an overlay, from the lowest: of equal ones the highest counts, and the kernel takes none twice. */
export function layerNames(layers: readonly { readonly digest: string }[]): string[] {
  const names = layers.map(({ digest }) => layerName(digest));
  return names.filter((name, i) => names.lastIndexOf(name) === i);
}

/** Undefined for what another release wrote. */
export function readRecord(text: string): ImageRecord | undefined {
  try {
    const json = readJson(Buffer.from(text), "the record");
    const config = asObject(json["config"], "config");
    return {
      reference: asText(json["reference"], "reference"),
      source: asText(json["source"], "source"),
      digest: asText(json["digest"], "digest"),
      manifestDigest: asText(json["manifestDigest"], "manifestDigest"),
      config: {
        entrypoint: asTexts(config["entrypoint"], "entrypoint"),
        cmd: asTexts(config["cmd"], "cmd"),
        env: asTexts(config["env"], "env"),
        user: asText(config["user"], "user"),
        workingDir: asText(config["workingDir"], "workingDir"),
        ...(config["stopSignal"] === undefined ? {} : { stopSignal: asText(config["stopSignal"], "stopSignal") }),
      },
      layers: asList(json["layers"], "layers") as readonly Layer[],
    };
  } catch {
    return undefined;
  }
}
