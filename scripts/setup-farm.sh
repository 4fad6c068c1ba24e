#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes build/farm-venv with labgrid and, for its fixtures, the kit. An environment of its own: labgrid brings a fork of pyserial
# under the same module name and another generation of protobuf than OR-Tools.
set -eu
. "$(dirname "$0")/lib.sh"
venv=$BUILD/farm-venv
base=${PYTHON:-python3}

lock farm
stamp=$venv/.tercet
key=$(cat "$ROOT/pyproject.toml" "$0" | sha256sum | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || exit 0

say "installing labgrid into build/farm-venv"
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$base" -m venv --clear "$venv"
log=$BUILD/farm-install.log
install() { "$venv/bin/python" -m pip install --disable-pip-version-check "$@" >>"$log" 2>&1; }
mpremote=$(sed -n 's/^ *"\(mpremote==[^"]*\)",$/\1/p' "$ROOT/pyproject.toml")
: >"$log"
if ! { install 'labgrid>=26,<27' numpy platformdirs hatchling editables && install --no-deps --no-build-isolation "$mpremote" --editable "$ROOT"; }; then
    tail -n 20 "$log" >&2
    die "pip could not install labgrid; the whole log is in $log" "run again when the package index answers"
fi
printf '%s\n' "$key" >"$stamp"
