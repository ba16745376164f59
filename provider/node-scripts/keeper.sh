#!/bin/sh
# The keeper of one group of containers (a pod, or a lone process): starts them through the launcher, restarts them by
# policy with Kubernetes' back-off, ends them gracefully, and notes what happened.
#
#   keeper ─┬─ supervisor of container a ── launcher (log pump) ── a's first process
#           └─ supervisor of container b ── launcher (log pump) ── b's first process
#
# One shell per group and a small fork of it per container; nothing else of Barepod stays beside a pod. Everything but the
# containers is in a control group of its own, so that neither a login's end nor the keeper's takes anything with it.
#
#   keeper.sh run DIR      keeps the group until it ends or TERM comes
#   keeper.sh start DIR    starts a keeper in a session of its own; returns once every container runs, or has failed to, or
#                          after SECONDS, by default 30, that may follow
#   keeper.sh stop DIR     ends the group: TERM, the grace period, KILL; returns when nothing of it is left
#   keeper.sh change DIR   takes over DIR/keeper.spec.new, and moves running containers into the control groups named there
#
# DIR/keeper.spec    lines `key<TAB>value`: restart, grace, namespace, host,
#                    container<TAB>NAME<TAB>CGROUP<TAB>LOGS<TAB>LINK<TAB>RESOLV, and at last end
# DIR/keeper.pid     PID<TAB>START of the keeper, empty once it has ended
# DIR/keeper.ending  there once TERM has come
# DIR/NAME/conf      the launcher's configuration, without what is added here    DIR/NAME/run    that: namespaces, cgroups, log, status
# DIR/NAME/status    the launcher's status line        DIR/NAME/restarts    how often it was started again
# DIR/NAME/state     waiting REASON | terminated REASON; not there while it runs, or before its first start
# DIR/NAME/last      CODE<TAB>REASON of the last end   DIR/NAME/error       why it could not be started
#
# The name of a container is a DNS label; the files of the keeper's own have names that are none. A fork costs half a
# millisecond, so what can be is done in the shell itself; functions leave their results in variables.
set -u
export LC_ALL=C
umask 077
tab='	' newline='
'
launcher=${0%/*}/launcher
dir=$2
id=${dir##*/}

# --- what DIR/keeper.spec says ---

load() { # sets policy, grace, namespace, host
  policy=Always grace=30 namespace='' host=''
  [ -e "$dir/keeper.spec" ] || return 0
  while IFS=$tab read -r key first _; do
    case $key in restart) policy=$first ;; grace) grace=$first ;; namespace) namespace=$first ;; host) host=,$first, ;; esac
  done < "$dir/keeper.spec"
}

each() { # COMMAND…: runs it for each container, with its name, cgroup, logs, link and resolv
  [ -e "$dir/keeper.spec" ] || return 0
  while IFS=$tab read -r key name cgroup logs link resolv <&3; do
    [ "$key" != container ] || "$@" || return
  done 3< "$dir/keeper.spec"
}

look_up() { # NAME: sets the same for one container
  while IFS=$tab read -r key name cgroup logs link resolv; do
    [ "$key" = container ] && [ "$name" = "$1" ] && return
  done < "$dir/keeper.spec"
  return 1
}

put() { # FILE TEXT: writes by rename, so that a reader never sees half a line
  printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"
}

escape() { # TEXT: sets escaped, as the launcher's configuration wants it; a TAB or a newline never comes here
  escaped='' rest=$1
  while :; do
    # shellcheck disable=SC1003 # two backslashes
    case $rest in *\\*) escaped=$escaped${rest%%\\*}'\\' rest=${rest#*\\} ;; *) break ;; esac
  done
  escaped=$escaped$rest
}

# --- time ---

clock() { # sets now, in hundredths of a second
  read -r now _ < /proc/uptime
  # A number that begins with 0 would be octal: the last two digits go behind a 1.
  now=$((${now%.*} * 100 + 1${now#*.} - 100))
}

nap() { # waits for a moment, a longer one each time; naps=0 starts over
  naps=$((naps + 1))
  if [ "$naps" -le 8 ]; then "$launcher" sleep 0.005
  elif [ "$naps" -le 30 ]; then "$launcher" sleep 0.02
  elif [ "$naps" -le 60 ]; then "$launcher" sleep 0.05
  else "$launcher" sleep 0.2
  fi
}

# --- control groups ---

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
  echo "the control group $cgroup is not there" >&2
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

# --- processes ---

look_at() { # PID: sets what, parent and since; fails for one that has ended. Since tells it from a later one of its number
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086 # fields
  set -- ${stat##*) }
  what=$1 parent=$2 since=${20}
  [ "$what" != Z ] && [ "$what" != X ]
}

find_main() { # sets main: the container's first process, if it runs
  { IFS=$tab read -r word main start _ < "$dir/$name/status"; } 2>/dev/null || return 1
  [ "$word" = running ] && look_at "$main" && [ "$since" = "$start" ]
}

find_keeper() { # sets keeper: the keeper, if it runs
  { IFS=$tab read -r keeper start < "$dir/keeper.pid"; } 2>/dev/null || return 1
  [ -n "$start" ] && look_at "$keeper" && [ "$since" = "$start" ]
}

pass_on() { # TERM to the child: once it is the launcher, because a shell between fork and exec would swallow it
  naps=0
  while { read -r comm < "/proc/$child/comm"; } 2>/dev/null && [ "$comm" = keeper.sh ] && [ "$naps" -lt 100 ]; do nap; done
  kill -TERM "$child" 2>/dev/null
}

await() { # PID: waits for a child's end; sets code, as far as a signal that came at the same time leaves it known
  while :; do
    interrupted=''
    wait "$1"
    code=$?
    [ -n "$interrupted" ] || return 0
  done
}

# --- keeping one container ---

configure() { # writes what the launcher's configuration lacks. Half of it would be half a confinement: it ends with the log,
  # without which the launcher does nothing
  look_up "$name" && find_groups || return
  if [ -n "$namespace" ] && [ ! -d "$namespace" ]; then
    echo "the namespace $namespace is not there" >&2
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
  more="${more}folder$tab$logs${newline}folder$tab${link%/*}${newline}link$tab$link${newline}status$tab$dir/$name/status$newline"
  printf '%s' "${more}log$tab$logs/$restarts.log$newline" > "$dir/$name/run"
}

start_once() { # one start and its end: sets code and reason
  clock
  began=$now reason=StartError code=125
  # Errors of the shell's own go there too, such as a full disk.
  configure 2> "$dir/$name/error" || return 0
  [ ! -e "$dir/$name/last" ] || rm -f "$dir/$name/status" "$dir/$name/state"
  count_oom_kills
  before=$kills
  [ -z "$stop" ] || return 0
  "$launcher" run "$dir/$name/conf" "$dir/$name/run" 2> "$dir/$name/error" &
  child=$!
  # A TERM that came before `child` was set has reached nobody.
  [ "$stop" != early ] || pass_on
  await "$child"
  child=''
  word=''
  { IFS=$tab read -r word value _ < "$dir/$name/status"; } 2>/dev/null
  case $word in
    exited) code=$value reason=Error ;;
    killed) code=$((128 + value)) reason=Error ;;
    # The launcher was killed: its container goes with it, below.
    running) reason=Error ;;
  esac
  [ "$word" != exited ] || [ "$code" -ne 0 ] || reason=Completed
  count_oom_kills
  [ "$code" -ne 137 ] || [ "$kills" -le "$before" ] || reason=OOMKilled
  # Processes that outlive the first one (no PID namespace of their own) end with it. The group goes too: a group that
  # was killed once may kill who is cloned into it later (kernels from 6.14 on count kills and compare). The
  # container may have been moved into another one meanwhile.
  look_up "$name" && find_leaf
  kill_group "$leaf"
  remove_group "$leaf"
}

supervise() { # NAME: starts, waits, restarts; ends with the container
  name=$1 delay=0 child='' stop='' restarts=0 reason=Error
  trap 'interrupted=1
    if [ -n "$child" ]; then stop=now; pass_on; else stop=early; fi' TERM
  # One that came before the trap was set.
  [ ! -e "$dir/keeper.ending" ] || stop=early
  # As a kubelet counts when it has forgotten: by the logs, which outlive a reboot.
  look_up "$name"
  while [ -e "$logs/$restarts.log" ]; do restarts=$((restarts + 1)); done
  [ "$restarts" -eq 0 ] || printf '%s\n' "$restarts" > "$dir/$name/restarts"
  while [ -z "$stop" ]; do
    start_once
    printf '%s\t%s\n' "$code" "$reason" > "$dir/$name/last"
    load
    case $stop$policy$code in Always* | OnFailure[1-9]*) ;; *) break ;; esac
    # Kubernetes: at once the first time, then 10 s doubling to 300 s; 10 minutes of running start it over.
    clock
    [ $((now - began)) -lt 60000 ] || delay=0
    if [ "$delay" -gt 0 ]; then
      put "$dir/$name/state" "waiting CrashLoopBackOff"
      "$launcher" sleep "$delay" &
      child=$!
      [ "$stop" != early ] || pass_on
      await "$child"
      child=''
      [ -z "$stop" ] || break
      delay=$((delay * 2))
      [ "$delay" -le 300 ] || delay=300
    else
      delay=10
    fi
    restarts=$((restarts + 1))
    printf '%s\n' "$restarts" > "$dir/$name/restarts"
    # A kubelet keeps the log of the start before, too.
    [ ! -e "$logs/$((restarts - 2)).log" ] || rm -f "$logs/$((restarts - 2)).log"*
  done
  put "$dir/$name/state" "terminated $reason"
}

# --- the words ---

run() {
  load
  leave_login
  look_at $$
  supervisors='' ending='' timer=''
  trap 'interrupted=1; terminate' TERM INT
  trap '' HUP
  printf '%s\t%s\n' "$$" "$since" > "$dir/keeper.pid"
  each add_supervisor
  for supervisor in $supervisors; do await "$supervisor"; done
  [ -z "$timer" ] || kill -KILL "$timer" 2>/dev/null
  : > "$dir/keeper.pid"
}

add_supervisor() {
  [ -z "$ending" ] || return 0
  supervise "$name" 3<&- &
  supervisors="$supervisors $!"
}

terminate() { # TERM to the containers, KILL after the grace period; runs in a trap, so it does not wait
  trap '' TERM INT
  ending=1
  : > "$dir/keeper.ending"
  load
  for pid in $supervisors; do
    # One that has ended already may have left its number to somebody else.
    look_at "$pid" && [ "$parent" = $$ ] && kill -TERM "$pid"
  done
  end_later 3<&- &
  timer=$!
}

end_later() {
  "$launcher" sleep "$grace"
  each kill_container
}

kill_container() {
  if find_main; then kill -KILL "$main"; fi
  find_leaf
  kill_group "$leaf"
}

lock() { # a login that was cut off may still be at it while the next one repeats what it was told
  [ -d "${dir%/*}" ] || return 0
  exec 9>> "${dir%/*}/.$id.lock" && flock 9
}

start() { # SECONDS
  load
  if ! find_keeper; then
    # What an earlier keeper of this name has left, whose folder somebody has removed.
    sweep && each sweep_leaf || return
    # Born in its own group: moving there would wait for a grace period of the whole machine.
    keeper=$("$launcher" detach "$own/_keeper" "$0" run "$dir" < /dev/null 2> "$dir/keeper.log") || {
      cat "$dir/keeper.log" >&2
      return 1
    }
  fi
  naps=0 mark=''
  clock
  end=$((now + $1 * 100))
  while [ "$now" -lt "$end" ]; do
    pending='' busy='' running='' crashed=''
    each look_how_it_goes
    if [ -n "$pending" ]; then
      mark=''
      if ! look_at "$keeper"; then
        echo "the keeper has ended:" >&2
        cat "$dir/keeper.log" >&2
        return 1
      fi
    else
      [ -n "$mark" ] || mark=$now naps=0
      # One that fails at once must not pass for started: it has to run for a moment, longer where it has not come to
      # rest yet (this may be a busy node), and longer still where it has ended once.
      need=4
      [ -z "$busy" ] || need=25
      [ -z "$crashed" ] || need=100
      [ -n "$running" ] || need=0
      [ $((now - mark)) -lt "$need" ] || break
    fi
    # Every look costs the containers time to come up: of those that rest already, one soon and one at the end are enough.
    if [ -n "$mark" ] && [ "$naps$busy$crashed" = 1 ]; then naps=2; "$launcher" sleep 0.03; else nap; fi
    clock
  done
  return 0
}

look_how_it_goes() { # sets pending: not started yet · busy: has not come to rest · running · crashed: has ended before
  [ ! -e "$dir/$name/state" ] || return 0
  if ! find_main; then pending=1; return 0; fi
  running=1
  [ "$what" = S ] || busy=1
  [ ! -e "$dir/$name/last" ] || crashed=1
}

stop() {
  load
  clock
  end=$((now + grace * 100))
  naps=0
  if find_keeper; then
    kill -TERM "$keeper"
    # It keeps the grace period itself.
    while find_keeper && [ "$now" -lt $((end + 500)) ]; do nap; clock; done
  else
    signal_supervisors || each signal_main
    until is_empty "$own" && each is_leaf_empty || [ "$now" -ge "$end" ]; do nap; clock; done
  fi
  # First who would start the containers again.
  kill_group "$own/_keeper"
  each kill_container
  sweep && each sweep_leaf || return
  each forget
}

signal_supervisors() { # TERM to those that a killed keeper has left: they pass it on. Fails when there are none
  found=1
  [ -e "$own/_keeper/cgroup.procs" ] || return 1
  while read -r pid; do
    { read -r comm < "/proc/$pid/comm"; } 2>/dev/null || continue
    [ "$comm" = keeper.sh ] || continue
    kill -TERM "$pid" && found=0
  done < "$own/_keeper/cgroup.procs"
  return "$found"
}

signal_main() {
  if find_main; then kill -TERM "$main"; fi
}

is_leaf_empty() {
  find_leaf
  is_empty "$leaf"
}

sweep() { # ends and removes all that is in the groups of this name
  [ -d "$own" ] || return 0
  kill_group "$own/_keeper"
  kill_group "$own"
  for group in "$own"/*/; do
    [ ! -d "$group" ] || remove_group "${group%/}" || return
  done
  rmdir "$own" "${own%/*}" 2>/dev/null
  return 0
}

sweep_leaf() {
  find_leaf
  [ -d "$leaf" ] || return 0
  kill_group "$leaf"
  remove_group "$leaf"
}

forget() { # the log, and the pod's folder of logs with the last one
  rm -rf -- "$logs" "$link"
  rmdir "${logs%/*}" 2>/dev/null
  return 0
}

change() {
  while IFS=$tab read -r key one two _ <&4; do
    [ "$key" != container ] || move "$one" "$two" || return
  done 4< "$dir/keeper.spec.new"
  mv -f "$dir/keeper.spec.new" "$dir/keeper.spec"
}

move() { # NAME CGROUP: puts a container's processes, if there are any, into what is the container's group from now on
  look_up "$1" || return 0
  [ "$cgroup" != "$2" ] || return 0
  find_groups 2>/dev/null
  old=$leaf left=$groups from=$cgroup
  cgroup=$2
  find_groups || return
  [ -n "$v2" ] || leave_others
  [ -d "$leaf" ] || mkdir -p "$leaf" || return
  moved=' '
  # Whom a process makes while it is being moved is found in the next round.
  while :; do
    again=''
    while read -r pid <&5; do
      case $moved in *" $pid "*) continue ;; esac
      again=1
      moved="$moved$pid "
      move_process || return
    done 5< "$old/cgroup.procs"
    [ -n "$again" ] || break
  done
  [ "$old" = "$leaf" ] || remove_group "$old"
}

leave_others() { # v1: out of a hierarchy where the new group is not, the way is to its root
  while IFS= read -r group; do
    root=${group%"/$from"}
    case $newline$groups in *"$newline$root/"* | *"$newline$group$newline"*) ;; *) groups=$groups$root$newline ;; esac
  done <<END
${left%"$newline"}
END
}

move_process() {
  while IFS= read -r group; do
    { echo "$pid" > "$group/cgroup.procs"; } 2>/dev/null || [ ! -e "/proc/$pid" ] || {
      echo "the kernel refuses to move process $pid into $group" >&2
      return 1
    }
  done <<END
${groups%"$newline"}
END
}

case $1 in
  run) run ;;
  start) lock && start "${3:-30}" ;;
  stop) lock && stop ;;
  change) lock && change ;;
  *) echo "keeper.sh run|start|stop|change DIR" >&2; exit 2 ;;
esac
