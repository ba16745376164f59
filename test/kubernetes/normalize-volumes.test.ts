/** Volumes, mounts and looked-up variables: what is made of them, and what is refused. */
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import type { Container } from "../../provider/kubernetes/container-types";
import { normalizePod } from "../../provider/kubernetes/normalize";
import type { PodSpec } from "../../provider/kubernetes/types";
import type { Volume } from "../../provider/kubernetes/volume-types";

const pod = (container: Partial<Container>, volumes: Volume[] = []) => ({
  spec: { volumes, containers: [{ name: "main", image: "host:sleep", command: ["sleep", "1"], ...container }] },
});
const env = (valueFrom: object) => pod({ env: [{ name: "A", valueFrom }] });
const volume = (source: Omit<Volume, "name">) => pod({}, [{ name: "v", ...source }]);
const mount = (more: object, container: Partial<Container> = {}) =>
  pod({ ...container, volumeMounts: [{ name: "v", mountPath: "/v", ...more }] }, [{ name: "v", emptyDir: {} }]);
const first = (manifest: object) => {
  const { containers, volumes } = normalizePod("web", manifest);
  return { container: containers[0], volume: volumes[0] };
};

test("replaces references where nothing is looked up, and leaves all to the node where something is", () => {
  const args = ["$(A)"];
  expect(first(pod({ args, env: [{ name: "A", value: "x" }] })).container).toMatchObject({ args: ["x"] });
  const looked = first(pod({ args, envFrom: [{ prefix: "P_", configMapRef: { name: "m", optional: true } }] }));
  expect(looked.container).toMatchObject({
    args: ["$(A)"],
    env: [],
    variables: [{ prefix: "P_", from: { object: "configmaps", objectName: "m", optional: true } }],
  });
});

test.each([
  ["limits.cpu", undefined, { of: "limits", resource: "cpu", divisor: 1000 }],
  ["requests.cpu", "1m", { of: "requests", resource: "cpu", divisor: 1 }],
  ["limits.memory", "0", { of: "limits", resource: "memory", divisor: 1 }],
  ["limits.memory", "1Mi", { of: "limits", resource: "memory", divisor: 1024 ** 2 }],
  ["limits.memory", "1M", { of: "limits", resource: "memory", divisor: 1_000_000 }],
])("reads the resource %s in units of %s", (resource, divisor, from) => {
  const ref = divisor === undefined ? { resource } : { resource, divisor };
  expect(first(env({ resourceFieldRef: ref })).container?.variables).toEqual([{ name: "A", from }]);
});

test("fills in the modes of files", () => {
  const items = [
    { key: "a", path: "x/./y" },
    { key: "b", path: "z", mode: 0o400 },
  ];
  expect(first(volume({ secret: { secretName: "s", items, defaultMode: 0o440 } })).volume).toEqual({
    name: "v",
    kind: "content",
    files: [
      { from: { object: "secrets", objectName: "s", key: "a", optional: false }, path: "x/y", mode: 0o440 },
      { from: { object: "secrets", objectName: "s", key: "b", optional: false }, path: "z", mode: 0o400 },
    ],
  });
});

describe("the account's token", () => {
  const path = "/var/run/secrets/kubernetes.io/serviceaccount";
  const asked = (spec: Partial<PodSpec>) =>
    normalizePod("web", {
      spec: {
        automountServiceAccountToken: true,
        containers: [{ name: "main", image: "host:sleep", command: ["sleep", "1"] }],
        ...spec,
      },
    });
  const mounts = ({ containers, initContainers }: ReturnType<typeof asked>) =>
    [...initContainers, ...containers].map((each) => each.mounts.map((mount) => `${mount.volume} ${mount.mountPath}`));

  test("is mounted in every container where a pod asks for it, as Kubernetes does", () => {
    const [one, two] = ["one", "two"].map((name) => ({ name, image: "host:sleep", command: ["sleep", "1"] }));
    const own = { name: "own", emptyDir: {} };
    const pod = asked({
      volumes: [own],
      initContainers: [one as Container],
      containers: [
        two as Container,
        { ...(two as Container), name: "three", volumeMounts: [{ name: "own", mountPath: `${path}/` }] },
      ],
    });
    const mount = `kube-api-access-token ${path}`;
    expect(mounts(pod)).toEqual([[mount], [mount], [`own ${path}`]]);
    expect(pod.containers[0]?.mounts[0]?.readOnly).toBe(true);
    expect(pod.volumes.slice(1)).toEqual([
      {
        name: "kube-api-access-token",
        kind: "content",
        files: [
          { from: { audience: "", expirationSeconds: 3607 }, path: "token", mode: 0o644 },
          {
            from: { object: "configmaps", objectName: "kube-root-ca.crt", key: "ca.crt", optional: false },
            path: "ca.crt",
            mode: 0o644,
          },
          { from: { field: "metadata.namespace" }, path: "namespace", mode: 0o644 },
        ],
      },
    ]);
  });

  test("is the manifest's own volume, where a cluster has put one there", () => {
    const volumes = [
      { name: "kube-api-access-x7q2v", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
    ];
    const pod = asked({ volumes });
    expect(pod.volumes.map(({ name }) => name)).toEqual(["kube-api-access-x7q2v"]);
    expect(mounts(pod)).toEqual([[`kube-api-access-x7q2v ${path}`]]);
  });

  test("is not mounted unasked, nor made where nothing mounts it", () => {
    for (const automountServiceAccountToken of [undefined, false])
      expect(asked({ automountServiceAccountToken })).toMatchObject({ volumes: [], containers: [{ mounts: [] }] });
    const main = { name: "main", image: "host:sleep", command: ["sleep", "1"] };
    const taken = [{ ...main, volumeMounts: [{ name: "own", mountPath: path }] }];
    expect(asked({ volumes: [{ name: "own" }], containers: taken }).volumes).toHaveLength(1);
  });

  test.each([
    [{}, "default"],
    [{ serviceAccountName: "" }, "default"],
    [{ serviceAccount: "old" }, "old"],
    [{ serviceAccount: "old", serviceAccountName: "robot.x" }, "robot.x"],
  ])("is that of %j: %s", (spec, name) => {
    expect(asked(spec).serviceAccountName).toBe(name);
  });

  test("is of no account whose name is none", () => {
    expect(() => asked({ serviceAccountName: "a/b" })).toThrow(/^spec\.serviceAccountName: must be a DNS subdomain/);
    expect(() => asked({ serviceAccount: 'a"' })).toThrow(/^spec\.serviceAccount: must be a DNS subdomain/);
  });
});

describe("what must not be", () => {
  const token = (more: object) => volume({ projected: { sources: [{ serviceAccountToken: { path: "t", ...more } }] } });
  const item = (path: string) => volume({ configMap: { name: "m", items: [{ key: "a", path }] } });
  test.each<[string, object, RegExp]>([
    [
      "a value twice",
      pod({ env: [{ name: "A", value: "a", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }] }),
      /env\[0\]\.valueFrom: may not be specified when `value` is not empty$/,
    ],
    ["no source", env({}), /env\[0\]\.valueFrom: must say where the value comes from$/],
    [
      "two sources",
      env({ fieldRef: { fieldPath: "metadata.name" }, resourceFieldRef: { resource: "limits.cpu" } }),
      /valueFrom: must have one of fieldRef and resourceFieldRef$/,
    ],
    ["a file", env({ fileKeyRef: { key: "a", path: "b", volumeName: "v" } }), /fileKeyRef: is not supported/],
    [
      "a key that is none",
      env({ configMapKeyRef: { name: "m", key: "a/b" } }),
      /configMapKeyRef\.key: must have 1 to 253/,
    ],
    [
      "an object that leads elsewhere",
      env({ secretKeyRef: { name: "../m", key: "a" } }),
      /secretKeyRef\.name: must be a DNS subdomain/,
    ],
    ["another field", env({ fieldRef: { fieldPath: "status.phase" } }), /fieldPath: must be one of metadata\.name, /],
    ["all labels in a variable", env({ fieldRef: { fieldPath: "metadata.labels" } }), /fieldPath: must be one of/],
    [
      "an address in a volume",
      volume({ downwardAPI: { items: [{ path: "a", fieldRef: { fieldPath: "status.podIP" } }] } }),
      /fieldPath: must be one of/,
    ],
    [
      "a resource of no container",
      volume({ downwardAPI: { items: [{ path: "a", resourceFieldRef: { resource: "limits.cpu" } }] } }),
      /containerName: is required in a volume$/,
    ],
    ["hugepages", env({ resourceFieldRef: { resource: "limits.hugepages-2Mi" } }), /resource: must be limits\.cpu/],
    [
      "a divisor that is none",
      env({ resourceFieldRef: { resource: "limits.cpu", divisor: "2" } }),
      /divisor: must be one of 1, 1m$/,
    ],
    [
      "a prefix with =",
      pod({ envFrom: [{ prefix: "=", configMapRef: { name: "m" } }] }),
      /envFrom\[0\]\.prefix: must be printable ASCII/,
    ],
    ["an absolute path of a file", item("/a"), /items\[0\]\.path: must be a relative path$/],
    ["a path out of the volume", item("a/../../b"), /path: must not contain '\.\.'$/],
    ["a path like the volume's own", item("..data"), /path: must not start with '\.\.'$/],
    [
      "a mode that is none",
      volume({ configMap: { name: "m", defaultMode: 0o1000 } }),
      /defaultMode: must be a number between 0 and 0777 \(octal\)$/,
    ],
    [
      "two files in one place",
      volume({
        projected: {
          sources: [
            { configMap: { name: "m", items: [{ key: "a", path: "x" }] } },
            { secret: { name: "s", items: [{ key: "a", path: "x" }] } },
          ],
        },
      }),
      /conflicting duplicate paths: "x"$/,
    ],
    ["a short token", token({ expirationSeconds: 599 }), /expirationSeconds: must be between 600 \(10 minutes\)/],
    ["an audience with a quote", token({ audience: 'a"' }), /audience: must not have control characters/],
    [
      "a limit of a disk",
      volume({ emptyDir: { sizeLimit: "1Gi" } }),
      /emptyDir\.sizeLimit: is not supported on the node's disk/,
    ],
    ["a type of path", volume({ hostPath: { path: "/a", type: "Link" } }), /hostPath\.type: must be /],
    ["a subPath out of the volume", mount({ subPath: "a/../.." }), /subPath: must not contain '\.\.'$/],
    [
      "both kinds of subPath",
      mount({ subPath: "a", subPathExpr: "b" }),
      /subPathExpr and subPath are mutually exclusive$/,
    ],
    [
      "an unknown variable in a path",
      mount({ subPathExpr: "$(B)" }),
      /subPathExpr: refers to "B", which is no variable in env$/,
    ],
    [
      "a looked-up variable in a path",
      mount({ subPathExpr: "$(A)" }, { env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }] }),
      /subPathExpr: refers to "A", whose value only the node knows/,
    ],
    [
      "mounts for the node of one who may not",
      mount({ mountPropagation: "Bidirectional" }),
      /available only to privileged containers$/,
    ],
    [
      "a writable read-only",
      mount({ recursiveReadOnly: "Enabled" }),
      /recursiveReadOnly: may only be specified when readOnly is true$/,
    ],
    [
      "a secret's name that comes later",
      volume({ secret: { secretName: pulumi.output("s") } }),
      /secretName: must be a plain value/,
    ],
  ])("%s", (_, manifest, message) => {
    expect(() => normalizePod("web", manifest)).toThrow(message);
  });
});
