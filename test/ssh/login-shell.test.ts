import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { closeAllSessions, openSession } from "../../provider/ssh/pool";
import { type Sshd, startSshd, whyNoSshd } from "../harness/sshd";

const obstacle = whyNoSshd();
afterEach(() => closeAllSessions());

/** Root with another login shell and a home of its own, for this sshd only. */
function account(shell: string, startup: Readonly<Record<string, string>> = {}): string {
  const files = Object.entries(startup).map(([name, text]) => {
    const file = `$DIR/home/${name}`;
    return `mkdir -p "$(dirname "${file}")"\ncat >"${file}" <<'END'\n${text}\nEND`;
  });
  return [
    "mkdir -p $DIR/home",
    ...files,
    `sed "s#^root:.*#root:x:0:0:root:$DIR/home:${shell}#" /etc/passwd >$DIR/passwd`,
    "mount --bind $DIR/passwd /etc/passwd",
  ].join("\n");
}

async function tryAll(sshd: Sshd): Promise<void> {
  const session = await openSession("shell", sshd.connection);
  const stdin = Buffer.alloc(300_000, "x");
  const replies = await Promise.all([
    session.run({ script: "printf '%s' \"it's $((1 + 1))\"; printf e >&2; exit 3" }),
    session.run({ script: "echo locked", lock: true }),
    session.run({ script: "wc -c", stdin }),
    session.run({ script: "sleep 60", deadlineMs: 200 }).catch((error: Error) => error),
    session.run({ script: "echo $0 $LC_ALL; pwd" }),
  ]);
  expect(replies[0]).toMatchObject({ exitCode: 3, stdout: Buffer.from("it's 2"), stderr: Buffer.from("e") });
  expect(replies[1].stdout.toString()).toBe("locked\n");
  expect(replies[2].stdout.toString().trim()).toBe("300000");
  expect(String(replies[3])).toContain("it was killed there");
  expect(replies[4].stdout.toString()).toBe("/bin/sh C\n/\n");
  const left = await session.run({ script: "pgrep -fx 'sleep 60'; ls /var/lib/barepod/tmp", lock: true });
  expect(left.stdout.toString()).toBe("");
}

describe.skipIf(obstacle)("a login shell", { timeout: 60_000 }, () => {
  const shells: [string, Record<string, string>][] = [
    ["/bin/sh", { ".profile": "echo profile" }],
    ["/bin/bash", { ".bashrc": "echo 'Welcome to edge'; echo 'out of order' >&2; cd /tmp; LC_ALL=de_DE; umask 077" }],
    ["/usr/bin/fish", { ".config/fish/config.fish": "echo 'fish says hello'; echo oops >&2; set -x PATH /bin" }],
    ["/usr/bin/tcsh", { ".tcshrc": "echo 'csh says hello'\nsetenv PATH /bin\ncd /tmp" }],
    ["/bin/csh", { ".cshrc": "echo 'csh says hello'" }],
  ];

  test.each(shells)("%s that prints a banner does not disturb", async (shell, startup) => {
    if (!existsSync(shell)) throw new Error(`${shell} is not installed: apt-get install fish tcsh`);
    await using sshd = await startSshd({ prepare: account(shell, startup) });
    await tryAll(sshd);
  });

  test("a banner of sshd, and megabytes of noise, do not disturb", async () => {
    const noise = "head -c 3000000 /dev/urandom; head -c 300000 /dev/urandom >&2";
    await using sshd = await startSshd({
      config: ["Banner /etc/passwd"],
      prepare: account("/bin/bash", { ".bashrc": noise }),
    });
    await tryAll(sshd);
  });

  test("that lets nobody in is an error that repeats what it said", async () => {
    await using sshd = await startSshd({ prepare: account("/usr/sbin/nologin") });
    await expect(openSession("nologin", sshd.connection)).rejects.toThrow(
      /could not start \/bin\/sh on nologin .*: This account is currently not available\.\nthe login shell of root must be able/,
    );
  });
});

/** A user without rights, for this sshd only. */
const user = (name: string, hash = "x") =>
  [
    "chmod 755 $DIR; cp /etc/passwd /etc/group $DIR/",
    `echo '${name}:${hash}:4242:4242::/tmp:/bin/sh' >>$DIR/passwd`,
    `echo '${name}:x:4242:' >>$DIR/group`,
    "for f in passwd group; do mount --bind $DIR/$f /etc/$f; done",
  ].join("\n");

describe.skipIf(obstacle)("a user who is not root", { timeout: 60_000 }, () => {
  test("works but for the lock, and is told how to get it", async () => {
    await using sshd = await startSshd({ prepare: user("ann") });
    const session = await openSession("ann", { ...sshd.connection, user: "ann" });
    expect((await session.run({ script: "id -un" })).stdout.toString()).toBe("ann\n");
    expect((await session.run({ script: "wc -c", stdin: Buffer.alloc(200_000) })).stdout.toString().trim()).toBe(
      "200000",
    );
    await expect(session.run({ script: "echo", lock: true })).rejects.toThrow(
      /the lock of ann .* could not be taken: .*\/run\/barepod.*\nlog in as root, or set sudo: true/s,
    );
  });

  test("logs in with a password, and with a key and a password where both are asked for", async () => {
    const hash = execFileSync("openssl", ["passwd", "-6", "correct horse"], { encoding: "utf8" }).trim();
    const config = ["Match User ann", "AuthenticationMethods publickey,password", "Match all"];
    for (const name of ["ann", "bob"]) {
      await using sshd = await startSshd({ config, prepare: user(name, hash) });
      const { privateKeyPath, ...known } = sshd.connection;
      const password = { ...known, user: name, password: "correct horse" };
      const session = await openSession(name, name === "ann" ? { ...password, privateKeyPath } : password);
      expect((await session.run({ script: "id -un" })).stdout.toString()).toBe(`${name}\n`);
      const wrong = openSession("wrong", { ...password, password: "hunter2" });
      await expect(wrong).rejects.toThrow(/^(?!.*hunter2).*refused the login/s);
    }
  });

  test("without sudo on the node hears what is wrong", async () => {
    await using sshd = await startSshd({
      prepare: `${user("ann")}\nmount -t tmpfs none /usr/local/bin\nprintf '#!/bin/sh\\necho sudo: a password is required >&2; exit 1' >/usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo`,
    });
    await expect(openSession("no-sudo", { ...sshd.connection, user: "ann", sudo: true })).rejects.toThrow(
      /could not start sudo -n \/bin\/sh on no-sudo .*: sudo: a password is required\nlet ann run it without a password/,
    );
  });
});

// The real one where it is installed: everything, uploads and the end of process groups too, goes through it.
const hasSudo = existsSync("/usr/bin/sudo");
describe.skipIf(obstacle !== undefined || !hasSudo)("sudo", { timeout: 60_000 }, () => {
  test("makes the user root", async () => {
    const rule = [
      "mount -t tmpfs -o mode=755 none /etc/sudoers.d",
      "echo 'ann ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ann; chmod 440 /etc/sudoers.d/ann",
      // She has no entry in shadow, which the usual account check of PAM wants.
      "printf '%s sufficient pam_permit.so\\n' auth account session >$DIR/pam; mount --bind $DIR/pam /etc/pam.d/sudo",
    ].join("\n");
    await using sshd = await startSshd({ prepare: `${user("ann")}\n${rule}` });
    const session = await openSession("sudo", { ...sshd.connection, user: "ann", sudo: true });
    expect((await session.run({ script: "id -un", lock: true })).stdout.toString()).toBe("root\n");
    const stdin = Buffer.alloc(300_000);
    expect((await session.run({ script: "stat -Lc %U /proc/self/fd/0; wc -c", stdin })).stdout.toString()).toBe(
      "root\n300000\n",
    );
    const late = await session.run({ script: "sleep 61", deadlineMs: 300 }).catch((error: Error) => error);
    expect(String(late)).toContain("it was killed there");
    expect((await session.run({ script: "pgrep -fx 'sleep 61'" })).stdout.toString()).toBe("");
  });
});
