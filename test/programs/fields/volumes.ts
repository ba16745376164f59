/** What a container finds in its environment and in its volumes. The runner has made the ConfigMap and the Secret. */
import { atOnce, type FieldCase, idle, type Look, lean, type PlainSpec, twice } from "./case";

const container = (name: string) => `spec.containers[].${name}`;
const environ = (name: string) => `tr '\\0' '\\n' < /proc/1/environ | sed -n 's/^${name}=/=/p'`;
const from = (name: string, valueFrom: object) => ({ name, valueFrom });
const cpu = { containerName: "other", resource: "limits.cpu", divisor: "1m" };
const other = { ...idle, name: "other", resources: { limits: { cpu: "300m" } } };

const environment: FieldCase = {
  name: "environment",
  spec: (() => {
    const { containers, ...rest } = twice({
      ...idle,
      envFrom: [{ prefix: "P_", configMapRef: { name: "settings" } }, { secretRef: { name: "login" } }],
      env: [
        from("MAP", { configMapKeyRef: { name: "settings", key: "level" } }),
        from("SECRET", { secretKeyRef: { name: "login", key: "password" } }),
        from("FIELD", { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } }),
        from("CPU", { resourceFieldRef: cpu }),
      ],
    });
    return { ...atOnce, ...rest, containers: [...containers, other] } as PlainSpec;
  })(),
  control: (() => {
    const { containers, ...rest } = twice(idle);
    return { ...atOnce, ...rest, containers: [...containers, other] } as PlainSpec;
  })(),
  looks: (
    [
      ["MAP", "=info", ["env[].valueFrom.configMapKeyRef.name", "env[].valueFrom.configMapKeyRef.key"]],
      ["SECRET", "=canary", ["env[].valueFrom.secretKeyRef.name", "env[].valueFrom.secretKeyRef.key"]],
      ["FIELD", "=environment-with", ["env[].valueFrom.fieldRef.fieldPath"]],
      [
        "CPU",
        "=300",
        ["containerName", "resource", "divisor"].map((each) => `env[].valueFrom.resourceFieldRef.${each}`),
      ],
      ["P_level", "=info", ["envFrom[].prefix", "envFrom[].configMapRef.name"]],
      ["password", "=canary", ["envFrom[].secretRef.name"]],
    ] as const
  ).map(([name, sees, fields]): Look => ({ fields: fields.map(container), inside: environ(name), sees, without: "" })),
};

/** Folders whose files come from elsewhere; the control has empty ones. */
const contents = {
  map: {
    configMap: {
      name: "settings",
      defaultMode: 0o640,
      items: [
        { key: "level", path: "a/level" },
        { key: "level", path: "b", mode: 0o600 },
      ],
    },
  },
  secret: {
    secret: {
      secretName: "login",
      defaultMode: 0o640,
      items: [
        { key: "password", path: "a/word" },
        { key: "password", path: "b", mode: 0o600 },
      ],
    },
  },
  self: {
    downwardAPI: {
      defaultMode: 0o640,
      items: [
        { path: "name", fieldRef: { fieldPath: "metadata.name" } },
        { path: "cpu", mode: 0o600, resourceFieldRef: cpu },
      ],
    },
  },
  all: {
    projected: {
      defaultMode: 0o640,
      sources: [
        { configMap: { name: "settings", items: [{ key: "level", path: "map", mode: 0o600 }] } },
        { secret: { name: "login", items: [{ key: "password", path: "secret", mode: 0o400 }] } },
        {
          downwardAPI: {
            items: [
              { path: "name", fieldRef: { fieldPath: "metadata.name" } },
              { path: "cpu", mode: 0o600, resourceFieldRef: cpu },
            ],
          },
        },
      ],
    },
  },
  fast: { emptyDir: { medium: "Memory", sizeLimit: "2Mi" } },
  node: { hostPath: { path: "/srv/fields" } },
};
const names = Object.keys(contents);
const mounted = {
  ...idle,
  volumeMounts: names.map((name) => ({ name, mountPath: `/v/${name}` })),
};
const files = (folder: string) =>
  `cd /v/${folder}; for f in $(find -L . -type f | grep -v '/\\.\\.' | sort); do echo "$f $(stat -L -c %a $f) $(cat $f)"; done`;
const fields = (prefix: string, ...each: string[]) => each.map((name) => `spec.volumes[].${prefix}.${name}`);
const item = ["items[].key", "items[].path", "items[].mode"];
const downward = [
  "items[].path",
  "items[].mode",
  "items[].fieldRef.fieldPath",
  ...["containerName", "resource", "divisor"].map((each) => `items[].resourceFieldRef.${each}`),
];

const volumes: FieldCase = {
  name: "volumes",
  spec: {
    ...atOnce,
    volumes: Object.entries(contents).map(([name, source]) => ({ name, ...source })),
    containers: [mounted, other],
  } as PlainSpec,
  control: { ...atOnce, volumes: names.map((name) => ({ name })), containers: [mounted, other] },
  looks: [
    {
      fields: fields("configMap", "name", "defaultMode", ...item),
      inside: files("map"),
      sees: "./a/level 640 info\n./b 600 info",
      without: "",
    },
    {
      fields: fields("secret", "secretName", "defaultMode", ...item),
      inside: files("secret"),
      sees: "./a/word 640 canary\n./b 600 canary",
      without: "",
    },
    {
      fields: fields("downwardAPI", "defaultMode", ...downward),
      inside: files("self"),
      sees: "./cpu 600 300\n./name 640 volumes-with",
      without: "",
    },
    {
      fields: [
        ...fields("projected", "defaultMode"),
        ...fields("projected.sources[].configMap", "name", ...item),
        ...fields("projected.sources[].secret", "name", ...item),
        ...fields("projected.sources[].downwardAPI", ...downward),
      ],
      inside: files("all"),
      sees: "./cpu 600 300\n./map 600 info\n./name 640 volumes-with\n./secret 400 canary",
      without: "",
    },
    {
      fields: fields("emptyDir", "medium", "sizeLimit"),
      inside:
        "stat -f -c %T /v/fast; dd if=/dev/zero of=/v/fast/big bs=1M count=3 2>&1 | grep -o 'No space left' || echo room",
      sees: "tmpfs\nNo space left",
      without: /^(?!tmpfs).*\nroom$/,
    },
    {
      fields: fields("hostPath", "path"),
      inside: "cat /v/node/of-the-node || echo none",
      sees: "yes",
      without: "none",
    },
  ],
};

const shared = [
  { name: "scratch", emptyDir: {} },
  { name: "host", hostPath: { path: "/srv/fields/mounts" } },
];
const mounts: FieldCase = {
  name: "mounts",
  spec: {
    ...atOnce,
    volumes: [...shared, { name: "extra" }],
    ...twice({
      ...idle,
      env: [{ name: "OWN", value: "x" }],
      securityContext: { privileged: true },
      volumeMounts: [
        { name: "scratch", mountPath: "/sub", subPath: "below" },
        { name: "scratch", mountPath: "/expr", subPathExpr: "of-$(OWN)" },
        { name: "host", mountPath: "/ro", readOnly: true, recursiveReadOnly: "Enabled" },
        { name: "host", mountPath: "/later", mountPropagation: "HostToContainer" },
        { name: "scratch", mountPath: "/all" },
        { name: "extra", mountPath: "/extra" },
      ],
    }),
  },
  control: {
    ...atOnce,
    volumes: shared,
    ...twice({
      ...idle,
      env: [{ name: "OWN", value: "x" }],
      securityContext: { privileged: true },
      volumeMounts: [
        { name: "scratch", mountPath: "/sub" },
        { name: "scratch", mountPath: "/expr" },
        { name: "host", mountPath: "/ro" },
        { name: "host", mountPath: "/later" },
        { name: "scratch", mountPath: "/elsewhere" },
      ],
    }),
  },
  looks: [
    {
      fields: ["spec.volumes[].name", container("volumeMounts[].mountPath"), container("volumeMounts[].name")],
      inside: "stat -c %a /extra 2>/dev/null || echo none",
      sees: "777",
      without: "none",
    },
    {
      fields: [container("volumeMounts[].subPath")],
      inside: "touch /sub/in-sub; ls -d /all/below/in-sub /elsewhere/in-sub 2>/dev/null",
      sees: "/all/below/in-sub",
      without: "/elsewhere/in-sub",
    },
    {
      fields: [container("volumeMounts[].subPathExpr")],
      inside: "touch /expr/in-expr; ls -d /all/of-x/in-expr /elsewhere/in-expr 2>/dev/null",
      sees: "/all/of-x/in-expr",
      without: "/elsewhere/in-expr",
    },
    {
      fields: [container("volumeMounts[].readOnly")],
      inside: "touch /ro/x 2>&1 && echo written",
      sees: /Read-only/,
      without: "written",
    },
    {
      fields: [container("volumeMounts[].recursiveReadOnly")],
      inside: "touch /ro/below/x 2>&1 && echo written",
      sees: /Read-only/,
      without: "written",
    },
    {
      // The runner mounts it once the pods are there.
      fields: [container("volumeMounts[].mountPropagation")],
      inside: "cat /later/new/seen 2>/dev/null || echo none",
      sees: "seen",
      without: "none",
    },
  ],
};

/** What is missing holds a container up, unless it is optional. */
const state = 'cat "$DIR/state" 2>/dev/null || cut -f1 "$DIR/status"';
const waits = "waiting CreateContainerConfigError";
const annotations = { "pulumi.com/skipAwait": "true" };
const optional = { optional: true };
const kinds: Record<string, (more: object) => object> = {
  "env[].valueFrom.configMapKeyRef": (more) => ({
    env: [from("X", { configMapKeyRef: { name: "none", key: "x", ...more } })],
  }),
  "env[].valueFrom.secretKeyRef": (more) => ({
    env: [from("X", { secretKeyRef: { name: "none", key: "x", ...more } })],
  }),
  "envFrom[].configMapRef": (more) => ({ envFrom: [{ configMapRef: { name: "none", ...more } }] }),
  "envFrom[].secretRef": (more) => ({ envFrom: [{ secretRef: { name: "none", ...more } }] }),
};
const sources: Record<string, (more: object) => object> = {
  configMap: (more) => ({ configMap: { name: "none", ...more } }),
  secret: (more) => ({ secret: { secretName: "none", ...more } }),
  "projected.sources[].configMap": (more) => ({ projected: { sources: [{ configMap: { name: "none", ...more } }] } }),
  "projected.sources[].secret": (more) => ({ projected: { sources: [{ secret: { name: "none", ...more } }] } }),
};
const each = (more: object) =>
  Object.values(kinds).map((make, i) => ({ ...idle, name: `c${i}`, ...make(more) })) as PlainSpec["containers"];

const missing: FieldCase[] = [
  {
    name: "missing",
    metadata: { annotations },
    spec: { ...lean, containers: each(optional) },
    control: { ...lean, containers: each({}) },
    looks: Object.keys(kinds).map((kind, i) => ({
      fields: [container(`${kind}.optional`)],
      container: `c${i}`,
      outside: state,
      sees: "running",
      without: waits,
    })),
  },
  ...Object.entries(sources).map(
    ([kind, make], i): FieldCase => ({
      name: `missing-${i}`,
      metadata: { annotations },
      spec: { ...lean, volumes: [{ name: "v", ...make(optional) }], containers: [idle] },
      control: { ...lean, volumes: [{ name: "v", ...make({}) }], containers: [idle] },
      looks: [{ fields: [`spec.volumes[].${kind}.optional`], outside: state, sees: "running", without: waits }],
    }),
  ),
  {
    name: "typed",
    metadata: { annotations },
    spec: {
      ...lean,
      volumes: [{ name: "v", hostPath: { path: "/srv/fields/made", type: "DirectoryOrCreate" } }],
      containers: [{ ...idle, volumeMounts: [{ name: "v", mountPath: "/v" }] }],
    },
    control: {
      ...lean,
      volumes: [{ name: "v", hostPath: { path: "/srv/fields/not-made" } }],
      containers: [{ ...idle, volumeMounts: [{ name: "v", mountPath: "/v" }] }],
    },
    looks: [
      {
        fields: ["spec.volumes[].hostPath.type"],
        outside: `${state}; ls -d /srv/fields/*made`,
        sees: "running\n/srv/fields/made",
        without: /^(?!running).*\n\/srv\/fields\/made$/,
      },
    ],
  },
];

export const volumeCases: FieldCase[] = [environment, volumes, mounts, ...missing];
