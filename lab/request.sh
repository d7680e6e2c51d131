#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# request.sh VERB ARGUMENT...: sends one request to the control loop of a lab that with-slurm.sh runs,
# waits for the reply, prints it, and exits with its status. Needs no root.
#
#   request.sh ACTION DAEMON        a fault, see fault.sh --help
#   request.sh run-as USER FILE     runs a script as a lab user or root; "-" reads it from standard input
#   request.sh reconfigure FILE     adds lines to slurm.conf and restarts slurmctld; "-" as above
#
# LAB names the lab. FILE may be anywhere: it is copied into the control folder first.
# Exit status 124: no reply within LAB_REQUEST_TIMEOUT seconds (150).
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0; }
[ $# -ge 2 ] || { sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 64; }
control=${LAB:?set LAB to the folder of the lab}/control
[ -p "$control/request" ] || { echo "request.sh: $control/request is not there; only with-slurm.sh serves requests." >&2; exit 1; }

id=$(date +%s%N | tail -c 15)$((RANDOM % 10))
while [[ $id == 0* ]]; do id=${id#0}; done
declare -a words=("$@")
case $1 in
  run-as | reconfigure)
    file=${!#}
    if [ "$file" = - ]; then cat >"$control/$id.in"; else cat -- "$file" >"$control/$id.in"; fi
    words[$#-1]=$id.in
    ;;
esac
echo "$id ${words[*]}" >"$control/request"
reply=$control/reply.$id
for ((i = 0; i < ${LAB_REQUEST_TIMEOUT:-150} * 50; i++)); do
  if [ -d "$reply" ]; then
    cat "$reply/stdout"
    cat "$reply/stderr" >&2
    rc=$(cat "$reply/rc")
    rm -rf "$reply" "$control/$id.in"
    exit "$rc"
  fi
  sleep 0.02
done
echo "request.sh: no reply to: ${words[*]}" >&2
exit 124
