#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the licences and notices of what is linked into the daemon: the Swift packages and Swift's own libraries.
#
#   third-party.sh CHECKOUTS TOOLCHAIN      where the package manager keeps their sources; packaging/toolchain.sh
set -euo pipefail
checkouts=${1:?the folder of the checkouts} toolchain=${2:?the folder of the toolchain}

show() {
    printf '\n%s\n%s\n\n' "$1" "${1//?/=}"
    cat "${@:2}"
}

for folder in "$checkouts"/*/; do
    mapfile -t files < <(find "$folder" -maxdepth 1 -type f \( -iname 'LICENSE*' -o -iname 'NOTICE*' \) | sort)
    [ ${#files[@]} -gt 0 ] || { echo "third-party: no licence in $folder" >&2; exit 1; }
    show "$(basename "$folder")" "${files[@]}"
done
show "Swift's libraries" "$toolchain/share/swift/LICENSE.txt"
