/**
 * The same image and options in a pod, and under runc with what containerd and a kubelet would ask of it; what each container
 * sees of itself is compared, line by line. What differs is explained in test/differential/differences.ts, which
 * docs/differences-from-runc.md is made from.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Node, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PodSpec } from "../../provider/kubernetes/types";
import { defaultProfile } from "../../provider/seccomp/default-profile";
import { capabilitiesIn, type Facts, factsOf, judge } from "../differential/compare";
import { differences } from "../differential/differences";
import { type Asked, defaultCapabilities, type OciDevice, ociConfig } from "../differential/oci";
import { openStack, type Stack } from "../harness/engine";
import { ImageNode, imageObstacle } from "../node/image-node";

const obstacle = (existsSync("/usr/sbin/runc") ? undefined : "needs runc") ?? imageObstacle();
const MI = 2 ** 20;
const command = ["/bin/busybox", "sh", "/bin/inspect"];

/** A pod, and what containerd would make of it. */
interface Variant {
  readonly spec?: Partial<PodSpec>;
  readonly container?: object;
  readonly asked: Omit<Asked, "oomScoreAdj">;
  /** Default: a BestEffort pod's. */
  readonly memoryRequest?: number;
}

const variants: Readonly<Record<string, Variant>> = {
  default: { asked: {} },
  confined: {
    spec: {
      securityContext: { runAsUser: 1000, fsGroup: 3000, supplementalGroups: [4000] },
      volumes: [{ name: "data", emptyDir: {} }],
    },
    container: {
      securityContext: {
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
      },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    },
    asked: {
      // The image lists the user with a group and as a member of another one.
      user: { uid: 1000, gid: 1000, additionalGids: [1000, 3000, 4000, 2000] },
      readOnlyRootFilesystem: true,
      noNewPrivileges: true,
      capabilities: [],
      mounts: [{ destination: "/data", type: "bind", source: "data", options: ["rbind", "rprivate", "rw"] }],
    },
  },
  privileged: { container: { securityContext: { privileged: true } }, asked: { privileged: true } },
  limited: {
    container: {
      resources: { requests: { cpu: "250m", memory: "64Mi" }, limits: { cpu: "500m", memory: "128Mi" } },
    },
    asked: { cpu: { shares: 256, quota: 50_000 }, memory: 128 * MI },
    memoryRequest: 64 * MI,
  },
  filtered: {
    container: {
      securityContext: { seccompProfile: { type: "RuntimeDefault" }, capabilities: { add: ["SYS_TIME"] } },
    },
    asked: { seccomp: defaultProfile, capabilities: [...defaultCapabilities, "CAP_SYS_TIME"] },
  },
};

describe.skipIf(obstacle)(`a pod beside runc${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  const node = new ImageNode();
  const at = "/tmp/differential";
  let stack: Stack;
  let own: ReadonlyMap<string, string>;

  beforeAll(async () => {
    await node.start();
    node.image("a", {
      layers: [
        {
          "bin/busybox": readFileSync("/bin/busybox"),
          "bin/inspect": readFileSync(join(__dirname, "../differential/inspect.sh")),
          "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n",
          "etc/group": "root:x:0:\napp:x:1000:\nmore:x:2000:app\n",
          "tmp/empty": "",
        },
      ],
    });
    const tar = execFileSync("tar", ["-C", node.folder, "-c", "layout"], { maxBuffer: 64 * MI });
    await node.sandbox.exec(["sh", "-c", `mkdir -p ${at} && tar -C ${at} -x`], { stdin: tar });
    await node.sh(`umoci unpack --image ${at}/layout:a ${at}/image 2>&1`);
    own = factsOf(
      await node.sh("for n in /proc/self/ns/*; do printf 'namespace %s\\t%s\\n' ${n##*/} $(readlink $n); done"),
    );
    stack = await openStack("differential", program);
    await stack.up();
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  function program(): void {
    const on = new Node("edge", { connection: node.connection });
    for (const [name, { spec, container }] of Object.entries(variants)) {
      const env = [{ name: "GREETING", value: "hello world" }];
      const one = { name: "c", image: `oci:${at}/layout:a`, command, env, ...container };
      new Pod(name, { on, spec: { terminationGracePeriodSeconds: 0, ...spec, containers: [one] } });
    }
  }

  test("differs in nothing but what is explained, and every explanation still holds", async () => {
    const seen: Record<string, { runc: Facts; barepod: Facts }> = {};
    for (const [name, variant] of Object.entries(variants)) {
      const barepod = named(await inPod(name));
      seen[name] = { barepod, runc: named(await underRunc(name, variant)) };
      expect(barepod.size, name).toBeGreaterThan(200);
    }
    const isV2 = (await node.sh("ls /sys/fs/cgroup")).includes("cgroup.controllers");
    const { unexplained, stale } = judge(
      seen,
      differences.filter(({ cgroups }) => cgroups === undefined || cgroups === (isV2 ? "v2" : "v1")),
    );
    expect(unexplained, "differences without an explanation in test/differential/differences.ts").toEqual([]);
    expect(stale, "explanations of what does not differ any more").toEqual([]);
  });

  /** Which namespace it is says only whether it is the node's. */
  function named(facts: Facts): Facts {
    return new Map(
      [...facts].map(([fact, value]) => [
        fact,
        !fact.startsWith("namespace ") ? value : own.get(fact) === value ? "the node's" : "its own",
      ]),
    );
  }

  async function inPod(name: string): Promise<Facts> {
    const file = `/var/log/pods/default_${name}_*/c/0.log`;
    await node.sh(
      `for i in $(seq 600); do ! grep -q ' done$' ${file} || exit 0; sleep 0.05; done; cat ${file}; exit 1`,
    );
    return factsOf(await node.sh(`cut -d ' ' -f 4- ${file}`));
  }

  async function underRunc(name: string, { asked, memoryRequest }: Variant): Promise<Facts> {
    const bundle = `${at}/${name}`;
    const root = `/proc/$(cut -f 2 /run/barepod/process/default_${name}/c/status)/root`;
    const [memory, bounding = "", version, ...devices] = (
      await node.sh(`mkdir -p ${bundle}/rootfs ${bundle}/upper ${bundle}/work ${bundle}/data ${bundle}/shm
cd ${bundle}
mount -t overlay overlay -o lowerdir=${at}/image/rootfs,upperdir=upper,workdir=work rootfs
# What a kubelet and containerd make beside the container. The content of these two is the node's and CNI's.
chgrp 3000 data; chmod 2777 data
mount -t tmpfs -o nosuid,noexec,nodev,mode=1777,size=65536k shm shm
cat ${root}/etc/hosts > hosts
cat ${root}/etc/resolv.conf > resolv.conf
echo ${name} > hostname
: > termination-log; chmod 666 termination-log
sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo
sed -n 's/^CapBnd:\\t//p' /proc/1/status
[ -e /sys/fs/cgroup/cgroup.controllers ] && echo v2 || echo v1
find /dev -xdev '(' -type c -o -type b ')' -exec stat -c '%f %t %T %a %u %g %n' {} +`)
    ).split("\n");
    const config = ociConfig(
      {
        ...asked,
        oomScoreAdj:
          memoryRequest === undefined ? 1000 : 1000 - Math.floor((1000 * memoryRequest) / (1024 * Number(memory))),
        mounts: (asked.mounts ?? []).map((mount) => ({ ...mount, source: `${bundle}/${mount.source}` })),
      },
      {
        arguments: command,
        hostname: name,
        files: bundle,
        cgroupsPath: `/kubepods/pod-${name}/c`,
        isV2: version === "v2",
        devices: devices.map(deviceOf).filter(({ path }) => !/^\/dev\/(console|ptmx|pts\/.*)$/.test(path)),
        allCapabilities: capabilitiesIn(bounding).map((name) => `CAP_${name}`),
      },
    );
    await node.sandbox.exec(["sh", "-c", `cat > ${bundle}/config.json`], { stdin: JSON.stringify(config) });
    // As containerd's shim does it, a pipe takes what the container prints.
    return factsOf(
      await node.sh(`cd ${bundle}; : > out; { runc run --detach differs-${name} < /dev/null 2>&1 | cat >> out; } &
for i in $(seq 600); do ! grep -q '^done$' out || break; sleep 0.05; done
cat out; runc delete --force differs-${name}; wait`),
    );
  }
});

/** A line of stat: raw mode, numbers, mode, owner, name. */
function deviceOf(line: string): OciDevice {
  const [type = "", major = "", minor = "", mode = "", uid = "", gid = "", ...path] = line.split(" ");
  return {
    path: path.join(" "),
    type: type.startsWith("6") ? "b" : "c",
    major: Number.parseInt(major, 16),
    minor: Number.parseInt(minor, 16),
    fileMode: Number.parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
  };
}
