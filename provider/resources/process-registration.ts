/** What a pod says of itself to the Services of its node. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import { type Fields, integer, list, object, oneOf, optional, record, required, text } from "../fields";
import { digest } from "../naming";

/** A port that Services may call by its name. */
export interface NamedPort {
  readonly name: string;
  /** 1 to 65535. */
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
}

/** What of a Process's arguments concerns this file. */
export interface RegistrationArgs {
  /** What Services select the `pod` by. Changes in place. */
  readonly labels?: pulumi.Input<Record<string, pulumi.Input<string>>> | undefined;
  /** The ports of the `pod` that Services may call by name. Changes in place. */
  readonly namedPorts?: pulumi.Input<pulumi.Input<NamedPort>[]> | undefined;
}

/** @internal */
export interface RegistrationInputs {
  readonly pod?: { readonly namespace: string; readonly name: string };
  readonly labels?: Readonly<Record<string, string>>;
  readonly namedPorts?: readonly NamedPort[];
}

/** @internal */
export const registrationFields: Fields = {
  labels: optional(
    record(text({ max: 317, pattern: /^[!-~]+$/, form: "a qualified name" }), text({ max: 63, empty: true })),
  ),
  namedPorts: optional(
    list(
      object({
        name: required(text({ max: 15, pattern: /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, form: "a port name" })),
        port: required(integer(1, 65_535)),
        protocol: required(oneOf("TCP", "UDP", "SCTP")),
      }),
    ),
  ),
};

/** The files beside `keeper.spec`: what node-scripts/services.sh reads, and what tells it from others. @internal */
export function registrationFiles(inputs: RegistrationInputs): [name: string, content: string][] {
  const known = registrationDigest(inputs);
  return known === undefined
    ? []
    : [
        ["pod.spec", registration(inputs)],
        ["pod.digest", known],
      ];
}

/** Undefined where there is no pod, or nothing that it says of itself. @internal */
export function registrationDigest(inputs: RegistrationInputs): string | undefined {
  const { pod, labels = {}, namedPorts = [] } = inputs;
  const says = Object.keys(labels ?? {}).length > 0 || (namedPorts ?? []).length > 0;
  return pod !== undefined && says ? digest(registration(inputs)) : undefined;
}

function registration({ pod, labels, namedPorts }: RegistrationInputs): string {
  const lines = [
    ["pod", pod?.namespace, pod?.name],
    ...Object.entries(labels ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => ["label", `${key}=${value}`]),
    ...(namedPorts ?? []).map(({ name, port, protocol }) => ["port", name, protocol.toLowerCase(), port]),
  ];
  return `${lines.map((line) => line.join("\t")).join("\n")}\n`;
}
