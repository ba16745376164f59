/** Kernel settings that a pod may have for itself, by the namespace that holds them. */

/** The namespaces that hold settings. */
export type SysctlNamespace = "net" | "ipc";

const NAME = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

/** The name with dots; whichever of dot and slash comes first separates (sysctl(8)). */
export function dotted(name: string): string {
  if (/^[^./]*\./.test(name)) return name;
  const swapped: Readonly<Record<string, string>> = { "/": ".", ".": "/" };
  return name.replace(/[./]/g, (separator) => swapped[separator] ?? separator);
}

/** The namespace that holds a setting, as a kubelet knows them (pkg/kubelet/sysctl); absent: the whole node has it. */
export function namespaceOf(name: string): SysctlNamespace | undefined {
  const plain = dotted(name);
  if (plain.startsWith("net.")) return "net";
  return /^(kernel\.(shm|msg)|fs\.mqueue\.)/.test(plain) || plain === "kernel.sem" ? "ipc" : undefined;
}

/** Why a name is none that can be set here. */
export function sysctlRule(name: string): string | undefined {
  if (name.length > 253 || !NAME.test(name))
    return "must be the name of a kernel setting, such as net.ipv4.tcp_syncookies";
  if (namespaceOf(name) === undefined)
    return "would change the whole node: only kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* and net.* belong to a pod";
  const device = /^net\.(?:ipv4|ipv6|mpls)\.(?:conf|neigh)\.([^.]+)\./.exec(dotted(name))?.[1];
  if (device === undefined || ["all", "default", "lo"].includes(device)) return undefined;
  return "is set before there are interfaces: use default in the place of the interface's name";
}

/** The file below /proc/sys. */
export function sysctlFile(name: string): string {
  return dotted(name).replace(/[./]/g, (separator) => (separator === "." ? "/" : "."));
}

/** A value as it is compared: the kernel prints TABs between several numbers. */
export function sysctlValue(text: string): string {
  return text.trim().split(/\s+/).join(" ");
}
