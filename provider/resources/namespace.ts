/**
 * Namespaces that live without a process, as CRI-O's pinns keeps a pod's:
 *
 *   /run/barepod/namespaces        a small private tmpfs: pins on it do not travel into other mount namespaces
 *   /run/barepod/namespaces/box    net, uts, ipc, …   one pin each
 *                                  pid                kept by `launcher pause`, the first process in it
 *                                  pause              its number
 */
import * as pulumi from "@pulumi/pulumi";
import { type Command, raw } from "../command/command";
import { type NamespaceState, type NamespaceType, namespaceAt, namespaceTypes } from "../facts/namespace";
import { isUnknown, list, oneOf, optional, type Problem, record, required, text } from "../fields";
import { namespaceOf, sysctlFile, sysctlRule, sysctlValue } from "../kubernetes/sysctls";
import { boundedName, digest } from "../naming";
import { launcherPath } from "../node-programs";
import { containsUnknown, defineSpec, equal, type NodeInputs, NodeResource, type PrimitiveArgs } from "../resource";

/** The inputs of a {@link Namespace}. */
export interface NamespaceArgs extends PrimitiveArgs {
  /**
   * The name on the node: letters, digits, `.`, `_` and `-`, up to 63. Changing this replaces the Namespace.
   * @defaultValue the resource's name and a hash; kept for ever after
   */
  readonly name?: pulumi.Input<string> | undefined;
  /**
   * The namespaces to make: `net` with its loopback interface up, `uts`, `ipc`, `mnt`, `cgroup` and `pid`. A `pid`
   * namespace is held open by one small process, which the kernel takes every other process in it down with.
   * Changing this replaces the Namespace; the order does not matter.
   */
  readonly types: pulumi.Input<pulumi.Input<NamespaceType>[]>;
  /**
   * The host name in the `uts` namespace, up to 64 bytes. Changes in place.
   * @defaultValue the node's own, as it was when the namespace was made
   */
  readonly hostname?: pulumi.Input<string> | undefined;
  /**
   * Kernel settings (sysctl(8)) in these namespaces, such as `{ "net.ipv4.ip_unprivileged_port_start": "0" }`: `net.*` needs
   * `net` among the types; `kernel.shm*`, `kernel.msg*`, `kernel.sem` and `fs.mqueue.*` need `ipc`. Values change in place;
   * taking one away replaces the Namespace.
   * @defaultValue the kernel's; with `net`, as in containerd, every user may bind the ports below 1024 and send pings
   */
  readonly sysctls?: pulumi.Input<Record<string, pulumi.Input<string>>> | undefined;
}

/** @internal */
export interface NamespaceInputs extends NodeInputs {
  readonly name: string;
  readonly types: readonly NamespaceType[];
  readonly hostname?: string;
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Where the pins lie; follows from the name. */
  readonly path: string;
}

const folder = "/run/barepod/namespaces";

/** @internal */
export const namespaceSpec = defineSpec<NamespaceInputs, NamespaceState>({
  type: "Namespace",
  identity: ["name"],
  cannotChange: (olds, news) => [
    ...(containsUnknown(news.types) || !equal([...olds.types].sort(), [...news.types].sort())
      ? (["types"] as const)
      : []),
    // What the kernel had before is not known any more.
    ...(Object.keys(olds.sysctls ?? {}).some((name) => news.sysctls?.[name] === undefined)
      ? (["sysctls"] as const)
      : []),
  ],
  fields: {
    name: required(text({ max: 63, pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, form: "letters, digits, ., _ and -" })),
    types: required(list(oneOf(...namespaceTypes), { min: 1, max: namespaceTypes.length })),
    hostname: optional(
      text({
        max: 64,
        pattern: /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/,
        form: "a host name: letters, digits, dots and dashes",
      }),
    ),
    sysctls: optional(record(sysctlName, text({ max: 4096, empty: true }))),
    path: required(text({ max: 255 })),
  },
  check: ({ name, types, hostname, sysctls = {}, path }) => [
    ...Object.keys(sysctls)
      .filter((setting) => !types.includes(namespaceOf(setting) ?? "net"))
      .map((setting) => ({
        path: `sysctls[${JSON.stringify(setting)}]`,
        reason: `needs ${namespaceOf(setting)} among the types: the node's own settings are not changed here`,
      })),
    ...(new Set(types).size < types.length ? [{ path: "types", reason: "has the same type more than once" }] : []),
    ...(hostname !== undefined && !types.includes("uts")
      ? [{ path: "hostname", reason: "needs uts among the types: the node's own name is not changed here" }]
      : []),
    ...(path === pathOf(name) ? [] : [{ path: "path", reason: "follows from the name; set name instead" }]),
  ],
  generate: (inputs) => {
    const name = inputs.name ?? generatedName(inputs);
    return { name, path: isUnknown(name) ? name : pathOf(name) };
  },
  observe: ({ path, types, hostname, sysctls = {} }) =>
    namespaceAt(path, types, hostname !== undefined, Object.keys(sysctls).map(sysctlFile)),
  plan: (inputs, seen) => {
    const all = Object.keys(inputs.sysctls ?? {});
    if (seen === undefined) return [make(inputs), ...set(inputs, all)];
    if (lost(inputs, seen).length > 0) return [remove(inputs.path), make(inputs), ...set(inputs, all)];
    return [
      ...(inputs.hostname === undefined || inputs.hostname === seen.hostname ? [] : [rename(inputs)]),
      ...set(inputs, otherSettings(inputs, seen)),
    ];
  },
  undo: ({ path }) => [remove(path)],
  cleanup: () => [removeNamespacesFolder()],
  drift: (inputs, seen) => ({
    ...(lost(inputs, seen).length > 0 ? { types: inputs.types.filter((type) => seen.types.includes(type)) } : {}),
    ...(seen.hostname === undefined || seen.hostname === inputs.hostname ? {} : { hostname: seen.hostname }),
    ...(otherSettings(inputs, seen).length === 0
      ? {}
      : {
          sysctls: {
            ...inputs.sysctls,
            ...Object.fromEntries(
              otherSettings(inputs, seen).map((name) => [name, seen.sysctls?.[sysctlFile(name)] ?? "?"]),
            ),
          },
        }),
  }),
  boot: { rank: () => "30" },
  needsPrograms: ({ types }) => types.includes("pid"),
});

/**
 * Namespaces that exist by themselves, for processes to join and interfaces to live in.
 *
 * @example
 * ```ts
 * const ns = new Namespace("box", { node, types: ["net", "uts", "ipc"], hostname: "box" });
 * new VethPair("box", { node, namespace: ns.path, interfaceName: "eth0" });
 * ```
 * @see namespaces(7)
 */
export class Namespace extends NodeResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly types: pulumi.Output<NamespaceType[]>;
  declare readonly hostname: pulumi.Output<string | undefined>;
  declare readonly sysctls: pulumi.Output<Record<string, string> | undefined>;
  /** The folder with a file for each type, for example `/run/barepod/namespaces/box/net`. Known in previews. */
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: NamespaceArgs, options?: pulumi.CustomResourceOptions) {
    // A generated name is made by check, and the path with it; the path of a given one must change with the name.
    const path = args.name === undefined ? undefined : pulumi.interpolate`${folder}/${args.name}`;
    super(namespaceSpec.type, name, { ...args, name: args.name, path }, [], options);
  }
}

function pathOf(name: string): string {
  return `${folder}/${name}`;
}

/** Readable, and different for each resource: two programs may each have a Namespace "web" on one node. */
function generatedName({ resourceUrn, owner }: NamespaceInputs): string {
  const source = resourceUrn ?? owner;
  const last = source.slice(source.lastIndexOf("::") + 2).replace(/[^A-Za-z0-9-]+/g, "-");
  return boundedName("", `${last.replace(/^-+/, "").slice(0, 50)}-${digest(source, 8)}`.replace(/^-+/, ""), 63);
}

function lost({ types }: NamespaceInputs, seen: NamespaceState): NamespaceType[] {
  return types.filter((type) => !seen.types.includes(type));
}

function sysctlName(value: unknown, path: string): Problem[] {
  const reason = sysctlRule(String(value));
  return reason === undefined ? [] : [{ path, reason }];
}

/** The settings that the node has otherwise. */
function otherSettings({ sysctls = {} }: NamespaceInputs, seen: NamespaceState): string[] {
  return Object.entries(sysctls).flatMap(([name, value]) =>
    sysctlValue(seen.sysctls?.[sysctlFile(name)] ?? "") === sysctlValue(value) ? [] : [name],
  );
}

function set({ path, sysctls = {} }: NamespaceInputs, names: readonly string[]): Command[] {
  if (names.length === 0) return [];
  const words = names.flatMap((name) => [sysctlFile(name), sysctls[name] ?? ""]);
  return [raw("set the kernel's settings in the namespaces", setScript, path, ...words)];
}

const setScript = `(
cd -- "$1" || exit
shift
net='' ipc=''
[ ! -e net ] || net=--net=net
[ ! -e ipc ] || ipc=--ipc=ipc
nsenter $net $ipc sh -c 'while [ "$#" -gt 0 ]; do
file=/proc/sys/$1
[ -e "$file" ] || { echo "there is no $file in a namespace of its own: the kernel lacks it, or has it for the whole node only" >&2; exit 1; }
{ printf "%s\\n" "$2" > "$file"; } 2>/dev/null || { echo "the kernel refuses to write this value into $file" >&2; exit 1; }
shift 2
done' sh "$@"
)`;

/** All of them in one call of unshare; what is half made is removed again. */
function make({ path, types, hostname = "" }: NamespaceInputs): Command {
  const kept = types.includes("pid");
  return raw("make the namespaces", makeScript, path, types.join(" "), hostname, kept ? launcherPath() : "");
}

const dropFolderScript = `set -- ${folder}/*
[ -e "$1" ] || [ ! -e ${folder}/.private ] || { umount -l ${folder} && rmdir ${folder}; }`;

/** In a subshell: its names must not reach the frame's. */
const clearScript = `clear() {
pause=''
[ ! -e "$path/pause" ] || read -r pause < "$path/pause"
# The number may be somebody else's by now; in this PID namespace it is the one.
if [ -n "$pause" ] && [ "/proc/$pause/ns/pid" -ef "$path/pid" ]; then
kill -KILL "$pause"
tries=0
while [ "/proc/$pause/ns/pid" -ef "$path/pid" ] && [ "$tries" -lt 100 ]; do sleep 0.01; tries=$((tries + 1)); done
fi
set --
for t in ${namespaceTypes.join(" ")}; do [ ! -e "$path/$t" ] || set -- "$@" "$path/$t"; done
# A file that is no mount is none that could fail to go.
[ $# -eq 0 ] || umount -l -- "$@" 2>/dev/null
rm -rf -- "$path" || return
${dropFolderScript}
}`;

const makeScript = `(
path=$1 types=$2 hostname=$3 launcher=$4
${clearScript}
[ -z "$launcher" ] || [ -x "$launcher" ] || { echo "$launcher, which keeps a PID namespace, is not on the node" >&2; exit 1; }
[ ! -d "$path" ] || clear || exit 1
# Its own file system, so that a look at one file tells whether it is mounted.
if [ ! -e ${folder}/.private ]; then
mkdir -p ${folder} &&
mount -t tmpfs --make-private -o mode=0755,nosuid,nodev,noexec,size=1m barepod ${folder} &&
: > ${folder}/.private || exit 1
fi
mkdir -- "$path" || exit 1
set --
for t in $types; do
[ "$t" = pid ] || : > "$path/$t" || exit 1
case $t in pid) set -- "$@" --pid ;; mnt) set -- "$@" "--mount=$path/mnt" ;; *) set -- "$@" "--$t=$path/$t" ;; esac
done
start() {
"$@" sh -c '
types=" $1 "
# The first child is the first process of the PID namespace. It outlives this login, and holds none of its descriptors.
if [ -n "$3" ]; then
setsid "$3" pause </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
echo $!
fi
case $types in *" mnt "*) umount -l ${folder} || exit ;; esac
[ -z "$2" ] || printf %s "$2" > /proc/sys/kernel/hostname || exit
case $types in *" net "*)
cd /proc/sys/net/ipv4 && { [ ! -e ip_unprivileged_port_start ] || echo 0 > ip_unprivileged_port_start; } &&
echo "0 2147483647" > ping_group_range && exec ip link set dev lo up ;; esac
' sh "$types" "$hostname" "$launcher"
}
pause=$(start unshare "$@")
status=$?
# A mount namespace is kept only in an older one. Linux 6.18 tells their age by numbers of which each processor has a
# range of its own, so that it takes a new one for older: on another processor it is not.
case " $types " in *" mnt "*)
for cpu in $(sed -n 's/^processor[^0-9]*//p' /proc/cpuinfo); do
[ "$status" -ne 0 ] || break
for t in $types; do umount "$path/$t" 2>/dev/null; done
pause=$(start taskset -c "$cpu" unshare "$@")
status=$?
done ;; esac
if [ "$status" -eq 0 ] && [ -n "$pause" ]; then
: > "$path/pid" && mount --bind "/proc/$pause/ns/pid" "$path/pid" && echo "$pause" > "$path/pause"
status=$?
# Out of the login's control group, which may end with the login.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then set -- /sys/fs/cgroup/cgroup.procs
else set -- /sys/fs/cgroup/*/cgroup.procs; fi
for t do { echo "$pause" > "$t"; } 2>/dev/null; done
fi
[ "$status" -ne 0 ] || exit 0
[ -z "$pause" ] || kill -KILL "$pause"
clear
exit "$status"
)`;

/** Nothing is ended but the process that kept the PID namespace; the others live on in theirs until their last process ends. */
function remove(path: string): Command {
  return raw("unpin the namespaces", `(\npath=$1\n${clearScript}\nclear\n)`, path);
}

/** Removes the folder of all namespaces, if none is left. @internal */
export function removeNamespacesFolder(): Command {
  return raw("remove the folder of the namespaces, if none is left", `(\n${dropFolderScript}\n)`);
}

function rename({ path, hostname = "" }: NamespaceInputs): Command {
  return raw(
    "set the host name",
    `nsenter --uts="$1/uts" sh -c 'printf %s "$1" > /proc/sys/kernel/hostname' sh "$2"`,
    path,
    hostname,
  );
}
