#!/bin/sh
# Makes what must be there before a container starts; the keeper calls it before each start.
#
#   prepare.sh DIR    DIR is the keeper's folder, with the specifications
set -u
export LC_ALL=C
umask 077
bin=${0%/*}
dir=$1
# shellcheck disable=SC2034 # for the files that are read here
tab='	' newline='
'

if [ -e "$dir/network.spec" ]; then
  # shellcheck source=provider/node-scripts/prepare-network.sh
  . "$bin/prepare-network.sh"
  prepare_network || exit
fi
