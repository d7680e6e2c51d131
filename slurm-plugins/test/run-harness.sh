#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run-harness.sh FOLDER CASE...: runs FOLDER's jobcomp_grid_agent.so through test/harness; says what failed.
set -euo pipefail
folder=$1
shift
harness=${HARNESS:-$folder/test/harness}
for case in "$@"; do
    if ! said=$("$harness" "$folder/${PLUGIN:-jobcomp_grid_agent.so}" "$case" ${CALLS-3000} 2>&1); then
        echo "run-harness: $case failed:"
        echo "$said"
        exit 1
    fi
done
echo "$folder: $* ok"
