#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs parts of the tests, one after the other, and says how long each took. The packages are built meanwhile, as patiently
# as it goes: that takes as long as half of the tests.
#
#   Tests/run-all.sh TARGET…      of the Makefile
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build
packages=
finish() {
    # Its whole group: make, Swift and what they started.
    [ -z "$packages" ] || kill -- "-$packages" 2>/dev/null || true
}
trap finish EXIT
# After the unit tests, some of which give a helper process little time.
build_packages() {
    set -m
    nice -n 19 make -s deb >.build/deb.log 2>&1 </dev/null &
    packages=$!
    set +m
}

for part in "$@"; do
    start=$SECONDS
    echo "=== $part"
    if [ "$part" = test-package ] && [ -n "$packages" ]; then
        wait "$packages" || {
            tail -n 40 .build/deb.log >&2
            echo "run-all: make deb failed; its output is in .build/deb.log" >&2
            exit 1
        }
        packages=
        echo "--- waited $((SECONDS - start)) s for the packages"
    fi
    make -s "$part"
    echo "=== $part took $((SECONDS - start)) s"
    if [ "$part" = test-unit ] && [[ " $* " = *" test-package "* ]]; then build_packages; fi
done
echo "=== all parts took $SECONDS s"
