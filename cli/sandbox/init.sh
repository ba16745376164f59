#!/bin/sh
# PID 1 of a sandbox: replays the boot journal, keeps sshd running, reaps whatever is orphaned (`wait` does), and ends on
# TERM; the kernel then ends everything else in the PID namespace.
#
#   init.sh SSHD
set -u
sshd=$1
trap 'exit 0' TERM INT
cd /
mkdir -p /run/sshd /run/lock

boot=/var/lib/barepod/boot.sh
if [ -x "$boot" ]; then
  "$boot" </dev/null >/run/boot.log 2>&1 &
  replay=$!
  tries=0
  # A journal that hangs must not lock everybody out.
  while kill -0 "$replay" 2>/dev/null && [ "$tries" -lt 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
fi

while :; do
  "$sshd" -D -e &
  wait $!
  echo "sshd ended with $?, starting it again" >&2
  sleep 0.2 &
  wait $!
done
