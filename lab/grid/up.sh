#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# up.sh: a grid for any agent to join, in the background: a chain with the contracts, the sbatch service, the grid logger, and a
# meta-scheduler that gives each job to the approved providers in turn. Prints what goes into the agent's configuration, and what
# to type next; down.sh ends it. Needs no root.
#
#   LAB_GRID_FOLDER  its folder (default /tmp/slurm-grid-agent-grid)
#   GRID_HOST        the IP address of this machine at which agents reach it (default 127.0.0.1); every user of whatever network
#                    that is can use the grid then
#   GRID_USER        the Unix user of the agent's cluster as whom the first customer's jobs run (default USER, to be replaced)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${LAB_GRID_FOLDER:-/tmp/slurm-grid-agent-grid}
host=${GRID_HOST:-127.0.0.1}
user=${GRID_USER:-USER}

if [ -e "$folder/pids" ]; then
    echo "lab: there is a grid in $folder; make grid-down ends it" >&2
    exit 1
fi
python=$("$here/install.sh")
export PYTHONDONTWRITEBYTECODE=1 GRPC_VERBOSITY=NONE
mkdir -p "$folder/scripts" "$folder/logs"
: >"$folder/pids"
finish() {
    [ $? = 0 ] || LAB_GRID_FOLDER=$folder "$here/down.sh"
}
trap finish EXIT

# begin NAME WORD...: a process in the background, known by the folder that is on its command line.
begin() {
    local name=$1
    shift
    setsid "$python" "$@" >"$folder/$name.log" 2>&1 </dev/null &
    echo "$! $name" >>"$folder/pids"
}
# port NAME: where it listens, once it does.
port() {
    local pid
    pid=$(awk -v name="$1" '$2 == name { print $1 }' "$folder/pids")
    for _ in $(seq 600); do
        [ ! -s "$folder/$1.port" ] || { cat "$folder/$1.port"; return; }
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "lab: $1 does not start:" >&2
    cat "$folder/$1.log" >&2
    return 1
}

begin chain "$here/../chain/server.py" --host "$host" --port-file "$folder/chain.port"
chain_port=$(port chain)
rpc=http://$host:$chain_port/
# A key for the agent, with coins for its transactions.
account=$("$python" - "$folder/provider-key" <<'PY'
import os, sys
from eth_keys import keys
key = keys.PrivateKey(os.urandom(32))
with open(sys.argv[1], "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
    file.write(key.to_bytes().hex() + "\n")
print(key.public_key.to_checksum_address())
PY
)
"$python" "$here/deploy.py" "$rpc" "$folder/grid.json" --scripts "$folder/scripts" --provider "$account" >"$folder/deploy.log"
field() {
    "$python" -c 'import functools, json, sys; print(functools.reduce(lambda one, key: one[int(key) if key.isdigit() else key], sys.argv[2].split("."), json.load(open(sys.argv[1]))))' "$folder/grid.json" "$1"
}
CA_ADDRESS=$host "$here/services/ca.sh" "$folder/tls"
tls() {
    echo --tls-cert "$folder/tls/$1.pem" --tls-key "$folder/tls/$1.key"
}
# shellcheck disable=SC2046  # words without blanks
begin logger "$here/services/logger.py" --host "$host" --port-file "$folder/logger.port" --folder "$folder/logs" $(tls logger)
logger_port=$(port logger)
# shellcheck disable=SC2046
begin sbatch "$here/services/sbatch.py" --host "$host" --port-file "$folder/sbatch.port" --faults "$folder/sbatch.faults" --chain "$rpc" \
    --jobs "$(field contracts.JobRepository)" --scripts "$folder/scripts" --logger "$host:$logger_port" $(tls sbatch)
sbatch_port=$(port sbatch)
begin bot "$here/admin.py" --grid "$folder/grid.json" bot

cat >"$folder/config.yaml" <<END
metascheduler:
  endpoint:
    rpc: $rpc
    ws: ws://$host:$chain_port/
  smart-contract: "$(field contracts.MetaScheduler)"
  label: {os: linux, zone: lab}
chain:
  key-credential: chain-key
sbatch:
  endpoint: $host:$sbatch_port
  tls:
    ca: /etc/slurm-grid-agent/grid-ca.pem
grid-logger:
  endpoint: $host:$logger_port
users:
  map: {"$(field customers.0.address)": $user}
END
cat <<END
A grid runs in $folder. Into the agent's configuration, /etc/slurm-grid-agent/config.yaml:

$(sed 's/^/    /' "$folder/config.yaml")

In slurm.partition name where its jobs are to run, and in users.map as whom (here: $user). A key with coins is made, of the account
$account. From another machine root copy these two files to the agent's:

    install -m 0644 $folder/tls/ca.pem /etc/slurm-grid-agent/grid-ca.pem
    install -m 0600 $folder/provider-key /etc/slurm-grid-agent/credentials/chain-key
    slurm-grid-agent check
    systemctl restart slurm-grid-agent

Or make a key (slurm-grid-agent key new --file …) and give it coins: lab/grid/admin fund ADDRESS. When it has registered:

    export LAB_GRID=$folder/grid.json
    lab/grid/admin approve $account
    lab/grid/customer request --credits 10 --script JOB.sh     # prints the job's number
    lab/grid/customer status

make grid-down ends it. lab/grid/README.md says more.
END
