/** What runs, as whom, and with how much. */
import { atOnce, type FieldCase, idle, type Look, twice } from "./case";

const status = (key: string) => `sed -n 's/^${key}:[[:space:]]*//p' /proc/1/status | tr -s '\\t' ' '`;
const limit = (v1: string, v2: string, above = "") =>
  `cat "/sys/fs/cgroup/\${V1:=${v1.split("/")[0]}}/$GROUP${above}/${v1.split("/")[1]}" 2>/dev/null || cat "/sys/fs/cgroup/$GROUP${above}/${v2}"`;
const container = (name: string) => `spec.containers[].${name}`;
const security = (name: string) => container(`securityContext.${name}`);

const containerLooks: Look[] = [
  {
    fields: [container("image")],
    inside: "[ -x /usr/bin/seq ] && echo there || echo none",
    sees: "there",
    without: "none",
  },
  {
    fields: [container("command[]"), container("args[]")],
    inside: "tr '\\0' '|' < /proc/1/cmdline",
    sees: "busybox|sh|-c|while :; do sleep 1000; done|zero|an x argument|",
    without: "busybox|sleep|100000|",
  },
  {
    fields: [container("env[].name"), container("env[].value")],
    inside: "tr '\\0' '\\n' < /proc/1/environ | grep ^OWN= || echo none",
    sees: "OWN=x",
    without: "none",
  },
  { fields: [container("workingDir")], inside: "readlink /proc/1/cwd", sees: "/tmp", without: "/" },
  {
    fields: [container("terminationMessagePath")],
    inside: "[ -e /tmp/words ] && echo there || echo none",
    sees: "there",
    without: "none",
  },
  { fields: [security("runAsUser")], inside: status("Uid"), sees: "1000 1000 1000 1000", without: "0 0 0 0" },
  { fields: [security("runAsGroup")], inside: status("Gid"), sees: "2000 2000 2000 2000", without: "0 0 0 0" },
  { fields: [security("allowPrivilegeEscalation")], inside: status("NoNewPrivs"), sees: "1", without: "0" },
  {
    fields: [security("capabilities.add[]"), security("capabilities.drop[]")],
    inside: status("CapBnd"),
    sees: "00000000a00435fa",
    without: "00000000a00425fb",
  },
  {
    fields: [security("readOnlyRootFilesystem")],
    inside: "touch /x 2>&1 && echo written",
    sees: /Read-only/,
    without: "written",
  },
  { fields: [security("seccompProfile.type")], inside: status("Seccomp"), sees: "2", without: "0" },
  {
    fields: [container("resources.limits")],
    outside: limit("memory/memory.limit_in_bytes", "memory.max"),
    sees: String(96 * 1024 * 1024),
    without: /^(max|9223372036854771712)$/,
  },
  {
    fields: [container("resources.limits")],
    outside: limit("cpu/cpu.cfs_quota_us", "cpu.max"),
    sees: /^25000\b/,
    without: /^(-1$|max )/,
  },
  {
    fields: [container("resources.requests")],
    outside: limit("cpu/cpu.shares", "cpu.weight"),
    sees: /^(102|4)$/,
    without: /^[12]$/,
  },
  {
    fields: [container("resources.requests")],
    inside: "cat /proc/1/oom_score_adj",
    sees: /^\d{1,3}$/,
    without: "1000",
  },
];

const pod = (name: string) => `spec.${name}`;

export const processCases: FieldCase[] = [
  {
    name: "process",
    spec: {
      ...atOnce,
      ...twice({
        name: "main",
        image: "host:busybox,seq",
        command: ["busybox", "sh", "-c", "while :; do sleep 1000; done", "zero"],
        args: ["an $(OWN) argument"],
        env: [{ name: "OWN", value: "x" }],
        workingDir: "/tmp",
        terminationMessagePath: "/tmp/words",
        resources: { limits: { cpu: "250m", memory: "96Mi" }, requests: { cpu: "100m", memory: "64Mi" } },
        securityContext: {
          runAsUser: 1000,
          runAsGroup: 2000,
          allowPrivilegeEscalation: false,
          capabilities: { add: ["NET_ADMIN"], drop: ["CHOWN"] },
          readOnlyRootFilesystem: true,
          seccompProfile: { type: "RuntimeDefault" },
        },
      }),
    },
    control: { ...atOnce, ...twice(idle) },
    looks: containerLooks,
  },
  {
    name: "privileged",
    spec: { ...atOnce, ...twice({ ...idle, securityContext: { privileged: true } }) },
    control: { ...atOnce, ...twice(idle) },
    looks: [
      {
        fields: [security("privileged")],
        inside: "grep -c ' /proc/sys ' /proc/1/mountinfo",
        sees: "0",
        without: "1",
      },
      {
        fields: [security("privileged")],
        inside: status("CapEff"),
        sees: /^0+[13]f{3,}[0-9a-f]+$/,
        without: "00000000a00425fb",
      },
    ],
  },
  {
    name: "users",
    spec: {
      ...atOnce,
      securityContext: {
        runAsUser: 1000,
        runAsGroup: 2000,
        supplementalGroups: [3000],
        fsGroup: 4000,
        seccompProfile: { type: "RuntimeDefault" },
        sysctls: [{ name: "net.ipv4.tcp_keepalive_time", value: "1234" }],
      },
      resources: { limits: { memory: "128Mi" }, requests: { cpu: "200m", memory: "64Mi" } },
      volumes: [{ name: "disk", emptyDir: {} }],
      containers: [{ ...idle, volumeMounts: [{ name: "disk", mountPath: "/disk" }] }],
    },
    control: {
      ...atOnce,
      volumes: [{ name: "disk", emptyDir: {} }],
      containers: [{ ...idle, volumeMounts: [{ name: "disk", mountPath: "/disk" }] }],
    },
    looks: [
      {
        fields: [pod("securityContext.runAsUser")],
        inside: status("Uid"),
        sees: "1000 1000 1000 1000",
        without: "0 0 0 0",
      },
      {
        fields: [pod("securityContext.runAsGroup")],
        inside: status("Gid"),
        sees: "2000 2000 2000 2000",
        without: "0 0 0 0",
      },
      {
        fields: [pod("securityContext.supplementalGroups[]"), pod("securityContext.fsGroup")],
        inside: status("Groups"),
        sees: /^2000 3000 4000 ?$/,
        without: /^0? ?$/,
      },
      {
        fields: [pod("securityContext.fsGroup")],
        inside: "stat -c '%a %g' /disk",
        sees: "2777 4000",
        without: "777 0",
      },
      { fields: [pod("securityContext.seccompProfile.type")], inside: status("Seccomp"), sees: "2", without: "0" },
      {
        fields: [pod("securityContext.sysctls[].name"), pod("securityContext.sysctls[].value")],
        inside: "cat /proc/sys/net/ipv4/tcp_keepalive_time",
        sees: "1234",
        without: /^(?!1234$)\d+$/,
      },
      {
        fields: [pod("resources.limits")],
        outside: limit("memory/memory.limit_in_bytes", "memory.max", "/.."),
        sees: String(128 * 1024 * 1024),
        without: /^(max|9223372036854771712)$/,
      },
      {
        fields: [pod("resources.requests")],
        outside: limit("cpu/cpu.shares", "cpu.weight", "/.."),
        sees: /^(204|8)$/,
        without: /^[12]$/,
      },
      { fields: [pod("resources.requests")], inside: "cat /proc/1/oom_score_adj", sees: /^\d{1,3}$/, without: "1000" },
    ],
  },
];
