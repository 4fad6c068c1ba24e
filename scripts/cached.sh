#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs COMMAND, which makes OUTPUT, unless its inputs are what they were when it last succeeded.
#   scripts/cached.sh OUTPUT INPUT... -- COMMAND...
# Beside OUTPUT stands .OUTPUT.stamp with the SHA-256 of the inputs' names and contents, of the command line and of the
# compilers' versions. An INPUT is a file or a directory. V=1 shows the command's output; otherwise a failure does.
set -eu
. "$(dirname "$0")/lib.sh"

output=$1
stamp=$(dirname "$output")/.$(basename "$output").stamp
name=${output#"$BUILD"/}
shift
inputs=$(mktemp)
trap 'rm -f "$inputs"' EXIT
while [ "$1" != -- ]; do
    printf '%s\n' "$1" >>"$inputs"
    shift
done
shift

lock "$(printf '%s' "$output" | sha256sum | cut -c1-16)"
key=$({
    printf '%s\n' "$@"
    ${CC:-cc} --version 2>/dev/null | head -n1
    ${ARM_GCC:-arm-none-eabi-gcc} --version 2>/dev/null | head -n1
    while read -r input; do digest "$input"; done <"$inputs"
} | sha256sum | cut -d' ' -f1)
if [ -e "$output" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then
    exit 0
fi
say "building $name"
rm -f "$stamp"
mkdir -p "$(dirname "$output")"
if [ -n "${V:-}" ]; then
    "$@" >&2
elif ! "$@" >"$stamp.log" 2>&1; then
    tail -n 40 "$stamp.log" >&2
    die "building $name failed; the whole log is in $stamp.log"
fi
[ -e "$output" ] || die "building $name succeeded but did not make it"
printf '%s\n' "$key" >"$stamp"
