#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# open-work [OPTION...]: what nobody would report if the agent went now, in words; nothing: it may go. It asks the agent that
# runs here; the options are those of `slurm-grid-agent status`.
#
# Exit status 0: it could be told. 1: it cannot; stderr says why. 64: used wrongly.
#   PROGRAM   the agent (default /usr/bin/slurm-grid-agent)
#   STATE     its state folder (default /var/lib/slurm-grid-agent)
set -eu
program=${PROGRAM:-/usr/bin/slurm-grid-agent}
state=${STATE:-/var/lib/slurm-grid-agent}

# That there never was a grid is seen without the agent.
never() {
    [ ! -e "$state/deepsquare.sqlite" ]
}

# An agent that hangs must not hold up dpkg.
said=$(timeout -k 5 30 "$program" status --nagios "$@" 2>&1) || true
case $said in
    *'|'*'grid_jobs='*'not_in_slurm_yet='*'waiting='*) ;;
    *)
        never && exit 0
        echo "$said" >&2
        exit 1
        ;;
esac
figures=${said##*|}
figure() {
    for word in $figures; do
        case $word in "$1="*) echo "${word#*=}" ;; esac
    done
}
# One that waits for slurm.conf, key or node has not opened its files yet, and counts nothing.
if ! never && ! timeout -k 5 30 "$program" status --json "$@" 2>/dev/null | grep -Eq '"is_ready" *: *true'; then
    echo "the agent waits for something, and has not looked at its jobs yet: ${said%%|*}" >&2
    exit 1
fi
jobs=$(figure grid_jobs) requests=$(figure not_in_slurm_yet) waiting=$(figure waiting) parked=$(figure parked)
[ "${jobs:-0}" = 0 ] || echo "$jobs open jobs of the grid"
[ "${requests:-0}" = 0 ] || echo "$requests requests that are not in Slurm yet"
[ "${waiting:-0}" = 0 ] || echo "$waiting reports that are not sent yet"
[ "${parked:-0}" = 0 ] || echo "$parked reports that were refused, and may be sent again (slurm-grid-agent ledger retry)"
