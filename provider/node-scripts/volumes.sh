# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other files
# Volumes whose files come from elsewhere: ConfigMaps, Secrets, the pod's own fields, tokens. Sourced by prepare.sh.
#
# DIR/volumes.d/V, fields separated by a TAB, none of them empty but the last:
#   program   PATH                       this release's prepare.sh, for who changes a source
#   folder    PATH                       where the files are to be, on a tmpfs
#   all       FOLDER MODE NEED           every file of FOLDER
#   file      FILE MODE NEED PATH        one file of the node, as PATH
#   text      MODE PATH CONTENT          \\, \n and \t stand for a backslash, a newline and a tab
#   token     PATH MODE SECONDS NAMESPACE POD NODE ACCOUNT AUDIENCE   see tokens.sh; NODE as JSON has it
#   owner     UID PATH                   whose that file is, which a line before says
#   group     GID                        whose all files and folders are, readable for the group
# NEED is required or optional. MODE is octal.
#
# As a kubelet's AtomicWriter does: the files lie in a folder of their own, the link ..data leads there, each name in the
# volume is a link through it, and renaming another link over ..data changes all at once.

render_volumes() { # of volumes that cannot be filled the others know nothing. Fails if there are such
  lacking=''
  for specification in "$dir"/volumes.d/*; do
    [ -e "$specification" ] || continue
    due=$(render_volume >&2 && printf %s "$renew_at") || lacking=1
    [ -z "$due" ] || [ "${renew_at:-$due}" -lt "$due" ] || renew_at=$due
  done
  [ -z "$lacking" ]
}

render_volume() {
  volume='' new='' group='' names=/ tokens=0 renew_at=''
  while IFS=$tab read -r word one two three four five six seven eight; do
    case $word in
      folder) volume=$one; begin_volume || return ;;
      all) project_all "$one" "$two" "$three" || return ;;
      file) project_file "$one" "$two" "$three" "$four" || return ;;
      text) place "$two" "$one" && printf %b "$three" > "$new/$two" || return ;;
      token) project_token "$one" "$two" "$three" "$four" "$five" "$six" "$seven" "$eight" || return ;;
      owner) chown -- "$one" "$new/$two" || return ;;
      group) group=$one ;;
    esac
  done < "$specification"
  finish_volume
}

begin_volume() {
  if [ ! -d "$volume" ]; then
    (umask 077; mkdir -p -- "$volume") || return
    chmod 755 "$volume"
    # Secrets must not come to lie on a disk, where /run is one.
    case $(stat -f -c %T "$volume") in
      tmpfs | ramfs) ;;
      # The next try would take a folder that is there for one that is mounted.
      *) mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$volume" || { rmdir -- "$volume"; return 1; } ;;
    esac
  fi
  new=$(mktemp -d "$volume/..$(date +%Y_%m_%d_%H_%M_%S).XXXXXX") || return
  chmod 755 "$new"
  trap 'rm -rf -- "$new"' EXIT
}

place() { # PATH MODE: makes the file, its content to come, with its mode and the folders that it lies in
  case $1 in */*) (umask 022; mkdir -p -- "$new/${1%/*}") || return ;; esac
  : > "$new/$1" && chmod "$2" "$new/$1" || return
  case $names in */"${1%%/*}"/*) ;; *) names=$names${1%%/*}/ ;; esac
}

hand_over() { # to the group: as a kubelet does for fsGroup, which adds to the modes and takes nothing away
  chgrp -R -- "$group" "$new" && chmod -R ug+r "$new" && find "$new" -type d -exec chmod g+xs {} + || return
  chgrp -- "$group" "$volume" && chmod 2755 "$volume"
}

project_all() { # FOLDER MODE NEED
  provide "$1" || return
  if [ ! -e "$1" ]; then
    [ "$3" = required ] || return 0
    name_object "$1" || say "$1 is not on the node"
    say "$kind \"$object\" not found"
  fi
  # One generation of the source, even when another comes meanwhile.
  source=$(cd -P -- "$1/..data" && pwd) || return
  for file in "$source"/* "$source"/.[!.]*; do
    [ -e "$file" ] || continue
    place "${file##*/}" "$2" && cat -- "$file" > "$new/${file##*/}" || return
  done
}

project_file() { # FILE MODE NEED PATH
  case $1 in "$dir"/node.*) [ -e "$1" ] || measure "$1" || return ;; esac
  provide "$1" || return
  if [ ! -e "$1" ]; then
    [ "$3" = required ] || return 0
    name_object "$1" || say "$1 is not on the node"
    [ -e "${1%/data/*}/data" ] || say "$kind \"$object\" not found"
    [ "$kind" != secret ] || say "references non-existent secret key: $key"
    say "configmap references non-existent config key: $key"
  fi
  place "$4" "$2" && cat -- "$1" > "$new/$4"
}

list_files() { # FOLDER: what tells one generation from another
  (cd -- "$1" && find . -type f -exec stat -c '%n %a %u %g' {} + && find . -type f -exec sha256sum {} +) | sort
}

finish_volume() {
  [ -z "$group" ] || hand_over || return
  if [ -L "$volume/..data" ] && [ "$(list_files "$volume/..data/")" = "$(list_files "$new")" ]; then
    rm -rf -- "$new"
    trap - EXIT
    return 0
  fi
  old=''
  [ ! -L "$volume/..data" ] || old=$(readlink -- "$volume/..data")
  rm -f -- "$volume/..data_tmp"
  ln -s -- "${new##*/}" "$volume/..data_tmp" && mv -fT -- "$volume/..data_tmp" "$volume/..data" || return
  trap - EXIT
  rest=${names#/}
  while [ -n "$rest" ]; do
    name=${rest%%/*} rest=${rest#*/}
    [ -L "$volume/$name" ] || ln -s -- "..data/$name" "$volume/$name" || return
  done
  for link in "$volume"/* "$volume"/.[!.]*; do
    [ -L "$link" ] || continue
    case $names in */"${link##*/}"/*) ;; *) rm -f -- "$link" ;; esac
  done
  [ -z "$old" ] || rm -rf -- "${volume:?}/$old"
}
