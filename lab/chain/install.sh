#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what the lab's chain needs from PyPI into a folder of its own. Prints that folder's Python.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${LAB_CHAIN_VENV:-$here/.venv}
stamp=$folder/requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    echo "lab: installing $(tr '\n' ' ' <"$here/requirements.txt")from PyPI into $folder, for a test chain" >&2
    if ! python3 -c 'import ensurepip' 2>/dev/null; then
        echo "lab: installing python3-venv" >&2
        apt-get install -y --no-install-recommends python3-venv >&2
    fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$stamp"
fi
compiled=$folder/Recorder-$(sha256sum "$here/Recorder.vy" | cut -c1-16).hex
if [ ! -s "$compiled" ]; then
    "$folder/bin/vyper" --evm-version london "$here/Recorder.vy" >"$compiled.new"
    mv "$compiled.new" "$compiled"
    ln -sf "$(basename "$compiled")" "$folder/Recorder.hex"
fi
echo "$folder/bin/python"
