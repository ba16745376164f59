#!/bin/sh
# Fuzzes the launcher's parser and its CRI splitter for a bounded time: fuzz/run.sh [SECONDS per target, default 20].
# Needs clang with its sanitizer runtime. New inputs stay in a temporary folder; only the seeds are kept in corpus/.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-20}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for target in config cri; do
  ${CLANG:-clang} -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o "$work/$target" \
    "$here/$target.c" "$here/../$target.c" "$here/../text.c"
  mkdir "$work/$target.corpus"
  if ! "$work/$target" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 -artifact_prefix="$work/" \
    "$work/$target.corpus" "$here/corpus/$target" 2>"$work/$target.log"; then
    tail -n 60 "$work/$target.log" >&2
    exit 1
  fi
  printf '%s: %s inputs, no failure\n' "$target" "$(sed -n 's/stat::number_of_executed_units: *//p' "$work/$target.log")"
done
