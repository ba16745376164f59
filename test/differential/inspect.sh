#!/bin/busybox sh
# shellcheck shell=dash
# What a container is given, as its first process sees it: lines `fact<TAB>value`, at the end `done`.
# Runs as that process, on BusyBox alone.
tab='	'
PATH=/bin
export PATH

fact() { printf '%s\t%s\n' "$1" "$2"; }

whether() { # FACT COMMAND…
  name=$1
  shift
  if ("$@") 2> /dev/null; then fact "$name" yes; else fact "$name" no; fi
}

truncate_file() { : > "$1"; }
open_file() { : >> "$1"; } # Nothing is written.
count() { [ ! -d "$1" ] || fact "entries of $1" "$(find "$1" -mindepth 1 -maxdepth 1 | wc -l)"; }

# --- the process ---
while IFS=":$tab" read -r key value; do
  case $key in
    Uid | Gid | Groups | Umask | NSpid | NSpgid | NSsid | Cap* | NoNewPrivs | Seccomp* | Speculation* | SigBlk | SigIgn | \
      Cpus_allowed_list | Mems_allowed_list | THP_enabled)
      fact "status $key" "$value"
      ;;
  esac
done < /proc/1/status
read -r _ _ _ parent group session terminal _ < /proc/1/stat
fact "process parent" "$parent"
fact "process group" "$group"
fact "process session" "$session"
fact "process terminal" "$terminal"
fact "process nice" "$(cut -d ' ' -f 19 /proc/1/stat)"
fact "process scheduling" "$(cut -d ' ' -f 41 /proc/1/stat)"
for file in oom_score_adj loginuid timerslack_ns coredump_filter personality attr/current; do
  fact "process $file" "$(cat /proc/1/$file 2>&1 | tr -d '\0')"
done
fact "process cwd" "$(readlink /proc/1/cwd)"
fact "process arguments" "$(tr '\0' ' ' < /proc/1/cmdline)"
for file in /proc/1/fd/*; do
  [ "${file##*/}" -gt 2 ] || fact "descriptor ${file##*/}" "$(readlink "$file" | sed 's/:\[.*/:/')"
done
# What the shell itself has opened ends with it: a leaked one would be seen by any other program too.
count /proc/self/fd
tail -n +2 /proc/1/limits | while read -r line; do
  fact "limit $(echo "$line" | cut -c 1-25 | sed 's/ *$//')" "$(echo "$line" | cut -c 26- | sed 's/  */ /g; s/ $//')"
done
tr '\0' '\n' < /proc/1/environ | grep . | while IFS="=" read -r name value; do fact "environment $name" "$value"; done

# --- namespaces, network, kernel settings ---
for type in cgroup ipc mnt net pid time user uts; do fact "namespace $type" "$(readlink /proc/1/ns/$type)"; done
fact "host name" "$(hostname)"
fact "domain name" "$(cat /proc/sys/kernel/domainname)"
for interface in /sys/class/net/*; do fact "interface ${interface##*/}" "$(cat "$interface/operstate")"; done
for name in net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range net/ipv4/ip_forward net/core/somaxconn \
  kernel/shmmax kernel/msgmax kernel/sem fs/mqueue/queues_max; do
  fact "setting $name" "$(cat /proc/sys/$name 2> /dev/null)"
done

# --- mounts ---
seen=' '
while read -r _ _ _ root target flags more; do
  optional=${more%% - *} rest=${more#* - }
  [ "$optional" != "$more" ] || optional='' rest=${more#- }
  # shellcheck disable=SC2086 # its words
  set -- $rest
  # A second mount in one place.
  case $seen in *" $target "*) target="$target (above)" ;; esac
  seen="$seen$target "
  fact "mount $target propagation" "$(echo "$optional" | sed 's/:[0-9]*//g')"
  case $1,$root in
    cgroup,* | *,/)
      fact "mount $target type" "$1"
      fact "mount $target source" "$2"
      fact "mount $target flags" "$flags"
      # Where an overlay's layers lie is no property of the container.
      fact "mount $target options" "$(echo "$3" | sed 's/\(lowerdir\|upperdir\|workdir\)=[^,]*/\1=/g')"
      ;;
    *)
      # On which file system of the node the files lie is the node's own affair.
      fact "mount $target type" "a file or folder of the node"
      fact "mount $target flags" "${flags%%,*}"
      ;;
  esac
done < /proc/1/mountinfo

# --- files ---
for path in / /bin /dev /dev/shm /dev/mqueue /dev/pts /proc /sys /sys/fs/cgroup /run /tmp /etc /etc/hosts /etc/hostname \
  /etc/resolv.conf /dev/termination-log /data; do
  fact "file $path" "$(stat -c '%F %a %u:%g' $path 2> /dev/null || echo absent)"
done
for path in / /bin /dev /dev/shm /tmp /data /sys; do
  whether "may make a file in $path" truncate_file "$path/written"
  rm -f "$path/written" 2> /dev/null
done
for path in /etc/hosts /etc/hostname /etc/resolv.conf /dev/termination-log /proc/sysrq-trigger /proc/sys/kernel/domainname \
  /proc/irq/default_smp_affinity /sys/kernel/mm/transparent_hugepage/enabled; do
  whether "may write to $path" open_file "$path"
done
for path in acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi bus fs irq sys sysrq-trigger; do
  path=/proc/$path
  fact "file $path" "$(stat -c '%F' $path 2> /dev/null || echo absent)"
  [ $path = /proc/sys ] || count $path
done
for path in /sys/firmware /sys/devices/virtual/powercap; do count $path; done
sed 's/[0-9.]\{7,\}/ADDRESS/' /etc/hosts | while read -r line; do fact "line of /etc/hosts: $line" yes; done
fact "content of /etc/hostname" "$(cat /etc/hostname)"

# --- devices ---
for path in /dev/* /dev/net/* /dev/pts/*; do
  if [ -L "$path" ]; then fact "device $path" "-> $(readlink "$path")"
  elif [ -c "$path" ] || [ -b "$path" ]; then fact "device $path" "$(stat -c '%F %t:%T %a %u:%g' "$path")"
  fi
done
mkdir -p /dev/try 2> /dev/null
while read -r name type major minor; do
  node=/dev/try/$name
  if ! error=$(mknod "$node" "$type" "$major" "$minor" 2>&1); then fact "make the device $name" "${error##*: }"
  else
    fact "make the device $name" works
    error=$( (: < "$node") 2>&1) && error=works
    fact "open the device $name" "${error##*: }"
  fi
done << END
null c 1 3
zero c 1 5
mem c 1 1
kmsg c 1 11
tty c 5 0
fuse c 10 229
tun c 10 200
loop0 b 7 0
END
rm -rf /dev/try 2> /dev/null

# --- what it may do ---
try() { # NAME COMMAND…
  name=$1
  shift
  error=$("$@" 2>&1) && error=works
  fact "call $name" "${error##*: }"
}
mkdir -p /dev/shm/place 2> /dev/null
try "mount tmpfs" mount -t tmpfs none /dev/shm/place
umount /dev/shm/place 2> /dev/null
rmdir /dev/shm/place 2> /dev/null
try "unshare user namespace" unshare -U true
try "unshare mount namespace" unshare -m true
try "chroot" chroot / true
try "nice -n -5" nice -n -5 true
try "kernel log" dmesg -s 1
try "host name" hostname "$(hostname)"
try "chown" chown 12345 /dev/shm
chown 0 /dev/shm 2> /dev/null

# --- control groups ---
while IFS=: read -r _ controllers path; do fact "group ${controllers:-unified}" "$path"; done < /proc/1/cgroup
for path in /sys/fs/cgroup/*; do
  [ ! -e "$path" ] || fact "entry of /sys/fs/cgroup: ${path##*/}" "$(stat -c '%F' "$path")"
done
for file in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.swappiness \
  memory/memory.use_hierarchy cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset/cpuset.cpus \
  cpuset/cpuset.mems pids/pids.max freezer/freezer.state memory.max memory.swap.max cpu.max cpu.weight pids.max \
  memory.oom.group; do
  [ ! -e "/sys/fs/cgroup/$file" ] || fact "value of $file" "$(cat "/sys/fs/cgroup/$file")"
done
sort /sys/fs/cgroup/devices/devices.list 2> /dev/null | while read -r line; do fact "device rule $line" yes; done
for file in memory/cgroup.procs cgroup.procs; do
  [ ! -e "/sys/fs/cgroup/$file" ] || whether "may write to /sys/fs/cgroup/$file" open_file "/sys/fs/cgroup/$file"
done
echo "done"
exec sleep 100000
