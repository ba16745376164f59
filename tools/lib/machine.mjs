import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, delimiter, join } from "node:path";

const families = {
  apt: { ids: ["debian", "ubuntu"], command: "apt-get install -y --no-install-recommends" },
  dnf: { ids: ["fedora", "rhel", "centos"], command: "dnf install -y" },
  apk: { ids: ["alpine"], command: "apk add" },
  pacman: { ids: ["arch"], command: "pacman -S --needed --noconfirm" },
  zypper: { ids: ["suse", "opensuse"], command: "zypper install -y" },
};
const everywhere = (name) => Object.fromEntries(Object.keys(families).map((family) => [family, name]));

/** What a sandbox node and the quickstart's pods need on this machine; a package's name per distribution family. */
const sandboxPrograms = [
  { name: "sshd", packages: { ...everywhere("openssh-server"), pacman: "openssh" } },
  {
    name: "ssh-keygen",
    packages: {
      ...everywhere("openssh-client"),
      dnf: "openssh",
      apk: "openssh-keygen",
      pacman: "openssh",
      zypper: "openssh-common",
    },
  },
  { name: "ip", packages: { ...everywhere("iproute2"), dnf: "iproute" } },
  { name: "iptables", packages: { ...everywhere("iptables"), dnf: "iptables-nft" } },
  ...["unshare", "nsenter", "setsid", "pivot_root"].map((name) => ({
    name,
    packages: { ...everywhere("util-linux"), apk: "util-linux-misc" },
  })),
  { name: "mount", packages: { ...everywhere("util-linux"), apt: "mount", apk: "mount" } },
  { name: "flock", packages: { ...everywhere("util-linux"), apk: "flock" } },
  { name: "ps", packages: { ...everywhere("procps"), dnf: "procps-ng", apk: "procps-ng", pacman: "procps-ng" } },
  { name: "curl", packages: everywhere("curl") },
  { name: "bash", packages: everywhere("bash") },
  // The quickstart's web server; Fedora's families have it in a repository of their own.
  { name: "busybox", packages: { ...everywhere("busybox"), apt: "busybox-static" } },
];
const git = { name: "git", packages: everywhere("git") };
/** Debian's own package is too old on its older releases, so the way that works on every one is named. */
export const go = {
  name: "go (1.21 or newer)",
  packages: { dnf: "golang", apk: "go", pacman: "go", zypper: "go" },
  link: "https://go.dev/doc/install",
};
const node = { name: "Node.js 20 or newer", packages: {}, link: "https://nodejs.org/en/download" };

/** The package manager's family by /etc/os-release; undefined where it is none of ours. */
export function familyOf(osRelease) {
  const field = (name) => new RegExp(`^${name}="?([^"\\n]*)"?$`, "m").exec(osRelease)?.[1].toLowerCase() ?? "";
  const ids = [field("ID"), ...field("ID_LIKE").split(" ")];
  return Object.keys(families).find((family) =>
    families[family].ids.some((id) => ids.some((mine) => mine.startsWith(id))),
  );
}

export function thisFamily() {
  return existsSync("/etc/os-release") ? familyOf(readFileSync("/etc/os-release", "utf8")) : undefined;
}

/** What is missing for building anything, and what is missing for a sandbox node. */
export function inspectMachine({
  platform = process.platform,
  version = process.versions.node,
  path = process.env.PATH,
  administrative = administrativeFolders,
} = {}) {
  const lacks = ({ name }) => !hasProgram(name, [...path.split(delimiter), ...administrative]);
  return {
    missing: [...(Number.parseInt(version, 10) < 20 ? [node] : []), ...[git].filter(lacks)],
    missingForSandbox: platform === "linux" ? sandboxPrograms.filter(lacks) : [],
  };
}

/** Why no sandbox node can be made here, whatever is installed. */
export function sandboxObstacle(platform = process.platform, uid = process.getuid?.()) {
  const elsewhere = "any Linux machine that you reach over SSH can be a node instead";
  if (platform !== "linux") return `a sandbox node is made of Linux namespaces, and this is ${platform}; ${elsewhere}`;
  if (uid !== 0) return `a sandbox node needs root: run the same command with sudo; or ${elsewhere}`;
  return undefined;
}

/** Where sshd, ip and iptables are, whether or not the user's PATH says so. */
const administrativeFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** BusyBox's applets of the same names lack the options that are used. */
function hasProgram(name, folders) {
  const candidates = folders.filter(Boolean).map((folder) => join(folder, name));
  const file = candidates.find((candidate) => existsSync(candidate));
  return file !== undefined && (name === "busybox" || basename(realpathSync(file)) !== "busybox");
}

export function packagesFor(missing, family) {
  return [...new Set(missing.map(({ packages }) => packages[family]).filter(Boolean))];
}

/** One message: everything that is missing, and the command that installs it. */
export function missingMessage(missing, family) {
  const lines = [`Missing on this machine: ${missing.map(({ name }) => name).join(", ")}`];
  const known = family ? [family] : Object.keys(families);
  lines.push(family ? "Install with:" : "Install with the one that fits:");
  for (const each of known) {
    const packages = packagesFor(missing, each);
    if (packages.length > 0) lines.push(`  ${families[each].command} ${packages.join(" ")}`);
  }
  const byHand = missing.filter(({ packages, link }) => link && known.some((each) => !packages[each]));
  for (const { name, link } of byHand) lines.push(`  ${name}: ${link}`);
  return lines.join("\n");
}
