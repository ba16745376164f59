# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# When a keeper ends all of its containers. Read only where there is a deadline.

keep_deadline() {
  find_left
  if [ "$left" -le 0 ]; then
    put "$dir/keeper.reason" DeadlineExceeded
    terminate
    return
  fi
  alarm "$left" &
  timer=$!
}

find_left() { # sets left: seconds from now. Counted from the pod's first start, which the folder of the logs remembers over a reboot
  seconds=$(date +%s)
  look_up_first
  { read -r first < "${logs%/*}/.started"; } 2>/dev/null || {
    # Where the deadline comes later: since there is a log, or where that is not known, since there is a keeper.
    clock
    look_at $$
    first=$((seconds - (now - since) / 100))
    born=$(stat -c %W "${logs%/*}" 2>/dev/null)
    case $born in '' | 0 | *[!0-9]*) ;; *) [ "$born" -ge "$first" ] || first=$born ;; esac
    (umask 022 && mkdir -p "${logs%/*}") && printf '%s\n' "$first" > "${logs%/*}/.started"
  }
  left=$((first + deadline - seconds))
}

keep_new_deadline() { # in a shell of its own: this one is in the midst of things. Runs in a trap
  [ -z "$timer" ] || kill -TERM "$timer" 2>/dev/null
  (
    load
    [ -n "$deadline" ] || exit 0
    find_left
    [ "$left" -gt 0 ] || left=0
    alarm "$left"
  ) &
  timer=$!
}

look_up_first() {
  while IFS=$tab read -r key name cgroup logs _; do [ "$key" != container ] || return 0; done < "$dir/keeper.spec"
}

alarm() { # SECONDS
  trap 'kill -KILL "$napper" 2>/dev/null; exit 0' TERM
  "$launcher" sleep "$1" &
  napper=$!
  wait "$napper" || exit
  kill -USR1 $$
}
