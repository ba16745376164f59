#!/bin/sh
# The keeper of one group of containers (a pod, or a lone process): starts them through the launcher, restarts them by
# policy with Kubernetes' back-off, ends them gracefully, and notes what happened. One dash per group, plus one small
# fork of it per container; nothing else of Barepod stays beside a pod.
#
#   keeper.sh run DIR      keeps the group until it ends or TERM comes
#   keeper.sh start DIR    starts a keeper in a session and control group of its own; returns once every container has started
#   keeper.sh stop DIR     ends the group: TERM, the grace period, KILL; returns when nothing of it is left
#   keeper.sh move DIR     puts running containers into the control groups that DIR/spec names now
#
# DIR/spec      lines `key<TAB>value`: id, restart, grace, namespace, host, resolv, container<TAB>NAME<TAB>CGROUP<TAB>LOGS<TAB>LINK
# DIR/NAME/conf      the launcher's configuration, without what is added here (namespaces, cgroups, log, status)
# DIR/NAME/status    the launcher's status line        DIR/NAME/restarts    how often it was started again
# DIR/NAME/state     running | waiting REASON | terminated REASON
# DIR/NAME/last      CODE<TAB>REASON of the last end   DIR/keeper           PID<TAB>START of the keeper
set -u
tab=$(printf '\t')
here=${0%/*}
launcher=$here/launcher
dir=$2
export LC_ALL=C

# --- what DIR/spec says ---

value() { # KEY: the first value of a key
  while IFS= read -r line; do
    case $line in "$1$tab"*) printf '%s\n' "${line#*"$tab"}"; return ;; esac
  done < "$dir/spec"
}

containers() { # the names of all containers
  while IFS="$tab" read -r key name _; do
    [ "$key" = container ] && printf '%s\n' "$name"
  done < "$dir/spec"
}

field() { # NAME N: a container's field: 1 cgroup, 2 logs, 3 link
  while IFS="$tab" read -r key name cgroup logs link; do
    if [ "$key" != container ] || [ "$name" != "$1" ]; then continue; fi
    case $2 in 1) printf '%s\n' "$cgroup" ;; 2) printf '%s\n' "$logs" ;; 3) printf '%s\n' "$link" ;; esac
  done < "$dir/spec"
}

put() { # FILE TEXT: writes by rename, so that a reader never sees half a line
  printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"
}

# --- control groups ---

is_v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }

hierarchies() { # every mounted hierarchy's root, symbolic links like cpu -> cpu,cpuacct left out
  if is_v2; then echo /sys/fs/cgroup; return; fi
  for root in /sys/fs/cgroup/*; do
    [ -e "$root/cgroup.procs" ] && [ ! -L "$root" ] && printf '%s\n' "$root"
  done
}

leaf_of() { # NAME: the container's own group, by which it is ended: nothing else is in it
  cgroup=$(field "$1" 1)
  if is_v2 && [ "$cgroup" != - ]; then printf '/sys/fs/cgroup/%s/barepod.%s.%s\n' "$cgroup" "$id" "$1"
  elif is_v2; then printf '/sys/fs/cgroup/barepod/%s/%s\n' "$id" "$1"
  elif [ -e /sys/fs/cgroup/unified/cgroup.procs ]; then printf '/sys/fs/cgroup/unified/barepod/%s/%s\n' "$id" "$1"
  elif [ -e /sys/fs/cgroup/freezer/cgroup.procs ]; then printf '/sys/fs/cgroup/freezer/barepod/%s/%s\n' "$id" "$1"
  else printf '/sys/fs/cgroup/systemd/barepod/%s/%s\n' "$id" "$1"
  fi
}

groups_of() { # NAME: every group that the container is to enter
  cgroup=$(field "$1" 1)
  leaf=$(leaf_of "$1")
  mkdir -p "$leaf" && printf '%s\n' "$leaf"
  is_v2 && return
  [ "$cgroup" = - ] && return
  for root in $(hierarchies); do
    case $leaf in "$root"/*) continue ;; esac
    [ -e "$root/$cgroup/cgroup.procs" ] && printf '%s\n' "$root/$cgroup"
  done
}

own_groups() { # the keeper's groups; a v1 cpuset without processors takes nobody
  for root in $(hierarchies); do
    case ${root##*/} in *cpuset*) continue ;; esac
    printf '%s\n' "$root/barepod/$id/keeper"
  done
}

oom_kills() { # NAME: how many of its processes the kernel has killed for memory
  cgroup=$(field "$1" 1)
  [ "$cgroup" = - ] && { echo 0; return; }
  for file in "/sys/fs/cgroup/memory/$cgroup/memory.oom_control" "/sys/fs/cgroup/$cgroup/memory.events"; do
    [ -e "$file" ] || continue
    while read -r key count; do [ "$key" = oom_kill ] && { echo "$count"; return; }; done < "$file"
  done
  echo 0
}

kill_group() { # LEAF: ends all that is in it, forks included
  { read -r _ < "$1/cgroup.procs"; } 2>/dev/null || return 0
  if [ -e "$1/cgroup.kill" ]; then echo 1 > "$1/cgroup.kill"; return; fi
  tries=0
  while [ "$tries" -lt 50 ]; do
    pids=$(cat "$1/cgroup.procs" 2>/dev/null)
    [ -z "$pids" ] && return 0
    # shellcheck disable=SC2086 # a list of numbers
    kill -KILL $pids 2>/dev/null
    tries=$((tries + 1))
  done
}

remove_group() { # DIR: removes a group with its children; the kernel needs a moment after the last process
  [ -d "$1" ] || return 0
  tries=0
  while [ "$tries" -lt 100 ]; do
    for child in "$1"/*/; do [ -d "$child" ] && rmdir "$child" 2>/dev/null; done
    rmdir "$1" 2>/dev/null && return 0
    [ -d "$1" ] || return 0
    "$launcher" sleep 0.02
    tries=$((tries + 1))
  done
  echo "the control group $1 does not empty" >&2
  return 1
}

# --- processes ---

start_time() { # PID: when it started, in clock ticks after boot; a PID alone may have been given anew
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086 # fields
  set -- ${stat##*) }
  printf '%s\n' "${20}"
}

main_pid() { # NAME: the container's first process, if it runs
  IFS="$tab" read -r state pid start _ < "$dir/$1/status" 2>/dev/null || return 1
  [ "$state" = running ] && [ "$(start_time "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

keeper_pid() { # the keeper, if it runs
  IFS="$tab" read -r pid start < "$dir/keeper" 2>/dev/null || return 1
  [ "$(start_time "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

# --- keeping one container ---

configure() { # NAME RESTARTS: the launcher's configuration for this start
  namespace=$(value namespace)
  host=",$(value host),"
  logs=$(field "$1" 2)
  mkdir -p "$logs"
  {
    cat "$dir/$1/conf"
    for type in net uts ipc pid mnt cgroup; do
      case $host in *",$type,"*) continue ;; esac
      if [ -n "$namespace" ] && [ -e "$namespace/$type" ]; then printf 'join\t%s\t%s\n' "$type" "$namespace/$type"
      # A v1 hierarchy looks the same from a cgroup namespace's inside: runtimes leave it out there.
      elif [ "$type" != cgroup ] || is_v2; then printf 'new\t%s\n' "$type"
      fi
    done
    if [ "$(value resolv)" = yes ]; then
      # The stub resolver of systemd-resolved listens on the node's loopback only.
      for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
        [ -e "$file" ] || continue
        grep -q "^mount${tab}[^${tab}]*${tab}/etc\(/resolv.conf\)\{0,1\}$tab" "$dir/$1/conf" ||
          printf 'mount\t%s\t/etc/resolv.conf\tbind\tro,rprivate\t-\n' "$file"
        break
      done
    fi
    groups_of "$1" | while IFS= read -r group; do printf 'cgroup\t%s\n' "$group"; done
    printf 'log\t%s\nstatus\t%s\n' "$logs/$2.log" "$dir/$1/status"
  } > "$dir/$1/run"
  link=$(field "$1" 3)
  if [ "$link" != - ]; then mkdir -p "${link%/*}" && ln -sfn "$logs/$2.log" "$link"; fi
}

supervise() { # NAME: starts, waits, restarts; ends with the container
  name=$1 restarts=0 delay=0 stop='' sleeper=''
  trap 'stop=1; [ -n "$sleeper" ] && kill "$sleeper" 2>/dev/null' TERM
  policy=$(value restart)
  while :; do
    rm -f "$dir/$name/status"
    configure "$name" "$restarts"
    kills=$(oom_kills "$name")
    began=$(date +%s)
    put "$dir/$name/state" running
    "$launcher" run "$dir/$name/run" 2> "$dir/$name/error" &
    child=$!
    # A trapped signal interrupts `wait`; once the child is reaped it can no longer be signalled.
    while :; do wait "$child"; code=$?; kill -0 "$child" 2>/dev/null || break; done
    reason=Error
    [ "$code" -eq 0 ] && reason=Completed
    IFS="$tab" read -r state _ < "$dir/$name/status" 2>/dev/null || state=failed
    [ "$state" = failed ] && reason=StartError
    [ "$code" -eq 137 ] && [ "$(oom_kills "$name")" -gt "$kills" ] && reason=OOMKilled
    put "$dir/$name/last" "$code$tab$reason"
    # Processes that outlive the first one (no PID namespace of their own) end with it. The group goes too: a group that
    # was killed once may kill who is cloned into it later (kernels from 6.14 on count kills and compare).
    kill_group "$(leaf_of "$name")"
    remove_group "$(leaf_of "$name")"
    if [ -n "$stop" ] || [ "$policy" = Never ] || { [ "$policy" = OnFailure ] && [ "$code" -eq 0 ]; }; then
      put "$dir/$name/state" "terminated $reason"
      return
    fi
    # Kubernetes: at once the first time, then 10 s doubling to 300 s; 10 minutes of running start it over.
    [ $(($(date +%s) - began)) -ge 600 ] && delay=0
    if [ "$delay" -gt 0 ]; then
      put "$dir/$name/state" "waiting CrashLoopBackOff"
      "$launcher" sleep "$delay" &
      sleeper=$!
      wait "$sleeper"
      sleeper=''
      [ -n "$stop" ] && { put "$dir/$name/state" "terminated $reason"; return; }
    fi
    if [ "$delay" -eq 0 ]; then delay=10; else delay=$((delay * 2)); fi
    [ "$delay" -gt 300 ] && delay=300
    restarts=$((restarts + 1))
    put "$dir/$name/restarts" "$restarts"
  done
}

# --- the words ---

run() {
  id=$(value id)
  own_groups | while IFS= read -r group; do mkdir -p "$group" && echo $$ > "$group/cgroup.procs"; done
  put "$dir/keeper" "$$$tab$(start_time $$)"
  supervisors=''
  # In the trap itself: a signal that came just before `wait` would otherwise be noticed only when a container ends.
  trap 'trap "" TERM INT; terminate' TERM INT
  trap '' HUP
  for name in $(containers); do
    supervise "$name" &
    supervisors="$supervisors $!"
  done
  for pid in $supervisors; do
    while :; do wait "$pid"; kill -0 "$pid" 2>/dev/null || break; done
  done
  rm -f "$dir/keeper"
}

all_ended() { # whether every container's state is an end
  for name in $(containers); do
    read -r state _ < "$dir/$name/state" 2>/dev/null || continue
    [ "$state" = terminated ] || return 1
  done
}

terminate() { # TERM, at most the grace period, KILL
  grace=$(value grace)
  # shellcheck disable=SC2086 # a list of numbers
  kill $supervisors 2>/dev/null
  for name in $(containers); do pid=$(main_pid "$name") && kill -TERM "$pid" 2>/dev/null; done
  ticks=0
  while [ "$ticks" -lt $((grace * 20)) ] && ! all_ended; do "$launcher" sleep 0.05; ticks=$((ticks + 1)); done
  kill_containers
  # shellcheck disable=SC2086 # a list of numbers
  kill -KILL $supervisors 2>/dev/null
}

kill_containers() {
  for name in $(containers); do
    pid=$(main_pid "$name") && kill -KILL "$pid" 2>/dev/null
    kill_group "$(leaf_of "$name")"
  done
}

start() {
  id=$(value id)
  setsid "$0" run "$dir" < /dev/null > "$dir/keeper.log" 2>&1 &
  ticks=0
  # A container counts as started when its program has been executed, and still runs a moment later.
  while [ "$ticks" -lt 500 ]; do
    pending=''
    for name in $(containers); do [ -e "$dir/$name/status" ] || [ -e "$dir/$name/last" ] || pending=1; done
    [ -z "$pending" ] && break
    "$launcher" sleep 0.01
    ticks=$((ticks + 1))
  done
  "$launcher" sleep 0.1
}

stop() {
  id=$(value id)
  grace=$(value grace)
  if pid=$(keeper_pid); then
    kill -TERM "$pid"
    ticks=0
    while [ "$ticks" -lt $(((grace + 10) * 20)) ] && keeper_pid > /dev/null; do "$launcher" sleep 0.05; ticks=$((ticks + 1)); done
    pid=$(keeper_pid) && kill -KILL "$pid"
  fi
  # Without a keeper the containers may still run: it was killed, or the node is being cleaned up after a crash.
  kill_containers
  for name in $(containers); do
    remove_group "$(leaf_of "$name")" || return 1
    link=$(field "$name" 3)
    [ "$link" = - ] || rm -f "$link"
    logs=$(field "$name" 2)
    rm -rf "$logs"
    rmdir "${logs%/*}" 2>/dev/null
  done
  own_groups | while IFS= read -r group; do
    kill_group "$group"
    remove_group "$group" || exit 1
    rmdir "${group%/*}" "${group%/*/*}" 2>/dev/null || :
  done
}

move() {
  id=$(value id)
  for name in $(containers); do
    pid=$(main_pid "$name") || continue
    old=$(sed -n "s/^cgroup$tab//p" "$dir/$name/run")
    pids=$(for group in $old; do cat "$group/cgroup.procs" 2>/dev/null; break; done)
    groups_of "$name" | while IFS= read -r group; do
      for pid in $pids; do echo "$pid" > "$group/cgroup.procs" || exit 1; done
    done || return 1
    for group in $old; do
      case $group in */barepod.*) [ "$group" = "$(leaf_of "$name")" ] || remove_group "$group" ;; esac
    done
    { grep -v "^cgroup$tab" "$dir/$name/run"; groups_of "$name" | sed "s/^/cgroup$tab/"; } > "$dir/$name/run.new" &&
      mv -f "$dir/$name/run.new" "$dir/$name/run"
  done
}

case $1 in
  run) run ;;
  start) start ;;
  stop) stop ;;
  move) move ;;
  *) echo "keeper.sh run|start|stop|move DIR" >&2; exit 2 ;;
esac
