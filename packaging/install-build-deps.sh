#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs, with apt, the Debian packages that a target of the Makefile needs and this machine lacks; says which and
# why first, and nothing when all are there. Needs root only when something is missing.
#
#   packaging/install-build-deps.sh GROUP…      build plugins lint deb boot versions
#
# SLURM_PREFIX=DIR: Slurm is the site's own, there; none of Debian's is installed.
set -euo pipefail

declare -A why=(
    [libslurm-dev]="Slurm's C library, which the agent links"
    [libmunge-dev]="checks who signed a message from a compute node"
    [libsqlite3-dev]="the ledger"
    [libsecp256k1-dev]="signs transactions"
    [libssl-dev]="opens keystores"
    [zlib1g-dev]="compresses what goes over gRPC"
    [gcc]="compiles the Slurm plugins"
    [make]="builds the Slurm plugins"
    [python3]="tests of events on a live cluster"
    [g++]="linker and C++ run-time files that the Swift toolchain uses"
    [libc6-dev]="C headers"
    [shellcheck]="checks the shell scripts"
    [systemd]="systemd-analyze checks the unit"
    [man-db]="renders the manual pages"
    [systemd-container]="boots the Debian that the packages are tried on"
    [iproute2]="its network"
    [slurm-wlm-basic-plugins]="says where Slurm's plugins are, and of which series"
    [binutils]="says what the daemon links"
    [debootstrap]="roots of other Debian releases"
    [debhelper]="builds the Debian package"
    [lintian]="checks the Debian package"
    [build-essential]="builds the Debian package"
    [dpkg-dev]="builds the Debian package"
)

die() {
    echo "install-build-deps: $*" >&2
    exit 1
}

wanted=()
for group in "$@"; do
    case $group in
    build) wanted+=(libslurm-dev libmunge-dev libsqlite3-dev libsecp256k1-dev libssl-dev zlib1g-dev g++ libc6-dev) ;;
    plugins) wanted+=(libslurm-dev libmunge-dev gcc make libc6-dev dpkg-dev python3 util-linux) ;;
    lint) wanted+=(shellcheck python3 systemd man-db) ;;
    deb) wanted+=(build-essential debhelper dpkg-dev lintian slurm-wlm-basic-plugins python3 systemd man-db binutils) ;;
    boot) wanted+=(debootstrap systemd-container iproute2 dpkg-dev python3) ;;
    versions) wanted+=(debootstrap) ;;
    *) die "no group \"$group\"; there are build, plugins, lint, deb, boot, versions" ;;
    esac
done

command -v swift >/dev/null ||
    die "swift is not in PATH. Install Swift 6.2 or newer from https://www.swift.org/install (Debian's own is too old)."

if [ -n "${SLURM_PREFIX:-}" ]; then
    [ -r "$SLURM_PREFIX/include/slurm/slurm.h" ] || die "SLURM_PREFIX=$SLURM_PREFIX: there is no include/slurm/slurm.h"
    mapfile -t wanted < <(printf '%s\n' "${wanted[@]}" | grep -v slurm)
fi

missing=()
for package in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing from Debian:" >&2
for package in "${missing[@]}"; do
    printf '  %-24s %s\n' "$package" "${why[$package]}" >&2
done
[ "$(id -u)" = 0 ] || die "that needs root: sudo apt-get install --no-install-recommends ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
