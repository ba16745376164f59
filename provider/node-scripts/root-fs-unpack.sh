#!/bin/sh
# Functions that make a layer of what was downloaded; root-fs-image.sh comes before, root-fs-layers.sh follows.
#
# A layer may be hostile, and is unpacked by root. So tar runs as a container does: in a root directory that has the node's
# programs, read-only, and the layer's own folder; without a network and with the capabilities for owners and modes only.
#
# Exit status: 201 it does not have its digest, 202 the node cannot decompress it, 203 it cannot be unpacked,
# 204 it could not be kept.

# Programs of the node that tar needs, wherever a distribution has them.
program_folders='/bin /sbin /lib /lib32 /lib64 /libx32 /usr /nix /gnu'

fields() {
  line=
  for field do line=$line${line:+"	"}$field; done
  printf '%s\n' "$line"
}

# What decompresses gzip, zstd, xz, bzip2 or none; where the node has several, the fastest.
decompressor() {
  case $1 in
    gzip) set -- igzip pigz gzip ;;
    none) set -- cat ;;
  esac
  while [ $# -gt 1 ] && ! command -v "$1" >/dev/null; do shift; done
  case $1 in
    cat) echo cat ;;
    *) echo "$1 -dc" ;;
  esac
}

# How a layer is compressed: its media type may say something else.
compression() {
  case $(od -A n -t x1 -N 4 -- "$hex.part" | tr -d ' \n') in
    1f8b*) echo gzip ;;
    28b52ffd | 5?2a4d18) echo zstd ;;
    fd377a58) echo xz ;;
    425a68*) echo bzip2 ;;
    *) echo none ;;
  esac
}

# Some tools (umoci's insert) leave out the end of a tar, and every reader but tar(1) takes that: zeros make it whole.
# The configuration takes a doubled backslash for one.
# shellcheck disable=SC2016 # for the shell inside
unpacking='unpack=$1; shift; { $unpack && printf %01536d 0 | tr 0 "\\000"; } | tar "$@"'

# The launcher's configuration: unpacks standard input into HEX.new.
confinement() {
  : "${layers:?}"
  fields root "$layers/$hex.root"
  for type in mnt net ipc uts pid; do fields new "$type"; done
  for folder in $program_folders; do
    [ ! -d "$folder" ] || fields mount "$folder" "$folder" bind rec,rprivate,ro -
  done
  fields mount "$layers/$hex.new" /box bind rprivate,nosuid,nodev,noexec -
  fields readonly
  fields uid 0
  fields gid 0
  # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP: without MKNOD tar would fail for each device node.
  fields caps 8800001b 8800001b 0 0
  fields nnp
  fields stdio inherit
  fields env "PATH=$PATH"
  fields arg sh
  fields arg -c
  fields arg "$unpacking"
  for word in sh "$decompress" -x -p -f - -C /box --numeric-owner "$@"; do fields arg "$word"; done
}

# Unpacks standard input, decompressed by the words of $1, into a new folder HEX.new.
unpack_input() {
  decompress=$1
  # Whoever asks how it ends switches `set -e` off. A tar that outlived its shell may still write there: what it leaves must
  # not become a part of this.
  tidy
  mkdir -m 700 -- "$hex.new" "$hex.root" || return
  set --
  case $(tar --version 2>/dev/null) in
    *'GNU tar'*)
      set -- --same-owner --no-overwrite-dir --delay-directory-restore --xattrs --xattrs-include=security.capability
      ;;
  esac
  confinement "$@" >"$hex.conf"
  "$launcher" run "$hex.conf" >&2
}

# Makes HEX of HEX.new, whose bytes had the digest.
finish_layer() {
  find "$hex.new" \( -type b -o -type c \) -exec rm -f -- {} +
  "$launcher" layer "$layers/$hex.new" || exit 203
  mv -T -- "$hex.new" "$hex"
  rm -f -- "$hex.part"
}

unpack_layer() {
  hex=$1 launcher=$3
  sum=$("${2%%:*}sum" <"$hex.part")
  if [ "${sum%% *}" != "${2#*:}" ]; then
    rm -f -- "$hex.part"
    printf 'the layer was changed on the way: it has the digest %s\n' "${2%%:*}:${sum%% *}" >&2
    exit 201
  fi
  decompress=$(decompressor "$(compression)")
  if ! command -v "${decompress%% *}" >/dev/null; then
    echo "the node has no ${decompress%% *}, which the layer is compressed with: install it there" >&2
    exit 202
  fi
  trap tidy EXIT
  unpack_input "$decompress" <"$hex.part" 7<&- || exit 203
  finish_layer
}

# What is in the root directory are empty mount points: its mounts were the process's own.
tidy() {
  rm -rf -- "$layers/$hex.new"
  rm -f -- "$layers/$hex.conf"
  if [ -d "$layers/$hex.root" ]; then
    find "$layers/$hex.root" -depth -type d -exec rmdir -- {} +
  fi
}
