#!/bin/sh
# Makes the image of programs of the node the one of an overlay, where it is there already: image STATE PROGRAM...
#
# It is read by a fork of the frame's shell, before root-fs-host.sh, which does the same and all the rest: this here fails
# without a word where anything is not as usual. Nothing is looked up but what the programs are, in one process; an overlay
# that has the image keeps that beside it, in images/KEY.users/OBJECT.
state=$2 images=/var/lib/barepod/images
shift 2
# One that had another image, or was begun, is not for here.
if [ -e "$state" ] || [ -L "$state" ]; then exit 1; fi
set -f
for name do
  program=$name
  case $name in
    /*) ;;
    *)
      IFS=:
      for folder in $PATH; do
        program=$folder/$name
        if [ -f "$program" ] && [ -x "$program" ]; then break; fi
      done
      unset IFS
      ;;
  esac
  if [ ! -f "$program" ] || [ ! -x "$program" ]; then exit 1; fi
  set -- "$@" "$program"
  shift
done
set +f
[ ! -e /etc/ld.so.cache ] || set -- "$@" /etc/ld.so.cache
parts=$(stat -L -c '%n %s %Y %i' -- "$@") || exit
for left in "$images"/*.gone.* "$images"/layers/*.gone.*; do
  [ ! -e "$left" ] || exit 1
done
nl='
'
image=
for users in "$images"/host-*.users; do
  [ -d "${users%.users}" ] || continue
  for user in "$users"/*; do break; done
  # All of them say the same.
  IFS= read -r line <"$user" || continue
  case $parts in "$line" | "$line$nl"*) ;; *) continue ;; esac
  text=
  while IFS= read -r line; do text=$text$line$nl; done <"$user"
  if [ "$text" = "$parts$nl" ]; then
    image=${users%.users}
    break
  fi
done
[ -n "$image" ] || exit 1
# As `register` in root-fs-image.sh: the folders above are for root only.
umask 077
# shellcheck disable=SC2174 # upper and work alone are for all
mkdir -p -m 755 -- "$state/upper" "$state/work" &&
  ln -s -- "$image" "$state/lower" &&
  printf '%s\n' "$parts" >"$image.users/${state##*/}"
