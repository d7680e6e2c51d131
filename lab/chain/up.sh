#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# up.sh [OPTIONS OF server.py]: starts a test chain in the background and prints its address and that of the tests'
# contract. LAB_CHAIN is its folder (default /tmp/slurm-grid-agent-chain); down.sh ends it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${LAB_CHAIN:-/tmp/slurm-grid-agent-chain}
python=$("$here/install.sh")
if [ -e "$folder/pid" ] && kill -0 "$(cat "$folder/pid")" 2>/dev/null; then
    echo "lab: a chain runs already, at http://127.0.0.1:$(cat "$folder/port")/; lab/chain/down.sh ends it" >&2
    exit 1
fi
mkdir -p "$folder"
rm -f "$folder/port"
PYTHONDONTWRITEBYTECODE=1 "$python" "$here/server.py" --port-file "$folder/port" "$@" >"$folder/log" 2>&1 </dev/null &
echo $! >"$folder/pid"
for _ in $(seq 300); do
    [ ! -s "$folder/port" ] || break
    kill -0 "$(cat "$folder/pid")" 2>/dev/null || break
    sleep 0.1
done
if [ ! -s "$folder/port" ]; then
    echo "lab: the chain does not start:" >&2
    cat "$folder/log" >&2
    exit 1
fi
url=http://127.0.0.1:$(cat "$folder/port")/
contract=$("$python" - "$url" <<'PY'
import json, sys, urllib.request
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "lab_deploy", "params": []}).encode()
print(json.load(urllib.request.urlopen(urllib.request.Request(sys.argv[1], body)))["result"])
PY
)
cat "$folder/log"
echo "contract $contract (lab/chain/Recorder.vy); what else it can do: lab/README.md"
