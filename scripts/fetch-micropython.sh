#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes build/micropython: MicroPython's source tree, pinned in firmware/versions.toml.
# It comes from the distribution's source package, through apt with a private directory (no root needed), over the mirror
# that this machine is already configured for; or MPY_DIR=DIR names a checkout, which is linked and not changed.
set -eu
. "$(dirname "$0")/lib.sh"
tree=$BUILD/micropython
downloads=$BUILD/downloads
tarball=$downloads/$(pin source_tarball)
want=$(pin source_sha256)
hint="pass a checkout of MicroPython $(pin version): MPY_DIR=/path/to/micropython"

verified() { [ -f "$tarball" ] && [ "$(sha256sum "$tarball" | cut -d' ' -f1)" = "$want" ]; }

use_checkout() {
    [ -f "$MPY_DIR/py/mpconfig.h" ] || die "MPY_DIR=$MPY_DIR is not a MicroPython source tree" "$hint"
    target=$(cd "$MPY_DIR" && pwd)
    [ "$(readlink "$tree" 2>/dev/null)" != "$target" ] || return 0
    rm -rf "$tree"
    ln -s "$target" "$tree"
    say "using MicroPython in $target"
}

find_mirror() {
    [ -r /etc/os-release ] && command -v apt-get >/dev/null || die "no apt on this machine to fetch MicroPython with" "$hint"
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    mirror=$(apt-get update --print-uris 2>/dev/null | sed -n "s#^'\(.*/debian\)/dists/$codename/InRelease'.*#\1#p" | head -n1)
    [ -n "$mirror" ] || die "no Debian mirror is configured on this machine (codename '$codename')" "$hint"
}

download() {
    find_mirror
    say "fetching MicroPython $(pin source_version) (6 MB)"
    apt=$BUILD/apt
    mkdir -p "$apt/etc" "$apt/lists/partial" "$apt/cache/archives/partial" "$downloads"
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$(pin source_suite)" \
        /usr/share/keyrings/debian-archive-keyring.gpg >"$apt/etc/source.sources"
    set -- -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/etc" -o Dir::State::Lists="$apt/lists" \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3
    apt-get "$@" update >&2 || die "the mirror does not answer" "run again when the network is back, or $hint"
    (cd "$downloads" && apt-get "$@" source --download-only "$(pin source_package)=$(pin source_version)" >&2) ||
        die "the download stopped" "run again: it resumes"
    verified || { rm -f "$tarball"; die "the SHA-256 of $(basename "$tarball") is not the pinned $want" "run again, or $hint"; }
}

unpack() {
    say "unpacking MicroPython $(pin source_version)"
    rm -rf "$tree" "$tree.part"
    mkdir -p "$tree.part"
    tar -C "$tree.part" --strip-components=1 -xf "$tarball"
    printf '%s\n' "$want" >"$tree.part/.tarball-sha256"
    mv "$tree.part" "$tree"
}

mkdir -p "$BUILD"
lock micropython
if [ -n "${MPY_DIR:-}" ]; then
    use_checkout
elif [ -L "$tree" ] || [ "$(cat "$tree/.tarball-sha256" 2>/dev/null)" != "$want" ]; then
    verified || download
    unpack
fi
printf '%s\n' "$tree"
