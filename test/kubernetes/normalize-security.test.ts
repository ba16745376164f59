import { describe, expect, it } from "vitest";
import { InputError } from "../../provider/errors";
import type { Problem } from "../../provider/fields";
import { normalizePod, PodInputError } from "../../provider/kubernetes/normalize";

const box = { name: "box", image: "archive:/a.tar" };
const pod = (securityContext: object, container: object = {}, spec: object = {}) => ({
  spec: { securityContext, containers: [{ ...box, ...container }], ...spec },
});
const init = (resources: object) => ({ ...box, name: "init", resources });
const securityOf = (args: object) => normalizePod("web", args).containers[0]?.security;

function problemsOf(args: unknown): string[] {
  try {
    normalizePod("web", args);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const problems: readonly Problem[] = error instanceof PodInputError ? error.problems : [error];
    return problems.map(({ path, reason }) => `${path}: ${reason}`);
  }
}

describe("a pod's securityContext", () => {
  const whole = {
    runAsUser: 1000,
    runAsGroup: 2000,
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
    supplementalGroups: [3000, 4000],
    fsGroup: 4000,
    supplementalGroupsPolicy: "Strict",
  };

  it("counts for containers that say nothing", () => {
    expect(securityOf(pod(whole))).toMatchObject({
      runAsUser: 1000,
      runAsGroup: 2000,
      runAsNonRoot: true,
      seccomp: { type: "RuntimeDefault" },
      supplementalGroups: [3000, 4000],
      strictGroups: true,
    });
    expect(normalizePod("web", pod(whole)).security).toEqual({ fsGroup: 4000, sysctls: {} });
  });

  it("gives way to a container's own", () => {
    const own = { runAsUser: 5, runAsGroup: 6, runAsNonRoot: false, seccompProfile: { type: "Unconfined" } };
    const security = securityOf(pod(whole, { securityContext: own }));
    expect(security).toMatchObject({ runAsUser: 5, runAsGroup: 6, runAsNonRoot: false });
    expect(security?.seccomp).toBeUndefined();
  });

  it("confines no privileged container", () => {
    expect(securityOf(pod(whole, { securityContext: { privileged: true } }))?.seccomp).toBeUndefined();
  });

  it("has settings of the kernel, with dots", () => {
    const sysctls = [
      { name: "net/ipv4/tcp_syncookies", value: "1" },
      { name: "kernel.sem", value: "1 2 3 4" },
    ];
    expect(normalizePod("web", pod({ sysctls })).security.sysctls).toEqual({
      "net.ipv4.tcp_syncookies": "1",
      "kernel.sem": "1 2 3 4",
    });
  });
});

const seccomp = (profile: object) => ({ securityContext: { seccompProfile: profile } });
const at = "spec.containers[0].securityContext";

it.each<[string, object, string]>([
  [
    "user 0 as no root",
    pod({ runAsNonRoot: true, runAsUser: 0 }),
    "spec.securityContext.runAsUser: must not be 0 when",
  ],
  [
    "a container's user 0 as no root",
    pod({ runAsNonRoot: true }, { securityContext: { runAsUser: 0 } }),
    `${at}.runAsUser: must not be 0 when`,
  ],
  [
    "programs of the node as no root",
    pod({ runAsNonRoot: true }, { image: "host:id", command: ["id"] }),
    `${at}.runAsUser: is required`,
  ],
  ["an fsGroup below 0", pod({ fsGroup: -1 }), "spec.securityContext.fsGroup: must be between"],
  [
    "a group too high",
    pod({ supplementalGroups: [1, 2 ** 31] }),
    "spec.securityContext.supplementalGroups[1]: must be",
  ],
  [
    "an unknown policy",
    pod({ supplementalGroupsPolicy: "Some" }),
    "spec.securityContext.supplementalGroupsPolicy: must be",
  ],
  ["an unknown profile", pod({}, seccomp({ type: "Default" })), `${at}.seccompProfile.type: must be`],
  ["a profile without type", pod({}, seccomp({})), `${at}.seccompProfile.type: is required`],
  [
    "Localhost without a profile",
    pod({}, seccomp({ type: "Localhost" })),
    `${at}.seccompProfile.localhostProfile: is required`,
  ],
  [
    "a profile without Localhost",
    pod({}, seccomp({ type: "RuntimeDefault", localhostProfile: "a" })),
    `${at}.seccompProfile.localhostProfile: belongs to`,
  ],
  [
    "an absolute profile",
    pod({}, seccomp({ type: "Localhost", localhostProfile: "/a" })),
    `${at}.seccompProfile.localhostProfile: must be`,
  ],
  [
    "a profile elsewhere",
    pod({}, seccomp({ type: "Localhost", localhostProfile: "a/../../b" })),
    `${at}.seccompProfile.localhostProfile: must not`,
  ],
  [
    "a filter for a privileged container",
    pod({}, { securityContext: { privileged: true, seccompProfile: { type: "RuntimeDefault" } } }),
    `${at}.seccompProfile.type: must be Unconfined`,
  ],
  ["SELinux", pod({ seLinuxOptions: { level: "s0" } }), "spec.securityContext.seLinuxOptions: is not supported"],
  ["an unmasked /proc", pod({}, { securityContext: { procMount: "Unmasked" } }), `${at}.procMount: is not supported`],
  [
    "a setting of the node",
    pod({ sysctls: [{ name: "vm.swappiness", value: "1" }] }),
    "spec.securityContext.sysctls[0].name: would change",
  ],
  [
    "a setting twice",
    pod({ sysctls: ["net.core.somaxconn", "net/core/somaxconn"].map((name) => ({ name, value: "1" })) }),
    "spec.securityContext.sysctls[1].name: must be unique",
  ],
  [
    "a setting of the node's network",
    pod({ sysctls: [{ name: "net.core.somaxconn", value: "1" }] }, {}, { hostNetwork: true }),
    "spec.securityContext.sysctls[0].name: must not be given with hostNetwork",
  ],
  [
    "a setting of the node's IPC",
    pod({ sysctls: [{ name: "kernel.shmmax", value: "1" }] }, {}, { hostIPC: true }),
    "spec.securityContext.sysctls[0].name: must not be given with hostIPC",
  ],
  [
    "processes shared twice",
    pod({}, {}, { hostPID: true, shareProcessNamespace: true }),
    "spec.shareProcessNamespace: must not be true with hostPID",
  ],
  [
    "a restart for resources",
    pod({}, { resizePolicy: [{ resourceName: "cpu", restartPolicy: "RestartContainer" }] }),
    "spec.containers[0].resizePolicy[0].restartPolicy: is not",
  ],
  [
    "huge pages",
    pod({}, { resources: { limits: { "hugepages-2Mi": "4Mi" } } }),
    'spec.containers[0].resources.limits["hugepages-2Mi"]: is not supported',
  ],
  [
    "huge pages that are asked for",
    pod({}, { resources: { requests: { "hugepages-1Gi": "1Gi" } } }),
    'spec.containers[0].resources.requests["hugepages-1Gi"]: is not supported',
  ],
  [
    "devices for a whole pod",
    pod({}, {}, { resources: { limits: { "nvidia.com/gpu": "1" } } }),
    'spec.resources.limits["nvidia.com/gpu"]: is not supported: only cpu and memory are',
  ],
  [
    "storage for a whole pod",
    pod({}, {}, { resources: { requests: { "ephemeral-storage": "1Gi" } } }),
    'spec.resources.requests["ephemeral-storage"]: is not supported: only cpu and memory are',
  ],
  [
    "a limit of storage",
    pod({}, { resources: { limits: { "ephemeral-storage": "1Gi" } } }),
    'spec.containers[0].resources.limits["ephemeral-storage"]: is not',
  ],
  [
    "storage that is no quantity",
    pod({}, { resources: { requests: { "ephemeral-storage": "much" } } }),
    'spec.containers[0].resources.requests["ephemeral-storage"]: ',
  ],
  [
    "a pod that asks for less than its containers",
    pod({}, { resources: { requests: { cpu: "2" } } }, { resources: { requests: { cpu: "1" } } }),
    "spec.resources.requests.cpu: must be at least",
  ],
  [
    "a container that may use more than its pod",
    pod(
      {},
      { resources: { limits: { memory: "2Gi" }, requests: { memory: "1Mi" } } },
      { resources: { limits: { memory: "1Gi" } } },
    ),
    "spec.containers[0].resources.limits.memory: must be at most the pod's",
  ],
  [
    "a pod that asks for less than an init container",
    pod({}, {}, { resources: { requests: { cpu: "1" } }, initContainers: [init({ requests: { cpu: "2" } })] }),
    "spec.resources.requests.cpu: must be at least",
  ],
  [
    "an init container that may use more than its pod",
    pod(
      {},
      {},
      {
        resources: { limits: { memory: "1Gi" } },
        initContainers: [init({ limits: { memory: "2Gi" }, requests: { memory: "1Mi" } })],
      },
    ),
    "spec.initContainers[0].resources.limits.memory: must be at most the pod's",
  ],
])("refuses %s", (_name, args, problem) => {
  const problems = problemsOf(args);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});

it.each<[string, object]>([
  ["the usual /proc", pod({}, { securityContext: { procMount: "Default" } })],
  ["no restart for resources", pod({}, { resizePolicy: [{ resourceName: "cpu", restartPolicy: "NotRequired" }] })],
  ["a request of storage", pod({}, { resources: { requests: { "ephemeral-storage": "1Gi" } } })],
  ["a node for Linux", pod({}, {}, { nodeSelector: { "kubernetes.io/os": "linux" } })],
  [
    "any toleration",
    pod({}, {}, { tolerations: [{ key: "a", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }] }),
  ],
  ["the node's processes and IPC", pod({}, {}, { hostPID: true, hostIPC: true, hostNetwork: true })],
])("takes %s", (_name, args) => {
  expect(problemsOf(args)).toEqual([]);
});

it("fills in what a pod asks for", () => {
  const asked = (resources: object, spec: object) =>
    normalizePod("web", pod({}, { resources }, { resources: spec })).resources;
  expect(asked({}, {})).toBeUndefined();
  expect(asked({}, { limits: { cpu: "1" } })).toEqual({ cpuLimitMilli: 1000, cpuRequestMilli: 1000 });
  expect(asked({ requests: { cpu: "250m" } }, { limits: { cpu: "1" } })).toEqual({
    cpuLimitMilli: 1000,
    cpuRequestMilli: 250,
  });
  expect(asked({ requests: { memory: "1Ki" } }, { limits: { cpu: "1" } })).toEqual({
    cpuLimitMilli: 1000,
    cpuRequestMilli: 1000,
    memoryRequestBytes: 1024,
  });
});

it("counts an init container beside the sidecars before it, and not beside the containers", () => {
  const asks = (cpu: string) => ({ requests: { cpu } });
  const sidecar = { ...init(asks("1")), name: "sidecar", restartPolicy: "Always" };
  const asked = (mains: string, ...initContainers: object[]) =>
    normalizePod("web", pod({}, { resources: asks(mains) }, { resources: { limits: { cpu: "9" } }, initContainers }))
      .resources?.cpuRequestMilli;
  expect(asked("2", init(asks("3")))).toBe(3000);
  expect(asked("2", sidecar, init(asks("1")))).toBe(3000);
  expect(asked("2", sidecar, init(asks("3")))).toBe(4000);
  expect(asked("2", init(asks("3")), sidecar)).toBe(3000);
});

it("holds for init containers and sidecars as for the others", () => {
  const security = { runAsUser: 1000, runAsNonRoot: true, fsGroup: 5, seccompProfile: { type: "RuntimeDefault" } };
  const initContainers = [
    { ...box, name: "init" },
    { ...box, name: "sidecar", restartPolicy: "Always", securityContext: { runAsUser: 7 } },
  ];
  const normalized = normalizePod("web", pod(security, {}, { initContainers }));
  const [main] = normalized.containers;
  expect(normalized.initContainers.map((each) => each.security)).toEqual([
    main?.security,
    { ...main?.security, runAsUser: 7 },
  ]);
  expect(main?.security).toMatchObject({ runAsUser: 1000, seccomp: { type: "RuntimeDefault" } });
});
