/** A pod's securityContext, host namespaces and resources through the real engine: as the container sees them, and without. */
import { Node, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PodSpec } from "../../provider/kubernetes/types";
import { type Outcome, openStack, type Stack } from "../harness/engine";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
const MI = 1024 * 1024;

/** What a container prints about itself, a line each. */
const report = `
for key in Uid Gid Groups NoNewPrivs Seccomp; do echo "$key=$(sed -n "s/^$key:[[:space:]]*//p" /proc/self/status | tr '\\t' ' ')"; done
echo "score=$(cat /proc/self/oom_score_adj)"
for file in net/ipv4/tcp_keepalive_time kernel/shmmni; do echo "$file=$(cat /proc/sys/$file)"; done
for type in net uts ipc pid; do echo "$type=$(readlink /proc/self/ns/$type)"; done
for folder in /disk /memory /host; do
[ ! -d $folder ] || echo "$folder=$(stat -c '%a %u %g' $folder) $(touch $folder/$NAME 2>/dev/null && stat -c '%u:%g' $folder/$NAME || echo refused)"
done
echo "shm=$(ls /dev/shm | tr '\\n' ' ')"
echo "processes=$(ls -d /proc/[0-9]* | wc -l)"
echo "unshare=$(unshare -U true 2>/dev/null && echo works || echo refused)"
echo done
exec sleep 100000
`;

describe.skipIf(obstacle)(`a pod's security${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let stack: Stack;
  const spec: Record<string, PodSpec> = {};
  const status: Record<string, { qosClass: string }> = {};
  const program = () => {
    const on = new Node("edge", { connection: node.connection });
    for (const [name, each] of Object.entries(spec)) {
      const pod = new Pod(name, { on, spec: each });
      pod.status.apply((known) => {
        status[name] = known;
      });
    }
  };
  const sh = async (line: string) => {
    const { code, stdout, stderr } = await node.exec(["sh", "-euc", line]);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  };
  /** What a container has printed, by its words. */
  const seen = async (pod: string, container = "one"): Promise<Record<string, string>> => {
    const file = `/var/log/pods/default_${pod}_*/${container}/0.log`;
    await sh(`for i in $(seq 200); do grep -q ' done$' ${file} && exit 0; sleep 0.05; done; cat ${file}; exit 1`);
    const lines = (await sh(`cat ${file}`)).split("\n").map((line) => line.replace(/^\S+ std(out|err) F /, ""));
    return Object.fromEntries(
      lines
        .filter((line) => line.includes("="))
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  };
  const container = (name: string, more: object = {}) => ({
    name,
    image: "host:sh,sed,tr,cat,ls,wc,stat,touch,readlink,unshare,sleep,true",
    command: ["sh", "-c", report],
    env: [{ name: "NAME", value: name }],
    ...more,
  });
  const usual = { terminationGracePeriodSeconds: 0 };
  const asking = (cpu: string, memory: string, leastCpu: string, leastMemory: string) => ({
    limits: { cpu, memory },
    requests: { cpu: leastCpu, memory: leastMemory },
  });
  /** Bytes, microseconds of 100 ms, and weight of a cgroup, of v1 or v2: its weight there is in shares. */
  const limitsOf = async (path: string) => {
    const group = `barepod.pods/default_${path}`;
    const files = ["memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "cpu/cpu.shares"]
      .map((file) => file.replace("/", `/${group}/`))
      .join(" ");
    const v2 = ["memory.max", "cpu.max", "cpu.weight"].map((file) => `${group}/${file}`).join(" ");
    const seen = await sh(`cd /sys/fs/cgroup; for f in ${files} ${v2}; do [ ! -e $f ] || cut -d ' ' -f 1 $f; done`);
    return seen.split("\n").map(Number);
  };
  const changes = ({ steps }: Outcome) =>
    steps
      .filter(({ op }) => op !== "same")
      .map(({ op, name }) => `${op} ${name}`)
      .sort();
  const volumes = [
    { name: "disk", emptyDir: {} },
    { name: "memory", emptyDir: { medium: "Memory" } },
    { name: "host", hostPath: { path: "/srv/secure" } },
  ];
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));

  beforeAll(async () => {
    node = await startSandbox();
    await sh("mkdir -p /srv/secure && chmod 755 /srv/secure && touch /dev/shm/of-the-node");
    stack = await openStack("pod-security", program);
    Object.assign(spec, {
      plain: { ...usual, volumes, containers: [container("one", { volumeMounts })] },
      whole: {
        ...usual,
        volumes,
        securityContext: {
          runAsUser: 1000,
          runAsGroup: 2000,
          runAsNonRoot: true,
          supplementalGroups: [3000],
          fsGroup: 4000,
          fsGroupChangePolicy: "OnRootMismatch",
          seccompProfile: { type: "RuntimeDefault" },
          sysctls: [
            { name: "net.ipv4.tcp_keepalive_time", value: "1234" },
            { name: "kernel.shmmni", value: "77" },
          ],
        },
        containers: [
          container("one", { volumeMounts, resources: { requests: { memory: "1Mi" } } }),
          container("own", {
            securityContext: {
              runAsUser: 5,
              runAsGroup: 6,
              allowPrivilegeEscalation: false,
              seccompProfile: { type: "Unconfined" },
            },
          }),
        ],
      },
      shared: {
        ...usual,
        hostPID: true,
        hostIPC: true,
        hostNetwork: true,
        containers: [container("one", { resources: { limits: { cpu: "100m", memory: "64Mi" } } })],
      },
      sized: {
        ...usual,
        resources: { limits: { cpu: "200m", memory: "128Mi" }, requests: { memory: "64Mi" } },
        containers: [container("one"), container("two", { resources: { limits: { memory: "32Mi" } } })],
      },
      resized: {
        ...usual,
        activeDeadlineSeconds: 5000,
        initContainers: [
          container("aside", { restartPolicy: "Always", resources: asking("100m", "8Mi", "100m", "8Mi") }),
        ],
        containers: [container("one", { resources: asking("500m", "64Mi", "250m", "32Mi") })],
      },
    });
    await stack.up();
  }, 120_000);
  afterAll(async () => {
    await stack?.destroy();
    await stack?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  test("users and groups are the pod's, a container's own first, and root's without", async () => {
    expect(await seen("whole")).toMatchObject({
      Uid: "1000 1000 1000 1000",
      Gid: "2000 2000 2000 2000",
      Groups: expect.stringMatching(/^2000 3000 4000 ?$/),
    });
    expect(await seen("whole", "own")).toMatchObject({ Uid: "5 5 5 5", Gid: "6 6 6 6", NoNewPrivs: "1" });
    expect(await seen("plain")).toMatchObject({ Uid: "0 0 0 0", Gid: "0 0 0 0", NoNewPrivs: "0" });
  });

  test("seccomp confines who asks for it", async () => {
    expect(await seen("whole")).toMatchObject({ Seccomp: "2", unshare: "refused" });
    expect(await seen("whole", "own")).toMatchObject({ Seccomp: "0", unshare: "works" });
    expect(await seen("plain")).toMatchObject({ Seccomp: "0", unshare: "works" });
  });

  test("emptyDirs belong to the fsGroup, and a hostPath stays as it is", async () => {
    const whole = { "/disk": "2777 0 4000 1000:4000", "/memory": "2777 0 4000 1000:4000", "/host": "755 0 0 refused" };
    expect(await seen("whole")).toMatchObject(whole);
    expect(await seen("plain")).toMatchObject({
      "/disk": "777 0 0 0:0",
      "/memory": "777 0 0 0:0",
      "/host": "755 0 0 0:0",
    });
  });

  test("sysctls are set in the pod's namespaces only", async () => {
    expect(await seen("whole")).toMatchObject({ "net/ipv4/tcp_keepalive_time": "1234", "kernel/shmmni": "77" });
    expect(await seen("plain")).not.toMatchObject({ "net/ipv4/tcp_keepalive_time": "1234" });
    expect(await sh("cat /proc/sys/kernel/shmmni")).not.toBe("77");
  });

  test("hostPID, hostIPC and hostNetwork stay in the node's namespaces", async () => {
    const own = await seen("plain");
    const shared = await seen("shared");
    for (const type of ["net", "uts", "ipc", "pid"]) {
      const ofNode = await sh(`readlink /proc/self/ns/${type}`);
      expect([type, shared[type]]).toEqual([type, ofNode]);
      expect([type, own[type]]).not.toEqual([type, ofNode]);
    }
    expect(shared["shm"]).toContain("of-the-node");
    expect(own["shm"]).toBe("");
    expect(Number(shared["processes"])).toBeGreaterThan(Number(own["processes"]));
  });

  test("the QoS class decides who is ended first for memory", async () => {
    expect(Object.fromEntries(Object.entries(status).map(([name, { qosClass }]) => [name, qosClass]))).toEqual({
      plain: "BestEffort",
      whole: "Burstable",
      shared: "Guaranteed",
      sized: "Burstable",
      resized: "Burstable",
    });
    const total = 1024 * Number(await sh("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"));
    const burstable = (bytes: number) => String(Math.min(999, 1000 - Math.floor((1000 * bytes) / total)));
    const permitted = await sh(
      "(echo -997 > /proc/self/oom_score_adj) 2>/dev/null && echo -997 || cat /proc/self/oom_score_adj",
    );
    expect((await seen("plain"))["score"]).toBe("1000");
    expect((await seen("shared"))["score"]).toBe(permitted);
    expect((await seen("whole"))["score"]).toBe(burstable(MI));
    // The pod asks for 64 MiB, its second container for its limit: each gets half of the rest.
    expect((await seen("sized"))["score"]).toBe(burstable(16 * MI));
    expect((await seen("sized", "two"))["score"]).toBe(burstable(48 * MI));
  });

  test("a whole pod's resources limit its cgroup, and change in place", async () => {
    const [isV1] = [!(await sh("ls /sys/fs/cgroup")).includes("cgroup.controllers")];
    const weight = (shares: number, v2: number) => (isV1 ? shares : v2);
    expect(await limitsOf("sized")).toEqual([128 * MI, 20_000, weight(204, 8)]);
    // What a container does not limit itself has the pod's limit, and is weighed by it.
    expect(await limitsOf("sized/one")).toEqual([128 * MI, 20_000, weight(204, 29)]);
    expect(await limitsOf("sized/two")).toEqual([32 * MI, 20_000, weight(204, 29)]);
    const before = await sh("cat /run/barepod/process/default_sized/*/status");
    spec["sized"] = { ...spec["sized"], resources: { limits: { cpu: "200m", memory: "256Mi" } } } as PodSpec;
    await stack.up();
    expect(await limitsOf("sized")).toEqual([256 * MI, 20_000, weight(204, 8)]);
    expect((await limitsOf("sized/one"))[0]).toBe(256 * MI);
    expect(await sh("cat /run/barepod/process/default_sized/*/status")).toBe(before);
    expect((await stack.up()).steps.filter(({ op }) => op !== "same")).toEqual([]);
  });

  test("a running pod's containers are resized in place, both ways, and a deadline comes sooner", async () => {
    const resize = (resources: object, more: object = {}) => {
      spec["resized"] = {
        ...spec["resized"],
        ...more,
        containers: [container("one", { resources })],
      } as PodSpec;
    };
    const status = "cat /run/barepod/process/default_resized/*/status";
    const before = await sh(status);
    expect((await limitsOf("resized")).slice(0, 2)).toEqual([72 * MI, 60_000]);
    // Lowered, a pod has less than its container until that follows.
    resize(asking("200m", "48Mi", "100m", "32Mi"));
    const inPlace = ["update resized-cgroup", "update resized-cgroup-one"];
    expect(changes(await stack.up())).toEqual(inPlace);
    expect((await limitsOf("resized")).slice(0, 2)).toEqual([56 * MI, 30_000]);
    expect((await limitsOf("resized/one")).slice(0, 2)).toEqual([48 * MI, 20_000]);
    resize(asking("1", "96Mi", "500m", "40Mi"), { activeDeadlineSeconds: 4000 });
    // What it asks for counts from its next start on; the keeper learns of that, and of the deadline.
    expect(changes(await stack.up())).toEqual([...inPlace, "update resized-process"]);
    expect((await limitsOf("resized/one")).slice(0, 2)).toEqual([96 * MI, 100_000]);
    expect(await sh(status)).toBe(before);

    resize(asking("1", "96Mi", "500m", "40Mi"), { activeDeadlineSeconds: 4001 });
    expect(changes(await stack.preview())).toContain("replace resized-process");
    // Guaranteed now: of another class a running pod cannot become.
    resize(asking("1", "96Mi", "1", "96Mi"), { activeDeadlineSeconds: 4000 });
    expect(changes(await stack.up())).toEqual(expect.arrayContaining([...inPlace, "replace resized-process"]));
    expect(await sh(status)).not.toBe(before);
    expect((await seen("resized"))["score"]).toBe((await seen("shared"))["score"]);
  });

  test("a refresh finds nothing changed", async () => {
    expect((await stack.refresh()).steps.filter(({ op }) => !["same", "refresh"].includes(op))).toEqual([]);
  });

  test("a Localhost profile is the node's", async () => {
    await sh(`mkdir -p /var/lib/barepod/seccomp && cat > /var/lib/barepod/seccomp/no-unshare.json <<'E'
{"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],"syscalls":[{"names":["unshare"],"action":"SCMP_ACT_ERRNO"}]}
E`);
    const securityContext = { seccompProfile: { type: "Localhost", localhostProfile: "no-unshare.json" } };
    for (const name of Object.keys(spec)) delete spec[name];
    spec["local"] = { ...usual, securityContext, containers: [container("one")] } as PodSpec;
    await stack.up();
    expect(await seen("local")).toMatchObject({ Seccomp: "2", unshare: "refused" });
    await sh("rm -r /var/lib/barepod/seccomp");
  });
});
