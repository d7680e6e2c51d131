# SPDX-License-Identifier: GPL-3.0-or-later
# Which processes belong to this lab, and how they are started, watched and ended.
# A process counts as ours only if its environment carries our mark or if it descends from one that
# does: names prove nothing on a machine that may run a real cluster.
# shellcheck shell=bash

readonly LAB_MARK=SLURM_GRID_AGENT_LAB_DAEMON

# spawn HOST NAME COMMAND...: starts a daemon in the foreground mode of its own, in a session of its
# own with a clean environment, and records its pid. HOST is "-" for this machine.
spawn() {
  local host=$1 name=$2
  shift 2
  local -a where=()
  [ "$host" = - ] || where=("$LAB_HERE/lib/enter.sh" "$LAB" "$host")
  (
    cd /
    umask 022
    exec 8>&- 9>&- # no daemon may hold a lock of ours
    exec setsid env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C SLURM_CONF="$LAB/etc/slurm.conf" \
      "$LAB_MARK=$LAB" ${where[@]+"${where[@]}"} "$@" </dev/null >>"$LAB/log/$name.out" 2>&1
  ) &
  local pid=$!
  disown "$pid"
  printf '%s\n' "$pid" >"$LAB/pid/$name"
}

has_mark() { grep -qzxF -- "$LAB_MARK=$LAB" "/proc/$1/environ" 2>/dev/null; }

# recorded_pid NAME: the pid in our own pid file, whatever has become of it.
recorded_pid() {
  local pid
  { read -r pid <"$LAB/pid/$1"; } 2>/dev/null && [[ $pid =~ ^[0-9]+$ ]] && printf '%s\n' "$pid"
}

# daemon_pid NAME: the pid, if that process is still the daemon this lab started.
daemon_pid() {
  local pid comm
  pid=$(recorded_pid "$1") || return 1
  { read -r comm <"/proc/$pid/comm"; } 2>/dev/null || return 1
  [ "$comm" = "$(daemon_comm "$1")" ] && has_mark "$pid" && ! is_zombie "$pid" && printf '%s\n' "$pid"
}

proc_state() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
is_zombie() { [ "$(proc_state "$1")" = Z ]; }
is_gone() { [ ! -d "/proc/$1" ] || is_zombie "$1"; }

# state_of NAME: running, paused or stopped.
state_of() {
  local pid
  if ! pid=$(daemon_pid "$1"); then echo stopped; return; fi
  case $(proc_state "$pid") in T) echo paused ;; *) echo running ;; esac
}

# with_children PID...: the pids and all that descend from them.
with_children() {
  ps -eo pid=,ppid= | awk -v roots="$*" '
    { parent[$1] = $2 }
    END {
      n = split(roots, r, " "); for (i = 1; i <= n; i++) ours[r[i]] = 1
      do { more = 0; for (p in parent) if (!(p in ours) && (parent[p] in ours)) { ours[p] = 1; more = 1 } } while (more)
      for (p in ours) print p
    }'
}

# step_pids [NODE]: slurmstepds of this lab (of one node). A step daemon writes to its slurmd's log,
# which tells the node; its argument list and environment do not.
# shellcheck disable=SC2120  # fault.sh passes a node
step_pids() {
  local f log=$LAB/log/slurmd.${1:-*}.log
  for f in /proc/[0-9]*/comm; do
    [ "$(cat "$f" 2>/dev/null)" = slurmstepd ] || continue
    local dir=${f%/comm} target
    while read -r target; do
      # shellcheck disable=SC2053  # a pattern on purpose
      [[ $target == $log ]] && { printf '%s\n' "${dir#/proc/}"; break; }
    done < <(find "$dir/fd" -type l -printf '%l\n' 2>/dev/null)
  done
}

# marked_pids: every process whose environment has this lab's mark.
marked_pids() {
  { grep -lzxF -- "$LAB_MARK=$LAB" /proc/[0-9]*/environ 2>/dev/null || true; } | sed 's|/proc/\([0-9]*\)/.*|\1|'
}

# orphan_pids: processes that a job of this lab left behind with another parent. What such a process
# kept of its job is the environment.
orphan_pids() {
  local f
  for f in $(grep -lzxF -- "SLURM_CONF=$LAB/etc/slurm.conf" /proc/[0-9]*/environ 2>/dev/null); do
    if grep -qz '^SLURMD_NODENAME=' "$f" 2>/dev/null; then f=${f#/proc/}; printf '%s\n' "${f%/environ}"; fi
  done
}

# kill_pids PID...: KILL and wait until they are gone.
kill_pids() {
  [ $# -gt 0 ] || return 0
  kill -KILL "$@" 2>/dev/null || true
  local p
  for p in "$@"; do wait_until 30 is_gone "$p" || note "process $p does not end, even on KILL. Look at it with: ps -fp $p"; done
}

# end_all: ends whatever of this lab still runs. Repeats, since slurmd may be starting a step meanwhile.
end_all() {
  local round
  local -a pids
  for round in 1 2 3 4 5; do
    mapfile -t pids < <({ marked_pids; step_pids; orphan_pids; } | sort -u)
    [ "${#pids[@]}" -gt 0 ] || return 0
    mapfile -t pids < <(with_children "${pids[@]}")
    kill_pids "${pids[@]}"
  done
  note "processes of $LAB are still being started after $round rounds of KILL."
}
