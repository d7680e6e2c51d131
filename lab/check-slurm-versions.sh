#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check-slurm-versions.sh [--fresh] [SUITE...]: compiles the C shim (Sources/CSlurm) against several releases of Slurm
# and makes its calls against a lab of each. What is called and looked at is in lab/probe.
#
#   SUITE    bookworm-host (this machine), trixie, sid; all three when none is named
#   --fresh  makes the Debian roots of trixie and sid again
#
# The roots are kept in SLURM_GRID_AGENT_ROOTS (/var/tmp/slurm-grid-agent-roots) and reused; a lab in one has
# processes, mounts and a network of its own, which end with it. Logs of making a root lie beside it. They are made
# by debootstrap from the mirror this machine's apt uses, or from SLURM_GRID_AGENT_MIRROR. Needs root.
#
# Exit status: 0 no check failed (a suite that cannot be had is skipped, and told); 1 one failed; 64 wrong words.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=lib/roots.sh
. "$(dirname "$0")/lib/roots.sh"

readonly EXTRA="libslurm-dev gcc libc6-dev util-linux sackd slurm-wlm-jwt-plugin" # beside what install.sh installs

fresh=0
declare -a suites=()
while [ $# -gt 0 ]; do
  case $1 in
    --fresh) fresh=1 ;;
    bookworm-host | trixie | sid) suites+=("$1") ;;
    --help) usage_from_header; exit 0 ;;
    *) usage_from_header >&2; exit 64 ;;
  esac
  shift
done
[ "${#suites[@]}" -gt 0 ] || suites=(bookworm-host trixie sid)
shim=$(realpath "$LAB_HERE/../Sources/CSlurm")

work=''
clean_up() {
  trap '' INT TERM HUP
  trap - EXIT
  end_child
  [ -z "$work" ] || rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

on_host() {
  command -v gcc >/dev/null && [ -e /usr/include/slurm/slurm.h ] ||
    because "gcc or Slurm's headers are missing: apt-get install gcc libc6-dev libslurm-dev" || return 2
  "$LAB_HERE/install.sh" >&2 || because "install.sh failed" || return 2
  work=$(mktemp -d /tmp/slurm-versions.XXXX)
  chmod 755 "$work"
  local status=0
  run "$LAB_HERE/probe/run.sh" "$shim" "$work" || status=1
  rm -rf --one-file-system "$work"
  work=''
  return "$status"
}

in_suite() {
  make_root "$1" "$1" "$EXTRA" || return 2
  # A network of its own, so that no port is anybody else's.
  BRING="$LAB_HERE $shim" NETWORK=--net SIGNAL=KILL run in_root "$ROOTS/$1" bash -euc '
    ip link set lo up
    ip addr add 192.0.2.1/32 dev lo # getaddrinfo of 24.11 and newer finds nothing where loopback is the only address
    mkdir /tmp/work
    /tmp/check/lab/probe/run.sh /tmp/check/CSlurm /tmp/work' 9>&- || return 1
}

version() { if [ "$1" = bookworm-host ]; then dpkg-query -W -f '${Version}' libslurm-dev; else chroot "$ROOTS/$1" dpkg-query -W -f '${Version}' libslurm-dev; fi; }

status=0
for suite in "${suites[@]}"; do
  begin=$SECONDS rc=0 reason=''
  if [ "$(id -u)" != 0 ]; then
    reason="needs root" rc=2
  elif [ "$suite" = bookworm-host ]; then
    on_host || rc=$?
  else
    in_suite "$suite" || rc=$?
  fi
  case $rc in
    0) echo "== $suite: passed, Slurm $(version "$suite"), $((SECONDS - begin)) s" ;;
    2) echo "== $suite: SKIPPED: $reason" ;;
    *) echo "== $suite: FAILED, Slurm $(version "$suite"), $((SECONDS - begin)) s"; status=1 ;;
  esac
done
exit "$status"
