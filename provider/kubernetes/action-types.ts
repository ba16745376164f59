/** The part of the Pod types about probes and hooks; see `types.ts`. */
import type { Input } from "@pulumi/pulumi";

/** What is done around a container's life. */
export interface Lifecycle {
  /** Beside the container's program; a failure ends the container. Probes wait for it. */
  postStart?: Input<LifecycleHandler | undefined>;
  /** Before TERM, within the grace period; after it at least two seconds are left. */
  preStop?: Input<LifecycleHandler | undefined>;
  /** What is sent in place of TERM, as `SIGUSR1` or `SIGRTMIN+3`. Needs spec.os.name. Default: the image's, else `SIGTERM`. */
  stopSignal?: Input<string | undefined>;
}

/** How a container is probed: one action, and when it counts. */
export interface Probe {
  /** A command in the container, with its user, limits and environment; exit code 0 is success. */
  exec?: Input<ExecAction | undefined>;
  /** How many failures in a row count. Default 3. */
  failureThreshold?: Input<number | undefined>;
  /** grpc.health.v1.Health/Check at the pod's address; needs a curl with HTTP/2 on the node. */
  grpc?: Input<GRPCAction | undefined>;
  /** A request from the node; 200 to 399 is success. Redirects are followed on the same host, ten requests in all; one to another host is success. HTTPS needs curl on the node, after a redirect too. */
  httpGet?: Input<HTTPGetAction | undefined>;
  /** Seconds from the container's start to the first probe. Default 0. */
  initialDelaySeconds?: Input<number | undefined>;
  /** Seconds from probe to probe. Default 10. */
  periodSeconds?: Input<number | undefined>;
  /** How many successes in a row count. Default 1, and nothing else for startup and liveness. */
  successThreshold?: Input<number | undefined>;
  /** A connection from the node, closed at once. */
  tcpSocket?: Input<TCPSocketAction | undefined>;
  /** Seconds between TERM and KILL when this probe ends the container. Default: the pod's. Not for readiness. */
  terminationGracePeriodSeconds?: Input<number | undefined>;
  /** Seconds that a probe may take. Default 1. */
  timeoutSeconds?: Input<number | undefined>;
}

/** What a hook does: one of these. */
export interface LifecycleHandler {
  /** A command in the container, with its user, limits and environment; exit code 0 is success. */
  exec?: Input<ExecAction | undefined>;
  /** A request from the node; 200 to 399 is success. Redirects are followed on the same host, ten requests in all; one to another host is success. HTTPS needs curl on the node, after a redirect too. */
  httpGet?: Input<HTTPGetAction | undefined>;
  /** Only waits. */
  sleep?: Input<SleepAction | undefined>;
  /** Refused: Kubernetes accepts it and fails every time; use httpGet or exec. */
  tcpSocket?: Input<TCPSocketAction | undefined>;
}

/** A command in the container. */
export interface ExecAction {
  /** The words; no shell is involved. In probes `$(NAME)` is replaced as in command. */
  command?: Input<Input<string>[] | undefined>;
}

/** A gRPC health check. */
export interface GRPCAction {
  /** Refused: HTTP/2 without TLS is spoken. */
  mode?: Input<string | undefined>;
  /** 1 to 65535. */
  port: Input<number>;
  /** What is asked for. Default: the empty name. */
  service?: Input<string | undefined>;
}

/** A request. */
export interface HTTPGetAction {
  /** Default: the pod's address. */
  host?: Input<string | undefined>;
  /** Further headers. */
  httpHeaders?: Input<Input<HTTPHeader>[] | undefined>;
  /** Path and query. Default `/`. */
  path?: Input<string | undefined>;
  /** 1 to 65535, or the name of one of the container's ports. */
  port: Input<number | string>;
  /** Refused: HTTP/1.1 is spoken. */
  protocol?: Input<string | undefined>;
  /** Default `HTTP`; of `HTTPS` the certificate is not verified. */
  scheme?: Input<string | undefined>;
}

/** A connection. */
export interface TCPSocketAction {
  /** Default: the pod's address. */
  host?: Input<string | undefined>;
  /** 1 to 65535, or the name of one of the container's ports. */
  port: Input<number | string>;
}

/** A pause. */
export interface SleepAction {
  /** 0 to the pod's terminationGracePeriodSeconds. */
  seconds: Input<number>;
}

/** A header. */
export interface HTTPHeader {
  /** Letters, digits and `-`. */
  name: Input<string>;
  /** The value. */
  value: Input<string>;
}
