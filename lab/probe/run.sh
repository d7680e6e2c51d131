#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh CSLURM WORK: compiles the shim in the folder CSLURM and the probe with this machine's libslurm, and runs the
# probe against labs of this machine's Slurm: with munge, with a JSON web token, and with Slurm's own authentication.
# WORK is an empty folder that all users can enter; labs and outputs go there. Needs root and what install.sh installs.
#
# Prints a line for each check. Exit status 0: all passed; 1: some failed.
set -euo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
[ $# = 2 ] || { usage_from_header >&2; exit 64; }
need_root
shim=$(realpath "$1") work=$(realpath "$2")
here=$LAB_HERE/probe
failed=0

export LAB=$work/lab LAB_NODES=2 LAB_USERS="labv1 labv2"
unset LAB_PORT LAB_DBD LAB_CPUS LAB_MEM LAB_GPUS LAB_GPU_TYPE LAB_NODE_LINES LAB_PARTITION_LINES LAB_CONF_EXTRA LAB_CLUSTER SLURM_JWT
trap '"$LAB_HERE/slurm-down.sh" >/dev/null' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

fail() { printf 'not ok %s\n' "$*"; failed=1; }

compile() {
  # gnu11, as slurmdb.h wants POSIX's types; -z now, so that a function which the library lacks is told at once.
  gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -I"$shim/include" "$shim"/*.c "$here"/*.c -lslurm -Wl,-z,now -o "$work/probe" || {
    fail "the shim and the probe compile"
    exit 1
  }
  echo "ok the shim and the probe compile with $(gcc --version | head -n 1)"
}

# lab_up TITLE: with the knobs set by the caller.
lab_up() {
  echo "# $1"
  if ! "$LAB_HERE/slurm-up.sh" >"$work/up.out" 2>&1; then
    fail "the lab comes up"
    sed 's/^/# /' "$work/up.out"
    "$LAB_HERE/slurm-down.sh" >/dev/null
    return 1
  fi
  echo "ok the lab comes up"
  # shellcheck disable=SC1091
  . "$LAB/lab.env"
}

lab_down() { "$LAB_HERE/slurm-down.sh" >/dev/null || fail "the lab goes down"; }

# probe USER MODE OWNER
probe() {
  local begin=$SECONDS out
  out=$(mktemp -d "$work/out.XXXX") # job ids begin again with each lab, and outputs are named by them
  chmod 1777 "$out"
  setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups "$work/probe" "$2" "$3" "$out" 2>"$work/probe.err" || {
    failed=1
    # what libslurm says of expected refusals is of interest only with one that was not expected
    sed 's/^/# /' "$work/probe.err" | tail -n 20
  }
  echo "# probe $2 as $1: $((SECONDS - begin)) s"
}

# A daemon that is away: what its clients are told.
without() {
  "$LAB_HERE/fault.sh" stop "$1" >/dev/null
  probe slurm "$2" labv1
  "$LAB_HERE/fault.sh" start "$1" >/dev/null
}

with_token() {
  local token
  echo "# with a token of SlurmUser in SLURM_JWT, as nobody"
  token=$(scontrol token username=slurm lifespan=600) || { fail "scontrol token"; return; }
  # shellcheck disable=SC2031
  (export SLURM_JWT=${token#SLURM_JWT=} && probe nobody all labv1; exit "$failed") || failed=1
}

compile
plugins=$(slurm_plugin_folder)

export LAB_AUTH=munge LAB_CONF_EXTRA=''
if [ -e "$plugins/auth_jwt.so" ]; then
  (umask 077 && head -c 32 /dev/urandom >"$work/jwt.key")
  chown slurm "$work/jwt.key"
  LAB_CONF_EXTRA="AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key=$work/jwt.key"
fi
if lab_up "munge"; then
  probe slurm all labv1
  probe labv2 ordinary labv1
  if [ -n "$LAB_CONF_EXTRA" ]; then with_token; else echo "skip a JSON web token: this machine has no auth_jwt.so (package slurm-wlm-jwt-plugin)"; fi
  without slurmctld no-ctl
  without munged no-auth
  lab_down
fi

export LAB_AUTH=slurm LAB_CONF_EXTRA=''
if [ ! -e "$plugins/auth_slurm.so" ]; then
  echo "skip auth/slurm: this release has none (it came with 23.11)"
elif ! command -v sackd >/dev/null; then
  echo "skip auth/slurm: sackd is not installed"
elif lab_up "auth/slurm"; then
  probe slurm all labv1
  probe labv2 ordinary labv1
  without sackd no-auth
  lab_down
fi
exit "$failed"
