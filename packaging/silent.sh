# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# silent WHAT COMMAND...: the command works, and has nothing to say on stderr: of systemd's and man's tools, an exit status of 0
# is not enough. Its output is in $work/out. For scripts that have a folder $work and a function die.
silent() {
    local what=$1
    shift
    # shellcheck disable=SC2154
    "$@" >"$work/out" 2>"$work/err" || die "$what: $(cat "$work/out" "$work/err")"
    [ ! -s "$work/err" ] || die "$what: $(cat "$work/err")"
}
