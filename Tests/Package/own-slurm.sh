#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# own-slurm.sh SLURM_SOURCE: a Slurm that the site built itself, from its source to a job that the agent followed: Slurm is built
# into a prefix of its own, the agent and the plugins against that, packaging/install.sh puts them in place, and
# Tests/Package/smoke.py tries them on a cluster of that Slurm. Debian's Slurm is out of sight meanwhile.
#
# SLURM_SOURCE: the unpacked source of a release, such as 24.11.5; it stays as it is. What is built is kept in
# SLURM_GRID_AGENT_ROOTS (/var/tmp/slurm-grid-agent-roots), for the next time. Takes half an hour the first time. Needs
# root, because a cluster does.
set -euo pipefail

die() {
    echo "own-slurm: $*" >&2
    exit 1
}

[ $# = 1 ] && [ -n "$1" ] || {
    sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 64
}
top=$(cd "$(dirname "$0")/../.." && pwd)
source=$(realpath "$1")
[ -r "$source/META" ] || die "$source is no source of Slurm: it has no META"
version=$(sed -n 's/^ *Version:[[:space:]]*//p' "$source/META")
[ "$(id -u)" = 0 ] || die "needs root"
work=${SLURM_GRID_AGENT_ROOTS:-/var/tmp/slurm-grid-agent-roots}/own-$version
prefix=$work/slurm
mkdir -p "$work"

step() {
    local name=$1 start=$SECONDS
    shift
    echo "own-slurm: $name" >&2
    # Not on the left of ||, where it would go on after an error.
    "$@" >"$work/$name.log" 2>&1 &
    wait $! || {
        tail -n 20 "$work/$name.log" >&2
        die "$name failed; see $work/$name.log"
    }
    echo "own-slurm: $name took $((SECONDS - start)) s" >&2
}

build_slurm() {
    apt-get install -qq -y --no-install-recommends build-essential libmunge-dev
    rm -rf "$work/source" "$prefix"
    cp -r "$source" "$work/source"
    cd "$work/source"
    ./configure --prefix="$prefix" --sysconfdir="$prefix/etc" --with-munge --disable-dependency-tracking
    make -j"$(nproc)"
    make install
}

# The files that git tracks, as they are now, and what was built of them before.
build_agent() {
    mkdir -p "$work/tree"
    (cd "$top" && git ls-files -z | xargs -0 cp -p --parents -t "$work/tree")
    make -C "$work/tree" release plugins SLURM_PREFIX="$prefix" SLURM_SOURCE="$source"
}

install_agent() {
    rm -rf "$work/root"
    mkdir -p "$prefix/etc" "$work/root"
    printf 'ClusterName=own\nSlurmctldHost=localhost\nSlurmUser=slurm\n' >"$prefix/etc/slurm.conf"
    DESTDIR=$work/root "$work/tree/packaging/install.sh" "$prefix" /usr/local
    cp -r "$work/root$prefix/." "$prefix"
}

# What takes the place of Debian's: its Slurm's programs, its plugin folder, and no libslurm but the site's.
make_layer() {
    local layer=$work/layer library
    rm -rf "$layer"
    mkdir -p "$layer/bin" "$layer/sbin" "$layer/lib/x86_64-linux-gnu"
    ln -s "$prefix"/bin/* "$layer/bin"
    ln -s "$prefix"/sbin/* "$layer/sbin"
    ln -s "$prefix/lib/slurm" "$layer/lib/x86_64-linux-gnu/slurm-wlm"
    # A device 0:0 is how an overlay hides a file of the layer below.
    for library in /usr/lib/x86_64-linux-gnu/libslurm*; do mknod "$layer/lib/x86_64-linux-gnu/$(basename "$library")" c 0 0; done
}

"$top/lab/install.sh"
[ -e "$prefix/sbin/slurmctld" ] || step slurm build_slurm
step agent build_agent
step install install_agent
step layer make_layer
export BINARY=$work/root/usr/local/bin/slurm-grid-agent MODE=rich layer=$work/layer prefix top
# shellcheck disable=SC2016
unshare --mount --propagation private bash -euc '
    mount -t overlay overlay -o "lowerdir=$layer:/usr" /usr
    ldd "$BINARY" | grep -F "=> $prefix/lib/libslurm.so" >&2
    exec python3 -B "$top/Tests/Package/smoke.py"'
