#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check-slurm-versions.sh [--fresh] [SUITE...]: compiles the C shim (Sources/CSlurm) against several releases of Slurm
# and makes its calls against a lab of each. What is called and looked at is in lab/probe.
#
#   SUITE    bookworm-host (this machine), trixie, sid; all three when none is named
#   --fresh  makes the Debian roots of trixie and sid anew
#
# The roots are kept in SLURM_GRID_AGENT_ROOTS (/var/tmp/slurm-grid-agent-roots) and reused; a lab in one has
# processes, mounts and a network of its own, which end with it. Logs of making a root lie beside it. They are made
# by debootstrap from the mirror this machine's apt uses, or from SLURM_GRID_AGENT_MIRROR. Needs root.
#
# Exit status: 0 no check failed (a suite that cannot be had is skipped, and told); 1 one failed; 64 wrong words.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

readonly ROOTS=${SLURM_GRID_AGENT_ROOTS:-/var/tmp/slurm-grid-agent-roots}
readonly EXTRA="libslurm-dev gcc libc6-dev util-linux sackd slurm-wlm-jwt-plugin" # beside what install.sh installs
readonly STAMP=.slurm-grid-agent-root                                             # says which packages a root has

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

# Children get their signals from here: bash waits for a foreground command before it looks at its own.
child='' child_signal=TERM work=''
clean_up() {
  trap '' INT TERM HUP
  trap - EXIT
  if [ -n "$child" ]; then
    kill "-$child_signal" "$child" 2>/dev/null || true
    wait_until 30 is_gone "$child" || kill_pids "$child"
  fi
  [ -z "$work" ] || rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
run() {
  local status=0
  child_signal=${SIGNAL:-TERM}
  "$@" </dev/null &
  child=$!
  wait "$child" || status=$?
  child=''
  return "$status"
}

reason='' # why a suite cannot be had
because() { reason=$*; return 1; }

# mirror: the Debian mirror of this machine; its own release and not its security archive.
mirror() {
  if [ -n "${SLURM_GRID_AGENT_MIRROR:-}" ]; then echo "$SLURM_GRID_AGENT_MIRROR"; return; fi
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' 2>/dev/null |
    awk '$2 !~ /-/ { print $1; exit }'
}

# in_root ROOT COMMAND...: COMMAND, with the folders of BRING in /tmp/check, as process 1 of its own process and mount name space, so that whatever it leaves
# running or mounted ends with it, even if it is killed (by KILL: unshare does not hear TERM). What is in /tmp and /run stays in memory.
# shellcheck disable=SC2016  # expanded inside
in_root() {
  local root=$1
  shift
  exec unshare --mount --pid --fork --kill-child=KILL --propagation private ${NETWORK:-} bash -euc '
    root=$0
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    [ ! -e /etc/resolv.conf ] || cat /etc/resolv.conf >"$root/etc/resolv.conf"
    # Without this slurmctld 24.11 hangs for seconds on every 28th message or so.
    printf "127.0.0.1 localhost %s\n::1 localhost\n" "$(uname -n)" >"$root/etc/hosts"
    mkdir "$root/tmp/check"
    cp -r $BRING "$root/tmp/check/"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive \
      chroot "$root" "$@"' "$root" "$@"
}

# install_in SUITE ROOT MIRROR: what the checks need in the root; run through in_root.
install_in() {
  local root=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no package starts its services
  chmod 755 "$root/usr/sbin/policy-rc.d"
  rm -f "$root/etc/apt/sources.list"
  {
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$3" "$1"
    [ ! -e "$root$keyring" ] || echo "Signed-By: $keyring"
  } >"$root/etc/apt/sources.list.d/debian.sources"
  {
    # A mirror that is some days old still serves: sid's Release expires after a week.
    echo 'Acquire::Check-Valid-Until "false"; Acquire::Languages "none"; APT::Install-Recommends "false";'
    apt-config dump | grep -i '^Acquire::https\?::Proxy ' || true
  } >"$root/etc/apt/apt.conf.d/99slurm-grid-agent"
  BRING=$LAB_HERE in_root "$root" bash -euc '
    apt-get -q update
    /tmp/check/lab/install.sh
    apt-get -q install -y --no-install-recommends "$@"
    apt-get clean' bash $EXTRA
}

# make_root SUITE: the root is there and complete, or `reason` says why not.
make_root() {
  local suite=$1 root=$ROOTS/$1 log=$ROOTS/$1.log url begin=$SECONDS
  [ "$fresh" = 1 ] || [ "$(cat "$root/$STAMP" 2>/dev/null)" != "$EXTRA" ] || return 0
  url=$(mirror)
  [ -n "$url" ] || because "this machine's apt knows no Debian mirror; set SLURM_GRID_AGENT_MIRROR" || return
  if ! command -v debootstrap >/dev/null; then
    echo "# debootstrap is missing and will be installed"
    DEBIAN_FRONTEND=noninteractive run apt-get -q install -y --no-install-recommends debootstrap debian-archive-keyring >&2 ||
      because "debootstrap could not be installed" || return
  fi
  if [ "$fresh" = 1 ] || [ ! -e "$root/.debootstrapped" ]; then
    ! grep -q " $root/" /proc/self/mountinfo || because "something is mounted below $root" || return
    rm -rf --one-file-system "$root"
    echo "# making $root; see $log"
    run debootstrap --variant=minbase "$suite" "$root" "$url" >"$log" 2>&1 9>&- || because "debootstrap failed; see $log" || return
    : >"$root/.debootstrapped"
    echo "# debootstrap: $((SECONDS - begin)) s"
    begin=$SECONDS
  fi
  SIGNAL=KILL run install_in "$suite" "$root" "$url" >>"$log" 2>&1 9>&- || because "apt-get failed in it; see $log" || return
  printf '%s' "$EXTRA" >"$root/$STAMP"
  echo "# packages: $((SECONDS - begin)) s"
}

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
  mkdir -p "$ROOTS" && exec 9>"$ROOTS/$1.lock" || because "cannot write to $ROOTS" || return 2
  flock -w 900 9 || because "another check has held $ROOTS/$1.lock for 15 minutes" || return 2
  make_root "$1" || return 2
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
