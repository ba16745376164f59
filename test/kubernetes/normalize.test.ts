import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { InputError } from "../../provider/errors";
import type { Problem } from "../../provider/fields";
import { normalizePod, PodInputError } from "../../provider/kubernetes/normalize";

const box = { name: "box", image: "host:bash,sleep", command: ["sleep", "1"] };
/** A pod of one container with some fields changed. */
const pod = (container: object = {}, spec: object = {}, metadata: object = {}) => ({
  metadata,
  spec: { containers: [{ ...box, ...container }], ...spec },
});

/** What is wrong with a pod, as `path: reason`. */
function problemsOf(args: unknown, name = "web"): string[] {
  try {
    normalizePod(name, args);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const problems: readonly Problem[] = error instanceof PodInputError ? error.problems : [error];
    return problems.map(({ path, reason }) => `${path}: ${reason}`);
  }
}

describe("normalizePod", () => {
  it("fills in every default of the smallest pod", () => {
    expect(normalizePod("web", { on: {}, spec: { containers: [box] } })).toEqual({
      name: "web",
      namespace: "default",
      labels: {},
      annotations: {},
      hostname: "web",
      hosts: { hostname: "web", aliases: [] },
      dns: {
        policy: "ClusterFirst",
        warnWithoutClusterDNS: false,
        clusterSearches: ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
        nameservers: [],
        searches: [],
        options: [],
      },
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      shareProcessNamespace: false,
      security: { sysctls: {} },
      restartPolicy: "Always",
      serviceAccountName: "default",
      terminationGracePeriodSeconds: 30,
      skipAwait: false,
      volumes: [],
      imagePullSecrets: [],
      initContainers: [],
      containers: [
        {
          kind: "main",
          name: "box",
          terminationMessagePath: "/dev/termination-log",
          terminationMessagePolicy: "File",
          image: { kind: "host", programs: ["bash", "sleep"] },
          imagePullPolicy: "IfNotPresent",
          command: ["sleep", "1"],
          args: [],
          env: [],
          ports: [],
          resources: {},
          mounts: [],
          security: {
            runAsNonRoot: false,
            supplementalGroups: [],
            strictGroups: false,
            readOnlyRootFilesystem: false,
            addCapabilities: [],
            dropCapabilities: [],
            allowPrivilegeEscalation: true,
            privileged: false,
          },
        },
      ],
    });
  });

  it("keeps everything that a pod says", () => {
    const full = normalizePod("web", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "front",
        namespace: "shop",
        labels: { app: "web", "example.com/tier": "" },
        annotations: { "pulumi.com/skipAwait": "true", "pulumi.com/timeoutSeconds": "90", Note: "a b" },
      },
      spec: {
        hostname: "box",
        restartPolicy: "OnFailure",
        terminationGracePeriodSeconds: 0,
        shareProcessNamespace: true,
        enableServiceLinks: false,
        automountServiceAccountToken: false,
        hostPID: false,
        initContainers: [],
        securityContext: {},
        os: { name: "linux" },
        containers: [
          {
            ...box,
            image: "archive:/srv/box.tar",
            imagePullPolicy: "IfNotPresent",
            stdin: false,
            env: [{ name: "A", value: "1" }, { name: "B", value: "$(A)2" }, { name: "EMPTY" }],
            args: ["$(B)", "$$(B)", "$(NONE)"],
            workingDir: "/srv/",
            ports: [
              { name: "http", containerPort: 80 },
              { containerPort: 53, protocol: "UDP", hostPort: 0 },
            ],
            resources: { limits: { cpu: "500m", memory: "200Mi" }, requests: { cpu: 0.25 } },
            volumeMounts: [
              { name: "cache", mountPath: "cache/", readOnly: true, subPath: "" },
              { name: "data", mountPath: "/data" },
            ],
            securityContext: {
              runAsUser: 1000,
              runAsGroup: 2147483647,
              readOnlyRootFilesystem: true,
              allowPrivilegeEscalation: false,
              capabilities: { add: ["net_admin"], drop: ["ALL"] },
            },
          },
        ],
        volumes: [
          { name: "data", hostPath: { path: "/srv//data/", type: "" } },
          { name: "cache", emptyDir: { medium: "Memory" } },
          { name: "plain" },
        ],
      },
    });
    expect(full).toMatchObject({
      name: "front",
      namespace: "shop",
      labels: { app: "web", "example.com/tier": "" },
      hostname: "box",
      restartPolicy: "OnFailure",
      terminationGracePeriodSeconds: 0,
      shareProcessNamespace: true,
      skipAwait: true,
      timeoutSeconds: 90,
      volumes: [
        { name: "data", kind: "hostPath", path: "/srv/data" },
        { name: "cache", kind: "emptyDir", medium: "Memory" },
        { name: "plain", kind: "emptyDir", medium: "" },
      ],
    });
    expect(full.containers[0]).toEqual({
      kind: "main",
      terminationMessagePath: "/dev/termination-log",
      terminationMessagePolicy: "File",
      name: "box",
      image: { kind: "archive", text: "archive:/srv/box.tar" },
      imagePullPolicy: "IfNotPresent",
      command: ["sleep", "1"],
      args: ["12", "$(B)", "$(NONE)"],
      env: [
        { name: "A", value: "1" },
        { name: "B", value: "12" },
        { name: "EMPTY", value: "" },
      ],
      workingDir: "/srv",
      ports: [
        { name: "http", containerPort: 80, protocol: "TCP" },
        { containerPort: 53, protocol: "UDP" },
      ],
      resources: {
        cpuLimitMilli: 500,
        cpuRequestMilli: 250,
        memoryLimitBytes: 209715200,
        memoryRequestBytes: 209715200,
      },
      mounts: [
        { volume: "cache", mountPath: "/cache", readOnly: true },
        { volume: "data", mountPath: "/data", readOnly: false },
      ],
      security: {
        runAsUser: 1000,
        runAsGroup: 2147483647,
        runAsNonRoot: false,
        supplementalGroups: [],
        strictGroups: false,
        readOnlyRootFilesystem: true,
        addCapabilities: ["NET_ADMIN"],
        dropCapabilities: ["ALL"],
        allowPrivilegeEscalation: false,
        privileged: false,
      },
    });
  });

  it("reports all mistakes at once", () => {
    const args = pod({ name: "Box", tty: true }, { restartPolicy: "always" });
    expect(problemsOf(args)).toEqual([
      "spec.containers[0].tty: is not supported: containers have no terminal; may be left out, or be false",
      'spec.restartPolicy: must be "Always", "OnFailure" or "Never", not "always"',
      "spec.containers[0].name: must be a DNS label: a-z, 0-9 and -, beginning and ending with a letter or digit",
    ]);
    expect(() => normalizePod("web", args)).toThrow(/^3 problems:\n {2}spec\.containers\[0\]\.tty: is not/);
  });

  it("names the property of a single mistake", () => {
    expect(() => normalizePod("web", pod({ image: "Nginx" }))).toThrow(
      expect.objectContaining({ name: "InputError", path: "spec.containers[0].image" }),
    );
  });

  it("cuts the host name as a kubelet does", () => {
    const name = `${"a".repeat(62)}-b`;
    expect(normalizePod(name, pod()).hostname).toBe("a".repeat(62));
  });

  it("treats null as absent, as Kubernetes does with YAML", () => {
    expect(
      problemsOf({ metadata: null, spec: { containers: [{ ...box, livenessProbe: null }], affinity: null } }),
    ).toEqual([]);
  });

  it("asks for up to the limit, and takes a limit of 0 for none", () => {
    const resources = { limits: { cpu: "2", memory: "0" }, requests: {} };
    expect(normalizePod("web", pod({ resources })).containers[0]?.resources).toEqual({
      cpuLimitMilli: 2000,
      cpuRequestMilli: 2000,
      memoryRequestBytes: 0,
    });
  });
});

const LABEL = "must be a DNS label: a-z, 0-9 and -, beginning and ending with a letter or digit";
const PLAIN =
  "must be a plain value, not an Output or a promise: what a pod consists of must be known before anything is deployed";
const out = pulumi.output("x");

describe("what a pod must not say", () => {
  const table: [what: string, args: unknown, problem: string | RegExp][] = [
    ["nothing", {}, "spec: is required"],
    ["no object", 7, ": must be an object, not a number"],
    ["no containers", { spec: {} }, "spec.containers: is required"],
    ["an empty list of containers", { spec: { containers: [] } }, "spec.containers: must have at least one container"],
    ["another kind", { ...pod(), kind: "Deployment" }, 'kind: must be "Pod", not "Deployment"'],
    ["a status", { ...pod(), status: { phase: "Running" } }, "status: is not supported: an output, never an input"],
    ["a misspelt field", pod({}, { hostnetwork: true }), "spec.hostnetwork: no such field; did you mean hostNetwork?"],
    [
      "a misspelt field of a container",
      pod({ volumeMount: [] }),
      /volumeMount: no such field; did you mean volumeMounts\?/,
    ],
    [
      "a field with two letters swapped",
      pod({ nmae: "x" }),
      "spec.containers[0].nmae: no such field; did you mean name?",
    ],
    ["a field from nowhere", pod({ xyzzy: 1 }), "spec.containers[0].xyzzy: no such field"],
    ["a field named like a method", pod({ constructor: 1, toString: 2 }), /constructor: no such field/],
    ["an Output for spec", { spec: pulumi.output({}) }, `spec: ${PLAIN}`],
    ["an Output for a list", { spec: { containers: pulumi.output([box]) } }, `spec.containers: ${PLAIN}`],
    ["an Output for an element", { spec: { containers: [pulumi.output(box)] } }, `spec.containers[0]: ${PLAIN}`],
    ["a promise for a name", pod({ name: Promise.resolve("a") }), `spec.containers[0].name: ${PLAIN}`],
    ["an Output for an image", pod({ image: out }), `spec.containers[0].image: ${PLAIN}`],
    ["an Output for a label", pod({}, {}, { labels: { app: out } }), `metadata.labels["app"]: ${PLAIN}`],
    [
      "an Output for a quantity",
      pod({ resources: { limits: { cpu: out } } }),
      `spec.containers[0].resources.limits["cpu"]: ${PLAIN}`,
    ],
    [
      "an Output for a mount",
      pod({ volumeMounts: [{ name: out, mountPath: "/a" }] }),
      `spec.containers[0].volumeMounts[0].name: ${PLAIN}`,
    ],
    [
      "a text for a number",
      pod({ ports: [{ containerPort: "80" }] }),
      "spec.containers[0].ports[0].containerPort: must be an integer, not a string",
    ],
    [
      "a fraction",
      pod({}, { terminationGracePeriodSeconds: 1.5 }),
      "spec.terminationGracePeriodSeconds: must be an integer, not a fraction",
    ],
    ["a text for a list", pod({ command: "sleep" }), /spec\.containers\[0\]\.command: must be a list, not a string/],
    [
      "a number in env",
      pod({ env: [{ name: "A", value: 1 }] }),
      "spec.containers[0].env[0].value: must be a string, not a number",
    ],
    ["a hole", { spec: { containers: [box, undefined] } }, "spec.containers[1]: must not be empty"],
    ["a bad name", pod({}, {}, { name: "Web" }), /^metadata\.name: must be a DNS subdomain/],
    ["a long name", pod({}, {}, { name: "a".repeat(254) }), "metadata.name: must be at most 253 characters long"],
    [
      "a long namespace",
      pod({}, {}, { namespace: "a".repeat(64) }),
      "metadata.namespace: must be at most 63 characters long",
    ],
    ["a dotted namespace", pod({}, {}, { namespace: "a.b" }), `metadata.namespace: ${LABEL}`],
    ["a bad label key", pod({}, {}, { labels: { "-a": "b" } }), /^metadata\.labels\["-a"\]: must be a qualified name/],
    ["a bad label prefix", pod({}, {}, { labels: { "A_b/a": "b" } }), /the part before \/ must be a DNS subdomain$/],
    ["a long label", pod({}, {}, { labels: { a: "b".repeat(64) } }), /^metadata\.labels\["a"\]: must be empty or/],
    ["big annotations", pod({}, {}, { annotations: { a: "b".repeat(262144) } }), /at most 262144 bytes in all$/],
    [
      "an unclear skipAwait",
      pod({}, {}, { annotations: { "pulumi.com/skipAwait": "yes" } }),
      /must be "true" or "false"/,
    ],
    [
      "an Output for a timeout",
      pod({}, {}, { annotations: { "pulumi.com/timeoutSeconds": out } }),
      /and not an Output$/,
    ],
    [
      "a timeout of more than a day",
      pod({}, {}, { annotations: { "pulumi.com/timeoutSeconds": "86401" } }),
      'metadata.annotations["pulumi.com/timeoutSeconds"]: must be at most 86400',
    ],
    [
      "a condition to wait for",
      pod({}, {}, { annotations: { "pulumi.com/waitFor": "x" } }),
      /waitFor"\]: is not supported$/,
    ],
    [
      "two containers of a name",
      { spec: { containers: [box, box] } },
      "spec.containers[1].name: must be unique: spec.containers[0].name is the same",
    ],
    [
      "two volumes of a name",
      pod({}, { volumes: [{ name: "a" }, { name: "a" }] }),
      /^spec\.volumes\[1\]\.name: must be unique/,
    ],
    [
      "two ports of a name",
      pod({
        ports: [
          { name: "a", containerPort: 1 },
          { name: "a", containerPort: 2 },
        ],
      }),
      /ports\[1\]\.name: must be unique/,
    ],
    [
      "two mounts at one path",
      pod(
        {
          volumeMounts: [
            { name: "a", mountPath: "/a" },
            { name: "a", mountPath: "/a/" },
          ],
        },
        { volumes: [{ name: "a" }] },
      ),
      /volumeMounts\[1\]\.mountPath: must be unique/,
    ],
    [
      "a mount of nothing",
      pod({ volumeMounts: [{ name: "a", mountPath: "/a" }] }),
      "spec.containers[0].volumeMounts[0].name: must be the name of a volume in spec.volumes",
    ],
    [
      "a mount over the root",
      pod({ volumeMounts: [{ name: "a", mountPath: "/x/.." }] }, { volumes: [{ name: "a" }] }),
      /must not be the root directory$/,
    ],
    [
      "a mount path with a colon",
      pod({ volumeMounts: [{ name: "a", mountPath: "/a:b" }] }, { volumes: [{ name: "a" }] }),
      /must not contain ":"$/,
    ],
    ["port 0", pod({ ports: [{ containerPort: 0 }] }), /must be between 1 and 65535$/],
    ["port 65536", pod({ ports: [{ containerPort: 65536 }] }), /must be between 1 and 65535$/],
    [
      "a port name of digits",
      pod({ ports: [{ name: "80", containerPort: 80 }] }),
      /ports\[0\]\.name: must be a port name/,
    ],
    [
      "an unknown protocol",
      pod({ ports: [{ containerPort: 80, protocol: "tcp" }] }),
      /must be "TCP", "UDP" or "SCTP", not "tcp"$/,
    ],
    ["a variable with =", pod({ env: [{ name: "A=B" }] }), /env\[0\]\.name: must be printable ASCII/],
    [
      "a reference to no Secret",
      pod({ env: [{ name: "A", valueFrom: { secretKeyRef: { key: "a" } } }] }),
      /env\[0\]\.valueFrom\.secretKeyRef\.name: is required$/,
    ],
    ["a NUL byte", pod({ args: ["a\0b"] }), "spec.containers[0].args[0]: must not contain a NUL byte"],
    [
      "a negative grace",
      pod({}, { terminationGracePeriodSeconds: -1 }),
      "spec.terminationGracePeriodSeconds: must be 0 or more",
    ],
    [
      "a grace of more than a day",
      pod({}, { terminationGracePeriodSeconds: 86_401 }),
      "spec.terminationGracePeriodSeconds: must be at most 86400, a day",
    ],
    ["a relative directory", pod({ workingDir: "srv" }), /workingDir: must be an absolute path/],
    [
      "a user out of range",
      pod({ securityContext: { runAsUser: 2 ** 31 } }),
      /runAsUser: must be between 0 and 2147483647$/,
    ],
    ["a negative group", pod({ securityContext: { runAsGroup: -1 } }), /runAsGroup: must be between/],
    [
      "a capability with CAP_",
      pod({ securityContext: { capabilities: { add: ["CAP_SYS_ADMIN"] } } }),
      /add\[0\]: must be without CAP_: SYS_ADMIN$/,
    ],
    [
      "an unknown capability",
      pod({ securityContext: { capabilities: { drop: ["FLY"] } } }),
      /drop\[0\]: must be the name of a Linux capability, or ALL$/,
    ],
    [
      "privileged without escalation",
      pod({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
      /must not be false when privileged is true$/,
    ],
    [
      "a request above the limit",
      pod({ resources: { limits: { cpu: "1" }, requests: { cpu: "1001m" } } }),
      /requests\.cpu: must be at most the limit, spec\.containers\[0\]\.resources\.limits\.cpu$/,
    ],
    ["no quantity", pod({ resources: { limits: { memory: "200MB" } } }), /limits\.memory: must be a quantity/],
    [
      "a negative quantity",
      pod({ resources: { requests: { memory: "-1" } } }),
      /requests\.memory: must not be negative$/,
    ],
    [
      "another resource",
      pod({ resources: { limits: { "nvidia.com/gpu": "1" } } }),
      /limits\["nvidia\.com\/gpu"\]: is not supported: only cpu and memory are$/,
    ],
    [
      "no reference of a registry's image",
      pod({ image: "docker.io/library/Nginx:1.27" }),
      'spec.containers[0].image: must be an image reference, such as docker.io/library/nginx:1.27: "Nginx" must be in lower case',
    ],
    ["an image layout", pod({ image: "oci:./nginx" }), /image: must name an absolute path after oci:/],
    ["an archive", pod({ image: "archive:nginx.tar" }), /image: must name an absolute path after archive:/],
    ["a space in programs", pod({ image: "host:bash, ls" }), /image: must list programs after host:/],
    [
      "programs without a command",
      { spec: { containers: [{ name: "a", image: "host:sh" }] } },
      /command: is required: programs of the node have no entry point/,
    ],
    ["no image", { spec: { containers: [{ name: "a" }] } }, "spec.containers[0].image: is required"],
    [
      "a pull policy",
      pod({ imagePullPolicy: "Sometimes" }),
      /imagePullPolicy: must be .*"IfNotPresent".*, not "Sometimes"$/,
    ],
    [
      "two sources",
      pod({}, { volumes: [{ name: "a", emptyDir: {}, hostPath: { path: "/a" } }] }),
      "spec.volumes[0]: must have one source, not both hostPath and emptyDir",
    ],
    [
      "a ConfigMap without a name",
      pod({}, { volumes: [{ name: "a", configMap: {} }] }),
      /^spec\.volumes\[0\]\.configMap\.name: is required$/,
    ],
    [
      "a relative hostPath",
      pod({}, { volumes: [{ name: "a", hostPath: { path: "a" } }] }),
      /hostPath\.path: must be an absolute path of the node$/,
    ],
    [
      "a hostPath with ..",
      pod({}, { volumes: [{ name: "a", hostPath: { path: "/a/../b" } }] }),
      /must not contain "\.\."$/,
    ],
    [
      "huge pages",
      pod({}, { volumes: [{ name: "a", emptyDir: { medium: "HugePages" } }] }),
      /medium: must be "" or "Memory", not "HugePages"$/,
    ],
    [
      "a host name on the node's network",
      pod({}, { hostNetwork: true, hostname: "a" }),
      /^spec\.hostname: a pod with hostNetwork keeps/,
    ],
    [
      "user namespaces",
      pod({}, { hostUsers: false }),
      /^spec\.hostUsers: is not supported: .*; may be left out, or be true$/,
    ],
    [
      "a node selector",
      pod({}, { nodeSelector: { a: "b" } }),
      /^spec\.nodeSelector\["a"\]: is not supported: `on` names the node/,
    ],
  ];
  it.each(table)("%s", (_, args, problem) => {
    const problems = problemsOf(args);
    if (typeof problem === "string") expect(problems).toContain(problem);
    else expect(problems.filter((text) => problem.test(text))).toHaveLength(1);
  });

  it("a resource name that no pod can have", () => {
    expect(problemsOf(pod(), "My Pod")).toEqual([
      expect.stringMatching(/^metadata\.name: must be given, because the resource's name "My Pod" cannot be the pod's/),
    ]);
    expect(problemsOf(pod({}, {}, { name: "web" }), "My Pod")).toEqual([]);
  });
});

describe("values that come later", () => {
  const value = (input: unknown) => new Promise((resolve) => pulumi.output(input as string).apply(resolve));

  it("go through, in env, command, args, annotations and hostPath", async () => {
    const path = pulumi.output("/srv");
    const note = pulumi.output("n");
    const normalized = normalizePod("web", {
      metadata: { annotations: { note } },
      spec: {
        containers: [{ ...box, args: [pulumi.output("$(A)")], env: [{ name: "A", value: Promise.resolve("1") }] }],
        volumes: [{ name: "a", hostPath: { path } }],
      },
    });
    expect(normalized.annotations["note"]).toBe(note);
    expect(normalized.volumes).toEqual([{ name: "a", kind: "hostPath", path }]);
    expect(await value(normalized.containers[0]?.args[0])).toBe("1");
    expect(await value(normalized.containers[0]?.env[0]?.value)).toBe("1");
  });

  it("stay secret where they are used, and nowhere else", async () => {
    const [container] = normalizePod(
      "web",
      pod({
        env: [
          { name: "PASSWORD", value: pulumi.secret("s3cret") },
          { name: "USER", value: "me" },
        ],
        args: ["--user=$(USER)", "--login=$(USER):$(PASSWORD)"],
      }),
    ).containers;
    expect(container?.args[0]).toBe("--user=me");
    expect(await pulumi.isSecret(container?.args[1] as pulumi.Output<string>)).toBe(true);
    expect(await value(container?.args[1])).toBe("--login=me:s3cret");
    expect(container?.env[1]).toEqual({ name: "USER", value: "me" });
  });

  it("never show in a message", () => {
    const secret = "hunter2-canary";
    const everywhere = [
      pod({ env: [{ name: "A", value: { secret } }], args: [{ secret }], command: secret, workingDir: secret }),
      pod({ resources: { limits: { memory: secret, cpu: [secret] } }, tty: secret, livenessProbe: secret }),
      pod({ image: `registry.example/${secret} x`, ports: [{ containerPort: secret }] }, { volumes: secret }),
      pod({}, { hostname: `-${secret}`, hostPID: secret, volumes: [{ name: "a", hostPath: { path: secret } }] }),
      pod({}, {}, { annotations: { "pulumi.com/skipAwait": secret, a: [secret] }, name: `-${secret}` }),
      pod({ env: [{ name: `=${secret}` }], securityContext: { capabilities: { add: [secret] } } }),
    ];
    for (const args of everywhere) {
      expect(problemsOf(args).length).toBeGreaterThan(0);
      expect(problemsOf(args).join("\n")).not.toContain(secret);
    }
  });
});
