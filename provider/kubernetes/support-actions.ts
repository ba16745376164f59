/** The part of the table of `support.ts` that is about probes and hooks. */
import { type Fields, integer, integerOrString, LIST, object, REQUIRED, refused, string } from "./field";

const DEPRECATED_HOOK = "Kubernetes accepts it and fails every time; use httpGet or exec";
const PORT = "1 to 65535, or the name of one of the container's ports.";
const EXEC = object("A command in the container, with its user, limits and environment; exit code 0 is success.", {
  command: string("The words; no shell is involved. In probes `$(NAME)` is replaced as in command.", LIST),
});
const HTTP_GET = object(
  "A request from the node; 200 to 399 is success. Redirects are followed on the same host, ten requests in all; one to another host is success. HTTPS needs curl on the node, after a redirect too.",
  {
    host: string("Default: the pod's address."),
    httpHeaders: object(
      "Further headers.",
      { name: string("Letters, digits and `-`.", REQUIRED), value: string("The value.", REQUIRED) },
      LIST,
    ),
    path: string("Path and query. Default `/`."),
    port: integerOrString(PORT, REQUIRED),
    protocol: refused("HTTP/1.1 is spoken", "later"),
    scheme: string("Default `HTTP`; of `HTTPS` the certificate is not verified.", { values: ["HTTP", "HTTPS"] }),
  },
);
const ACTIONS: Fields = { exec: EXEC, httpGet: HTTP_GET };
/** The fields of a probe. */
export const PROBE: Fields = {
  ...ACTIONS,
  failureThreshold: integer("How many failures in a row count. Default 3."),
  grpc: object("grpc.health.v1.Health/Check at the pod's address; needs a curl with HTTP/2 on the node.", {
    mode: refused("HTTP/2 without TLS is spoken", "later"),
    port: integer("1 to 65535.", REQUIRED),
    service: string("What is asked for. Default: the empty name."),
  }),
  initialDelaySeconds: integer("Seconds from the container's start to the first probe. Default 0."),
  periodSeconds: integer("Seconds from probe to probe. Default 10."),
  successThreshold: integer("How many successes in a row count. Default 1, and nothing else for startup and liveness."),
  tcpSocket: object("A connection from the node, closed at once.", {
    host: string("Default: the pod's address."),
    port: integerOrString(PORT, REQUIRED),
  }),
  terminationGracePeriodSeconds: integer(
    "Seconds between TERM and KILL when this probe ends the container. Default: the pod's. Not for readiness.",
  ),
  timeoutSeconds: integer("Seconds that a probe may take. Default 1."),
};
/** The fields of a hook. */
export const HOOK: Fields = {
  ...ACTIONS,
  sleep: object("Only waits.", {
    seconds: integer("0 to the pod's terminationGracePeriodSeconds.", REQUIRED),
  }),
  tcpSocket: refused(DEPRECATED_HOOK, "never", { below: "host port" }),
};
