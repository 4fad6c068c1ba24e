#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs COMMAND, which makes OUTPUT, unless its inputs are what they were when it last succeeded.
#   scripts/cached.sh OUTPUT INPUT... -- COMMAND...
# build/.stamps keeps, for each OUTPUT, the SHA-256 of the inputs' names and contents, of the command line and of the
# compilers' versions. An INPUT is a file or a directory. V=1 shows the command's output; otherwise a failure does.
set -eu
. "$(dirname "$0")/lib.sh"

output=$1
name=${output#"$BUILD"/}
stamp=$BUILD/.stamps/$(printf '%s' "$name" | tr / -)
shift
inputs=$(mktemp)
trap 'rm -f "$inputs"' EXIT
while [ "$1" != -- ]; do
    printf '%s\n' "$1" >>"$inputs"
    shift
done
shift

mkdir -p "$BUILD/.stamps"
lock "$(basename "$stamp")"
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
