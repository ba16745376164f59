#!/bin/sh
# Prints what a node has, one section after the other, for snapshot.ts to make canonical.
set -u
export LC_ALL=C
section() {
  printf '\n\037%s\n' "$1"
}
printf '\037self\n%s\n' "$$"
section links
ip -j -d link
section addresses
ip -j address
section routes
ip -4 route show table all
ip -6 route show table all
section rules
ip -4 rule
ip -6 rule
section iptables
iptables-save 2>/dev/null
section ip6tables
ip6tables-save 2>/dev/null
section mounts
findmnt -rno TARGET,SOURCE,FSTYPE,OPTIONS,PROPAGATION
section cgroups
find /sys/fs/cgroup -type d | sort | while IFS= read -r group; do
  # v2: which controllers it hands on.
  handed_on=
  if [ -e "$group/cgroup.subtree_control" ]; then read -r handed_on < "$group/cgroup.subtree_control"; fi
  printf '%s\n' "$group${handed_on:+ $handed_on}"
done
section processes
ps -eo pid=,ppid=,comm=
section sysctls
for name in net/ipv4/ip_forward net/ipv4/conf/*/forwarding net/ipv4/conf/*/rp_filter net/ipv4/conf/*/route_localnet \
  net/ipv4/conf/*/proxy_arp net/ipv4/conf/*/arp_ignore net/ipv6/conf/*/forwarding net/ipv6/conf/*/disable_ipv6 \
  net/ipv4/ip_local_reserved_ports net/ipv4/ip_nonlocal_bind net/bridge/bridge-nf-call-iptables; do
  for file in /proc/sys/$name; do
    if [ -r "$file" ]; then printf '%s = %s\n' "${file#/proc/sys/}" "$(cat "$file")"; fi
  done
done
section files
for directory in /etc /home /root /run /srv /tmp /usr/local /var/lib/barepod /var/log/containers /var/log/pods; do
  # The size of a directory depends on its history, and so do the kinds of files without content.
  if [ -e "$directory" ]; then
    find "$directory" \( -type f -printf '%y %m %U:%G %s %p\n' \) -o \( -type l -printf '%y %U:%G %p -> %l\n' \) \
      -o -printf '%y %m %U:%G %p\n'
  fi
done | sort
