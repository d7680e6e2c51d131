#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the Debian packages from the files that git tracks, in .build/deb, and prints where they are.
#
# What it does goes to standard error. WORK: another folder than .build/deb.
# BINARY: a static release build of the daemon to package; without it `make release` makes it, in SCRATCH (.build-release), where
# what is there already is not built again. DBGSYM=1: also packages of debug symbols (a minute more, 60 MB).
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${WORK:-$top/.build/deb} scratch=${SCRATCH:-$top/.build-release}
tree=$work/tree
mkdir -p "$tree"
cd "$top"

# Files keep their times, and what has not changed is not touched: Swift builds only what is new.
git ls-files -z | grep -zv '^lab/\|^Tests/\|^Benchmarks/\|^FuzzTesting/' >"$work/files"
xargs -0 cp --update --preserve=timestamps,mode --parents -t "$tree" <"$work/files"
# Package.swift names the folders of tests and benchmarks; they must be there, not be full.
git ls-files 'Tests/*.swift' 'Benchmarks/*.swift' | xargs -n 1 dirname | sort -u | while read -r folder; do
    printf '%s\0' "$folder/Empty.swift" >>"$work/files"
    [ ! -e "$tree/$folder/Empty.swift" ] || continue
    mkdir -p "$tree/$folder"
    echo '// SPDX-License-Identifier: GPL-3.0-or-later' >"$tree/$folder/Empty.swift"
done
# What is no part of it any more goes.
(cd "$tree" && find . -type f ! -name Package.resolved -printf '%P\0') | sort -z | comm -z -23 - <(sort -z "$work/files") | (cd "$tree" && xargs -0 rm -f)

# Of the same files, with the same Slurm and Swift, the packages would be the same.
stamp=$({
    cd "$tree"
    xargs -0 sha256sum <"$work/files"
    dpkg-query -W -f '${Package} ${Version}\n' libslurm-dev slurm-wlm-basic-plugins systemd debhelper
    echo "$(swift --version 2>&1) ${DBGSYM:-} ${LEAN:-} ${DEB_BUILD_OPTIONS:-}"
    [ -z "${BINARY:-}" ] || sha256sum "$BINARY"
} | sha256sum)
if [ "$stamp" = "$(cat "$work/stamp" 2>/dev/null)" ] && ls "$work"/*.deb 2>/dev/null; then
    echo "deb: nothing has changed: these are of before" >&2
    exit 0
fi
rm -rf "$tree/debian" "$work"/{*.deb,*.changes,*.buildinfo,stamp}
cp -r "$tree/packaging/deb/debian" "$tree/debian"

if [ -n "${BINARY:-}" ]; then
    echo "deb: packs $BINARY with plugins and manual pages: about a minute"
elif [ -d "$scratch" ]; then
    echo "deb: builds the agent (release), plugins and manual pages, and packs them: minutes, as much as has changed"
else
    echo "deb: builds the agent (release, from nothing), plugins and manual pages, and packs them: about 10 minutes on two cores"
fi >&2
echo "deb: the log: tail -f $work/log" >&2

failed() {
    tail -n 30 "$work/log" >&2
    echo "deb: failed; the whole log is in $work/log" >&2
    exit 1
}
: >"$work/log"
[ -n "${BINARY:-}" ] || make -s -C "$top" release SCRATCH="$scratch" >>"$work/log" 2>&1 || failed
cd "$tree"
export BINARY=${BINARY:-$scratch/release/slurm-grid-agent} SCRATCH=$scratch HEADERS=$top/slurm-plugins/.headers
[ "${DBGSYM:-}" = 1 ] || export DEB_BUILD_OPTIONS="noautodbgsym ${DEB_BUILD_OPTIONS:-}"
dpkg-buildpackage --build=binary --no-sign >>"$work/log" 2>&1 || failed
echo "$stamp" >"$work/stamp"
echo "deb: done in $((SECONDS / 60)) min $((SECONDS % 60)) s; install: apt install ./slurm-grid-agent_*.deb ./slurm-grid-agent-plugins_*.deb in $work" >&2
ls "$work"/*.deb
