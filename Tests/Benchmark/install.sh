#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs, where they are missing, the programs that live.py measures with, from Debian, and archspec from PyPI into a folder of
# its own. Prints that folder's Python. With --programs only the programs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${BENCHMARK_VENV:-$here/.venv}
readonly ARCHSPEC=archspec==0.2.7
missing=()
packages=(hpcc fio openmpi-bin)
[ "${1:-}" = --programs ] || packages+=(python3-venv)
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "benchmark: installing from Debian, to measure with: ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi
[ "${1:-}" != --programs ] || exit 0
if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$ARCHSPEC" ]; then
    echo "benchmark: installing $ARCHSPEC from PyPI into $folder" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install -q --disable-pip-version-check "$ARCHSPEC" >&2
    echo "$ARCHSPEC" >"$folder/stamp"
fi
echo "$folder/bin/python3"
