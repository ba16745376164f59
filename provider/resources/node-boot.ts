/** How a node replays its boot journal: a script, and with systemd a unit that runs it once per boot. */
import { type Command, sh, write } from "../command/command";
import { bootFolder, ownersFolder } from "../frame";

/** Exists from the moment on from which what is declared is there in this boot: made by `up`, or by the replay. */
export const bootedMark = "/run/barepod/booted";

/**
 * Runs the journal's entries in their order, once per boot; one that fails is named, and the others still run. `stop` ends
 * the pods while the network is still there, when the machine goes down.
 */
export const bootScript = `#!/bin/sh
# Replays Barepod's boot journal: what was declared on this node, from nothing.
#   boot.sh         once per boot
#   boot.sh stop    ends the pods when the machine goes down
export LC_ALL=C PATH="\${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin"
if [ "\${1-}" = stop ]; then
  # Somebody stops the service only: the pods live on.
  [ "$(systemctl is-system-running 2>/dev/null)" = stopping ] || exit 0
  alive() { # PID START
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
    start=$2
    set -- \${stat##*) }
    [ "\${20-}" = "$start" ]
  }
  for file in /run/barepod/process/*/keeper.pid; do
    { read -r pid since < "$file"; } 2>/dev/null && alive "$pid" "$since" && kill -TERM "$pid"
  done
  for file in /run/barepod/process/*/keeper.pid; do
    while { read -r pid since < "$file"; } 2>/dev/null && alive "$pid" "$since"; do sleep 0.1; done
  done
  exit 0
fi
mkdir -p -m 700 /run/barepod
# Who logs in meanwhile waits, instead of repairing what is about to come.
exec 9>>/run/barepod/lock
flock 9
echo "the boot journal" > /run/barepod/holder
[ ! -e ${bootedMark} ] || exit 0
: > ${bootedMark}
read -r boot < /proc/sys/kernel/random/boot_id
status=0
for entry in ${bootFolder}/*.sh; do
  [ -e "$entry" ] || continue
  object=\${entry##*/} object=\${object#*-} object=\${object%.sh}
  # Somebody logged in earlier than this, and has put it back already.
  { while read -r id at _ && [ "$id" != . ]; do [ "$at" != "$boot" ] || continue 2; done < ${ownersFolder}/"$object"; } 2>/dev/null
  sh "$entry" </dev/null 9>&- || { echo "barepod: \${entry##*/} failed" >&2; status=1; }
done
exit "$status"
`;

const unitPath = "/etc/systemd/system/barepod.service";

/**
 * The unit: what it starts goes on when it has ended. It is active from the beginning, because only what is active is
 * stopped when the machine goes down, and before the network is, because it started after that.
 */
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
ExecStop=/var/lib/barepod/boot.sh stop
TimeoutStopSec=10min

[Install]
WantedBy=multi-user.target
`,
    ),
    sh("systemctl", "--quiet", "enable", "barepod.service"),
    // It would wait for a network that is called online late, or never.
    sh("systemctl", "--quiet", "--no-block", "start", "barepod.service"),
  ],
  remove: (): Command[] => [
    // Stopped too: an active unit stays in systemd's lists without its file.
    sh("systemctl", "--quiet", "disable", "--now", "barepod.service"),
    sh("rm", "-f", "--", unitPath),
    sh("systemctl", "daemon-reload"),
  ],
};
