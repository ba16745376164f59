/** How a node replays its boot journal: a script, and with systemd a unit that runs it once per boot. */
import { type Command, sh, write } from "../command/command";

/** Runs the journal's entries in their order; one that fails is named, and the others still run. */
export const bootScript = `#!/bin/sh
# Replays Barepod's boot journal: what was declared on this node, from nothing.
export LC_ALL=C PATH="\${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin"
status=0
for entry in /var/lib/barepod/boot.d/*.sh; do
  [ -e "$entry" ] || continue
  sh "$entry" </dev/null || { echo "barepod: \${entry##*/} failed" >&2; status=1; }
done
exit "$status"
`;

const unitPath = "/etc/systemd/system/barepod.service";

/** The unit: what it starts goes on when it has ended. */
export const bootUnit = {
  add: (): Command[] => [
    write(
      unitPath,
      `[Unit]
Description=Barepod: put back what was declared on this node
After=network-online.target local-fs.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
ExecStart=/var/lib/barepod/boot.sh

[Install]
WantedBy=multi-user.target
`,
    ),
    sh("systemctl", "--quiet", "enable", "barepod.service"),
  ],
  remove: (): Command[] => [
    sh("systemctl", "--quiet", "disable", "barepod.service"),
    sh("rm", "-f", "--", unitPath),
    sh("systemctl", "daemon-reload"),
  ],
};
