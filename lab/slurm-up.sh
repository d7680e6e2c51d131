#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# slurm-up.sh: starts a throwaway Slurm cluster on this machine, on loopback, without systemd.
#
#   sudo LAB=/tmp/lab lab/slurm-up.sh && . /tmp/lab/lab.env && sinfo
#
# Everything lives in the folder LAB (default: .lab/default in the current folder). Knobs are
# environment variables; README.md lists them. A lab that is up already is left as it is; a
# half-running one is started again. End it with slurm-down.sh.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# = 0 ] || { usage_from_header; [ "$1" = --help ] && exit 0; exit 64; }
LAB_KIND=single
up
