#!/bin/sh
# Functions that make a layer of what was downloaded; root-fs-image.sh comes before, root-fs-layers.sh follows.
#
# A layer may be hostile, and is unpacked by root. So tar runs as a container does: in a root directory that has the node's
# programs, read-only, and the layer's own folder; without a network and with the capabilities for owners and modes only.
#
# Exit status: 201 it does not have its digest, 202 the node cannot decompress it, 203 it cannot be unpacked.

# Programs of the node that tar needs, wherever a distribution has them.
program_folders='/bin /sbin /lib /lib32 /lib64 /libx32 /usr /nix /gnu'

fields() {
  line=
  for field do line=$line${line:+"	"}$field; done
  printf '%s\n' "$line"
}

# What decompresses a layer: its media type may say something else.
decompressor() {
  case $(od -A n -t x1 -N 4 -- "$hex.part" | tr -d ' \n') in
    1f8b*) echo 'gzip -dc' ;;
    28b52ffd) echo 'zstd -dc' ;;
    fd377a58) echo 'xz -dc' ;;
    425a68*) echo 'bzip2 -dc' ;;
    *) echo cat ;;
  esac
}

# Some tools (umoci's insert) leave out the end of a tar, and every reader but tar(1) takes that: zeros make it whole.
# The configuration takes a doubled backslash for one.
# shellcheck disable=SC2016 # for the shell inside
unpacking='unpack=$1; shift; { $unpack </layer && printf %01536d 0 | tr 0 "\\000"; } | tar "$@"'

# The launcher's configuration: unpacks HEX.part into HEX.new.
confinement() {
  : "${layers:?}"
  fields root "$layers/$hex.root"
  for type in mnt net ipc uts pid; do fields new "$type"; done
  for folder in $program_folders; do
    [ ! -d "$folder" ] || fields mount "$folder" "$folder" bind rec,rprivate,ro -
  done
  fields mount "$layers/$hex.part" /layer bind rprivate,ro -
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

unpack_layer() {
  hex=$1 launcher=$3
  take_layer "$hex"
  sum=$("${2%%:*}sum" <"$hex.part")
  if [ "${sum%% *}" != "${2#*:}" ]; then
    rm -f -- "$hex.part"
    printf 'the layer was changed on the way: it has the digest %s\n' "${2%%:*}:${sum%% *}" >&2
    exit 201
  fi
  decompress=$(decompressor)
  if ! command -v "${decompress%% *}" >/dev/null; then
    echo "the node has no ${decompress%% *}, which the layer is compressed with: install it there" >&2
    exit 202
  fi
  trap tidy EXIT
  tidy
  mkdir -m 700 -- "$hex.new" "$hex.root"
  set --
  case $(tar --version 2>/dev/null) in
    *'GNU tar'*)
      set -- --same-owner --no-overwrite-dir --delay-directory-restore --xattrs --xattrs-include=security.capability
      ;;
  esac
  confinement "$@" >"$hex.conf"
  "$launcher" run "$hex.conf" </dev/null >&2 7<&- || exit 203
  find "$hex.new" \( -type b -o -type c \) -exec rm -f -- {} +
  "$launcher" layer "$layers/$hex.new" || exit 203
  mv -T -- "$hex.new" "$hex"
  rm -f -- "$hex.part"
}

# What is in the root directory are empty mount points: its mounts were the process's own.
tidy() {
  rm -rf -- "$layers/$hex.new"
  rm -f -- "$layers/$hex.conf" "$layers/$hex.root/layer"
  if [ -d "$layers/$hex.root" ]; then
    find "$layers/$hex.root" -depth -type d -exec rmdir -- {} +
  fi
}
