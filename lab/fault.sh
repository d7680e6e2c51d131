#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# fault.sh ACTION DAEMON: breaks and mends a daemon of the lab in LAB.
#
#   ACTION  stop (TERM, then waits)   kill (KILL)   pause (STOP)   resume (CONT)
#           start (waits until it answers)   restart (stop, start)   status
#           kill-node (DAEMON is a node: its slurmd, its job steps and their processes at one blow)
#           cut, mend (multi-host labs; DAEMON is a host: pulls or plugs its network cable)
#   DAEMON  munged, mariadbd, slurmdbd, slurmctld, slurmd (all of them), a node such as n1, or all
#           munged@HOST in a multi-host lab
#
# Exit status: 0 done (status: all running); 1 failed; 3 status: stopped; 4 status: paused; 64 wrong words.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ "${1:-}" != --help ] || { usage_from_header; exit 0; }
if [ "${1:-}" = status ] && [ $# = 1 ]; then set -- status all; fi
[ $# = 2 ] || { usage_from_header >&2; exit 64; }
action=$1 word=$2
wrong() { note "$*"; exit 64; }

need_root
load_lab

case $action in
  cut | mend)
    [[ $LAB_KIND = hosts && " $LAB_HOSTS " == *" $word "* ]] || wrong "$action needs a host of a multi-host lab (${LAB_HOSTS:-this lab has none})."
    cable "$word" "$([ "$action" = cut ] && echo down || echo up)"
    echo "$word: cable $([ "$action" = cut ] && echo pulled || echo plugged in)"
    exit 0
    ;;
  kill-node)
    [[ " $LAB_NODE_NAMES " == *" $word "* ]] || wrong "kill-node needs a node of this lab: $LAB_NODE_NAMES."
    names=slurmd@$word
    ;;
  stop | kill | pause | resume | start | restart | status)
    names=$(names_of "$word") || wrong "this lab has no daemon $word. It has: $(all_names | tr '\n' ' ')"
    ;;
  *) wrong "unknown action $action; see fault.sh --help." ;;
esac

if [ "$action" != status ]; then
  exec 8>"$LAB/pid/lock"
  flock -w 600 8 || die "another fault is being worked on for ten minutes; see: fuser -v $LAB/pid/lock"
fi

# signal_to NAME SIGNAL STATE: sends it and waits until the daemon has reached the state.
signal_to() {
  local pid
  pid=$(daemon_pid "$1") || die "$1 does not run, so it cannot get $2. Use start first."
  kill "-$2" "$pid"
  wait_until 30 in_state "$1" "$3" || die "$1 (pid $pid) got $2 but is $(state_of "$1")."
}
in_state() { [ "$(state_of "$1")" = "$2" ]; }

# kill_node NODE: the steps are looked up first; without their slurmd they would be nobody's children.
kill_node() {
  local pid
  local -a pids
  mapfile -t pids < <(step_pids "$1")
  if pid=$(daemon_pid "slurmd@$1"); then pids+=("$pid"); fi
  [ "${#pids[@]}" -gt 0 ] || return 0
  mapfile -t pids < <(with_children "${pids[@]}")
  kill_pids "${pids[@]}"
}

status=0
# shellcheck disable=SC2086  # names without blanks
for name in $names; do
  case $action in
    stop) stop_daemon "$name" ;;
    kill) signal_to "$name" KILL stopped; forget "$name" ;;
    pause) signal_to "$name" STOP paused ;;
    resume) signal_to "$name" CONT running ;;
    start) start_daemon "$name" ;;
    restart) stop_daemon "$name"; start_daemon "$name" ;;
    kill-node) kill_node "$word"; forget "$name" ;;
  esac
  state=$(state_of "$name")
  echo "$name: $state$([ "$state" = stopped ] || echo " $(daemon_pid "$name")")"
  if [ "$action" = status ]; then
    case $state in stopped) status=3 ;; paused) [ "$status" = 3 ] || status=4 ;; esac
  fi
done
exit "$status"
