// node tools/vm-node.mjs create|start|connection|stop|delete [NAME]: a Debian 12 machine in QEMU to run pods on, with what a
// sandbox node cannot have: systemd, pure cgroup v2, a kernel of its own, real reboots. Needs root, debootstrap and
// qemu-system-x86; no /dev/kvm. `connection` prints what `barepod sandbox connection --json` prints.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "./lib/lock.mjs";
import { cacheDirectory } from "./lib/paths.mjs";
import { step } from "./lib/progress.mjs";
import { CommandError, main, runCaptured } from "./lib/run.mjs";

/** Another recipe is another version: nobody boots an image that it did not make. */
const version = "bookworm-3";
const suite = "bookworm";
// minbase has no DHCP client: the address is fixed, as QEMU's user network has it.
const packages = [
  ...["systemd", "systemd-sysv", "dbus", "linux-image-cloud-amd64", "initramfs-tools", "kmod", "udev"],
  // libpam-systemd: logins have sessions and scopes of their own, as on most machines.
  ...[
    "openssh-server",
    "libpam-systemd",
    "ifupdown",
    "iproute2",
    "iptables",
    "procps",
    "util-linux",
    "busybox-static",
    "curl",
    "sudo",
    // The kernel recommends it: most machines have it.
    "apparmor",
  ],
];

const home = join(cacheDirectory, "vm", version);
const image = (file) => join(home, "image", file);

await main(async () => {
  const [command, name = "vm", ...rest] = process.argv.slice(2);
  const commands = { create, start, connection, stop, delete: remove };
  if (!Object.hasOwn(commands, command ?? "") || rest.length > 0 || !/^[a-z0-9][a-z0-9-]*$/.test(name))
    throw new CommandError(`usage: vm-node.mjs ${Object.keys(commands).join("|")} [NAME]`, 2);
  const at = (file) => join(home, "nodes", name, file);
  if (command !== "create" && !existsSync(at("disk")))
    throw new CommandError(`There is no VM node "${name}": make it with \`vm-node.mjs create ${name}\`.`, 1);
  await commands[command]({ name, at });
});

/** A fresh disk, copied from the image, and started. */
async function create({ name, at }) {
  if (existsSync(at("disk"))) throw new CommandError(`The VM node "${name}" is there already.`, 1);
  await withLock(join(home, "lock"), () => existsSync(image("disk")) || makeImage());
  mkdirSync(at(""), { recursive: true });
  writeFileSync(at("port"), `${await freePort()}\n`);
  await runCaptured("cp", ["--sparse=always", image("disk"), at("disk.new")]);
  renameSync(at("disk.new"), at("disk"));
  await start({ name, at });
}

async function start({ name, at }) {
  if (runningPid(at)) return;
  await step(`boot the VM node "${name}"`, async () => {
    const forward = `hostfwd=tcp:127.0.0.1:${port(at)}-:22`;
    const append = "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=1 mitigations=off";
    const machine = [
      "-accel",
      "tcg",
      "-cpu",
      "max",
      "-m",
      "1024",
      "-display",
      "none",
      "-serial",
      `file:${at("console")}`,
    ];
    const kernel = ["-kernel", image("vmlinuz"), "-initrd", image("initrd.img"), "-append", append];
    const disk = ["-drive", `file=${at("disk")},if=virtio,format=raw,cache=unsafe`];
    const network = ["-netdev", `user,id=n,${forward}`, "-device", "virtio-net-pci,netdev=n"];
    const daemon = ["-daemonize", "-pidfile", at("pid")];
    const all = [...machine, ...kernel, ...disk, ...network, ...daemon];
    // Emulating a processor takes a whole one: others come first.
    await runCaptured("nice", ["-n", "10", "qemu-system-x86_64", ...all]);
    await answers(at);
  });
}

async function connection({ at }) {
  const [type, key] = readFileSync(image("host_key.pub"), "utf8").split(" ");
  const hostKey = `${type} ${key}`;
  const privateKeyPath = image("key");
  console.log(JSON.stringify({ host: "127.0.0.1", port: port(at), user: "root", privateKeyPath, hostKey }));
}

/** Shuts it down as a machine is; what does not listen loses its power. */
async function stop({ at }) {
  const pid = runningPid(at);
  if (!pid) return;
  await ssh(at, "systemctl poweroff", 20);
  for (let tries = 0; tries < 120 && runningPid(at); tries++) await sleep(500);
  if (runningPid(at)) process.kill(pid, "SIGKILL");
  rmSync(at("pid"), { force: true });
}

async function remove({ at }) {
  const pid = runningPid(at);
  if (pid) process.kill(pid, "SIGKILL");
  while (runningPid(at)) await sleep(50);
  rmSync(at(""), { recursive: true });
}

async function makeImage() {
  const work = join(home, "making");
  const root = join(work, "root");
  const file = (path, text) => writeFileSync(join(root, path), text);
  const remove = (path) => runCaptured("rm", ["-rf", "--one-file-system", path]);
  // debootstrap takes minutes: what it has finished is not made anew because a later step failed.
  if (!existsSync(join(work, "bootstrapped"))) {
    await remove(work);
    mkdirSync(work, { recursive: true, mode: 0o700 });
    const { uri, env } = await mirror();
    await step(`debootstrap ${suite}`, (onLine) => {
      const options = ["--variant=minbase", `--include=${packages.join(",")}`, suite, root, uri];
      return runCaptured("nice", ["-n", "10", "debootstrap", ...options], { onLine, env: { ...process.env, ...env } });
    });
    file("../bootstrapped", "");
  }
  await step("make the disk", async () => {
    for (const each of ["key", "key.pub", "disk"]) await remove(join(work, each));
    await runCaptured("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "barepod vm", "-f", join(work, "key")]);
    mkdirSync(join(root, "root/.ssh"), { recursive: true, mode: 0o700 });
    file("root/.ssh/authorized_keys", readFileSync(join(work, "key.pub")));
    await runCaptured("cp", [join(root, "etc/ssh/ssh_host_ed25519_key.pub"), join(work, "host_key.pub")]);
    file("etc/hostname", "vm\n");
    file("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 vm\n");
    file("etc/fstab", "/dev/vda / ext4 errors=remount-ro 0 1\n");
    file("etc/resolv.conf", "nameserver 10.0.2.3\n");
    const eth0 = "auto eth0\niface eth0 inet static\n  address 10.0.2.15/24\n  gateway 10.0.2.2\n";
    file("etc/network/interfaces", `auto lo\niface lo inet loopback\n${eth0}`);
    // Found on a slow processor: jobs of Debian's own that would change the node in the middle of a test.
    for (const timer of ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"])
      await runCaptured("ln", ["-sf", "/dev/null", join(root, "etc/systemd/system", timer)]);
    for (const each of readdirSync(join(root, "boot"))) {
      const kernel = /^(vmlinuz|initrd\.img)-/.exec(each)?.[1];
      if (kernel) await runCaptured("cp", [join(root, "boot", each), join(work, kernel)]);
    }
    await runCaptured("truncate", ["-s", "2G", join(work, "disk")]);
    await runCaptured("mkfs.ext4", ["-q", "-d", root, join(work, "disk")]);
    await remove(root);
  });
  renameSync(work, image(""));
}

/** Where this machine's own apt gets the suite from, and through which proxy. */
async function mirror() {
  const format = ["--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"];
  const { stdout } = await runCaptured("apt-get", ["indextargets", ...format]);
  const prefix = `${suite} main `;
  const uri = stdout
    .split("\n")
    .find((line) => line.startsWith(prefix))
    ?.slice(prefix.length);
  if (!uri)
    throw new CommandError(`This machine's apt has no source of Debian's ${suite}: add one, and apt-get update.`, 1);
  const { stdout: proxy } = await runCaptured("apt-config", ["shell", "proxy", "Acquire::http::Proxy"]);
  const address = /^proxy='(.+)'$/m.exec(proxy)?.[1];
  return { uri, env: address ? { http_proxy: address } : {} };
}

function port(at) {
  return Number(readFileSync(at("port"), "utf8"));
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
}

/** The emulator's process, if it runs this disk: a number alone may have been given anew. */
function runningPid(at) {
  if (!existsSync(at("pid"))) return undefined;
  const pid = Number(readFileSync(at("pid"), "utf8"));
  const commandLine = existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : "";
  return commandLine.includes(`file=${at("disk")},`) ? pid : undefined;
}

async function answers(at) {
  for (let tries = 0; tries < 60; tries++) {
    if (!runningPid(at)) throw new CommandError(`The VM ended; its console is ${at("console")}.`, 1);
    // 1 is "degraded" or "starting", 255 is no answer yet.
    const { exitCode } = await ssh(at, "systemctl is-system-running --wait", 120);
    if (exitCode !== 255 && exitCode !== 124) return;
    await sleep(1000);
  }
  throw new CommandError(`The VM does not answer; its console is ${at("console")}.`, 1);
}

function ssh(at, line, seconds) {
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "ConnectTimeout=10"];
  const target = ["-i", image("key"), "-p", String(port(at)), "root@127.0.0.1"];
  const args = [String(seconds), "ssh", ...options.flatMap((option) => ["-o", option]), ...target, line];
  return runCaptured("timeout", args, { mayFail: true });
}
