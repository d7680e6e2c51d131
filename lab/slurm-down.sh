#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# slurm-down.sh: ends the lab in the folder LAB (default: .lab/default) and removes all of it:
# processes, its claim on ports, users that labs made and no other lab needs, and the folder.
#
#   sudo LAB=/tmp/lab lab/slurm-down.sh          KEEP=1 keeps the folder: the next up goes on with its jobs and database.
#
# No lab there is no error.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# = 0 ] || { usage_from_header; [ "$1" = --help ] && exit 0; exit 64; }
need_root
lab_folder
if [ ! -e "$LAB/$LAB_MARKER" ]; then
  echo "nothing to take down in $LAB"
  exit 0
fi
take_down
echo "down: $LAB"
