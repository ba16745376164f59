# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# The control groups of a keeper's containers: by the container's own one it is ended, because nothing else is in it.

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  v2=yes base=/sys/fs/cgroup
else
  v2=''
  for base in /sys/fs/cgroup/unified /sys/fs/cgroup/freezer /sys/fs/cgroup/systemd; do
    [ ! -e "$base/cgroup.procs" ] || break
  done
fi
own=$base/barepod/$id

find_leaf() { # sets leaf: the container's own group, by which it is ended, because nothing else is in it
  leaf=$own/$name
  # In v2 a process is in one group only; that one must be below the group with the limits.
  if [ -n "$v2" ] && [ "$cgroup" != / ]; then leaf=$base/$cgroup/barepod.$id.$name; fi
}

find_groups() { # sets leaf, and groups: a line for each group that the container is to enter. Fails without its cgroup
  find_leaf
  groups=$leaf$newline
  [ "$cgroup" != / ] || return 0
  if [ -n "$v2" ]; then [ -e "$base/$cgroup/cgroup.procs" ] && return
  else
    for root in /sys/fs/cgroup/*; do
      # Some are there under a second name: cpu -> cpu,cpuacct.
      [ "$root" = "$base" ] || [ -L "$root" ] || [ ! -e "$root/$cgroup/cgroup.procs" ] ||
        groups=$groups$root/$cgroup$newline
    done
    [ "$groups" = "$leaf$newline" ] || return 0
  fi
  printf '%s\n' "the control group $cgroup is not there" >&2
  return 1
}

count_oom_kills() { # sets kills: how many processes of the container's cgroup the kernel has killed for memory
  kills=0
  [ "$cgroup" != / ] || return 0
  for file in "/sys/fs/cgroup/memory/$cgroup/memory.oom_control" "/sys/fs/cgroup/$cgroup/memory.events"; do
    [ -e "$file" ] || continue
    while read -r key count; do [ "$key" != oom_kill ] || kills=$count; done < "$file"
  done
}

is_empty() { # GROUP: whether no process is in it, or in one below it
  [ -d "$1" ] || return 0
  ! { read -r _ < "$1/cgroup.procs"; } 2>/dev/null || return 1
  for below in "$1"/*/; do
    [ ! -d "$below" ] || is_empty "${below%/}" || return 1
  done
}

kill_group() { # GROUP: ends all that is in it, forks included, and waits for their end
  naps=0
  # A process that the kernel holds may stay; a second is enough for all others.
  until is_empty "$1" || [ "$naps" -gt 40 ]; do
    if [ -e "$1/cgroup.kill" ]; then echo 1 > "$1/cgroup.kill"; else kill_each "$1"; fi
    nap
  done
}

kill_each() { # GROUP
  while read -r pid; do kill -KILL "$pid" 2>/dev/null; done < "$1/cgroup.procs"
  for below in "$1"/*/; do
    [ ! -d "$below" ] || kill_each "${below%/}"
  done
}

remove_group() { # GROUP: removes it with those below it
  [ -d "$1" ] || return 0
  naps=0
  # The kernel needs a moment after the last process's end.
  until is_empty "$1" || [ "$naps" -gt 20 ]; do nap; done
  rmdir "$1" 2>/dev/null && return
  until [ "$naps" -gt 30 ]; do
    find "$1" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ -d "$1" ] || return 0
    nap
  done
  inside=''
  while read -r pid; do
    comm=''
    { read -r comm < "/proc/$pid/comm"; } 2>/dev/null
    inside="$inside $pid${comm:+ ($comm)}"
  done < "$1/cgroup.procs"
  echo "processes that do not end, although they were killed, are in the control group $1:${inside:- none of its own}" >&2
  return 1
}

leave_login() { # v1: out of the groups of whoever started us, to their hierarchies' roots. The launcher has made us in our own
  while IFS=: read -r _ root path; do
    root=/sys/fs/cgroup/${root#name=}
    [ "$path" = / ] || [ "$root" = /sys/fs/cgroup/ ] || [ "$root" = "$base" ] || [ ! -e "$root/cgroup.procs" ] ||
      echo $$ > "$root/cgroup.procs"
  done < /proc/self/cgroup
  return 0
}
