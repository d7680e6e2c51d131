#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# with-slurm.sh [--user USER] [--hosts] -- COMMAND...: brings a lab up, runs COMMAND in it, takes the
# lab down again, whatever happened, and exits with COMMAND's status.
#
#   --user USER  runs COMMAND as that user (default: root), with a HOME of its own inside the lab
#   --hosts      a multi-host lab; COMMAND runs on its host ctl
#
# Knobs are those of slurm-up.sh. Without LAB the lab gets a new folder under /tmp. If LAB names a lab
# that is up, that one is used and stays up. KEEP=1 keeps the folder with its logs. COMMAND sees lab.env and LAB_CONTROL, the folder
# through which it can ask for faults (README.md, "Control loop").
# Exit status 125: the lab did not come up, COMMAND was not run.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

user=root up=slurm-up.sh
while [ $# -gt 0 ]; do
  case $1 in
    --user) user=${2:-}; shift 2 || { usage_from_header >&2; exit 64; } ;;
    --hosts) up=hosts-up.sh; shift ;;
    --help) usage_from_header; exit 0 ;;
    --) shift; break ;;
    *) usage_from_header >&2; exit 64 ;;
  esac
done
[ $# -gt 0 ] || { usage_from_header >&2; exit 64; }
need_root

command_pid='' loop_pid='' ours=1 signalled=''

clean_up() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  if [ -n "$command_pid" ] && kill -0 "$command_pid" 2>/dev/null; then
    kill -TERM "$command_pid" 2>/dev/null || true
    wait_until 10 is_gone "$command_pid" || kill_pids "$command_pid"
  fi
  if [ -n "$loop_pid" ]; then
    kill -TERM "$loop_pid" 2>/dev/null || true
    wait_until 130 is_gone "$loop_pid" || kill_pids "$loop_pid"
  fi
  if [ "$ours" = 1 ] && [ -n "${LAB:-}" ]; then
    (take_down) || { note "the lab in $LAB was not taken down. Try: LAB=$LAB $LAB_HERE/slurm-down.sh"; [ "$status" != 0 ] || status=1; }
  else
    rm -rf "$LAB/control" "${LAB:?}/home" "$LAB/scripts"
  fi
  exit "$status"
}
on_signal() {
  signalled=$1
  [ -z "$command_pid" ] || kill "-$2" "$command_pid" 2>/dev/null || true
}

id "$user" >/dev/null 2>&1 || [[ " ${LAB_USERS-labu1 labu2 labu3} " == *" $user "* ]] || die "--user $user: no such user on this machine."
[ -n "${LAB:-}" ] || LAB=$(mktemp -d /tmp/slurm-grid-agent-lab.XXXX)
lab_folder
if already_up; then ours=0; fi
trap clean_up EXIT
trap 'on_signal 129 HUP' HUP
trap 'on_signal 130 INT' INT
trap 'on_signal 143 TERM' TERM
"$LAB_HERE/$up" >&2 || exit 125
load_lab
[ -z "$signalled" ] || exit "$signalled"

control_folder "$(id -gn "$user")"
control_loop "$ours" &
loop_pid=$!

declare -a as=()
if [ "$user" != root ]; then
  home=$LAB/home/$user
  mkdir -p "$home"
  chown "$user:$(id -g "$user")" "$home"
  as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups
    env -u XDG_RUNTIME_DIR -u XDG_CONFIG_HOME -u XDG_CACHE_HOME -u XDG_DATA_HOME -u MAIL -u BASH_ENV
    -u SUDO_USER -u SUDO_UID -u SUDO_GID -u SUDO_COMMAND
    HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash)
fi
# A background command of a script would start with INT and QUIT ignored; give it the usual signals.
(
  set -a
  . "$LAB/lab.env"
  LAB_CONTROL=$LAB/control
  trap - INT TERM HUP EXIT
  where=()
  [ "$LAB_CTL" = - ] || where=("$LAB_HERE/lib/enter.sh" "$LAB" "$LAB_CTL")
  exec env --default-signal=INT,QUIT ${where[@]+"${where[@]}"} ${as[@]+"${as[@]}"} "$@"
) <&0 &
command_pid=$!

# wait returns early on a signal; the command's own status is what counts.
status=0
while :; do
  wait "$command_pid" && status=0 || status=$?
  is_gone "$command_pid" && break
done
command_pid=''
exit "$status"
