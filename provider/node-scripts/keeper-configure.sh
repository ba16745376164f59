# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What a container's configuration lacks until its start, because only the node knows it.

configure() { # writes what the launcher's configuration lacks. Half of it would be half a confinement: it ends with the log,
  # without which the launcher does nothing
  look_up "$name" && find_groups || return
  if [ -n "$namespace" ] && [ ! -d "$namespace" ]; then
    printf '%s\n' "the namespace $namespace is not there" >&2
    return 1
  fi
  # The first group is the container's own; the others have the limits, and nobody but their owner makes them.
  escape "$leaf"
  more="folder$tab$escaped$newline"
  while IFS= read -r group; do
    escape "$group"
    more="${more}cgroup$tab$escaped$newline"
  done <<END
${groups%"$newline"}
END
  escape "$namespace"
  for type in net uts ipc pid mnt cgroup; do
    case $host in *",$type,"*) continue ;; esac
    if [ -n "$namespace" ] && [ -e "$namespace/$type" ]; then more="${more}join$tab$type$tab$escaped/$type$newline"
    # A v1 hierarchy looks the same from a cgroup namespace's inside: runtimes leave it out there.
    elif [ "$type" != cgroup ] || [ -n "$v2" ]; then more="${more}new$tab$type$newline"
    fi
  done
  if [ "$resolv" = yes ]; then
    # The stub resolver of systemd-resolved listens on the node's loopback only.
    for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
      [ -e "$file" ] || continue
      more="${more}mount$tab$file$tab/etc/resolv.conf${tab}bind${tab}ro,rprivate$tab-$newline"
      break
    done
  fi
  [ "$policy_of_message" = - ] || offer_message || return
  [ "$controls" = - ] || show_groups
  [ "$devices" = - ] || show_devices || return
  more="${more}identity$tab$dir/$name/identity${newline}folder$tab$logs${newline}folder$tab${link%/*}${newline}"
  more="${more}link$tab$link${newline}status$tab$dir/$name/status$newline"
  printf '%s' "${more}log$tab$logs/$restarts.log$newline" > "$dir/$name/run"
}

show_groups() { # adds to more: the container's groups in its /sys/fs/cgroup, where programs look for their limits
  flags=nosuid,nodev,noexec,relatime
  if [ -n "$v2" ] && [ "$cgroup" = / ]; then
    more="${more}mount${tab}cgroup$tab/sys/fs/cgroup${tab}cgroup2$tab$flags,$controls$tab-$newline"
    return
  fi
  [ "$cgroup" != / ] || return 0
  if [ -n "$v2" ]; then
    # The container is one below, where there are no limits to read; of its own path it knows only that it is the root.
    escape "$base/$cgroup"
    more="${more}mount$tab$escaped$tab/sys/fs/cgroup${tab}bind$tab$flags,$controls$tab-$newline"
    return
  fi
  more="${more}mount${tab}tmpfs$tab/sys/fs/cgroup${tab}tmpfs$tab$flags${tab}mode=755$newline"
  for root in /sys/fs/cgroup/*; do
    source=$root/$cgroup mode=$controls
    # Java does not believe in its limits where cpuset is missing, which has no group of the container's own.
    [ "$root" != /sys/fs/cgroup/cpuset ] || [ -e "$source/cgroup.procs" ] || source=$root mode=ro
    if [ "$root" = "$base" ] || [ -L "$root" ] || [ ! -e "$source/cgroup.procs" ]; then continue; fi
    escape "$source"
    root=${root##*/}
    more="${more}mount$tab$escaped$tab/sys/fs/cgroup/$root${tab}bind$tab$flags,$mode$tab-$newline"
    # cpu,cpuacct has a second name for each of the two.
    case $root in *,*) names=$root, ;; *) names='' ;; esac
    while [ -n "$names" ]; do
      more="${more}symlink$tab$root$tab/sys/fs/cgroup/${names%%,*}$newline"
      names=${names#*,}
    done
  done
}

show_devices() { # the node's devices, as they are now, except those of terminals, which the container has of its own.
  # One that goes meanwhile does not matter.
  found=$(find /dev -xdev '(' -type c -o -type b ')' -exec stat -c '%f %t %T %a %n' {} +) || [ -n "$found" ] || return
  while read -r type major minor mode path; do
    case $path in '' | /dev/console | /dev/ptmx | /dev/pts/*) continue ;; esac
    folders=${devices#all}:
    while folders=${folders#:} && [ -n "$folders" ]; do
      case $path/ in "${folders%%:*}"/*) continue 2 ;; esac
      folders=${folders#*:}
    done
    # The upper digit of the raw mode: 6 is a block device.
    case $type in 6*) type=b ;; *) type=c ;; esac
    escape "$path"
    more="${more}device$tab$escaped$tab$type$tab$((0x$major))$tab$((0x$minor))$tab$mode$newline"
  done <<END
$found
END
}

offer_message() { # the file for the container's last words: an empty one for every start, which any user of the container
  # may write, and none of the node
  # shellcheck disable=SC2174 # the folders on the way are for all, as a kubelet's
  [ -d "$logs/.last" ] || (umask 022 && mkdir -p -m 700 "$logs/.last") || return
  last=$logs/.last/termination-log
  [ ! -e "$last" ] || rm -f "$last" || return
  umask 0
  # A redirection of `:` that fails would end the shell, and with it the supervisor.
  printf '' > "$last" || { umask 077; return 1; }
  umask 077
  escape "$message"
  more="${more}mount$tab$last$tab$escaped${tab}bind${tab}rw,rprivate$tab-$newline"
}
