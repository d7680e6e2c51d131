#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Writes the tables of docs/configuration.md again, from the keys in the code. BINARY: the agent; default the debug build.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PAGE=docs/configuration.md
readonly BEGIN='<!-- Made by packaging/generate-reference.sh. -->'
readonly END='<!-- End of what is made. -->'

new=$(mktemp)
trap 'rm -f "$new"' EXIT
for line in "$BEGIN" "$END"; do
    if ! grep -qxF -e "$line" "$PAGE"; then
        echo "$PAGE lacks the line $line" >&2
        exit 1
    fi
done
{
    grep -B 100000 -xF -e "$BEGIN" "$PAGE"
    echo
    "${BINARY:-.build/debug/slurm-grid-agent}" config reference --format markdown
    echo
    grep -A 100000 -xF -e "$END" "$PAGE"
} >"$new"
cat "$new" >"$PAGE"
