#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the tests with a sanitizer and runs the stress test on a live cluster. Needs root.
#
#   Tests/run-sanitized.sh address|thread
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
kind=${1:-}
case $kind in
# Leaks are looked for by the stress test's own memory figures: LeakSanitizer reports the test runner's.
address) export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 ;;
thread) export TSAN_OPTIONS=halt_on_error=1:suppressions=$top/Tests/thread-sanitizer.supp ;;
*) echo "usage: run-sanitized.sh address|thread" >&2; exit 64 ;;
esac
cd "$top"
swift build --build-tests --sanitize="$kind" --scratch-path ".build-$kind"
BUILD=$top/.build-$kind/debug STRESS_SANITIZED=$kind Tests/run-integration.sh Stress
echo "sanitize: $kind: no report"
