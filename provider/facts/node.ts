/** What a machine is: kernel, architecture, cgroups, memory, processors, addresses, tools, and what Barepod set on it. */
import type { Fact } from "../frame";

/** Programs without which no pod runs. */
const requiredTools = [
  "awk",
  "base64",
  "flock",
  "grep",
  "ip",
  "iptables",
  "iptables-restore",
  "mount",
  "nsenter",
  "ps",
  "setsid",
  "sha256sum",
  "stat",
  "umount",
  "unshare",
];

/** Where logs lie, as a kubelet lays them out. */
export const logFolders = ["/var/log/pods", "/var/log/containers"];

/** Where the node's own settings lie on it. */
export const nodeFolder = "/var/lib/barepod/node";

/** A machine, as it tells. */
export interface NodeState {
  readonly kernelVersion: string;
  readonly architecture: string;
  readonly operatingSystem: string;
  readonly hostname: string;
  /** `v1`, `hybrid` or `v2`. */
  readonly cgroup: string;
  readonly memoryBytes: number;
  readonly cpus: number;
  /** The address that other machines know it by. */
  readonly address: string;
  readonly missing: readonly string[];
  readonly swap: boolean;
  /** Whether it forwards packets between interfaces. */
  readonly forwarding: boolean;
  /** Whether systemd runs it. */
  readonly systemd: boolean;
  /** The address that pods are told as their host's. */
  readonly knownAddress: string;
  /** The pod range set by Barepod; empty when none is. */
  readonly podCIDR: string;
  /** Barepod's own rules, as `iptables -S` prints them. */
  readonly rules: readonly string[];
  /** Whether the boot journal is replayed after a reboot. */
  readonly boots: boolean;
}

/** Shell text that sets `address` to the one that other machines know the node by; empty without the tool `ip`. */
export const findAddress = `address=
set -- $(ip -4 route get 192.0.2.1 2>/dev/null)
while [ $# -gt 1 ]; do [ "$1" != src ] || address=$2; shift; done
[ -n "$address" ] || address=$(ip -4 -o addr show scope global 2>/dev/null | sed -n '1s/.* inet \\([0-9.]*\\).*/\\1/p')`;

/** The machine itself. Never absent. */
export function nodeFacts(): Fact<NodeState> {
  return {
    // Every process counts: this is the way to the first pod, three times.
    script: `read -r kernel < /proc/sys/kernel/osrelease
read -r hostname < /proc/sys/kernel/hostname
printf 'kernel %s\\nmachine %s\\nhostname %s\\n' "$kernel" "$(uname -m)" "$hostname"
(. /etc/os-release 2>/dev/null && printf 'os %s\\n' "$PRETTY_NAME") || echo "os unknown"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup v2
elif [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then echo cgroup hybrid
else echo cgroup v1; fi
awk '$1 == "MemTotal:" { print "memory " $2 } $1 == "SwapTotal:" { print "swap " $2 } /^processor/ { cpus++ } END { print "cpus " cpus }' /proc/meminfo /proc/cpuinfo
${findAddress}
echo "address $address"
for tool in ${requiredTools.join(" ")}; do command -v "$tool" >/dev/null 2>&1 || echo "missing $tool"; done
# One digit, and no more: dash reads byte by byte, and the kernel ends a numeric sysctl after the first.
forward=; read -r forward < /proc/sys/net/ipv4/ip_forward
echo "forward $forward"
if [ -d /run/systemd/system ]; then echo systemd yes; else echo systemd no; fi
if read -r cidr 2>/dev/null < ${nodeFolder}/pod-cidr; then echo "cidr $cidr"; fi
if read -r known 2>/dev/null < ${nodeFolder}/address; then echo "known $known"; fi
if [ -e /var/lib/barepod/boot.sh ] && ${logFolders.map((folder) => `[ -d ${folder} ]`).join(" && ")}; then echo boots yes; else echo boots no; fi
{ iptables -w 5 -S FORWARD; iptables -w 5 -t nat -S POSTROUTING; } 2>/dev/null | sed -n 's/^-A .*--comment barepod-node .*/rule &/p'`,
    parse: parseNode,
  };
}

function parseNode(text: string): NodeState {
  const all = text.split("\n").map((line): [string, string] => {
    const space = line.indexOf(" ");
    return [line.slice(0, space), line.slice(space + 1)];
  });
  const first = (key: string): string => all.find(([found]) => found === key)?.[1] ?? "";
  const every = (key: string): string[] => all.flatMap(([found, value]) => (found === key ? [value] : []));
  return {
    kernelVersion: first("kernel"),
    architecture: first("machine"),
    operatingSystem: first("os"),
    hostname: first("hostname"),
    cgroup: first("cgroup"),
    memoryBytes: Number(first("memory")) * 1024,
    cpus: Number(first("cpus")),
    address: first("address"),
    missing: every("missing"),
    swap: Number(first("swap")) > 0,
    forwarding: first("forward") === "1",
    systemd: first("systemd") === "yes",
    knownAddress: first("known"),
    podCIDR: first("cidr"),
    rules: every("rule"),
    boots: first("boots") === "yes",
  };
}
