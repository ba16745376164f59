#!/bin/sh
# Fuzzes the launcher's parsers for a bounded time: fuzz/run.sh [SECONDS per target, default 20 [TARGET...]].
# Needs clang with its sanitizer runtime. New inputs stay in a temporary folder; only the seeds are kept in corpus/.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-20}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- config expand accounts http address cri
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for target; do
  sources="$here/$target.c $here/../$target.c $here/../text.c"
  [ "$target" != config ] || sources="$sources $here/../fields.c"
  # shellcheck disable=SC2086 # a list of paths
  ${CLANG:-clang} -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -o "$work/$target" $sources
  mkdir "$work/$target.corpus"
  if ! "$work/$target" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 -artifact_prefix="$work/" \
    "$work/$target.corpus" "$here/corpus/$target" 2>"$work/$target.log"; then
    tail -n 60 "$work/$target.log" >&2
    exit 1
  fi
  printf '%s: %s inputs, no failure\n' "$target" "$(sed -n 's/stat::number_of_executed_units: *//p' "$work/$target.log")"
done
