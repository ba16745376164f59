import { accessSync, constants, readFileSync, realpathSync } from "node:fs";
import path from "node:path";
import { InputError } from "../../provider/errors";
import { pasteable } from "../run";

/** A package manager, and what it calls the packages that carry our tools. */
interface Family {
  readonly manager: string;
  readonly install: string;
  readonly ip: string;
  readonly sshd: string;
  readonly keygen: string;
  readonly utilLinux: string;
  readonly flock: string;
}

const families: readonly Family[] = [
  {
    manager: "apt-get",
    install: "apt-get install -y",
    ip: "iproute2",
    sshd: "openssh-server",
    keygen: "openssh-client",
    utilLinux: "util-linux mount",
    flock: "util-linux",
  },
  {
    manager: "dnf",
    install: "dnf install -y",
    ip: "iproute",
    sshd: "openssh-server",
    keygen: "openssh",
    utilLinux: "util-linux",
    flock: "util-linux",
  },
  {
    manager: "apk",
    install: "apk add",
    ip: "iproute2",
    sshd: "openssh-server",
    keygen: "openssh-keygen",
    utilLinux: "util-linux util-linux-misc mount",
    flock: "flock",
  },
  {
    manager: "pacman",
    install: "pacman -S --needed",
    ip: "iproute2",
    sshd: "openssh",
    keygen: "openssh",
    utilLinux: "util-linux",
    flock: "util-linux",
  },
  {
    manager: "zypper",
    install: "zypper install -y",
    ip: "iproute2",
    sshd: "openssh-server",
    keygen: "openssh-common",
    utilLinux: "util-linux",
    flock: "util-linux",
  },
];

const tools = {
  ip: "ip",
  sshd: "sshd",
  "ssh-keygen": "keygen",
  unshare: "utilLinux",
  nsenter: "utilLinux",
  mount: "utilLinux",
  setsid: "utilLinux",
  pivot_root: "utilLinux",
  flock: "flock",
} as const satisfies Record<string, keyof Family>;

/** What a machine has, as far as a sandbox depends on it. */
export interface Machine {
  readonly platform: string;
  readonly uid: number;
  /** CapEff of /proc/self/status. */
  readonly capabilities: bigint;
  /** Where a program is; undefined: nowhere. */
  find(program: string): string | undefined;
}

/** This machine. */
const thisMachine: Machine = {
  platform: process.platform,
  uid: process.getuid?.() ?? -1,
  get capabilities() {
    const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
    return BigInt(`0x${line?.[1] ?? "0"}`);
  },
  find: findProgram,
};

/** Refuses, in one message, whatever would make a sandbox fail; nothing has been touched by then. */
export function checkRequirements(machine: Machine = thisMachine): void {
  const alternative = "Or use any Linux machine that you can log in to over SSH as a node: that needs no root here";
  if (machine.platform !== "linux") {
    throw new InputError("", `a sandbox node needs Linux, and this is ${machine.platform}\n${alternative}`);
  }
  if (machine.uid !== 0) {
    throw new InputError(
      "",
      `a sandbox node needs root: it is made of namespaces, mounts and cgroups of this machine\nRun it as root: sudo ${pasteable(["npx", "barepod", ...process.argv.slice(2)])}\n${alternative}`,
    );
  }
  const sysAdmin = 21n;
  const netAdmin = 12n;
  const lacking = [
    ...((machine.capabilities >> sysAdmin) & 1n ? [] : ["CAP_SYS_ADMIN"]),
    ...((machine.capabilities >> netAdmin) & 1n ? [] : ["CAP_NET_ADMIN"]),
  ];
  if (lacking.length > 0) {
    throw new InputError(
      "",
      `a sandbox node needs ${lacking.join(" and ")}, which root lacks here, as in a container\nStart the container with them (docker run --privileged)\n${alternative}`,
    );
  }
  const missing = (Object.keys(tools) as (keyof typeof tools)[]).filter((tool) => machine.find(tool) === undefined);
  if (missing.length > 0) throw new InputError("", missingTools(missing, machine));
}

/** Where a program is; the folders for administration count even when PATH leaves them out, a link to BusyBox does not. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return folders
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return path.basename(realpathSync(file)) !== "busybox";
      } catch {
        // Not in this folder.
        return false;
      }
    });
}

function missingTools(missing: readonly (keyof typeof tools)[], machine: Machine): string {
  const here = families.filter(({ manager }) => machine.find(manager) !== undefined);
  const commands = (here.length === 0 ? families : here).map((family) => {
    const packages = new Set(missing.flatMap((tool) => family[tools[tool]].split(" ")));
    return `${family.install} ${[...packages].join(" ")}`;
  });
  const next = commands.length === 1 ? `Install: ${commands[0]}` : `Install, one of:\n  ${commands.join("\n  ")}`;
  return `a sandbox node needs programs that are missing here: ${missing.join(", ")}\n${next}`;
}
