#!/bin/sh
# Runs in the fresh namespaces, but still in the old PID namespace: its first child becomes PID 1 of the new one.
# Nothing may be forked before it. Descriptor 3 becomes its standard input.
#
#   launch.sh SETUP CONSOLE SETUP-ARGUMENT...
set -eu
setup=$1 console=$2
shift 2
setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  sh "$setup" "$@" <&3 3<&- >>"$console" 2>&1 &
echo $!
