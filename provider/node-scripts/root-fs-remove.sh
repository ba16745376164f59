#!/bin/sh
# Removes a root file system, unless something is mounted below it.
#
#   folder PATH STATE     empties the folder
#   overlay PATH STATE    unmounts it
#   nothing PATH STATE    there is none any more: what is at PATH is not ours
#
# A fourth word, `unlocked`, says that it does not run under the node's lock. STATE, which remembers that there is something to remove, goes last.
kind=$1 path=$2 state=$3
# shellcheck disable=SC2034 # for guarded
unlocked=${4-}
case $kind in
  nothing) refuse_mounts "$state" ;;
  *) refuse_mounts "$path" "$state" ;;
esac
case $kind in
  folder) empty_folder "$path" ;;
  overlay) umount -- "$path" ;;
esac
guarded drop_image "$state"
rm -rf -- "$state"
empty_trash
rmdir -- "${state%/*}" 2>/dev/null || :
