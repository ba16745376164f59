#!/bin/sh
# Functions for root file systems; root-fs-host.sh, root-fs-archive.sh, root-fs-layers.sh or root-fs-remove.sh follows in the same program.
#
# An image is a root file system that overlays share:
#   /var/lib/barepod/images/KEY                what it holds: whole as soon as it has this name
#   /var/lib/barepod/images/KEY.new            being made
#   /var/lib/barepod/images/KEY.gone.PID       being removed
#   /var/lib/barepod/images/KEY.users/OBJECT   one for each overlay; the last one takes the image along
#   /var/lib/barepod/rootfs/OBJECT/lower       link to the image of an overlay
#
# All of this happens under the node's lock; what takes long does without (`unlocked` is set then) and takes the lock for
# what others share. An image is built by one at a time, who holds a lock on its folder of users.
set -eu
set -f
umask 022
unset CDPATH
images=/var/lib/barepod/images
nl='
'

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

# Fails while something is mounted below folder $1 or $2: what is removed there would be removed in what is mounted.
refuse_mounts() {
  below=$(first=$1/ second=${2:-$1}/ awk '
    { gsub(/\\040/, " ", $5); gsub(/\\011/, "\t", $5); gsub(/\\012/, "\n", $5); gsub(/\\134/, "\\", $5) }
    index($5, ENVIRON["first"]) == 1 || index($5, ENVIRON["second"]) == 1 { print $5 }' /proc/self/mountinfo)
  [ -z "$below" ] || fail "mounted below $1, so nothing is removed; unmount it first: $below"
}

# Removes what is in folder $1, never across a mount.
empty_folder() (
  if [ ! -d "$1" ] || [ -L "$1" ]; then return 0; fi
  refuse_mounts "$1"
  cd -P -- "$1"
  stay=
  case $(rm --version 2>/dev/null) in *coreutils*) stay=--one-file-system ;; esac
  set +f
  # shellcheck disable=SC2086 # one word, or none
  rm -rf $stay -- ./* ./.[!.]* ./..?*
)

# Runs its words under the node's lock.
guarded() {
  if [ -z "${unlocked-}" ]; then
    "$@"
    return
  fi
  {
    flock 8
    "$@"
  } 8>>/run/barepod/lock
}

# Makes image KEY the one of the overlay in folder STATE. The rest are the words that build it, into the folder `box`.
use_image() {
  state=$1 key=$2
  shift 2
  trap 'guarded give_up' EXIT
  guarded register
  empty_trash
  [ -d "$images/$key" ] || build "$@"
  trap - EXIT
}

# Counts the overlay in: from now on its image stays.
register() {
  if [ -L "$state/lower" ] && [ "$(readlink -- "$state/lower")" != "$images/$key" ]; then drop_image "$state"; fi
  # The folders above are for root only: a set-user-id program in them is not for the node's users.
  umask 077
  # shellcheck disable=SC2174 # upper and work alone are for all
  mkdir -p -m 755 -- "$state/upper" "$state/work" "$images/$key.users"
  umask 022
  ln -sfn -- "$images/$key" "$state/lower"
  # What tells it, where one line of programs does, spares the next overlay to ask for the key: root-fs-known.sh.
  printf '%s' "${parts:+$parts$nl}" >"$images/$key.users/${state##*/}"
}

# A process of its own: its lock outlasts what it has to tidy up.
build() (
  flock 7
  # Somebody else has built it meanwhile.
  [ ! -d "$images/$key" ] || exit 0
  box=$images/$key.new
  trap 'rm -rf -- "$box"' EXIT
  rm -rf -- "$box"
  mkdir -m 700 -- "$box"
  "$@"
  chmod 755 "$box"
  mv -T -- "$box" "$images/$key"
  trap - EXIT
) 7<"$images/$key.users"

# A failed build leaves nothing behind: neither the image, nor an overlay that nobody has written to.
give_up() {
  if rmdir -- "$state/upper" 2>/dev/null; then
    rm -rf -- "$state" "$images/$key.users/${state##*/}"
    rmdir -- "$images/$key.users" "$images" "${state%/*}" 2>/dev/null || :
  fi
}

# Counts the overlay in folder STATE out; the last one takes its image along, or each of its layers.
drop_image() {
  if [ -L "$1/lower" ]; then
    drop_one "$(readlink -- "$1/lower")" "${1##*/}"
  elif [ -d "$1/lower" ]; then
    set +f
    for link in "$1/lower"/*; do
      [ ! -L "$link" ] || drop_one "$(readlink -- "$link")" "${1##*/}"
    done
    set -f
    rm -rf -- "$1/lower"
    rmdir -- "$images/layers" 2>/dev/null || :
  fi
  rmdir -- "$images" 2>/dev/null || :
}

# The name of what nobody needs goes first: what is half removed must not look whole.
drop_one() {
  image=$1
  rm -f -- "$image.users/$2"
  rmdir -- "$image.users" 2>/dev/null || [ ! -d "$image.users" ] || return 0
  [ -n "${keep_parts-}" ] || rm -f -- "$image.part"
  rm -f -- "$image.conf" "$image.sent"
  for left in "$image" "$image.new" "$image.root"; do
    # One that was ended tidies up by itself, and may do it right now.
    [ ! -d "$left" ] || mv -T -- "$left" "$left.gone.$$" 2>/dev/null || [ ! -d "$left" ] || mv -T -- "$left" "$left.gone.$$"
  done
}

# Removes what has lost its name, which may take long; what an interrupted try left there too.
empty_trash() {
  set +f
  set -- "$images"/*.gone.* "$images"/layers/*.gone.*
  set -f
  # A pattern that nothing fits stands for itself.
  [ -e "$1" ] || shift
  if [ $# -gt 1 ] || [ -e "$1" ]; then
    rm -rf -- "$@"
    rmdir -- "$images/layers" "$images" 2>/dev/null || :
  fi
}
