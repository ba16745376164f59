#!/bin/sh
# Configures the eth0 of a sandbox; runs in its network namespace.
#
#   eth0.sh ADDRESS/PREFIX-LENGTH GATEWAY
set -eu
# Nobody else can have our address: without the check the node does not change by itself a second after its boot.
if [ -e /proc/sys/net/ipv6/conf/eth0/accept_dad ]; then
  echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
fi
ip -batch - <<END
address add $1 broadcast + dev eth0
link set eth0 up
route add default via $2
END
