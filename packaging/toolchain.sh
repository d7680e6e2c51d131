#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the folder of the Swift toolchain: the one that holds bin/swift, share, …
set -euo pipefail
# As it says itself: what is in PATH may be a script or a version manager's.
folder=$(swift -print-target-info | sed -n 's,^ *"runtimeResourcePath": "\(.*\)/lib/swift".*,\1,p')
[ -x "$folder/bin/swift" ] || { echo "the Swift toolchain has no bin/swift in ${folder:-the folder that it does not name}" >&2; exit 1; }
echo "$folder"
