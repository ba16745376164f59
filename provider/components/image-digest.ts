/** Asks registries what tags stand for, while the program runs: a tag that moved shows in the preview. */
import * as pulumi from "@pulumi/pulumi";
import { messageOf } from "../errors";
import { parseReference } from "../images/reference";
import type { NodeRegistries } from "../resource";
import type { Node } from "../resources/node";

/** By settings and reference: many containers of one image ask once. */
const asked = new Map<string, Promise<string | undefined>>();

/**
 * The digest of an image; undefined, with a warning, when its registry gives no answer.
 *
 * @param pullSecrets - Texts of `kubernetes.io/dockerconfigjson` Secrets.
 * @throws ResourceError when the registry says that there is none, or lets nobody in.
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
    const known = asked.get(key) ?? ask(image, settings as NodeRegistries | undefined, secrets, parent);
    asked.set(key, known);
    return known;
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
    if (!(error instanceof ImageError) || !error.unreachable)
      throw new pulumi.ResourceError(messageOf(error), parent, true);
    await pulumi.log.warn(
      `${messageOf(error)}\nso a container that runs is not replaced, whatever the tag stands for now`,
      parent,
    );
    return undefined;
  } finally {
    await registry.close();
  }
}
