#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# trixie.sh [--fresh] [STEP...]: builds the Debian packages for Debian 13 from the files that git tracks, and tries them
# there. Debian 13's own Swift is too old for the packages that the agent uses, so this machine's toolchain is carried in.
#
#   STEP     root   makes the Debian 13 root, or completes it
#            build  builds the packages in it: .build-trixie/debs
#            smoke  installs them in a copy of the root that is forgotten, and runs Tests/Package/smoke.py there on a
#                   cluster of Debian 13's Slurm, in a network of its own
#            hour   boots Debian 13 with them and types what README and the pages say, up to a job that a grid pays
#                   (Tests/Package/first_hour.py); needs systemd-nspawn
#            cockpit  runs Tests/ClusterCockpit there with those packages, and with slurmdbd; takes minutes
#            root, build and smoke when none is named
#   --fresh  makes the root again
#
# The root is kept in SLURM_GRID_AGENT_ROOTS (/var/tmp/slurm-grid-agent-roots). Needs root. SLURM_GRID_AGENT_MIRROR: a
# Debian mirror in place of the one this machine's apt uses. SLURM_SOURCE: the source of Debian 13's Slurm; without it
# it is fetched as Debian source, and if the mirror has none, the job completion plugin is built lean (docs/plugins.md).
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=../../lab/lib.sh
. "$top/lab/lib.sh"
# shellcheck source=../../lab/lib/roots.sh
. "$top/lab/lib/roots.sh"

readonly NAME=trixie-build
# What Swift's own programs are linked to, and what they call; systemd, whose release decides what the unit may say.
readonly PACKAGES="git ca-certificates python3 libcurl4 libxml2 libncurses6 libsqlite3-0 zlib1g libuuid1 systemd"
work=$top/.build-trixie

fresh=0
steps=()
while [ $# -gt 0 ]; do
  case $1 in
    --fresh) fresh=1 ;;
    root | build | smoke | hour | cockpit) steps+=("$1") ;;
    --help) usage_from_header; exit 0 ;;
    *) usage_from_header >&2; exit 64 ;;
  esac
  shift
done
[ ${#steps[@]} -gt 0 ] || steps=(root build smoke)
need_root

trap 'trap "" INT TERM HUP; trap - EXIT; end_child' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# toolchain: the folder that holds bin/swift, share, …
toolchain() {
  local folder
  command -v swift >/dev/null || die "swift is not in PATH. Install Swift 6.2 or newer from https://www.swift.org/install."
  folder=$("$top/packaging/toolchain.sh") || exit 1
  # Bound over Debian 13's own files it would take their place.
  [ "$folder" != /usr ] || die "the Swift toolchain is in /usr, among this machine's own files, and cannot be carried into another Debian. Unpack one elsewhere."
  echo "$folder"
}

# copy_tree: the files that git tracks, as they are now, in a repository of their own (build.sh asks git), beside what
# was built of them before.
copy_tree() {
  local tree=$work/tree
  mkdir -p "$tree"
  if [ -d "$tree/.git" ]; then
    (cd "$tree" && git ls-files -z | xargs -0 rm -f)
  else
    git init -q "$tree"
  fi
  (cd "$top" && git ls-files -z | xargs -0 cp -p --parents -t "$tree")
  git -C "$tree" add --all
}

# fetch_packages: what Package.swift names, by whatever this machine's Swift and git are set up to fetch it with. The root
# then takes it from these copies, and needs to reach nobody.
fetch_packages() {
  local folder url name
  swift package --package-path "$work/tree" --scratch-path "$work/packages" resolve >"$work/resolve.log" 2>&1 ||
    { tail -n 5 "$work/resolve.log" >&2; die "the Swift packages could not be fetched; see $work/resolve.log"; }
  for folder in "$work"/packages/repositories/*/; do
    name=$(basename "$folder")
    url=$(git -C "$folder" config remote.origin.url)
    url=${url%.git}
    printf '[url "/packages/repositories/%s"]\n\tinsteadOf = %s\n\tinsteadOf = %s.git\n' "$name" "$url" "$url"
  done >"$work/packages/gitconfig"
}

root_step() { make_root "$NAME" trixie "$PACKAGES" || die "no Debian 13 root: $reason"; }

build_step() {
  local swift share="$work/tree:/build $work/packages:/packages:ro"
  swift=$(toolchain)
  share+=" $swift:/opt/swift/usr:ro"
  [ -z "${SLURM_SOURCE:-}" ] || share+=" $(realpath "$SLURM_SOURCE"):/slurm-source:ro"
  copy_tree
  fetch_packages
  SHARE=$share SIGNAL=KILL run in_root "$ROOTS/$NAME" bash -euc '
    export PATH=$PATH:/opt/swift/usr/bin
    ! mountpoint -q /slurm-source || export SLURM_SOURCE=/slurm-source
    cp /packages/gitconfig /etc/gitconfig
    cd /build
    packaging/install-build-deps.sh build plugins deb
    mode=rich
    slurm-plugins/fetch-slurm-headers.sh slurm-plugins/.headers >/dev/null || { mode=lean; export LEAN=1; }
    packaging/deb/build.sh
    echo "$mode" >.build/deb/mode' 9>&- || die "the packages were not built on Debian 13; /build in what it says is $work/tree"
  rm -rf "$work/debs"
  mkdir "$work/debs"
  cp "$work"/tree/.build/deb/{*.deb,mode} "$work/debs"
  if [ "$(cat "$work/debs/mode")" = lean ]; then
    echo "# the job completion plugin is lean, as Slurm's source could not be had: name it in SLURM_SOURCE for rich records" >&2
  fi
  ls "$work"/debs/*.deb
}

smoke_step() {
  ls "$work"/debs/*.deb >/dev/null 2>&1 || die "no packages in $work/debs: trixie.sh build"
  BRING="$top/lab $top/Tests $work/debs" OVERLAY=1 NETWORK=--net SIGNAL=KILL run in_root "$ROOTS/$NAME" bash -euc '
    ip link set lo up
    ip addr add 192.0.2.1/32 dev lo # getaddrinfo of 24.11 and newer finds nothing where loopback is the only address
    apt-get -qq install -y /tmp/check/debs/*.deb >/dev/null
    MODE=$(cat /tmp/check/debs/mode) python3 -B /tmp/check/Tests/Package/smoke.py' 9>&- || die "the smoke test failed on Debian 13"
}

hour_step() {
  ls "$work"/debs/*.deb >/dev/null 2>&1 || die "no packages in $work/debs: trixie.sh build"
  DEBIAN=trixie DEBS=$work/debs run python3 -B "$top/Tests/Package/first_hour.py" 9>&- || die "the first hour on Debian 13 does not go well"
}

cockpit_step() {
  ls "$work"/debs/*.deb >/dev/null 2>&1 || die "no packages in $work/debs: trixie.sh build"
  BRING="$top/lab $top/Tests $top/slurm-plugins $work/debs" OVERLAY=1 SIGNAL=KILL run in_root "$ROOTS/$NAME" bash -euc '
    cd /tmp/check
    lab/install.sh --dbd >&2
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y gcc make libc6-dev libslurm-dev libmunge-dev /tmp/check/debs/*.deb >/dev/null
    # The plugin that looks for /sys and /proc where the tests say.
    rm -rf slurm-plugins/build*
    make -s -C slurm-plugins spank-test-root
    export BINARY=/usr/bin/slurm-grid-agent PLUGINS=/usr/lib/x86_64-linux-gnu/slurm-wlm
    unshare --net bash -euc "
      ip link set lo up
      ip addr add 192.0.2.1/32 dev lo # as for the smoke test
      for part in placement jobs requeue; do python3 -B Tests/ClusterCockpit/\$part.py; done"' 9>&- ||
    die "the tests of ClusterCockpit failed on Debian 13"
}

for step in "${steps[@]}"; do
  [ "$step" = root ] || [ -e "/proc/$$/fd/9" ] || root_step
  "${step}_step"
done
