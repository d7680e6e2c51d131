#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Submits jobs while slurmctld and munged stop, hang and come back, and counts. The last line of its output is the
# verdict, a JSON object; exit status 1 when a job was lost, doubled or wrongly told to be gone. Needs root.
#
#   SOAK_SECONDS=60 Tests/run-soak.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp /tmp/slurm-grid-agent-soak.XXXXXX)
trap 'rm -f "$log"' EXIT
status=0
"$here/run-integration.sh" Soak >"$log" 2>&1 || status=1
grep -v '^SOAK ' "$log" >&2 || true
verdict=$(sed -n 's/^SOAK //p' "$log" | tail -n 1)
[ -n "$verdict" ] || { echo "run-soak: no verdict" >&2; exit 1; }
echo "$verdict"
exit "$status"
