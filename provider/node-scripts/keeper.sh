#!/bin/sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# The keeper of one group of containers (a pod, or a lone process): starts them through the launcher, restarts them by
# policy with Kubernetes' back-off, ends them gracefully, and notes what happened.
#
#   keeper ─┬─ supervisor of container a ── launcher (log pump) ── a's first process
#           └─ supervisor of container b ── launcher (log pump) ── b's first process
#
# One shell per group, a small fork of it per container, and one more (two with both readiness and liveness probes) where
# there are probes; nothing else of Barepod stays beside a pod. Everything but the containers is in a control group of its
# own, so that neither a login's end nor the keeper's takes anything with it.
#
#   keeper.sh run DIR      keeps the group until it ends or TERM comes
#   keeper.sh start DIR    starts a keeper in a session of its own; returns once every container runs, or has failed to, or
#                          after SECONDS, by default 30, that may follow
#   keeper.sh stop DIR     ends the group: TERM, the grace period, KILL; returns when nothing of it is left
#   keeper.sh change DIR   takes over DIR/keeper.spec.new, and moves running containers into the control groups named there;
#                          another deadline counts at once
#
# DIR/keeper.spec    lines `key<TAB>value`: restart, grace, deadline, address (the file with the pod's), namespace, host,
#                    container<TAB>NAME<TAB>CGROUP<TAB>LOGS<TAB>LINK<TAB>RESOLV<TAB>KIND<TAB>POLICY<TAB>MESSAGE<TAB>CONTROLS
#                    <TAB>DEVICES, and at last end. KIND is init, sidecar or main; POLICY and MESSAGE are of the termination
#                    message, or -; CONTROLS is how the container sees its control groups, ro or rw, or - when it does not;
#                    DEVICES is - or all (of the node's), followed by :FOLDER for each that they must not be made in
# DIR/pod.spec       what the pod says of itself to the node's Services: see services.sh
# DIR/keeper.prepare a file, there when prepare.sh DIR is to run before each start
# DIR/keeper.pid     PID<TAB>START of the keeper, empty once it has ended
# DIR/keeper.ending  there once it ends all: until when, in hundredths of a second since the boot
# DIR/keeper.ready   there while all containers are ready         DIR/keeper.reason   why the pod has ended, if not by itself
# DIR/NAME/conf      the launcher's configuration, without what is added here    DIR/NAME/run    that: namespaces, cgroups, log, status
# DIR/NAME/status    the launcher's status line        DIR/NAME/restarts    how often it was started again
# DIR/NAME/state     waiting REASON | terminated REASON; not there while it runs, or before its first start
# DIR/NAME/last      CODE<TAB>REASON of the last end   DIR/NAME/error       why it could not be started
# DIR/NAME/message   of the last end: why it was killed, and the termination message
# DIR/NAME/{started,ready}    there while it is            DIR/NAME/failing     PROBE<TAB>why, while one fails
# DIR/NAME/{startup,readiness,liveness,postStart,preStop}    what keeper-probes.sh reads
#
# The name of a container is a DNS label; the files of the keeper's own have names that are none. A fork costs half a
# millisecond, so what can be is done in the shell itself; functions leave their results in variables.
set -u
export LC_ALL=C
umask 077
tab='	' newline='
'
launcher=${0%/*}/launcher
bin=${0%/*}
dir=$2
id=${dir##*/}

# --- what DIR/keeper.spec says ---

load() { # sets policy, grace, deadline, address_file, namespace, host
  policy=Always grace=30 deadline='' address_file='' namespace='' host=''
  [ -e "$dir/keeper.spec" ] || return 0
  while IFS=$tab read -r key first _; do
    case $key in
      restart) policy=$first ;;
      grace) grace=$first ;;
      deadline) deadline=${first#-} ;;
      address) address_file=$first ;;
      namespace) namespace=$first ;;
      host) host=,$first, ;;
    esac
  done < "$dir/keeper.spec"
}

each() { # COMMAND…: runs it for each container, with its name, cgroup and what else its line says
  [ -e "$dir/keeper.spec" ] || return 0
  while IFS=$tab read -r key name cgroup logs link resolv kind policy_of_message message controls devices <&3; do
    [ "$key" != container ] || "$@" || return
  done 3< "$dir/keeper.spec"
}

look_up() { # NAME: sets the same for one container
  while IFS=$tab read -r key name cgroup logs link resolv kind policy_of_message message controls devices; do
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

announce() { # the node's Services follow
  if [ -e "$dir/pod.spec" ] && [ -d /var/lib/barepod/services ]; then "$bin/services.sh" sync "$dir" 3<&- || :; fi
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
  elif [ "$naps" -le 200 ]; then "$launcher" sleep 0.2
  else "$launcher" sleep 1
  fi
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

# shellcheck source=/dev/null
. "$bin/keeper-groups.sh"
# shellcheck source=/dev/null
case $1 in
  run) . "$bin/keeper-run.sh" ;;
  *) . "$bin/keeper-words.sh" ;;
esac

case $1 in
  run) run ;;
  start) lock && start "${3:-30}" ;;
  stop) lock && stop ;;
  change) lock && change ;;
  *) echo "keeper.sh run|start|stop|change DIR" >&2; exit 2 ;;
esac
