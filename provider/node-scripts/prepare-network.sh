# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of prepare.sh
# /etc/hosts, /etc/hostname and /etc/resolv.conf of a pod's containers, as a kubelet and containerd make them.
#
# $dir/network.spec       lines `key<TAB>value`:
#                         hosts · address FILE · hostname NAME · kernel NAME · domain NAME · alias IP<TAB>NAME…
#                         policy ClusterFirst|Default|None · warn · cluster DOMAIN · nameserver IP · search DOMAIN
#                         option NAME[<TAB>VALUE]
# $dir/etc.{hosts,hostname,resolv.conf}    what the containers mount: one file for all of them
# $dir/network.warnings   what the user should know, a line each
#
# /var/lib/barepod/node/cluster-dns        the node's cluster DNS: lines `nameserver IP`; absent while there is none

cluster_dns=/var/lib/barepod/node/cluster-dns

prepare_network() {
  hosts='' address='' hostname='' kernel='' domain='' aliases='' warnings=''
  policy='' warn='' cluster='' own_servers='' own_searches='' own_options=''
  while IFS=$tab read -r key value rest; do
    case $key in
      hosts) hosts=yes ;;
      address) address=$value ;;
      hostname) hostname=$value ;;
      kernel) kernel=$value ;;
      domain) domain=$value ;;
      alias) aliases=$aliases$value$tab$rest$newline ;;
      policy) policy=$value ;;
      warn) warn=yes ;;
      cluster) cluster="$cluster $value" ;;
      nameserver) own_servers="$own_servers $value" ;;
      search) own_searches="$own_searches $value" ;;
      option) own_options="$own_options $value${rest:+:$rest}" ;;
    esac
  done < "$dir/network.spec"
  # Lists of words are taken apart: none of them is a pattern.
  set -f
  [ -z "$hosts" ] || make_hosts || return
  [ -z "$policy" ] || make_resolver || return
  set +f
  put_file "$dir/network.warnings" "$warnings"
}

make_hosts() {
  if [ -n "$hostname" ]; then
    pod=''
    { read -r pod < "$address"; } 2>/dev/null
    [ -n "$pod" ] || { echo "the pod has no address: $address is not there" >&2; return 1; }
    text="# Kubernetes-managed hosts file.
127.0.0.1${tab}localhost
::1${tab}localhost ip6-localhost ip6-loopback
fe00::0${tab}ip6-localnet
fe00::0${tab}ip6-mcastprefix
fe00::1${tab}ip6-allnodes
fe00::2${tab}ip6-allrouters
$pod${tab}${domain:+$hostname.$domain$tab}$hostname
"
  else
    read -r kernel < /proc/sys/kernel/hostname
    text="# Kubernetes-managed hosts file (host network).$newline"
    if [ -e /etc/hosts ]; then
      more=$(cat /etc/hosts; echo x)
      text=$text${more%x}
    fi
  fi
  [ -z "$aliases" ] || text="$text
# Entries added by HostAliases.
$aliases"
  put_file "$dir/etc.hosts" "$text" && put_file "$dir/etc.hostname" "$kernel$newline"
}

make_resolver() {
  servers='' searches='' options=''
  [ "$policy" = None ] || read_resolver
  if [ "$policy" = ClusterFirst ] && [ -e "$cluster_dns" ]; then
    servers=''
    while read -r key value _; do
      [ "$key" != nameserver ] || servers="$servers $value"
    done < "$cluster_dns"
    searches="$cluster $searches"
    options=' ndots:5'
  elif [ -n "$warn" ]; then
    warn_of "MissingClusterDNS: the node has no cluster DNS, so dnsPolicy ClusterFirst falls back to Default"
  fi
  # shellcheck disable=SC2086 # words
  omit_duplicates $servers $own_servers
  take_servers
  # shellcheck disable=SC2086
  omit_duplicates $searches $own_searches
  take_searches
  set_options="$options $own_options" options=''
  for word in $set_options; do set_option "$word"; done
  put_file "$dir/etc.resolv.conf" "${searches:+search$searches$newline}$lines${options:+options$options$newline}"
}

read_resolver() { # sets servers, searches and options: the node's
  # The stub resolver of systemd-resolved listens on the node's loopback only.
  for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
    [ -e "$file" ] || continue
    while read -r key rest || [ -n "$key" ]; do
      case $key in
        nameserver)
          for word in $rest; do servers="$servers $word"; break; done ;;
        search)
          searches=''
          for word in $rest; do
            [ "$word" = . ] || word=${word%.}
            searches="$searches $word"
          done ;;
        options) options="$options $rest" ;;
      esac
    done < "$file"
    return 0
  done
}

omit_duplicates() { # WORD…: sets words, each after a blank
  words=''
  for word; do
    case "$words " in *" $word "*) ;; *) words="$words $word" ;; esac
  done
}

take_servers() { # of words, as many as resolvers ask: sets lines
  lines='' count=0 used=''
  for word in $words; do
    count=$((count + 1))
    [ "$count" -le 3 ] || continue
    lines="${lines}nameserver $word$newline" used="$used $word"
  done
  [ "$count" -le 3 ] || warn_of "DNSConfigForming: of $count nameservers the first 3 are used:$used"
}

take_searches() { # of words, as many as fit: sets searches
  searches='' count=0 cut=''
  for word in $words; do
    count=$((count + 1))
    # glibc 2.28 aborts for one that is longer than a name can be.
    if [ "$count" -gt 32 ] || [ "${#word}" -gt 253 ]; then cut=yes; continue; fi
    if [ $((${#searches} + ${#word})) -gt 2048 ]; then cut=yes; break; fi
    searches="$searches $word"
  done
  [ -z "$cut" ] || warn_of "DNSConfigForming: not all domains to search fit; these are used:$searches"
}

set_option() { # NAME[:VALUE]: in the place of one of that name
  set_options=$options options='' found=''
  for word in $set_options; do
    if [ "${word%%:*}" = "${1%%:*}" ]; then word=$1 found=yes; fi
    options="$options $word"
  done
  [ -n "$found" ] || options="$options $1"
}

warn_of() {
  warnings=$warnings$1$newline
}

put_file() { # FILE TEXT: in place, because containers have mounted it; a reader sees no change where there is none
  if [ -e "$1" ]; then
    # A container may have written anything into it, and any amount.
    now=$(head -c $((${#2} + 1)) "$1" | tr '\0' '?'; echo x)
    [ "$now" != "${2}x" ] || return 0
  fi
  umask 022
  printf %s "$2" > "$1"
  set -- $?
  umask 077
  return "$1"
}
