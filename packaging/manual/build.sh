#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the manual pages, in man1, man5 and man8 of FOLDER; what the program knows of itself comes from it.
#
#   build.sh BINARY DATE FOLDER      DATE: of the pages, as 2026-11-20
set -euo pipefail
binary=$1 date=$2 folder=$3
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"/man{1,5,8}
reference=$(mktemp)
trap 'rm -f "$reference"' EXIT

python3 "$here/commands.py" "$binary" "$date" >"$folder/man1/slurm-grid-agent.1"
"$binary" config reference --format man >"$reference"
sed -e "s/@DATE@/$date/" -e "/^@REFERENCE@\$/{r $reference" -e 'd}' "$here/slurm-grid-agent.yaml.5.in" >"$folder/man5/slurm-grid-agent.yaml.5"
cp "$here/slurm-grid-agent-plugins.8" "$folder/man8"
for name in jobcomp_grid_agent spank_grid_agent; do
    ln -sf slurm-grid-agent-plugins.8 "$folder/man8/$name.8"
done
