# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What is done beside one run of a container: hooks and probes, by a shell of their own that its supervisor kills with it,
# at any point. It never starts anything in the background: bash would remember each one, in half a megabyte.
#
#   supervisor ── attendant: postStart, then startup, then readiness ── liveness, where there is a readiness probe too
#
# DIR/NAME/{startup,readiness,liveness,postStart,preStop} are shell texts that Barepod has written and quoted; a probe's says
#   initial=0 period=10 timeout=1 successes=1 failures=3 seconds=   and what both say:
#   action=exec; set -- WORD…             action=sleep; set -- SECONDS
#   action=http|https target= port=80 path=/; set -- 'NAME: VALUE'…
#   action=tcp target= port=80            action=grpc target= port=80 body=ESCAPED
# target is empty for the pod's own address. DIR/NAME/failing is `PROBE<TAB>why` of what has failed, or empty.

attend() {
  if [ -e "$dir/$name/postStart" ] && ! hook postStart 0; then
    give_up "its postStart hook failed: $why"
    return
  fi
  if [ -e "$dir/$name/startup" ]; then watch startup || return; fi
  : > "$dir/$name/started"
  if [ -e "$dir/$name/readiness" ]; then
    if [ -e "$dir/$name/liveness" ]; then watch liveness & fi
    watch readiness
  else
    show_ready
    [ ! -e "$dir/$name/liveness" ] || watch liveness
  fi
}

watch() { # PROBE: startup returns once it has succeeded, and fails, as liveness does, once the container is to end
  probe=$1 streak=0 before=''
  : > "$dir/$name/failing"
  # shellcheck source=/dev/null
  . "$dir/$name/$probe"
  # Processes are dated in hundredths of a second since the boot, too.
  due=$((start + initial * 100))
  while :; do
    clock
    if [ "$due" -gt "$now" ]; then doze $((due - now)); fi
    look_at "$main" && [ "$since" = "$start" ] || return 1
    if attempt "$@"; then result=success need=$successes; else result=failure need=$failures; fi
    [ "$result" = "$before" ] || streak=0
    before=$result streak=$((streak + 1))
    # A kubelet's ticker: what was missed is left out.
    clock
    while [ "$due" -le "$now" ]; do due=$((due + period * 100)); done
    note
    [ "$streak" -ge "$need" ] || continue
    case $probe$result in
      startupsuccess) return 0 ;;
      readinesssuccess) [ -e "$dir/$name/ready" ] || show_ready ;;
      readinessfailure) hide_ready ;;
      startupfailure | livenessfailure)
        # Whoever ends the pod ends the container; its probes do not matter any more.
        [ ! -e "$dir/keeper.ending" ] || return 1
        give_up "its $probe probe failed: $why" "$seconds"
        return 1
        ;;
    esac
  done
}

note() { # for whoever asks what is waited for
  if [ "$result" = failure ]; then printf '%s\t%s\n' "$probe" "$why" > "$dir/$name/failing"
  elif [ -s "$dir/$name/failing" ]; then
    { read -r word _ < "$dir/$name/failing"; } 2>/dev/null
    [ "$word" != "$probe" ] || : > "$dir/$name/failing"
  fi
}

give_up() { # WHY [SECONDS]: ends the container; its supervisor starts it again, if the policy says so
  load
  printf '%s\n' "$1" > "$dir/$name/killed"
  clock
  end=$((now + ${2:-$grace} * 100))
  end_container
}

try() { # COMMAND…: sets code and why
  "$@" > "$dir/$name/$probe.said" 2>&1
  code=$? why=''
  { IFS= read -r why < "$dir/$name/$probe.said"; } 2>/dev/null
  return "$code"
}

attempt() { # [WORD…]: fails with why
  case $action in
    sleep) try "$launcher" sleep "$1" ;;
    exec)
      try in_container "$timeout" "$@" && return
      [ "$code" -ne 124 ] || why="the command has not ended after $timeout s"
      [ -n "$why" ] || why="the command ended with exit code $code"
      return 1
      ;;
    *) find_address && ask "$@" ;;
  esac
}

ask() { # [HEADER…]
  case $action in
    tcp) try "$launcher" probe tcp "$address" "$port" "$timeout" ;;
    http)
      clock
      end_of_probe=$((now + timeout * 100))
      question=$path
      for line in "$@"; do question="$question
$line"; done
      # The path and the headers, not as arguments: those are everybody's to read.
      try "$launcher" probe http "$address" "$port" "$timeout" << QUESTION && return
$question
QUESTION
      # Redirected to where TLS is spoken, to the URL that it says.
      [ "$code" -eq 2 ] && try by_curl "$why" "$@"
      ;;
    https)
      clock
      end_of_probe=$((now + timeout * 100))
      place
      try by_curl "https://$where$path" "$@"
      ;;
    grpc) try by_grpc ;;
  esac
}

in_container() { # SECONDS COMMAND…: what it prints goes through a pipe, and no further than a line or two of it
  {
    "$launcher" exec "$dir/$name/conf" "$dir/$name/run" "$main:$start" "$@" 2>&1
    echo $? > "$dir/$name/$probe.code"
    exec > /dev/null
    let_go
  } | {
    read -r reader _ < /proc/self/stat
    echo "$reader" > "$dir/$name/$probe.reader"
    # Its shell outlives both: bash would say of one that it had to wait for that it was killed.
    head -c 1024 && cat > /dev/null
    :
  } 2> /dev/null
  read -r code < "$dir/$name/$probe.code"
  return "$code"
}

let_go() { # ends who reads what the command prints: what that has left running may hold the other end for ever
  read -r _ _ _ mine _ < /proc/self/stat
  { read -r reader < "$dir/$name/$probe.reader"; } 2>/dev/null || return 0
  naps=0
  while look_at "$reader" && [ "$parent" = "$mine" ]; do
    if [ "$naps" -ge 12 ]; then
      children=''
      { read -r children < "/proc/$reader/task/$reader/children"; } 2>/dev/null
      # shellcheck disable=SC2086 # numbers
      kill -KILL ${children:-"$reader"} 2>/dev/null
      return
    fi
    nap
  done
}

find_address() { # sets address: of the pod, or of whom the probe names
  address=$target
  case $address in
    '')
      { read -r address < "$address_file"; } 2>/dev/null ||
        # A node that nobody has said the address of.
        case $host in *,net,*) address=127.0.0.1 ;; esac
      [ -n "$address" ] || why="the pod has no address"
      ;;
    *[!0-9.]*)
      case $address in *:*) return 0 ;; esac
      # shellcheck disable=SC2046 # fields
      set -- $(getent ahosts "$address")
      [ -n "${1:-}" ] || why="$address: no such host"
      address=${1:-}
      ;;
  esac
  [ -n "$address" ]
}

place() { # sets where: what a URL has for the address
  case $address in *:*) where=[$address]:$port ;; *) where=$address:$port ;; esac
}

by_curl() { # URL [HEADER…]: redirects are followed on the same host; the certificate is not verified, as a kubelet does not
  url=$1 requests=0 site=${1#*://}
  site=${site%%/*} site=${site%:*}
  shift
  # By `NAME:` alone curl leaves a header out; `NAME;` is one without a value.
  headers=$([ "$#" -eq 0 ] || printf '%s\n' "$@" | sed 's/^\([^:]*\): *$/\1;/; s/[\\"]/\\&/g; s/.*/header = "&"/')
  while :; do
    clock
    left=$((end_of_probe - now))
    [ "$left" -gt 0 ] || left=1
    # The URL and the headers by its standard input, not as arguments: those are everybody's to read.
    said=$(printf '%s\n%s\n' "$(printf '%s\n' "$url" | sed 's/[\\"]/\\&/g; s/.*/url = "&"/')" "$headers" |
      curl -q -sS -k -g --path-as-is --proto =http,https --noproxy '*' -A kube-probe/1.34 -o /dev/null -K - \
        --max-time "$((left / 100)).$((left / 10 % 10))$((left % 10))" -w '%{http_code} %{redirect_url}' 2>&1)
    requests=$((requests + 1)) next=''
    case $said in 30[12378]\ *) next=${said#* } ;; esac
    there=${next#*://}
    case ${there%%[/?]*} in "$site" | "$site":*) ;; *) break ;; esac
    url=$next
    [ "$requests" -ge 10 ] || continue
    echo "Get \"$url\": stopped after 10 redirects"
    return 1
  done
  case $said in
    2??\ * | 3??\ *) return 0 ;;
    [1-9]??\ *) echo "HTTP probe failed with statuscode: ${said%% *}" ;;
    *) printf 'Get "%s": %s\n' "$url" "${said%000 }" ;;
  esac
  return 1
}

by_grpc() { # grpc.health.v1.Health/Check: the answer of one that serves is a message of a field with the value 1
  place
  # shellcheck disable=SC2059 # escapes
  said=$(printf "$body" | {
    curl -q -sS -g --noproxy '*' --http2-prior-knowledge --max-time "$timeout" -A kube-probe/1.34 \
      -H 'content-type: application/grpc' -H 'te: trailers' --data-binary @- \
      "http://$where/grpc.health.v1.Health/Check" 2> "$dir/$name/$probe.error"
  } | head -c 64 | od -An -v -tx1)
  # shellcheck disable=SC2086 # fields
  set -- $said
  case "$*" in
    "00 00 00 00 02 08 01") return 0 ;;
    "00 00 00 00 02 08 02") echo 'service unhealthy (responded with "NOT_SERVING")' ;;
    *)
      line=''
      { IFS= read -r line < "$dir/$name/$probe.error"; } 2>/dev/null
      printf 'grpc.health.v1.Health/Check at %s failed: %s\n' "$where" "${line:-not the answer of a health service that serves}"
      ;;
  esac
  return 1
}

hook() { # HOOK SECONDS, or 0 for no limit: fails with why
  probe=$1 timeout=$2
  # shellcheck source=/dev/null
  . "$dir/$name/$probe"
  case $action in
    sleep) [ "$timeout" -eq 0 ] || [ "$1" -le "$timeout" ] || set -- "$timeout" ;;
    http | https) [ "$timeout" -gt 0 ] || timeout=86400 ;;
  esac
  attempt "$@" && return
  # Whatever a server answers, it has been told.
  case $why in "HTTP probe failed with statuscode: "*) return 0 ;; esac
  return 1
}
