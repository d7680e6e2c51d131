# SPDX-License-Identifier: GPL-3.0-or-later
# Roots of other Debian releases, made by debootstrap and kept in SLURM_GRID_AGENT_ROOTS, and what runs in them. A root
# has what install.sh installs. Needs root. Who sources this calls end_child when it ends.
# shellcheck shell=bash

readonly ROOTS=${SLURM_GRID_AGENT_ROOTS:-/var/tmp/slurm-grid-agent-roots}
readonly ROOT_STAMP=.slurm-grid-agent-root # says which packages a root has

reason='' # why a root cannot be had
because() { reason=$*; return 1; }

# run COMMAND...: children get their signals from here: bash waits for a foreground command before it looks at its own.
child='' child_signal=TERM
run() {
  local status=0
  child_signal=${SIGNAL:-TERM}
  "$@" </dev/null &
  child=$!
  wait "$child" || status=$?
  child=''
  return "$status"
}
end_child() {
  [ -n "$child" ] || return 0
  kill "-$child_signal" "$child" 2>/dev/null || true
  wait_until 30 is_gone "$child" || kill_pids "$child"
}

# mirror: the Debian mirror of this machine; its own release and not its security archive.
mirror() {
  if [ -n "${SLURM_GRID_AGENT_MIRROR:-}" ]; then echo "$SLURM_GRID_AGENT_MIRROR"; return; fi
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' 2>/dev/null |
    awk '$2 !~ /-/ { print $1; exit }'
}

# in_root ROOT COMMAND...: COMMAND as process 1 of its own process and mount name space, so that whatever it leaves
# running or mounted ends with it, even if it is killed (by KILL: unshare does not hear TERM). What is in /tmp and /run
# stays in memory. Knobs:
#
#   BRING    folders that are copied to /tmp/check
#   SHARE    FOLDER:PLACE words: folders of this machine that are there too; PLACE:ro, to read only
#   OVERLAY  1: whatever is written to the root stays in memory too
#   NETWORK  --net: a network of its own
in_root() {
  local root=$1
  shift
  # shellcheck disable=SC2016,SC2086  # expanded inside; words
  exec env BRING="${BRING:-}" SHARE="${SHARE:-}" OVERLAY="${OVERLAY:-}" unshare --mount --pid --fork --kill-child=KILL --propagation private ${NETWORK:-} bash -euc '
    root=$0
    if [ "$OVERLAY" = 1 ]; then
      mount -t tmpfs tmpfs "$root/mnt"
      mkdir "$root/mnt/upper" "$root/mnt/work" "$root/mnt/root"
      mount -t overlay -o "lowerdir=$root,upperdir=$root/mnt/upper,workdir=$root/mnt/work" overlay "$root/mnt/root"
      root=$root/mnt/root
    fi
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    [ ! -e /etc/resolv.conf ] || cat /etc/resolv.conf >"$root/etc/resolv.conf"
    # Without this slurmctld 24.11 hangs for seconds on every 28th message or so.
    printf "127.0.0.1 localhost %s\n::1 localhost\n" "$(uname -n)" >"$root/etc/hosts"
    mkdir "$root/tmp/check"
    [ -z "$BRING" ] || cp -r $BRING "$root/tmp/check/"
    for share in $SHARE; do
      IFS=: read -r from to mode <<<"$share"
      mkdir -p "$root$to"
      mount -o "bind,${mode:-rw}" "$from" "$root$to"
    done
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive \
      chroot "$root" "$@"' "$root" "$@"
}

# install_in SUITE ROOT MIRROR PACKAGES: what is needed in the root; run through in_root.
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
  # shellcheck disable=SC2086  # a list
  BRING=$LAB_HERE in_root "$root" bash -euc '
    apt-get -q update
    /tmp/check/lab/install.sh
    apt-get -q install -y --no-install-recommends "$@"
    apt-get clean' bash $4
}

# make_root NAME SUITE PACKAGES: the root NAME is there and complete, and nobody else's until this shell ends (file
# descriptor 9), or `reason` says why not. With fresh=1 it is made again.
make_root() {
  local name=$1 suite=$2 packages=$3 root=$ROOTS/$1 log=$ROOTS/$1.log url begin=$SECONDS
  mkdir -p "$ROOTS" && exec 9>"$ROOTS/$name.lock" || because "cannot write to $ROOTS" || return
  flock -w 900 9 || because "another check has held $ROOTS/$name.lock for 15 minutes" || return
  [ "${fresh:-0}" = 1 ] || [ "$(cat "$root/$ROOT_STAMP" 2>/dev/null)" != "$packages" ] || return 0
  url=$(mirror)
  [ -n "$url" ] || because "this machine's apt knows no Debian mirror; set SLURM_GRID_AGENT_MIRROR" || return
  if ! command -v debootstrap >/dev/null; then
    echo "# debootstrap is missing and will be installed"
    DEBIAN_FRONTEND=noninteractive run apt-get -q install -y --no-install-recommends debootstrap debian-archive-keyring >&2 ||
      because "debootstrap could not be installed" || return
  fi
  if [ "${fresh:-0}" = 1 ] || [ ! -e "$root/.debootstrapped" ]; then
    ! grep -q " $root/" /proc/self/mountinfo || because "something is mounted below $root" || return
    rm -rf --one-file-system "$root"
    echo "# making $root; see $log"
    run debootstrap --variant=minbase "$suite" "$root" "$url" >"$log" 2>&1 9>&- || because "debootstrap failed; see $log" || return
    : >"$root/.debootstrapped"
    echo "# debootstrap: $((SECONDS - begin)) s"
    begin=$SECONDS
  fi
  SIGNAL=KILL run install_in "$suite" "$root" "$url" "$packages" >>"$log" 2>&1 9>&- || because "apt-get failed in it; see $log" || return
  printf '%s' "$packages" >"$root/$ROOT_STAMP"
  echo "# packages: $((SECONDS - begin)) s"
}
