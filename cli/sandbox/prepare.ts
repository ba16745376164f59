/** What a sandbox's disk starts with: this machine's files, without those that make it this machine. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { must } from "../run";
import { readMounts } from "./mounts";
import { pathsOf, type Sandbox, stateRoot } from "./state";

/** Where init.sh is in the sandbox. */
const initProgram = "etc/barepod-sandbox/init.sh";

/** What the sandbox does not see of this machine: its keys and users' files, its own containers, and what it gets anew. */
const hidden = [
  "/etc/barepod-sandbox",
  "/etc/hostname",
  "/etc/hosts",
  "/etc/machine-id",
  "/etc/resolv.conf",
  "/etc/ssh",
  "/home",
  "/root",
  "/var/lib/barepod",
  stateRoot,
  "/var/log/containers",
  "/var/log/pods",
];

/** File systems of the machine that get an overlay of their own, where they are mounted apart from `/`. */
const layerCandidates = ["/etc", "/opt", "/usr", "/usr/local", "/var"];

/** Those that are. */
export function layers(): string[] {
  const targets = new Set(readMounts().map(({ target }) => target));
  return layerCandidates.filter((target) => targets.has(target));
}

/** Whether the file system below a directory cannot be the writable part of an overlay. */
export function needsMemory(directory: string): boolean {
  const unfit = new Map([
    [0x794c7630, "overlay"],
    [0x6969, "nfs"],
    [0x01021997, "9p"],
    [0x65735546, "fuse"],
    [0x4d44, "vfat"],
    [0xf15f, "ecryptfs"],
  ]);
  return unfit.has(statfsSync(directory).type);
}

/** Makes the sandbox's keys; returns its public host key. */
export async function makeKeys({ name }: Sandbox): Promise<string> {
  const { keys, privateKey, files } = pathsOf(name);
  const hostKey = path.join(files, "etc/ssh/ssh_host_ed25519_key");
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  mkdirSync(path.dirname(hostKey), { recursive: true });
  await Promise.all([generate(privateKey, `barepod sandbox ${name}`), generate(hostKey, name)]);
  const [type, key] = readFileSync(`${hostKey}.pub`, "utf8").split(" ");
  return `${type} ${key}`;
}

/** Lays out the disk, unless it is there already: after a reboot of this machine one in memory is gone. */
export async function prepareDisk({ name, address, inMemory, hostKey }: Sandbox): Promise<{ fresh: boolean }> {
  const { disk, upper, work, node, root, files, keys, knownHosts, privateKey } = pathsOf(name);
  mkdirSync(disk, { recursive: true });
  mkdirSync(root, { recursive: true });
  if (inMemory && !readMounts().some(({ target }) => target === disk)) {
    await must("could not mount the memory for the sandbox's files", [
      "mount",
      "-t",
      "tmpfs",
      "-o",
      "mode=700",
      "tmpfs",
      disk,
    ]);
  }
  if (existsSync(path.join(upper, "root", initProgram))) return { fresh: false };

  for (const directory of [work, path.join(work, "root"), node]) mkdirSync(directory, { recursive: true, mode: 0o755 });
  mirror("/", upper);
  for (const layer of layers()) mirror(layer, upper);
  await Promise.all(
    hidden.filter(isThere).map((target) => {
      mirror(path.dirname(target), upper);
      // A character device 0:0 is how an overlay says that a file of the lower layer is gone.
      return must(`could not hide ${target} from the sandbox`, ["mknod", inUpper(target, upper), "c", "0", "0"]);
    }),
  );

  writeFileSync(knownHosts, `${address} ${hostKey}\n`);
  const put = (file: string, text: string, mode = 0o644) => {
    mkdirSync(path.dirname(path.join(files, file)), { recursive: true });
    writeFileSync(path.join(files, file), text, { mode });
  };
  put("etc/hostname", `${name}\n`);
  put("etc/hosts", `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${address}\t${name}\n`);
  put("etc/machine-id", `${randomBytes(16).toString("hex")}\n`);
  put("etc/resolv.conf", resolvers());
  put("etc/ssh/sshd_config", sshdConfig);
  put("root/.ssh/authorized_keys", readFileSync(`${privateKey}.pub`, "utf8"), 0o600);
  mkdirSync(path.join(files, "home"), { recursive: true });
  for (const own of ["root", "root/.ssh"]) chmodSync(path.join(files, own), 0o700);
  mkdirSync(path.dirname(path.join(files, initProgram)), { recursive: true });
  copyFileSync(path.join(__dirname, "init.sh"), path.join(files, initProgram));
  chmodSync(keys, 0o700);
  return { fresh: true };
}

/** Nothing but what a throwaway node needs; the limits stay the defaults, because a real node has them too. */
const sshdConfig = `HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PrintMotd no
Subsystem sftp internal-sftp
`;

/** The name servers of this machine; a stub on its loopback would not answer inside, what it asks does. */
function resolvers(): string {
  const file = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"].find(existsSync);
  return file === undefined ? "" : readFileSync(file, "utf8");
}

async function generate(file: string, comment: string): Promise<void> {
  await must("could not make a key", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file]);
}

/** Makes a directory of this machine in the upper layer, with its mode and owner: there the upper one's count. */
function mirror(directory: string, upper: string): void {
  const copy = inUpper(directory, upper);
  if (existsSync(copy)) return;
  if (directory !== "/" && !layers().includes(directory)) mirror(path.dirname(directory), upper);
  const { mode, uid, gid } = lstatSync(directory);
  mkdirSync(copy, { recursive: true });
  chownSync(copy, uid, gid);
  chmodSync(copy, mode & 0o7777);
}

/** Where a file of this machine is in the upper layers; setup.sh names their folders alike. */
function inUpper(target: string, upper: string): string {
  const layer = layers()
    .filter((candidate) => `${target}/`.startsWith(`${candidate}/`))
    .at(-1);
  if (layer === undefined) return path.join(upper, "root", target);
  return path.join(upper, layer.replaceAll("/", "_"), path.relative(layer, target));
}

function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}
