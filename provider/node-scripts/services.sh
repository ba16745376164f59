#!/bin/sh
# shellcheck disable=SC2034 # variables of the other files
# The Services of a node: their rules are made here, from what was declared and from the pods that are there. Called by
# Pulumi, by keepers whenever a pod becomes ready or ceases to be, and at boot.
#
#   services.sh put ID       declares the service, by the lines of standard input, and puts its rules into force
#   services.sh remove ID    withdraws it; with the last one all chains go
#   services.sh slice NAME   declares endpoints, by the lines of standard input; unslice NAME withdraws them
#   services.sh tidy         takes away what is left where no service is
#   services.sh apply ID     puts its rules into force, at boot
#   services.sh sync DIR     a pod has changed, whose keeper has the folder DIR
#   services.sh sync         any of them may have
#   services.sh check ID     prints `broken` when its rules are not in force
#
# /var/lib/barepod/services/ID/spec      the declaration: see services-declare.sh. ID is NAMESPACE_NAME
# /var/lib/barepod/services/ID/program   this program, for who only reads
# /var/lib/barepod/services/.addresses/IP, .ports/PROTOCOL-PORT    who has it: ID
# /var/lib/barepod/services/.slices/NAME    endpoints that are declared: see services.awk
# /run/barepod/services/ID.rules         what is in force for it    /run/barepod/services/lock    held while anything changes
# /run/barepod/services/pods             what the pods have said, as services.awk reads it
# /run/barepod/services/names            chain names that are known: N<TAB>TEXT<TAB>NAME
# /run/barepod/process/DIR/pod.spec      what a pod says of itself: pod NAMESPACE NAME · label KEY=VALUE · port NAME PROTOCOL NUMBER
set -u
export LC_ALL=C PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin"
umask 077
tab='	' newline='
'
bin=${0%/*}
state=/var/lib/barepod/services run=/run/barepod/services pods=/run/barepod/process node=/var/lib/barepod/node

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

lock() { # until the end. The file goes with the last service: then a new one has to be locked
  while :; do
    [ -d "$run" ] || mkdir -p "$run" || exit
    exec 9>> "$run/lock" || exit
    flock -w 30 9 || fail "the node's services have been busy for 30 seconds"
    # shellcheck disable=SC3013 # dash, bash and busybox have -ef
    [ ! "$run/lock" -ef /proc/self/fd/9 ] || return 0
  done
}

all() { # sets ids: all that are declared
  ids=''
  for each in "$state"/*/spec; do
    [ -e "$each" ] || continue
    each=${each%/spec}
    ids="$ids ${each##*/}"
  done
}

# --- pods ---

is_alive() { # PID START
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  start=$2
  # shellcheck disable=SC2086 # fields
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$start" ]
}

tell_pod() { # DIR: its lines for services.awk, if it runs
  [ -e "$1/pod.spec" ] || return 0
  address='' verdict=not file=''
  while IFS=$tab read -r key value; do
    if [ "$key" = address ]; then file=$value; break; fi
  done < "$1/keeper.spec"
  { read -r address < "$file"; } 2>/dev/null
  pid='' since=''
  { IFS=$tab read -r pid since < "$1/keeper.pid"; } 2>/dev/null
  if [ -z "$since" ] || ! is_alive "$pid" "$since" || [ -e "$1/keeper.ending" ] || [ -z "$address" ]; then return 0; fi
  [ ! -e "$1/keeper.ready" ] || verdict=ready
  printf 'P\t%s\t%s\t%s\n' "$1" "$address" "$verdict"
  while IFS= read -r line; do printf '%s\n' "$line"; done < "$1/pod.spec"
}

tell_pods() { # what all pods say. Every pod says when it changes: it is asked once
  if [ ! -e "$run/pods" ]; then
    for each in "$pods"/*/; do tell_pod "${each%/}" 2>/dev/null; done > "$run/pods.new" && mv -f "$run/pods.new" "$run/pods"
  fi
  cat "$run/pods"
}

renew_pod() { # DIR
  [ -e "$run/pods" ] || return 0
  {
    awk -F "$tab" -v dir="$1" '$1 == "P" { skip = $2 == dir } !skip' "$run/pods"
    tell_pod "$1" 2>/dev/null
  } > "$run/pods.new"
  mv -f "$run/pods.new" "$run/pods"
}

feed() { # ID…: what services.awk reads beside the names
  range=10.244.0.0/24
  { read -r range < "$node/pod-cidr"; } 2>/dev/null
  printf 'C\t%s\n' "$range"
  for each in "$state"/.slices/*; do [ ! -e "$each" ] || printf 'E\t%s\n' "$each"; done
  tell_pods
  for each do printf 'S\t%s\t%s\n' "$each" "$state/$each/spec"; done
}

# --- rules ---

render() { # ID…: writes ID.rules.new for each
  : >> "$run/names"
  feed "$@" > "$run/feed" && awk -v phase=names -f "$bin/services.awk" "$run/names" "$run/feed" > "$run/unnamed" || return
  [ ! -s "$run/unnamed" ] || make_names || return
  awk -v phase=rules -v run="$run" -f "$bin/services.awk" "$run/names" "$run/feed"
}

make_names() { # of the texts in unnamed: one sha256sum for all of them
  rm -rf "$run/texts" && mkdir "$run/texts" || return
  count=100000000
  while IFS= read -r text; do
    count=$((count + 1))
    printf %s "$text" > "$run/texts/$count" || return
  done < "$run/unnamed"
  (cd "$run/texts" && printf '%s\n' * | xargs sha256sum) > "$run/sums" || return
  # Five hexadecimal digits are four of base32.
  awk '
    FNR == NR { text[FNR] = $0; next }
    {
      name = ""
      for (i = 0; i < 4; i++) {
        value = 0
        for (j = 1; j <= 5; j++) value = value * 16 + index("0123456789abcdef", substr($1, i * 5 + j, 1)) - 1
        part = ""
        for (j = 0; j < 4; j++) { part = substr("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", value % 32 + 1, 1) part; value = int(value / 32) }
        name = name part
      }
      printf "N\t%s\t%s\n", text[FNR], name
    }' "$run/unnamed" "$run/sums" >> "$run/names"
  rm -rf "$run/texts"
}

saved() { iptables-save -t nat && iptables-save -t filter; }

settle() { # ID…: what was rendered is in force
  for each do
    if [ -e "$state/$each/spec" ]; then mv -f "$run/$each.rules.new" "$run/$each.rules"
    else rm -f "$run/$each.rules" "$run/$each.rules.new" "$run/$each.fresh"
    fi
  done
  rm -f "$run/feed" "$run/unnamed" "$run/sums" "$run/change"
  if [ -s "$run/flows" ] && command -v conntrack > /dev/null 2>&1; then
    # shellcheck disable=SC2046,SC2086 # options
    sort -u "$run/flows" | while read -r options; do conntrack -D $options > /dev/null 2>&1; done
  fi
  rm -f "$run/flows"
}

apply() { # ID…: only what has changed
  [ -e "$run/base" ] || { heal; return; }
  present=''
  for each do [ ! -e "$state/$each/spec" ] || present="$present $each"; done
  # shellcheck disable=SC2086 # words
  render $present || return
  awk -v word=change -v run="$run" -v flows="$run/flows" -f "$bin/services-rules.awk" -- "$@" > "$run/change" || return
  # Somebody else has changed chains of ours: all anew.
  [ ! -s "$run/change" ] || iptables-restore --noflush -w 5 < "$run/change" 2>/dev/null || { heal; return; }
  settle "$@"
}

heal() { # whatever is there becomes what it must be, in one transaction a table
  all
  rm -f "$run/pods"
  : > "$run/base"
  # shellcheck disable=SC2086 # words
  render $ids || return
  # shellcheck disable=SC2086
  saved | awk -v word=heal -v run="$run" -v flows="$run/flows" -f "$bin/services-rules.awk" -- $ids > "$run/change" || return
  [ ! -s "$run/change" ] || iptables-restore --noflush -w 5 < "$run/change" || return
  for each in "$run"/*.rules; do
    each=${each##*/}
    [ -e "$state/${each%.rules}/spec" ] || rm -f "$run/$each"
  done
  # shellcheck disable=SC2086
  settle $ids
}

check() { # a keeper may be about to say what has changed with its pod: that is done here as well
  [ -e "$run/$1.rules" ] || { echo broken; return; }
  render "$1" || return
  if [ "$(cat "$run/$1.rules")" != "$(cat "$run/$1.rules.new")" ]; then apply "$1" || return; fi
  rm -f "$run/$1.rules.new" "$run/feed" "$run/unnamed"
  compare "$1"
}

compare() { # ID…: prints `broken` when their rules are not what was rendered last
  saved | awk -v word=check -v run="$run" -f "$bin/services-rules.awk" -- "$@"
}

sync() { # [DIR]
  if [ -n "${1-}" ]; then
    renew_pod "$1"
    all
    # shellcheck disable=SC2086 # words
    ids=$({
      printf 'P\t%s\t-\tnot\n' "$1"
      cat "$1/pod.spec"
      for each in $ids; do printf 'S\t%s\t%s\n' "$each" "$state/$each/spec"; done
    } | awk -v phase=select -f "$bin/services.awk") || return
  else
    rm -f "$run/pods"
    all
  fi
  # shellcheck disable=SC2086
  [ -z "$ids" ] || apply $ids
}

case ${1-}:$# in
  put:2 | remove:2 | slice:2 | unslice:2 | tidy:1)
    lock
    # shellcheck source=provider/node-scripts/services-declare.sh
    . "$bin/services-declare.sh"
    "$@"
    ;;
  apply:2) lock && apply "$2" ;;
  check:2)
    lock
    # What has just been put need not be looked at once more.
    if [ -e "$run/$2.fresh" ]; then rm -f "$run/$2.fresh"; else check "$2"; fi
    ;;
  sync:[12])
    [ -d "$state" ] || exit 0
    lock
    sync "${2-}"
    ;;
  *) echo "services.sh put|remove|apply|check ID, services.sh slice|unslice NAME, services.sh sync [DIR], services.sh tidy" >&2; exit 2 ;;
esac
