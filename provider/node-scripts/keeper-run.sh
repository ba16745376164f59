# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What the keeper does: the order of the containers, and for each of them start, wait, restart.

# shellcheck source=/dev/null
. "$bin/keeper-configure.sh"

# --- one container ---

prepare() { # what must be there before a start. As a kubelet does, it keeps trying. Fails once the container is to end
  [ -e "$dir/keeper.prepare" ] || return 0
  pause=1
  while ! prepare_once 2> "$dir/$name/lack"; do
    # Renamed, so that nobody sees it empty while it is looked at again.
    mv -f "$dir/$name/lack" "$dir/$name/error"
    put "$dir/$name/state" "waiting CreateContainerConfigError"
    rest "$pause"
    [ -z "$stop" ] || return 1
    pause=$((pause * 2))
    [ "$pause" -le 10 ] || pause=10
  done
  [ ! -e "$dir/$name/state" ] || rm -f "$dir/$name/state"
}

prepare_once() { # one after the other, where several may be at the same files; otherwise without programs of their own
  if is_only_one; then
    # As prepare.sh itself, it is not who a TERM to the supervisors is meant for.
    (trap '' TERM; set -- "$dir" "$name"; . "$bin/prepare.sh")
  else (flock 9 && exec "$bin/prepare.sh" "$dir" "$name") 9>> "$dir/keeper.prepare.lock"
  fi
}

is_only_one() { # whether the group has one container, and no volumes, which are filled anew from outside
  [ ! -d "$dir/volumes.d" ] || return 1
  while IFS=$tab read -r key one _; do
    [ "$key" != container ] || [ "$one" = "$name" ] || return 1
  done < "$dir/keeper.spec"
}

collect_message() { # writes why the container was killed, and its last words, as far as a kubelet reads them
  {
    [ ! -s "$dir/$name/killed" ] || cat "$dir/$name/killed"
    if [ "$policy_of_message" = - ]; then :
    elif [ -s "$logs/.last/termination-log" ]; then head -c 4096 "$logs/.last/termination-log"
    elif [ "$policy_of_message" = FallbackToLogsOnError ] && [ "$code" -ne 0 ] && [ -s "$logs/$restarts.log" ]; then
      tail -n 80 "$logs/$restarts.log" | cut -d ' ' -f 4- | tail -c 2048
    fi
  } > "$dir/$name/message"
}

accompany() { # once the container runs: what is done beside it, in a shell of its own
  naps=0
  until [ -e "$dir/$name/status" ] || ! look_at "$child"; do nap; done
  find_main || return 0
  attend 3<&- &
  attendant=$!
}

start_once() { # one start and its end: sets code and reason, and killed when a probe or a hook has ended it
  clock
  began=$now reason=StartError code=125 killed=''
  prepare || return 0
  # Errors of the shell's own go there too, such as a full disk.
  configure 2> "$dir/$name/error" || return 0
  [ ! -e "$dir/$name/last" ] ||
    rm -f "$dir/$name/status" "$dir/$name/state" "$dir/$name/killed" "$dir/$name/stopping" "$dir/$name/stopped"
  count_oom_kills
  before=$kills
  [ -z "$stop" ] || return 0
  "$launcher" run "$dir/$name/conf" "$dir/$name/run" 2> "$dir/$name/error" &
  child=$!
  # A TERM that came before `child` was set has reached nobody.
  [ -z "$stop" ] || end_beside
  if [ -n "$has_actions" ]; then accompany
  elif [ "$kind" != init ]; then
    # Nobody has to find out; whoever reads this looks whether it runs, too.
    : > "$dir/$name/started"
    show_ready
  fi
  await "$child"
  child=''
  [ -z "$attendant$ender" ] || dismiss
  # What is ended with all others is forgotten with them.
  if [ -z "$stop" ] && [ -e "$dir/$name/started" ]; then
    rm -f "$dir/$name/started" "$dir/$name/ready"
    settle
  fi
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
  [ ! -e "$dir/$name/killed" ] || killed=1
  [ "$killed$policy_of_message" = - ] || collect_message
}

dismiss() { # kills who is beside the container, with all that they have started
  family=" $attendant $ender " known=''
  while [ "$family" != "$known" ]; do
    known=$family
    while read -r pid; do
      look_at "$pid" || continue
      case $family in *" $pid "*) ;; *" $parent "*) family="$family$pid " ;; esac
    done < "$own/_keeper/cgroup.procs"
  done
  for pid in $family; do kill -KILL "$pid" 2>/dev/null; done
  ended=$code
  for pid in $attendant $ender; do await "$pid"; done
  attendant='' ender='' code=$ended
}

doze() { # HUNDREDTHS of a second
  left=$(($1 + 100))
  "$launcher" sleep "$((left / 100 - 1)).${left#"${left%??}"}"
}

rest() { # SECONDS: waits, unless the container is to end
  [ -z "$stop" ] || return 0
  "$launcher" sleep "$1" &
  napper=$!
  [ -z "$stop" ] || kill -KILL "$napper"
  await "$napper"
  napper=''
}

supervise() { # NAME: starts, waits, restarts; ends with the container
  name=$1 delay=0 child='' stop='' restarts=0 reason=Error attendant='' ender='' napper='' has_actions=''
  trap 'interrupted=1 stop=1
    [ -z "$napper" ] || kill -KILL "$napper" 2>/dev/null
    [ -z "$child" ] || end_beside' TERM
  # One that came before the trap was set.
  [ ! -e "$dir/keeper.ending" ] || stop=1
  for file in startup readiness liveness postStart preStop; do
    [ ! -e "$dir/$name/$file" ] || has_actions=1
  done
  # shellcheck source=/dev/null
  [ -z "$has_actions" ] || . "$bin/keeper-probes.sh"
  # As a kubelet counts when it has forgotten: by the logs, which outlive a reboot.
  look_up "$name"
  while [ -e "$logs/$restarts.log" ]; do restarts=$((restarts + 1)); done
  [ "$restarts" -eq 0 ] || printf '%s\n' "$restarts" > "$dir/$name/restarts"
  while [ -z "$stop" ]; do
    start_once
    printf '%s\t%s\n' "$code" "$reason" > "$dir/$name/last"
    load
    is_to_restart || break
    # Kubernetes: at once the first time, then 10 s doubling to 300 s; 10 minutes of running start it over.
    clock
    [ $((now - began)) -lt 60000 ] || delay=0
    if [ "$delay" -gt 0 ]; then
      put "$dir/$name/state" "waiting CrashLoopBackOff"
      rest "$delay"
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

is_to_restart() {
  [ -z "$stop" ] || return 1
  case $kind$policy in sidecar* | mainAlways) return 0 ;; *Never) return 1 ;; esac
  # One that a probe has ended is started again, however it ended.
  [ "$code" -ne 0 ] || [ -n "$killed" ]
}

end_beside() { # starts to end the container: its supervisor waits for it meanwhile. Runs in a trap
  [ -z "$ender" ] || return 0
  load
  clock
  # The grace period is the pod's: what comes to its end later has less of it.
  { read -r end < "$dir/keeper.ending"; } 2>/dev/null || end=$((now + grace * 100))
  if [ -e "$dir/$name/preStop" ]; then end_container 3<&- &
  else
    pass_on
    kill_at_end 3<&- &
  fi
  ender=$!
}

end_container() { # the hook, TERM, and KILL at end, in hundredths of a second
  clock
  if [ -e "$dir/$name/preStop" ] && [ "$now" -lt "$end" ] && find_main; then
    stop_hook $(((end - now + 99) / 100))
    naps=0
    until [ -e "$dir/$name/stopped" ] || [ "$now" -ge "$end" ] || ! find_main; do nap; clock; done
    clock
    # A kubelet leaves two seconds for TERM.
    [ "$end" -gt $((now + 200)) ] || end=$((now + 200))
  fi
  pass_on
  kill_at_end
}

stop_hook() { # SECONDS: runs it, unless somebody else does already
  (set -C && : > "$dir/$name/stopping") 2>/dev/null || return 0
  hook preStop "$1"
  : > "$dir/$name/stopped"
}

kill_at_end() {
  [ "$now" -ge "$end" ] || doze $((end - now))
  kill_container
}

kill_container() {
  if find_main; then kill -KILL "$main"; fi
  look_up "$name" && find_leaf
  kill_group "$leaf"
}

# --- readiness: DIR/NAME/ready, and DIR/keeper.ready for the pod ---

show_ready() {
  : > "$dir/$name/ready"
  settle
}

hide_ready() {
  [ -e "$dir/$name/ready" ] || return 0
  rm -f "$dir/$name/ready"
  settle
}

settle() { # makes DIR/keeper.ready agree with the containers. Whoever changes one of them comes here after it: the last one is right
  while :; do
    all=yes
    [ ! -e "$dir/keeper.ending" ] || all=''
    while IFS=$tab read -r key one _ _ _ _ its _; do
      [ "$key" != container ] || [ "$its" = init ] || [ -e "$dir/$one/ready" ] || all=''
    done < "$dir/keeper.spec"
    if [ -n "$all" ]; then
      [ ! -e "$dir/keeper.ready" ] || return 0
      : > "$dir/keeper.ready"
    else
      [ -e "$dir/keeper.ready" ] || return 0
      rm -f "$dir/keeper.ready"
    fi
    announce
  done
}

# --- all containers ---

run() {
  load
  leave_login
  look_at $$
  supervisors='' sidecars='' ending='' timer=''
  trap 'interrupted=1; terminate' TERM INT
  trap 'interrupted=1; put "$dir/keeper.reason" DeadlineExceeded; terminate' USR1
  # shellcheck source=/dev/null
  trap 'interrupted=1; . "$bin/keeper-deadline.sh"; keep_new_deadline' USR2
  trap '' HUP
  printf '%s\t%s\n' "$$" "$since" > "$dir/keeper.pid"
  if [ -n "$deadline" ]; then
    # shellcheck source=/dev/null
    . "$bin/keeper-deadline.sh"
    keep_deadline
  fi
  announce
  # Init containers one after the other, then all others at once.
  each begin
  for supervisor in $supervisors; do await "$supervisor"; done
  terminate
  # The last one that was started is the first to end.
  for supervisor in $sidecars; do
    send_term "$supervisor"
    await "$supervisor"
  done
  if [ -n "$timer" ]; then
    kill -TERM "$timer" 2>/dev/null
    await "$timer"
  fi
  : > "$dir/keeper.pid"
}

begin() { # starts a container, when its turn has come. Fails when the pod cannot go on
  [ -z "$ending" ] || return 1
  supervise "$name" 3<&- &
  case $kind in
    main) supervisors="$supervisors $!" ;;
    init)
      supervisors=$!
      # A TERM before this has reached nobody.
      [ -z "$ending" ] || send_term "$supervisors"
      await "$supervisors"
      supervisors='' word='' reason=''
      { read -r word reason < "$dir/$name/state"; } 2>/dev/null
      [ "$word$reason" = terminatedCompleted ]
      ;;
    sidecar)
      sidecars="$! $sidecars"
      naps=0
      until [ -n "$ending" ] || { [ -e "$dir/$name/started" ] && find_main; }; do
        look_at "${sidecars%% *}" || return 1
        nap
      done
      ;;
  esac
}

terminate() { # TERM to all but the sidecars, which come last; runs in a trap, so it does not wait
  trap '' TERM INT USR1 USR2
  [ -z "$ending" ] || return 0
  ending=1
  load
  clock
  printf '%s\n' "$((now + grace * 100))" > "$dir/keeper.ending"
  # Whoever asks its Services from now on is sent elsewhere.
  [ ! -e "$dir/keeper.ready" ] || rm -f "$dir/keeper.ready"
  announce
  for pid in $supervisors; do send_term "$pid"; done
  # As in Kubernetes the hooks of sidecars do not wait for the others. In a shell of its own: this one is in the midst of things.
  [ -z "$sidecars" ] || (each begin_stop_hook; wait) &
}

begin_stop_hook() {
  [ "$kind" = sidecar ] && [ -e "$dir/$name/preStop" ] && find_main || return 0
  # shellcheck source=/dev/null
  . "$bin/keeper-probes.sh"
  stop_hook "$grace" 3<&- &
}

send_term() { # PID of a child: one that has ended already may have left its number to somebody else
  look_at "$1" && [ "$parent" = $$ ] && kill -TERM "$1"
}
