#!/bin/sh
# Runs a program in a sandbox: in its cgroups first, then in its namespaces.
#
#   exec.sh PID CGROUP... -- PROGRAM ARGUMENT...
set -eu
pid=$1
shift
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs"
  shift
done
shift
exec nsenter --target "$pid" --mount --uts --ipc --net --pid --cgroup -- env -i \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  HOME=/root USER=root LOGNAME=root SHELL=/bin/sh LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
