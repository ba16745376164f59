#!/bin/sh
# A root file system from an archive that lies on the node.
#
#   find ARCHIVE                      only looks whether it is there
#   unpack BOX ARCHIVE SHA256 STATE   into the folder BOX; what an interrupted try left there goes first
#   image STATE ARCHIVE SHA256        makes its image the one of the overlay in folder STATE
#
# It takes long, so it runs without the node's lock. SHA256 may be empty. An archive may be hostile: it is unpacked by root. tar refuses members that lead out of the folder (absolute names, `..`,
# links that other members go through), and device nodes are removed while nobody else can reach them.

find_archive() {
  [ -e "$1" ] || fail "the node has no archive $1"
  [ -f "$1" ] || fail "$1 is not a file"
}

verify() {
  [ -n "$2" ] || return 0
  sum=$(sha256sum <"$1")
  [ "${sum%% *}" = "$2" ] || fail "$1 has the SHA-256 ${sum%% *}, not $2"
}

# Unpacks an archive into the empty folder `box`.
unpack() {
  verify "$1" "$2"
  case $(tar --version 2>/dev/null) in
    *'GNU tar'*)
      set -- "$1" --force-local --same-owner --numeric-owner --no-overwrite-dir --delay-directory-restore \
        --xattrs --xattrs-include=security.capability
      ;;
    *) set -- "$1" --numeric-owner ;;
  esac
  archive=$1
  shift
  tar -x -p -f "$archive" -C "$box" "$@" || fail "cannot unpack $archive"
  find "$box" \( -type b -o -type c \) -exec rm -f -- {} +
  if [ ! -d "$box/usr" ] && [ ! -d "$box/bin" ] && { [ -e "$box/oci-layout" ] || [ -e "$box/manifest.json" ]; }; then
    fail "$archive is an image with layers, not the tar of a root file system"
  fi
  for folder in proc sys dev tmp etc; do
    if [ -e "$box/$folder" ] || [ -L "$box/$folder" ]; then continue; fi
    mkdir -- "$box/$folder"
    [ "$folder" != tmp ] || chmod 1777 "$box/tmp"
  done
}

# The key of an image: the given checksum, or what tells one state of the file from another.
image_key() {
  sum=$2
  [ -n "$sum" ] || sum=$(stat -L -c '%n %s %Y %i %d' -- "$1" | sha256sum)
  printf 'archive-%.32s' "$sum"
}

# shellcheck disable=SC2034 # for use_image
unlocked=yes
task=$1
shift
case $task in
  find) find_archive "$1" ;;
  unpack)
    box=$1
    find_archive "$2"
    if [ -n "$(ls -A -- "$box")" ]; then
      [ -e "$4/unpacking" ] || fail "$box is not empty: an archive is unpacked into an empty folder only"
      empty_folder "$box"
    fi
    : >"$4/unpacking"
    chmod 700 "$box"
    unpack "$2" "$3"
    chmod 755 "$box"
    rm -f -- "$4/unpacking"
    ;;
  image)
    find_archive "$2"
    use_image "$1" "$(image_key "$2" "$3")" unpack "$2" "$3"
    ;;
esac
