#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes .venv with the kit, the virtual board and everything that tests need; again when a pyproject.toml changed.
#   scripts/setup-python.sh [EXTRA]    EXTRA of the kit's distribution, `test` by default
set -eu
. "$(dirname "$0")/lib.sh"
venv=$ROOT/.venv
extra=${1:-test}
base=${PYTHON:-python3}

"$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$base is $("$base" --version 2>&1), Python 3.11 or later is needed" "PYTHON=/path/to/python3.11 make"
lock python
stamp=$venv/.tercet-$extra
key=$(cat "$ROOT/pyproject.toml" "$ROOT/hil/virtual_board/pyproject.toml" "$0" 2>/dev/null | sha256sum | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || exit 0

say "installing Python packages into .venv"
# An environment whose making was interrupted has no pip: make it again.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$base" -m venv --clear "$venv"
set -- --editable "$ROOT[$extra]"
[ ! -f "$ROOT/hil/virtual_board/pyproject.toml" ] || set -- "$@" --editable "$ROOT/hil/virtual_board"
log=$BUILD/pip-install.log
if ! "$venv/bin/python" -m pip install --disable-pip-version-check "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "pip could not install the packages; the whole log is in $log" "run again when the package index answers"
fi
# PyTorch is compared with where a build of it is at hand (PIP_FIND_LINKS); the registry's own takes gigabytes and is not fetched.
if [ "$extra" = test ] && "$venv/bin/python" -m pip install --quiet --no-index --no-deps 'torch>=2.4' >/dev/null 2>&1; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check filelock fsspec networkx sympy typing-extensions onnxscript >&2 ||
        die "pip could not install what PyTorch needs" "run again when the package index answers"
fi
printf '%s\n' "$key" >"$stamp"
