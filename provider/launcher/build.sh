#!/bin/sh
# Builds the launcher for both architectures with clang and lld: build.sh [OUTPUT_DIRECTORY], by default bin/ beside it.
# The result depends on the sources and on clang's major version only: no paths, no times, no build id.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/bin}
clang=${CLANG:-clang}

sources='freestanding.c text.c fields.c config.c expand.c cri.c report.c wait.c self.c folder.c group.c files.c load.c environment.c accounts.c place.c mounts.c user.c identity.c log.c namespaces.c child.c parent.c run.c exec.c detach.c address.c http.c probe.c layer.c main.c'

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$here"

for architecture in x86_64 aarch64; do
  objects=
  for source in $sources; do
    object=$work/${source%.c}.o
    "$clang" --target="$architecture-linux-gnu" -std=c11 -Oz -Wall -Wextra -Werror -Wconversion -Wshadow -Wno-sign-conversion \
      -ffreestanding -fno-builtin -nostdinc -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-ident \
      -ffunction-sections -fdata-sections -ffile-prefix-map="$here=." -c "$source" -o "$object"
    objects="$objects $object"
  done
  # shellcheck disable=SC2086 # a list of paths that mktemp made
  ld.lld -static --gc-sections --strip-all --build-id=none -z noexecstack -z norelro --no-rosegment -o "$out/launcher-$architecture" $objects
  chmod 755 "$out/launcher-$architecture"
done

if [ "$out" = "$here/bin" ]; then
  "$clang" --version | sed -n 's/.*clang version \([0-9]*\).*/\1/p' >"$out/CLANG"
  (cd "$out" && sha256sum launcher-x86_64 launcher-aarch64 >SHA256SUMS)
fi
