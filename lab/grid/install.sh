#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what the lab's grid needs from PyPI into the folder of the lab's chain, with the Python modules of the services'
# protocols. Prints that folder's Python.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
protocol=$here/../../Sources/DeepSquare/Services/Protocol
python=$("$here/../chain/install.sh")
if ! command -v openssl >/dev/null; then
    echo "lab: installing openssl, for the services' certificates" >&2
    apt-get install -y --no-install-recommends openssl >&2
fi
# The folder is made again when the chain's needs change: what is remembered goes with it.
stamp=$(dirname "$(dirname "$python")")/grid.sha256
now=$(cat "$0" "$here/requirements.txt" "$protocol"/*.proto | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
    echo "lab: installing $(tr '\n' ' ' <"$here/requirements.txt")from PyPI, for a test grid" >&2
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    modules=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$python" -m grpc_tools.protoc -I "$protocol" --python_out="$modules" --grpc_python_out="$modules" "$protocol"/*.proto
    echo "$now" >"$stamp"
fi
echo "$python"
