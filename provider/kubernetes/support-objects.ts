/** Which fields of a ConfigMap and of a Secret there are, in the words of `support.ts`. */
import { boolean, type Fields, map, OUTPUT, object, string } from "./field";
import { METADATA } from "./support";

const metadata = object("Name, namespace, labels and annotations.", METADATA);
const immutable = boolean("`true`: other data replace the object instead of changing it. Default `false`.");

/** A ConfigMap, from the top of a manifest. */
export const CONFIG_MAP: Fields = {
  apiVersion: string("As in Kubernetes.", { values: ["v1"] }),
  binaryData: map("Bytes in base64, by key. A key stands in `data` or here.", OUTPUT),
  data: map("Text by key.", OUTPUT),
  immutable,
  kind: string("As in Kubernetes.", { values: ["ConfigMap"] }),
  metadata,
};

/** A Secret, from the top of a manifest. */
export const SECRET: Fields = {
  apiVersion: string("As in Kubernetes.", { values: ["v1"] }),
  data: map("Bytes in base64, by key.", OUTPUT),
  immutable,
  kind: string("As in Kubernetes.", { values: ["Secret"] }),
  metadata,
  stringData: map("Text by key; of a key that stands in `data` too this one counts.", OUTPUT),
  type: string("Which keys it must have; see https://kubernetes.io/docs/concepts/configuration/secret/#secret-types."),
};
