import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
// @ts-expect-error The set-up scripts are plain JavaScript: they run before anything is installed.
import * as machine from "../../tools/lib/machine.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "barepod-machine-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("familyOf", () => {
  test.each([
    ["ID=debian\nVERSION_ID=12", "apt"],
    ['NAME=Mint\nID=linuxmint\nID_LIKE="ubuntu debian"', "apt"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', "dnf"],
    ["ID=alpine", "apk"],
    ["ID=arch", "pacman"],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', "zypper"],
    ["ID=nixos", undefined],
  ])("%j is %s", (osRelease, family) => {
    expect(machine.familyOf(osRelease)).toBe(family);
  });
});

describe("missingMessage", () => {
  const bare = { platform: "linux", version: "18.0.0", path: folder, administrative: [] };

  test("a machine that has all it needs lacks nothing", () => {
    expect(machine.inspectMachine({ platform: "darwin", version: "22.0.0", path: process.env["PATH"] })).toEqual({
      missing: [],
      missingForSandbox: [],
    });
  });

  test.each([
    [
      "apt",
      "apt-get install -y --no-install-recommends git openssh-server openssh-client iproute2 iptables util-linux mount procps curl bash",
    ],
    ["dnf", "dnf install -y git openssh-server openssh iproute iptables-nft util-linux procps-ng curl bash"],
    [
      "apk",
      "apk add git openssh-server openssh-keygen iproute2 iptables util-linux-misc mount flock procps-ng curl bash",
    ],
    ["pacman", "pacman -S --needed --noconfirm git openssh iproute2 iptables util-linux procps-ng curl bash"],
    ["zypper", "zypper install -y git openssh-server openssh-common iproute2 iptables util-linux procps curl bash"],
  ])("on %s, one message names everything and one command installs it", (family, command) => {
    const { missing, missingForSandbox } = machine.inspectMachine(bare);
    const message = machine.missingMessage([...missing, ...missingForSandbox, machine.go], family);
    expect(message).toContain(
      "Missing on this machine: Node.js 20 or newer, git, sshd, ssh-keygen, ip, iptables, unshare",
    );
    expect(message).toContain(command);
    expect(message).toContain("https://nodejs.org/");
    expect(
      message.split("\n").filter((line: string) => line.includes("install -y") || line.includes("apk add")),
    ).toHaveLength(family === "pacman" ? 0 : 1);
  });

  test("on an unknown distribution every command is shown", () => {
    const message = machine.missingMessage(machine.inspectMachine(bare).missingForSandbox, undefined);
    for (const command of ["apt-get", "dnf", "apk", "pacman", "zypper"]) expect(message).toContain(`  ${command} `);
  });

  test("a link to BusyBox does not count", () => {
    const bin = path.join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(path.join(bin, "busybox"), "");
    chmodSync(path.join(bin, "busybox"), 0o755);
    symlinkSync("busybox", path.join(bin, "unshare"));
    writeFileSync(path.join(bin, "ip"), "");
    const lacking = machine
      .inspectMachine({ ...bare, path: bin })
      .missingForSandbox.map(({ name }: { name: string }) => name);
    expect(lacking).toContain("unshare");
    expect(lacking).not.toContain("ip");
  });
});

describe("sandboxObstacle", () => {
  test("names the reason and the way out", () => {
    expect(machine.sandboxObstacle("linux", 0)).toBeUndefined();
    expect(machine.sandboxObstacle("linux", 1000)).toMatch(/needs root.*sudo.*over SSH/);
    expect(machine.sandboxObstacle("darwin", 501)).toMatch(/this is darwin.*over SSH/);
  });
});
