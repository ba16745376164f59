#!/bin/sh
# Mounts the overlay of an image with layers: STATE PATH. See root-fs-layers.sh.
#
# The names in `lowerdir` are short, and relative to where they lie: all options together have to fit into a page.
set -eu
state=$1 path=$2 lower='' number=0
cd -- "$state/lower"
while [ -L "$number" ]; do
  [ -d "$number/" ] || {
    printf '%s\n' "a layer of the image is gone: $(readlink -- "$number")" >&2
    exit 1
  }
  lower=$number${lower:+:$lower}
  number=$((number + 1))
done
if [ -z "$lower" ]; then
  mkdir -p -- "$state/empty"
  lower=../empty
fi
# By fsconfig(2), which mount(8) takes otherwise, an option has at most 256 bytes.
LIBMOUNT_FORCE_MOUNT2=always mount -t overlay -o "lowerdir=$lower,upperdir=$state/upper,workdir=$state/work" -- overlay "$path"
