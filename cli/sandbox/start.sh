#!/bin/sh
# Starts a sandbox's PID 1 and prints its process id.
#
#   start.sh LAUNCH SETUP CONSOLE CGROUP... -- SETUP-ARGUMENT...
#
# It enters the sandbox's cgroups before it makes the namespaces, so that the cgroup namespace has them as its roots.
# Descriptor 3 goes on to setup.sh, which waits there for the word that the network is attached.
set -eu
umask 022
launch=$1 setup=$2 console=$3
shift 3
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs"
  shift
done
shift
exec unshare --mount --net --pid --uts --ipc --cgroup --propagation private \
  sh "$launch" "$setup" "$console" "$@"
