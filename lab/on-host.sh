#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# on-host.sh [--user USER] HOST COMMAND...: runs COMMAND on a host (ctl, c1, c2, ...) of the multi-host lab in LAB.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ "${1:-}" != --help ] || { usage_from_header; exit 0; }
user=
if [ "${1:-}" = --user ]; then user=${2:-}; shift 2; fi
[ $# -ge 2 ] || { usage_from_header >&2; exit 64; }
need_root
load_lab
host=$1
shift
[[ -n $LAB_HOSTS && " $LAB_HOSTS " == *" $host "* ]] || die "the lab in $LAB has no host $host. It has: ${LAB_HOSTS:-none, since it is not a multi-host lab}."
declare -a as=()
if [ -n "$user" ]; then
  id "$user" >/dev/null 2>&1 || die "there is no user $user."
  as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups
    env HOME="$(getent passwd "$user" | cut -d: -f6)" USER="$user" LOGNAME="$user")
fi
exec "$LAB_HERE/lib/enter.sh" "$LAB" "$host" ${as[@]+"${as[@]}"} "$@"
