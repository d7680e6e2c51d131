#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Ends the chain that up.sh started.
set -euo pipefail
folder=${LAB_CHAIN:-/tmp/slurm-grid-agent-chain}
[ -e "$folder/pid" ] || { echo "lab: no chain runs in $folder" >&2; exit 0; }
kill "$(cat "$folder/pid")" 2>/dev/null || true
rm -rf "$folder"
