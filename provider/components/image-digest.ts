/** Asks registries what tags stand for, while the program runs: a tag that moved shows in the preview. */
import * as pulumi from "@pulumi/pulumi";
import { messageOf } from "../errors";
import { parseReference } from "../images/reference";
import type { NodeRegistries } from "../resource";
import type { Node } from "../resources/node";

/** By settings and reference, for each Node of a program: many containers of one image ask once. */
const asked = new WeakMap<Node, Map<string, Promise<string | undefined>>>();

/**
 * The digest of an image; undefined, with a warning, when its registry gives no answer, and with an error, which fails the
 * preview, when the registry says that there is none, or lets nobody in.
 *
 * @param pullSecrets - Texts of `kubernetes.io/dockerconfigjson` Secrets.
 */
export function digestOfImage(
  image: string,
  node: Node,
  pullSecrets: readonly pulumi.Input<string>[],
  parent: pulumi.Resource | undefined,
): pulumi.Output<string | undefined> {
  const { registries } = node.reference;
  return pulumi.all([registries, pulumi.all([...pullSecrets])]).apply(async ([settings, secrets]) => {
    const key = JSON.stringify([settings, secrets, image]);
    const ofNode = asked.get(node) ?? new Map<string, Promise<string | undefined>>();
    asked.set(node, ofNode);
    const answer = ofNode.get(key) ?? ask(image, settings as NodeRegistries | undefined, secrets, parent);
    ofNode.set(key, answer);
    return answer;
  });
}

async function ask(
  image: string,
  settings: NodeRegistries | undefined,
  pullSecrets: readonly string[],
  parent: pulumi.Resource | undefined,
): Promise<string | undefined> {
  // Loaded when it is needed: most programs never ask.
  const [{ Registry }, { ImageError }] = await Promise.all([
    import("../images/registry.js"),
    import("../images/image-error.js"),
  ]);
  const registry = new Registry({ ...settings, pullSecrets });
  try {
    return await registry.resolveDigest(parseReference(image));
  } catch (error) {
    if (error instanceof ImageError && error.unreachable) {
      const nothing = "so a container that runs is not replaced, whatever the tag stands for now";
      await pulumi.log.warn(`${messageOf(error)}\n${nothing}`, parent);
    } else await pulumi.log.error(messageOf(error), parent);
    return undefined;
  } finally {
    await registry.close();
  }
}
