/** What is done to a running container from outside, resolved: probes and hooks. */

/** One action. Exactly one of the fields is given. */
export interface Action {
  /** A command in the container; no shell is involved. */
  readonly exec?: { readonly command: readonly string[] };
  /** A request to the pod. */
  readonly httpGet?: HttpGet;
  /** A connection to the pod, closed at once. */
  readonly tcpSocket?: { readonly port: number; readonly host?: string };
  /** grpc.health.v1.Health/Check, for probes. */
  readonly grpc?: { readonly port: number; readonly service?: string };
  /** Waits, for hooks. */
  readonly sleep?: { readonly seconds: number };
}

export interface HttpGet {
  readonly port: number;
  /** Default: the pod's address. */
  readonly host?: string;
  /** Default `/`. */
  readonly path?: string;
  /** Default `HTTP`; with `HTTPS` the certificate is not verified. */
  readonly scheme?: "HTTP" | "HTTPS";
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
}

/** An action that is repeated, and what follows from it. Seconds, with Kubernetes' defaults. */
export interface Probe extends Action {
  /** Default 0. */
  readonly initialDelaySeconds?: number;
  /** Default 10. */
  readonly periodSeconds?: number;
  /** Default 1. */
  readonly timeoutSeconds?: number;
  /** Default 1. */
  readonly successThreshold?: number;
  /** Default 3. */
  readonly failureThreshold?: number;
  /** How long a container that it ends has from TERM to KILL. Default: the pod's. */
  readonly terminationGracePeriodSeconds?: number;
}

/** What is done when a container has started, and before it is ended. */
export interface Lifecycle {
  readonly postStart?: Action;
  readonly preStop?: Action;
}

/** The fields of which an {@link Action} has one. */
export const actionNames = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const;

/** Where a pod's container may write its last words. */
export const defaultTerminationMessagePath = "/dev/termination-log";
