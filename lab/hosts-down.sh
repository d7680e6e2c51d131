#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# hosts-down.sh: ends a multi-host lab, with its hosts and their network. The same as slurm-down.sh,
# which knows what kind of lab it finds in LAB.
exec "$(dirname "$0")/slurm-down.sh" "$@"
