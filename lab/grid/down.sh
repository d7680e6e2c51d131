#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Ends the grid that up.sh started, and removes its folder.
set -euo pipefail
folder=${LAB_GRID_FOLDER:-/tmp/slurm-grid-agent-grid}
[ -e "$folder/pids" ] || { echo "lab: no grid runs in $folder" >&2; exit 0; }
# A number may be another process's by now.
is_ours() {
    tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | grep -qF "$folder/"
}
while read -r pid _; do
    ! is_ours "$pid" || kill "$pid" 2>/dev/null || true
done <"$folder/pids"
while read -r pid name; do
    for _ in $(seq 100); do
        is_ours "$pid" || break
        sleep 0.1
    done
    ! is_ours "$pid" || { echo "lab: $name ($pid) does not end: killed" >&2; kill -9 "$pid" 2>/dev/null || true; }
done <"$folder/pids"
rm -rf "$folder"
