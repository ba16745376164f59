/**
 * Proves at compile time (`npm run typecheck`) that specs move between Barepod and @pulumi/kubernetes unchanged.
 * That no field is missing on either side is proved by `support.test.ts`: optional fields do not show in assignability.
 */
import type { core as classes, discovery } from "@pulumi/kubernetes";
import type * as inputs from "@pulumi/kubernetes/types/input";
import type * as outputs from "@pulumi/kubernetes/types/output";
import type { Container } from "../../provider/kubernetes/container-types";
import type { ConfigMapManifest, SecretManifest } from "../../provider/kubernetes/object-types";
import type {
  Endpoint,
  EndpointPort,
  EndpointSliceManifest,
  ServiceManifest,
  ServicePort,
  ServiceSpec,
} from "../../provider/kubernetes/service-types";
import type { ObjectMeta, PodManifest, PodSpec } from "../../provider/kubernetes/types";
import type { Volume } from "../../provider/kubernetes/volume-types";

/** Compiles only if `From` can be given where `To` is expected. */
type Assignable<To, From extends To> = From;

export type Proofs = [
  // Their inputs to ours: a spec written for Kubernetes.
  Assignable<PodSpec, inputs.core.v1.PodSpec>,
  Assignable<ObjectMeta, inputs.meta.v1.ObjectMeta>,
  Assignable<Container, inputs.core.v1.Container>,
  Assignable<Volume, inputs.core.v1.Volume>,
  Assignable<PodManifest, classes.v1.PodArgs>,
  Assignable<ConfigMapManifest, classes.v1.ConfigMapArgs>,
  Assignable<SecretManifest, classes.v1.SecretArgs>,
  Assignable<ServiceManifest, classes.v1.ServiceArgs>,
  Assignable<EndpointSliceManifest, discovery.v1.EndpointSliceArgs>,
  // Our inputs to theirs: the hand-over to a cluster.
  Assignable<inputs.core.v1.PodSpec, PodSpec>,
  Assignable<inputs.meta.v1.ObjectMeta, ObjectMeta>,
  Assignable<inputs.core.v1.Container, Container>,
  Assignable<inputs.core.v1.Volume, Volume>,
  Assignable<classes.v1.PodArgs, PodManifest>,
  Assignable<classes.v1.ConfigMapArgs, ConfigMapManifest>,
  Assignable<classes.v1.SecretArgs, SecretManifest>,
  Assignable<classes.v1.ServiceArgs, ServiceManifest>,
  Assignable<discovery.v1.EndpointSliceArgs, EndpointSliceManifest>,
  Assignable<keyof inputs.discovery.v1.EndpointPort, keyof EndpointPort>,
  Assignable<keyof inputs.discovery.v1.Endpoint, keyof Endpoint>,
  // No field of a Service is missing on either side.
  Assignable<keyof ServiceSpec, keyof inputs.core.v1.ServiceSpec>,
  Assignable<keyof inputs.core.v1.ServiceSpec, keyof ServiceSpec>,
  Assignable<keyof ServicePort, keyof inputs.core.v1.ServicePort>,
  Assignable<keyof inputs.core.v1.ServicePort, keyof ServicePort>,
  // What an existing Kubernetes pod gives out.
  Assignable<PodSpec, outputs.core.v1.PodSpec>,
  Assignable<ObjectMeta, outputs.meta.v1.ObjectMeta>,
  Assignable<PodManifest["spec"], classes.v1.Pod["spec"]>,
  Assignable<PodManifest["metadata"], classes.v1.Pod["metadata"]>,
];

/** The controls: what must not compile. */
export type Controls = [
  // @ts-expect-error a container needs a name
  Assignable<Container, { image: string }>,
  // @ts-expect-error replicas of numbers are no names
  Assignable<Container, { name: number }>,
  // @ts-expect-error a port is a number
  Assignable<inputs.core.v1.PodSpec, { containers: [{ name: "a"; ports: [{ containerPort: "80" }] }] }>,
];
