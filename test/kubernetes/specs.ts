/**
 * Pods that keep Kubernetes' rules, made at random of all fields that support.ts calls supported, in the official types. What
 * they refer to is there, their containers run, and what would need a registry, a ConfigMap or another machine is left out of
 * those that are made on a node.
 */
import type { types } from "@pulumi/kubernetes";
import fc from "fast-check";

type PodSpec = types.input.core.v1.PodSpec;
type Container = types.input.core.v1.Container;
type Probe = types.input.core.v1.Probe;

/** A record of which each key may be missing. */
const some = <T>(of: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(of, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
const label = fc.stringMatching(/^[a-z]([-a-z0-9]{0,12}[a-z0-9])?$/);
const text = fc.string({ unit: "grapheme", maxLength: 20 }).map((each) => each.replaceAll("\0", ""));
/** No more than a process can have on a node that others use, too. */
const id = fc.integer({ min: 0, max: 65_535 });
const seconds = (max = 3600) => fc.integer({ min: 0, max });
const one = <T>(...values: T[]) => fc.constantFrom(...values);
const list = <T>(of: fc.Arbitrary<T>, maxLength = 3) => fc.array(of, { maxLength });
const oneKey = <T extends object>(of: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.oneof(
    ...Object.entries(of).map(([key, each]) => (each as fc.Arbitrary<unknown>).map((value) => ({ [key]: value }))),
  ) as fc.Arbitrary<Partial<T>>;

const quantity = { cpu: one("10m", "0.1", "250m", "1"), memory: one("8Mi", "16M", "33554432", "0.5Gi") };
/** Requests no higher than their limits. */
const resources = fc
  .tuple(some(quantity), some({ cpu: one("1m", "5m"), memory: one("1Mi", "4Mi") }))
  .map(([limits, requests]) => ({ limits, requests }));

const container = (volumes: readonly string[]) => {
  const env = fc.uniqueArray(
    fc.oneof(
      fc.record({
        name: fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,6}$/),
        value: fc.oneof(text, one("$(A)", "$$(A)", "$(", "$(A)$(B)")),
      }),
      fc.record({
        name: fc.stringMatching(/^F[A-Z0-9_]{0,6}$/),
        valueFrom: oneKey({
          fieldRef: fc.record({
            fieldPath: one("metadata.name", "metadata.uid", "status.podIP", "spec.nodeName", "metadata.labels['a']"),
          }),
          resourceFieldRef: fc.record({ resource: one("limits.cpu", "requests.memory"), divisor: one("0", "1") }),
          configMapKeyRef: fc.record({ name: label, key: label, optional: fc.constant(true) }),
          secretKeyRef: fc.record({ name: label, key: label, optional: fc.constant(true) }),
        }),
      }),
    ),
    { maxLength: 4, selector: ({ name }) => name },
  );
  const mounts = fc.uniqueArray(
    fc.record(
      {
        name: fc.constantFrom(...(volumes.length === 0 ? ["none"] : volumes)),
        mountPath: label.map((name) => `/mnt/${name}`),
        readOnly: fc.boolean(),
        subPath: one("", "a/b"),
        mountPropagation: one("None", "HostToContainer"),
      },
      { requiredKeys: ["name", "mountPath"] },
    ),
    { maxLength: 3, selector: ({ mountPath }) => mountPath },
  );
  const ports = fc.uniqueArray(
    fc.record(
      {
        containerPort: fc.integer({ min: 1, max: 65_535 }),
        name: fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/),
        protocol: one("TCP", "UDP", "SCTP"),
      },
      { requiredKeys: ["containerPort", "name"] },
    ),
    { maxLength: 3, selector: ({ name }) => name },
  );
  return some<Omit<Container, "name">>({
    args: list(fc.oneof(text, one("$(A)", "$$", "*", "-n", "'"))),
    env,
    envFrom: list(
      fc.record({ prefix: one("", "P_"), configMapRef: fc.record({ name: label, optional: fc.constant(true) }) }),
      1,
    ),
    workingDir: one("/", "/tmp", "/usr/../tmp"),
    ports,
    resources,
    volumeMounts: volumes.length === 0 ? fc.constant([]) : mounts,
    terminationMessagePath: one("/dev/termination-log", "/tmp/last"),
    terminationMessagePolicy: one("File", "FallbackToLogsOnError"),
    imagePullPolicy: one("Always", "IfNotPresent", "Never"),
    resizePolicy: fc.constant([{ resourceName: "cpu", restartPolicy: "NotRequired" }]),
    securityContext: some({
      runAsUser: id,
      runAsGroup: id,
      readOnlyRootFilesystem: fc.boolean(),
      allowPrivilegeEscalation: fc.boolean(),
      capabilities: some({ add: list(one("NET_ADMIN", "SYS_TIME", "ALL")), drop: list(one("ALL", "CHOWN", "KILL")) }),
      seccompProfile: fc.record({ type: one("RuntimeDefault", "Unconfined") }),
    }),
  });
};

const succeeds = fc.constant<{ command: string[] }>({ command: ["busybox", "true"] });
/** Succeeds at once. */
const probe = some({
  initialDelaySeconds: seconds(1),
  periodSeconds: fc.integer({ min: 1, max: 3600 }),
  timeoutSeconds: fc.integer({ min: 30, max: 3600 }),
  failureThreshold: fc.integer({ min: 10, max: 1000 }),
}).map((numbers): Probe => ({ ...numbers, exec: { command: ["busybox", "true"] } }));
const lived = some({
  startupProbe: probe,
  readinessProbe: probe,
  livenessProbe: probe,
  lifecycle: some({
    postStart: oneKey({ exec: succeeds, sleep: fc.constant({ seconds: 0 }) }),
    preStop: oneKey({ exec: succeeds, sleep: fc.constant({ seconds: 0 }) }),
  }),
});

const volume = oneKey<Omit<types.input.core.v1.Volume, "name">>({
  emptyDir: fc.oneof(fc.constant({}), fc.record({ medium: fc.constant("Memory"), sizeLimit: one("0", "1Mi", "1e6") })),
  hostPath: fc.record({ path: one("/srv", "/srv/./fields//"), type: one("", "Directory", "DirectoryOrCreate") }),
  downwardAPI: fc.record({
    defaultMode: fc.integer({ min: 0o400, max: 0o777 }),
    items: fc.uniqueArray(
      fc.record({
        path: label,
        fieldRef: fc.record({ fieldPath: one("metadata.name", "metadata.labels", "metadata.uid") }),
      }),
      { maxLength: 3, selector: ({ path }) => path },
    ),
  }),
  configMap: fc.record({ name: label, optional: fc.constant(true), defaultMode: fc.constant(0o644) }),
  secret: fc.record({ secretName: label, optional: fc.constant(true) }),
  projected: fc.record({
    sources: list(
      oneKey({
        configMap: fc.record({ name: label, optional: fc.constant(true) }),
        secret: fc.record({ name: label, optional: fc.constant(true) }),
      }),
      2,
    ),
  }),
});

/** What pods on the node's own network must not have. */
const named = some({
  hostname: label,
  subdomain: label,
  setHostnameAsFQDN: fc.constant(false),
});
const rest = some<Omit<PodSpec, "containers">>({
  activeDeadlineSeconds: fc.integer({ min: 86_400, max: 2 ** 31 - 1 }),
  dnsPolicy: one("ClusterFirst", "Default", "ClusterFirstWithHostNet"),
  dnsConfig: some({
    nameservers: list(one("192.0.2.1", "2001:db8::1")),
    searches: list(one("example.com", "_tcp.example.", ".")),
    options: list(fc.record({ name: one("ndots", "rotate"), value: one("1", "2") }), 2),
  }),
  enableServiceLinks: fc.boolean(),
  hostAliases: list(fc.record({ ip: one("192.0.2.7", "2001:db8::7"), hostnames: list(label) })),
  hostIPC: fc.boolean(),
  nodeSelector: fc.constant({ "kubernetes.io/os": "linux" }),
  os: fc.constant({ name: "linux" }),
  restartPolicy: one("Always", "OnFailure"),
  securityContext: some({
    runAsUser: id,
    runAsGroup: id,
    fsGroup: id,
    fsGroupChangePolicy: one("OnRootMismatch", "Always"),
    supplementalGroups: list(id),
    supplementalGroupsPolicy: one("Merge", "Strict"),
    seccompProfile: fc.record({ type: one("RuntimeDefault", "Unconfined") }),
  }),
  tolerations: list(fc.record({ key: label, operator: one("Exists", "Equal") }), 1),
});

/** Of each pod: its specification, every container of which runs until it is asked to end. */
export const podSpec: fc.Arbitrary<PodSpec> = fc
  .tuple(fc.uniqueArray(label, { maxLength: 3 }), fc.boolean(), one("none", "hostPID", "shareProcessNamespace"))
  .chain(([names, hostNetwork, processes]) =>
    fc
      .record({
        sources: fc.tuple(...names.map(() => volume)),
        names: hostNetwork ? fc.constant({}) : named,
        rest,
        sysctls: list(one({ name: "net.ipv4.tcp_syncookies", value: "1" }), hostNetwork ? 0 : 1),
        containers: fc.uniqueArray(fc.tuple(label, container(names), lived, one("main", "side", "init")), {
          minLength: 1,
          maxLength: 3,
          selector: ([name]) => name,
        }),
      })
      .map(({ sources, names: called, rest: { securityContext, ...more }, sysctls, containers }): PodSpec => {
        const made = containers.map(([name, fields, life, kind], i) => {
          const command = (line: string) => ["busybox", "sh", "-c", line, "-"];
          const common = { ...fields, name, image: "host:busybox" };
          const runs = { ...common, ...life, command: command("trap 'exit 0' TERM; while :; do sleep 0.1; done") };
          if (i === 0 || kind === "main") return { list: "containers" as const, container: runs };
          const init =
            kind === "side" ? { ...runs, restartPolicy: "Always" } : { ...common, command: command("exit 0") };
          return { list: "initContainers" as const, container: init };
        });
        const of = (which: string) => made.flatMap((each) => (each.list === which ? [each.container] : []));
        return {
          ...more,
          ...called,
          ...(processes !== "none" && { [processes]: true }),
          hostNetwork,
          securityContext: { ...(securityContext as object), sysctls },
          terminationGracePeriodSeconds: 30,
          volumes: names.map((name, i) => ({ name, ...sources[i] })),
          initContainers: of("initContainers"),
          containers: of("containers"),
        };
      }),
  );
