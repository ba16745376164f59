# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What is said to a keeper from outside: start, stop, change.

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
    pending='' busy='' running='' crashed='' later=''
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
      [ -z "$crashed$later" ] || need=100
      [ -n "$running" ] || need=0
      [ $((now - mark)) -lt "$need" ] || break
    fi
    # Every look costs the containers time to come up: of those that rest already, one soon and one at the end are enough.
    if [ -n "$mark" ] && [ "$naps$busy$crashed" = 1 ]; then naps=2; "$launcher" sleep 0.03
    # No keeper gets that far sooner.
    elif [ -z "$mark" ] && [ "$naps" = 0 ]; then naps=5; "$launcher" sleep 0.015
    else nap
    fi
    clock
  done
  return 0
}

look_how_it_goes() { # sets pending: not started yet · busy: has not come to rest · running · crashed: has ended before ·
  # later: the others have to wait for it
  [ -z "$later" ] || return 0
  state=''
  { read -r state < "$dir/$name/state"; } 2>/dev/null
  case $kind$state in
    'initterminated Completed') return 0 ;;
    init*) later=1 ;;
    sidecar*) [ -e "$dir/$name/started" ] || later=1 ;;
  esac
  [ -z "$state" ] || return 0
  if ! find_main; then pending=1; return 0; fi
  # Without probes and hooks its supervisor says so a moment later: who reads before that would have to look again.
  if [ "$kind" != init ] && [ ! -e "$dir/$name/ready" ] && ! has_actions; then pending=1; return 0; fi
  running=1
  [ "$what" = S ] || busy=1
  [ ! -e "$dir/$name/last" ] || crashed=1
}

has_actions() {
  for file in startup readiness liveness postStart preStop; do
    [ ! -e "$dir/$name/$file" ] || return 0
  done
  return 1
}

stop() {
  load
  clock
  end=$((now + grace * 100))
  naps=0
  if find_keeper; then
    kill -TERM "$keeper"
    # It keeps the grace period itself; hooks leave two seconds more to each container, and sidecars come after the others.
    longest=500
    each allow
    while find_keeper && [ "$now" -lt $((end + longest)) ]; do nap; clock; done
  else
    signal_supervisors || each signal_main
    until is_empty "$own" && each is_leaf_empty || [ "$now" -ge "$end" ]; do nap; clock; done
  fi
  # First who would start the containers again.
  kill_group "$own/_keeper"
  each kill_all_of
  # A keeper that was killed has not said so.
  announce
  sweep && each sweep_leaf || return
  each forget
}

allow() { longest=$((longest + 200)); }

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

kill_all_of() {
  if find_main; then kill -KILL "$main"; fi
  find_leaf
  kill_group "$leaf"
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
  rm -rf -- "$logs" "$link" "${logs%/*}/.started"
  rmdir "${logs%/*}" 2>/dev/null
  return 0
}

change() {
  load
  before=$deadline
  while IFS=$tab read -r key one two _ <&4; do
    [ "$key" != container ] || move "$one" "$two" || return
  done 4< "$dir/keeper.spec.new"
  mv -f "$dir/keeper.spec.new" "$dir/keeper.spec" || return
  load
  if [ "$deadline" != "$before" ] && find_keeper; then kill -USR2 "$keeper"; fi
  return 0
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
