/** Which package of which distribution holds a tool, and how it is installed. */
import { type Command, raw } from "./command/command";

/** A tool's package where it is not named like the tool; Debian's, Fedora's and Alpine's names are the same for these. */
const packageOf: Readonly<Record<string, string>> = {
  awk: "gawk",
  base64: "coreutils",
  flock: "util-linux",
  ip: "iproute2",
  "iptables-restore": "iptables",
  mount: "mount",
  nsenter: "util-linux",
  ps: "procps",
  setsid: "util-linux",
  sha256sum: "coreutils",
  stat: "coreutils",
  umount: "mount",
  unshare: "util-linux",
};

/** Where a family names a package otherwise. */
const renamed: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  dnf: { iproute2: "iproute", procps: "procps-ng", mount: "util-linux" },
  zypper: { mount: "util-linux" },
  pacman: { procps: "procps-ng", mount: "util-linux" },
  apk: { mount: "util-linux", "util-linux": "util-linux-misc flock setsid" },
};

const installers: Readonly<Record<string, string>> = {
  // Debian's own timers may be at it: it waits for its lock instead of giving up at once.
  "apt-get":
    "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends",
  dnf: "dnf install -qy",
  zypper: "zypper --non-interactive install",
  pacman: "pacman -Sy --noconfirm --needed",
  apk: "apk add",
};

function packages(family: string, tools: readonly string[]): string[] {
  const names = tools.map((tool) => packageOf[tool] ?? tool);
  return [...new Set(names.map((name) => renamed[family]?.[name] ?? name))].sort();
}

/** Without what only a script needs. */
function readable(command: string): string {
  return command
    .replace(/^.*&& /, "")
    .replace(/DEBIAN_FRONTEND=\S+ |-o \S+ | -q(?=y)|--non-interactive | --noconfirm/g, (part) =>
      part === " -q" ? " -" : "",
    );
}

export const packagesFor = {
  /** The commands per distribution family, for people, a line each. */
  describe: (tools: readonly string[]): string =>
    Object.entries(installers)
      .map(([family, command]) => `  ${readable(command)} ${packages(family, tools).join(" ")}`)
      .join("\n"),
  /** Installs with whichever package manager the node has. */
  install: (tools: readonly string[]): Command => {
    const branches = Object.entries(installers).map(
      ([family, command]) =>
        `if command -v ${family} >/dev/null; then ${command} ${packages(family, tools).join(" ")}; return; fi`,
    );
    return raw(
      `install ${tools.join(", ")}`,
      `${branches.join("\n")}\necho "no known package manager on the node" >&2; return 1`,
    );
  },
};
