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
# Tried once, alone, and done without where it fails: a data set that an optional test reads.
optional=dataset-fashion-mnist
tried=$BUILD/.tried-$optional
[ ! -d /usr/share/datasets/fashion-mnist ] && [ ! -e "$tried" ] || optional=
[ -n "$packages$optional" ] || exit 0

# install PACKAGE...: whether apt-get could install them.
install() {
    say "installing $*"
    { $as_root apt-get -qq update &&
        DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq install -y --no-install-recommends "$@"; } >"$log" 2>&1
}

mkdir -p "$BUILD"
log=$BUILD/apt-install.log
may_install=yes as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    sudo -n true 2>/dev/null || may_install=
fi
lock apt
if [ -n "$packages" ]; then
    command -v apt-get >/dev/null 2>&1 || die "missing:$packages" "install them with this system's package manager"
    [ -n "$may_install" ] || die "these packages are missing:$packages" "sudo apt-get install --no-install-recommends$packages"
    # shellcheck disable=SC2086
    if ! install $packages; then
        tail -n 20 "$log" >&2
        die "apt-get could not install$packages" "sudo apt-get install --no-install-recommends$packages"
    fi
fi
[ -n "$optional" ] || exit 0
: >"$tried"
if ! command -v apt-get >/dev/null 2>&1 || [ -z "$may_install" ] || ! install "$optional"; then
    say "without $optional, which only the data set fashion-mnist needs; later: apt-get install $optional"
fi
