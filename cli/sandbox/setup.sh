#!/bin/sh
# PID 1 of a sandbox until its root is made; then it becomes init.
#
#   setup.sh ROOT UPPER WORK NODE-DIRECTORY FILES BOOT-ID HOSTNAME SSHD LAYER... -- CGROUP-DIRECTORY CGROUP-MOUNT...
#
# FILES is copied over the root at the first boot, and empty later. Every LAYER is a file system of its own on this
# machine (/usr, say) that the overlay of / does not show. A CGROUP-MOUNT is where a hierarchy appears below
# /sys/fs/cgroup, `.` for a machine with cgroup v2 alone.
set -eu
umask 022
root=$1 upper=$2 work=$3 node=$4 files=$5 boot_id=$6 hostname=$7 sshd=$8
shift 8

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$upper/root,workdir=$work/root" "$root"
while [ "$1" != -- ]; do
  layer=$(echo "$1" | tr / _)
  mkdir -p "$upper/$layer" "$work/$layer"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$upper/$layer,workdir=$work/$layer" "$root$1"
  shift
done
shift
cd "$root"

mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp

mount -t tmpfs -o mode=755,nosuid tmpfs dev
device() {
  # A container may forbid mknod and still have the device.
  mknod -m 666 "dev/$1" c "$2" "$3" || { : >"dev/$1" && mount --bind "/dev/$1" "dev/$1"; }
}
device null 1 3
device zero 1 5
device full 1 7
device random 1 8
device urandom 1 9
device tty 5 0
mkdir dev/pts dev/shm dev/net
if [ -c /dev/net/tun ]; then device net/tun 10 200; fi
if [ -c /dev/fuse ]; then device fuse 10 229; fi
mount -t devpts -o newinstance,nosuid,noexec,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr

if [ "$2" != . ]; then mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs sys/fs/cgroup; fi
while [ $# -gt 0 ]; do
  mkdir -p "sys/fs/cgroup/$2"
  mount --bind "$1" "sys/fs/cgroup/$2"
  # cgroup v2 allows no process in a group that hands controllers on.
  if [ -e "sys/fs/cgroup/$2/cgroup.controllers" ]; then
    mkdir -p "sys/fs/cgroup/$2/init.scope"
    echo 1 >"sys/fs/cgroup/$2/init.scope/cgroup.procs"
  fi
  shift 2
done
# A hybrid machine has `cpu` and `cpuacct` as links to `cpu,cpuacct`.
for link in /sys/fs/cgroup/*; do
  if [ -h "$link" ]; then cp -P "$link" sys/fs/cgroup/; fi
done

mkdir -p var/lib/barepod
mount --bind "$node" var/lib/barepod
if [ -n "$files" ]; then
  cp -R "$files/." .
  # Without PAM sshd refuses a locked account; `*` is no password and no lock.
  sed -i 's/^root:[^:]*:/root:*:/' etc/shadow
fi
# The kernel has one boot id; each boot of a sandbox needs its own.
mount --bind "$boot_id" proc/sys/kernel/random/boot_id

echo "$hostname" >proc/sys/kernel/hostname
ip link set lo up
if ! read -r _; then
  echo "the program that was starting this sandbox is gone" >&2
  exit 1
fi
exec </dev/null

mkdir tmp/old
pivot_root . tmp/old
umount -l /tmp/old
rmdir /tmp/old
mount --make-rshared /
exec /bin/sh /etc/barepod-sandbox/init.sh "$sshd"
