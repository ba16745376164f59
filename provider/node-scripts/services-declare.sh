# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of services.sh
# Declaring and withdrawing a service: addresses and ports are given out as Kubernetes does, and kept. A declaration has lines
#
#   declared DIGEST · service NAMESPACE NAME · type TYPE · clusterIP IP|None|auto|- · selector KEY=VALUE
#   port NAME|- PROTOCOL PORT TARGET NODEPORT|auto|- · affinity SECONDS · internal Local · external Local · publish
#   externalIP IP · balancer · source RANGE
#
# `auto` is filled in here, and `ingress IP` is added for a `balancer`. The files node/service-cidr and node/node-ports have
# other ranges than 10.96.0.0/12 and 30000-32767.

number_of() { # IP: sets number
  rest=${1#*.}
  number=$((${1%%.*} << 24 | ${rest%%.*} << 16)) rest=${rest#*.}
  number=$((number | ${rest%%.*} << 8 | ${rest#*.}))
}

seed_of() { # TEXT: sets seed, always the same for it
  seed=$(printf %s "$1" | cksum)
  seed=${seed%% *}
}

holder_of() { # FILE: sets holder; fails where it is free or ours
  holder=''
  { read -r holder < "$1"; } 2>/dev/null || return 1
  [ "$holder" != "$id" ]
}

take_address() { # IP|auto: sets taken
  range=10.96.0.0/12
  { read -r range < "$node/service-cidr"; } 2>/dev/null
  number_of "${range%/*}"
  first=$number size=$((1 << (32 - ${range#*/})))
  if [ "$1" != auto ]; then
    number_of "$1"
    if [ "$number" -le "$first" ] || [ "$number" -ge $((first + size - 1)) ]; then
      fail "spec.clusterIP: $1 is not in the node's service range, $range"
    fi
    ! holder_of "$state/.addresses/$1" || fail "spec.clusterIP: $1 is the address of the Service ${holder%%_*}/${holder#*_} already"
    taken=$1
    return
  fi
  if [ -n "$kept" ]; then taken=$kept; return; fi
  # The lower part is for those that are asked for (KEP-3070).
  band=$((size / 16))
  [ "$band" -ge 16 ] || band=16
  [ "$band" -le 256 ] || band=256
  [ "$band" -lt "$size" ] || band=0
  span=$((size - band - 1))
  seed_of "$id"
  tries=0
  while [ "$tries" -lt "$span" ]; do
    number=$((first + band + (seed + tries) % span))
    tries=$((tries + 1))
    [ "$number" -gt "$first" ] || continue
    taken=$((number >> 24)).$((number >> 16 & 255)).$((number >> 8 & 255)).$((number & 255))
    [ -e "$state/.addresses/$taken" ] || return 0
  done
  fail "all addresses of the node's service range, $range, are taken"
}

is_listening() { # PROTOCOL PORT: whether a program of the node does, at any address
  hex=$(printf %04X "$2")
  for file in "/proc/net/$1" "/proc/net/${1}6"; do
    [ ! -e "$file" ] || ! awk -v hex="$hex" '($4 == "0A" || $4 == "07") && $2 ~ (":" hex "$") { found = 1 } END { exit !found }' "$file" || return 0
  done
  return 1
}

is_forwarded() { # PROTOCOL PORT: whether it is a pod's hostPort
  iptables -w 5 -t nat -S 2>/dev/null | grep -q -- "^-A BAREPOD-PORTS-.* -p $1 .*--dport $2 "
}

take_port() { # PATH PROTOCOL NUMBER|auto KEPT: sets port
  ports=30000-32767
  { read -r ports < "$node/node-ports"; } 2>/dev/null
  low=${ports%-*} high=${ports#*-}
  if [ "$3" != auto ]; then
    if [ "$3" -lt "$low" ] || [ "$3" -gt "$high" ]; then fail "$1: $3 is not among the node's ports for services, $ports"; fi
    ! holder_of "$state/.ports/$2-$3" || fail "$1: $3 is a port of the Service ${holder%%_*}/${holder#*_} already"
    port=$3
    [ "$port" = "$4" ] || [ -e "$state/.ports/$2-$3" ] || refuse_taken "$1" "$2" "$port"
    return
  fi
  if [ -n "$4" ]; then port=$4; return; fi
  size=$((high - low + 1)) band=$(((high - low + 1) / 32))
  [ "$band" -ge 16 ] || band=16
  [ "$band" -le 128 ] || band=128
  [ "$band" -lt "$size" ] || band=0
  seed_of "$id $1"
  tries=0
  while [ "$tries" -lt $((size - band)) ]; do
    port=$((low + band + (seed + tries) % (size - band)))
    tries=$((tries + 1))
    [ -e "$state/.ports/$2-$port" ] || is_listening "$2" "$port" || is_forwarded "$2" "$port" || return 0
  done
  fail "$1: all of the node's ports for services, $ports, are taken"
}

refuse_taken() { # PATH PROTOCOL PORT
  ! is_listening "$2" "$3" || fail "$1: a program listens on port $3/$2 of the node (ss -lnp names it): end it, or give another port"
  ! is_forwarded "$2" "$3" || fail "$1: port $3/$2 of the node is a pod's hostPort"
}

refuse_kube_proxy() {
  [ ! -e "$run/base" ] || return 0
  ! iptables -w 5 -t nat -S KUBE-SERVICES > /dev/null 2>&1 ||
    fail "the node runs kube-proxy, or has its rules still: there is a chain KUBE-SERVICES that Barepod has not made. Two of them would undo each other's rules"
}

was_port() { # PROTOCOL PORT: sets kept_port, what it got before
  kept_port=''
  [ -e "$old" ] || return 0
  while IFS=$tab read -r key _ kind number _ given; do
    [ "$key" != port ] || [ "$kind $number" != "$1 $2" ] || [ "$given" = - ] || { kept_port=$given; return; }
  done < "$old"
}

put() { # ID. Nothing is touched before all of it is known to be possible
  id=$1 old=$state/$1/spec seen=''
  [ ! -e "$run/$id.rules" ] || seen=yes
  refuse_kube_proxy
  kept='' kept_balancer='' text='' mine='' index=0 balancer=''
  if [ -e "$old" ]; then
    while IFS=$tab read -r key value _; do
      case $key in clusterIP) case $value in [0-9]*) kept=$value ;; esac ;; ingress) kept_balancer=yes ;; esac
    done < "$old"
  fi
  while IFS=$tab read -r key a b c d e; do
    case $key in
      clusterIP)
        case $a in
          auto | [0-9]*) take_address "$a"; a=$taken mine="$mine .addresses/$taken" ;;
        esac
        text="$text$key$tab$a$newline"
        ;;
      port)
        if [ "$e" != - ]; then
          was_port "$b" "$c"
          take_port "spec.ports[$index].nodePort" "$b" "$e" "$kept_port"
          e=$port
          case "$mine " in *" .ports/$b-$e "*) fail "spec.ports[$index].nodePort: $e/$b is given twice" ;; esac
          mine="$mine .ports/$b-$e"
        fi
        [ -z "$balancer" ] || [ -n "$kept_balancer" ] || refuse_taken "spec.ports[$index].port" "$b" "$c"
        text="$text$key$tab$a$tab$b$tab$c$tab$d$tab$e$newline"
        index=$((index + 1))
        ;;
      balancer)
        balancer=yes address=''
        { read -r address < "$node/address"; } 2>/dev/null || fail "the node's own address is not known: its Node must be there first"
        text="${text}balancer${newline}ingress$tab$address$newline"
        ;;
      *) text="$text$key${a:+$tab$a}${b:+$tab$b}${c:+$tab$c}${d:+$tab$d}$newline" ;;
    esac
  done
  before=$(cat "$old" 2>/dev/null; echo x)
  mkdir -p "$state/$id" "$state/.addresses" "$state/.ports" && printf '%s\n' "$0" > "$state/$id/program" || exit
  printf %s "$text" > "$state/$id/spec.new" && mv -f "$state/$id/spec.new" "$state/$id/spec" || exit
  release "$mine"
  for each in $mine; do printf '%s\n' "$id" > "$state/$each" || exit; done
  if [ -z "$seen" ] || [ "$before" != "${text}x" ]; then apply "$id" || return; fi
  # What others have changed is put right with it.
  if [ -n "$seen" ]; then
    all
    # shellcheck disable=SC2086 # words
    if [ -n "$(compare $ids)" ]; then heal || return; fi
  fi
  : > "$run/$id.fresh"
}

release() { # the files of this service's addresses and ports, but these
  for each in "$state"/.addresses/* "$state"/.ports/*; do
    { read -r holder < "$each"; } 2>/dev/null || continue
    each=${each#"$state"/}
    [ "$holder" != "$id" ] || case "$1 " in *" $each "*) ;; *) rm -f "$state/${each:?}" ;; esac
  done
}

remove() { # ID
  id=$1
  rm -rf "${state:?}/$id"
  [ ! -d "$state" ] || release ''
  all
  if [ -n "$ids" ]; then apply "$id"; else tidy; fi
}

tidy() { # takes everything away, where no service is left
  all
  [ -z "$ids" ] || return 0
  if [ -e "$run/base" ]; then heal || return; fi
  rm -rf "$run/base" "$run/names" "$run/pods" "${state:?}/.addresses" "${state:?}/.ports"
  rmdir "$state/.slices" "$state" 2>/dev/null
  [ -d "$state" ] || rm -rf "$run"
}

# --- endpoints that are declared ---

follow() { # FILE: the service that its endpoints are of, if it is declared
  while IFS=$tab read -r key a b _; do
    [ "$key" != slice ] || [ ! -e "$state/${a}_$b/spec" ] || { apply "${a}_$b"; return; }
  done < "$1"
}

slice() { # NAME; the lines for services.awk come by standard input
  mkdir -p "$state/.slices" || exit
  before=''
  if [ -e "$state/.slices/$1" ]; then before=$state/.slices/.before; mv -f "$state/.slices/$1" "$before"; fi
  cat > "$state/.slices/.new" && mv -f "$state/.slices/.new" "$state/.slices/$1" || exit
  # They may have been another service's.
  if [ -n "$before" ]; then follow "$before" && rm -f "$before" || exit; fi
  follow "$state/.slices/$1"
}

unslice() { # NAME
  if [ -e "$state/.slices/$1" ]; then
    mv -f "$state/.slices/$1" "$state/.slices/.before" || exit
    follow "$state/.slices/.before" || exit
    rm -f "$state/.slices/.before"
  fi
  tidy
}
