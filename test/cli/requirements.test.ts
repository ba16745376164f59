import { describe, expect, test } from "vitest";
import { checkRequirements, type Machine } from "../../cli/sandbox/requirements";

const everything = ["ip", "sshd", "ssh-keygen", "unshare", "nsenter", "mount", "setsid", "pivot_root", "flock"];

function machine(difference: Partial<Omit<Machine, "find">> & { readonly programs?: readonly string[] } = {}): Machine {
  const programs = difference.programs ?? [...everything, "apt-get"];
  return {
    platform: "linux",
    uid: 0,
    capabilities: 0x1ffffffffffn,
    ...difference,
    find: (program) => (programs.includes(program) ? `/usr/bin/${program}` : undefined),
  };
}

const without = (...missing: string[]) => everything.filter((program) => !missing.includes(program));

describe("what a sandbox needs of a machine", () => {
  test("is there on a Linux with root and the tools", () => {
    expect(() => checkRequirements(machine())).not.toThrow();
  });

  test.each([
    { name: "another system", on: machine({ platform: "darwin" }), says: "needs Linux, and this is darwin" },
    { name: "no root", on: machine({ uid: 1000 }), says: "Run it as root: sudo npx barepod" },
    {
      name: "a container's root",
      on: machine({ capabilities: 0xa80425fbn }),
      says: "needs CAP_SYS_ADMIN and CAP_NET_ADMIN, which root lacks here",
    },
    {
      name: "Debian without sshd and ip",
      on: machine({ programs: [...without("sshd", "ip"), "apt-get"] }),
      says: "missing here: ip, sshd\nInstall: apt-get install -y iproute2 openssh-server",
    },
    {
      name: "Fedora without ip",
      on: machine({ programs: [...without("ip"), "dnf"] }),
      says: "Install: dnf install -y iproute",
    },
    {
      name: "Alpine with BusyBox alone",
      on: machine({ programs: ["apk"] }),
      says: "Install: apk add iproute2 openssh-server openssh-keygen util-linux util-linux-misc mount flock",
    },
    {
      name: "Arch without sshd and ssh-keygen",
      on: machine({ programs: [...without("sshd", "ssh-keygen"), "pacman"] }),
      says: "Install: pacman -S --needed openssh",
    },
    {
      name: "SUSE without sshd",
      on: machine({ programs: [...without("sshd"), "zypper"] }),
      says: "Install: zypper install -y openssh-server",
    },
    {
      name: "a machine without a known package manager",
      on: machine({ programs: without("flock") }),
      says: "Install, one of:\n  apt-get install -y util-linux\n  dnf install -y util-linux",
    },
  ])("names what to do: $name", ({ on, says }) => {
    expect(() => checkRequirements(on)).toThrow(says);
  });
});
