/** Mistakes in a pod: one clear error each, naming the path, in a TypeScript program and in YAML. */
import * as pulumi from "@pulumi/pulumi";
import { Node, Pod, type PodArgs, yaml } from "barepod";
import { beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";

beforeAll(() => {
  void pulumi.runtime.setMocks({
    newResource: ({ name, inputs }) => ({ id: `${name}-id`, state: { ...inputs, nonce: "1234" } }),
    call: () => ({}),
  });
});

const container = (more: object = {}) => ({ name: "web", image: "host:sleep", command: ["sleep", "1"], ...more });
const pod = (more: object = {}, spec: object = {}) => ({ spec: { containers: [container(more)], ...spec } });
const at = "spec.containers[0]";

/** What is wrong, the manifest, and all that is said of it. */
const mistakes: readonly (readonly [what: string, manifest: object, path: string, reason: string])[] = [
  ["a field that nobody knows", pod({}, { xyzzy: 1 }), "spec.xyzzy", "no such field"],
  ["a misspelt field", pod({ livenesProbe: {} }), `${at}.livenesProbe`, "no such field; did you mean livenessProbe?"],
  [
    "a misspelt field far down",
    pod({}, { volumes: [{ name: "v", secret: { secretname: "s", optional: true, secretName: "s" } }] }),
    "spec.volumes[0].secret.secretname",
    "no such field; did you mean secretName?",
  ],
  [
    "a field of another case",
    pod({}, { hostnetwork: true }),
    "spec.hostnetwork",
    "no such field; did you mean hostNetwork?",
  ],
  [
    "a field that is not done here",
    pod({ stdin: true }),
    `${at}.stdin`,
    "is not supported: standard input is /dev/null; may be left out, or be false",
  ],
  [
    "a text for a number",
    pod({}, { terminationGracePeriodSeconds: "30" }),
    "spec.terminationGracePeriodSeconds",
    "must be an integer, not a string",
  ],
  [
    "a fraction for a number",
    pod({}, { activeDeadlineSeconds: 1.5 }),
    "spec.activeDeadlineSeconds",
    "must be an integer, not a fraction",
  ],
  ["a text for a yes or no", pod({}, { hostIPC: "maybe" }), "spec.hostIPC", "must be a boolean, not a string"],
  ["a text for a list", pod({ command: "sleep 1" }), `${at}.command`, "must be a list, not a string"],
  ["a list for an object", pod({ resources: ["cpu"] }), `${at}.resources`, "must be an object, not a list"],
  ["an object for a list", pod({ env: { A: "1" } }), `${at}.env`, "must be a list, not an object"],
  ["a text for an object", pod({ livenessProbe: "tcp" }), `${at}.livenessProbe`, "must be an object, not a string"],
  [
    "a list for an action",
    pod({ livenessProbe: { exec: ["true"] } }),
    `${at}.livenessProbe.exec`,
    "must be an object, not a list",
  ],
  [
    "a value that does not exist",
    pod({}, { restartPolicy: "Sometimes" }),
    "spec.restartPolicy",
    'must be "Always", "OnFailure" or "Never", not "Sometimes"',
  ],
  [
    "a quantity of no unit",
    pod({ resources: { limits: { memory: "64MB" } } }),
    `${at}.resources.limits.memory`,
    "must be a quantity such as 500m, 1.5, 200Mi or 1e3; suffixes are n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei",
  ],
  ["no image", { spec: { containers: [{ name: "web", command: ["x"] }] } }, `${at}.image`, "is required"],
  ["no containers", { spec: {} }, "spec.containers", "is required"],
  [
    "two containers of one name",
    { spec: { containers: [container(), container()] } },
    "spec.containers[1].name",
    "must be unique: spec.containers[0].name is the same",
  ],
  [
    "an init container of a container's name",
    pod({}, { initContainers: [container()] }),
    `${at}.name`,
    "must be unique: spec.initContainers[0].name is the same",
  ],
  [
    "two volumes of one name",
    pod({}, { volumes: [{ name: "v" }, { name: "v" }] }),
    "spec.volumes[1].name",
    "must be unique: spec.volumes[0].name is the same",
  ],
  [
    "two ports of one name",
    pod({ ports: [1, 2].map((containerPort) => ({ containerPort, name: "http" })) }),
    `${at}.ports[1].name`,
    `must be unique: ${at}.ports[0].name is the same`,
  ],
  [
    "two mounts in one place",
    pod({ volumeMounts: ["/a", "/a/"].map((mountPath) => ({ name: "v", mountPath })) }, { volumes: [{ name: "v" }] }),
    `${at}.volumeMounts[1].mountPath`,
    `must be unique: ${at}.volumeMounts[0].mountPath is the same`,
  ],
  [
    "a mount of a volume that is not there",
    pod({ volumeMounts: [{ name: "data", mountPath: "/data" }] }, { volumes: [{ name: "date" }] }),
    `${at}.volumeMounts[0].name`,
    "must be the name of a volume in spec.volumes",
  ],
  [
    "an init container's mount of a volume that is not there",
    pod(
      {},
      { initContainers: [{ ...container(), name: "init", volumeMounts: [{ name: "data", mountPath: "/data" }] }] },
    ),
    "spec.initContainers[0].volumeMounts[0].name",
    "must be the name of a volume in spec.volumes",
  ],
  [
    "a volume of two sources",
    pod({}, { volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/srv" } }] }),
    "spec.volumes[0]",
    "must have one source, not both hostPath and emptyDir",
  ],
  ...["startupProbe", "readinessProbe", "livenessProbe"].map(
    (probe) =>
      [
        `a ${probe} of a port that is not there`,
        pod({ ports: [{ containerPort: 80, name: "http" }], [probe]: { httpGet: { port: "web" } } }),
        `${at}.${probe}.httpGet.port`,
        "must be the name of a port in the container's ports, or a number",
      ] as const,
  ),
  [
    "a probe of a port beyond all ports",
    pod({ livenessProbe: { tcpSocket: { port: 70_000 } } }),
    `${at}.livenessProbe.tcpSocket.port`,
    "must be between 1 and 65535",
  ],
  [
    "a hook to a port that is not there",
    pod({ lifecycle: { preStop: { httpGet: { port: "web" } } } }),
    `${at}.lifecycle.preStop.httpGet.port`,
    "must be the name of a port in the container's ports, or a number",
  ],
  [
    "a probe of two actions",
    pod({ livenessProbe: { exec: { command: ["true"] }, tcpSocket: { port: 80 } } }),
    `${at}.livenessProbe`,
    "must have only one of exec, httpGet, tcpSocket, grpc",
  ],
  [
    "a variable from nowhere",
    pod({ env: [{ name: "A", valueFrom: {} }] }),
    `${at}.env[0].valueFrom`,
    "must say where the value comes from",
  ],
  ["an object of another kind", { ...pod(), kind: "Deployment" }, "kind", 'must be "Pod", not "Deployment"'],
];

const on = () => new Node("edge", { connection: { host: "192.0.2.10" } });
function refusalOf(declare: () => unknown): string {
  try {
    declare();
  } catch (error) {
    expect(error).toBeInstanceOf(pulumi.ResourceError);
    expect((error as pulumi.ResourceError).hideStack).toBe(true);
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
}

describe("one clear error", () => {
  test.each(mistakes)("in a program: %s", (_, manifest, path, reason) => {
    expect(refusalOf(() => new Pod("web", { on: on(), ...manifest } as PodArgs))).toBe(`Pod "web": ${path}: ${reason}`);
  });

  test.each(mistakes)("in YAML, with its place: %s", (_, manifest, path, reason) => {
    const text = stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "web" }, ...manifest });
    const refusal = refusalOf(() => new yaml.ConfigGroup("app", { on: on(), yaml: text }));
    if (path === "kind")
      return expect(refusal).toMatch(
        /^ConfigGroup "app": yaml:1:1: v1 Deployment in document 1 is not supported; supported kinds: /,
      );
    const [, line, rest] = /^ConfigGroup "app": yaml:(\d+):\d+: ([\s\S]*)$/.exec(refusal) ?? [];
    expect(rest?.replace("; put it into quotes", "")).toBe(`${path}: ${reason}`);
    // The line of the field itself; of one that is missing, of what lacks it.
    const [, field = ""] = /(\w+)(?:\[\d+\])?$/.exec(path) ?? [];
    const shown = text.split("\n")[Number(line) - 1] ?? "";
    const above = text.split("\n")[Number(line) - 2] ?? "";
    if (reason !== "is required") expect(`${above}\n${shown}`).toContain(field);
  });
});
