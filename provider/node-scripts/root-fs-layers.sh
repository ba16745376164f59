#!/bin/sh
# The layers of images, which overlays share; root-fs-image.sh comes before.
#
#   look STATE REFERENCE FILE      what is known: lines `state`, `own`, `source`, `tool`, `record`
#   reserve STATE HEX...           counts the overlay in; prints `missing HEX BYTES`: what of it was downloaded already
#   sizes HEX...                   the bytes that were downloaded so far
#   fetch HEX SIZE SUM LAUNCHER TOOL COMPRESSION
#                                  downloads, from where it ended, with curl, wget or busybox; unpacks: root-fs-fetch.sh
#   append HEX OFFSET part|sent    what comes on standard input, from byte OFFSET on (0: all anew); prints how many bytes there are
#   read HEX OFFSET LENGTH         prints what was downloaded
#   unpack HEX SUM LAUNCHER part|sent
#                                  makes a layer of what was downloaded: root-fs-unpack.sh
#   take HEX FILE [MEMBER]         takes it from a file of the node, or from a member of an archive
#   link STATE HEX...              fails unless all layers are there; counts the overlay in
#   release STATE                  counts an overlay out that never came to be
#
#   /var/lib/barepod/images/layers/HEX             what a layer holds, whole as soon as it has this name; HEX is its digest
#   /var/lib/barepod/images/layers/HEX.part        as it comes, compressed
#   /var/lib/barepod/images/layers/HEX.sent        instead of it, where the node cannot decompress that: SUM is not HEX then
#   /var/lib/barepod/images/layers/HEX.users/OBJECT
#   /var/lib/barepod/rootfs/OBJECT/lower/N         links to the layers of an overlay; 0 is the lowest
#
# Whoever changes HEX.part or makes HEX holds a lock on HEX.users. Nothing of this happens under the node's lock but
# counting in and out.
layers=${images:?}/layers

size_of() {
  stat -L -c %s -- "$1" 2>/dev/null || echo 0
}

look() {
  state=$1 reference=$2 file=$3
  stamp=
  [ ! -e "$state/stamp" ] || read -r stamp <"$state/stamp"
  [ -d "$state/lower" ] || stamp=
  set +f
  for link in "$state/lower"/*; do
    [ ! -L "$link" ] || [ -d "$link/" ] || stamp=
  done
  set -f
  printf 'state %s\n' "$stamp"
  [ -z "$stamp" ] || printf 'own %s\n' "$(cat -- "$state/image/record" 2>/dev/null)"
  [ -z "$file" ] || printf 'source %s\n' "$(stat -L -c '%F %s %Y %i' -- "$file" 2>/dev/null)"
  for tool in curl zstd; do
    if command -v "$tool" >/dev/null; then printf 'tool %s\n' "$tool"; fi
  done
  case $(wget --version 2>&1 || :) in
    *'GNU Wget '*) echo 'tool wget' ;;
    *BusyBox*) echo 'tool busybox' ;;
  esac
  set +f
  # The newest: a tag that moved means what it was last pulled as.
  # shellcheck disable=SC2012 # names of our own
  record=$(grep -lsF -- "$reference" "${state%/*}"/*/image/record | while IFS= read -r found; do
    [ ! -s "${found%/image/record}/stamp" ] || printf '%s\n' "$found"
  done | xargs -r ls -t 2>/dev/null | head -n 1)
  set -f
  [ -z "$record" ] || printf 'record %s\n' "$(cat -- "$record")"
}

# What the links of an overlay say, in order.
lowers() {
  number=0
  while [ -L "$1/lower/$number" ]; do
    link=$(readlink -- "$1/lower/$number")
    printf '%s ' "${link##*/}"
    number=$((number + 1))
  done
}

count_in() {
  if [ -L "$state/lower" ] || { [ -d "$state/lower" ] && [ "$(lowers "$state")" != "$* " ]; }; then drop_image "$state"; fi
  umask 077
  # shellcheck disable=SC2174 # upper and work alone are for all
  mkdir -p -m 755 -- "$state/upper" "$state/work"
  mkdir -p -- "$state/lower" "$layers"
  number=0
  for hex do
    mkdir -p -- "$layers/$hex.users"
    : >"$layers/$hex.users/${state##*/}"
    ln -sfn -- "$layers/$hex" "$state/lower/$number"
    number=$((number + 1))
  done
  umask 022
}

reserve() {
  state=$1
  shift
  guarded count_in "$@"
  empty_trash
  # What nobody came back for within a day.
  [ ! -d "$layers" ] || find "$layers" -maxdepth 1 '(' -name '*.part' -o -name '*.sent' ')' -mmin +1440 -exec rm -f -- {} +
  for hex do
    [ -d "$layers/$hex" ] || printf 'missing %s %s\n' "$hex" "$(size_of "$layers/$hex.part")"
  done
}

# Waits until nobody else is at a layer; ends where it is whole by then.
take_layer() {
  hex=$1
  cd -- "$layers" || exit
  exec 7<"$hex.users"
  flock 7
  [ ! -d "$hex" ] || exit 0
}

append() {
  take_layer "$1"
  if [ "$2" = 0 ]; then rm -f -- "$hex.$3"; fi
  if [ "$(size_of "$hex.$3")" = "$2" ]; then cat >>"$hex.$3"; fi
  printf 'at %s\n' "$(size_of "$hex.$3")"
}

read_part() {
  take_layer "$1"
  tail -c "+$(($2 + 1))" -- "$hex.part" | head -c "$3"
}

take() {
  take_layer "$1"
  rm -f -- "$hex.part"
  if [ $# -gt 2 ]; then
    tar -xOf "$2" -- "$3" >"$hex.part"
  else
    # Not a link: who may write the file must not change it between its checksum and its use.
    cp --reflink=auto -- "$2" "$hex.part" 2>/dev/null || cp -- "$2" "$hex.part"
  fi
}

link_layers() {
  state=$1
  shift
  guarded count_in "$@"
  empty_trash
  for hex do
    [ -d "$layers/$hex" ] || fail "the image was removed from the node meanwhile; run it again"
  done
}

release() {
  state=$1
  [ ! -s "$state/stamp" ] || return 0
  # Without it, an earlier release was cut off.
  rmdir -- "$state/upper" 2>/dev/null || [ ! -e "$state/upper" ] || return 0
  # shellcheck disable=SC2034 # for drop_image: they are gone on with
  keep_parts=yes
  drop_image "$state"
  rm -rf -- "$state"
  rmdir -- "${state%/*}" 2>/dev/null || :
}

# shellcheck disable=SC2034 # for guarded
unlocked=yes
task=$1
shift
case $task in
  look) look "$@" ;;
  reserve) reserve "$@" ;;
  sizes) for hex do size_of "$layers/$hex.part"; done ;;
  fetch)
    take_layer "$1"
    fetch "$@"
    ;;
  append) append "$@" ;;
  read) read_part "$@" ;;
  take) take "$@" ;;
  link) link_layers "$@" ;;
  release)
    guarded release "$@"
    empty_trash
    ;;
  unpack)
    take_layer "$1"
    if [ "$4" = sent ] && [ -e "$hex.sent" ]; then mv -f -- "$hex.sent" "$hex.part"; fi
    unpack_layer "$@"
    ;;
esac
