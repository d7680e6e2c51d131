#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the Debian packages from the files that git tracks, in .build/deb, and prints where they are.
#
# BINARY: a static release build of the daemon to package; without it, it is built, in .build-deb, where what is there
# already is not built again. DBGSYM=1: also packages of debug symbols (a minute more, 60 MB).
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$top/.build/deb
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
if [ "$stamp" = "$(cat "$work/stamp" 2>/dev/null)" ] && ls "$work"/*.deb 2>/dev/null; then exit 0; fi
rm -rf "$tree/debian" "$work"/{*.deb,*.changes,*.buildinfo,stamp}
cp -r "$tree/packaging/deb/debian" "$tree/debian"

cd "$tree"
export SCRATCH=${SCRATCH:-$top/.build-deb} HEADERS=$top/slurm-plugins/.headers
[ "${DBGSYM:-}" = 1 ] || export DEB_BUILD_OPTIONS="noautodbgsym ${DEB_BUILD_OPTIONS:-}"
dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    echo "deb: failed; the whole log is in $work/log" >&2
    exit 1
}
echo "$stamp" >"$work/stamp"
ls "$work"/*.deb
