#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the distribution's packages that building and testing need, when a command of theirs is missing.
# As root or with sudo without a password; otherwise it says exactly what to install. ARM_GCC=/path/to/arm-none-eabi-gcc
# names a compiler that is already there.
set -eu
. "$(dirname "$0")/lib.sh"

# command:package... ; the C compiler builds the virtual board's core and the unix port.
needed="gcc:gcc make:make xz:xz-utils ${ARM_GCC:-arm-none-eabi-gcc}:gcc-arm-none-eabi gdb-multiarch:gdb-multiarch
    qemu-system-arm:qemu-system-arm"
packages=
# shellcheck disable=SC2086
for pair in $needed; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || packages="$packages ${pair#*:}"
done
echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || packages="$packages libc6-dev"
if ! echo '#include <math.h>' | "${ARM_GCC:-arm-none-eabi-gcc}" -E - >/dev/null 2>&1; then
    packages="$packages libnewlib-arm-none-eabi"
fi
python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null 2>&1 || die "missing:$packages" "install them with this system's package manager"
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root=sudo
else
    die "these packages are missing:$packages" "sudo apt-get install --no-install-recommends$packages"
fi
lock apt
say "installing$packages"
log=$BUILD/apt-install.log
mkdir -p "$BUILD"
# shellcheck disable=SC2086
if ! { $as_root apt-get -qq update &&
    DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq install -y --no-install-recommends $packages; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "apt-get could not install$packages" "sudo apt-get install --no-install-recommends$packages"
fi
