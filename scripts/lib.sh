# SPDX-License-Identifier: Apache-2.0
# Sourced by the other scripts: where things are, how they speak, how they read a pin. POSIX shell.
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BUILD=$ROOT/build

say() { printf 'tercet: %s\n' "$*" >&2; }

# die MESSAGE [HINT]: what failed, then what to do about it.
die() {
    say "error: $1"
    [ $# -lt 2 ] || say "try: $2"
    exit 1
}

# pin KEY: the value of KEY in firmware/versions.toml.
pin() { sed -n "s/^$1 *= *\"\([^\"]*\)\".*/\1/p" "$ROOT/firmware/versions.toml" | head -n1; }

# lock NAME: only one of several concurrent calls proceeds; the others wait for it, then find its work done.
lock() {
    mkdir -p "$BUILD/.lock"
    exec 9>"$BUILD/.lock/$1"
    ! command -v flock >/dev/null 2>&1 || flock 9
}

# digest FILE_OR_DIRECTORY...: one SHA-256 over names and contents (byte order, so the locale does not matter).
digest() {
    find "$@" -type f ! -name '*.pyc' ! -path '*/build-*' ! -path '*/.*_cache/*' -print0 2>/dev/null | LC_ALL=C sort -z |
        xargs -0 sha256sum 2>/dev/null | sha256sum | cut -d' ' -f1
}

# A wait that is interrupted must not leave a half-made stage behind: callers build beside and rename.
trap 'say "interrupted"; exit 130' INT
trap 'exit 143' TERM
