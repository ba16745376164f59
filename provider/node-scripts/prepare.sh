#!/bin/sh
# What must be there before the containers of a group start: the keeper calls it before each start, or reads it within a
# fork of its own, where nobody else can be at the same.
#
#   prepare.sh DIR NAME    for the container NAME of the group kept in DIR, and for the volumes of all
#   prepare.sh DIR -       only the volumes, whose sources have changed
#   prepare.sh DIR +       the same, with tokens that have to be renewed
#
# What is missing is said on standard error in a kubelet's words, and the exit status is 1.
#
# DIR/network.spec   the names and addresses of the group: see prepare-network.sh
# DIR/host.paths     PATH<TAB>TYPE for each hostPath that has a type
# DIR/volumes.d/V    what the volume V shows: see volumes.sh
# DIR/NAME/conf      names the files that variables of the environment come from
# DIR/node.cpu.N     written here: the node's processors in parts of N thousandths; likewise node.memory.N, in N bytes
set -u
# shellcheck disable=SC2034 # for the files that are read here
export LC_ALL=C
umask 077
tab='	' newline='
'
dir=$1 container=${2--}
bin=${0%/*}
# Read only when they are needed, as most pods have neither: renew_at and issuer come from the second.
sources='' renew_at=''
load_sources() {
  [ -z "$sources" ] || return 0
  sources=yes
  # shellcheck source=provider/node-scripts/volumes.sh
  . "$bin/volumes.sh"
  # shellcheck source=provider/node-scripts/tokens.sh
  . "$bin/tokens.sh"
}

say() { # what is missing, and ends
  printf '%s\n' "$1" >&2
  exit 1
}

name_object() { # FILE: sets object to how a kubelet names what a file under objects belongs to, and kind, namespace, key
  rest=${1#/var/lib/barepod/objects/}
  rest=${rest#"$issuer"/}
  [ "$rest" != "$1" ] || return 1
  kind=${rest%%/*} rest=${rest#*/}
  namespace=${rest%%/*} rest=${rest#*/}
  object=${rest%%/*} rest=${rest#*/data}
  key=${rest#/}
  case $kind in configmaps) kind=configmap title=ConfigMap ;; *) kind=secret title=Secret ;; esac
}

measure() { # FILE: writes node.cpu.N or node.memory.N, rounded up as a kubelet rounds
  unit=${1##*.}
  case $1 in
    */node.cpu.*)
      amount=0
      while read -r word _; do case $word in processor) amount=$((amount + 1000)) ;; esac; done < /proc/cpuinfo
      [ "$amount" -gt 0 ] || amount=1000
      ;;
    *) while read -r word amount _; do [ "$word" != MemTotal: ] || break; done < /proc/meminfo; amount=$((amount * 1024)) ;;
  esac
  printf '%s' "$(((amount + unit - 1) / unit))" > "$1.new" && mv -f "$1.new" "$1"
}

unescape() { # PATH as the launcher's configuration has it: sets plain; a TAB or a newline never comes here
  plain='' more=$1
  while :; do
    # shellcheck disable=SC1003 # one backslash
    case $more in *'\\'*) plain=$plain${more%%'\\'*}'\' more=${more#*'\\'} ;; *) break ;; esac
  done
  plain=$plain$more
}

check_environment() { # what the launcher would fail to find
  # One by one: read(1) would take two TABs, around a prefix that is empty, for one.
  while read -r line; do
    case $line in envfile"$tab"* | envline"$tab"* | envdir"$tab"*) ;; *) continue ;; esac
    load_sources
    rest=${line#*"$tab"}
    variable=${rest%%"$tab"*} rest=${rest#*"$tab"}
    need=${rest#*"$tab"}
    unescape "${rest%%"$tab"*}"
    file=$plain
    case $file in "$dir"/node.*) [ -e "$file" ] || measure "$file" || exit ;; esac
    provide "$file" || exit
    if [ "$need" != required ] || [ -e "$file" ]; then continue; fi
    name_object "$file" || say "$file, which the variable $variable is read from, is not on the node"
    if [ ! -e "${file%/data*}/data" ] || [ -z "$key" ]; then say "$kind \"$object\" not found"; fi
    say "couldn't find key $key in $title $namespace/$object"
  done < "$dir/$container/conf"
}

check_host_paths() {
  while IFS=$tab read -r path type; do
    case $type in
      DirectoryOrCreate) [ -e "$path" ] || (umask 022 && mkdir -p -- "$path") || exit ;;
      FileOrCreate) [ -e "$path" ] || (umask 022 && : > "$path") || exit ;;
    esac
    case $type in
      Directory*) [ -d "$path" ] || say "hostPath type check failed: $path is not a directory" ;;
      File*) [ -f "$path" ] || say "hostPath type check failed: $path is not a file" ;;
      Socket) [ -S "$path" ] || say "hostPath type check failed: $path is not a socket file" ;;
      CharDevice) [ -c "$path" ] || say "hostPath type check failed: $path is not a character device" ;;
      BlockDevice) [ -b "$path" ] || say "hostPath type check failed: $path is not a block device" ;;
    esac
  done < "$dir/host.paths"
}

case $container in
  - | +)
    load_sources
    render_volumes || exit
    ;;
  *)
    if [ -e "$dir/network.spec" ]; then
      # shellcheck source=provider/node-scripts/prepare-network.sh
      . "$bin/prepare-network.sh"
      prepare_network || exit
    fi
    [ ! -e "$dir/host.paths" ] || check_host_paths
    if [ -d "$dir/volumes.d" ]; then
      load_sources
      render_volumes || exit
    fi
    [ ! -e "$dir/$container/conf" ] || check_environment
    ;;
esac
[ "$container" = - ] || [ -z "$renew_at" ] || await_renewal
exit 0
