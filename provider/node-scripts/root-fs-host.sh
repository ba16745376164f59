#!/bin/sh
# A root file system made of programs of the node: each with the links on its way, its interpreter and its libraries.
#
#   find PROGRAM...           only looks whether they are there
#   copy BOX PROGRAM...       puts them into the folder BOX, over what is there
#   image STATE PROGRAM...    makes their image the one of the overlay in folder STATE
#
# Nothing on the node is run but the dynamic loader, which lists what a program would load.
tab=$(printf '\t')
# Lines of absolute paths: what to copy (files; links, with a tab and where they lead), the folders that must be there, the programs looked at.
# shellcheck disable=SC2154 # nl is of root-fs-image.sh
entries=$nl folders=$nl programs=$nl

# Sets `program` to the path of a program that is given as such a path, or as a name in PATH.
find_program() {
  program=
  case $1 in
    /*) program=$1 ;;
    *)
      IFS=:
      for folder in $PATH; do
        if [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then
          program=$folder/$1
          break
        fi
      done
      unset IFS
      [ -n "$program" ] || fail "the node has no program $1 in $PATH$2"
      ;;
  esac
  [ -e "$program" ] || fail "the node has no program $program$2"
  if [ ! -f "$program" ] || [ ! -x "$program" ]; then fail "$program is not a program$2"; fi
}

# Notes a path and every link on its way, as the kernel walks it; sets `real` to where it ends.
add_path() {
  rest=${1#/} real='' hops=0
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    case $part in
      '' | .) continue ;;
      ..)
        real=${real%/*}
        continue
        ;;
    esac
    here=$real/$part
    if [ ! -L "$here" ]; then
      real=$here
      continue
    fi
    hops=$((hops + 1))
    [ "$hops" -le 40 ] || fail "$1: too many links"
    case $entries in
      *"$nl$here$tab"*)
        target=${entries#*"$nl$here$tab"}
        target=${target%%"$nl"*}
        ;;
      *)
        target=$(readlink -- "$here")
        entries=$entries$here$tab$target$nl
        ;;
    esac
    case $target in /*) real= ;; esac
    rest=$target${rest:+/$rest}
  done
  if [ -d "$real" ]; then
    case $folders in *"$nl$real$nl"*) ;; *) folders=$folders$real$nl ;; esac
  elif [ -e "$real" ]; then
    case $entries in *"$nl$real$nl"*) ;; *) entries=$entries$real$nl ;; esac
  fi
}

# Notes a program with all that it needs to start.
add_program() {
  add_path "$1"
  case $programs in *"$nl$real$nl"*) return ;; esac
  programs=$programs$real$nl
  start=$(head -c 4096 -- "$real" | tr -c ' -~' '\n')
  case $start in
    "#!"*) add_interpreter "$real" ;;
    "${nl}ELF"*) add_libraries "$real" ;;
  esac
}

# Notes what runs a script: the program after `#!`, and with env the one that env looks up.
add_interpreter() {
  read -r line <"$1" || :
  # shellcheck disable=SC2086 # split into words
  set -- "$1" ${line#??}
  [ $# -gt 1 ] || return 0
  find_program "$2" ", which $1 starts with"
  script=$1 interpreter=$program
  shift 2
  case $interpreter in
    */env)
      while [ $# -gt 0 ]; do
        case $1 in -* | *=*) shift ;; *) break ;; esac
      done
      if [ $# -gt 0 ]; then
        find_program "$1" ", which $script starts with"
        set -- "$program"
      fi
      ;;
    *) set -- ;;
  esac
  add_program "$interpreter"
  [ $# -eq 0 ] || add_program "$1"
}

# Notes the dynamic loader and the libraries of an ELF program; a static one has neither.
add_libraries() {
  loader=
  IFS=$nl
  for line in $start; do
    case $line in
      /*ld*.so*)
        loader=$line
        break
        ;;
    esac
  done
  if [ -x "$loader" ]; then
    list=$("$loader" --list "$1" 2>&1) || fail "cannot list the libraries of $1: $list"
  else
    # Static, or the loader's name stands further down (patchelf): ldd knows, and fails for a static program.
    list=$(ldd "$1" 2>/dev/null) || list=
  fi
  for line in $list; do
    case $line in
      *'not found'*) fail "$1 needs a library that the node does not have:$line" ;;
      *'=> /'*) line=/${line#*=> /} ;;
      *[[:blank:]]/*) line=/${line#*/} ;;
      *) continue ;;
    esac
    add_path "${line% (0x*}"
  done
  unset IFS
  [ -z "$loader" ] || add_path "$loader"
}

# Notes the libraries that glibc opens by name while a program runs, and the loader's cache: paths are those of the node.
add_libc() {
  IFS=$nl
  for entry in $entries; do
    case $entry in
      */libc.so.6)
        for name in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2 libgcc_s.so.1; do
          if [ -e "${entry%/*}/$name" ]; then add_path "${entry%/*}/$name"; fi
        done
        ;;
    esac
  done
  unset IFS
  [ ! -f /etc/ld.so.cache ] || add_path /etc/ld.so.cache
}

# Goes to folder $2 of the box $1 and makes it. A link on the way is not followed: it could lead out of the box.
enter() {
  cd -P -- "$1" || exit
  path=${2#/}
  while [ -n "$path" ]; do
    part=${path%%/*}
    case $path in */*) path=${path#*/} ;; *) path= ;; esac
    [ ! -L "$part" ] || fail "$1$2: a symbolic link is in the way"
    [ -d "$part" ] || mkdir -- "./$part"
    cd -P -- "./$part" || exit
  done
  [ "$(pwd -P)" = "$1$2" ] || fail "$1$2: a symbolic link is in the way"
}

# Copies files and links of the node into one folder of the box. Without --preserve they lose set-user-id bits,
# capabilities and foreign owners.
put() (
  enter "$1" "$2"
  shift 2
  # shellcheck disable=SC2086 # one word, or none
  [ $# -eq 0 ] || cp -d --remove-destination $reflink -- "$@" .
)

# Copies all that was noted into the box.
copy() {
  box=$(cd -P -- "$box" && pwd -P)
  for program in "$@"; do
    find_program "$program" ""
    add_program "$program"
  done
  add_libc
  for link in /bin /sbin /lib /lib32 /lib64 /libx32 /usr/sbin /usr/lib32 /usr/lib64 /usr/libx32; do
    if [ -L "$link" ]; then add_path "$link"; fi
  done
  reflink=
  case $(cp --version 2>/dev/null) in *coreutils*) reflink=--reflink=auto ;; esac
  IFS=$nl
  if [ "$task" = image ]; then
    # Its box is still empty: no link can lead out of it, and one process makes all folders.
    set --
    for folder in $folders /proc /sys /dev /tmp /etc; do set -- "$@" "$box$folder"; done
    mkdir -p -- "$@"
  fi
  for folder in $folders /proc /sys /dev /tmp /etc; do put "$box" "$folder"; done
  at=/
  set --
  for entry in $(printf %s "$entries" | sort); do
    entry=${entry%%"$tab"*}
    if [ "${entry%/*}" != "$at" ]; then
      if [ $# -gt 0 ]; then put "$box" "$at" "$@"; fi
      at=${entry%/*}
      set --
    fi
    set -- "$@" "$entry"
  done
  if [ $# -gt 0 ]; then put "$box" "$at" "$@"; fi
  unset IFS
  finish
}

# What no program brings along: a world-writable /tmp, and names that are looked up in /etc/hosts first.
finish() (
  enter "$box" /tmp
  chmod 1777 .
  enter "$box" /etc
  if [ ! -e nsswitch.conf ] && [ ! -L nsswitch.conf ]; then
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >nsswitch.conf
  fi
)

# Sets `parts`, what the programs are, and the libraries, whose every update renews the loader's cache; and `sum`, by which
# their image has its name.
sum_up() {
  cache=
  [ ! -e /etc/ld.so.cache ] || cache=/etc/ld.so.cache
  parts=$(stat -L -c '%n %s %Y %i' -- "$@" ${cache:+"$cache"})
  sum=$(printf '%s\n' "$parts" | sha256sum)
}

task=$1
shift
case $task in
  find) for program in "$@"; do find_program "$program" ""; done ;;
  copy)
    box=$1
    shift
    copy "$@"
    ;;
  image)
    state=$1
    shift
    for program in "$@"; do
      find_program "$program" ""
      set -- "$@" "$program"
      shift
    done
    sum_up "$@"
    use_image "$state" "$(printf 'host-%.32s' "$sum")" copy "$@"
    ;;
esac
