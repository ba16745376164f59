/** What the keeper reads, and the commands that call it. Pure. */
import { all, type Command, either, raw, type Secret, secret, sh, write } from "../command/command";
import { makeFolder, parentOf, removeFolder, removeTree } from "../command/folders";
import { underLock } from "../command/lock";
import { addressFile } from "../facts/link";
import { logFolders, nodeFolder } from "../facts/node";
import { processFolder } from "../facts/process";
import { defaultTerminationMessagePath } from "../kubernetes/actions";
import { launcherConfig, type Volume } from "../launcher-config";
import { keeperPath, servicesPath } from "../node-programs";
import { actionFiles, findTools } from "./process-actions";
import { loadProfile, unloadProfile } from "./process-apparmor";
import { type Container, containersOf, type ProcessInputs, sharesWithNode } from "./process-args";
import { containerConfig } from "./process-container";
import { controlsOf, devicesOf } from "./process-controls";
import { linkOf, logsOf } from "./process-logs";
import { hasNetworkFiles, networkSpec } from "./process-network";
import { findScore, oomOf } from "./process-oom";
import {
  needsPreparation,
  preparationFiles,
  preparationFolders,
  removeVolumes,
  renewVolumes,
  volumesDigest,
} from "./process-projections";
import { registrationFiles } from "./process-registration";
import { filterOf } from "./process-seccomp";

/** Starts the containers, where nothing of them is. */
export function start(inputs: ProcessInputs): Command[] {
  return commands(inputs, underLock);
}

/** The same at boot, where whoever replays the journal has the node's lock. */
export function startAtBoot(inputs: ProcessInputs): Command[] {
  return commands(inputs, (_label, ...each) => all(...each));
}

function commands(inputs: ProcessInputs, locked: typeof underLock): Command[] {
  const { timeoutSeconds } = inputs;
  const folder = processFolder(inputs.name);
  const volumes = ephemeralFolders(inputs);
  return [
    ...findMountPoints(inputs),
    ...findTools(containersOf(inputs)),
    ...makeFiles(inputs),
    ...loadProfile(inputs).map((command) => locked("load the AppArmor profile", command)),
    // A Node keeps them as long as it is there; otherwise they go with the last Process, whose folder is ours now.
    either(
      all(...[nodeFolder, ...logFolders].map((path) => sh("test", "-d", path))),
      locked("make the folders of the logs", ...logFolders.map(makeFolder)),
    ),
    ...(volumes.length === 0
      ? []
      : [
          locked("make the folders for the containers", ...volumes.map(({ source }) => makeFolder(source))),
          ...volumes.flatMap(({ source, group }) =>
            group === undefined
              ? [sh("chmod", "0777", source)]
              : // What is made in it gets the group too, as in a kubelet's volume with fsGroup.
                [sh("chgrp", group, source), sh("chmod", "2777", source)],
          ),
        ]),
    // By itself it waits for 30 seconds.
    sh(
      keeperPath(),
      "start",
      folder,
      ...(timeoutSeconds === undefined || timeoutSeconds >= 30 ? [] : [timeoutSeconds]),
    ),
  ];
}

/**
 * Fails where a volume would need a folder or a file on the node's own root, which nobody would ever remove: another Process
 * may have mounted on it meanwhile. What lies below another volume is made in that.
 */
function findMountPoints(inputs: ProcessInputs): Command[] {
  const targets = containersOf(inputs).flatMap(({ rootFs, volumes = [] }) =>
    rootFs !== undefined
      ? []
      : volumes
          .map(({ target }) => target)
          .filter((target) => !volumes.some((other) => target.startsWith(`${other.target}/`))),
  );
  const look = `for path do
[ -e "$path" ] || { echo "there is no $path on the node to mount on: make it first, or give a rootFs" >&2; return 1; }
done`;
  return targets.length === 0 ? [] : [raw("look for what the volumes are mounted on", look, ...targets)];
}

/**
 * What the keeper reads, without a process for each file: nobody looks before the keeper is started. `keeper.spec` is the
 * last; where it is there already, somebody else is at it (a login that was cut off, a replay of the boot journal), and
 * what he has written is as good. `<>` does not empty a file first, under the eyes of his keeper.
 */
function makeFiles(inputs: ProcessInputs): Command[] {
  const folder = processFolder(inputs.name);
  const containers = containersOf(inputs);
  return [
    raw(
      "make a folder that only root reads",
      // The second time: whoever ends the last Process takes the folder of all away, between one mkdir(2) and the next.
      'umask 077; mkdir -p -- "$@" 2>/dev/null || mkdir -p -- "$@"; set -- $?; umask 022; return "$1"',
      ...[...containers.map(({ name }) => name), ...preparationFolders(inputs)].map((name) => `${folder}/${name}`),
    ),
    raw(
      "write what its keeper reads",
      `[ ! -e "$1/keeper.spec" ] || return 0
cd -- "$1" || return
shift
umask 077
${findScore}
while [ "$#" -gt 0 ]; do
case $1 in
filter) printf %s "$3" | base64 -d 1<> "$2" || break ;;
conf)
if [ -z "$4" ]; then printf %s "$3" 1<> "$2" || break
else
find_score "$4"
printf '%s\\t%s\\n' "$4" "$score" 1<> "\${2%conf}oom" && printf 'oom_score_adj\\t%s\\n%s' "$score" "$3" 1<> "$2" || break
fi ;;
*) printf %s "$3" 1<> "$2" || break ;;
esac
shift 4
done
umask 022
cd / && [ "$#" -eq 0 ]`,
      folder,
      ...containers.flatMap((each) => [
        ...filterFile(inputs, each),
        ...confFile(inputs, each),
        ...actionFiles(each).flatMap(([name, text]) => plainFile(`${each.name}/${name}`, text)),
      ]),
      ...(hasNetworkFiles(inputs) ? plainFile("network.spec", networkSpec(inputs)) : []),
      ...(hasNetworkFiles(inputs) || needsPreparation(inputs) ? plainFile("keeper.prepare", "") : []),
      ...preparationFiles(inputs).flatMap(([name, content]) => plainFile(name, content)),
      ...registrationFiles(inputs).flatMap(([name, content]) => plainFile(name, content)),
      ...plainFile("keeper.spec", keeperSpec(inputs)),
    ),
  ];
}

function plainFile(name: string, content: string): (string | Secret)[] {
  return ["file", name, secret(content), ""];
}

/** Four words each: what it is, the file, its content, and for `conf` how soon the kernel is to end the container. */
function confFile(inputs: ProcessInputs, each: Container): (string | Secret)[] {
  return ["conf", `${each.name}/conf`, secret(launcherConfig(containerConfig(inputs, each))), oomOf(each)];
}

/** Marked as secret for its length: a message about a failure must not print it. */
function filterFile(inputs: ProcessInputs, each: Container): (string | Secret)[] {
  const filter = filterOf(inputs, each);
  return filter === undefined ? [] : ["filter", `${each.name}/seccomp`, secret(filter.toString("base64")), ""];
}

/** Ends the containers: TERM, the grace period, KILL. */
export function stop(inputs: ProcessInputs): Command {
  const folder = processFolder(inputs.name);
  return raw("end the containers", '"$1" stop "$2" && rm -rf -- "$2"', keeperPath(), folder);
}

/** Changes what can be changed while the containers run. */
export function change(inputs: ProcessInputs): Command[] {
  const folder = processFolder(inputs.name);
  return [
    raw(
      "write how soon the kernel ends the containers",
      `cd -- "$1" || return
shift
umask 077
${findScore}
while [ "$#" -gt 0 ]; do
wanted=
{ IFS='\t' read -r wanted _ < "\${2%conf}oom"; } 2>/dev/null
if [ "$wanted" != "$4" ]; then
if [ -z "$4" ]; then printf %s "$3" > "$2.new" && mv -f "$2.new" "$2" && rm -f "\${2%conf}oom" || break
else
find_score "$4"
printf 'oom_score_adj\\t%s\\n%s' "$score" "$3" > "$2.new" && mv -f "$2.new" "$2" &&
printf '%s\\t%s\\n' "$4" "$score" > "\${2%conf}oom.new" && mv -f "\${2%conf}oom.new" "\${2%conf}oom" || break
fi
fi
shift 4
done
umask 022
cd / && [ "$#" -eq 0 ]`,
      folder,
      ...containersOf(inputs).flatMap((each) => confFile(inputs, each)),
    ),
    write(`${folder}/keeper.spec.new`, keeperSpec(inputs), { mode: 0o600 }),
    sh(keeperPath(), "change", folder),
    ...(inputs.pod === undefined
      ? []
      : [
          ...registrationFiles(inputs).map(([name, content]) => write(`${folder}/${name}`, content, { mode: 0o600 })),
          sh(servicesPath(), "sync"),
        ]),
    ...(volumesDigest(inputs) === undefined
      ? []
      : [
          ...preparationFiles(inputs).map(([name, content]) =>
            write(`${folder}/${name}`, secret(content), { mode: 0o600 }),
          ),
          renewVolumes(folder),
        ]),
  ];
}

/** Removes what was made beside the containers, and a keeper whose folder somebody has removed. */
export function cleanup(inputs: ProcessInputs): Command[] {
  return [
    raw(
      "end what is left without its folder",
      `for group in "/sys/fs/cgroup/barepod/$3" /sys/fs/cgroup/*/"barepod/$3"; do
if [ -d "$group" ]; then "$1" stop "$2" || return; break; fi
done
folder=$2 id=$3
shift 3
rm -rf -- "$folder" "\${folder%/*}/.$id.lock" "$@"`,
      keeperPath(),
      processFolder(inputs.name),
      inputs.name,
      logsOf(inputs),
      ...containersOf(inputs).map((container) => linkOf(inputs, container)),
    ),
    ...unloadProfile(inputs).map((command) => underLock("unload the AppArmor profile", command)),
    ...removeVolumes(inputs),
    ...ephemeralFolders(inputs).flatMap(({ source: path }) => [
      ...removeTree(path),
      underLock("remove the folder of the containers", removeFolder(path), removeFolder(parentOf(path))),
    ]),
    underLock(
      "remove the folders that are empty",
      raw(
        "remove the folder of all, if it is empty",
        'rmdir -- "$1" 2>/dev/null || :',
        parentOf(processFolder(inputs.name)),
      ),
      // A Node keeps the folders of the logs as long as it is there.
      either(
        sh("test", "-d", parentOf(processFolder(inputs.name))),
        either(sh("test", "-d", nodeFolder), all(...logFolders.map(removeFolder))),
      ),
    ),
  ];
}

/** Folders that are made for the containers and go with them. */
function ephemeralFolders(inputs: ProcessInputs): Pick<Volume, "source" | "group">[] {
  const volumes = containersOf(inputs).flatMap((container) => container.volumes ?? []);
  const ephemeral = volumes.filter((volume) => volume.ephemeral === true);
  return [
    ...new Map(ephemeral.map(({ source, group }) => [source, { source, ...(group != null && { group }) }])).values(),
  ];
}

/**
 * The text of `keeper.spec`: no field holds a TAB or a newline, and none that may be followed by another is empty. Half of it
 * is known by its missing last line; no line counts without its newline.
 */
function keeperSpec(inputs: ProcessInputs): string {
  const lines = [
    ["restart", inputs.restartPolicy ?? "Always"],
    ["grace", inputs.terminationGracePeriodSeconds ?? 30],
    ["deadline", inputs.activeDeadlineSeconds ?? "-"],
    ["address", sharesWithNode(inputs, "net") ? `${nodeFolder}/address` : addressOf(inputs)],
    ["namespace", inputs.namespace ?? ""],
    ["host", inputs.hostNamespaces?.join(",") ?? ""],
    ...containersOf(inputs).map((container) => [
      "container",
      container.name ?? "",
      container.cgroup ?? "/",
      `${logsOf(inputs)}/${container.name}`,
      linkOf(inputs, container),
      getsResolvConf(inputs, container) ? "yes" : "no",
      container.kind ?? "main",
      ...messageOf(inputs, container),
      controlsOf(container, inputs),
      devicesOf(container, inputs),
    ]),
    ["end"],
  ];
  return `${lines.map((line) => line.join("\t")).join("\n")}\n`;
}

/** Where the keeper finds the address that probes go to. */
function addressOf({ namespace }: ProcessInputs): string {
  return namespace === undefined ? "-" : addressFile(namespace);
}

/** A container's termination message: its policy and its file. In a volume in place of /dev nothing is made. */
function messageOf(inputs: ProcessInputs, container: Container): [policy: string, path: string] {
  const { rootFs, terminationMessagePath, terminationMessagePolicy, volumes = [] } = container;
  const isPods = inputs.pod !== undefined && rootFs !== undefined && !sharesWithNode(inputs, "mnt");
  const path = terminationMessagePath ?? (isPods ? defaultTerminationMessagePath : undefined);
  const isNodes = path?.startsWith("/dev/") && volumes.some(({ target }) => target === "/dev");
  return path === undefined || isNodes ? ["-", "-"] : [terminationMessagePolicy ?? "File", path];
}

/** In the node's own root the file is there already, and a volume in its place is meant. */
function getsResolvConf(inputs: ProcessInputs, { rootFs, volumes = [] }: Container): boolean {
  const isCovered = volumes.some(({ target }) => ["/etc", "/etc/resolv.conf"].includes(target));
  return inputs.resolvConf === true && rootFs !== undefined && !isCovered && !sharesWithNode(inputs, "mnt");
}
