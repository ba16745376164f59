#!/bin/sh
# Functions that download a layer and unpack what comes while it comes; root-fs-unpack.sh comes before, root-fs-layers.sh follows.
#
#      HEX.part so far ─┐                    ┌─► checksum
#   download ─► HEX.part ┴─► standard output ┴─► tar, confined, into HEX.new
#
# Nothing of HEX.new is used before the checksum of all that came is the layer's digest. A download that is cut leaves
# HEX.part, and the next try unpacks from the beginning again. Where it could not be unpacked on the way, for whatever
# reason, but has its digest, it is unpacked from HEX.part, and what is wrong is said there.

# Downloads from byte $2 on with $1, to standard output. The address, and what it needs, come on standard input: they may be secret.
download() {
  case $1 in
    curl)
      exec curl -q --config - --silent --show-error --fail --location --max-redirs 5 --connect-timeout 15 \
        --speed-limit 1 --speed-time 60 --continue-at "$2" --output -
      ;;
    wget)
      # The first line is the address. The rest is a wgetrc, in the place of the node's own: wget wants a file, so it is
      # one of the memory's that has lost its name.
      [ "$(stat -f -c %T /run/barepod)" = tmpfs ] || exit 2
      IFS= read -r address
      umask 077
      cat >"/run/barepod/$hex.wgetrc"
      exec 8<"/run/barepod/$hex.wgetrc"
      rm -f -- "/run/barepod/$hex.wgetrc"
      printf '%s\n' "$address" | wget --config=/proc/self/fd/8 --quiet --tries=1 --max-redirect=0 --no-hsts --no-netrc \
        --dns-timeout=15 --connect-timeout=15 --read-timeout=60 --start-pos="$2" --output-document=- --input-file=-
      ;;
  esac
}

# Prints how downloading, keeping and unpacking ended (`download 0 keep 0 unpack 0`), and the checksum of all that came.
# An answer without an end must not fill the disk: at most $size bytes and a bit are kept.
stream() {
  {
    {
      {
        [ "$had" = 0 ] || cat <"$hex.part"
        {
          ended=0
          (download "$tool" "$had" <&3 4>&- 5>&-) || ended=$?
          echo "download $ended" >&5
        } | {
          ended=0
          (ulimit -f $((size / 512 + 2048)) && exec tee -a "$hex.part" 4>&- 5>&-) || ended=$?
          echo "keep $ended" >&5
        }
      } | tee /proc/self/fd/4 | {
        ended=0
        unpack_input "$1" 3<&- 4>&- 5>&- || ended=$?
        echo "unpack $ended" >&5
        # What is not unpacked is downloaded nevertheless.
        cat >/dev/null
      }
    } 4>&1 | "${digest%%:*}sum"
  } 5>&1
}

fetch() {
  hex=$1 size=$2 digest=$3 launcher=$4 tool=$5 expected=$6
  had=$(size_of "$hex.part")
  if [ "$had" -gt "$size" ]; then
    rm -f -- "$hex.part"
    had=0
  fi
  if [ "$had" -ge "$size" ]; then
    unpack_layer "$hex" "$digest" "$launcher"
    return
  fi
  if [ "$tool" = busybox ]; then
    # Nothing of it is secret. It unpacks nothing on the way: to standard output it does not go on where it ended. With
    # -q and -T some versions end with a segmentation fault.
    IFS= read -r address
    (ulimit -f $((size / 512 + 2048)) && exec wget -q -c -O "$hex.part" "$address" 7<&-)
    unpack_layer "$hex" "$digest" "$launcher"
    return
  fi
  exec 3<&0
  trap tidy EXIT
  # shellcheck disable=SC2046 # words of its own making
  set -- $(stream "$(decompressor "$expected")" 7<&-)
  downloaded=1 kept=1 unpacked=1 sum=
  while [ $# -gt 1 ]; do
    case $1 in
      download) downloaded=$2 ;;
      keep) kept=$2 ;;
      unpack) unpacked=$2 ;;
      *) sum=$1 ;;
    esac
    shift 2
  done
  # 153: more than it should be.
  [ "$kept" != 153 ] || exit 153
  [ "$kept" = 0 ] || exit 204
  [ "$downloaded" = 0 ] || exit "$downloaded"
  if [ "$unpacked" = 0 ] && [ "$sum" = "${digest#*:}" ]; then
    finish_layer
  else
    unpack_layer "$hex" "$digest" "$launcher"
  fi
}
