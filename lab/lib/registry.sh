# SPDX-License-Identifier: GPL-3.0-or-later
# What labs on one machine must agree on: blocks of ports, and the Unix users that they share.
# The record is files under /run, changed under one lock.
# shellcheck shell=bash

readonly LAB_REGISTRY=/run/slurm-grid-agent-lab
readonly LAB_PORT_FIRST=20000 LAB_PORT_LAST=31900 LAB_PORT_BLOCK=100   # below Linux's ephemeral ports
readonly LAB_USER_COMMENT="slurm-grid-agent lab"                       # marks the users that labs made

# The lock file goes away with the last lab, so a waiter must check that it holds the file of today.
registry_lock() {
  while :; do
    mkdir -p "$LAB_REGISTRY/ports" "$LAB_REGISTRY/users"
    exec 9>>"$LAB_REGISTRY/lock" || continue
    flock -w 300 9 || die "another lab holds $LAB_REGISTRY/lock for five minutes. See who with: fuser -v $LAB_REGISTRY/lock"
    [ "$LAB_REGISTRY/lock" -ef /proc/self/fd/9 ] && return 0
  done
}

registry_unlock() {
  rmdir --ignore-fail-on-non-empty "$LAB_REGISTRY/ports" "$LAB_REGISTRY/users" 2>/dev/null || true
  if [ ! -e "$LAB_REGISTRY/ports" ] && [ ! -e "$LAB_REGISTRY/users" ]; then
    rm -f "$LAB_REGISTRY/lock"
    rmdir --ignore-fail-on-non-empty "$LAB_REGISTRY"
  fi
  exec 9>&-
}

# registry_sweep: forgets labs whose folder has vanished. Call with the lock held.
registry_sweep() {
  local f lab
  for f in "$LAB_REGISTRY"/ports/*; do
    [ -e "$f" ] || continue
    lab=$(cat "$f")
    [ -e "$lab/$LAB_MARKER" ] || { rm -f "$f"; release_users "${f##*/}"; }
  done
}

block_is_free() {
  local base=$1
  [ ! -e "$LAB_REGISTRY/ports/$base" ] || return 1
  ! ss -Htln | awk -v a="$base" -v b="$((base + LAB_PORT_BLOCK))" \
    '{ n = split($4, p, ":"); if (p[n] >= a && p[n] < b) found = 1 } END { exit !found }'
}

# reserve_ports: sets LAB_PORT to the first port of a block that is now ours. Call with the lock held.
reserve_ports() {
  if [ -n "${LAB_PORT:-}" ]; then
    need_number LAB_PORT 1024 65400
    block_is_free "$LAB_PORT" || die "ports $LAB_PORT to $((LAB_PORT + LAB_PORT_BLOCK - 1)) are taken. Leave LAB_PORT unset and a free block is chosen."
  else
    local base
    for ((base = LAB_PORT_FIRST; base <= LAB_PORT_LAST; base += LAB_PORT_BLOCK)); do
      block_is_free "$base" && break
    done
    [ "$base" -le "$LAB_PORT_LAST" ] || die "no free block of $LAB_PORT_BLOCK ports from $LAB_PORT_FIRST up. Take a lab down with lab/slurm-down.sh."
    LAB_PORT=$base
  fi
  printf '%s\n' "$LAB" >"$LAB_REGISTRY/ports/$LAB_PORT"
}

is_lab_user() { [ "$(getent passwd "$1" | cut -d: -f5)" = "$LAB_USER_COMMENT" ]; }

# add_user NAME: a customer's address is longer than useradd takes; elsewhere such users come from LDAP.
add_user() {
  if [ "${#1}" -lt 32 ]; then
    useradd --create-home --shell /bin/bash --comment "$LAB_USER_COMMENT" "$1"
    return
  fi
  python3 "$LAB_HERE/grid/unix_users.py" "$1" "$LAB_USER_COMMENT"
}

# acquire_users: makes the users that are missing and notes that this lab needs them. Lock held.
acquire_users() {
  local u
  for u in $LAB_USERS; do
    # One that is hidden for a while (grid/unix_users.py) is there, too.
    if ! getent passwd "$u" >/dev/null && ! getent passwd "$u-away" >/dev/null; then
      add_user "$u" 2>"$LAB/log/useradd.out" || die "useradd $u failed: $(cat "$LAB/log/useradd.out")"
    fi
    mkdir -p "$LAB_REGISTRY/users/$u"
    : >"$LAB_REGISTRY/users/$u/$LAB_PORT"
  done
}

# release_users PORT: drops that lab's claim, and removes the users nobody claims and a lab had made. Lock held.
release_users() {
  local f u
  local -a pids
  for f in "$LAB_REGISTRY"/users/*/"$1"; do
    [ -e "$f" ] || continue
    rm -f "$f"
    u=$(basename "$(dirname "$f")")
    rmdir "$LAB_REGISTRY/users/$u" 2>/dev/null || continue
    is_lab_user "$u" || continue
    mapfile -t pids < <(ps -o pid= -u "$(id -u "$u")" | tr -d ' ')
    kill_pids ${pids[@]+"${pids[@]}"}
    userdel --remove "$u" >/dev/null 2>&1 || note "user $u could not be removed. Try: userdel --remove $u"
  done
}

release_lab() {
  registry_lock
  if [ "$(cat "$LAB_REGISTRY/ports/${LAB_PORT:-none}" 2>/dev/null)" = "$LAB" ]; then
    release_users "$LAB_PORT"
    rm -f "$LAB_REGISTRY/ports/$LAB_PORT"
  fi
  registry_unlock
}
