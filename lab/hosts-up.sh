#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# hosts-up.sh: like slurm-up.sh, but on hosts of their own: network namespaces ctl (slurmctld), c1, c2, ...
# (a slurmd each), joined by a bridge in one more namespace. The machine's own interfaces are not touched.
#
#   sudo LAB=/tmp/lab lab/hosts-up.sh && sudo LAB=/tmp/lab lab/on-host.sh ctl sinfo
#
# Knobs as for slurm-up.sh, but LAB_NODES (default 2) counts the compute hosts. End it with hosts-down.sh.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# = 0 ] || { usage_from_header; [ "$1" = --help ] && exit 0; exit 64; }
LAB_KIND=hosts
up
